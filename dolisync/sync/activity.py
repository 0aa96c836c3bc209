"""Validity by inactivity: all of a member's points end some months after he was last seen.

Seen he is by a sale that holds points after its returns, by a redemption, and by points given to
him. Days of activity that follow each other closely enough make a chain; points live as long as the
chain in which they were earned, and no longer than their own validity. So their last day depends on
what happened, and not on the order in which the ledger came to know of it. What the sweep has
written off stays so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from dolisync.ledger import tables
from dolisync.ledger.book import SALE_KINDS, Kind
from dolisync.ledger.bulk import update_rows
from dolisync.ledger.store import MemberKey, Transaction
from dolisync.program.calendar import add_months
from dolisync.program.terms import Program

_GIVEN = (Kind.OPENING, Kind.ADJUST, Kind.TRANSFER)


def end_of_activity(days: Sequence[date], begin: date, months: int) -> date:
    """Return the last day of points earned on a day, given the sorted days of activity."""
    last = begin
    for day in days:
        if day > add_months(last, months):
            break
        last = max(last, day)
    return add_months(last, months)


def follow_activity(
    transaction: Transaction, programs: Iterable[Program], keys: Collection[MemberKey]
) -> None:
    """Set the last days of these members' points, where inactivity ends them.

    What was written so far must be flushed.
    """
    months = {terms.name: terms.validity.inactive_months for terms in programs}
    for key in keys:
        inactive_months = months.get(key.program)
        if inactive_months is not None and key in transaction.books:
            _follow(transaction.connection, transaction.books[key].member_id, inactive_months)


def _follow(connection: Connection, member_id: int, months: int) -> None:
    lots = _lots(connection, member_id)
    days = _days(connection, member_id) if lots else []
    changed = []
    for lot in lots:
        end = end_of_activity(days, lot["begin"], months)
        until = end if lot["fixed_until"] is None else min(end, lot["fixed_until"])
        if until != lot["expires_on"]:
            changed.append({"id": lot["id"], "expires_on": until})
    update_rows(connection, tables.lot, changed)


def _lots(connection: Connection, member_id: int) -> list[Mapping[str, Any]]:
    """Return the lots that hold anything, each with the day on which its points were earned."""
    lot, posting, sale = tables.lot.c, tables.posting.c, tables.sale.c
    begin = func.coalesce(sale.sale_date, posting.occurred_on).label("begin")
    query = (
        select(lot.id, lot.expires_on, lot.fixed_until, begin)
        .join(tables.posting, posting.id == lot.posting_id)
        .outerjoin(tables.sale, sale.id == lot.sale_id)
        .where(lot.member_id == member_id, lot.remaining > 0)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def _days(connection: Connection, member_id: int) -> list[date]:
    """Return the days on which a member was seen, in order."""
    posting, sale = tables.posting.c, tables.sale.c
    origin = tables.sale.alias("origin")
    returned = and_(
        origin.c.source == sale.source,
        origin.c.entity == sale.entity,
        origin.c.rowid == sale.origin_rowid,
    )
    day = func.coalesce(origin.c.sale_date, sale.sale_date)
    bought = (
        select(day)
        .join(tables.posting, posting.sale_id == sale.id)
        .outerjoin(origin, returned)
        .where(posting.member_id == member_id, posting.kind.in_(SALE_KINDS))
        .group_by(func.coalesce(origin.c.id, sale.id), day)
        .having(func.sum(posting.points) > 0)
    )
    by_hand = and_(
        posting.kind.in_(_GIVEN),
        posting.points > 0,
        posting.sale_id.is_(None),
        posting.redemption_id.is_(None),
    )
    other = select(posting.occurred_on).where(
        posting.member_id == member_id, or_(posting.kind == Kind.REDEEM, by_hand)
    )
    found = {*connection.execute(bought).scalars(), *connection.execute(other).scalars()}
    return sorted(found)
