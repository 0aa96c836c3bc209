"""A turn: what fails in one part of it keeps no other part from its work, and is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from dolisync.errors import RefusedError, StopRequested, TransientError
from dolisync.sync.judge import Tally
from dolisync.sync.publish import Report as Published
from dolisync.sync.turn import Turn
from tests.builders import HandClock

PARTS = ("clerk", "tags", "bonuses", "standing", "till_line", "code_lines", "publisher", "events")


@dataclass
class Part:
    """A part of a turn that notes that it worked, or fails."""

    name: str
    done: list[str]
    error: Exception | None = None

    def run_once(self, *_: Any) -> Any:
        self.done.append(self.name)
        if self.error is not None:
            raise self.error
        return {"clerk": SimpleNamespace(answered=1), "publisher": Published()}.get(self.name, 1)


@dataclass
class Parts:
    """A turn of nothing but such parts."""

    engine: Engine
    done: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.of = {name: Part(name, self.done) for name in PARTS}
        source = SimpleNamespace(name="shop")
        reader: Any = SimpleNamespace(source=source, run_once=lambda *_: Tally())
        parts: Any = self.of
        showing: Any = {"shop": None}
        self.turn = Turn(self.engine, HandClock(), {}, showing, [reader], **parts)


@pytest.fixture
def parts(ledger: Engine) -> Parts:
    return Parts(ledger)


def test_all_parts_work_in_their_order(parts: Parts) -> None:
    report = parts.turn.run_once()
    assert parts.done == list(PARTS)
    assert (report.requests, report.tiers_set, report.bonuses) == (1, 1, 1)
    assert (report.till_lines, report.codes, report.is_quiet) == (1, 1, False)


@pytest.mark.parametrize("name", PARTS)
def test_one_that_fails_keeps_no_other_from_its_work(parts: Parts, name: str) -> None:
    parts.of[name].error = TransientError("down")
    with pytest.raises(TransientError, match="down"):
        parts.turn.run_once()
    assert parts.done == list(PARTS)


def test_of_several_the_first_is_raised_and_the_others_are_told_once(parts: Parts) -> None:
    parts.of["tags"].error = RefusedError("no right")
    parts.of["events"].error = ValueError("nonsense")
    with capture_logs() as logs:
        for _ in range(2):
            with pytest.raises(RefusedError, match="no right"):
                parts.turn.run_once()
    assert [(one["part"], one["reason"]) for one in logs] == [("events", "ValueError('nonsense')")]
    parts.of["events"].error = None
    with pytest.raises(RefusedError):
        parts.turn.run_once()
    parts.of["events"].error = ValueError("again")
    with capture_logs() as logs, pytest.raises(RefusedError):
        parts.turn.run_once()
    assert [one["reason"] for one in logs] == ["ValueError('again')"]


def test_told_to_stop_it_stops_at_once(parts: Parts) -> None:
    parts.of["tags"].error = StopRequested()
    with pytest.raises(StopRequested):
        parts.turn.run_once()
    assert parts.done == ["clerk", "tags"]
