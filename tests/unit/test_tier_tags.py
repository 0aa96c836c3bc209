"""Tags of tiers on customers' cards: kept equal to the ledger, and obeyed where staff set them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from dolisync.errors import RefusedError, TransientError
from dolisync.ledger import outbox, tier_marks
from dolisync.ledger.courses import settings_of
from dolisync.ledger.engine import reading, write
from dolisync.ledger.privacy import erase
from dolisync.ledger.store import Transaction
from dolisync.model import Customer, CustomerKey
from dolisync.ports import Tagged
from dolisync.program.staff_tags import Mark
from dolisync.sync import merge as merging
from dolisync.sync import tier_tags
from dolisync.sync.tier_tags import TierTags
from tests.builders import SOURCE, credit_note, customer, program, sale
from tests.fakes import Shop
from tests.unit.test_timeline import tier

TIERS = [
    {"name": "bronze", "title": "Bronze", "at_least": 0},
    {"name": "silver", "title": "Silver", "at_least": 100, "multiplier": 2},
    {"name": "gold", "title": "Gold", "at_least": 300, "multiplier": 3, "tag": "VIP"},
]
EARLIER = date(2026, 11, 2)


@dataclass
class FakeTags:
    """Cards with tags. ``crash`` breaks the next write before or after its effect."""

    labels: set[str]
    cards: dict[int, set[str]] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    crash: list[tuple[str, Exception]] = field(default_factory=list)
    writes: list[tuple[int, str, frozenset[str]]] = field(default_factory=list)
    looks: int = 0
    is_slow: bool = False
    look_every_s: float = 5.0

    def put(self, rowid: int, *labels: str) -> None:
        """Let staff save a card with these tags."""
        self.cards[rowid] = set(labels)

    def trace(self, labels: Collection[str]) -> str | None:
        borne = sorted((who, sorted(tags & set(labels))) for who, tags in self.cards.items())
        return None if self.is_slow else repr((sorted(self.labels), borne))

    def tagged(self, labels: Collection[str]) -> Tagged:
        self.looks += 1
        known = frozenset(self.labels) & set(labels)
        found = {who: frozenset(tags & known) for who, tags in self.cards.items() if tags & known}
        return Tagged(known, found)

    def tags_of(self, customer: int, labels: Collection[str]) -> frozenset[str] | None:
        if customer in self.gone:
            return None
        return frozenset(self.cards.get(customer, set()) & set(labels))

    def retag(self, customer: int, wanted: str, unwanted: Collection[str]) -> None:
        when, error = self.crash.pop(0) if self.crash else ("", None)
        if error and when == "before":
            raise error
        if wanted and wanted not in self.labels:
            raise RefusedError(f"there is no customer tag '{wanted}'")
        self.writes.append((customer, wanted, frozenset(unwanted)))
        card = self.cards.setdefault(customer, set())
        card -= set(unwanted)
        card |= {wanted} if wanted else set()
        if error:
            raise error

    def customers(self, rowids: Collection[int]) -> dict[int, Customer]:
        there = [rowid for rowid in rowids if rowid not in self.gone]
        return {rowid: Customer(customer(rowid), "") for rowid in there}

    def find_customer(self, text: str) -> tuple[Customer, ...]:
        raise NotImplementedError(text)


@dataclass
class Place:
    """A shop whose tiers are tags."""

    shop: Shop
    door: FakeTags

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget what a daemon keeps in mind only."""
        publisher = self.shop.publisher
        self.tags = TierTags(
            self.shop.engine,
            self.shop.clock,
            publisher.source,
            self.shop.by_name,
            self.shop.rules,
            self.door,
            self.door,
        )
        publisher.followers = {"tags": self.tags}

    def adopt(self, **tiers: Any) -> None:
        self.shop.adopt(terms(**tiers))
        self.restart()

    def turn(self, seconds: float = 5) -> int:
        """Look and publish, some seconds later."""
        self.shop.clock.tick(seconds)
        taken = self.tags.run_once()
        self.shop.publish()
        return taken

    def buy(self, rowid: int, amount: int, day: date = EARLIER, buyer: int = 7) -> None:
        self.shop.take(sale(rowid, amount, day=day, buyer=buyer))

    def card(self, rowid: int = 7) -> set[str]:
        return self.door.cards.get(rowid, set())

    def set_by_hand(self, rowid: int = 7) -> list[tuple[str, bool, int | None]]:
        with reading(self.shop.engine) as connection:
            found = settings_of(connection, "loyalty", customer(rowid))
        return [(e.setting.tier, e.setting.is_locked, e.setting.until) for e in found]

    def marks(self) -> dict[int, Mark]:
        with reading(self.shop.engine) as connection:
            found = tier_marks.of_source(connection, SOURCE, 1)
        return {place.customer.rowid: mark for place, mark in found.items()}


