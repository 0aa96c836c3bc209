"""How long `dolisync simulate` takes over a long history. Run from the checkout:

    python -m benchmarks.whatif --sales 100000

A shop is back-filled under the plain program; then its sales are judged by the plain program, and
by one with ten campaigns, five tiers and all caps, as the command does it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Cost, timed
from benchmarks.shop import CAMPAIGNS, FIRST_DAY, RICH, SALES_PER_DAY, BenchShop, furnish
from commands.house import House
from commands.simulate import completed
from dolisync.config import load
from dolisync.sync import whatif
from tests.mariadb import is_installed, running_mariadb


def simulated(house: House, file: Path) -> Cost:
    """Judge all sales of a house by the programs of another configuration."""
    settings = load(file).settings

    def work() -> None:
        whatif.simulate(
            house.engine,
            house.clock,
            house.rules_for_reading,
            settings.program,
            None,
            None,
            lambda sales: completed(house, settings, sales),
            lambda _done: None,
        )

    return timed(work)


def measure(shop: BenchShop) -> dict[str, Cost]:
    """Back-fill a shop, and judge its sales by the same rules and by more."""
    with shop.house() as house:
        house.intakes(house.doors["shop"])[0].backfill(FIRST_DAY, shop.until(shop.sales))
        files = {"the same rules": shop, "campaigns, tiers and caps": shop.under(RICH + CAMPAIGNS)}
        return {name: simulated(house, one.configure()) for name, one in files.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks/whatif.py", description=__doc__)
    parser.add_argument("--sales", type=int, default=100_000, help="in steps of two hundred")
    sales = max(parser.parse_args(arguments).sales // SALES_PER_DAY, 1) * SALES_PER_DAY
    if not is_installed():
        sys.exit("mariadb-server is not installed: apt install mariadb-server")
    with tempfile.TemporaryDirectory() as folder, running_mariadb(Path(folder)) as server:
        for name, cost in measure(furnish(Path(folder), server.new_database(), sales)).items():
            print(f"{sales} sales by {name}: {cost.seconds:.1f} s")


if __name__ == "__main__":
    main()
