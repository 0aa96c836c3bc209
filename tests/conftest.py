"""What all tests share: a MariaDB that they start themselves, and ledgers to write into."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pymysql
import pytest
from sqlalchemy import Engine

from dolisync.ledger import schema
from dolisync.ledger.engine import open_engine

START_TIMEOUT_S = 60


def _skip_loudly(reason: str) -> None:
    """Skip, unless this is CI, where a skipped MariaDB test would be a silent hole."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}; in CI the MariaDB tests must run")
    pytest.skip(f"MARIADB TESTS SKIPPED: {reason}")


@dataclass
class MariadbServer:
    """A throw-away MariaDB on loopback."""

    port: int
    socket_path: Path
    databases: int = field(default=0)

    def new_database(self, options: str = "CHARACTER SET utf8mb4") -> str:
        """Make an empty database and return its address."""
        self.databases += 1
        name = f"test_{os.getpid()}_{self.databases}"
        self.execute(f"CREATE DATABASE {name} {options}")
        return f"mariadb+pymysql://root@127.0.0.1:{self.port}/{name}"

    def execute(self, statement: str) -> None:
        """Run a statement as root."""
        connection = pymysql.connect(unix_socket=str(self.socket_path), user="root")
        try:
            connection.cursor().execute(statement)
            connection.commit()
        finally:
            connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start_mariadb(folder: Path) -> tuple[subprocess.Popen[bytes], MariadbServer]:
    data = folder / "data"
    user = ["--user=root"] if os.geteuid() == 0 else []
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", f"--datadir={data}", *user]
        + ["--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True,
        capture_output=True,
    )
    server = MariadbServer(_free_port(), folder / "s.sock")
    daemon = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
    process = subprocess.Popen(
        [daemon, "--no-defaults", f"--datadir={data}", *user]
        + [f"--socket={server.socket_path}", f"--port={server.port}"]
        + ["--bind-address=127.0.0.1", "--innodb-flush-log-at-trx-commit=0"]
        + ["--innodb-buffer-pool-size=64M", "--default-time-zone=+00:00"]
        + [f"--pid-file={folder / 'pid'}", f"--log-error={folder / 'log'}"],
    )
    return process, server


def _wait_until_up(process: subprocess.Popen[bytes], server: MariadbServer) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return server.execute("SELECT 1")
        except pymysql.err.OperationalError:
            # The one place that waits for a clock: another process is starting up.
            time.sleep(0.05)
    raise RuntimeError("the test's MariaDB did not start")


@pytest.fixture(scope="session")
def mariadb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariadbServer]:
    """Start a MariaDB of our own; skip loudly where none is installed."""
    if shutil.which("mariadb-install-db") is None:
        _skip_loudly("mariadb-server is not installed (apt install mariadb-server)")
    process, server = _start_mariadb(tmp_path_factory.mktemp("mariadb"))
    try:
        _wait_until_up(process, server)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=START_TIMEOUT_S)


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
