"""The benchmarks run and measure what they say; how fast is not asserted here."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.run import WIDTH, Plan, as_numbers, as_text, measure
from tests.mariadb import MariadbServer

TINY = Plan(sales=200, rest_sales=200, many_sales=400, repeats=1, turns=2)


@pytest.mark.mariadb
def test_all_measurements_on_a_tiny_shop(mariadb_server: MariadbServer, tmp_path: Path) -> None:
    results = measure(TINY, mariadb_server, tmp_path)

    written = results.rows_written
    assert written["sale"] == TINY.sales
    returns = TINY.sales // 10
    assert written["lot"] == TINY.sales - returns
    assert TINY.sales - returns < written["posting"] <= TINY.sales
    assert written["allocation"] > 0
    assert written["outbox"] >= TINY.sales
    assert results.by_sql.ratio > 0
    assert results.by_rest.ratio > 0
    assert [turn.sales for turn in results.quiet_turns] == [0, 50]
    assert all(turn.total_ms > turn.queries_ms > 0 for turn in results.quiet_turns)
    assert list(results.memory_kilobytes) == [TINY.sales, TINY.many_sales]
    assert max(len(line) for line in as_text(results).splitlines()) <= WIDTH
    assert as_numbers(results)["by_sql"]["ratio"] == results.by_sql.ratio
