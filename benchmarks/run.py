"""Measure dolisync against the least that its work could cost: ``python benchmarks/run.py``.

Starts a MariaDB of its own, fills a stand-in Dolibarr with sales, and measures in one run: a
backfill by SQL, under plain and under rich rules, and by REST against bare drivers that move the
same data, a turn that finds nothing new, and the memory of a long backfill.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.floor import Work, bare_backfill, work_of
from benchmarks.measure import Against, Beside, Cost, in_turns, surroundings, timed
from benchmarks.memory import peak_kilobytes
from benchmarks.rest import bare_reading, served
from benchmarks.shop import CAMPAIGNS, CUSTOMERS, FIRST_DAY, RICH, SALES_PER_DAY, BenchShop, furnish
from benchmarks.turns import QuietTurn, quiet_turns
from tests.mariadb import MariadbServer, is_installed, running_mariadb

WIDTH = 80


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    sales: int = 10_000
    rest_sales: int = 1_000
    many_sales: int = 100_000
    repeats: int = 5
    turns: int = 200
    customers: int = CUSTOMERS
    # Without, the first run of each kind pays for what is made once: for tests only.
    warms_up: bool = True


QUICK = Plan(sales=1_000, rest_sales=200, many_sales=3_000, repeats=1, turns=20)


@dataclass(frozen=True, slots=True)
class Results:
    """Everything measured in one run."""

    plan: Plan
    by_sql: Against
    rows_written: dict[str, int]
    rich: Beside
    campaigns: Beside
    together: Beside
    by_rest: Against
    quiet_turns: list[QuietTurn]
    memory_kilobytes: dict[int, int]
    surroundings: Mapping[str, str]


def measure(plan: Plan, server: MariadbServer, folder: Path) -> Results:
    """Measure everything."""
    shop = furnish(folder, server.new_database(), plan.sales, plan.customers)
    by_rules, work = measure_sql(shop, plan)
    plain = by_rules[""]
    by_rest = measure_rest(shop, plan)
    turns = quiet_turns(shop, plan.turns)
    memory = measure_memory(server, folder, plan)
    return Results(
        plan,
        plain,
        work.counted(),
        *(Beside(by_rules[rules], plain) for rules in _MORE),
        by_rest,
        turns,
        memory,
        surroundings(_mariadb_version(shop.database_url)),
    )


# All caps and five tiers, ten campaigns, and all of these.
_MORE = (RICH, CAMPAIGNS, RICH + CAMPAIGNS)


def measure_sql(shop: BenchShop, plan: Plan) -> tuple[dict[str, Against], Work]:
    """Measure backfills by SQL against bare drivers, under the plain program and under more rules.

    The drivers write what is written under the same rules; customers' cards they do not read.
    Returns them by their rules, and what is written under the plain program.
    """
    shops = {rules: shop.under(rules) for rules in ("", *_MORE)}
    works = {rules: _work(one) for rules, one in shops.items()}
    runs: list[Callable[[], Cost]] = []
    for rules, one in shops.items():
        runs.append(partial(_backfill, one, "sql", one.sales))
        runs.append(partial(_floor, one, works[rules]))
    times = in_turns(plan.repeats, *runs, warms_up=plan.warms_up)
    against = map(Against, times[::2], times[1::2])
    return dict(zip(shops, against, strict=True)), works[""]


def _work(shop: BenchShop) -> Work:
    with shop.house() as house:
        house.intakes(house.doors["shop"])[0].backfill(FIRST_DAY, shop.until(shop.sales))
        return work_of(_ledger(house.raw_engine.url.database))


def _floor(shop: BenchShop, work: Work) -> Cost:
    with shop.house() as house:
        ledger = _ledger(house.raw_engine.url.database)
    return bare_backfill(shop, work, ledger)


def _ledger(path: str | None) -> Path:
    assert path is not None
    return Path(path)


def measure_rest(shop: BenchShop, plan: Plan) -> Against:
    """Measure a backfill by REST against bare requests."""
    sales = min(plan.rest_sales, plan.sales)
    with served(shop) as open_shop:
        ours, floor = in_turns(
            plan.repeats,
            lambda: _backfill(open_shop, "rest", sales),
            lambda: timed(lambda: bare_reading(open_shop, sales)),
            warms_up=plan.warms_up,
        )
    return Against(ours, floor)


def _backfill(shop: BenchShop, door: str, sales: int) -> Cost:
    with shop.house(door) as house:
        intake = house.intakes(house.doors["shop"])[0]
        return timed(lambda: intake.backfill(FIRST_DAY, shop.until(sales)))


def measure_memory(server: MariadbServer, folder: Path, plan: Plan) -> dict[int, int]:
    """Measure the peak memory of a short and of a long backfill."""
    shop = furnish(folder, server.new_database(), plan.many_sales, plan.customers)
    return {sales: peak_kilobytes(shop, sales) for sales in (plan.sales, plan.many_sales)}


def _mariadb_version(database_url: str) -> str:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        version = connection.exec_driver_sql("SELECT VERSION()").scalar()
    engine.dispose()
    return str(version)


def as_text(results: Results) -> str:
    """Write the results as a table of 80 columns."""
    plan = results.plan
    lines = [
        *_against(f"Backfill of {plan.sales} sales by SQL", plan.sales, results.by_sql),
        *_written(results.rows_written),
        "",
        *_beside("The same with caps and five tiers", plan.sales, results.rich),
        "",
        *_beside("The same with ten campaigns", plan.sales, results.campaigns),
        "",
        *_beside("The same with all of these", plan.sales, results.together),
        "",
        *_against(f"Backfill of {plan.rest_sales} sales by REST", plan.rest_sales, results.by_rest),
        "",
        _row("A turn with nothing new (ms)", "total", "queries", "besides", "statements"),
        *(_turn(turn) for turn in results.quiet_turns),
        "",
        _row("Peak memory of a backfill", "MB"),
        *(
            _row(f"  {sales} sales", f"{kilobytes / 1024:.1f}")
            for sales, kilobytes in results.memory_kilobytes.items()
        ),
        _row("  growth", f"{_growth(results):+.1%}"),
        "",
        *(f"{what}: {value}" for what, value in results.surroundings.items()),
    ]
    return "\n".join(line.rstrip()[:WIDTH] for line in lines)


def _row(title: str, *cells: str) -> str:
    return f"{title:<35}" + "".join(f"{cell:>11}" for cell in cells)


def _written(rows: Mapping[str, int]) -> list[str]:
    counted = ", ".join(f"{number} {table}" for table, number in rows.items() if number)
    return textwrap.wrap(
        f"rows written: {counted}", WIDTH, initial_indent="  ", subsequent_indent="    "
    )


def _beside(title: str, sales: int, measured: Beside) -> list[str]:
    return [
        *_against(title, sales, measured.more),
        _row(
            "  times the plain program's ratio",
            f"{measured.ratio:.2f}",
            f"{measured.cpu_ratio:.2f}",
        ),
        _row("  times its seconds", f"{measured.time_ratio:.2f}"),
    ]


def _against(title: str, sales: int, measured: Against) -> list[str]:
    rows = [("  dolisync", measured.ours), ("  bare drivers", measured.floor)]
    return [
        _row(title, "seconds", "own CPU s", "ms/sale", "noise"),
        *(
            _row(
                name,
                f"{times.seconds:.2f}",
                f"{times.cpu_seconds:.2f}",
                f"{1000 * times.seconds / sales:.3f}",
                f"{times.noise:.0%}",
            )
            for name, times in rows
        ),
        _row("  ratio", f"{measured.ratio:.2f}", f"{measured.cpu_ratio:.2f}"),
    ]


def _turn(turn: QuietTurn) -> str:
    return _row(
        f"  {turn.sales} known sales in the window",
        f"{turn.total_ms:.2f}",
        f"{turn.queries_ms:.2f}",
        f"{turn.besides_ms:.2f}",
        str(turn.statements),
    )


def _growth(results: Results) -> float:
    few, many = results.memory_kilobytes.values()
    return many / few - 1


def as_numbers(results: Results) -> dict[str, Any]:
    """Return the results for machines."""
    numbers = asdict(results)
    for name in ("by_sql", "by_rest"):
        numbers[name] = _numbers(getattr(results, name))
    for name in ("rich", "campaigns", "together"):
        beside: Beside = getattr(results, name)
        numbers[name] = _numbers(beside.more) | {
            "times_plain_ratio": beside.ratio,
            "times_plain_cpu_ratio": beside.cpu_ratio,
            "times_plain_seconds": beside.time_ratio,
        }
    numbers["memory_growth"] = _growth(results)
    return numbers


def _numbers(against: Against) -> dict[str, float]:
    return {
        "seconds": against.ours.seconds,
        "cpu_seconds": against.ours.cpu_seconds,
        "floor_seconds": against.floor.seconds,
        "floor_cpu_seconds": against.floor.cpu_seconds,
        "ratio": against.ratio,
        "cpu_ratio": against.cpu_ratio,
        "noise": against.ours.noise,
        "floor_noise": against.floor.noise,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=__doc__)
    parser.add_argument("--sales", type=int, default=Plan.sales, help="in steps of two hundred")
    parser.add_argument("--repeats", type=int, default=Plan.repeats)
    parser.add_argument("--quick", action="store_true", help="few sales, one repeat")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    return parser.parse_args()


def plan_of(arguments: argparse.Namespace) -> Plan:
    """Read from the command line how much is to be measured."""
    if arguments.quick:
        return QUICK
    sales = max(arguments.sales // SALES_PER_DAY, 1) * SALES_PER_DAY
    rest_sales = min(Plan.rest_sales, sales)
    return Plan(sales, rest_sales, 10 * sales, arguments.repeats)


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    if not is_installed():
        sys.exit("mariadb-server is not installed: apt install mariadb-server")
    folder = Path(tempfile.mkdtemp(prefix="dolisync-benchmark-"))
    try:
        with running_mariadb(folder) as server:
            results = measure(plan_of(arguments), server, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(as_numbers(results), indent=2) if arguments.json else as_text(results))


if __name__ == "__main__":
    main()
