"""Redemptions whose discount is put on a draft: which one, and how it is shared over VAT rates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import Connection, insert, select

from dolisync.ledger import tables
from dolisync.ledger.redemptions import Redemption, read
from dolisync.model import SaleKey
from dolisync.program.draft_shares import Share


def add(connection: Connection, redemption_id: int, sale: SaleKey, shares: Sequence[Share]) -> None:
    """Note the draft of a redemption and what is to be taken off there."""
    values = {
        "redemption_id": redemption_id,
        "source": sale.source,
        "entity": sale.entity,
        "sale_rowid": sale.rowid,
        "shares": json.dumps([[str(share.tax_rate), str(share.amount)] for share in shares]),
    }
    connection.execute(insert(tables.draft_use), values)


def shares_of(connection: Connection, redemption_id: int) -> tuple[Share, ...]:
    """Return what a redemption takes off at which rate."""
    draft = tables.draft_use.c
    query = select(draft.shares).where(draft.redemption_id == redemption_id)
    found = json.loads(connection.execute(query).scalar_one())
    return tuple(Share(Decimal(rate), Decimal(amount)) for rate, amount in found)


def on_draft(connection: Connection, sale: SaleKey, *states: str) -> list[Redemption]:
    """Return the redemptions in these states that were put on this document."""
    draft = tables.draft_use.c
    mine = (
        (draft.source == sale.source)
        & (draft.entity == sale.entity)
        & (draft.sale_rowid == sale.rowid)
    )
    return read(connection, mine & tables.redemption.c.state.in_(states))
