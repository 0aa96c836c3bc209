"""Shops for the tests of the commands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.standin import StandIn
from connectors.standin.week import play_a_week
from tests.system.place import DATABASE_NAME, KEY_NAME, Place

MACHINE = ("DOLISYNC_CONFIG", KEY_NAME, DATABASE_NAME, "CREDENTIALS_DIRECTORY")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MACHINE:
        monkeypatch.delenv(name, raising=False)
    assert "DOLISYNC_CONFIG" not in os.environ


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Give a shop with a week behind it, and nothing of dolisync yet."""
    (tmp_path / "dolibarr").mkdir()
    with StandIn("20.0.2", directory=tmp_path / "dolibarr") as standin:
        week = play_a_week(standin.shop, standin.store.local().date())
        environment = {KEY_NAME: standin.api_key, DATABASE_NAME: standin.database_url}
        yield Place(tmp_path, standin, week, environment)


@pytest.fixture
def ready(place: Place) -> Place:
    """Give a shop in which dolisync is set up and has read nothing yet."""
    place.configure()
    place.good("db", "upgrade")
    place.good("setup", "--yes")
    return place


@pytest.fixture
def open_shop(ready: Place) -> Place:
    """Give a shop in which dolisync has done its first turn."""
    ready.good("sync")
    return ready
