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
from dolisync.ledger.lineage import Spot, given_by, spots_of
from dolisync.ledger.store import MemberKey, Transaction
from dolisync.model import CustomerKey
from dolisync.ports import Clock
from dolisync.program.calendar import last_day_of_use
from dolisync.program.terms import Program, Shortfall
from dolisync.sync.activity import follow_activity
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
        taker.lots[-1].fixed_until = lot.fixed_until
    transaction.flush()
    follow_activity(transaction, [program], keys)
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


def undo(
    transaction: Transaction,
    program: Program,
    batch: Batch,
    accounts: Mapping[CustomerKey, CustomerKey],
) -> list[Change]:
    """Bring transferred points back: what is still there; the rest as the program's shortfall says.

    With ``clamp``, only what is still there comes back: nothing is forgiven out of nothing.
    ``accounts`` says who has the giver's and the taker's account now.
    """
    today, shortfall = _today(transaction, program), program.returns.shortfall
    people = [accounts[_customer(batch.details[name])] for name in ("giver", "taker")]
    keys = [MemberKey(program.name, who) for who in people]
    transaction.load_books(keys)
    giver, taker = (transaction.books[key] for key in keys)
    given, taken = given_by(transaction.connection, batch), _taken(transaction.connection, batch)
    transaction.load_lots(taker, [one.spot.lot_id for one in given])
    transaction.load_lots(giver, [spot.lot_id for spot, _ in taken])
    units, settled = sum(one.units for one in given), sum(one.settled for one in given)
    lots = taker.lots_of([one.spot.lot_id for one in given])
    back = _entry(transaction, batch, "undo:in", today, f"{batch.token} undone: {batch.title}")
    journal = transaction.journal
    lacking = taker.take_lots_back(journal, back, units, lots, shortfall, today, settled)
    returned = units - lacking if shortfall is Shortfall.CLAMP else units
    if returned:
        again = _entry(transaction, batch, "undo:out", today, back.reason)
        _return(transaction, program, giver, again, _first(taken, returned))
    return [Change(program, people[1], -units, lacking), Change(program, people[0], returned, 0)]


def _return(
    transaction: Transaction,
    program: Program,
    giver: Book,
    entry: Entry,
    shares: Sequence[tuple[Spot, int]],
) -> None:
    """Put points back on the lots they came from, where these are still the giver's.

    Where one has gone to another with a merge undone since, the giver has paid for it: his points
    get a lot of their own, which lives as if it was earned today.
    """
    mine = [(spot.lot_id, points) for spot, points in shares if spot.member_id == giver.member_id]
    homeless = sum(points for _, points in shares) - sum(points for _, points in mine)
    until = last_day_of_use(program.validity, entry.occurred_on)
    giver.give_back(transaction.journal, entry, mine, homeless=homeless, homeless_until=until)


def _taken(connection: Connection, batch: Batch) -> list[tuple[Spot, int]]:
    """Return how many points went from which of the giver's lots, and where these are now."""
    allocation, posting = tables.allocation.c, tables.posting.c
    query = (
        select(allocation.lot_id, allocation.member_id, allocation.points)
        .join(tables.posting, posting.id == allocation.posting_id)
        .where(posting.key == f"transfer:{batch.token}:out")
        .order_by(allocation.id)
    )
    rows = connection.execute(query).all()
    spots = spots_of(connection, {row.lot_id: row.member_id for row in rows})
    return [(spots[row.lot_id], -row.points) for row in rows]


def _first(taken: Sequence[tuple[Spot, int]], units: int) -> list[tuple[Spot, int]]:
    """Return the share of each lot when only so many points come back: the last lots lose."""
    shares = []
    for spot, points in taken:
        share = min(points, units)
        units -= share
        if share:
            shares.append((spot, share))
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
