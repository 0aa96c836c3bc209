"""The line on open tickets: once, of this customer, up to date; and nothing waits for it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from dolisync.config import Source
from dolisync.errors import RefusedError, TransientError, UnknownOutcome
from dolisync.ports import OpenTicket, TicketNote
from dolisync.program.assess import Family, assess
from dolisync.program.surroundings import Surroundings
from dolisync.sync.till_line import TillLine
from tests.builders import customer, line, program, sale
from tests.fakes import Shop, reward

ALICE, BOB, ANONYMOUS, EXCLUDED = 7, 8, 1, 9


@dataclass
class Tills:
    """Open tickets in memory. ``breaks`` is called before and after each write."""

    now: Callable[[], datetime]
    tickets: dict[int, OpenTicket] = field(default_factory=dict)
    breaks: Callable[[str], None] = lambda _where: None
    writes: int = 0
    _last: int = 100

    def ring(self, ticket: int, buyer: int, *, has_goods: bool = True) -> None:
        before = self.tickets.get(ticket)
        notes, rewards = (before.notes, before.rewards) if before else ((), ())
        key = customer(buyer)
        self.tickets[ticket] = OpenTicket(ticket, key, self.now(), has_goods, notes, rewards)

    def texts(self, ticket: int) -> list[str]:
        return [note.text for note in self.tickets[ticket].notes]

    def open_tickets(self) -> tuple[OpenTicket, ...]:
        self.breaks("look")
        return tuple(t for t in self.tickets.values() if t.has_goods or t.notes)

    def write_note(self, ticket: int, text: str) -> None:
        self._last += 1
        self._do(ticket, lambda notes: (TicketNote(self._last, text), *notes))

    def change_note(self, ticket: int, note: int, text: str) -> None:
        self._do(ticket, lambda notes: tuple(_changed(one, note, text) for one in notes))

    def remove_note(self, ticket: int, note: int) -> None:
        self._do(ticket, lambda notes: tuple(one for one in notes if one.rowid != note))

    def reduce(self, ticket: int, line: int, percent: Decimal, text: str) -> None:
        self.breaks("before")
        found = self.tickets[ticket]
        lines = tuple(
            replace(one, percent=percent, text=text) if one.rowid == line else one
            for one in found.rewards
        )
        self.tickets[ticket] = replace(found, rewards=lines)
        self.writes += 1
        self.breaks("after")

    def release(self, ticket: int, customer_rowid: int) -> None:
        found = self.tickets[ticket]
        if found.has_goods or found.notes:
            raise RefusedError("in use")
        self.tickets[ticket] = replace(found, customer=customer(customer_rowid))
        self.writes += 1

    def _do(
        self, ticket: int, act: Callable[[tuple[TicketNote, ...]], tuple[TicketNote, ...]]
    ) -> None:
        self.breaks("before")
        if ticket not in self.tickets:
            raise RefusedError("it is paid")
        found = self.tickets[ticket]
        self.tickets[ticket] = replace(found, notes=act(found.notes))
        self.writes += 1
        self.breaks("after")


def _changed(one: TicketNote, note: int, text: str) -> TicketNote:
    return replace(one, text=text) if one.rowid == note else one


@dataclass
class Place:
    """A shop with a till."""

    shop: Shop
    tills: Tills
    till_line: TillLine

    def look(self, after_s: float = 1) -> int:
        self.shop.clock.moment += timedelta(seconds=after_s)
        return self.till_line.run_once()


def placed(engine: Engine, **more: Any) -> Place:
    terms = program(title="Points", reward=[reward(100)], excluded_customers=[EXCLUDED], **more)
    shop = Shop(engine, programs=(terms,))
    shop.put(sale(1, 120, buyer=ALICE), sale(2, 30, buyer=BOB), sale(3, 500, buyer=EXCLUDED))
    source = Source.model_validate(
        {
            "url": "http://127.0.0.1",
            "api_key": {"env": "KEY"},
            "database_url": {"env": "URL"},
            "pos_customers": [ANONYMOUS],
            "till_line": True,
        }
    )
    tills = Tills(shop.clock.now)
    till_line = TillLine(shop.engine, shop.clock, source, shop.by_name, tills)
    return Place(shop, tills, till_line)


@pytest.fixture
def place(ledger: Engine) -> Place:
    return placed(ledger)


OF_ALICE = "Points: 120 - €5.00 can be redeemed now (100 points)"
OF_BOB = "Points: 30 - 70 points to go until €5.00"


def test_a_known_customer_has_one_line_and_nobody_touches_it_again(place: Place) -> None:
    place.tills.ring(50, ALICE)
    assert place.look() == 1
    assert place.tills.texts(50) == [OF_ALICE]
    assert [place.look() for _ in range(5)] == [0] * 5
    assert place.tills.writes == 1


def test_it_follows_the_balance_and_the_customer(place: Place) -> None:
    place.tills.ring(50, ALICE)
    place.look()
    place.shop.put(sale(4, 30, buyer=ALICE))
    place.look()
    assert place.tills.texts(50) == [OF_ALICE.replace("120", "150")]
    place.tills.ring(50, BOB)
    place.look()
    assert place.tills.texts(50) == [OF_BOB]
    place.tills.ring(50, ANONYMOUS)
    place.look()
    assert place.tills.texts(50) == []


@pytest.mark.parametrize("buyer", [ANONYMOUS, EXCLUDED])
def test_who_takes_no_part_has_none(place: Place, buyer: int) -> None:
    place.tills.ring(50, buyer)
    assert place.look() == 0
    assert place.tills.texts(50) == []


def test_a_new_customer_sees_what_there_is_to_gain(place: Place) -> None:
    place.tills.ring(50, 99)
    place.look()
    assert place.tills.texts(50) == ["Points: 0 - 100 points to go until €5.00"]


def test_a_line_too_many_is_taken_off(place: Place) -> None:
    place.tills.ring(50, ALICE)
    place.tills.write_note(50, OF_ALICE)
    place.tills.write_note(50, OF_ALICE)
    place.look()
    assert place.tills.texts(50) == [OF_ALICE]


def test_a_ticket_left_empty_is_let_go_only_after_a_while(place: Place) -> None:
    """The till would have thrown it away; with our line it keeps a customer who has left."""
    place.tills.ring(50, ALICE)
    place.look()
    place.tills.ring(50, ALICE, has_goods=False)
    place.look()
    assert place.tills.texts(50) == [OF_ALICE]
    place.look(after_s=10)
    assert place.tills.texts(50) == []
    assert place.tills.tickets[50].customer == customer(ANONYMOUS)


def test_paid_in_the_same_moment_is_no_trouble(place: Place) -> None:
    place.tills.ring(50, ALICE)
    place.tills.ring(51, BOB)

    def pays(where: str) -> None:
        if where == "before":
            place.tills.tickets.pop(50, None)

    place.tills.breaks = pays
    assert place.look() == 1
    assert place.tills.texts(51) == [OF_BOB]


def test_a_ticket_at_which_dolibarr_stumbles_holds_up_no_other(place: Place) -> None:
    place.tills.ring(50, ALICE)
    place.tills.ring(51, BOB)
    real = place.tills.write_note

    def write_note(ticket: int, text: str) -> None:
        if ticket == 50:
            raise TransientError("HTTP 500")
        real(ticket, text)

    place.tills.write_note = write_note  # type: ignore[method-assign]
    place.look()
    place.look(after_s=2)
    assert place.tills.texts(51) == [OF_BOB]


def test_a_ticket_that_refuses_is_left_alone_for_a_minute(place: Place) -> None:
    place.tills.ring(50, ALICE)
    asked: list[str] = []

    def refuses(where: str) -> None:
        if where == "before":
            asked.append(where)
            raise RefusedError("no right to write")

    place.tills.breaks = refuses
    for _ in range(30):
        place.look()
    assert len(asked) == 1
    place.look(after_s=60)
    assert len(asked) == 2


def test_while_dolibarr_is_down_it_is_asked_less_and_less(place: Place) -> None:
    place.tills.ring(50, ALICE)
    asked: list[float] = []

    def down(where: str) -> None:
        asked.append(place.shop.clock.now().timestamp())
        raise TransientError("no connection")

    place.tills.breaks = down
    for _ in range(300):
        assert place.look() == 0
    gaps = [round(b - a) for a, b in itertools.pairwise(asked)]
    assert gaps == [2, 4, 8, 16, 32, 60, 60, 60]
    place.tills.breaks = lambda _where: None
    place.look(after_s=60)
    assert place.tills.texts(50) == [OF_ALICE]


def test_many_new_tickets_do_not_hold_up_the_rest_of_the_turn(place: Place) -> None:
    for ticket in range(100, 160):
        place.tills.ring(ticket, ALICE)
    assert [place.look() for _ in range(4)] == [25, 25, 10, 0]


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_whatever_breaks_one_line_is_there_in_the_end(place: Place, data: st.DataObject) -> None:
    """Lost answers, refusals, two daemons, cashiers in between: at rest, every ticket is right."""
    place.tills.tickets.clear()
    for _ in range(data.draw(st.integers(2, 12))):
        ticket = data.draw(st.sampled_from([50, 51]))
        buyer = data.draw(st.sampled_from([ALICE, BOB, ANONYMOUS, 99]))
        match data.draw(st.sampled_from(["ring", "empty", "pay", "lost", "daemon", "look"])):
            case "ring":
                place.tills.ring(ticket, buyer)
            case "empty" if ticket in place.tills.tickets:
                place.tills.ring(ticket, buyer, has_goods=False)
            case "pay":
                place.tills.tickets.pop(ticket, None)
            case "lost":
                place.tills.breaks = _losing(data.draw(st.sampled_from(["before", "after"])))
                place.look()
                place.tills.breaks = lambda _where: None
            case "daemon":
                place.till_line = replace(place.till_line)
                place.look()
            case _:
                place.look()
    for _ in range(4):
        place.look(after_s=61)
    for found in place.tills.tickets.values():
        expected = {ALICE: [OF_ALICE], BOB: [OF_BOB]}.get(found.customer.rowid, [])
        if found.customer.rowid == 99:
            expected = ["Points: 0 - 100 points to go until €5.00"]
        assert place.tills.texts(found.rowid) == (expected if found.has_goods else [])


def _losing(where_lost: str) -> Callable[[str], None]:
    def lose(where: str) -> None:
        if where == where_lost:
            raise UnknownOutcome("the answer was lost")

    return lose


def test_the_line_earns_nothing_and_changes_nothing() -> None:
    terms, around = program(earn={"amount": {}, "visit": {}}), Surroundings()
    text = line(0, None, rowid=9, text=OF_ALICE)
    plain, with_line = sale(1, lines=[line(50)]), sale(1, lines=[text, line(50)])
    (first,), (second,) = (assess(terms, around, Family(one)) for one in (plain, with_line))
    assert (first.units, first.reasons) == (second.units, second.reasons)
    (alone,) = assess(terms, around, Family(sale(1, lines=[text])))
    assert alone.units == 0
