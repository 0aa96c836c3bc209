"""The daemon as systemd starts it: a process of its own, a notification socket, signals.

The stand-in is Dolibarr here; the daemon reads it through REST and SQL and writes nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner, Result

import cli
from connectors.standin import StandIn
from connectors.standin.week import play_a_week

ROOT = Path(__file__).parents[2]
PATIENCE_S = 40
# A turn that went well tells the hour of the day.
WELL = r"STATUS=turn shop \d"
CONFIG = """\
[ledger]
url = "sqlite:///{folder}/ledger.db"
[[source]]
name = "shop"
url = "{url}"
api_key = {{ credential = "dolibarr-api-key" }}
database_url = "{database}"
pos_customers = [{pos_customer}]
write = "nothing"
poll_interval_s = 0.2
connect_timeout_s = 1
[[program]]
start = 2020-01-01
[program.earn.amount]
"""


@dataclass
class Home:
    """A folder with a configuration, a secret and an empty ledger."""

    folder: Path
    key: str
    config: Path = field(init=False)

    def __post_init__(self) -> None:
        self.config = self.folder / "config.toml"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "CREDENTIALS_DIRECTORY": str(self.folder / "credentials")}

    def write(self, text: str) -> None:
        self.config.write_text(text)

    def edit(self, old: str, new: str) -> None:
        text = self.config.read_text()
        assert old in text
        self.write(text.replace(old, new))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(directory=tmp_path_factory.mktemp("shop")) as standin:
        play_a_week(standin.shop, standin.store.local().date())
        yield standin


@pytest.fixture
def home(tmp_path: Path, shop: StandIn, sqlite_template: Path) -> Home:
    home = Home(tmp_path, shop.least_key)
    home.write(
        CONFIG.format(
            folder=tmp_path,
            url=shop.url,
            database=shop.database_url,
            pos_customer=shop.pos_customer,
        )
    )
    secrets = tmp_path / "credentials"
    secrets.mkdir(mode=0o700)
    (secrets / "dolibarr-api-key").write_text(shop.least_key + "\n")
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    return home


@dataclass
class Daemon:
    """A running ``dolisync run``, and what it told its supervisor."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    log_path: Path
    told: list[str] = field(default_factory=list)

    def hear(self, begin: str) -> str:
        """Wait for a message that begins like this pattern; earlier ones are kept in ``told``."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            self.channel.settimeout(max(deadline - time.monotonic(), 0.01))
            try:
                message = self.channel.recv(4096).decode()
            except TimeoutError:
                break
            self.told.append(message)
            if re.match(begin, message):
                return message
        raise AssertionError(f"no {begin} in {self.told}; its log:\n{self.log}")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it and return its exit code; it is listened to, or it would wait to be heard."""
        self.send(number)
        self.hear("STOPPING=1")
        return self.process.wait(timeout=PATIENCE_S)

    @property
    def log(self) -> str:
        return self.log_path.read_text()


@contextmanager
def started(home: Home, *, abstract: bool = False) -> Iterator[Daemon]:
    """Start the daemon; it is killed at the end if it still runs."""
    with (
        tempfile.TemporaryDirectory(prefix="ds") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel,
        (home.folder / "log").open("wb") as log,
    ):
        address = f"@dolisync{os.getpid()}" if abstract else f"{folder}/notify"
        channel.bind("\0" + address[1:] if abstract else address)
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "--config", str(home.config), "run"],
            cwd=ROOT,
            env={**home.environment, "NOTIFY_SOCKET": address},
            stderr=log,
        )
        try:
            yield Daemon(process, channel, home.folder / "log")
        finally:
            process.kill()
            process.wait(timeout=PATIENCE_S)


