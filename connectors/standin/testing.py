"""For tests: a clock that stands until it is moved, and a caller of the API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from connectors.standin.standin import StandIn

START = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


class MovingClock:
    """A clock that tells the moment it was set to."""

    def __init__(self, moment: datetime = START) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        """Tell the moment."""
        return self.moment

    def move(self, **amount: float) -> datetime:
        """Go on by seconds=, hours=, days=..."""
        self.moment += timedelta(**amount)
        return self.moment


@dataclass(frozen=True)
class Caller:
    """A client that asks for plain answers and interprets nothing."""

    standin: StandIn
    key: str | None = None

    def call(self, verb: str, path: str, body: Any = None, **params: Any) -> requests.Response:
        """Make one call."""
        headers = {"DOLAPIKEY": self.key or self.standin.api_key, "Accept-Encoding": "identity"}
        url = f"{self.standin.url}/api/index.php{path}"
        return requests.request(verb, url, headers=headers, json=body, params=params, timeout=20)

    def get(self, path: str, **params: Any) -> Any:
        """Read something that must be there."""
        return self._good(self.call("GET", path, **params))

    def post(self, path: str, body: Any = None) -> Any:
        """Make something that must succeed."""
        return self._good(self.call("POST", path, body or {}))

    def put(self, path: str, body: Any = None) -> Any:
        """Change something that must succeed."""
        return self._good(self.call("PUT", path, body or {}))

    def delete(self, path: str) -> Any:
        """Remove something that must go."""
        return self._good(self.call("DELETE", path))

    def code(self, verb: str, path: str, body: Any = None, **params: Any) -> int:
        """Make a call and tell only its code."""
        return self.call(verb, path, body, **params).status_code

    def refs(self, **params: Any) -> list[str]:
        """List the references of invoices."""
        return [row["ref"] for row in self.get("/invoices", **params)]

    @staticmethod
    def _good(answer: requests.Response) -> Any:
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text[:300]}"
        return answer.json()


@contextmanager
def opened(version: str = "20.0.2", **arguments: Any) -> Iterator[tuple[StandIn, MovingClock]]:
    """Open a stand-in with a clock to move."""
    clock = MovingClock()
    with StandIn(version, clock=clock, **arguments) as standin:
        yield standin, clock
