"""Bonuses without a purchase (B7): once for their occasion, whoever asks how often."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from connectors.opening_csv import read_people
from dolisync.config import Source
from dolisync.errors import RefusedError, UserError
from dolisync.ledger import batches, tables
from dolisync.ledger.engine import reading
from dolisync.ports import Tagged
from dolisync.program.terms import Program
from dolisync.sync import bonuses, undo
from dolisync.sync.bonuses import Bonuses, BonusList, choose_bonus, give_by_hand, give_list
from tests.builders import SOURCE, credit_note, customer, program, sale
from tests.fakes import Shop
from tests.unit.test_merge import Merging
from tests.unit.test_privacy import erase

OpenShop = Callable[..., Shop]
TODAY = date(2026, 11, 20)


def with_bonus(**terms: Any) -> Program:
    return program(bonus=[{"name": "gift", "title": "Gift", "points": 30, **terms}])


@dataclass
class Tags:
    """Who bears which tag."""

    look_every_s: float = 5
    bearers: dict[int, set[str]] = field(default_factory=dict)
    looks: int = 0
    refused: str = ""
    traced: bool = True

    def trace(self, labels: Collection[str]) -> str | None:
        if self.refused:
            raise RefusedError(self.refused)
        return repr(sorted(self.bearers.items())) if self.traced else None

    def tagged(self, labels: Collection[str]) -> Tagged:
        self.looks += 1
        found: Mapping[int, frozenset[str]] = {
            rowid: frozenset(mine & set(labels)) for rowid, mine in self.bearers.items()
        }
        return Tagged(frozenset(labels), found)


def giving(shop: Shop, door: Any = None, **source: Any) -> Bonuses:
    terms = Source.model_validate({"name": SOURCE, "url": "http://x", "api_key": "k", **source})
    return Bonuses(shop.engine, shop.clock, terms, shop.by_name, shop.rules, door)


def by_hand(shop: Shop, buyer: int = 7, token: str = "T1", name: str = "gift") -> bool:
    chosen = choose_bonus(shop.program, name)
    who = customer(buyer)
    return give_by_hand(
        shop.engine, shop.clock, shop.rules, shop.program, chosen, who, "it rained", token=token
    )


def listed(shop: Shop, *buyers: int, token: str = "B-ONE") -> tuple[str, int]:
    chosen = choose_bonus(shop.program, "gift")
    wanted = BonusList(
        shop.program, chosen, "guests.csv", repr(buyers), tuple(map(customer, buyers))
    )
    told: list[int] = []
    batch, given = give_list(
        shop.engine, shop.clock, shop.rules, wanted, token=token, progress=told.append
    )
    assert told[-1] == len(buyers)
    return batch.token, given


# --- welcome ---


def test_a_new_member_is_welcomed_once(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine, programs=(with_bonus(when="welcome"),))
    shop.take(sale(1, 10), sale(2, 10, buyer=8))
    assert giving(shop).run_once() == 2
    assert giving(shop).run_once() == 0
    assert (shop.balance(), shop.balance(8)) == (40, 40)
    assert shop.postings()[-1].reason == "Gift"
    # It was no sale, and stays when the sale is gone.
    shop.take(credit_note(3, 10, 1))
    giving(shop).run_once()
    assert (shop.balance(), shop.view().earned) == (30, 0)
    assert shop.breaches() == []


def test_who_came_before_the_bonus_is_not_new(open_shop: OpenShop) -> None:
    shop = open_shop(program())
    shop.take(sale(1, 10, day=TODAY - timedelta(days=1)))
    shop.clock.tick(86400)
    shop.adopt(with_bonus(when="welcome"))
    # Booked only now, but of a day before the bonus: a history that is read in.
    shop.take(sale(2, 10, day=TODAY - timedelta(days=300), buyer=8))
    shop.take(sale(3, 10, day=TODAY + timedelta(days=1), buyer=9))
    assert giving(shop).run_once() == 1
    assert [shop.balance(buyer) for buyer in (7, 8, 9)] == [10, 10, 40]


def test_a_welcome_with_days_of_its_own(open_shop: OpenShop) -> None:
    shop = open_shop(with_bonus(when="welcome", first_day="2026-11-10", last_day="2026-11-15"))
    for rowid, day in ((7, 9), (8, 10), (9, 15), (10, 16)):
        shop.take(sale(rowid, 10, day=date(2026, 11, day), buyer=rowid))
    giving(shop).run_once()
    assert [shop.balance(buyer) for buyer in (7, 8, 9, 10)] == [10, 40, 40, 10]


def test_nobody_is_welcomed_who_takes_no_part(open_shop: OpenShop) -> None:
    shop = open_shop(with_bonus(when="welcome"))
    shop.take(sale(1, 10))
    assert giving(shop, pos_customers=[7]).run_once() == 0
    erase(shop, 7)
    assert giving(shop).run_once() == 0


def test_who_takes_no_part_keeps_nobody_waiting(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bonuses, "PAGE", 2)
    shop = open_shop(with_bonus(when="welcome"))
    shop.take(*(sale(buyer, 10, buyer=buyer) for buyer in (7, 8, 9)))
    assert giving(shop, pos_customers=[7, 8]).run_once() == 1
    assert shop.balance(9) == 40


@pytest.mark.parametrize("terms", [{"when": "welcome"}, {"when": "tag", "tag": "Newsletter"}])
def test_who_was_erased_and_comes_again_is_somebody_new(
    ledger_engine: Engine, terms: dict[str, str]
) -> None:
    shop = Shop(ledger_engine, programs=(with_bonus(**terms),))
    giver = giving(shop, Tags(bearers={4711: {"Newsletter"}}))
    shop.take(sale(1, 10, buyer=4711))
    assert giver.run_once() == 1
    erase(shop, 4711)
    with reading(shop.engine) as connection:
        keys = connection.execute(select(tables.posting.c.key)).scalars().all()
    assert not [key for key in keys if key.startswith("bonus:") and "4711" in key]
    shop.clock.tick(86400)
    shop.take(sale(2, 10, buyer=4711, day=shop.today))
    assert (giver.run_once(), giver.run_once()) == (1, 0)
    assert shop.balance(4711) == 40
    assert shop.breaches() == []


# --- by a tag ---


def test_who_bears_the_tag_has_it_once(open_shop: OpenShop) -> None:
    shop, tags = open_shop(with_bonus(when="tag", tag="Newsletter")), Tags()
    giver = giving(shop, tags, pos_customers=[1])
    assert giver.run_once() == 0
    tags.bearers = {7: {"Newsletter"}, 8: {"Other"}, 1: {"Newsletter"}}
    assert giver.run_once() == 0, "it looks every five seconds"
    shop.clock.tick(6)
    assert giver.run_once() == 1
    assert [shop.balance(buyer) for buyer in (7, 8, 1)] == [30, 0, 0]
    looks = tags.looks
    shop.clock.tick(6)
    assert (giver.run_once(), tags.looks) == (0, looks), "nothing changed, nothing is read"
    for bearers in ({}, {7: {"Newsletter"}}):
        tags.bearers = bearers
        shop.clock.tick(6)
        assert giver.run_once() == 0
    # A restarted daemon knows it too.
    assert giving(shop, tags).run_once() == 0
    assert shop.breaches() == []


def test_a_bonus_of_each_year_comes_again(open_shop: OpenShop) -> None:
    shop = open_shop(with_bonus(when="tag", tag="Friends", each="year"))
    tags = Tags(bearers={7: {"Friends"}})
    giver = giving(shop, tags)
    for days, balance in ((0, 30), (30, 30), (30, 60), (340, 60), (30, 90)):
        shop.clock.tick(86400 * days)
        giver.run_once()
        assert shop.balance() == balance


def test_a_tag_counts_on_the_days_of_its_bonus(open_shop: OpenShop) -> None:
    shop = open_shop(
        with_bonus(when="tag", tag="Fair", first_day="2026-11-21", last_day="2026-11-21")
    )
    tags = Tags(bearers={7: {"Fair"}}, traced=False)
    giver = giving(shop, tags)
    for given in (0, 2, 0):
        assert giver.run_once() == given
        tags.bearers[8 + given] = {"Fair"}
        shop.clock.tick(86400)


def test_tags_that_cannot_be_read_stop_nothing(
    open_shop: OpenShop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = open_shop(with_bonus(when="tag", tag="Fair"))
    tags = Tags(bearers={7: {"Fair"}}, refused="no right 241")
    giver = giving(shop, tags)
    assert (giver.run_once(), giver.run_once()) == (0, 0)
    assert capsys.readouterr().out.count("tags of bonuses cannot be read") == 1
    tags.refused = ""
    assert giver.run_once() == 1


# --- by hand ---


def test_one_has_it_once(open_shop: OpenShop) -> None:
    shop = open_shop(with_bonus(valid_days=10))
    assert [by_hand(shop), by_hand(shop, token="T2")] == [True, False]
    assert shop.balance() == 30
    assert shop.postings()[0].reason == "Gift: it rained"
    assert shop.view().expires_on == TODAY + timedelta(days=10)


def test_each_time_is_each_token(open_shop: OpenShop) -> None:
    shop = open_shop(with_bonus(each="time"))
    assert [by_hand(shop, token=token) for token in ("A", "B", "A")] == [True, True, False]
    assert shop.balance() == 60


def test_what_is_noted_of_a_bonus_stays_the_same_with_each_version() -> None:
    found = {
        each: with_bonus(each=each).bonus[0].occasion(TODAY, "T1")
        for each in ("ever", "year", "time")
    }
    assert found == {"ever": "", "year": "2026", "time": "T1"}


def test_a_bonus_on_other_days_or_of_another_name(open_shop: OpenShop) -> None:
    shop = open_shop(with_bonus(first_day="2026-11-21"))
    with pytest.raises(UserError, match="from 2026-11-21 to any day"):
        by_hand(shop)
    with pytest.raises(UserError, match="no bonus named 'other'") as told:
        by_hand(shop, name="other")
    assert told.value.remedy == "name one of: gift"


def test_a_bonus_cuts_no_cap_and_raises_no_tier(open_shop: OpenShop) -> None:
    shop = open_shop(
        program(
            bonus=[{"name": "gift", "title": "Gift", "points": 500}],
            earn={"amount": {}, "caps": {"per_member": 20}},
            tier=[{"name": "gold", "title": "Gold", "at_least": 100, "multiplier": 2}],
            tiers={"basis": "points_earned"},
        )
    )
    by_hand(shop)
    shop.take(sale(1, 15))
    assert shop.balance() == 515
    assert shop.breaches() == []


# --- lists ---


def test_a_list_is_given_once_and_taken_back(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine, programs=(with_bonus(),))
    by_hand(shop, 8)
    token, given = listed(shop, 7, 8, 9)
    assert (token, given) == ("B-ONE", 2)
    assert [shop.balance(buyer) for buyer in (7, 8, 9)] == [30, 30, 30]
    assert listed(shop, 7, 9, token="B-TWO") == ("B-TWO", 0)
    undo.undo(shop.engine, shop.clock, shop.rules, token)
    assert [shop.balance(buyer) for buyer in (7, 8, 9)] == [0, 30, 0]
    # What was taken back can be given again.
    assert listed(shop, 7, 8, 9, token="B-AGAIN") == ("B-AGAIN", 2)
    assert [shop.balance(buyer) for buyer in (7, 8, 9)] == [30, 30, 30]
    assert shop.breaches() == []


def test_a_list_that_was_stopped_goes_on(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop(with_bonus(each="time"))
    monkeypatch.setattr(bonuses, "PAGE", 2)

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    chosen = choose_bonus(shop.program, "gift")
    buyers = tuple(range(7, 12))
    wanted = BonusList(
        shop.program, chosen, "guests.csv", repr(buyers), tuple(map(customer, buyers))
    )
    with pytest.raises(KeyboardInterrupt):
        give_list(shop.engine, shop.clock, shop.rules, wanted, token="B-ONE", progress=stop)
    assert [shop.balance(buyer) for buyer in buyers] == [30, 30, 0, 0, 0]
    assert listed(shop, *buyers, token="B-TWO") == ("B-ONE", 3)
    assert [shop.balance(buyer) for buyer in buyers] == [30] * 5
    # The same list once more is another occasion, where each time counts.
    assert listed(shop, *buyers, token="B-TWO") == ("B-TWO", 5)
    with reading(shop.engine) as connection:
        assert [one.state for one in batches.listed(connection)] == ["done", "done"]


def test_a_list_that_goes_on_next_year_is_given_for_the_year_of_its_beginning(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop(with_bonus(each="year"))
    monkeypatch.setattr(bonuses, "PAGE", 2)

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    buyers = (7, 8, 9)
    wanted = BonusList(
        shop.program,
        choose_bonus(shop.program, "gift"),
        "guests.csv",
        repr(buyers),
        tuple(map(customer, buyers)),
    )
    with pytest.raises(KeyboardInterrupt):
        give_list(shop.engine, shop.clock, shop.rules, wanted, token="B-ONE", progress=stop)
    shop.clock.tick(86400 * 60)
    with reading(shop.engine) as connection:
        had = bonuses.already_had(connection, wanted, shop.today, "B-TWO")
    assert set(had) == {customer(7), customer(8)}
    assert listed(shop, *buyers, token="B-TWO") == ("B-ONE", 1)
    assert [shop.balance(buyer) for buyer in buyers] == [30, 30, 30]
    assert shop.breaches() == []


def test_after_a_merge_it_is_not_given_again_and_after_its_end_it_is(ledger: Engine) -> None:
    place = Merging(Shop(ledger, programs=(with_bonus(),)))
    shop = place.shop
    shop.put(sale(1, 40), sale(2, 5, buyer=8))
    by_hand(shop)
    place.merge(7, 8)
    shop.put(sale(1, 40, buyer=8))
    assert (by_hand(shop, 8), shop.balance(8)) == (False, 75)
    with reading(shop.engine) as connection:
        (batch,) = batches.listed(connection, batches.BatchKind.MERGE)
    undo.undo(shop.engine, shop.clock, shop.rules, batch.token)
    assert (by_hand(shop, 8), by_hand(shop, 7)) == (True, False)
    assert shop.breaches() == []


def test_a_list_of_people(tmp_path: Path) -> None:
    path = tmp_path / "guests.csv"
    path.write_text("Customer\n42\n\n alice@example.org \n1,5E+12\n", encoding="utf-8")
    found = read_people(path)
    assert found.people == {2: "42", 4: "alice@example.org"}
    assert [problem.line for problem in found.problems] == [5]
    for text, said in (("points\n1\n", "unknown column 'points'"), ("customer\n", "no lines")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match=said):
            read_people(path)


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"when": "tag"}, "name it under tag"),
        ({"when": "welcome", "each": "time"}, "by hand"),
        ({"when": "welcome", "each": "year"}, "given once"),
        ({"first_day": "2026-11-21", "last_day": "2026-11-20"}, "ends before it begins"),
        ({"points": "0.5"}, "parts of a point"),
    ],
)
def test_a_bonus_that_cannot_be(terms: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        with_bonus(**terms)
