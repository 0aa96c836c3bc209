"""Back-fill in a process of its own and say how much memory it needed at most.

Called as ``python memory.py CONFIG FIRST_DAY LAST_DAY`` by ``run.py``.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

from benchmarks.shop import FIRST_DAY, BenchShop


def peak_kilobytes(shop: BenchShop, sales: int) -> int:
    """Return the peak memory of a backfill of so many sales by SQL."""
    with shop.house() as house:
        path = house.path
    days = (FIRST_DAY.isoformat(), shop.until(sales).isoformat())
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", str(path), *days],
        cwd=Path(__file__).parent.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    return int(finished.stdout)


def _own_peak() -> int:
    # Not getrusage: its maximum includes the parent's, of before the new program was loaded.
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise RuntimeError("the kernel does not tell the peak of memory")


def main() -> None:
    """Back-fill and print the peak."""
    from commands.house import House  # noqa: PLC0415 - only the child needs it

    house = House(Path(sys.argv[1]))
    intake = house.intakes(house.doors["shop"])[0]
    intake.backfill(date.fromisoformat(sys.argv[2]), date.fromisoformat(sys.argv[3]))
    house.close()
    print(_own_peak())


if __name__ == "__main__":
    main()
