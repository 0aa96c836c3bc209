"""Opening balances: points that members bring from an earlier system, as one batch.

Booked in pages, each line under a key of its own: a run that was stopped goes on where it was. The
same list twice is refused, unless the first was undone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, Engine, select

from dolisync.errors import UserError
from dolisync.ledger import batches, outbox, tables
from dolisync.ledger.batches import Batch, BatchKind, BatchState
from dolisync.ledger.book import Entry, Kind
from dolisync.ledger.engine import reading, write
from dolisync.ledger.lineage import Given, given_by
from dolisync.ledger.store import MemberKey, Transaction
from dolisync.model import CustomerKey
from dolisync.ports import Clock
from dolisync.program.calendar import last_day_of_use
from dolisync.program.terms import Program
from dolisync.sync.activity import follow_activity
from dolisync.sync.changes import Change
from dolisync.sync.judge import Showing

PAGE = 200


@dataclass(frozen=True, slots=True)
class Opening:
    """What one member begins with, in ledger units. ``line`` is its line in the list.

    Without ``expires_on`` the points live as if they were earned on the day of the booking.
    """

    line: int
    customer: CustomerKey
    units: int
    expires_on: date | None
    reason: str


@dataclass(frozen=True, slots=True)
class OpeningList:
    """A whole list. ``digest`` stands for its contents, ``name`` is what the file is called."""

    program: Program
    name: str
    digest: str
    openings: tuple[Opening, ...]

    @property
    def units(self) -> int:
        """All points in it, in ledger units."""
        return sum(opening.units for opening in self.openings)


def unfinished(connection: Connection, wanted: OpeningList) -> Batch | None:
    """Return the batch of this list that was begun and stopped, ``None`` where there is none.

    Raises ``UserError`` when the list was booked already.
    """
    for batch in batches.listed(connection, BatchKind.OPENING):
        same = batch.details["digest"] == wanted.digest
        if same and batch.details["program"] == wanted.program.name:
            if batch.state == BatchState.DONE:
                message = f"this list was booked already, on {batch.created_at:%Y-%m-%d}"
                raise UserError(message, f"dolisync undo {batch.token} takes it back first")
            if batch.state == BatchState.RUNNING:
                return batch
    return None


def new_members(connection: Connection, wanted: OpeningList, now: datetime) -> int:
    """Count the customers in the list who have no account yet."""
    transaction = Transaction(connection, now)
    keys = [MemberKey(wanted.program.name, opening.customer) for opening in wanted.openings]
    for start in range(0, len(keys), PAGE):
        transaction.load_members(set(keys[start : start + PAGE]))
    return len({key for key in keys if key not in transaction.books})


def run(
    engine: Engine,
    clock: Clock,
    wanted: OpeningList,
    *,
    token: str,
    showing: Showing,
    progress: Callable[[int], None],
) -> Batch:
    """Book the whole list, or what is left of it. Raises ``UserError`` when it is booked already.

    ``token`` names the batch, unless one of this list was begun before.
    """
    with reading(engine) as connection:
        begun = unfinished(connection, wanted)
    batch = begun or write(engine, lambda connection: _begin(connection, clock, wanted, token))
    for start in range(0, len(wanted.openings), PAGE):
        page = wanted.openings[start : start + PAGE]
        write(engine, lambda c, page=page: _book(c, clock, wanted.program, batch, page, showing))  # type: ignore[misc]
        progress(start + len(page))
    write(engine, lambda connection: _finish(connection, batch))
    return batch


def _finish(connection: Connection, batch: Batch) -> None:
    _require_not_undone(connection, batch)
    batches.finish(connection, batch)


def _require_not_undone(connection: Connection, batch: Batch) -> None:
    """Stop when somebody undoes the list while it is still being booked."""
    if batches.by_token(connection, batch.token).state == BatchState.UNDONE:
        message = f"{batch.token} was undone meanwhile; the rest of the list is not booked"
        raise UserError(message, "book the whole list again")


def _begin(connection: Connection, clock: Clock, wanted: OpeningList, token: str) -> Batch:
    found = batches.find(connection, token)
    if found is not None:
        return found
    details = {
        "program": wanted.program.name,
        "digest": wanted.digest,
        "units": wanted.units,
        "members": len(wanted.openings),
    }
    title = f"opening balances of {len(wanted.openings)} members from {wanted.name}"
    state = BatchState.RUNNING
    return batches.create(connection, BatchKind.OPENING, title, details, clock.now(), token, state)


def _book(
    connection: Connection,
    clock: Clock,
    program: Program,
    batch: Batch,
    page: Sequence[Opening],
    showing: Showing,
) -> None:
    _require_not_undone(connection, batch)
    transaction = Transaction(connection, clock.now())
    today = transaction.now.astimezone(program.zone).date()
    booked = _booked(connection, (_key(batch, opening) for opening in page))
    missing = [opening for opening in page if _key(batch, opening) not in booked]
    transaction.load_books({MemberKey(program.name, opening.customer) for opening in missing})
    for opening in missing:
        entry = Entry(
            _key(batch, opening),
            Kind.OPENING,
            today,
            transaction.now,
            opening.reason,
            batch_id=batch.id,
        )
        until = opening.expires_on or last_day_of_use(program.validity, today)
        book = transaction.book(MemberKey(program.name, opening.customer))
        book.earn(transaction.journal, entry, opening.units, until)
    transaction.flush()
    follow_activity(transaction, [program], list(transaction.books))
    if showing.customers:
        targets = [outbox.customer_target(opening.customer) for opening in missing]
        outbox.wish(connection, targets, transaction.now)


def _key(batch: Batch, opening: Opening) -> str:
    return f"opening:{batch.token}:{opening.line}"


def _booked(connection: Connection, keys: Iterable[str]) -> set[str]:
    posting = tables.posting.c
    return set(connection.execute(select(posting.key).where(posting.key.in_(list(keys)))).scalars())


def undo(transaction: Transaction, program: Program, batch: Batch) -> list[Change]:
    """Take back all that a list gave; what is spent already as the program's shortfall says."""
    by_member: dict[int, list[Given]] = defaultdict(list)
    for given in given_by(transaction.connection, batch):
        by_member[given.spot.member_id].append(given)
    members = list(by_member)
    changes = []
    for start in range(0, len(members), PAGE):
        page = {id_: by_member[id_] for id_ in members[start : start + PAGE]}
        transaction.load_books((), ids=page)
        lots = [given.spot.lot_id for held in page.values() for given in held]
        transaction.load_lots_of(page, lots)
        changes += [_take_from(transaction, program, batch, *one) for one in page.items()]
    return changes


def _take_from(
    transaction: Transaction, program: Program, batch: Batch, member_id: int, held: Sequence[Given]
) -> Change:
    """Take back from one member what the list gave."""
    today = transaction.now.astimezone(program.zone).date()
    key = transaction.member_keys[member_id]
    book = transaction.books[key]
    entry = Entry(
        f"{batch.kind}:{batch.token}:undo:{member_id}",
        Kind.OPENING if batch.kind == BatchKind.OPENING else Kind.ADJUST,
        today,
        transaction.now,
        f"{batch.token} undone: {batch.title}",
        batch_id=batch.id,
    )
    units = sum(given.units for given in held)
    lacking = book.take_lots_back(
        transaction.journal,
        entry,
        units,
        book.lots_of([given.spot.lot_id for given in held]),
        program.returns.shortfall,
        today,
        sum(given.settled for given in held),
    )
    return Change(program, key.customer, -units, lacking)
