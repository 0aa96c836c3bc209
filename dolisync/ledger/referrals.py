"""Recommendations as the ledger keeps them: who, by whom, and what is booked for it.

Each has two sides: the new customer's account and that of the one who recommended him. What a side
holds is noted beside the postings, because a merge carries points to another account.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    func,
    insert,
    or_,
    select,
    update,
)

from dolisync.ledger import tables
from dolisync.ledger.lineage import Spot, spots_of
from dolisync.ledger.store import by_source
from dolisync.model import CustomerKey
from dolisync.program.referrals import Edge, Void, voids

_ROW = tables.referral.c
DUE_FOR = timedelta(minutes=1)


class Side(enum.StrEnum):
    """Whose points: the new customer's, or those of the one who recommended him."""

    NEW = "new"
    BY = "by"


@dataclass(frozen=True, slots=True)
class Held:
    """What one side holds, in ledger units, for which sale (its id), and the merge it came with."""

    units: int = 0
    sale_id: int | None = None
    batch_id: int | None = None


@dataclass(frozen=True, slots=True)
class Referral:
    """One recommendation. An erased customer is ``None``.

    ``sale_id`` is the purchase that it brought. ``revision`` numbers what was booked for it.
    ``by_left_at`` is when the one who recommended was seen to take no part any more.
    """

    id: int
    token: str
    program: str
    source: str
    entity: int
    new: CustomerKey | None
    by: CustomerKey | None
    said_on: date
    made_by: str
    void: Void
    sale_id: int | None
    held_by_new: Held
    held_by_by: Held
    revision: int
    recorded_at: datetime
    withdrawn_at: datetime | None
    by_left_at: datetime | None

    def who(self, side: Side) -> CustomerKey | None:
        """Return whose account a side is."""
        return self.new if side is Side.NEW else self.by

    def held(self, side: Side) -> Held:
        """Return what a side holds."""
        return self.held_by_new if side is Side.NEW else self.held_by_by


# --- reading -------------------------------------------------------------------------------------


def by_token(connection: Connection, token: str) -> Referral | None:
    """Return the recommendation that was noted under this token."""
    found = _read(connection, _ROW.token == token)
    return found[0] if found else None


def exist(connection: Connection) -> bool:
    """Tell whether anybody was ever recommended."""
    return connection.execute(select(_ROW.id).limit(1)).first() is not None


def listed(connection: Connection, program: str, source: str) -> list[Referral]:
    """Return all recommendations of a program in a source, oldest first."""
    return _read(connection, and_(_ROW.program == program, _ROW.source == source))


def of_new(connection: Connection, customers: Collection[CustomerKey]) -> list[Referral]:
    """Return by whom these customers were recommended, withdrawn words too."""
    return _of(connection, _ROW.customer_rowid, customers)


def of_by(connection: Connection, customers: Collection[CustomerKey]) -> list[Referral]:
    """Return whom these customers recommended, withdrawn words too."""
    return _of(connection, _ROW.by_rowid, customers)


def of_sales(connection: Connection, sale_ids: Collection[int]) -> list[Referral]:
    """Return the recommendations that brought these purchases."""
    return _read(connection, _ROW.sale_id.in_(sale_ids))


def unrewarded(connection: Connection, customers: Collection[CustomerKey]) -> list[Referral]:
    """Return by whom these customers were recommended, where those have nothing of it yet."""
    return [
        one
        for one in of_new(connection, customers)
        if not (one.void or one.by_left_at or one.held_by_by.units)
    ]


def due(connection: Connection) -> list[Referral]:
    """Return those that are to be judged again."""
    return _read(connection, _ROW.is_due == 1)


def after(connection: Connection, id_: int, limit: int) -> list[Referral]:
    """Return some recommendations after one, in their order."""
    rows = select(tables.referral).where(_ROW.id > id_).order_by(_ROW.id).limit(limit)
    return [_referral(row) for row in connection.execute(rows)]


def _of(
    connection: Connection, column: ColumnElement[Any], customers: Collection[CustomerKey]
) -> list[Referral]:
    conditions = [
        and_(_ROW.source == source, _ROW.entity == entity, column.in_(rowids))
        for (source, entity), rowids in by_source(customers)
    ]
    return _read(connection, or_(*conditions)) if conditions else []


def _read(connection: Connection, condition: ColumnElement[bool]) -> list[Referral]:
    query = select(tables.referral).where(condition).order_by(_ROW.id)
    return [_referral(row) for row in connection.execute(query)]


