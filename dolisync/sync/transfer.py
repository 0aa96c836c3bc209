"""Transfers: points that one member gives to another, with the dates that they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, Engine, select

from dolisync.errors import UserError
from dolisync.ledger import batches, outbox, tables
from dolisync.ledger.batches import Batch, BatchKind
from dolisync.ledger.book import Book, Entry, Kind, NotEnoughPoints
from dolisync.ledger.engine import write
from dolisync.ledger.store import MemberKey, Transaction
from dolisync.model import CustomerKey
from dolisync.ports import Clock
from dolisync.program.terms import Program, Shortfall
from dolisync.sync.changes import Change
from dolisync.sync.judge import Showing


@dataclass(frozen=True, slots=True)
class Wish:
    """Points, in ledger units, that are to go from one member to another."""

    program: Program
    giver: CustomerKey
    taker: CustomerKey
    units: int
    reason: str


def transfer(
    engine: Engine, clock: Clock, wish: Wish, *, token: str, showing: Mapping[str, Showing]
) -> Batch:
    """Move available points from one member to another, soonest expiry first; return the batch.

    ``token`` is made before the first attempt, so that a repeated transaction is the same one.
    Raises ``NotEnoughPoints``, and ``UserError`` for a transfer to oneself.
    """
    if wish.giver == wish.taker:
        message = f"customer {wish.giver.rowid} cannot give points to himself"
        raise UserError(message, "name two customers")

    def work(connection: Connection) -> Batch:
        found = batches.find(connection, token)
        if found is not None:
            return found
        transaction = Transaction(connection, clock.now())
        batch = _move(transaction, wish, token)
        shown = [key for key in (wish.giver, wish.taker) if showing[key.source].customers]
        outbox.wish(connection, [outbox.customer_target(key) for key in shown], transaction.now)
        return batch

    return write(engine, work)


def _move(transaction: Transaction, wish: Wish, token: str) -> Batch:
    program, today = wish.program, _today(transaction, wish.program)
    keys = [MemberKey(program.name, key) for key in (wish.giver, wish.taker)]
    transaction.load_books(keys)
    giver, taker = (transaction.book(key) for key in keys)
    available = giver.available(today)
    if available < wish.units:
        message = f"{program.points_of(wish.units)} points cannot be given: "
        message += f"{program.points_of(available)} are available"
        raise NotEnoughPoints(message, "give fewer")
    batch = _note(transaction, wish, token)
    out = _entry(transaction, batch, "out", today, f"to customer {wish.taker.rowid}: {wish.reason}")
    for number, (lot, points) in enumerate(
        giver.hand_over(transaction.journal, out, wish.units, today)
    ):
        reason = f"from customer {wish.giver.rowid}: {wish.reason}"
        into = _entry(transaction, batch, f"in{number}", today, reason)
        taker.earn(transaction.journal, into, points, lot.expires_on, lot.available_from)
    transaction.flush()
    return batch


def _note(transaction: Transaction, wish: Wish, token: str) -> Batch:
    points = wish.program.points_of(wish.units)
    title = f"{points} points from customer {wish.giver.rowid} to {wish.taker.rowid}"
    details = {
        "program": wish.program.name,
        "giver": _plain(wish.giver),
        "taker": _plain(wish.taker),
        "units": wish.units,
        "reason": wish.reason,
    }
    return batches.create(
        transaction.connection, BatchKind.TRANSFER, title, details, transaction.now, token
    )


def undo(transaction: Transaction, program: Program, batch: Batch) -> list[Change]:
    """Bring transferred points back: what is still there; the rest as the program's shortfall says.

    With ``clamp``, only what is still there comes back: nothing is forgiven out of nothing.
    """
    giver_key, taker_key = (_customer(batch.details[name]) for name in ("giver", "taker"))
    today = _today(transaction, program)
    keys = [MemberKey(program.name, key) for key in (giver_key, taker_key)]
    transaction.load_books(keys)
    giver, taker = (transaction.book(key) for key in keys)
    units = int(batch.details["units"])
    lots = transaction.load_batch_lots(batch.id)[taker.member_id]
    shortfall = program.returns.shortfall
    back = _entry(transaction, batch, "undo:in", today, f"{batch.token} undone: {batch.title}")
    lacking = taker.take_lots_back(transaction.journal, back, units, lots, shortfall, today)
    returned = units - lacking if shortfall is Shortfall.CLAMP else units
    if returned:
        again = _entry(transaction, batch, "undo:out", today, back.reason)
        taken = _taken(transaction, giver, batch)
        giver.give_back(transaction.journal, again, _first(taken, returned))
    return [
        Change(program, taker_key, -units, lacking),
        Change(program, giver_key, returned, 0),
    ]


def _taken(transaction: Transaction, giver: Book, batch: Batch) -> list[tuple[int, int]]:
    """Return from which of the giver's lots how many points went, and load these lots."""
    allocation, posting = tables.allocation.c, tables.posting.c
    query = (
        select(allocation.lot_id, allocation.points)
        .join(tables.posting, posting.id == allocation.posting_id)
        .where(posting.key == f"transfer:{batch.token}:out")
        .order_by(allocation.id)
    )
    taken = [(lot, -points) for lot, points in transaction.connection.execute(query)]
    transaction.load_lots(giver, [lot for lot, _ in taken])
    return taken


def _first(taken: Sequence[tuple[int, int]], units: int) -> list[tuple[int, int]]:
    """Return the share of each lot when only so many points come back: the last lots lose."""
    shares = []
    for lot, points in taken:
        share = min(points, units)
        units -= share
        if share:
            shares.append((lot, share))
    return shares


def _entry(transaction: Transaction, batch: Batch, suffix: str, today: date, reason: str) -> Entry:
    key = f"transfer:{batch.token}:{suffix}"
    return Entry(key, Kind.TRANSFER, today, transaction.now, reason, batch_id=batch.id)


def _today(transaction: Transaction, program: Program) -> date:
    return transaction.now.astimezone(program.zone).date()


def _plain(key: CustomerKey) -> list[str | int]:
    return [key.source, key.entity, key.rowid]


def _customer(plain: Sequence[str | int]) -> CustomerKey:
    source, entity, rowid = plain
    return CustomerKey(str(source), int(entity), int(rowid))
