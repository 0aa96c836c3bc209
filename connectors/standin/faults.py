"""Faults to be armed by tests: what a real installation does on its bad days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "maintenance",
    "db_down",
    "php_fatal",
    "php_fatal_shown",
    "api_disabled",
    "unavailable",
    "ip_restricted",
    "html_before_json",
    "gzip_garbage",
    "slow",
    "lost_answer",
    "lost_request",
]
AFTER_THE_EFFECT = ("html_before_json", "gzip_garbage", "slow", "lost_answer")


@dataclass
class Fault:
    """One kind of trouble, for some calls or for all."""

    kind: Kind
    times: int | None
    verb: str | None
    path: str
    seconds: float


class Faults:
    """The trouble that is armed."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self.before_write: Callable[[], object] | None = None
        """Called inside PUT between its read and its write: somebody else is faster."""

    def arm(
        self,
        kind: Kind,
        times: int | None = None,
        *,
        verb: str | None = None,
        path: str = "",
        seconds: float = 0.0,
    ) -> None:
        """Make calls fail, so often or until cleared: of one verb, or with this in the path."""
        self._armed.append(Fault(kind, times, verb, path, seconds))

    def clear(self) -> None:
        """End all trouble."""
        self._armed.clear()
        self.before_write = None

    def strike(self, verb: str, path: str, *, after: bool) -> Fault | None:
        """Give the fault that hits this call now, before or after its effect."""
        for fault in self._armed:
            fits = fault.verb in {None, verb} and fault.path in path
            if fits and (fault.kind in AFTER_THE_EFFECT) == after:
                self._use(fault)
                return fault
        return None

    def _use(self, fault: Fault) -> None:
        if fault.times is not None:
            fault.times -= 1
            if fault.times == 0:
                self._armed.remove(fault)

    def interrupt(self) -> None:
        """Let somebody else act between the read and the write of a PUT."""
        if self.before_write is not None:
            self.before_write()
