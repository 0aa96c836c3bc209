"""A turn of the daemon that finds nothing new: what it costs besides its queries."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from sqlalchemy import update

from benchmarks.measure import query_time
from benchmarks.shop import FIRST_DAY, BenchShop, sell_just_now
from commands.house import House
from dolisync.ledger import tables
from dolisync.sync.turn import Turn

IN_THE_WINDOW = 50


@dataclass(frozen=True, slots=True)
class QuietTurn:
    """Medians in milliseconds; ``sales`` were read again and known."""

    sales: int
    total_ms: float
    queries_ms: float
    besides_ms: float
    statements: int


def quiet_turns(shop: BenchShop, turns: int) -> list[QuietTurn]:
    """Measure turns with an empty overlap window, then with known sales in it."""
    with shop.house() as house:
        doors = house.doors["shop"]
        house.intakes(doors)[0].backfill(FIRST_DAY, shop.until(shop.sales))
        turn = house.turn(doors)
        idle = _measure(house, turn, turns)
        sell_just_now(shop, IN_THE_WINDOW)
        return [idle, _measure(house, turn, turns)]


def _measure(house: House, turn: Turn, turns: int) -> QuietTurn:
    _settle(house)
    # The first look reads all history, the second one takes in what it still finds.
    turn.run_once()
    _settle(house)
    turn.run_once()
    database = house.doors["shop"].database
    assert database is not None
    totals, queries, besides = [], [], []
    with query_time([house.engine, database]) as watch:
        for _ in range(turns):
            watch.seconds, watch.statements = 0.0, 0
            begin = time.perf_counter()
            report = turn.run_once()
            total = time.perf_counter() - begin
            assert report.is_quiet, report
            totals.append(1000 * total)
            queries.append(1000 * watch.seconds)
            besides.append(1000 * (total - watch.seconds))
    middle = statistics.median
    read = report.tally.read
    return QuietTurn(read, middle(totals), middle(queries), middle(besides), watch.statements)


def _settle(house: House) -> None:
    """Let everything count as written to Dolibarr: that is another measurement."""
    with house.engine.begin() as connection:
        connection.execute(update(tables.outbox).values(state="done", open_key=None))
