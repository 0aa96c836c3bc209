"""A wheel built from the checkout, installed elsewhere, does what the checkout does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("commands", "connectors", "dolisync", "templates")
SOURCES = (*PACKAGES, "cli.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in", "tests")
LEFT_OUT = ("__pycache__", "*.pyc", ".*")


def run(*command: str, folder: Path, **environment: str) -> str:
    finished = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": os.defpath, "HOME": str(folder), "NO_COLOR": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=100,
    )
    assert finished.returncode == 0, finished.stdout
    return finished.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, so that nothing is left behind in the checkout."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
        else:
            shutil.copy(ROOT / name, copy)
    build = ("-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", ".")
    run(sys.executable, *build, folder=copy)
    (built,) = (copy / "dist").glob("*.whl")
    return built


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it; the dependencies are lent by the tests' own."""

    folder: Path

    def __call__(self, *arguments: str) -> str:
        return run(
            str(self.folder / "env/bin/dolisync"), *arguments, folder=self.folder, COLUMNS="100"
        )

    def python(self, code: str) -> str:
        return run(str(self.folder / "env/bin/python"), "-c", code, folder=self.folder)

    def all_of(self, *commands: tuple[str, ...]) -> str:
        """Run commands one after the other in one process, which loads the program once."""
        code = """
import cli
for words in {commands!r}:
    try:
        cli.main(words)
    except SystemExit as end:
        assert not end.code, words
"""
        return self.python(code.format(commands=commands))


@pytest.fixture(scope="module")
def dolisync(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "env", symlinks=True)
    python = str(folder / "env/bin/python")
    install = ("install", "--quiet", "--no-deps", "--no-index", str(wheel))
    run(sys.executable, "-m", "pip", "--python", python, *install, folder=folder)
    (packages,) = (folder / "env/lib").glob("*/site-packages")
    # A path in a .pth file is searched, but .pth files there are not read: the checkout that is
    # installed for the tests stays unseen.
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Installed(folder)


def files_of_checkout() -> Iterator[str]:
    yield "cli.py"
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            name = path.relative_to(ROOT)
            if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in name.parts:
                yield str(name)


def test_holds_all_of_the_program_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == set(files_of_checkout())
    for expected in (
        "commands/demo.py",
        "connectors/standin/__main__.py",
        "dolisync/ledger/migrations/script.py.mako",
        "dolisync/ledger/migrations/versions/0001_first_tables.py",
        "dolisync/py.typed",
        "templates/receipts/phrases.it.toml",
        "templates/receipts/receipt.txt.j2",
    ):
        assert expected in names


def test_tells_its_licence_and_its_needs(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = archive.read(name).decode()
    assert "\nLicense-Expression: GPL-3.0-or-later\n" in metadata
    assert "\nRequires-Python: >=3.11\n" in metadata
    assert "\n# dolisync\n" in metadata


def test_runs_from_its_own_place(dolisync: Installed) -> None:
    where = dolisync.python("import cli, dolisync, templates; print(dolisync.__file__)")
    assert where.startswith(str(dolisync.folder))
    assert "0.1.0" in dolisync("--version")


def test_the_example_makes_a_configuration_and_a_ledger(dolisync: Installed) -> None:
    text = dolisync("config", "example")
    ledger = dolisync.folder / "ledger.db"
    config = dolisync.folder / "config.toml"
    config.write_text(
        text.replace("[ledger]\n", f'[ledger]\nurl = "sqlite:///{ledger}"\n', 1), encoding="utf-8"
    )
    beside = ("--config", str(config))
    said = dolisync.all_of(
        (*beside, "db", "upgrade"), (*beside, "db", "status"), (*beside, "verify")
    )
    assert re.search("is ready.*up to date.*the ledger holds", said, re.DOTALL)


def test_the_demo_shows_all_of_it(dolisync: Installed) -> None:
    shown = dolisync("demo")
    assert "TICKET" in shown
    assert "verify: the ledger holds" in shown
