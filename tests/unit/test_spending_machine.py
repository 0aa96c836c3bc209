"""Points as money, in any order: two tills, an office, polls, crashes and lost answers.

Everything goes through the stand-in's real doors. After each step the ledger's invariants hold, and
no document bears a line of ours twice; at the end, once all has come to rest, each document has
cost its customer what stands on it, and nobody else. ``pytest -m long
tests/unit/test_spending_machine.py`` plays more lives, SPENDING_EXAMPLES=n as many as one likes.
"""

from __future__ import annotations

import os
from collections import Counter as Count
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from simulation import money_checks
from sqlalchemy import Engine, delete, event

from connectors.dolibarr_codes import DolibarrCodes
from connectors.dolibarr_http import DolibarrHttp
from connectors.dolibarr_till import DolibarrTill
from connectors.standin import StandIn, extrafields
from connectors.standin.store import ShopError
from connectors.standin.testing import MovingClock, opened
from dolisync.config import ReconcileSettings
from dolisync.errors import TransientError, UnknownOutcome
from dolisync.ledger import drafts, outbox, redemptions, tables
from dolisync.ledger.engine import reading
from dolisync.ledger.redemptions import State
from dolisync.model import Sale, SaleStatus
from dolisync.program.draft_bills import bill_of
from dolisync.program.surroundings import Surroundings
from dolisync.sync.draft_articles import is_tampered
from dolisync.sync.drafts import ours
from dolisync.sync.reconcile import Reconciler
from dolisync.sync.ticket_articles import TicketArticles
from dolisync.sync.ticket_wishes import TicketWishes
from dolisync.sync.till_line import TillLine
from tests.builders import SOURCE
from tests.unit.counter import REWARDS, counter_terms, make_fields, source_terms
from tests.unit.desk import OPENING, _copied
from tests.unit.test_drafts import BreakingDoor, DraftCounter

EXAMPLES = int(os.environ.get("SPENDING_EXAMPLES", "3"))
EXAMPLES_LONG = 8
STEPS = 30
VALIDATED, PAID = 1, 2
TILL = st.sampled_from([1, 2])
WHICH = st.integers(0, 50)
WHO = st.integers(0, 1)
TENTH = {"name": "tenth", "title": "A tenth off", "points": 60, "percent": 10, "at_most": 6}
CUP = {"name": "cup", "title": "Blue cup", "points": 70, "product": "CUP", "stock": 9}
TERMS = counter_terms(
    point_value="0.05", redeem={"product_field": "loyprice"}, reward=[*REWARDS, TENTH, CUP]
)
BOUGHT_BEFORE = (400, 150)


class Crash(BaseException):
    """The process is gone; nothing in it may catch this."""


def _dies() -> None:
    raise Crash


def _is_lost() -> None:
    raise UnknownOutcome("the answer is lost")


def _is_down() -> None:
    raise TransientError("down")


def _is_ticket(row: Any) -> bool:
    return bool(row["fk_statut"] == 0 and row["module_source"])


def _is_draft(row: Any) -> bool:
    return bool(row["fk_statut"] == 0 and not row["module_source"])


def _is_open(row: Any) -> bool:
    return bool(row["fk_statut"] == VALIDATED and row["type"] == 0)


def _is_paid(row: Any) -> bool:
    return bool(row["fk_statut"] == PAID and row["type"] == 0)


def _is_final(row: Any) -> bool:
    return _is_open(row) or _is_paid(row)


@dataclass
class MoneyShop(DraftCounter):
    """A counter that also has tills, at which points are money."""

    def __post_init__(self) -> None:
        nobody = frozenset({self.standin.pos_customer})
        self.around = Surroundings(pos_customers=nobody, points_payment_mode="LOY")
        http = DolibarrHttp(self.standin.url, self.standin.api_key, retry_pause_s=0)
        database = self.standin.database_url
        till = DolibarrTill(SOURCE, database, http, price_field="loyprice", articles=["CUP"])
        self.screen = BreakingDoor(till)
        self.typing = BreakingDoor(DolibarrCodes(SOURCE, database, http))
        super().__post_init__()

    def restart(self) -> None:
        super().restart()
        programs = {self.terms.name: self.terms}
        drafts = self.clerk.drafts
        assert drafts is not None
        self.wishes = TicketWishes(drafts, programs, self.typing)
        articles = TicketArticles(drafts, programs)
        self.tills = TillLine(self.engine, self.clock, self.source, programs, self.screen, articles)

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            super().turn(1)
            self.wishes.run_once()
            self.tills.run_once()

    def night(self) -> None:
        """Compare with all documents: only so it is seen that one with a number was deleted."""
        self.reader.now = self.moving  # type: ignore[method-assign]
        Reconciler(self.intake, ReconcileSettings(), allow_mass_reversal=True).run_once()

    def documents(self) -> dict[int, Sale]:
        """Return all documents as they stand in Dolibarr."""
        return {sale.key.rowid: sale for sale in self.reader.get(self.made)}


