"""What a Dolibarr's HTTP replies mean when they are no data: one error, in one line, without key.

Dolibarr answers 200 with a web page when it is under maintenance or its API module is off, 202
when its database is down, and errors in HTML before the JSON.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from dolisync.errors import RefusedError, TransientError, UnknownOutcome

MESSAGE_CHARACTERS_MAX = 200
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def is_json(self) -> bool:
        return self.headers.get("content-type", "").startswith("application/json")

    def header(self, name: str) -> str:
        return self.headers.get(name, "")


def shaped(found: Any, kind: type[T], path: str) -> T:
    if not isinstance(found, kind):
        raise TransientError(f"Dolibarr's answer to {path} is not of the expected shape")
    return found


def is_error(reply: Reply) -> bool:
    """Tell Dolibarr's own "not found" from a web server's: only the former carries this JSON."""
    return reply.is_json() and b'"error"' in reply.body[:200]


def explain(verb: str, path: str, reply: Reply) -> NoReturn:
    asked = f"{verb} {path}"
    said = _said(reply)
    status = reply.status
    if status in (401, 403):
        raise RefusedError(
            f"Dolibarr refuses {asked} ({status}: {said}):"
            " the key is wrong, or its user lacks a right"
        )
    if status == 429:
        raise TransientError(f"Dolibarr is busy ({asked}: 429)", _retry_after_s(reply))
    if status == 200:
        unclear(verb, path, "a web page: it is in maintenance, or its API module is off", reply)
    if status == 202:
        raise TransientError(f"Dolibarr cannot reach its own database ({asked}: 202)")
    if 300 <= status < 400:
        there = one_line(reply.header("location"))
        raise RefusedError(f"Dolibarr's address has moved ({asked}: {status} to {there})")
    if status == 501 or 400 <= status < 500:
        raise RefusedError(f"Dolibarr refuses {asked} ({status}: {said})")
    unclear(verb, path, f"error {status}", reply)


def unclear(verb: str, path: str, what: str, reply: Reply) -> NoReturn:
    message = f"Dolibarr answered {verb} {path} with {what} ({_said(reply)})"
    raise UnknownOutcome(message) if verb == "POST" else TransientError(message)


def _said(reply: Reply) -> str:
    try:
        error = json.loads(reply.body)["error"]
        details = (error[key] for key in ("message", "0") if error.get(key))
        return one_line(": ".join(str(detail) for detail in details))
    except (ValueError, KeyError, TypeError, AttributeError):
        page = reply.body[:4096].decode("utf-8", "replace")
        return one_line(re.sub(r"<[^>]*>", " ", page)) or "an empty answer"


def one_line(words: str) -> str:
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in words).split())
    if len(line) <= MESSAGE_CHARACTERS_MAX:
        return line
    return line[:MESSAGE_CHARACTERS_MAX] + "..."


def _retry_after_s(reply: Reply) -> float | None:
    value = reply.header("retry-after")
    return float(value) if value.isdigit() else None
