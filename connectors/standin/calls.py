"""One call of the API: what came in, and the refusals that may go out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from connectors.standin.faults import Faults
from connectors.standin.rights import SEE_ALL_CUSTOMERS, ApiUser
from connectors.standin.shop import Shop
from connectors.standin.store import Store

REASONS = {
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}


class Refusal(Exception):  # noqa: N818 - it is an answer
    """An answer other than 200."""

    def __init__(self, code: int, message: str = "", detail: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail

    def body(self, stage: str = "call") -> dict[str, Any]:
        """Build the JSON that goes with it."""
        reason = REASONS.get(self.code, "Error")
        text = f"{reason}: {self.message}" if self.message else reason
        error: dict[str, Any] = {"code": self.code, "message": text}
        if self.detail is not None:
            error["0"] = self.detail
        stages = ["get", "route", "negotiate", "authenticate", "validate", "call"]
        passed = stages[: stages.index(stage)]
        debug = {
            "source": f"standin at {stage} stage",
            "stages": {"success": passed, "failure": [stage, "message"]},
        }
        return {"error": error, "debug": debug}


class PhpFatalError(Exception):
    """PHP dies: an empty answer with code 500."""


@dataclass(frozen=True)
class Call:
    """A request that has passed the door."""

    shop: Shop
    user: ApiUser
    version: str
    url: str
    faults: Faults
    params: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    path: tuple[str, ...] = ()

    @property
    def store(self) -> Store:
        """Give the tables."""
        return self.shop.store

    @property
    def major(self) -> int:
        """Tell the major version."""
        return self.shop.store.major

    def number(self, position: int = 0) -> int:
        """Read a key from the path."""
        return int(self.path[position])

    def whole(self, name: str, default: int) -> int:
        """Read a whole number from the parameters."""
        text = self.params.get(name, "")
        if text == "":
            return default
        if not re.fullmatch(r"-?\d+", text):
            message = f"Invalid value specified for `{name}`. Expecting integer value"
            raise Refusal(400, message)
        return int(text)

    def need(self, *rights: int) -> None:
        """Refuse a user without these rights; 16 says 401, as to a stranger."""
        if not self.user.may(*rights):
            raise self.denied()

    def denied(self) -> Refusal:
        """Build the refusal of a user without the right."""
        return Refusal(401 if self.major == 16 else 403, "Access not allowed for login")

    @property
    def sees_nobody(self) -> bool:
        """Tell whether the user is not allowed to see customers that are not his own."""
        return not self.user.may(SEE_ALL_CUSTOMERS)

    def need_sight(self) -> None:
        """Refuse a user who may not see this customer or his documents."""
        if self.sees_nobody:
            raise self.denied()

    def nothing(self, message: str, *, always: bool = False) -> list[Any]:
        """Answer an empty list, which 16 (and some lists of all versions) calls not found."""
        if always or self.major == 16:
            raise Refusal(404, message)
        return []


Handler = Callable[[Call], Any]


@dataclass(frozen=True)
class Route:
    """A verb, a path with {} for keys, and who answers."""

    verb: str
    path: str
    handler: Handler
    versions: tuple[int, ...] = (16, 20, 22)

    def match(self, verb: str, path: str) -> tuple[str, ...] | None:
        """Give the keys of the path if this route answers it."""
        if verb != self.verb:
            return None
        pattern = self.path.replace("{int}", r"(\d+)").replace("{}", "([^/]+)")
        found = re.fullmatch(pattern, path)
        return None if found is None else found.groups()