def terms(**tiers: Any) -> Any:
    return program(tier=TIERS, tiers={"tags": True, **tiers})


@pytest.fixture
def place(ledger: Engine) -> Place:
    return opened(ledger)


def opened(ledger: Engine, **tiers: Any) -> Place:
    return Place(Shop(ledger, programs=(terms(**tiers),)), FakeTags({"Bronze", "Silver", "VIP"}))


class TestKeptEqual:
    def test_the_card_bears_the_tag_of_the_tier_and_no_other_of_them(self, place: Place) -> None:
        place.door.put(7, "Neighbours")
        place.buy(1, 50)
        place.turn()
        assert place.card() == {"Neighbours", "Bronze"}
        place.buy(2, 100)
        place.turn()
        assert place.card() == {"Neighbours", "Silver"}
        place.buy(3, 200)
        place.turn()
        assert place.card() == {"Neighbours", "VIP"}
        assert place.set_by_hand() == []

    def test_a_correction_takes_the_tag_with_it(self, place: Place) -> None:
        place.buy(1, 150)
        place.turn()
        place.shop.take(credit_note(2, 100, origin=1, day=EARLIER))
        place.turn()
        assert place.card() == {"Bronze"}

    def test_time_alone_changes_a_tag(self, ledger: Engine) -> None:
        place = opened(ledger, months=1)
        place.buy(1, 150)
        place.turn()
        place.shop.clock.moment = datetime(2027, 1, 1, 6, tzinfo=place.shop.clock.moment.tzinfo)
        place.tags.compare()
        place.turn()
        assert place.card() == {"Bronze"}

    def test_nobody_but_members_bears_one(self, place: Place) -> None:
        """The default tier of a program is also that of customers who never bought."""
        place.adopt(default="bronze")
        place.turn()
        assert place.tags.compare() == 0
        assert place.door.writes == []

    def test_what_is_right_is_not_written_again(self, place: Place) -> None:
        place.buy(1, 50)
        place.turn()
        place.buy(2, 10)
        for _ in range(5):
            place.turn(70)
        assert place.door.writes == [(7, "Bronze", frozenset())]

    def test_all_who_have_a_tier_get_its_tag_when_tags_are_first_wanted(
        self, ledger: Engine
    ) -> None:
        place = opened(ledger, tags=False)
        for buyer in (7, 8, 9):
            place.buy(buyer, 100 * (buyer - 7), buyer=buyer)
        for _ in range(3):
            place.turn()
        assert place.door.cards == {}
        place.adopt()
        place.turn()
        assert [place.card(rowid) for rowid in (7, 8, 9)] == [set(), {"Silver"}, {"Silver"}]

    def test_a_tag_that_is_missing_waits_for_a_person_and_cards_are_written_all_the_same(
        self, place: Place
    ) -> None:
        place.door.labels.clear()
        place.buy(1, 150)
        for _ in range(2):
            place.turn()
        (dead,) = place.shop.outbox("dead")
        assert dead.target.kind == "tags"
        assert "no customer tag 'Silver'" in dead.last_error
        assert place.shop.sink.cards[customer()]["loytier"].startswith("Silver")
        place.door.labels |= {"Silver"}
        assert place.tags.compare() == 1
        place.turn()
        assert place.card() == {"Silver"}

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_call_that_is_lost_is_sent_again_and_nobody_is_taken_for_staff(
        self, place: Place, when: str
    ) -> None:
        place.buy(1, 50)
        place.turn()
        place.buy(2, 100)
        place.door.crash = [(when, TransientError("lost"))]
        place.shop.publish()
        place.restart()
        assert place.turn() == 0
        place.turn(60)
        assert place.card() == {"Silver"}
        assert place.set_by_hand() == []

    def test_another_label_takes_the_place_of_the_old_one(self, place: Place) -> None:
        place.buy(1, 150)
        place.turn()
        place.door.labels.add("Argent")
        renamed = [
            {**entry, "tag": "Argent"} if entry["name"] == "silver" else entry for entry in TIERS
        ]
        place.shop.adopt(program(tier=renamed, tiers={"tags": True}))
        place.restart()
        assert place.turn() == 0
        place.tags.compare()
        place.turn()
        assert place.card() == {"Argent"}
        assert place.set_by_hand() == []

    def test_a_customer_left_out_loses_ours_and_keeps_his_own(self, place: Place) -> None:
        place.buy(1, 150)
        place.turn()
        place.door.put(8, "Silver")
        place.shop.adopt(program(tier=TIERS, tiers={"tags": True}, excluded_customers=[7, 8]))
        place.restart()
        place.tags.compare()
        place.turn()
        assert (place.card(7), place.card(8)) == (set(), {"Silver"})
        assert place.set_by_hand(8) == []

    def test_an_erased_person_bears_none(self, place: Place) -> None:
        place.buy(1, 150)
        place.turn()
        engine, clock = place.shop.engine, place.shop.clock
        write(
            engine,
            lambda c: erase(
                Transaction(c, clock.now()), place.shop.by_name, customer(), "asked", "B-1"
            ),
        )
        place.turn()
        place.tags.compare()
        place.turn()
        assert place.card() == set()
        assert place.marks() == {}


