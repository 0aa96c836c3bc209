"""Opening the ledger's database, and the one way to write to it: a whole transaction, retried.

SQLite runs in WAL with synchronous=FULL, and every writing transaction begins IMMEDIATE: a deferred
one could fail with "locked" half way. MariaDB and PostgreSQL work through the same code.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import tenacity
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError

from dolisync.errors import UserError

T = TypeVar("T")

BUSY_TIMEOUT_MS = 10_000
ATTEMPTS = 8
# Deadlock, lock wait, changed since last read, node not ready, error at commit, connection lost.
_RETRYABLE_MARIADB = {1213, 1205, 1020, 1047, 1180, 2006, 2013}
_RETRYABLE_POSTGRESQL = {"40001", "40P01", "55P03"}


def open_engine(url: str) -> Engine:
    """Open the ledger's database. Raises ``UserError`` when the address cannot be one."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _open_sqlite(url, parsed.database)
        return create_engine(url, pool_pre_ping=True, isolation_level="READ COMMITTED")
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
        message = "ledger.url is not an address of a database"
        raise UserError(message, "write sqlite:////var/lib/dolisync/ledger.db") from None


def _open_sqlite(url: str, path: str | None) -> Engine:
    if path and path != ":memory:" and not Path(path).absolute().parent.is_dir():
        message = f"the ledger's folder {Path(path).absolute().parent} does not exist"
        raise UserError(message, "make it, or name another place under [ledger] url")
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver would begin transactions by itself, deferred; _begin_sqlite does it instead.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get("dolisync_reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a short reading transaction that takes no lock; what is written in it is lost."""
    with engine.connect().execution_options(dolisync_reading=True) as connection:
        yield connection


def write(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run ``work`` in one transaction, and whole again after a conflict.

    ``work`` may be called several times and must touch nothing but its connection. A commit whose
    outcome is unknown is repeated too: every posting has a unique key, so it cannot count twice.
    """
    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception(_is_conflict),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_random_exponential(multiplier=0.02, max=1),
        reraise=True,
    ):
        with attempt, engine.begin() as connection:
            result = work(connection)
    return result


def rehearse(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run ``work`` in a transaction that is rolled back: what it would do, and nothing done.

    A plan made so cannot differ from the deed. It holds the ledger's lock while it runs.
    """
    with engine.connect() as connection, connection.begin() as transaction:
        result = work(connection)
        transaction.rollback()
    return result


def _is_conflict(error: BaseException) -> bool:
    if isinstance(error, IntegrityError):
        # Another writer took the same id, sequence or key first: read again and go on from there.
        return True
    if not isinstance(error, DBAPIError) or error.orig is None:
        return False
    if error.connection_invalidated or "database is locked" in str(error.orig):
        return True
    return _code(error.orig) in _RETRYABLE_MARIADB | _RETRYABLE_POSTGRESQL


def _code(original: BaseException) -> Any:
    state = getattr(original, "sqlstate", None)
    return state or (original.args[0] if original.args else None)
