"""Break one rule of the design at a time: the simulation must see it within some histories.

Each mutant is the real code with one rule taken out. A mutant that is not caught means that the
simulation has become blind, or that the rule is not needed.

By default only mutants that are seen soon are tried; ``pytest -m long
tests/simulation/test_mutants.py`` tries the others.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from simulation import machine
from simulation.machine import (
    AT_ONCE,
    AT_TILLS,
    CLOCK,
    EVERYTHING,
    LOSING_LEDGERS,
    MERGING,
    ON_DRAFTS,
    PLACING,
    READING,
    RESTORING,
    RETURNING,
    SELDOM,
    TWO_TILLS,
    WRITING,
    Design,
    HistoryFailed,
    Machine,
    Scene,
)
from simulation.world import MemorySink, MemorySource

from dolisync.errors import RefusedError, TransientError
from dolisync.ledger import drafts as ledger_drafts
from dolisync.ledger import outbox, rebook
from dolisync.ledger.book import Book
from dolisync.ledger.engine import reading, write
from dolisync.ledger.store import Holding, MemberKey, Transaction
from dolisync.model import CustomerKey, Sale
from dolisync.ports import FieldValue, Page, PlacedDiscount, Position
from dolisync.program import assess
from dolisync.program import paying as program_paying
from dolisync.sync import (
    discounts,
    drafts,
    intake,
    judge,
    paying,
    redeem,
    spent,
    till_line,
)
from dolisync.sync.intake import Cursor, Intake
from dolisync.sync.judge import Tally
from dolisync.sync.paying import Paying
from dolisync.sync.publish import Publisher
from dolisync.sync.reconcile import Reconciler

FIRST_SEED = 50_000
Patches = Callable[[], contextlib.AbstractContextManager[Any]]


@dataclass(frozen=True)
class Mutant:
    """A design with a rule broken, and within how many histories it must be seen."""

    name: str
    within: int
    design: Callable[[], Design] = Design
    patches: Patches = contextlib.nullcontext
    scene: Scene = EVERYTHING
    upheavals: bool = False
    money: bool = False

    def machine(self, seed: int) -> Machine:
        """Set up a history under the mutant."""
        more = {"upheavals": self.upheavals, "money": self.money}
        return Machine(seed, self.design(), scene=self.scene, **more)


def first_caught(mutant: Mutant) -> tuple[int, str] | None:
    """Return which history sees the mutant first, and what it says.

    Raises ``HistoryFailed`` where the mutant does not fit the code any more: that is no sight.
    """
    for number in range(mutant.within):
        history = mutant.machine(FIRST_SEED + number)
        with mutant.patches():
            try:
                history.play()
            except HistoryFailed as failure:
                said = str(failure).split("\n", 1)[0]
                if any(error in said for error in ("TypeError", "AttributeError", "NameError")):
                    raise
                return number + 1, said
    return None


def _patched(target: object, name: str, value: object) -> Patches:
    return lambda: mock.patch.object(target, name, value)


# --- reading -------------------------------------------------------------------------------------


@dataclass
class DoorAround:
    """A source that passes everything on; mutants change one answer."""

    inner: MemorySource

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class OnlyLater(DoorAround):
    """Read what changed after the cursor's second, not at it."""

    def changed(self, since: datetime, after: Position | None, limit: int) -> Page:
        return self.inner.changed(since + timedelta(seconds=1), after, limit)


class SkipsTies(DoorAround):
    """Go on with the second after a full page."""

    def changed(self, since: datetime, after: Position | None, limit: int) -> Page:
        return _placed_at(self.inner.changed(since, after, limit), 10**9)


class RepeatsTies(DoorAround):
    """Go on at the beginning of the second in which a full page ended."""

    def changed(self, since: datetime, after: Position | None, limit: int) -> Page:
        return _placed_at(self.inner.changed(since, after, limit), 0)


def _placed_at(page: Page, rowid: int) -> Page:
    place = page.next_position
    return page if place is None else replace(page, next_position=replace(place, rowid=rowid))


class CursorFirst(Intake):
    """Save the cursor before what was read is booked."""

    def take(
        self, sales: Sequence[Sale], cursor: Cursor | None = None, batch_id: int | None = None
    ) -> Tally:
        if cursor is not None:
            write(self.engine, lambda connection: self._save_cursor(connection, cursor))
        return super().take(sales, None, batch_id)


class BlindForPayments(Intake):
    """Look at documents only; a part payment leaves no trace there."""

    def _read_payments(self, last: int) -> Tally:
        return Tally()


def _posts_on_each_sight() -> contextlib.AbstractContextManager[Any]:
    stack = contextlib.ExitStack()
    stack.enter_context(mock.patch.object(judge, "_is_changed", return_value=True))
    nothing = defaultdict[int, Any](lambda: defaultdict(Holding))
    stack.enter_context(mock.patch.object(Transaction, "holdings", return_value=nothing))
    return stack


