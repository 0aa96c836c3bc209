"""A throw-away MariaDB on loopback, for tests and benchmarks."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pymysql

START_TIMEOUT_S = 60


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


def is_installed() -> bool:
    """Tell whether there is a MariaDB to start."""
    return shutil.which("mariadb-install-db") is not None


@contextmanager
def running_mariadb(folder: Path) -> Iterator[MariadbServer]:
    """Run a server whose data lies in ``folder``."""
    process, server = _start(folder)
    try:
        _wait_until_up(process, server)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=START_TIMEOUT_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(folder: Path) -> tuple[subprocess.Popen[bytes], MariadbServer]:
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
        # The driver itself would leave a socket open when nobody listens yet.
        if _is_listening(server.socket_path):
            return server.execute("SELECT 1")
        # The one place that waits for a clock: another process is starting up.
        time.sleep(0.05)
    raise RuntimeError("the test's MariaDB did not start")


def _is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