@dataclass
class Documents:
    """What the checks ask for: documents by number."""

    sales: dict[int, Sale]


@dataclass
class Place:
    """A stand-in and a ledger, which each life finds empty."""

    standin: StandIn
    clock: MovingClock
    engine: Engine
    source: Any = field(default_factory=lambda: source_terms(till_line=True))

    def empty_shop(self) -> MoneyShop:
        self.clock.moment = OPENING
        kept = {"llx_const", "llx_user", "llx_c_paiement", "llx_bank_account", "llx_societe"}
        found = self.standin.store.tables.metadata.sorted_tables
        documents = [t for t in found if t.name not in kept and t.name[4:] != "extrafields"]
        with self.standin.store.transaction() as connection:
            for table in reversed(documents):
                connection.execute(delete(table))
        with self.engine.begin() as connection:
            for table in reversed(tables.metadata.sorted_tables):
                connection.execute(delete(table))
        return MoneyShop(self.standin, self.clock, self.engine, self.source, TERMS)


class Life(RuleBasedStateMachine):
    """A shop's life. Each rule is one act; where it is not possible it does nothing."""

    place: Place

    @initialize()
    def begin(self) -> None:
        self.crash_in = -1
        shop = self.shop = self.place.empty_shop()
        self.office = shop.shop
        self.tea = self.office.add_product("TEA", "Tea", price_ttc=12)
        self.mug = self.office.add_product("MUG", "Mug", price_ttc=9)
        self.cup = self.office.add_product("CUP", "Cup", price_ttc=7)
        extrafields.write(shop.standin.store, "product", self.mug, {"loyprice": 60})
        self.people = [shop.customer(points) for points in BOUGHT_BEFORE]
        event.listen(shop.engine, "commit", self._maybe_crash)
        self.make_a_draft(0, "10 EUR")
        self.ring_up(1, 1, 1)
        shop.turn(2)

    def teardown(self) -> None:
        if hasattr(self, "shop"):
            try:
                self._come_to_rest()
            finally:
                event.remove(self.shop.engine, "commit", self._maybe_crash)

    def _maybe_crash(self, _connection: Any) -> None:
        if self.crash_in > 0:
            self.crash_in -= 1
            if self.crash_in == 0:
                raise Crash

    # --- two tills -------------------------------------------------------------------------------

    def _open_tickets(self) -> list[int]:
        return [one for one in self._some(_is_ticket) if self.office.lines(one)]

    def _ticket(self, till: int) -> int:
        ticket = int(self.office.pos_open(till))
        if ticket not in self.shop.made:
            self.shop.made.append(ticket)
        return ticket

    @rule(till=TILL, who=WHO, mugs=st.integers(0, 2), cups=st.integers(0, 2))
    def ring_up(self, till: int, who: int, mugs: int, cups: int = 0) -> None:
        ticket = self._ticket(till)
        self.office.pos_choose(ticket, self.people[who])
        self.office.pos_add(ticket, self.tea, 1)
        if mugs:
            self.office.pos_add(ticket, self.mug, mugs)
        if cups:
            self.office.pos_add(ticket, self.cup, cups)

    @precondition(lambda self: self._open_tickets())
    @rule(till=TILL, what=st.sampled_from(["*tenth", "*blue", "*0", "*max", "*nothing like it"]))
    def type_a_wish(self, till: int, what: str) -> None:
        ticket = self._ticket(till)
        self.office.add_line(ticket, None, 1, Decimal(0), description=what, tva_tx=Decimal(20))

    @precondition(lambda self: self._open_tickets())
    @rule(till=TILL)
    def choose_another(self, till: int) -> None:
        ticket = self._ticket(till)
        self.office.pos_choose(ticket, self._other(ticket))

    def _other(self, document: int) -> int:
        now = self.office.invoice(document)["fk_soc"]
        return next(who for who in self.people if who != now)

    @precondition(lambda self: self._open_tickets())
    @rule(till=TILL)
    def throw_away(self, till: int) -> None:
        self.office.pos_discard(self._ticket(till))

    @precondition(lambda self: self._open_tickets())
    @rule(till=TILL, which=WHICH)
    def take_a_line_off(self, till: int, which: int) -> None:
        lines = self.office.lines(self._ticket(till))
        if lines:
            self.office.pos_delete_line(lines[which % len(lines)]["rowid"])

    @precondition(lambda self: self._open_tickets())
    @rule(till=TILL, mode=st.sampled_from(["LOY", "LOY", "LIQ"]), given=st.sampled_from([None, 3]))
    def press_pay(self, till: int, mode: str, given: int | None) -> None:
        ticket = self._ticket(till)
        with suppress(ShopError):
            self.office.pos_pay(ticket, mode, given)
            if given is not None:
                self.office.pos_pay(ticket, "LIQ")

    @precondition(lambda self: self._some(_is_paid))
    @rule(which=WHICH)
    def bring_back(self, which: int) -> None:
        with suppress(ShopError):
            self.shop.made.append(int(self.office.pos_credit_note(self._one(which, _is_paid))))

    # --- the office ------------------------------------------------------------------------------

    def _some(self, fits: Callable[[Any], bool]) -> list[int]:
        table = self.office.tables.facture
        rows = [row for one in self.shop.made if (row := self.office.store.get(table, one))]
        return [row["rowid"] for row in rows if fits(row)]

    def _one(self, which: int, fits: Callable[[Any], bool]) -> int:
        found = self._some(fits)
        return found[which % len(found)]

    @rule(who=WHO, what=st.sampled_from(["max", "10 EUR", "a tenth", "small", "cup", "2.37 EUR"]))
    def make_a_draft(self, who: int, what: str) -> None:
        draft = self.shop.draft(self.people[who])
        extrafields.write(self.shop.standin.store, "facture", draft, {"loyuse": what})

    @precondition(lambda self: self._some(_is_draft))
    @rule(which=WHICH, what=st.sampled_from(["max", "tenth", "blue cup", "0"]))
    def ask_again(self, which: int, what: str) -> None:
        draft = self._one(which, _is_draft)
        extrafields.write(self.shop.standin.store, "facture", draft, {"loyuse": what})

    @precondition(lambda self: any(map(self._lines, self._some(_is_draft))))
    @rule(line=WHICH)
    def cut_a_line_of_ours(self, line: int) -> None:
        ours = [row for one in self._some(_is_draft) for row in self._lines(one)]
        self.office.change_line(ours[line % len(ours)]["rowid"], remise_percent=50)

    @precondition(lambda self: self._some(_is_draft))
    @rule(which=WHICH, line=WHICH)
    def delete_a_line(self, which: int, line: int) -> None:
        lines = self.office.lines(self._one(which, _is_draft))
        if lines:
            self.office.delete_line(lines[line % len(lines)]["rowid"])

    @precondition(lambda self: self._some(_is_draft))
    @rule(which=WHICH, cents=st.sampled_from([3, 999, 2000, -250]), rate=st.sampled_from([5.5, 20]))
    def add_to_a_draft(self, which: int, cents: int, rate: float) -> None:
        draft = self._one(which, _is_draft)
        price, percent = Decimal(cents) / 100, Decimal(str(rate))
        self.office.add_line(draft, None, 1, price, tva_tx=percent)

    @precondition(lambda self: self._some(_is_draft))
    @rule(which=WHICH)
    def give_to_another(self, which: int) -> None:
        draft = self._one(which, _is_draft)
        self.office.change_customer_of(draft, self._other(draft))

    @precondition(lambda self: self._some(_is_draft))
    @rule(which=WHICH)
    def delete_draft(self, which: int) -> None:
        draft = self._one(which, _is_draft)
        if self.office.is_erasable(draft):
            self.office.delete_invoice(draft)

    @precondition(lambda self: self._some(_is_draft))
    @rule(which=WHICH)
    def validate(self, which: int) -> None:
        draft = self._one(which, _is_draft)
        if self.office.lines(draft):
            self.office.validate(draft)

    @precondition(lambda self: self._some(_is_open))
    @rule(which=WHICH)
    def reopen(self, which: int) -> None:
        found = self._one(which, _is_open)
        if not self.office.paid(found):
            self.office.set_draft(found)

    @precondition(lambda self: self._some(_is_open))
    @rule(which=WHICH, part=st.booleans())
    def pay_with_points(self, which: int, part: bool) -> None:
        found = self._one(which, _is_open)
        if self.office.remaining(found) > 2:
            self.office.pay(found, 2 if part else None, mode="LOY")

    @precondition(lambda self: self.office.store.rows(self.office.tables.paiement.select()))
    @rule(which=WHICH)
    def delete_a_payment(self, which: int) -> None:
        table = self.office.tables.paiement
        rows = list(self.office.store.rows(table.select().order_by(table.c.rowid)))
        with suppress(ShopError):
            self.office.delete_payment(rows[which % len(rows)]["rowid"])

    @precondition(lambda self: self._some(_is_final))
    @rule(which=WHICH, whole=st.booleans())
    def credit(self, which: int, whole: bool) -> None:
        found = self._one(which, _is_final)
        lines = [line["rowid"] for line in self.office.lines(found)]
        note = int(self.office.credit_note(found, None if whole else lines[-1:]))
        self.office.validate(note)
        self.shop.made.append(note)

    # --- dolisync at work, and its accidents -----------------------------------------------------

    @rule(times=st.integers(1, 2))
    def look(self, times: int) -> None:
        self.shop.turn(times)

    @rule()
    def night(self) -> None:
        self.shop.night()

    @rule()
    def look_at_tills(self) -> None:
        self.shop.tills.run_once()

    @rule()
    def wait(self) -> None:
        self.shop.rest()

    @rule(commits=st.integers(1, 6))
    def crash_while_looking(self, commits: int) -> None:
        self.crash_in = commits
        with suppress(Crash):
            self.shop.turn(2)
        self.crash_in = -1
        self.shop.restart()

    @rule(
        call=st.sampled_from(
            ["add_line", "remove_line", "add_goods", "give", "write_note", "reduce"]
        ),
        when=st.sampled_from(["before", "after"]),
        what=st.sampled_from([_dies, _is_lost, _is_down]),
    )
    def break_a_call(self, call: str, when: str, what: Callable[[], None]) -> None:
        door = self.shop.screen if call in {"write_note", "reduce"} else self.shop.door
        self._make_work_for(call)
        call = "reduce" if call == "give" else call
        getattr(door, when)[call] = what
        try:
            self.shop.turn(2)
        except Crash:
            self.shop.restart()
        finally:
            door.before.clear()
            door.after.clear()

    def _make_work_for(self, call: str) -> None:
        """Let something happen that needs this call, or it would hardly ever be made just then."""
        if call in {"write_note", "reduce"}:
            self.ring_up(2, 0, 1)
        elif call == "remove_line" and any(map(self._lines, self._some(_is_draft))):
            self.cut_a_line_of_ours(0)
        elif call == "add_goods":
            self.make_a_draft(0, "cup")
        elif call == "give":
            self.ring_up(2, 0, 0, 1)
        else:
            self.make_a_draft(1, "2.37 EUR")

    # --- what must hold --------------------------------------------------------------------------

    @invariant()
    def the_ledger_holds(self) -> None:
        if hasattr(self, "shop"):
            assert self.shop.breaches() == []

    @invariant()
    def no_line_of_ours_stands_twice(self) -> None:
        if not hasattr(self, "shop"):
            return
        for rowid in self.shop.made:
            found = Count((r["description"], r["tva_tx"]) for r in self._lines(rowid))
            assert not [line for line, times in found.items() if times > 1], found

    def _lines(self, rowid: int) -> list[Any]:
        row = self.office.store.get(self.office.tables.facture, rowid)
        return self.shop.ours(rowid) if row is not None and row["type"] == 0 else []

    def _come_to_rest(self) -> None:
        for _ in range(2):
            self.shop.rest()
            self.shop.night()
        assert self.shop.breaches() == []
        world: Any = Documents(self.shop.documents())
        with reading(self.shop.engine) as connection:
            waiting = outbox.listed(connection, ("sending", "dead"), 10)
            problems = [
                *money_checks._payments(connection, TERMS, world),
                *money_checks._drafts(connection, world),
            ]
            placed = redemptions.in_state(connection, SOURCE, State.DRAFTED)
            uses = {one.id: drafts.use_of(connection, one.id) for one in placed}
        assert problems == []
        for one in placed:
            assert one.draft is not None
            sale = world.sales[one.draft.rowid]
            assert sale.customer == one.customer
            use = uses[one.id]
            assert use.product is None or not is_tampered(use, ours(sale, one.token))
            if use.percent is not None and sale.status is SaleStatus.DRAFT:
                bill = bill_of(Surroundings(), sale, one.token)
                assert use.shares == bill.percent_shares(use.percent, use.at_most)
        assert waiting == []
        with reading(self.shop.engine) as connection:
            assert redemptions.count_taken(connection, TERMS.name, "cup").in_all <= CUP["stock"]
        self._no_ticket_gives_too_much()

    def _no_ticket_gives_too_much(self) -> None:
        given: Count[int] = Count()
        for ticket in self.shop.screen.open_tickets():
            shares = (r.price * r.quantity * r.percent / 100 for r in ticket.rewards)
            given[ticket.customer.rowid] += round(sum(shares))
        for customer, points in given.items():
            there = self.shop.balance(customer) if customer in self.people else 0
            assert points <= max(there, 0)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("spending")
    with opened(directory=directory) as (standin, clock):
        make_fields(standin, source_terms(), TERMS)
        engine = _copied(sqlite_template, directory / "ledger.db")
        yield Place(standin, clock, engine)
        engine.dispose()


@pytest.mark.parametrize(
    "examples", [EXAMPLES, pytest.param(EXAMPLES_LONG, marks=pytest.mark.long)]
)
def test_no_life_spends_a_point_twice_or_loses_one(place: Place, examples: int) -> None:
    Life.place = place
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
