"""The SQL door of a Dolibarr: connections, columns and errors, for reading and writing alike.

Reading sees what is committed now (READ COMMITTED, no long snapshot) with times in UTC. Statements
are written once with ``%s`` for every value; SQLite, the stand-in's database, wants ``?``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol
from weakref import WeakSet

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, CursorResult, Engine

from dolisync.errors import RefusedError, TransientError, UnknownOutcome

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 60
POOL_RECYCLE_S = 1800
MESSAGE_CHARACTERS_MAX = 200

# Wrong account, no right (to a server, database, table, column), unknown database or table.
_REFUSED_CODES = {1044, 1045, 1049, 1142, 1143, 1146, 1227, 1370, 1698}
# A duplicate, a missing column, a value out of range: the same statement will fail again.
_WRONG_CODES = {1048, 1054, 1062, 1064, 1264, 1265, 1292, 1364, 1366, 1406, 1451, 1452}

Row = Sequence[Any]

_prepared: WeakSet[Engine] = WeakSet()


class _DriverConnection(Protocol):
    def cursor(self) -> Any: ...


def open_engine(address: str | URL) -> Engine:
    """Open a pool of connections set up for reading Dolibarr; none is made yet.

    Sources and sinks that are given this engine share it.
    """
    url = sqlalchemy.make_url(address)
    if url.get_backend_name() == "sqlite":
        return sqlalchemy.create_engine(url)
    engine = sqlalchemy.create_engine(
        url.set(drivername="mysql+pymysql").update_query_dict({"charset": "utf8mb4"}),
        isolation_level="AUTOCOMMIT",
        pool_pre_ping=True,
        pool_recycle=POOL_RECYCLE_S,
        # Nothing is open when a connection comes back: a rollback would be one more journey.
        pool_reset_on_return=None,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "read_timeout": READ_TIMEOUT_S,
            "write_timeout": READ_TIMEOUT_S,
        },
    )
    event.listen(engine, "connect", _set_session)
    _prepared.add(engine)
    return engine


def _set_session(connection: _DriverConnection, _record: object) -> None:
    cursor = connection.cursor()
    # Without this, tms comes in the server's own zone and one hour of the year comes twice.
    cursor.execute("SET time_zone = '+00:00'")
    cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    cursor.close()


class Database:
    """One Dolibarr's tables: their names, the columns that this account may see, and statements."""

    def __init__(self, engine: Engine | str, table_prefix: str = "llx_") -> None:
        if not re.fullmatch(r"[A-Za-z0-9_]*", table_prefix):
            raise ValueError(f"not a table prefix: {table_prefix!r}")
        self.engine = _own_engine(engine)
        self._is_borrowed = self.engine is engine
        self.prefix = table_prefix
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._columns: dict[str, frozenset[str]] = {}

    def __repr__(self) -> str:
        return f"Database({self.engine.url!r})"

    def close(self) -> None:
        """Close the connections, unless they are shared with others."""
        if not self._is_borrowed:
            self.engine.dispose()

    def statement(self, sql: str) -> str:
        """Fill in the table prefix (written ``llx_``) and this database's placeholders."""
        prefixed = sql if self.prefix == "llx_" else re.sub(r"\bllx_", self.prefix, sql)
        return prefixed.replace("%s", "?") if self.is_sqlite else prefixed

    @contextmanager
    def reading(self, what: str) -> Iterator[Reader]:
        """Give a reader whose errors say what was being read."""
        with translated(f"reading {what}"), self.engine.connect() as connection:
            yield Reader(self, connection)

    @contextmanager
    def writing(self, what: str, *, creating: bool = False) -> Iterator[Reader]:
        """Give a reader that also writes, in one transaction, committed at the end."""
        with translated(what, creating=creating), self.engine.connect() as connection:
            if not self.is_sqlite:
                connection.execution_options(isolation_level="READ COMMITTED")
            with connection.begin():
                yield Reader(self, connection)

    def columns(self, table: str) -> frozenset[str]:
        """List the columns that this account may see; looked up once, empty without any right."""
        if table not in self._columns:
            with self.reading(f"the columns of {table}") as reader:
                found = reader.columns(table)
            if not found:
                return frozenset()
            self._columns[table] = found
        return self._columns[table]

    def forget_columns(self) -> None:
        """Look the columns up again: something may have added one."""
        self._columns.clear()


