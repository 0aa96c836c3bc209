"""Times: taken in turns, so that a busy minute of the machine hits all sides alike."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

import sqlalchemy
from sqlalchemy import Engine, event


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took: seconds on the wall, and seconds of this process's own work."""

    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Times:
    """Several runs of the same thing, of which the quickest tells most.

    Whatever else goes on in a machine only ever makes a run longer (so says timeit, too).
    """

    costs: tuple[Cost, ...]

    @property
    def seconds(self) -> float:
        """The least of the seconds."""
        return min(cost.seconds for cost in self.costs)

    @property
    def cpu_seconds(self) -> float:
        """The least of the process's own seconds."""
        return min(cost.cpu_seconds for cost in self.costs)

    @property
    def noise(self) -> float:
        """How far the slowest is above the fastest, as a share of it."""
        return max(cost.seconds for cost in self.costs) / self.seconds - 1


@dataclass(frozen=True, slots=True)
class Against:
    """One thing measured against the least that it could cost."""

    ours: Times
    floor: Times

    @property
    def ratio(self) -> float:
        """How many times the floor it takes."""
        return self.ours.seconds / self.floor.seconds

    @property
    def cpu_ratio(self) -> float:
        """The same for the process's own seconds."""
        return self.ours.cpu_seconds / self.floor.cpu_seconds


@dataclass(frozen=True, slots=True)
class Beside:
    """Two things, each against its own floor, all four measured in turns."""

    more: Against
    plain: Against

    @property
    def ratio(self) -> float:
        """How many times the plain one's ratio to its floor the other's is."""
        return self.more.ratio / self.plain.ratio

    @property
    def cpu_ratio(self) -> float:
        """The same for the process's own seconds."""
        return self.more.cpu_ratio / self.plain.cpu_ratio

    @property
    def time_ratio(self) -> float:
        """How many times as long it takes as the plain one."""
        return self.more.ours.seconds / self.plain.ours.seconds


def in_turns(repeats: int, *works: Callable[[], Cost], warms_up: bool = True) -> list[Times]:
    """Measure some things in turns; each is called once before, uncounted, to warm up."""
    for work in works if warms_up else ():
        work()
    turns = [[work() for work in works] for _ in range(repeats)]
    return [Times(costs) for costs in zip(*turns, strict=True)]


def timed(work: Callable[[], object]) -> Cost:
    """Run something and say what it took."""
    begin, cpu_begin = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - begin, time.process_time() - cpu_begin)


@dataclass(slots=True)
class QueryTime:
    """Seconds spent inside the drivers, and how many statements went there."""

    seconds: float = 0.0
    statements: int = 0
    _begin: float = 0.0

    def before(self, *_: object) -> None:
        """Note that a statement goes out."""
        self._begin = time.perf_counter()

    def after(self, *_: object) -> None:
        """Note that its answer is there."""
        self.seconds += time.perf_counter() - self._begin
        self.statements += 1


@contextmanager
def query_time(engines: Sequence[Engine]) -> Iterator[QueryTime]:
    """Watch all statements of these engines."""
    watch = QueryTime()
    hooks = (("before_cursor_execute", watch.before), ("after_cursor_execute", watch.after))
    for engine in engines:
        for name, hook in hooks:
            event.listen(engine, name, hook)
    try:
        yield watch
    finally:
        for engine in engines:
            for name, hook in hooks:
                event.remove(engine, name, hook)


def surroundings(mariadb_version: str) -> Mapping[str, str]:
    """Say on what this was measured."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return {
        "Python": platform.python_version(),
        "SQLAlchemy": sqlalchemy.__version__,
        "PyMySQL": version("PyMySQL"),
        "MariaDB": mariadb_version.split("-", maxsplit=1)[0],
        "SQLite": _sqlite_version(),
        "processors": str(os.cpu_count()),
        "load at the end": load,
    }


def _sqlite_version() -> str:
    with sqlalchemy.create_engine("sqlite://").connect() as connection:
        return str(connection.exec_driver_sql("SELECT sqlite_version()").scalar())