def _each_return_alone(
    program: Any, around: Any, family: assess.Family, _first: object
) -> Iterator[assess.Verdict]:
    for credit in family.returns:
        yield assess.assess_alone(program, around, credit, "a mutant says so")


OF_READING = (
    Mutant(
        "strict cursor without overlap",
        10,
        lambda: Design(overlap=timedelta(0), source=OnlyLater),
        _patched(intake, "SETTLE", timedelta(0)),
        READING,
    ),
    Mutant(
        "strict cursor, settled for three seconds",
        20,
        lambda: Design(overlap=timedelta(0)),
        _patched(intake, "SETTLE", timedelta(seconds=3)),
        READING,
    ),
    Mutant(
        "overlap shorter than transactions",
        20,
        lambda: Design(overlap=timedelta(seconds=10)),
        scene=READING,
    ),
    Mutant(
        "pages skip the rest of a tie",
        10,
        lambda: Design(source=SkipsTies, page_sizes=(2,)),
        scene=READING,
    ),
    Mutant(
        "pages begin a tie again",
        10,
        lambda: Design(source=RepeatsTies, page_sizes=(2,)),
        scene=READING,
    ),
    Mutant("cursor saved before the effects", 60, lambda: Design(intake=CursorFirst), scene=SELDOM),
    Mutant("posts on each sight", 5, patches=_posts_on_each_sight),
    Mutant("payments are not followed", 60, lambda: Design(intake=BlindForPayments), scene=READING),
    Mutant("no reconcile", 30, lambda: Design(reconciles=False)),
    Mutant(
        "reconcile does not count",
        60,
        patches=_patched(Reconciler, "_take_missed", lambda *_: None),
        scene=CLOCK,
    ),
    Mutant(
        "each return takes its own worth",
        30,
        patches=_patched(assess, "_judge_returns", _each_return_alone),
        scene=READING,
    ),
    Mutant(
        "what was forgiven stays forgiven",
        150,
        patches=_patched(redeem, "take_forgiven", lambda *_: None),
    ),
)


# --- writing -------------------------------------------------------------------------------------


@dataclass
class SinkAround:
    """A sink that passes everything on; mutants change one call."""

    inner: MemorySink

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class SeesNoDiscount(SinkAround):
    """Find nothing, whatever is there."""

    def find_discount(self, _customer: CustomerKey | None, _token: str) -> PlacedDiscount | None:
        return None


@dataclass
class Adds(SinkAround):
    """Send what a balance has changed by, and let the other side add it."""

    sent: dict[tuple[int, str], Any] = field(default_factory=dict)

    def write_customer(self, customer: CustomerKey, values: dict[str, FieldValue]) -> None:
        steps = {
            name: value - self.sent.get((customer.rowid, name), 0)
            for name, value in values.items()
            if name.endswith("balance")
        }
        self.inner._write("write_customer", lambda: self._add(customer.rowid, steps, values))
        self.sent.update({(customer.rowid, name): values[name] for name in steps})

    def _add(self, customer: int, steps: dict[str, Any], values: dict[str, FieldValue]) -> None:
        card = self.inner.world.cards.setdefault(customer, {})
        sums = {name: (card.get(name) or 0) + step for name, step in steps.items()}
        card.update({**values, **sums})

    def read_customer(self, _customer: CustomerKey, _names: Sequence[str]) -> None:
        """Let nothing be compared, for increments cannot be repaired."""


def _adding() -> Design:
    sent: dict[tuple[int, str], Any] = {}
    return Design(sink=lambda sink: Adds(sink, sent))


class NeverLooks(Publisher):
    """Create a discount without looking for it."""

    def _send_discount(self, *arguments: Any) -> None:
        seeing = self.sink
        self.sink = SeesNoDiscount(seeing)
        try:
            super()._send_discount(*arguments)
        finally:
            self.sink = seeing


class NeverMarks(Publisher):
    """Call without a durable mark that a call is under way."""

    def _claim(self, item: outbox.Item) -> bool:
        return True


class NeverWaits(Publisher):
    """Look for a discount at once when the answer to its creation was lost."""

    def _later(self, item: outbox.Item, error: Exception, report: Any) -> None:
        super()._later(item, TransientError(str(error)), report)


class Overtakes(Publisher):
    """Revoke a discount that may still arrive."""

    def _is_being_placed(self, revoke: outbox.Target) -> bool:
        return False


class NeverReadsAgain(Publisher):
    """Take what was written for what is shown."""

    def _settle(self, item: outbox.Item, state: str, *rest: Any, **more: Any) -> None:
        super()._settle(item, "done" if state == "written" else state, *rest, **more)