class Reader:
    """Run statements over one connection."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self._database = database
        self._connection = connection

    def rows(self, sql: str, values: Sequence[object] = ()) -> Sequence[Row]:
        """Return all rows of a query."""
        return self._run(sql, values).fetchall()

    def value(self, sql: str, values: Sequence[object] = ()) -> Any:
        """Return the first column of the first row, or ``None``."""
        row = self._run(sql, values).fetchone()
        return None if row is None else row[0]

    def change(self, sql: str, values: Sequence[object] = ()) -> int:
        """Run a statement and return how many rows it touched."""
        return self._run(sql, values).rowcount

    def insert(self, sql: str, values: Sequence[object] = ()) -> int:
        """Run an INSERT and return the new rowid."""
        return int(self._run(sql, values).lastrowid)

    def columns(self, table: str) -> frozenset[str]:
        """List the columns of a table as this account sees them."""
        name = self._database.statement(table)
        if self._database.is_sqlite:
            return frozenset(str(row[1]) for row in self.rows(f"PRAGMA table_info({name})"))
        found = self.rows(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_schema = DATABASE() AND table_name = %s",
            (name,),
        )
        return frozenset(str(row[0]) for row in found)

    def _run(self, sql: str, values: Sequence[object]) -> CursorResult[Any]:
        return self._connection.exec_driver_sql(self._database.statement(sql), tuple(values))


def utc_now(reader: Reader, database: Database) -> datetime:
    """Ask the database's clock."""
    clock = "strftime('%Y-%m-%d %H:%M:%S', 'now')" if database.is_sqlite else "UTC_TIMESTAMP()"
    raw = reader.value(f"SELECT {clock}")
    return datetime.fromisoformat(str(raw)).replace(tzinfo=UTC)


def number_list(rowids: Sequence[int]) -> str:
    """Write rowids for ``IN (...)``; they are integers, so nothing else can get in."""
    return ",".join(str(int(rowid)) for rowid in rowids)


def is_name(name: str) -> bool:
    """Tell whether this may stand in a statement as a column's name."""
    return re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name) is not None


def checked_name(name: str) -> str:
    """Return a column's name that is safe to write into a statement, or refuse it."""
    if not is_name(name):
        raise RefusedError(f"{name!r} is no name for an extra field: use a-z, 0-9 and _")
    return name


@contextmanager
def translated(what: str, *, creating: bool = False) -> Iterator[None]:
    """Turn every database error into one of the three errors of the ports."""
    try:
        yield
    except sqlalchemy.exc.DBAPIError as error:
        raise _named(error, what, creating=creating) from None
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise TransientError(f"{what}: {_short(str(error))}") from None


def _named(error: sqlalchemy.exc.DBAPIError, what: str, *, creating: bool) -> Exception:
    arguments = error.orig.args if error.orig is not None else ()
    code = arguments[0] if arguments and isinstance(arguments[0], int) else 0
    said = f"{what}: the database says: {_short(str(arguments[-1] if arguments else error))}"
    if code in _REFUSED_CODES:
        return RefusedError(f"{said} (see the grants that `check` prints)")
    if code in _WRONG_CODES or isinstance(error, sqlalchemy.exc.IntegrityError):
        return RefusedError(said)
    # 2003: never connected, so nothing was done.
    if creating and error.connection_invalidated and code != 2003:
        return UnknownOutcome(said)
    return TransientError(said)


def _own_engine(given: Engine | str) -> Engine:
    if isinstance(given, str):
        return open_engine(given)
    if given in _prepared or given.dialect.name == "sqlite":
        return given
    # Another's engine may read local times under REPEATABLE READ: only its address is taken.
    return open_engine(given.url)


def _short(words: str) -> str:
    line = " ".join(words.split())
    if len(line) <= MESSAGE_CHARACTERS_MAX:
        return line
    return line[:MESSAGE_CHARACTERS_MAX] + "..."
