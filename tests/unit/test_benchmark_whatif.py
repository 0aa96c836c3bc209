"""The benchmark of what-if judges a shop's sales by the same rules and by more."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.shop import furnish
from benchmarks.whatif import measure
from tests.mariadb import MariadbServer


@pytest.mark.mariadb
def test_both_are_measured_on_a_tiny_shop(mariadb_server: MariadbServer, tmp_path: Path) -> None:
    found = measure(furnish(tmp_path, mariadb_server.new_database(), 200, 50))
    assert list(found) == ["the same rules", "campaigns, tiers and caps"]
    assert all(cost.seconds > 0 for cost in found.values())
