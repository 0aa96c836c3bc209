"""What documents take from codes: held from the moment at which it is decided, not when it is paid.

What a use takes is a movement of its code at once, so that no other document can take the same;
what it takes less afterwards comes back by another one.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, insert, or_, select, update

from dolisync.ledger import tables, vouchers
from dolisync.ledger.store import by_source
from dolisync.ledger.vouchers import Change, Move, Voucher
from dolisync.model import SaleKey
from dolisync.program.draft_shares import Share


class UseState(enum.StrEnum):
    """Where a use stands."""

    # Its lines are to be put on a draft, or put there anew.
    WANTED = "wanted"
    PLACED = "placed"
    # The document was validated: the sales say what is used.
    USED = "used"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Use:
    """What one document takes from one code, by VAT rate; ``amount`` is what it takes now."""

    id: int
    token: str
    voucher_id: int
    key: SaleKey
    state: UseState
    amount: Decimal
    shares: tuple[Share, ...]


def open_ones(connection: Connection, source: str) -> list[Use]:
    """Return the uses on drafts of a source."""
    use = tables.voucher_use.c
    return read(
        connection, (use.source == source) & use.state.in_((UseState.WANTED, UseState.PLACED))
    )


def of_documents(
    connection: Connection, keys: Collection[SaleKey], tokens: Collection[str] = ()
) -> list[Use]:
    """Return the uses on these documents, and those with these tokens."""
    use = tables.voucher_use.c
    conditions = [
        and_(use.source == source, use.entity == entity, use.sale_rowid.in_(rowids))
        for (source, entity), rowids in by_source(keys)
    ]
    if tokens:
        conditions.append(use.token.in_(tokens))
    return read(connection, or_(*conditions)) if conditions else []


def read(connection: Connection, condition: ColumnElement[bool]) -> list[Use]:
    """Return the uses that fulfil a condition, the oldest first."""
    table = tables.voucher_use
    query = select(table).where(condition).order_by(table.c.id)
    return [_use(row) for row in connection.execute(query)]


def _use(row: Any) -> Use:
    return Use(
        row.id,
        row.token,
        row.voucher_id,
        SaleKey(row.source, row.entity, row.sale_rowid),
        UseState(row.state),
        Decimal(row.amount_minor).scaleb(-2),
        tuple(Share(Decimal(rate), Decimal(amount)) for rate, amount in json.loads(row.shares)),
    )


def begin(
    connection: Connection,
    voucher: Voucher,
    key: SaleKey,
    token: str,
    shares: Sequence[Share],
    reason: str,
    now: datetime,
    today: date,
) -> Use:
    """Take what a document is to have from a code. Raises ``NotOnIt``."""
    table = tables.voucher_use
    id_ = int(connection.execute(select(func.max(table.c.id))).scalar() or 0) + 1
    row = {
        "id": id_,
        "token": token,
        "voucher_id": voucher.id,
        "source": key.source,
        "entity": key.entity,
        "sale_rowid": key.rowid,
        "state": UseState.WANTED,
        "amount_minor": 0,
        "shares": _written(()),
        "made_at": now,
    }
    connection.execute(insert(table), row)
    use = Use(id_, token, voucher.id, key, UseState.WANTED, Decimal(0), ())
    return hold(connection, use, shares, UseState.WANTED, reason, now, today)


def hold(
    connection: Connection,
    use: Use,
    shares: Sequence[Share],
    state: UseState,
    reason: str,
    now: datetime,
    today: date,
    *,
    key: SaleKey | None = None,
) -> Use:
    """Let a use take so much from now on, on this document; the difference is moved.

    Raises ``NotOnIt``.
    """
    amount = sum((share.amount for share in shares), Decimal(0))
    if amount != use.amount:
        _move(connection, use, use.amount - amount, reason, now, today)
    after = replace(use, amount=amount, shares=tuple(shares), state=state, key=key or use.key)
    table = tables.voucher_use
    values = {
        "amount_minor": int(amount * 100),
        "shares": _written(shares),
        "state": state,
        "sale_rowid": after.key.rowid,
    }
    connection.execute(update(table).where(table.c.id == use.id).values(values))
    return after


def _move(
    connection: Connection, use: Use, amount: Decimal, reason: str, now: datetime, today: date
) -> None:
    voucher = vouchers.by_id(connection, use.voucher_id)
    kind = Move.USED if amount < 0 else Move.RETURNED
    key = f"use:{use.token}:{voucher.sequence + 1}"
    change = Change(key, kind, amount, today, now, reason, use_id=use.id)
    vouchers.move(connection, voucher, change)


def _written(shares: Sequence[Share]) -> str:
    return json.dumps([[str(share.tax_rate), str(share.amount)] for share in shares])


def broken(connection: Connection) -> Iterator[tuple[str, str]]:
    """Find uses that took something else than their movements say."""
    use, movement = tables.voucher_use.c, tables.voucher_movement.c
    moved = func.coalesce(func.sum(movement.amount_minor), 0)
    query = (
        select(use.token, use.state, use.amount_minor, moved.label("moved"))
        .outerjoin(tables.voucher_movement, movement.use_id == use.id)
        .group_by(use.id, use.token, use.state, use.amount_minor)
    )
    for row in connection.execute(query):
        is_over = row.state == UseState.ENDED and row.amount_minor
        if row.amount_minor != -row.moved or is_over:
            yield f"use {row.token}", f"{row.state}, takes {row.amount_minor}, moved {row.moved}"
