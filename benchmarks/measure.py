"""Times: taken in turns, so that a busy moment of the machine hits both sides alike."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

import sqlalchemy
from sqlalchemy import Engine, event


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of several runs of the same thing."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)

    @property
    def noise(self) -> float:
        """How far the slowest is above the fastest, as a share of the median."""
        return (max(self.seconds) - min(self.seconds)) / self.median


@dataclass(frozen=True, slots=True)
class Against:
    """One thing measured against the least that it could cost."""

    ours: Times
    floor: Times

    @property
    def ratio(self) -> float:
        """How many times the floor it takes: the middle of the ratios of neighbouring runs."""
        pairs = zip(self.ours.seconds, self.floor.seconds, strict=True)
        return statistics.median(ours / floor for ours, floor in pairs)


def in_turns(repeats: int, ours: Callable[[], float], floor: Callable[[], float]) -> Against:
    """Measure two things in turns; each is called once before, uncounted, to warm up."""
    ours(), floor()
    pairs = [(ours(), floor()) for _ in range(repeats)]
    mine, least = zip(*pairs, strict=True)
    return Against(Times(mine), Times(least))


def timed(work: Callable[[], object]) -> float:
    """Run something and return its seconds."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


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
