"""What all tests share: a MariaDB that they start themselves, and ledgers to write into."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from dolisync.ledger import schema
from dolisync.ledger.engine import open_engine
from tests.mariadb import MariadbServer, is_installed, running_mariadb


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


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def ledger_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Give an empty ledger with its tables, once on SQLite and once on MariaDB."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'ledger.db'}"
    else:
        url = request.getfixturevalue("mariadb_server").new_database()
    engine = open_engine(url)
    schema.upgrade(engine)
    yield engine
    engine.dispose()