class TestSetByStaff:
    def test_another_tag_sets_the_tier_and_takes_the_old_one_off(self, place: Place) -> None:
        place.buy(1, 50)
        place.turn()
        place.door.put(7, "Bronze", "VIP", "Neighbours")
        assert place.turn() == 1
        assert place.card() == {"VIP", "Neighbours"}
        assert place.set_by_hand() == [("gold", False, None)]
        assert tier(place.shop) == "gold"
        for _ in range(3):
            assert place.turn(700) == 0
        assert place.set_by_hand() == [("gold", False, None)]
        assert place.shop.breaches() == []

    def test_who_set_it_and_how_is_kept(self, place: Place) -> None:
        place.buy(1, 50)
        place.turn()
        place.door.put(7, "VIP")
        place.turn()
        with reading(place.shop.engine) as connection:
            (entry,) = settings_of(connection, "loyalty", customer())
        assert (entry.made_by, entry.reason) == ("Dolibarr", "tag 'VIP' put on the customer card")

    def test_it_is_respected_by_later_sales_and_judged_by_the_review(self, place: Place) -> None:
        place.buy(1, 50)
        place.turn()
        place.door.put(7, "VIP")
        place.turn()
        place.buy(2, 10, place.shop.today)
        place.turn()
        assert place.shop.balance() == 50 + 30
        assert place.card() == {"VIP"}
        place.shop.clock.moment += timedelta(days=12)
        place.tags.compare()
        place.turn()
        assert place.card() == {"Bronze"}

    def test_a_lower_tier_than_that_earned_holds_until_the_review(self, place: Place) -> None:
        place.buy(1, 350)
        place.turn()
        place.door.put(7, "Bronze")
        # Not within the time in which an old form may bring it back.
        place.turn(700)
        until = date(2026, 11, 30).toordinal()
        assert place.set_by_hand() == [("bronze", True, until)]
        place.buy(2, 10, place.shop.today)
        place.turn()
        assert place.card() == {"Bronze"}
        place.shop.clock.moment += timedelta(days=12)
        place.tags.compare()
        place.turn()
        assert place.card() == {"VIP"}

    def test_locked_it_outlives_reviews(self, ledger: Engine) -> None:
        place = opened(ledger, by_staff="locked")
        place.buy(1, 50)
        place.turn()
        place.door.put(7, "VIP")
        place.turn()
        assert place.set_by_hand() == [("gold", True, None)]
        place.shop.clock.moment += timedelta(days=400)
        place.tags.compare()
        place.turn()
        assert place.card() == {"VIP"}

    def test_ignored_it_is_put_right(self, ledger: Engine) -> None:
        place = opened(ledger, by_staff="ignored")
        place.buy(1, 50)
        place.turn()
        place.door.put(7, "VIP")
        assert place.turn() == 0
        assert place.card() == {"Bronze"}
        assert place.set_by_hand() == []

    def test_taken_off_the_tier_earned_is_back(self, place: Place) -> None:
        place.buy(1, 150)
        place.turn()
        place.door.put(7, "VIP")
        place.turn()
        place.door.put(7)
        assert place.turn() == 1
        assert place.card() == {"Silver"}
        assert [entry[0] for entry in place.set_by_hand()] == ["gold", ""]
        place.door.put(7, "VIP", "Silver")
        assert place.turn() == 1, "and set again, at once"
        assert place.card() == {"VIP"}

    def test_a_tag_that_was_earned_is_put_back(self, place: Place) -> None:
        place.buy(1, 150)
        place.turn()
        place.door.put(7)
        assert place.turn(700) == 0
        assert place.card() == {"Silver"}
        assert place.set_by_hand() == []

    def test_a_form_that_stood_open_brings_back_nobodys_wish(self, place: Place) -> None:
        place.buy(1, 50)
        place.turn()
        place.buy(2, 100)
        place.turn()
        place.door.put(7, "Bronze", "Neighbours")
        assert place.turn(60) == 0
        assert place.card() == {"Silver", "Neighbours"}
        assert place.set_by_hand() == []
        place.door.put(7)
        assert place.turn(60) == 0, "no form showed none at all"
        assert place.card() == {"Silver"}

    def test_of_two_the_highest(self, place: Place) -> None:
        place.buy(1, 50)
        place.turn()
        place.door.put(7, "Silver", "VIP")
        place.turn()
        assert place.card() == {"VIP"}

    def test_a_customer_who_never_bought_may_have_a_tier(self, place: Place) -> None:
        place.turn()
        place.door.put(8, "Silver")
        assert place.turn() == 1
        place.buy(1, 10, place.shop.today, buyer=8)
        place.turn()
        assert place.card(8) == {"Silver"}
        assert place.shop.balance(8) == 20

    def test_staff_are_heard_before_their_tag_would_be_taken_off(self, place: Place) -> None:
        """Between two looks a sale has the card written."""
        place.door.is_slow, place.door.look_every_s = True, 600
        place.buy(1, 50)
        place.turn()
        for wished in ({"Bronze", "VIP"}, set()):
            place.door.put(7, *wished)
            place.shop.take(sale(2, 100, day=EARLIER))
            place.tags.wish([customer()])
            write(place.shop.engine, lambda c: _wish(c, place))
            place.turn(10)
        assert [entry[0] for entry in place.set_by_hand()] == ["gold", ""]
        assert place.card() == {"Silver"}

    def test_the_tag_that_says_what_the_ledger_says_is_no_wish(self, place: Place) -> None:
        place.door.put(7, "Silver")
        place.buy(1, 150)
        assert place.turn() == 0
        assert place.set_by_hand() == []
        assert place.door.writes == []


