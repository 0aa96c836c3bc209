"""What all tests share: a MariaDB that they start themselves, and ledgers to write into."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, event, text

from dolisync.ledger import schema
from dolisync.ledger.engine import open_engine
from dolisync.ledger.tables import metadata
from tests.mariadb import MariadbServer, is_installed, running_mariadb


class _CompiledOnce(dict[Any, Any]):
    """Statements as SQLAlchemy compiled them, by kind of database rather than by engine."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get((key[0].name, *key[1:]), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__((key[0].name, *key[1:]), value)


_COMPILED = _CompiledOnce()


@event.listens_for(Engine, "engine_connect")
def _compile_once(connection: Connection) -> None:
    # Each test has ledgers of its own, and would compile all statements anew for each of them.
    connection.execution_options(compiled_cache=_COMPILED)


@event.listens_for(Engine, "engine_connect")
def _in_no_hurry(connection: Connection) -> None:
    # When SQLite writes to the disk is left to the system: no test here loses power.
    if connection.dialect.name == "sqlite" and "is_in_no_hurry" not in connection.info:
        connection.connection.cursor().execute("PRAGMA synchronous=OFF")
        connection.info["is_in_no_hurry"] = True


# The files that take longest begin first, so that no process is left with one of them at the end.
_LONGEST = (
    "tests/simulation/",
    "tests/unit/test_nth_failure.py",
    "tests/unit/test_benchmarks_small.py",
    "tests/system/test_kill.py",
    "tests/system/test_service.py",
    "tests/unit/test_timeline_histories.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(_LONGEST))


def _skip_loudly(reason: str) -> None:
    """Skip, unless this is CI, where a skipped MariaDB test would be a silent hole."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}; in CI the MariaDB tests must run")
    pytest.skip(f"MARIADB TESTS SKIPPED: {reason}")


@pytest.fixture(scope="session")
def mariadb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariadbServer]:
    """Start a MariaDB of our own; skip loudly where none is installed."""
    if not is_installed():
        _skip_loudly("mariadb-server is not installed (apt install mariadb-server)")
    with running_mariadb(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_ledger(mariadb_server: MariadbServer) -> Iterator[Engine]:
    """Give one ledger on MariaDB for the whole run: making its tables takes long."""
    engine = open_engine(mariadb_server.new_database())
    schema.upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an empty ledger to copy: copying is quicker than making its tables."""
    path = tmp_path_factory.mktemp("template") / "ledger.db"
    engine = open_engine(f"sqlite:///{path}")
    schema.upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def ledger_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Give an empty ledger with its tables, once on SQLite and once on MariaDB."""
    if request.param == "mariadb":
        shared: Engine = request.getfixturevalue("mariadb_ledger")
        yield shared
        _empty(shared)
        return
    path = tmp_path / "ledger.db"
    shutil.copy(request.getfixturevalue("sqlite_template"), path)
    engine = open_engine(f"sqlite:///{path}")
    yield engine
    engine.dispose()


def _empty(engine: Engine) -> None:
    # What a test left open would hold its locks against the next one.
    engine.dispose()
    with engine.begin() as connection:
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
        for table in metadata.sorted_tables:
            connection.execute(delete(table))
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 1"))
