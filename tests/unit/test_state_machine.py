"""Any row of what staff, customers and accidents can do, on the stand-in through its real doors.

After every step the ledger's invariants hold. At the end, once all has come to rest, reading the
whole shop into an empty ledger gives what every sale holds, and every reward stands in Dolibarr
once. ``pytest -m long tests/unit/test_state_machine.py`` plays more lives, and
STATE_MACHINE_EXAMPLES=n as many as one likes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
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
from sqlalchemy import Engine, event

from connectors.standin.store import ShopError
from dolisync.errors import UnknownOutcome
from dolisync.ledger import redemptions
from dolisync.ledger.book import NotEnoughPoints
from dolisync.ledger.engine import reading
from dolisync.ledger.redemptions import State
from dolisync.model import CustomerKey
from dolisync.sync import expire, redeem
from dolisync.sync.judge import Showing
from tests.builders import SOURCE
from tests.unit.desk import DeskClock, Street, open_street

EXAMPLES = int(os.environ.get("STATE_MACHINE_EXAMPLES", "8"))
EXAMPLES_LONG = 25
STEPS = 18
VALIDATED, PAID, ABANDONED = 1, 2, 3
WHICH = st.integers(0, 50)
WHO = st.integers(0, 2)


class Crash(BaseException):
    """The process is gone; nothing in it may catch this."""


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Street]:
    with open_street(sqlite_template, tmp_path_factory.mktemp("machine")) as found:
        yield found


class Life(RuleBasedStateMachine):
    """A shop's life. Each rule is one act; where it is not possible it does nothing."""

    street: Street
    door: str

    @initialize(door=st.sampled_from(["sql", "rest"]))
    def begin(self, door: str) -> None:
        terms = {"validity": {"months": 2}, "earn": {"amount": {"points": 4}}}
        self.desk = self.street.desk(door, **terms)
        self.shop = self.desk.shop
        self.people = [self.desk.anna, self.desk.bert, self.shop.add_customer("Carla")]
        self.invoices: list[int] = []
        self.tokens = 0
        self.crash_in = -1
        self.backup: Path | None = None
        event.listen(self.engine, "commit", self._maybe_crash)

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            try:
                self._come_to_rest()
            finally:
                event.remove(self.engine, "commit", self._maybe_crash)

    @property
    def engine(self) -> Engine:
        return self.desk.ledger.engine

    def _maybe_crash(self, _connection: Any) -> None:
        if self.crash_in > 0:
            self.crash_in -= 1
            if self.crash_in == 0:
                raise Crash

    def _one(self, which: int) -> int | None:
        there = [one for one in self.invoices if self._row(one) is not None]
        return there[which % len(there)] if there else None

    def _row(self, invoice: int) -> Any:
        return self.shop.store.get(self.shop.tables.facture, invoice)

    def _status(self, invoice: int | None) -> tuple[int, int]:
        row = self._row(invoice) if invoice is not None else None
        return (row["fk_statut"], row["type"]) if row is not None else (-1, -1)

    def _customer(self, who: int) -> int:
        return self.people[who % len(self.people)]

    # --- what happens in the shop ----------------------------------------------------------------

    @rule(who=WHO, quantity=st.integers(1, 3), paid=st.booleans())
    def sell(self, who: int, quantity: int, paid: bool) -> None:
        goods = [(self.desk.box, quantity), self.desk.tea]
        mode = "CB" if paid else None
        self.invoices.append(self.shop.sell(self._customer(who), goods, mode=mode))

    @rule(who=WHO)
    def sell_at_the_till(self, who: int) -> None:
        ticket = self.shop.pos_open(1)
        self.shop.pos_choose(ticket, self._customer(who))
        self.shop.pos_add(ticket, self.desk.tea, 2)
        self.shop.pos_pay(ticket, "LIQ")
        self.invoices.append(ticket)

    @rule(which=WHICH, part=st.booleans())
    def pay(self, which: int, part: bool) -> None:
        invoice = self._one(which)
        if self._status(invoice) == (VALIDATED, 0) and self.shop.remaining(invoice) > 1:
            self.shop.pay(invoice, 1 if part else None)

    @rule(which=WHICH, whole=st.booleans())
    def give_back(self, which: int, whole: bool) -> None:
        invoice = self._one(which)
        status, kind = self._status(invoice)
        if status in {VALIDATED, PAID} and kind == 0:
            lines = [line["rowid"] for line in self.shop.lines(invoice)]
            note = self.shop.credit_note(invoice, None if whole else lines[-1:])
            self.shop.validate(note)
            self.invoices.append(note)

    @rule(which=WHICH)
    def give_back_at_the_till(self, which: int) -> None:
        invoice = self._one(which)
        if self._status(invoice) == (PAID, 0) and self._row(invoice)["module_source"]:
            try:
                self.invoices.append(self.shop.pos_credit_note(invoice))
            except ShopError:
                return

    @rule(who=WHO)
    def give_back_without_a_source(self, who: int) -> None:
        note = self.shop.new_invoice(self._customer(who), 2)
        self.shop.add_line(note, None, 1, -5, tva_tx=20)
        self.shop.validate(note)
        self.invoices.append(note)

    @rule(which=WHICH)
    def reopen(self, which: int) -> None:
        invoice = self._one(which)
        if self._status(invoice)[0] in {VALIDATED, PAID}:
            self.shop.set_draft(invoice)

    @rule(which=WHICH, quantity=st.integers(1, 4))
    def edit(self, which: int, quantity: int) -> None:
        invoice = self._one(which)
        if self._status(invoice) == (0, 0):
            goods = [one for one in self.shop.lines(invoice) if one["fk_product"]]
            if goods:
                self.shop.change_line(goods[0]["rowid"], qty=quantity)

    @rule(which=WHICH)
    def validate(self, which: int) -> None:
        invoice = self._one(which)
        if self._status(invoice)[0] == 0 and self.shop.lines(invoice):
            self.shop.validate(invoice)

    @rule(which=WHICH)
    def abandon(self, which: int) -> None:
        invoice = self._one(which)
        if self._status(invoice) == (VALIDATED, 0) and not self.shop.paid(invoice):
            self.shop.abandon(invoice)

    @rule(which=WHICH)
    def delete(self, which: int) -> None:
        invoice = self._one(which)
        returned = {row["fk_facture_source"] for row in map(self._row, self.invoices) if row}
        # Dolibarr deletes no invoice that a credit note names.
        if invoice is not None and invoice not in returned and self.shop.is_erasable(invoice):
            self.shop.delete_invoice(invoice)

    @rule(which=WHICH, who=WHO)
    def give_to_another(self, which: int, who: int) -> None:
        invoice = self._one(which)
        if invoice is not None:
            self.shop.change_customer_of(invoice, self._customer(who))

    @precondition(lambda self: len(self.people) > 1)
    @rule(who=WHO)
    def merge(self, who: int) -> None:
        drop = self._customer(who)
        keep = self._customer(who + 1)
        self._look()
        self.shop.merge_customers(keep, drop)
        self.people.remove(drop)
        self._look()

    # --- points ----------------------------------------------------------------------------------

    @rule(who=WHO)
    def redeem(self, who: int) -> None:
        self.tokens += 1
        terms = self.desk.terms
        with_points = CustomerKey(SOURCE, 1, self._customer(who))
        token, clock = f"DS-{self.tokens:06d}", DeskClock(self.desk.clock)
        try:
            redeem.redeem(self.engine, clock, terms, with_points, terms.reward[0], token=token)
        except NotEnoughPoints:
            return

    @rule(which=WHICH)
    def use_a_discount(self, which: int) -> None:
        free = [row for row in self.desk.discounts() if not row["fk_facture_line"]]
        if free:
            row = free[which % len(free)]
            draft = self.shop.new_invoice(row["fk_soc"])
            self.shop.add_line(draft, self.desk.box)
            self.shop.use_discount(draft, row["rowid"])
            self.invoices.append(draft)

    @rule(days=st.integers(1, 70))
    def let_days_pass(self, days: int) -> None:
        self.desk.clock.move(hours=24 * days)
        showing = {SOURCE: Showing(customers=False, sales=False)}
        clock, terms = DeskClock(self.desk.clock), self.desk.terms
        expire.run_once(self.engine, clock, {terms.name: terms}, showing)

    # --- dolisync at work, and its accidents -----------------------------------------------------

    def _look(self) -> None:
        self.desk.clock.move(minutes=6)
        self.desk.ledger.poll()

    @rule()
    def look(self) -> None:
        self._look()

    @rule()
    def night(self) -> None:
        self.desk.night()

    @rule(commits=st.integers(1, 6))
    def crash_while_looking(self, commits: int) -> None:
        self.crash_in = commits
        try:
            self._look()
        except Crash:
            return
        finally:
            self.crash_in = -1

    @rule()
    def lose_the_answer_of_a_write(self) -> None:
        sink = self.desk.ledger.publisher.sink
        real = sink.create_discount

        def lossy(discount: Any) -> Any:
            real(discount)
            raise UnknownOutcome("the answer is lost")

        sink.create_discount = lossy  # type: ignore[method-assign]
        try:
            self._look()
        finally:
            del sink.create_discount

    @rule()
    def back_up(self) -> None:
        path = Path(str(self.engine.url.database))
        self.engine.dispose()
        self.backup = path.with_suffix(".backup")
        shutil.copy(path, self.backup)

    @precondition(lambda self: self.backup is not None)
    @rule()
    def restore(self) -> None:
        """Put an old ledger back, as the guide says: with what was made since booked again."""
        path = Path(str(self.engine.url.database))
        self.engine.dispose()
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
        shutil.copy(str(self.backup), path)
        self.desk.clock.move(minutes=6)
        self.desk.ledger.reconcile()
        self.desk.ledger.follow(adopting=True)

    # --- what must hold --------------------------------------------------------------------------

    @invariant()
    def the_ledger_holds(self) -> None:
        if hasattr(self, "desk"):
            assert self.desk.breaches() == []

    def _come_to_rest(self) -> None:
        for _ in range(4):
            self.desk.clock.move(hours=1)
            self.desk.ledger.poll()
        self.desk.night()
        self.desk.ledger.follow(adopting=True)
        assert self.desk.breaches() == []
        replayed = self.desk.replayed()
        assert self.desk.ledger.holdings() == replayed.holdings()
        with reading(self.engine) as connection:
            known = redemptions.of_source(connection, SOURCE)
        there = {row["description"].split()[-1] for row in self.desk.discounts()}
        alive = {t for t, one in known.items() if one.state in {State.OPEN, State.USED}}
        assert {token for token in there if token.startswith("DS-")} <= set(known)
        assert {token for token, one in known.items() if one.state == State.OPEN} <= there
        assert not {t for t in there if t in known} - alive


@pytest.mark.parametrize(
    "examples", [EXAMPLES, pytest.param(EXAMPLES_LONG, marks=pytest.mark.long)]
)
def test_any_life_ends_as_its_replay(street: Street, examples: int) -> None:
    Life.street = street
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