def _wish(connection: Any, place: Place) -> None:
    outbox.wish(connection, [outbox.tags_target(customer())], place.shop.clock.now())


class TestNobodysWish:
    def test_a_tag_taken_off_many_cards_at_once(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tier_tags, "VANISHED_MAX", 2)
        buyers = range(10, 13)
        for buyer in buyers:
            place.buy(buyer, 50, buyer=buyer)
        place.turn()
        for buyer in buyers:
            place.door.put(buyer, "VIP")
        place.turn()
        for buyer in buyers:
            place.door.put(buyer)
        assert place.turn() == 0
        assert {frozenset(place.card(buyer)) for buyer in buyers} == {frozenset({"VIP"})}
        place.door.put(10)
        assert place.turn() == 1, "one is meant"

    def test_a_tag_that_is_gone_from_dolibarr(self, place: Place) -> None:
        place.buy(1, 50)
        place.turn()
        place.door.put(7, "VIP")
        place.turn()
        place.door.labels.discard("VIP")
        place.door.put(7)
        assert place.turn() == 0
        assert [entry[0] for entry in place.set_by_hand()] == ["gold"]

    def test_a_merge_in_dolibarr_that_the_ledger_knows(self, place: Place) -> None:
        place.buy(1, 50)
        place.buy(2, 350, buyer=8)
        place.turn()
        place.door.gone.add(8)
        place.door.put(7, *place.card(7), *place.door.cards.pop(8))
        programs, clock = place.shop.by_name, place.shop.clock

        def work(connection: Any) -> None:
            transaction = Transaction(connection, clock.now())
            merging.merge(transaction, programs, customer(8), customer(7), "B-2")
            transaction.flush()

        write(place.shop.engine, work)
        assert place.turn() == 0
        place.tags.compare()
        place.turn()
        assert place.set_by_hand() == []
        assert set(place.marks()) == {7}

    def test_a_merge_in_dolibarr_that_the_ledger_does_not_know_yet(self, place: Place) -> None:
        place.buy(1, 50)
        place.buy(2, 350, buyer=8)
        place.turn()
        place.door.gone.add(8)
        place.door.put(7, *place.card(7), *place.door.cards.pop(8))
        assert place.turn() == 0
        assert place.set_by_hand() == []
        assert place.card() == {"Bronze"}
        assert set(place.marks()) == {7}

    def test_what_an_old_copy_of_the_ledger_does_not_know(self, place: Place) -> None:
        place.buy(1, 50)
        place.turn()
        place.door.put(7, "VIP")
        place.door.put(8, "Silver")
        write(place.shop.engine, lambda c: tier_marks.distrust(c, [SOURCE]))
        assert place.turn() == 0
        assert (place.card(7), place.card(8)) == ({"Bronze"}, set())
        place.door.put(7, "VIP")
        assert place.turn() == 1, "from then on staff are heard again"


