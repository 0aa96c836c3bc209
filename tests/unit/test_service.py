"""The daemon's pace: it stops while work fails, rests after failures, and is heard when idle."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from dolisync import service
from dolisync.errors import TransientError
from dolisync.service import Repeated, Service, Work


class Listener:
    """A supervisor that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def ready(self) -> None:
        self.told.append("ready")

    def status(self, text: str) -> None:
        self.told.append(text)

    def alive(self) -> None:
        self.told.append("alive")

    def reloading(self) -> None:
        self.told.append("reloading")

    def stopping(self) -> None:
        self.told.append("stopping")


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def run(work: Callable[[], str], interval_s: float = 0.05) -> Listener:
    listener = Listener()
    jobs = Work([Repeated("turn", interval_s, work)], [], lambda: None)
    Service(lambda _pulse: jobs, listener, lambda: datetime.now(UTC)).run()
    return listener


def stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.timeout(20)
def test_stops_while_a_turn_fails() -> None:
    def fails() -> str:
        stop()
        time.sleep(0.3)
        raise TransientError("down")

    listener = run(fails)
    assert listener.told[:2] == ["ready", "stopping"]
    assert "turn failed 1 times: down" in listener.told


@pytest.mark.timeout(20)
def test_stops_while_a_turn_works_again() -> None:
    calls = []

    def recovers() -> str:
        calls.append(1)
        if len(calls) == 1:
            raise TransientError("down")
        stop()
        time.sleep(0.3)
        return "works"

    run(recovers)
    assert len(calls) == 2


@pytest.mark.timeout(20)
def test_rests_longer_with_each_failure() -> None:
    moments: list[float] = []

    def fails() -> str:
        moments.append(time.monotonic())
        if len(moments) == 4:
            stop()
        raise TransientError("down")

    run(fails)
    rests = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert rests[0] >= 0.1
    assert rests[1] >= 0.2
    assert rests[2] >= 0.4


@pytest.mark.timeout(20)
def test_is_heard_while_it_has_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "HEARTBEAT_S", 0.05)
    listener = Listener()
    jobs = Work([Repeated("turn", 3600, lambda: "")], [], lambda: None)

    def alive() -> None:
        listener.told.append("alive")
        if listener.told.count("alive") == 5:
            stop()

    listener.alive = alive  # type: ignore[method-assign]
    Service(lambda _pulse: jobs, listener, lambda: datetime.now(UTC)).run()
    assert listener.told.count("alive") >= 5


class Patient(Service):
    """A service that reloads without doing anything, which would only slow the rain down."""

    def _changed(self, work: Work, scheduler: Any) -> Any:
        self._reload = False
        return work, scheduler


@pytest.mark.timeout(60)
def test_a_shower_of_signals_is_survived() -> None:
    def shower() -> None:
        for _ in range(20_000):
            os.kill(os.getpid(), signal.SIGHUP)
        stop()

    listener = Listener()
    jobs = Work([], [], lambda: None)
    rain = threading.Thread(target=shower)
    listener.ready = rain.start  # type: ignore[method-assign]
    Patient(lambda _pulse: jobs, listener, lambda: datetime.now(UTC)).run()
    rain.join()
    assert listener.told[-1] == "stopping"
