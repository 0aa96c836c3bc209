"""Batches: something done at once to accounts or sales, remembered as one thing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select

from dolisync.ledger import tables
from dolisync.ledger.tokens import random_token

_TOKEN_LENGTH = 6


class BatchKind:
    """What a batch did."""

    MERGE = "merge"


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch. ``token`` is what people call it by."""

    id: int
    token: str
    kind: str
    title: str
    state: str
    details: Mapping[str, Any]
    created_at: datetime
    undone_at: datetime | None


def new_token() -> str:
    """Return a name for a batch, made before its transaction is first tried."""
    return random_token("B-", _TOKEN_LENGTH)


def create(
    connection: Connection,
    kind: str,
    title: str,
    details: Mapping[str, Any],
    now: datetime,
    token: str,
) -> Batch:
    """Note a batch that is done in this transaction."""
    table = tables.batch
    id_ = int(connection.execute(select(func.max(table.c.id))).scalar() or 0) + 1
    batch = Batch(id_, token, kind, title[:255], "done", details, now, None)
    values = {
        "id": id_,
        "token": token,
        "kind": kind,
        "title": batch.title,
        "state": batch.state,
        "details": json.dumps(details, sort_keys=True),
        "created_at": now,
        "undone_at": None,
    }
    connection.execute(insert(table), values)
    return batch


def listed(connection: Connection, kind: str | None = None) -> list[Batch]:
    """Return the batches, all or of one kind, the newest first."""
    table = tables.batch
    query = select(table).order_by(table.c.id.desc())
    if kind is not None:
        query = query.where(table.c.kind == kind)
    return [
        Batch(
            row.id,
            row.token,
            row.kind,
            row.title,
            row.state,
            json.loads(row.details),
            row.created_at,
            row.undone_at,
        )
        for row in connection.execute(query)
    ]
