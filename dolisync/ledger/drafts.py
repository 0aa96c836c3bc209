"""Redemptions that are put on a draft: which one, and what is taken off or given there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, insert, select, update

from dolisync.ledger import tables
from dolisync.ledger.redemptions import MINOR, Redemption, read
from dolisync.model import SaleKey
from dolisync.program.draft_shares import Share


@dataclass(frozen=True, slots=True)
class DraftUse:
    """What a redemption takes off its draft at which rate, or gives there.

    A percentage follows the goods of the draft, up to ``at_most``. Of an article (``product`` is
    its reference) so many ``pieces`` are given: on a line of ours, or on that with ``line_rowid``,
    which staff had put there.
    """

    shares: tuple[Share, ...] = ()
    percent: Decimal | None = None
    at_most: Decimal | None = None
    product: str | None = None
    pieces: int = 1
    line_rowid: int | None = None


def add(connection: Connection, redemption_id: int, sale: SaleKey, use: DraftUse) -> None:
    """Note the draft of a redemption and what is to be taken off there."""
    values = {
        "redemption_id": redemption_id,
        "source": sale.source,
        "entity": sale.entity,
        "sale_rowid": sale.rowid,
        "shares": _written(use.shares),
        "percent": None if use.percent is None else f"{use.percent:f}",
        "at_most_minor": None if use.at_most is None else int(use.at_most * MINOR),
        "product": use.product,
        "pieces": None if use.product is None else use.pieces,
        "line_rowid": use.line_rowid,
    }
    connection.execute(insert(tables.draft_use), values)


def use_of(connection: Connection, redemption_id: int) -> DraftUse:
    """Return what a redemption takes off its draft."""
    draft = tables.draft_use.c
    query = select(tables.draft_use).where(draft.redemption_id == redemption_id)
    row = connection.execute(query).one()
    shares = tuple(Share(Decimal(rate), Decimal(amount)) for rate, amount in json.loads(row.shares))
    percent = None if row.percent is None else Decimal(row.percent)
    at_most = None if row.at_most_minor is None else Decimal(row.at_most_minor) / MINOR
    return DraftUse(shares, percent, at_most, row.product, row.pieces or 1, row.line_rowid)


def share_anew(connection: Connection, redemption_id: int, shares: Sequence[Share]) -> None:
    """Note other shares of a redemption than before."""
    table = tables.draft_use
    where = table.c.redemption_id == redemption_id
    connection.execute(update(table).where(where).values(shares=_written(shares)))


def _written(shares: Sequence[Share]) -> str:
    return json.dumps([[str(share.tax_rate), str(share.amount)] for share in shares])


def on_draft(connection: Connection, sale: SaleKey, *states: str) -> list[Redemption]:
    """Return the redemptions in these states that were put on this document."""
    draft = tables.draft_use.c
    mine = (
        (draft.source == sale.source)
        & (draft.entity == sale.entity)
        & (draft.sale_rowid == sale.rowid)
    )
    return read(connection, mine & tables.redemption.c.state.in_(states))