def _referral(row: Any) -> Referral:
    def customer(rowid: int | None) -> CustomerKey | None:
        return None if rowid is None else CustomerKey(row.source, row.entity, rowid)

    return Referral(
        row.id,
        row.token,
        row.program,
        row.source,
        row.entity,
        customer(row.customer_rowid),
        customer(row.by_rowid),
        row.said_on,
        row.made_by,
        Void(row.void),
        row.sale_id,
        Held(row.new_units, row.new_sale_id, row.new_batch_id),
        Held(row.by_units, row.by_sale_id, row.by_batch_id),
        row.revision,
        row.recorded_at,
        row.withdrawn_at,
        row.by_left_at,
    )


# --- writing -------------------------------------------------------------------------------------


def note(
    connection: Connection,
    program: str,
    new: CustomerKey,
    by: CustomerKey,
    said_on: date,
    made_by: str,
    token: str,
    now: datetime,
) -> None:
    """Note that one customer was recommended by another; it is to be judged."""
    id_ = int(connection.execute(select(func.max(_ROW.id))).scalar() or 0) + 1
    values = {
        "id": id_,
        "token": token,
        "program": program,
        "source": new.source,
        "entity": new.entity,
        "customer_rowid": new.rowid,
        "by_rowid": by.rowid,
        "said_on": said_on,
        "made_by": made_by[:80],
        "void": Void.NONE,
        "new_units": 0,
        "by_units": 0,
        "revision": 0,
        "is_due": 1,
        "recorded_at": now,
    }
    connection.execute(insert(tables.referral), values)


def withdraw(connection: Connection, referral: Referral, now: datetime) -> None:
    """Note that a recommendation was none; what depended on it is to be judged again."""
    change = update(tables.referral).where(_ROW.id == referral.id, _ROW.withdrawn_at.is_(None))
    connection.execute(change.values(withdrawn_at=now, is_due=1))
    look_for_voids(connection, referral.program, referral.source, referral.entity)


def note_left(connection: Connection, ids: Collection[int], now: datetime) -> None:
    """Note that who recommended takes no part any more; these are to be judged again."""
    change = update(tables.referral).where(_ROW.id.in_(ids), _ROW.by_left_at.is_(None))
    connection.execute(change.values(by_left_at=now, is_due=1))


def save(connection: Connection, referral: Referral, now: datetime) -> None:
    """Write what a recommendation brought and holds; it is judged then.

    One that was noted just now stays due for a while: another process may be booking a sale of the
    new customer and know nothing of it yet, as this one knows nothing of that sale.
    """
    mine, theirs = referral.held_by_new, referral.held_by_by
    change = update(tables.referral).where(_ROW.id == referral.id)
    connection.execute(
        change.values(
            sale_id=referral.sale_id,
            new_units=mine.units,
            new_sale_id=mine.sale_id,
            by_units=theirs.units,
            by_sale_id=theirs.sale_id,
            revision=referral.revision,
            is_due=int(now - referral.recorded_at < DUE_FOR),
        )
    )


def with_held(referral: Referral, side: Side, units: int, sale_id: int | None) -> Referral:
    """Return a recommendation one side of which holds something else."""
    held = replace(referral.held(side), units=units, sale_id=sale_id)
    if side is Side.NEW:
        return replace(referral, held_by_new=held)
    return replace(referral, held_by_by=held)


def look_for_voids(connection: Connection, program: str, source: str, entity: int) -> None:
    """Say anew which recommendations of a program bring nothing; those are to be judged again."""
    place = and_(_ROW.program == program, _ROW.source == source, _ROW.entity == entity)
    columns = (_ROW.id, _ROW.customer_rowid, _ROW.by_rowid, _ROW.withdrawn_at, _ROW.void)
    rows = connection.execute(select(*columns).where(place)).all()
    found = voids(
        Edge(
            row.id,
            row.customer_rowid,
            row.by_rowid,
            row.withdrawn_at is not None,
            Void(row.void),
        )
        for row in rows
    )
    for row in rows:
        if found[row.id] != row.void:
            change = update(tables.referral).where(_ROW.id == row.id)
            connection.execute(change.values(void=found[row.id], is_due=1))


# --- merges --------------------------------------------------------------------------------------


def ids_of(connection: Connection, customer: CustomerKey) -> dict[str, list[int]]:
    """Name the recommendations of a customer by the side on which he is."""
    return {
        Side.NEW: [one.id for one in of_new(connection, [customer])],
        Side.BY: [one.id for one in of_by(connection, [customer])],
    }


def unite(connection: Connection, old: CustomerKey, into: CustomerKey, batch_id: int) -> None:
    """Let one customer's recommendations be another's. Their points must come along."""
    for person, batch in _SIDES:
        mine = _at(person, old)
        first = update(tables.referral).where(mine, batch.is_(None))
        connection.execute(first.values({batch: batch_id}))
        change = update(tables.referral).where(mine)
        connection.execute(change.values({person: into.rowid, _ROW.is_due: 1}))
    _mark(connection, into)