def _sent_after_commit() -> Design:
    """Keep what is to be shown in memory only: it is sent by the next turn, or never."""
    waiting: list[outbox.Target] = []

    class FromMemory(Publisher):
        def run_once(self) -> Any:
            cards = [target for target in waiting if target.kind == "customer"]
            waiting.clear()
            items = [_item(target, self.clock.now()) for target in cards]
            for item, values in [(item, self._values([item])) for item in items]:
                with contextlib.suppress(TransientError, RefusedError):
                    self.sink.write_customer(item.target.customer, values[item.target.key])
            return super().run_once()

    class Remembers(Intake):
        def __post_init__(self) -> None:
            waiting.clear()

        def take(self, *arguments: Any) -> Tally:
            wish = outbox.wish

            def remember(connection: Any, targets: Any, now: datetime) -> int:
                waiting.extend(targets)
                return wish(connection, [t for t in targets if t.kind != "customer"], now)

            with mock.patch.object(outbox, "wish", remember):
                return super().take(*arguments)

    return Design(intake=Remembers, publisher=FromMemory)


def _item(target: outbox.Target, now: datetime) -> outbox.Item:
    return outbox.Item(0, target, "new", 1, 0, now, "", now, now)


OF_WRITING = (
    Mutant("balance sent after the commit, no outbox", 60, _sent_after_commit, scene=WRITING),
    Mutant("increments instead of balances", 40, _adding, scene=WRITING),
    Mutant("a discount is not looked for", 40, lambda: Design(publisher=NeverLooks), scene=WRITING),
    Mutant("a call is not marked before", 60, lambda: Design(publisher=NeverMarks), scene=WRITING),
    Mutant(
        "a lost discount is looked for at once",
        150,
        lambda: Design(publisher=NeverWaits),
        scene=WRITING,
    ),
    Mutant("a revocation overtakes", 250, lambda: Design(publisher=Overtakes), scene=WRITING),
    Mutant("nothing is read again", 150, lambda: Design(publisher=NeverReadsAgain), scene=WRITING),
)


# --- following what becomes of documents, customers and copies ----------------------------------


def _nothing(*_args: Any, **_more: Any) -> None:
    return None


def _zero(*_args: Any, **_more: Any) -> Decimal:
    return Decimal(0)


def _true(*_args: Any, **_more: Any) -> bool:
    return True


def _no_tokens(*_args: Any, **_more: Any) -> tuple[str, ...]:
    return ()


def _none_of(*_args: Any, **_more: Any) -> list[Any]:
    return []


def _dated_anew(journal: Any, *args: Any, **more: Any) -> Any:
    """Let a lot that moves to another account begin a life without end."""
    lot = _OPEN_LOT(journal, *args, **more)
    if lot.expires_on is not None:
        lot.expires_on = lot.expires_on + timedelta(days=400)
    return lot


_OPEN_LOT = rebook.Journal.open_lot


def _upheaval(
    name: str, within: int, scene: Scene, target: object, attribute: str, value: object
) -> Mutant:
    patches = _patched(target, attribute, value)
    return Mutant(name, within, patches=patches, scene=scene, upheavals=True)


OF_FOLLOWING = (
    _upheaval("a merge is taken for sales given away", 100, MERGING, intake, "fate_of", _nothing),
    _upheaval("spent points do not come back", 100, RETURNING, spent.Spent, "give_back", _nothing),
    _upheaval("points that came back stay", 100, RETURNING, spent.Spent, "take", _nothing),
    _upheaval("moved lots begin a new life", 100, MERGING, rebook.Journal, "open_lot", _dated_anew),
    _upheaval("doubled discounts stay", 260, RETURNING, discounts, "_trim", _none_of),
    _upheaval("discounts are not adopted", 100, RESTORING, discounts, "_adopt_all", _none_of),
    _upheaval("debt is not settled", 160, RETURNING, Book, "_settle", _nothing),
    _upheaval("a return takes from any lot", 100, RETURNING, Book, "lots_of", _none_of),
)


# --- points as money ----------------------------------------------------------------------------


def _placed_blindly(self: drafts.Drafts, wanted: Any) -> None:
    """Put all lines on a draft without looking whether they stand there."""
    for share in _shares_of(self, wanted):
        self.door.add_line(wanted.draft, wanted.token, -share.amount, share.tax_rate)


def _shares_of(self: drafts.Drafts, wanted: Any) -> Any:
    with reading(self.engine) as connection:
        return ledger_drafts.use_of(connection, wanted.id).shares


