"""All known sales in pages, member by member and day by day: for work that looks at each one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, or_, select

from dolisync.ledger import tables
from dolisync.model import SaleKey


@dataclass(frozen=True, slots=True)
class Page:
    """Some sales, and the place after which the next page begins."""

    keys: tuple[SaleKey, ...]
    place: tuple[Any, ...]


def page_after(connection: Connection, place: tuple[Any, ...] | None, size: int) -> Page | None:
    """Return the sales after a place, ``None`` where there are no more.

    Those of erased persons are passed over: nothing is known of them.
    """
    sale = tables.sale.c
    order = (sale.source, sale.entity, sale.customer_rowid, sale.sale_date, sale.rowid)
    query = select(*order).where(sale.erased_at.is_(None)).order_by(*order).limit(size)
    if place is not None:
        query = query.where(later_than(order, place))
    rows = connection.execute(query).all()
    if not rows:
        return None
    keys = tuple(SaleKey(row.source, row.entity, row.rowid) for row in rows)
    return Page(keys, tuple(rows[-1]))


def later_than(order: tuple[Any, ...], place: tuple[Any, ...]) -> Any:
    """Tell rows after a place in an order.

    Column by column: not every database uses an index for rows of values.
    """
    later = []
    for number, (column, value) in enumerate(zip(order, place, strict=True)):
        same = [before == known for before, known in zip(order[:number], place, strict=False)]
        later.append(and_(*same, column > value))
    return or_(*later)
