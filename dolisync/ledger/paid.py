"""What payments with points took from lots, sale by sale: from where, and what came back."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, func, select

from dolisync.ledger import tables
from dolisync.ledger.book import PAYING_KINDS
from dolisync.ledger.redemptions import CameBack


def of_sale(sale_id: int, member_id: int) -> ColumnElement[bool]:
    """Choose the movements of a sale's payments with points on one account."""
    posting = tables.posting.c
    return and_(
        posting.sale_id == sale_id,
        posting.member_id == member_id,
        posting.redemption_id.is_(None),
        posting.kind.in_(PAYING_KINDS),
    )


def lacking(connection: Connection, sale_id: int, member_id: int) -> list[tuple[int, int]]:
    """Return which lots of an account lack how much for a sale, in the order of their drawing."""
    allocation, posting = tables.allocation.c, tables.posting.c
    points = func.sum(allocation.points)
    query = (
        select(allocation.lot_id, points)
        .join(tables.posting, posting.id == allocation.posting_id)
        .where(of_sale(sale_id, member_id), allocation.lot_id.is_not(None))
        .group_by(allocation.lot_id)
        .having(points < 0)
        .order_by(func.min(allocation.id))
    )
    return [(lot_id, -int(sum_)) for lot_id, sum_ in connection.execute(query)]


def came_back(connection: Connection, sale_id: int, member_id: int) -> CameBack:
    """Return what came back of a sale's payments so far, in lots of its own."""
    posting, lot = tables.posting.c, tables.lot.c
    opened = (
        select(lot.id, lot.points)
        .join(tables.posting, posting.id == lot.posting_id)
        .where(of_sale(sale_id, member_id))
    )
    fresh = {row.id: row.points for row in connection.execute(opened)}
    return CameBack(0, {}, tuple(fresh), sum(fresh.values()), 0, 0)
