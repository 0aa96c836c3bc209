"""A scratch ledger: a private copy in a temporary file, to see what something would do.

What is tried on it goes the very same way as on the real one, and leaves no trace there. The copy
is taken as of one moment, without locking out the daemon.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, event, insert, select

from dolisync.ledger import schema, tables
from dolisync.ledger.engine import open_engine

_ROWS_AT_ONCE = 2000


@contextmanager
def copy_of(engine: Engine) -> Iterator[Engine]:
    """Give a copy of a ledger; it is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="dolisync-") as folder:
        path = Path(folder) / "scratch.db"
        if engine.dialect.name == "sqlite":
            _copy_file(engine, path)
        copy = open_engine(f"sqlite:///{path}")
        event.listen(copy, "connect", _hurry)
        try:
            if engine.dialect.name != "sqlite":
                schema.upgrade(copy)
                _copy_rows(engine, copy)
            yield copy
        finally:
            copy.dispose()


@contextmanager
def empty_copy() -> Iterator[Engine]:
    """Give an empty ledger; it is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="dolisync-") as folder:
        copy = open_engine(f"sqlite:///{Path(folder) / 'scratch.db'}")
        event.listen(copy, "connect", _hurry)
        try:
            schema.upgrade(copy)
            yield copy
        finally:
            copy.dispose()


def _hurry(connection: sqlite3.Connection, _record: object) -> None:
    """Spare the disk: what is lost with the power is lost anyway."""
    connection.execute("PRAGMA synchronous=OFF")


def _copy_file(engine: Engine, path: Path) -> None:
    with engine.connect() as connection:
        source = connection.connection.driver_connection
        assert isinstance(source, sqlite3.Connection)
        target = sqlite3.connect(path)
        try:
            source.backup(target)
        finally:
            target.close()


def _copy_rows(engine: Engine, copy: Engine) -> None:
    """Copy all tables as they stood at one moment."""
    snapshot = engine.connect().execution_options(isolation_level="REPEATABLE READ")
    with snapshot as source, copy.begin() as target:
        for table in tables.metadata.sorted_tables:
            rows = source.execution_options(yield_per=_ROWS_AT_ONCE).execute(select(table))
            for page in rows.mappings().partitions():
                _insert(target, table.name, [dict(row) for row in page])


def _insert(target: Connection, name: str, rows: list[dict[str, object]]) -> None:
    if rows:
        target.execute(insert(tables.metadata.tables[name]), rows)