def separate(
    connection: Connection,
    moved: Mapping[str, Sequence[int]],
    into: CustomerKey,
    home: CustomerKey,
    batch_id: int,
) -> None:
    """Let recommendations that a merge moved be of their customer again, or of ``home``."""
    _mark(connection, into)
    for (person, batch), side in zip(_SIDES, Side, strict=True):
        mine = and_(_at(person, into), _ROW.id.in_(moved.get(side, ())))
        change = update(tables.referral).where(mine)
        connection.execute(change.values({person: home.rowid, _ROW.is_due: 1}))
        came = and_(_at(person, home), batch == batch_id)
        connection.execute(update(tables.referral).where(came).values({batch: None}))
    _mark(connection, home)


_SIDES = (
    (_ROW.customer_rowid, _ROW.new_batch_id),
    (_ROW.by_rowid, _ROW.by_batch_id),
)


def _mark(connection: Connection, customer: CustomerKey) -> None:
    """Let all that concerns a customer be judged again."""
    connection.execute(update(tables.referral).where(_about(customer)).values(is_due=1))
    for program in _programs_of(connection, customer):
        look_for_voids(connection, program, customer.source, customer.entity)


def _about(customer: CustomerKey) -> ColumnElement[bool]:
    return or_(*(_at(person, customer) for person, _ in _SIDES))


def _programs_of(connection: Connection, customer: CustomerKey) -> list[str]:
    query = select(_ROW.program).where(_about(customer)).distinct()
    return sorted(connection.execute(query).scalars())


def _at(person: ColumnElement[Any], customer: CustomerKey) -> ColumnElement[bool]:
    place = and_(_ROW.source == customer.source, _ROW.entity == customer.entity)
    return and_(place, person == customer.rowid)


# --- postings ------------------------------------------------------------------------------------


def key_of(id_: int, side: Side, number: str = "") -> str:
    """Begin the key of what is posted for one side; it names no customer of Dolibarr."""
    return f"referral:{id_}:{side}:{number}"


def given(connection: Connection, referral: Referral, side: Side) -> tuple[list[Spot], int]:
    """Return the lots that one side was given, where they are now, and how much settled debt.

    The latter is of the last giving.
    """
    posting, lot, allocation = tables.posting.c, tables.lot.c, tables.allocation.c
    mine = _begins(posting.key, key_of(referral.id, side))
    opened = (
        select(lot.id, lot.member_id, lot.posting_id)
        .join(tables.posting, posting.id == lot.posting_id)
        .where(mine)
        .order_by(lot.id)
    )
    rows = connection.execute(opened).all()
    settled = select(func.sum(allocation.points)).where(
        allocation.posting_id == (rows[-1].posting_id if rows else 0),
        allocation.lot_id.is_(None),
        allocation.points > 0,
    )
    spots = spots_of(connection, {row.id: row.member_id for row in rows})
    return list(spots.values()), int(connection.execute(settled).scalar() or 0)


def forgiven(connection: Connection, referral: Referral, side: Side) -> int:
    """Return how many units were forgiven when they were taken back from one side."""
    posting = tables.posting.c
    mine = and_(_begins(posting.key, key_of(referral.id, side)), posting.key.like("%forgiven"))
    return int(connection.execute(select(func.sum(posting.points)).where(mine)).scalar() or 0)


def posted(connection: Connection) -> dict[str, int]:
    """Return what was given to each side of each recommendation, by the beginning of its key.

    What was forgiven besides, and what had expired when it was taken back, is not part of it.
    """
    posting = tables.posting.c
    query = select(posting.key, posting.points).where(_begins(posting.key, "referral:"))
    sums: dict[str, int] = {}
    for key, points in connection.execute(query):
        begin, _, number = key.rpartition(":")
        if number.isdecimal():
            sums[f"{begin}:"] = sums.get(f"{begin}:", 0) + int(points)
    return sums


def _begins(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Choose what begins with a text that ends with a colon; indexes can be used for it."""
    return and_(column >= text, column < f"{text[:-1]};")


# --- persons -------------------------------------------------------------------------------------


def forget(connection: Connection, customer: CustomerKey) -> list[CustomerKey]:
    """Take a person out of all recommendations; return who had been recommended by him."""
    recommended = [one.new for one in of_by(connection, [customer]) if one.new is not None]
    for person, _ in _SIDES:
        change = update(tables.referral).where(_at(person, customer))
        connection.execute(change.values({person: None}))
    return recommended
