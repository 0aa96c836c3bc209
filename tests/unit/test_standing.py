"""Standing discounts of tiers: kept equal on the card, and what staff set there is left alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from dolisync.config import Source, parse
from dolisync.errors import ConfigError, TransientError
from dolisync.ledger import standing_marks
from dolisync.ledger.engine import reading
from dolisync.program.standing import StandingMark, Step, marked, step_of
from dolisync.program.terms import Program
from dolisync.sync.standing import StandingDiscounts
from tests.builders import SOURCE, credit_note, customer, program, sale
from tests.fakes import Shop
from tests.unit.test_merge import Merging

D = Decimal
DAY = date(2026, 11, 1)


def terms(**more: Any) -> Program:
    tiers = [
        {"name": "silver", "title": "Silver", "at_least": 100, "standing_discount": "2.5"},
        {"name": "gold", "title": "Gold", "at_least": 300, "standing_discount": 5},
    ]
    return program(tier=tiers, **more)


@dataclass
class Door:
    """What stands on cards, and which writes come to nothing."""

    cards: dict[int, Decimal] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    writes: list[tuple[int, Decimal]] = field(default_factory=list)
    crash: list[str] = field(default_factory=list)
    meanwhile: Decimal | None = None

    def percent_of(self, customer: int) -> Decimal | None:
        return None if customer in self.gone else self.cards.get(customer, D(0))

    def set_percent(self, customer: int, shown: Decimal, wanted: Decimal, note: str) -> bool:
        when = self.crash.pop(0) if self.crash else ""
        if when == "before":
            raise TransientError("lost")
        if self.meanwhile is not None:
            self.cards[customer], self.meanwhile = self.meanwhile, None
        if self.cards.get(customer, D(0)) != shown:
            return False
        self.cards[customer] = wanted
        self.writes.append((customer, wanted))
        if when == "after":
            raise TransientError("the answer was lost")
        return True


@dataclass
class Place:
    """A shop whose tiers have standing discounts."""

    shop: Shop
    door: Door

    def __post_init__(self) -> None:
        source = Source.model_validate({"name": SOURCE, "url": "http://x", "api_key": "k"})
        self.standing = StandingDiscounts(
            self.shop.engine, self.shop.clock, source, self.shop.by_name, self.door
        )
        self.shop.publisher.followers = {"standing": self.standing}

    def turn(self, *sales: Any, wait_s: float = 300) -> None:
        if sales:
            self.shop.take(*sales)
        self.standing.run_once()
        self.shop.publish()
        self.shop.clock.tick(wait_s)
        self.shop.publish()

    def shown(self, buyer: int = 7) -> Decimal:
        return self.door.cards.get(buyer, D(0))


@pytest.fixture
def place(ledger: Engine) -> Place:
    return Place(Shop(ledger, programs=(terms(),)), Door())


def test_it_comes_and_goes_with_the_tier(ledger_engine: Engine) -> None:
    place = Place(Shop(ledger_engine, programs=(terms(),)), Door())
    place.turn(sale(1, 60, day=DAY))
    assert place.door.writes == []
    place.turn(sale(2, 60, day=DAY + timedelta(days=1)))
    assert place.shown() == D("2.5")
    place.turn(sale(3, 300, day=DAY + timedelta(days=2)))
    assert place.shown() == 5
    place.turn(credit_note(4, 300, 3))
    assert place.shown() == D("2.5")
    place.turn(credit_note(5, 60, 1), credit_note(6, 60, 2))
    assert place.shown() == 0
    assert [percent for _, percent in place.door.writes] == [D("2.5"), 5, D("2.5"), 0]
    with reading(place.shop.engine) as connection:
        assert standing_marks.of(connection, [customer(7)]) == {}


def test_nothing_is_written_twice(place: Place) -> None:
    place.turn(sale(1, 120, day=DAY))
    for number in range(3):
        place.turn(sale(2 + number, 1, day=DAY))
    place.standing.compare()
    place.turn()
    assert place.door.writes == [(7, D("2.5"))]


def test_what_staff_set_is_left_alone(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.door.cards[7] = D(10)
    place.turn(sale(1, 120, day=DAY))
    assert (place.shown(), place.door.writes) == (10, [])
    assert "left as staff set it" in capsys.readouterr().out
    # The tier changes: still theirs. When they take it away, the next tier's comes.
    place.turn(sale(2, 300, day=DAY))
    assert place.shown() == 10
    assert capsys.readouterr().out.count("left as staff set it") == 0, "it was told before"
    place.door.cards[7] = D(0)
    place.turn(sale(4, 1, day=DAY))
    assert place.shown() == 5, "with the next movement"
    place.turn(credit_note(3, 300, 2))
    assert place.shown() == D("2.5")


def test_what_staff_took_away_comes_back_in_the_night(place: Place) -> None:
    place.door.cards[7] = D(10)
    place.turn(sale(1, 120, day=DAY))
    place.door.cards[7] = D(0)
    assert place.standing.compare() == 1
    place.turn()
    assert place.shown() == D("2.5")


def test_what_staff_change_afterwards_is_theirs(place: Place) -> None:
    place.turn(sale(1, 120, day=DAY))
    place.door.cards[7] = D(7)
    place.turn(sale(2, 300, day=DAY))
    assert place.shown() == 7


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_is_no_riddle(place: Place, when: str) -> None:
    place.door.crash = [when]
    place.turn(sale(1, 120, day=DAY), wait_s=0)
    place.turn(wait_s=1000)
    assert place.shown() == D("2.5")
    place.turn(sale(2, 300, day=DAY))
    assert place.shown() == 5


def test_who_sets_one_in_that_very_moment_keeps_it(place: Place) -> None:
    place.door.meanwhile = D(8)
    place.turn(sale(1, 120, day=DAY))
    assert place.shown() == 8
    place.turn(sale(2, 300, day=DAY))
    assert place.shown() == 8


def test_members_who_are_there_have_it_when_it_begins(ledger: Engine) -> None:
    plain = [{"name": "silver", "title": "Silver", "at_least": 100}]
    shop = Shop(ledger, programs=(program(tier=plain),))
    shop.take(sale(1, 120, day=DAY), sale(2, 20, day=DAY, buyer=8))
    shop.publish()
    shop.adopt(terms())
    place = Place(shop, Door())
    place.turn()
    assert (place.shown(), place.shown(8)) == (D("2.5"), 0)
    # And lose it when it is taken out of the configuration.
    shop.adopt(program(tier=plain))
    ended = Place(shop, place.door)
    ended.standing.compare()
    ended.turn()
    assert place.shown() == 0


def test_a_customer_who_is_gone_needs_nothing(place: Place) -> None:
    place.door.gone = {7}
    place.turn(sale(1, 120, day=DAY))
    place.shop.publish()
    assert place.door.writes == []
    assert not [item for item in place.shop.outbox() if item.target.kind == "standing"]


def test_a_merge_forgets_the_old_card(ledger: Engine) -> None:
    shop = Shop(ledger, programs=(terms(),))
    place, merging = Place(shop, Door()), Merging(shop)
    shop.put(sale(1, 120, day=DAY), sale(2, 10, day=DAY, buyer=8))
    place.turn()
    merging.merge(7, 8)
    place.turn()
    assert place.shown(8) == D("2.5")
    with reading(shop.engine) as connection:
        assert [
            place.customer.rowid
            for place in standing_marks.of(connection, [customer(7), customer(8)])
        ] == [8]


@pytest.mark.parametrize(
    ("mark", "shown", "wanted", "step"),
    [
        (StandingMark(), 0, 5, Step.WRITE),
        (StandingMark(), 5, 5, Step.NOTHING),
        (StandingMark(), 3, 5, Step.LEAVE),
        (StandingMark(), 3, 0, Step.LEAVE),
        (StandingMark(D(5)), 5, 0, Step.WRITE),
        (StandingMark(D(5)), 4, 0, Step.LEAVE),
        (StandingMark(D(5), is_ours=False), 5, 5, Step.LEAVE),
        (StandingMark(D(5), is_ours=False), 0, 5, Step.WRITE),
        (StandingMark(D(5), sending=D(7)), 7, 0, Step.WRITE),
        (StandingMark(D(5), sending=D(7)), 5, 0, Step.WRITE),
    ],
)
def test_what_is_done_with_a_card(mark: StandingMark, shown: int, wanted: int, step: Step) -> None:
    assert step_of(mark, D(shown), D(wanted)) is step
    after = marked(mark, step, D(wanted))
    assert (after.percent, after.sending) == (wanted, None)


@pytest.mark.parametrize(
    ("mark", "wanted", "asks"),
    [
        (StandingMark(), 0, False),
        (StandingMark(), 5, True),
        (StandingMark(D(5)), 5, False),
        (StandingMark(D(5)), 0, True),
        (StandingMark(D(5), sending=D(5)), 5, True),
        # Staff have set another: it is looked at again for as long as there is one to put there.
        (StandingMark(D(5), is_ours=False), 5, True),
        (StandingMark(D(0), is_ours=False), 0, False),
    ],
)
def test_which_cards_are_looked_at(mark: StandingMark, wanted: int, asks: bool) -> None:
    assert mark.asks_for(D(wanted)) is asks


def test_two_programs_cannot_set_one_card() -> None:
    one = """
[[program]]
name = "{0}"
field_prefix = "{0}"
start = 2026-01-01
[[program.tier]]
name = "gold"
title = "Gold"
at_least = 1
standing_discount = 5
"""
    text = '[[source]]\nname = "shop"\nurl = "http://x"\napi_key = "k"\n'
    with pytest.raises(ConfigError) as told:
        parse(text + one.format("first") + one.format("second"))
    assert "would be set by 'first' and by 'second'" in str(told.value.problems)
