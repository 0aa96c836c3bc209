"""Shops for the tests of the commands: each test gets a copy of one that was prepared once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from connectors.standin import StandIn
from connectors.standin.week import Week, play_a_week
from tests.system.place import DATABASE_NAME, KEY_NAME, Place

MACHINE = ("DOLISYNC_CONFIG", KEY_NAME, DATABASE_NAME, "CREDENTIALS_DIRECTORY")


@dataclass(frozen=True)
class Pattern:
    """A prepared shop of which copies are made, and where it was when it was prepared."""

    folder: Path
    home: Path
    url: str
    week: Week

    def move_in(self, place: Place) -> None:
        """Let a copy's configuration name its own ledger and stand-in."""
        if place.config.exists():
            text = place.config.read_text(encoding="utf-8")
            text = text.replace(str(self.home), str(place.folder))
            text = text.replace(self.url, place.standin.url)
            place.config.write_text(text, encoding="utf-8")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MACHINE:
        monkeypatch.delenv(name, raising=False)


@contextmanager
def opened(folder: Path, week: Week | None = None) -> Iterator[Place]:
    """Open the stand-in that lies in a folder."""
    (folder / "dolibarr").mkdir(exist_ok=True)
    with StandIn("20.0.2", directory=folder / "dolibarr") as standin:
        week = week or play_a_week(standin.shop, standin.store.local().date())
        environment = {KEY_NAME: standin.api_key, DATABASE_NAME: standin.database_url}
        yield Place(folder, standin, week, environment)


@pytest.fixture(scope="session")
def patterns(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pattern]:
    """Prepare shops: a week old; with dolisync set up; with its first turn done."""
    folder = tmp_path_factory.mktemp("pattern")
    found: dict[str, Pattern] = {}

    def keep(stage: str, place: Place) -> None:
        kept = tmp_path_factory.mktemp(stage)
        shutil.copytree(place.folder, kept, dirs_exist_ok=True)
        found[stage] = Pattern(kept, place.folder, place.standin.url, place.week)

    with opened(folder) as place:
        keep("week", place)
        place.configure()
        place.good("db", "upgrade")
        place.good("setup", "--yes")
        keep("ready", place)
        place.good("sync")
        keep("open", place)
    return found


@contextmanager
def copied(pattern: Pattern, folder: Path) -> Iterator[Place]:
    """Open a copy of a prepared shop."""
    shutil.copytree(pattern.folder, folder, dirs_exist_ok=True)
    with opened(folder, pattern.week) as place:
        pattern.move_in(place)
        yield place


@pytest.fixture
def place(patterns: dict[str, Pattern], tmp_path: Path) -> Iterator[Place]:
    """Give a shop with a week behind it, and nothing of dolisync yet."""
    with copied(patterns["week"], tmp_path) as found:
        yield found


@pytest.fixture
def ready(patterns: dict[str, Pattern], tmp_path: Path) -> Iterator[Place]:
    """Give a shop in which dolisync is set up and has read nothing yet."""
    with copied(patterns["ready"], tmp_path) as found:
        yield found


@pytest.fixture
def open_shop(patterns: dict[str, Pattern], tmp_path: Path) -> Iterator[Place]:
    """Give a shop in which dolisync has done its first turn."""
    with copied(patterns["open"], tmp_path) as found:
        yield found