class TestLooking:
    def test_nothing_is_looked_through_while_the_trace_is_the_same(self, place: Place) -> None:
        place.buy(1, 50)
        for _ in range(3):
            place.turn()
        before = place.door.looks
        for _ in range(3):
            place.turn()
        assert place.door.looks == before
        place.door.put(7, "VIP")
        place.turn(1)
        assert place.door.looks == before, "not yet"
        assert place.turn(5) == 1

    def test_a_key_that_may_not_look_is_told_once_and_stops_nothing(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_labels: Collection[str]) -> str:
            raise RefusedError("not allowed")

        monkeypatch.setattr(place.door, "trace", refuse)
        place.buy(1, 50)
        for _ in range(3):
            assert place.turn() == 0
        assert place.card() == {"Bronze"}


def test_a_mark_that_says_nothing_is_not_kept(ledger: Engine, place: Place) -> None:
    now = place.shop.clock.now()
    where = tier_marks.Place("loyalty", CustomerKey(SOURCE, 1, 7))
    write(ledger, lambda c: tier_marks.put(c, where, Mark("gold", frozenset({"VIP"}), now)))
    assert place.marks()[7] == Mark("gold", frozenset({"VIP"}), now)
    write(ledger, lambda c: tier_marks.put(c, where, Mark("", frozenset(), now)))
    assert place.marks() == {}
