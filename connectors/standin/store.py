"""The state of the stand-in: one SQL database, one clock, and the rule by which `tms` moves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from functools import wraps
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from connectors.standin.columns import MARIADB
from connectors.standin.tables import build_tables

Clock = Callable[[], datetime]
Row = sa.RowMapping
Act = TypeVar("Act", bound=Callable[..., Any])


def system_clock() -> datetime:
    """Tell the present moment."""
    return datetime.now(UTC)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=OFF", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")


def _prepare_mariadb(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")


class Store:
    """Tables and clock; every statement of the stand-in goes through here."""

    def __init__(self, url: str, major: int, clock: Clock, php_timezone: str) -> None:
        self.engine = sa.create_engine(url)
        self.mariadb = self.engine.dialect.name in MARIADB
        sa.event.listen(
            self.engine, "connect", _prepare_mariadb if self.mariadb else _prepare_sqlite
        )
        self.tables = build_tables(major, mariadb=self.mariadb)
        self.major = major
        self.zone = ZoneInfo(php_timezone)
        self._clock = clock
        self._moment: datetime | None = None
        self._lock = threading.RLock()
        self._open: sa.Connection | None = None

    # -- time ---------------------------------------------------------------------------------

    def now(self) -> datetime:
        """Tell the moment of the statement, in whole seconds, aware."""
        return (self._moment or self._clock()).astimezone(UTC).replace(microsecond=0)

    def tms(self) -> datetime:
        """Tell the moment as the database session writes it: naive UTC."""
        return self.now().replace(tzinfo=None)

    def local(self, moment: datetime | None = None) -> datetime:
        """Tell a moment as PHP writes it: wall time of its zone, naive."""
        return (moment or self.now()).astimezone(self.zone).replace(tzinfo=None, microsecond=0)

    def epoch(self, wall: datetime | date | None) -> int | None:
        """Read a stored time as PHP does, as its own wall time; wrong for `tms`, and so is PHP."""
        if wall is None:
            return None
        if not isinstance(wall, datetime):
            wall = datetime.combine(wall, time())
        return int(wall.replace(tzinfo=self.zone).timestamp())

    @contextmanager
    def statement_time(self, moment: datetime) -> Iterator[None]:
        """Act as if now were `moment`: what a transaction does that commits late."""
        with self._lock:
            before, self._moment = self._moment, moment
            try:
                yield
            finally:
                self._moment = before

    # -- transactions -------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Open a transaction, or join the one this thread has open."""
        with self._lock:
            if self._open is not None:
                yield self._open
                return
            with self.engine.begin() as connection:
                self._open = connection
                try:
                    yield connection
                finally:
                    self._open = None

    def run(self, statement: sa.Executable) -> None:
        """Execute a statement whose answer nobody needs."""
        with self.transaction() as connection:
            connection.execute(statement)

    def rows(self, statement: sa.Executable) -> Sequence[sa.RowMapping]:
        """Read all rows of a select."""
        with self.transaction() as connection:
            return connection.execute(statement).mappings().all()

    def first(self, statement: sa.Executable) -> sa.RowMapping | None:
        """Read the first row of a select."""
        with self.transaction() as connection:
            return connection.execute(statement).mappings().first()

    def scalar(self, statement: sa.Executable) -> Any:
        """Read the first column of the first row."""
        with self.transaction() as connection:
            return connection.execute(statement).scalar()

    # -- rows ---------------------------------------------------------------------------------

    def get(self, table: sa.Table, rowid: int) -> sa.RowMapping | None:
        """Read one row by its key."""
        return self.first(sa.select(table).where(_key(table) == rowid))

    def insert(self, table: sa.FromClause, **values: Any) -> int:
        """Insert a row, stamped with the statement's moment, and give its key."""
        if _is_stamped(table):
            values.setdefault("tms", self.tms())
        with self.transaction() as connection:
            result = connection.execute(sa.insert(table).values(values))  # type: ignore[arg-type]
            key = result.inserted_primary_key
            return int(key[0] if key else result.lastrowid)

    def update(self, table: sa.Table, rowid: int, **values: Any) -> bool:
        """Change a row; `tms` moves only if a value truly changes. Tell whether one did."""
        before = self.get(table, rowid)
        if before is None:
            return False
        changed = {name: value for name, value in values.items() if before[name] != value}
        if not changed:
            return False
        if _is_stamped(table):
            changed["tms"] = self.tms()
        self.run(sa.update(table).where(_key(table) == rowid).values(changed))
        return True

    def delete(self, table: sa.Table, rowid: int) -> None:
        """Remove a row without a trace."""
        self.run(sa.delete(table).where(_key(table) == rowid))


def _is_stamped(table: sa.FromClause) -> bool:
    """Tell whether `tms` is kept; that of the till's counts is always null."""
    return "tms" in table.c and getattr(table, "name", "") != "llx_pos_cash_fence"


def _key(table: sa.Table) -> sa.Column[Any]:
    return next(iter(table.primary_key.columns))


class Desk:
    """A place in the shop where acts are done on the store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.tables = store.tables

    def const(self, name: str) -> str | None:
        """Read a constant of the installation."""
        const = self.tables.const.c
        found = self.store.scalar(sa.select(const.value).where(const.name == name))
        return None if found is None else str(found)


def act(method: Act) -> Act:
    """Make a method of a desk one transaction."""

    @wraps(method)
    def inside(desk: Desk, *args: Any, **kwargs: Any) -> Any:
        with desk.store.transaction():
            return method(desk, *args, **kwargs)

    return cast("Act", inside)


class ShopError(Exception):
    """Dolibarr refuses the act."""
