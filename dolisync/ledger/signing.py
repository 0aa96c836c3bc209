"""The ledger's own key: what it signs with it, it knows again. It is never shown."""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy import Connection, Engine, insert, select

from dolisync.ledger import tables
from dolisync.ledger.engine import reading, write

_KEY_BYTES = 32
CLAIMS = "claims"
PAGES = "pages"


def signing_key(connection: Connection, name: str) -> bytes | None:
    """Return a key, ``None`` where none was made yet."""
    table = tables.signing_key.c
    value = connection.execute(select(table.value).where(table.name == name)).scalar()
    return None if value is None else bytes.fromhex(value)


def ensure_signing_key(engine: Engine, name: str, now: datetime) -> bytes:
    """Return a key, made at random the first time."""
    with reading(engine) as connection:
        known = signing_key(connection, name)
    if known is not None:
        return known
    fresh = secrets.token_bytes(_KEY_BYTES)
    return write(engine, lambda connection: _keep(connection, name, fresh, now))


def _keep(connection: Connection, name: str, fresh: bytes, now: datetime) -> bytes:
    """Keep a key, unless another process was quicker."""
    known = signing_key(connection, name)
    if known is not None:
        return known
    row = {"name": name, "value": fresh.hex(), "made_at": now}
    connection.execute(insert(tables.signing_key), row)
    return fresh
