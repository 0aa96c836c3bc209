"""What a batch gave, and where it is now: a merge re-books lots onto another account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select

from dolisync.ledger import tables
from dolisync.ledger.batches import Batch
from dolisync.model import CustomerKey

# Ends the key of the posting that opens a lot anew, before the id of the lot that it follows.
LOT = ":lot"


@dataclass(frozen=True, slots=True)
class Spot:
    """A lot as it is now, and on whose account."""

    lot_id: int
    member_id: int


@dataclass(frozen=True, slots=True)
class Given:
    """Points, in ledger units, that a batch gave in one lot; ``settled`` of them settled debt."""

    spot: Spot
    units: int
    settled: int


def given_by(connection: Connection, batch: Batch) -> list[Given]:
    """Return what a batch gave, lot by lot, in the order in which it was given.

    What it gave to persons who were erased is left out: it has lapsed with them.
    """
    lot, posting = tables.lot.c, tables.posting.c
    opened = (
        select(lot.id, lot.member_id, lot.points, lot.posting_id)
        .join(tables.posting, posting.id == lot.posting_id)
        .where(posting.batch_id == batch.id)
        .order_by(lot.id)
    )
    rows = connection.execute(opened).all()
    spots = spots_of(connection, {row.id: row.member_id for row in rows})
    settled = {id_: int(points) for id_, points in connection.execute(_settled_by(batch))}
    erased = _erased(connection)
    return [
        Given(spots[row.id], row.points, settled.get(row.posting_id, 0))
        for row in rows
        if spots[row.id].member_id not in erased
    ]


def _erased(connection: Connection) -> set[int]:
    member = tables.member.c
    query = select(member.id).where(member.erased_at.is_not(None))
    return set(connection.execute(query).scalars())


def _settled_by(batch: Batch) -> Select[Any]:
    allocation, posting = tables.allocation.c, tables.posting.c
    return (
        select(allocation.posting_id, func.sum(allocation.points))
        .join(tables.posting, posting.id == allocation.posting_id)
        .where(posting.batch_id == batch.id, allocation.lot_id.is_(None), allocation.points > 0)
        .group_by(allocation.posting_id)
    )


def accounts_of(connection: Connection, batch: Batch) -> list[CustomerKey]:
    """Return whose accounts a batch moved."""
    member, posting = tables.member.c, tables.posting.c
    query = (
        select(member.source, member.entity, member.customer_rowid)
        .join(tables.posting, posting.member_id == member.id)
        .where(posting.batch_id == batch.id)
        .distinct()
    )
    return [CustomerKey(*row) for row in connection.execute(query)]


def spots_of(connection: Connection, members: dict[int, int]) -> dict[int, Spot]:
    """Say of these lots (with the members who had them) where they are now."""
    successors = _successors(connection)
    spots = {}
    for lot_id, member_id in members.items():
        spot = Spot(lot_id, member_id)
        while spot.lot_id in successors:
            spot = successors[spot.lot_id]
        spots[lot_id] = spot
    return spots


def _successors(connection: Connection) -> dict[int, Spot]:
    """Return what follows each lot that a merge, or its undoing, has re-booked."""
    lot, posting = tables.lot.c, tables.posting.c
    query = (
        select(posting.key, lot.id, lot.member_id)
        .join(tables.posting, posting.id == lot.posting_id)
        .where(or_(posting.key.like("merge:%"), posting.key.like("unmerge:%")))
        .order_by(lot.id)
    )
    successors: dict[int, Spot] = {}
    for key, lot_id, member_id in connection.execute(query):
        _, is_lot, number = key.rpartition(LOT)
        if is_lot:
            # What an account lost in a first merge has nothing to lose in a second one.
            successors.setdefault(int(number), Spot(lot_id, member_id))
    return successors
