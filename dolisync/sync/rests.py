"""Rests: what failed is left alone for a while, so that it does not hold up what comes after it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

FIRST = timedelta(seconds=2)
LONGEST = timedelta(seconds=60)


@dataclass(slots=True)
class Rests:
    """Who rests until when: two seconds after the first failure, then twice as long each time."""

    _until: dict[Hashable, datetime] = field(default_factory=dict)
    _failures: dict[Hashable, int] = field(default_factory=dict)

    def is_resting(self, key: Hashable, now: datetime) -> bool:
        """Tell whether something is to be left alone now."""
        until = self._until.get(key)
        return until is not None and now < until

    def failed(self, key: Hashable, now: datetime) -> None:
        """Leave something alone for a while."""
        failures = self._failures.get(key, 0)
        self._until[key] = now + min(FIRST * 2**failures, LONGEST)
        self._failures[key] = min(failures + 1, 10)

    def succeeded(self, key: Hashable) -> None:
        """Forget that something ever failed."""
        self._until.pop(key, None)
        self._failures.pop(key, None)
