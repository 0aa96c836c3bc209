"""Which bonuses without a purchase members had: rows that let each be given once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select

from dolisync.ledger import tables
from dolisync.ledger.bulk import insert_rows
from dolisync.ledger.store import by_source
from dolisync.model import CustomerKey

_ROW = tables.bonus_given.c


@dataclass(frozen=True, slots=True)
class Occasion:
    """A bonus of a program, and what a member can have it for only once."""

    program: str
    bonus: str
    name: str


def had(
    connection: Connection, occasion: Occasion, customers: Collection[CustomerKey]
) -> set[CustomerKey]:
    """Return who of these customers had it."""
    found: set[CustomerKey] = set()
    for (source, entity), rowids in by_source(customers):
        query = select(_ROW.customer_rowid).where(
            _of(occasion),
            _ROW.source == source,
            _ROW.entity == entity,
            _ROW.customer_rowid.in_(rowids),
        )
        rows = connection.execute(query).scalars()
        found |= {CustomerKey(source, entity, rowid) for rowid in rows}
    return found


def note(
    connection: Connection,
    occasion: Occasion,
    customers: Collection[CustomerKey],
    now: datetime,
    batch_id: int | None,
) -> None:
    """Note that these customers had it."""
    rows = [
        {
            "program": occasion.program,
            "bonus": occasion.bonus,
            "source": customer.source,
            "entity": customer.entity,
            "customer_rowid": customer.rowid,
            "occasion": occasion.name,
            "batch_id": batch_id,
            "given_at": now,
        }
        for customer in customers
    ]
    insert_rows(connection, tables.bonus_given, rows)


def newcomers(
    connection: Connection,
    occasion: Occasion,
    source: str,
    left_out: Collection[int],
    opened_since: datetime,
    days: tuple[date, date],
    limit: int,
) -> list[CustomerKey]:
    """Return members who did not have it and whose first movement is on one of these days.

    ``left_out`` are the rowids of customers who get none. ``opened_since`` keeps the search from
    those whose accounts are older.
    """
    member, posting = tables.member.c, tables.posting.c
    mine = and_(
        _of(occasion),
        _ROW.source == member.source,
        _ROW.entity == member.entity,
        _ROW.customer_rowid == member.customer_rowid,
    )
    query = (
        select(member.source, member.entity, member.customer_rowid)
        .join(tables.posting, and_(posting.member_id == member.id, posting.sequence == 1))
        .outerjoin(tables.bonus_given, mine)
        .where(
            member.program == occasion.program,
            member.source == source,
            member.customer_rowid.not_in(left_out),
            member.opened_at >= opened_since,
            member.erased_at.is_(None),
            posting.occurred_on.between(*days),
            _ROW.bonus.is_(None),
        )
        .order_by(member.id)
        .limit(limit)
    )
    return [CustomerKey(*row) for row in connection.execute(query)]


def unite(connection: Connection, old: CustomerKey, into: CustomerKey, batch_id: int) -> None:
    """Let what one customer had count for another too; a merge comes and goes as its batch."""
    theirs = select(tables.bonus_given).where(_of_customer(old))
    mine = select(_ROW.program, _ROW.bonus, _ROW.occasion).where(_of_customer(into))
    known = {tuple(row) for row in connection.execute(mine)}
    rows = [dict(row) for row in connection.execute(theirs).mappings()]
    new = [
        {**row, "customer_rowid": into.rowid, "batch_id": batch_id}
        for row in rows
        if (row["program"], row["bonus"], row["occasion"]) not in known
    ]
    if new:
        connection.execute(insert(tables.bonus_given), new)


def forget_batch(connection: Connection, batch_id: int) -> None:
    """Let what came with a batch be given again."""
    connection.execute(delete(tables.bonus_given).where(_ROW.batch_id == batch_id))


def _of(occasion: Occasion) -> Any:
    return and_(
        _ROW.program == occasion.program,
        _ROW.bonus == occasion.bonus,
        _ROW.occasion == occasion.name,
    )


def _of_customer(customer: CustomerKey) -> Any:
    return and_(
        _ROW.source == customer.source,
        _ROW.entity == customer.entity,
        _ROW.customer_rowid == customer.rowid,
    )
