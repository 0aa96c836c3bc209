"""What was forgiven because points were spent: taken back once these points come back.

With ``shortfall = "clamp"`` a return takes no more than there is. Else who buys, redeems, returns
the goods and then the reward would keep the points.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from sqlalchemy import select

from dolisync.ledger import tables
from dolisync.ledger.book import Book, Entry
from dolisync.ledger.store import Transaction


@dataclass(frozen=True, slots=True)
class PutBack:
    """Points put back: pairs of the lot that they had come from and points, and new lots for some.

    Points of lots past their last day may be in ``fresh_lots``, as the program says.
    """

    shares: tuple[tuple[int, int], ...]
    fresh_lots: tuple[int, ...]


def take_forgiven(transaction: Transaction, book: Book, entry: Entry, returned: PutBack) -> None:
    """Take back what was forgiven because these points were spent: they are not spent any more.

    ``entry`` is that by which they came back. What else took them meanwhile needs them not again.
    """
    sale_of = {lot.id: lot.sale_id for lot in book.lots}
    sale_ids = {id_ for lot_id, _ in returned.shares if (id_ := sale_of[lot_id])}
    families = _families(transaction, sale_ids)
    held = transaction.holdings({id_ for family in families.values() for id_ in family})
    for lot_id, points in returned.shares:
        lots = sorted(book.lots_of((lot_id, *returned.fresh_lots)), key=lambda lot: lot.id)
        for sale_id in families.get(sale_of[lot_id] or 0, ()):
            holding = held[sale_id][book.member_id]
            again = min(points, holding.forgiven, sum(lot.remaining for lot in lots))
            if again > 0:
                points -= again  # noqa: PLW2901
                holding.forgiven -= again
                of_sale = replace(entry, sale_id=sale_id, redemption_id=None)
                book.unforgive_returned(transaction.journal, of_sale, lots, again)


def _families(transaction: Transaction, sale_ids: Collection[int]) -> dict[int, list[int]]:
    """Return the ids of these sales' returns, each list beginning with the sale itself."""
    sale, back = tables.sale.alias(), tables.sale.alias()
    query = (
        select(sale.c.id, back.c.id)
        .join(
            back,
            (back.c.source == sale.c.source)
            & (back.c.entity == sale.c.entity)
            & (back.c.origin_rowid == sale.c.rowid),
        )
        .where(sale.c.id.in_(sale_ids))
        .order_by(sale.c.id, back.c.rowid)
    )
    families = {id_: [id_] for id_ in sale_ids}
    for id_, return_id in transaction.connection.execute(query):
        families[id_].append(return_id)
    return families
