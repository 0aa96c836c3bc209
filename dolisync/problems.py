"""What pydantic found wrong with config.toml, in words: where, what, and what to write instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_WORDS = {
    "missing": "is missing; every such section needs it",
    "extra_forbidden": "is not an option",
    "string_pattern_mismatch": "is not written as it must be",
    "enum": "must be one of {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "decimal_parsing": "must be a number such as 1 or 0.5",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "date_from_datetime_parsing": "must be a day such as 2026-01-31",
    "date_type": "must be a day such as 2026-01-31",
    "string_type": "must be text in quotes",
    "tuple_type": "must be a list; write the section's name in double brackets: [[{last}]]",
}


def describe(error: ValidationError, root: type[BaseModel], text: str) -> list[str]:
    """Turn every validation error into one line: place, line number where known, remedy."""
    return [_describe_one(detail, root, text) for detail in error.errors()]


def _describe_one(detail: ErrorDetails, root: type[BaseModel], text: str) -> str:
    location = detail["loc"]
    words = _words(detail, location)
    if detail["type"] == "extra_forbidden":
        words += _suggestion(str(location[-1]), _model_at(root, location[:-1]))
    return f"{_place(location)}{_line(text, location)}: {words}{_given(detail)}"


def _words(detail: ErrorDetails, location: Sequence[int | str]) -> str:
    if detail["type"] in _WORDS:
        context = {"last": location[-1] if location else "", **detail.get("ctx", {})}
        return _WORDS[detail["type"]].format(**context)
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    message = detail["msg"]
    return message[0].lower() + message[1:]


def _given(detail: ErrorDetails) -> str:
    """Quote what was written, but never where a secret may stand."""
    value = detail["input"]
    hidden = {"api_key", "database_url", "url", "literal"} & {str(part) for part in detail["loc"]}
    if hidden or detail["type"] in {"missing", "value_error", "extra_forbidden"}:
        return ""
    return f" (it is {value!r})" if isinstance(value, str | int | float) else ""


def _place(location: Sequence[int | str]) -> str:
    if not location:
        return "the file"
    parts: list[str] = []
    for part in location:
        if isinstance(part, int) and parts:
            parts[-1] += f"[{part + 1}]"
        else:
            parts.append(str(part))
    return ".".join(parts)


def _line(text: str, location: Sequence[int | str]) -> str:
    """Find the line of a key by walking the section headers; nothing when it is not certain."""
    keys = [part for part in location if isinstance(part, str)]
    if not keys:
        return ""
    wanted = [int(part) for part in location if isinstance(part, int)]
    header = ".".join(keys[:-1])
    count, inside = -1, not header
    for number, line in enumerate(text.splitlines(), start=1):
        opened = re.match(r"^\s*(\[\[?)\s*([\w.]+)\s*\]\]?", line)
        if opened:
            count += opened[2] == keys[0]
            inside = opened[2] == header and (not wanted or count == wanted[0])
        elif inside and re.match(rf"^\s*{re.escape(keys[-1])}\s*=", line):
            return f" (line {number})"
    return ""


def _model_at(root: type[BaseModel], location: Sequence[int | str]) -> type[BaseModel] | None:
    model: type[BaseModel] | None = root
    for part in location:
        if isinstance(part, str) and model is not None:
            field = model.model_fields.get(part)
            model = _model_in(field.annotation) if field else None
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        found = _model_in(inner)
        if found:
            return found
    return None


def _suggestion(key: str, model: type[BaseModel] | None) -> str:
    if model is None:
        return ""
    near = difflib.get_close_matches(key, model.model_fields, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known here: {', '.join(sorted(model.model_fields))}"
