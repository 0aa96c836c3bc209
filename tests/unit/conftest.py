"""Ledgers for unit tests: made once, copied for each test."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import Engine

from dolisync.ledger import schema
from dolisync.ledger.engine import open_engine
from tests.fakes import Shop

# Machines of any speed; the long runs belong to the simulation.
settings.register_profile("unit", deadline=None, max_examples=60)
settings.load_profile("unit")


@pytest.fixture(scope="session")
def ledger_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an empty ledger with its tables, once."""
    path = tmp_path_factory.mktemp("ledger") / "template.db"
    engine = open_engine(f"sqlite:///{path}")
    schema.upgrade(engine)
    # The last connection to leave folds the write-ahead log into the file.
    engine.dispose()
    return path


@pytest.fixture
def ledger(ledger_template: Path, tmp_path: Path) -> Iterator[Engine]:
    """Give an empty SQLite ledger."""
    path = tmp_path / "unit.db"
    shutil.copy(ledger_template, path)
    engine = open_engine(f"sqlite:///{path}")
    yield engine
    engine.dispose()


@pytest.fixture
def shop(ledger: Engine) -> Shop:
    """Give a shop with a point per euro."""
    return Shop(ledger)


@pytest.fixture
def open_shop(ledger: Engine) -> Callable[..., Shop]:
    """Give a shop with terms of its own: ``open_shop(program(...), around=...)``."""

    def opened(*programs: Any, **settings: Any) -> Shop:
        return Shop(ledger, programs=programs, **settings)

    return opened


@pytest.fixture(scope="module")
def ledger_of_its_own(
    ledger_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Engine]:
    """Give what makes an empty ledger each time: for tests that try many histories."""
    folder, count = tmp_path_factory.mktemp("ledgers"), itertools.count()

    def made() -> Engine:
        path = folder / f"{next(count)}.db"
        shutil.copy(ledger_template, path)
        return open_engine(f"sqlite:///{path}")

    return made
