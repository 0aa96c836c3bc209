"""Trouble drawn from a seed: the process dies, an answer is lost, the other side is down."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Engine, event

from dolisync.errors import RefusedError, TransientError

# A turn makes some dozen calls; who makes so many goes in circles.
MOST_CALLS = 1500


class Crash(BaseException):
    """The process dies here: nothing that handles exceptions may see it."""


@dataclass(slots=True)
class Trouble:
    """Decide at every instrumented point what goes wrong there.

    A crash is planned as "at the n-th point from now", so that it may hit any statement, either
    side of a commit and either side of a remote call.
    """

    rng: random.Random
    refuses: bool = False
    loses: bool = False
    fails: bool = False
    is_calm: bool = False
    # Whatever others do while a remote call is under way.
    meanwhile: Callable[[], None] | None = None
    notes: list[str] = field(default_factory=list)
    # How many calls the present turn has made.
    calls: int = 0
    _crash_in: int | None = None
    _crash_where: str = ""
    _is_busy: bool = False

    def plan_crash(self, points: int | None, where: str = "") -> None:
        """Let the process die at the n-th point from now on whose name holds ``where``.

        ``None`` takes a plan back.
        """
        self._crash_in, self._crash_where = points, where

    def point(self, where: str) -> None:
        """Pass an instrumented point; die here if it was planned so."""
        if self._crash_in is None or self._is_busy or self._crash_where not in where:
            return
        self._crash_in -= 1
        if self._crash_in <= 0:
            self._crash_in = None
            self.notes.append(f"  crash at: {where}")
            raise Crash(where)

    def lose_commit(self) -> None:
        """Lose the answer to a commit that was done, rarely: the ledger's server went away."""
        if self.loses and not self.is_calm and not self._is_busy and self.rng.random() < 0.01:
            self.notes.append("  the answer to a ledger commit is lost")
            # The driver's words for an error after which the whole transaction is run again.
            raise sqlite3.OperationalError("database is locked")

    def call(self, name: str) -> None:
        """Begin a remote call. Raises ``TransientError`` when the other side is down."""
        self.calls += 1
        if self.calls > MOST_CALLS:
            raise RuntimeError(f"it goes in circles, calling {name}")
        self.point(f"before {name}")
        if self.is_calm:
            return
        if self.fails and self.rng.random() < 0.05:
            self.notes.append(f"  down: {name}")
            raise TransientError(f"{name} is down", retry_after_s=self.rng.choice([None, 7.0]))
        if self.meanwhile is not None and not self._is_busy and self.rng.random() < 0.1:
            self._is_busy = True
            try:
                self.meanwhile()
            finally:
                self._is_busy = False

    def refuse(self, name: str) -> None:
        """Refuse a writing call, rarely."""
        if self.refuses and not self.is_calm and self.rng.random() < 0.04:
            self.notes.append(f"  refused: {name}")
            raise RefusedError(f"{name} is not allowed")

    def loses_answer(self, name: str) -> bool:
        """Draw whether the answer to a writing call is lost."""
        lost = self.loses and not self.is_calm and self.rng.random() < 0.2
        if lost:
            self.notes.append(f"  answer lost: {name}")
        return lost


def instrument(engine: Engine, current: Callable[[], Trouble]) -> None:
    """Put points before each statement of a ledger and on both sides of each commit."""

    def before_statement(_connection: object, _cursor: object, text: str, *_rest: object) -> None:
        current().point(f"statement {text.split(chr(10), 1)[0][:60]}")

    event.listen(engine, "before_cursor_execute", before_statement)
    commit = engine.dialect.do_commit

    def commit_with_trouble(connection: object) -> None:
        current().point("before commit")
        commit(connection)  # type: ignore[arg-type]
        current().point("after commit")
        current().lose_commit()

    engine.dialect.do_commit = commit_with_trouble  # type: ignore[method-assign]
