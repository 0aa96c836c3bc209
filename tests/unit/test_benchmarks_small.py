"""The benchmarks run and measure what they say; how fast is not asserted here."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.measure import Against, Beside, Cost, Times
from benchmarks.run import WIDTH, Plan, as_numbers, as_text, measure
from tests.mariadb import MariadbServer

TINY = Plan(
    sales=200,
    rest_sales=200,
    many_sales=400,
    repeats=1,
    turns=2,
    customers=30,
    warms_up=False,
)


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
    assert written["counted"] == 0
    assert results.by_sql.ratio > 0
    for more in (results.rich, results.campaigns, results.together):
        assert more.plain is results.by_sql
        assert more.ratio > 0
    assert results.by_rest.ratio > 0
    assert [turn.sales for turn in results.quiet_turns] == [0, 50]
    assert all(turn.total_ms > turn.queries_ms > 0 for turn in results.quiet_turns)
    assert list(results.memory_kilobytes) == [TINY.sales, TINY.many_sales]
    assert max(len(line) for line in as_text(results).splitlines()) <= WIDTH
    assert as_numbers(results)["by_sql"]["ratio"] == results.by_sql.ratio


def test_more_is_held_against_its_own_floor_and_the_plain_ones() -> None:
    def times(*seconds: float) -> Times:
        return Times(tuple(Cost(one, 2 * one + 1) for one in seconds))

    more = Against(times(6, 8, 10), times(3, 2, 2))
    plain = Against(times(5, 4, 4), times(2, 1, 2))

    beside = Beside(more, plain)

    # The quickest of each: 6 to 2, and 4 to 1.
    assert beside.ratio == 0.75
    assert beside.time_ratio == 1.5
    # 13 to 5, and 9 to 3.
    assert beside.cpu_ratio == pytest.approx(13 / 15)
    assert more.ours.noise == pytest.approx(2 / 3)
