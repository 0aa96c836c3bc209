"""Batches: something done at once to accounts or sales, remembered as one thing."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from dolisync.errors import NotFound, UserError
from dolisync.ledger import tables
from dolisync.ledger.tokens import random_token
from dolisync.model import CustomerKey

BATCH_PREFIX = "B-"
_TOKEN_LENGTH = 6


class BatchKind:
    """What a batch did."""

    MERGE = "merge"
    OPENING = "opening"
    TRANSFER = "transfer"
    BACKFILL = "backfill"
    ERASE = "erase"
    CLAIM = "claim"
    TIERS = "tiers"
    VOUCHERS = "vouchers"
    BONUS = "bonus"
    RECOMPUTE = "recompute"


class BatchState:
    """Where a batch stands."""

    RUNNING = "running"
    DONE = "done"
    UNDONE = "undone"


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
    return random_token(BATCH_PREFIX, _TOKEN_LENGTH)


def create(
    connection: Connection,
    kind: str,
    title: str,
    details: Mapping[str, Any],
    now: datetime,
    token: str,
    state: str = BatchState.DONE,
) -> Batch:
    """Note a batch that is done, or begins, in this transaction."""
    table = tables.batch
    id_ = int(connection.execute(select(func.max(table.c.id))).scalar() or 0) + 1
    batch = Batch(id_, token, kind, title[:255], state, details, now, None)
    values = {
        "id": id_,
        "token": token,
        "kind": kind,
        "title": batch.title,
        "state": batch.state,
        "details": _written(details),
        "created_at": now,
        "undone_at": None,
    }
    connection.execute(insert(table), values)
    return batch


def _written(details: Mapping[str, Any]) -> str:
    return json.dumps(details, sort_keys=True)


def finish(connection: Connection, batch: Batch, details: Mapping[str, Any] | None = None) -> None:
    """Note that a batch which was begun is done, with what is to be known of it afterwards."""
    written = _written(batch.details if details is None else details)
    table = tables.batch
    done = update(table).where(table.c.id == batch.id)
    connection.execute(done.values(state=BatchState.DONE, details=written))


def mark_undone(
    connection: Connection, batch: Batch, now: datetime, home: CustomerKey | None = None
) -> None:
    """Note that a batch was undone, and who got a merged account back if not the old customer."""
    details = batch.details if home is None else {**batch.details, "home": home.rowid}
    table = tables.batch
    undone = update(table).where(table.c.id == batch.id)
    connection.execute(
        undone.values(state=BatchState.UNDONE, undone_at=now, details=_written(details))
    )


def forget(connection: Connection, batch: Batch) -> None:
    """Take a person out of what is kept of a batch; it cannot be undone any more."""
    table = tables.batch
    empty = {"title": f"{batch.kind} of a person who was erased", "details": _written({})}
    connection.execute(update(table).where(table.c.id == batch.id).values(empty))


def listed(connection: Connection, kind: str | None = None) -> list[Batch]:
    """Return the batches, all or of one kind, the newest first."""
    table = tables.batch
    query = select(table).order_by(table.c.id.desc())
    if kind is not None:
        query = query.where(table.c.kind == kind)
    return [_batch(row) for row in connection.execute(query)]


def gains(connection: Connection) -> dict[int, dict[str, int]]:
    """Return what members have gained by each batch, in ledger units, by program.

    What was taken back counts no more, nor what the other side lost.
    """
    posting, member = tables.posting.c, tables.member.c
    per_member = (
        select(posting.batch_id, member.program, func.sum(posting.points).label("points"))
        .join(tables.member, member.id == posting.member_id)
        .where(posting.batch_id.is_not(None))
        .group_by(posting.batch_id, member.program, posting.member_id)
    ).subquery()
    gained, found = per_member.c, defaultdict[int, dict[str, int]](dict)
    query = (
        select(gained.batch_id, gained.program, func.sum(gained.points))
        .where(gained.points > 0)
        .group_by(gained.batch_id, gained.program)
    )
    for batch_id, program, points in connection.execute(query):
        found[batch_id][program] = int(points)
    return found


def by_token(connection: Connection, token: str) -> Batch:
    """Return the batch that is called so. Raises ``NotFound``."""
    found = find(connection, token)
    if found is None:
        message = f"no batch is called {token}"
        raise NotFound(message, "dolisync batches lists them all")
    return found


def find(connection: Connection, token: str) -> Batch | None:
    """Return the batch that is called so, where there is one."""
    row = connection.execute(select(tables.batch).where(tables.batch.c.token == token)).first()
    return None if row is None else _batch(row)


def require_undoable(batch: Batch) -> None:
    """Raise ``UserError`` for a batch that is undone already."""
    if batch.state == BatchState.UNDONE:
        message = f"{batch.token} was undone already, on {batch.undone_at:%Y-%m-%d}"
        raise UserError(message, "dolisync batches shows where each stands")
    if not batch.details:
        message = f"{batch.token} cannot be undone: {batch.title}"
        raise UserError(message, "an erasure is for ever")


class BatchEnded(UserError):  # noqa: N818 - a condition, read as a sentence where it is raised
    """Say that a batch was ended by somebody while it was still being done."""


def require_running(connection: Connection, id_: int) -> None:
    """Raise ``BatchEnded`` where somebody ended a batch that is still being done."""
    row = connection.execute(select(tables.batch).where(tables.batch.c.id == id_)).one()
    if row.state != BatchState.RUNNING:
        message = f"{row.token} was {row.state} by another process meanwhile"
        raise BatchEnded(message, "dolisync batches shows where it stands")


def _batch(row: Any) -> Batch:
    return Batch(
        row.id,
        row.token,
        row.kind,
        row.title,
        row.state,
        json.loads(row.details),
        row.created_at,
        row.undone_at,
    )
