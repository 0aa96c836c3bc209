"""Ledgers for unit tests: made once, copied for each test."""

from __future__ import annotations

import itertools
import shutil
from collections import defaultdict
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


# What these prove is the same on both databases. By default each test runs on SQLite, and every
# third of a module on MariaDB too; with -m long the others do. Measured when this was written, the
# program sends MariaDB the same statements so, with the tests below that alone send one.
_MOSTLY_ON_SQLITE = {
    "test_backfill.py",
    "test_batches.py",
    "test_claims.py",
    "test_inactivity.py",
    "test_limits.py",
    "test_merge.py",
    "test_paying.py",
    "test_privacy.py",
    "test_referrals.py",
    "test_spent.py",
    "test_tier_batches.py",
    "test_undo.py",
}
_EVERY = 3
_STATEMENTS_OF_THEIR_OWN = {
    "test_a_discount_freed_from_a_dropped_draft_can_be_revoked",
    "test_a_ticket_bears_the_code_and_after_the_claim_the_points",
    "test_an_undone_merge_gives_the_account_back",
    "test_anchors_kept_elsewhere_hold_after_an_erasure",
    "test_batches_say_what_members_have_gained",
    "test_from_where_an_erased_persons_goods_were_and_what_he_waits_for_is_forgotten",
    "test_points_of_before_a_pause_are_gone",
    "test_told_until_an_adjustment_names_the_token",
    "test_what_was_spent_again_and_forgiven_is_not_given_when_the_discount_is_gone",
}


def _is_on_mariadb_too(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function) or item.path.name not in _MOSTLY_ON_SQLITE:
        return False
    return hasattr(item, "callspec") and "mariadb" in item.callspec.params.values()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    twins = defaultdict(list)
    for item in filter(_is_on_mariadb_too, items):
        twins[item.path].append(item)
    for found in twins.values():
        for number, item in enumerate(sorted(found, key=lambda item: item.nodeid)):
            if number % _EVERY and item.originalname not in _STATEMENTS_OF_THEIR_OWN:
                item.add_marker(pytest.mark.long)


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
