"""The units for systemd: they call commands that exist, and are as tight as they say."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import cli
from commands.print_serving import HEARTBEAT_S
from dolisync.config import LedgerSettings

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
PROGRAM = "/opt/dolisync/bin/dolisync"
UNITS = sorted(path.name for path in PACKAGING.glob("*.service"))
DAEMON = "dolisync.service"
PRINT_SERVER = "dolisync-print-server.service"
HARDENING = "--- hardening"
BINDING = {"Requires", "Requisite", "BindsTo", "PartOf", "Conflicts", "After", "Before", "Wants"}
# In tenths, as systemd-analyze counts: 1.5 of 10.
EXPOSURE_MAX = 15

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def settings(unit: str) -> Iterator[tuple[str, str]]:
    """Walk over the settings of a unit."""
    for line in (PACKAGING / unit).read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield name, value


def values(unit: str, name: str) -> list[str]:
    return [value for known, value in settings(unit) if known == name]


def hardening(unit: str) -> list[tuple[str, str]]:
    """List the hardening lines of a unit: those that the daemon's has below its heading."""
    text = (PACKAGING / DAEMON).read_text().partition(HARDENING)[2].partition("[Install]")[0]
    names = {line.partition("=")[0] for line in text.splitlines() if not line.startswith("#")}
    return [(name, value) for name, value in settings(unit) if name in names - {""}]


@pytest.mark.parametrize("unit", UNITS)
def test_the_command_exists_with_these_options(unit: str) -> None:
    (command,) = values(unit, "ExecStart")
    program, *arguments = command.replace("%i", "2026-01-31").split()
    assert program == PROGRAM
    top = cli.main.make_context("dolisync", [*arguments], resilient_parsing=True)
    assert top.params["path"] == cli.DEFAULT_CONFIG
    position = next(i for i, word in enumerate(arguments) if word in cli.main.commands)
    name, rest = arguments[position], arguments[position + 1 :]
    # Parsing raises for an option that does not exist or a value that does not fit.
    cli.main.commands[name].make_context(name, rest, parent=top)


@pytest.mark.parametrize("unit", [DAEMON, PRINT_SERVER])
def test_no_start_again_where_the_user_must_mend_something(unit: str) -> None:
    (codes,) = values(unit, "RestartPreventExitStatus")
    assert codes.split() == ["2"]
    assert str(cli.EXIT_USER) in codes.split()
    assert str(cli.EXIT_FAILED) not in codes.split()


@pytest.mark.parametrize("unit", UNITS)
def test_places_are_those_of_the_program(unit: str) -> None:
    ledger = LedgerSettings().url.reveal()
    assert values(unit, "StateDirectory") == ["dolisync"]
    assert ledger.startswith("sqlite:////var/lib/dolisync/")
    assert values(unit, "ConfigurationDirectory") == ["dolisync"]
    assert cli.DEFAULT_CONFIG.parent == Path("/etc/dolisync")


@pytest.mark.parametrize("unit", UNITS)
def test_the_user_is_made_by_sysusers(unit: str) -> None:
    lines = (PACKAGING / "sysusers.d" / "dolisync.conf").read_text().splitlines()
    made = {line.split()[1] for line in lines if line.startswith("u ")}
    assert set(values(unit, "User")) == made


@pytest.mark.parametrize("unit", UNITS)
def test_all_units_are_equally_tight(unit: str) -> None:
    assert len(hardening(DAEMON)) > 20
    assert hardening(unit) == hardening(DAEMON)
    assert values(unit, "LoadCredential") == values(DAEMON, "LoadCredential")


def test_daemon_and_print_server_do_not_need_each_other() -> None:
    """Neither is stopped, or kept from starting, by the other."""
    for unit in (DAEMON, PRINT_SERVER):
        named = " ".join(value for name, value in settings(unit) if name in BINDING)
        assert "dolisync" not in named
    (watchdog_s,) = values(PRINT_SERVER, "WatchdogSec")
    assert int(watchdog_s) >= 3 * HEARTBEAT_S


def test_every_hardening_line_has_its_reason() -> None:
    text = (PACKAGING / DAEMON).read_text().partition(HARDENING)[2].partition("[Install]")[0]
    before = ""
    for line in text.splitlines()[1:]:
        if line and not line.startswith("#"):
            assert before, f"no reason above {line}"
        before = line


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Copy the units with programs that exist here, as systemd-analyze wants it."""
    for path in [*PACKAGING.glob("*.service"), *PACKAGING.glob("*.timer")]:
        name = path.name.replace("@.", "@2026-01-31.")
        text = path.read_text().replace(PROGRAM, "/bin/true").replace("/bin/kill", "/bin/true")
        (tmp_path / name).write_text(text)
    return tmp_path


def analyze(*arguments: str, folder: Path) -> str:
    finished = subprocess.run(
        ["systemd-analyze", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stdout
    return finished.stdout


@needs_systemd
def test_systemd_finds_nothing_wrong(units: Path) -> None:
    files = sorted(str(path) for path in units.iterdir())
    assert analyze("verify", *files, folder=units) == ""


@needs_systemd
@pytest.mark.parametrize("unit", UNITS)
def test_exposure_is_low(units: Path, unit: str) -> None:
    path = units / unit.replace("@.", "@2026-01-31.")
    analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", str(path), folder=units)


@pytest.mark.parametrize("unit", UNITS)
def test_credentials_are_explained(unit: str) -> None:
    guide = (ROOT / "docs" / "install.md").read_text()
    for value in values(unit, "LoadCredential"):
        name, _, path = value.partition(":")
        assert path == f"/etc/dolisync/credentials/{name}"
        assert path in guide


@pytest.mark.parametrize(
    "script",
    ["demo", "tests/run", ".ci/run", "packaging/environment.sh", "packaging/as-service-user"],
)
def test_scripts_are_plain_shell(script: str) -> None:
    subprocess.run(["/bin/sh", "-n", str(ROOT / script)], check=True, timeout=10)