def _paid_anew(_transaction: Any, cost: Any, _held: Any) -> Iterator[paying.Due]:
    """Take what a sale costs whenever it is seen, whatever was taken for it."""
    owner = MemberKey(cost.program.name, cost.known.sale.customer)
    if cost.paid.units:
        yield paying.Due(cost, owner, cost.paid.units)


def _paid_by_anybody(transaction: Any, cost: Any, held: Any) -> Iterator[paying.Due]:
    """Forget who paid before a document went to another customer."""
    owner = MemberKey(cost.program.name, cost.known.sale.customer)
    differing = paying_differences(transaction, cost, held)
    return (due for due in differing if due.owner == owner)


paying_differences = paying.differences


def _due_as_on_cards(spending: spent.Spending) -> int:
    """Let what a sale does not use of a draft's points stay gone, as on a customer card."""
    redemption = spending.redemption
    back = sum((use.amount * use.undone.share for use in spending.uses), Decimal(0))
    return spent.units_back(redemption.points, redemption.amount, back - spending.excess)


_DUE_AS_ON_CARDS = property(_due_as_on_cards)


def _each_ticket_alone(self: till_line.TillLine, ticket: Any, seen: Any) -> Any:
    """Offer to each open ticket all that its customer has."""
    alone = replace(seen, available=dict(seen.available))
    return _REDUCTIONS(self, ticket, alone)


_REDUCTIONS = till_line.TillLine._reductions


def _money(
    name: str, within: int, scene: Scene, target: object, attr: str, value: object
) -> Mutant:
    return Mutant(name, within, patches=_patched(target, attr, value), scene=scene, money=True)


OF_MONEY = (
    _money("points paid do not come back", 100, AT_TILLS, Paying, "_give_back", _nothing),
    _money("payments are not taken", 20, AT_TILLS, Paying, "_take", _nothing),
    _money("payments are taken on each sight", 40, AT_TILLS, paying, "differences", _paid_anew),
    _money("who paid before is forgotten", 150, AT_ONCE, paying, "differences", _paid_by_anybody),
    _money(
        "each ticket is offered everything",
        100,
        TWO_TILLS,
        till_line.TillLine,
        "_reductions",
        _each_ticket_alone,
    ),
    _money("marks on lines cost nothing", 60, AT_TILLS, program_paying, "cost_of_lines", _zero),
    _money("drafts are not followed", 60, ON_DRAFTS, drafts.Drafts, "follow", _none_of),
    _money("lines are placed blindly", 150, PLACING, drafts.Drafts, "place", _placed_blindly),
    _money("lines are not adopted", 100, LOSING_LEDGERS, machine, "adopt_drafts", _no_tokens),
    _money("lines stay when points come back", 100, ON_DRAFTS, drafts.Drafts, "_clear", _true),
    _money(
        "what no sale uses stays gone",
        150,
        AT_ONCE,
        spent.Spending,
        "due",
        property(_due_as_on_cards),
    ),
)


KINDS = {
    "reading": OF_READING,
    "writing": OF_WRITING,
    "following": OF_FOLLOWING,
    "money": OF_MONEY,
}
# Rules that seldom matter take hundreds of histories to be missed.
SELDOM_SEEN = 120
# Allowed fewer histories, but seen only by the twelfth or later when this was measured.
SEEN_LATE = {
    "cursor saved before the effects",
    "payments are not followed",
    "no reconcile",
    "a call is not marked before",
    "a merge is taken for sales given away",
    "a return takes from any lot",
    "drafts are not followed",
    "lines are not adopted",
    "lines stay when points come back",
}


def _is_long(mutant: Mutant) -> bool:
    return mutant.within > SELDOM_SEEN or mutant.name in SEEN_LATE


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(mutant, id=mutant.name, marks=[pytest.mark.long] if _is_long(mutant) else [])
        for mutants in KINDS.values()
        for mutant in mutants
    ],
)
def test_a_broken_rule_is_seen(mutant, record_property):
    caught = first_caught(mutant)
    assert caught is not None, f"{mutant.within} histories did not see it"
    record_property("histories", caught[0])


@pytest.mark.parametrize("kind", KINDS)
def test_some_mutants_of_each_kind_are_always_tried(kind):
    assert sum(not _is_long(mutant) for mutant in KINDS[kind]) >= 3


def test_the_list_of_those_seen_late_names_mutants():
    assert {mutant.name for mutants in KINDS.values() for mutant in mutants} >= SEEN_LATE


def test_judging_unchanged_sales_again_does_no_harm():
    """Without fingerprints every sight judges anew, and posts the difference: nothing.

    So the fingerprint saves work only. The rule that matters is that differences are posted, and
    not verdicts: see the mutant that posts on each sight.
    """
    harmless = Mutant("no fingerprint", 10, patches=_patched(judge, "_is_changed", lambda *_: True))
    assert first_caught(harmless) is None
