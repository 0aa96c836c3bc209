"""Two hundred open tickets and ten sales a second: nothing is lost, and no till is slowed."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from benchmarks.till import LINE_AIM_S, SALES_A_SECOND, measure, p95
from tests.mariadb import MariadbServer

SECONDS = 60


@pytest.mark.long
@pytest.mark.mariadb
@pytest.mark.timeout(400)
def test_many_tills_at_once(mariadb_server: MariadbServer, tmp_path: Path) -> None:
    alone, beside, lost = measure(tmp_path, mariadb_server.new_database(), SECONDS)
    assert len(beside.sold) == SECONDS * SALES_A_SECOND
    assert (lost, beside.missing) == (0, 0)
    assert p95(beside.lines_s) < LINE_AIM_S
    assert beside.late_s < 1
    # A request of a till takes some milliseconds; what the machine shares, is not told apart.
    slower_s = statistics.median(beside.requests_s) - statistics.median(alone.requests_s)
    assert slower_s < 0.01