def run_to_end(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", "--config", str(home.config), *arguments],
        cwd=ROOT,
        env=home.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def run_here(home: Home, *arguments: str) -> Result:
    """Run a command in this process, which is another than the daemon's: no start to wait for."""
    credentials = {"CREDENTIALS_DIRECTORY": home.environment["CREDENTIALS_DIRECTORY"]}
    words = ["--config", str(home.config), *arguments]
    try:
        return CliRunner().invoke(cli.main, words, env=credentials, prog_name="dolisync")
    finally:
        # The logs went to this call's own standard error, which is gone now.
        structlog.reset_defaults()


@pytest.mark.parametrize(
    ("abstract", "number"),
    [(False, signal.SIGTERM), (True, signal.SIGINT)],
    ids=["path, terminated", "abstract, interrupted"],
)
def test_ready_alive_and_a_clean_stop(
    home: Home, number: signal.Signals, *, abstract: bool
) -> None:
    with started(home, abstract=abstract) as daemon:
        daemon.hear("READY=1")
        assert not [word for word in daemon.told if word.startswith("STATUS=")]
        assert "sales changed" in daemon.hear("STATUS=turn shop")
        daemon.hear("WATCHDOG=1")
        assert "nothing new" in daemon.hear("STATUS=turn shop")
        daemon.hear("WATCHDOG=1")
        assert daemon.stop(number) == 0
        assert "dolisync runs" in daemon.log
        assert "dolisync stopped" in daemon.log
        assert "Traceback" not in daemon.log
        assert home.key not in daemon.log + "".join(daemon.told)


def test_a_bad_configuration_changes_nothing_and_a_good_one_is_taken(home: Home) -> None:
    """All in the life of one daemon: starting one takes longer than all the rest."""
    with started(home) as daemon:
        daemon.hear("STATUS=turn shop")
        _takes_no_bad_configuration(daemon, home, "[[program]]", "[[program]")
        _takes_no_bad_configuration(daemon, home, "poll_interval_s", "pol_interval_s")
        home.edit('name = "shop"', 'name = "shop"\nlanguage = "fr"')
        assert "\nMONOTONIC_USEC=" in _reload(daemon)
        assert daemon.stop() == 0
        assert daemon.log.count("configuration not taken") == 2
        assert daemon.log.count("configuration taken") == 1


def _takes_no_bad_configuration(daemon: Daemon, home: Home, old: str, new: str) -> None:
    """Break the configuration, see the daemon go on, and mend it."""
    before = daemon.log.count("configuration not taken")
    home.edit(old, new)
    _reload(daemon)
    daemon.hear("WATCHDOG=1")
    assert daemon.process.poll() is None
    assert daemon.log.count("configuration not taken") == before + 1
    assert "configuration taken" not in daemon.log
    home.edit(new, old)


def _reload(daemon: Daemon) -> str:
    """Let the daemon read its configuration again, and go on; return how it says so."""
    daemon.send(signal.SIGHUP)
    said = daemon.hear("RELOADING=1")
    daemon.hear("READY=1")
    daemon.hear("STATUS=turn shop")
    return said


def test_beside_it_nothing_else_polls_but_a_backfill_runs(home: Home) -> None:
    with started(home) as daemon:
        daemon.hear("READY=1")
        second = run_here(home, "sync")
        assert second.exit_code == cli.EXIT_USER
        assert "dolisync run is at work on this ledger" in second.stderr
        beside = run_here(home, "backfill", "run", "--from", "2020-01-01", "--yes")
        assert beside.exit_code == 0, beside.stderr
        assert daemon.stop() == 0
    assert run_here(home, "sync").exit_code == 0


def test_dolibarr_down_is_told_and_is_no_end(home: Home, shop: StandIn) -> None:
    home.edit("write =", 'read = "rest"\nwrite =')
    with started(home) as daemon:
        daemon.hear("STATUS=turn shop")
        shop.faults.arm("maintenance")
        try:
            assert "failed" in daemon.hear("STATUS=turn shop failed 2 times")
            daemon.hear("WATCHDOG=1")
        finally:
            shop.faults.clear()
        assert "nothing new" in daemon.hear(WELL)
        daemon.hear("WATCHDOG=1")
        daemon.hear(WELL)
        assert daemon.stop() == 0
        assert daemon.log.count("job failed") == 1
        assert "works again" in daemon.log


def test_started_while_dolibarr_is_down_it_is_started_again(home: Home, shop: StandIn) -> None:
    home.edit(f'database_url = "{shop.database_url}"\n', "")
    assert run_here(home, "sync").exit_code == 0
    home.edit(shop.url, "http://127.0.0.1:9")
    finished = run_to_end(home, "run")
    assert finished.returncode == cli.EXIT_FAILED
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize("fault", ["configuration", "schema", "secret"])
def test_what_only_a_person_can_mend_is_not_started_again(home: Home, fault: str) -> None:
    if fault == "configuration":
        home.edit("[program.earn.amount]", "[program.earn.amuont]")
    elif fault == "schema":
        (home.folder / "ledger.db").unlink()
    else:
        (home.folder / "credentials" / "dolibarr-api-key").unlink()
        home.edit("write =", 'read = "rest"\nwrite =')
    finished = run_to_end(home, "run")
    assert finished.returncode == 2, finished.stderr
    assert "Traceback" not in finished.stderr
    assert home.key not in finished.stderr
