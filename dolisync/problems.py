"""What pydantic found wrong with config.toml, in words: where, what, and what to write instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
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
    "tuple_type": "must be a list, in square brackets",
    "too_short": "is missing; at least one is needed",
}


def describe(
    error: ValidationError, root: type[BaseModel], text: str, data: Mapping[str, Any]
) -> list[str]:
    """Turn every validation error into one line: place, line number where known, remedy.

    ``data`` is what the text says: the names of campaigns and the like stand in it.
    """
    details = error.errors()
    return [
        _describe_one(one, root, text, _named(data, one["loc"]))
        for one in details
        if not _is_echo(one, details)
    ]


def _named(data: Any, location: Sequence[int | str]) -> str:
    """Say which one of several is meant, by the name that it has in the file.

    Not for what stands in the file once or is known by its place: sources and programs.
    """
    found = ""
    above = ""
    for depth, part in enumerate(location):
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            break
        if isinstance(part, int) and isinstance(data, dict) and depth > 1:
            name = data.get("name")
            found = f"{above} '{name}': " if isinstance(name, str) else ""
        above = str(part)
    return found


def _is_echo(detail: ErrorDetails, details: Sequence[ErrorDetails]) -> bool:
    """Tell whether a list is only short because its entries do not hold."""
    place = detail["loc"]
    return detail["type"] == "too_short" and any(
        len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in details
    )


def _describe_one(detail: ErrorDetails, root: type[BaseModel], text: str, named: str) -> str:
    location = detail["loc"]
    words = _words(detail, location)
    # Some say themselves whom they are about.
    if named.rstrip(": ") not in words:
        words = named + words
    if detail["type"] == "string_pattern_mismatch":
        near = _near(detail["input"], _choices(detail["ctx"]["pattern"]))
        words = f"{named}{near}" if near else words + _meaning(root, location)
    if detail["type"] == "extra_forbidden":
        words += _suggestion(str(location[-1]), _model_at(root, location[:-1]))
    return f"{_place(location)}{_line(text, location)}: {words}{_given(detail, words)}"


def _words(detail: ErrorDetails, location: Sequence[int | str]) -> str:
    if detail["type"] == "tuple_type" and isinstance(detail["input"], dict):
        name = ".".join(part for part in location if isinstance(part, str))
        return f"may stand there several times: write [[{name}]], in double brackets"
    if detail["type"] == "enum":
        near = _near(detail["input"], re.findall(r"'([^']*)'", detail["ctx"]["expected"]))
        if near:
            return near
    if detail["type"] in _WORDS:
        return _WORDS[detail["type"]].format(**detail.get("ctx", {}))
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    message = detail["msg"]
    return message[0].lower() + message[1:]


def _near(value: object, choices: Sequence[str]) -> str:
    """Name the choice that was probably meant, nothing where none is near."""
    meant = difflib.get_close_matches(str(value).casefold(), choices, n=1)
    return f"'{value}' is not one; did you mean {meant[0]}?" if meant else ""


def _choices(pattern: str) -> list[str]:
    """Return the words among which a pattern leaves the choice, where it does."""
    found = re.fullmatch(r"\^\(([a-z|]+)\)\$", pattern)
    return found[1].split("|") if found else []


def _given(detail: ErrorDetails, words: str) -> str:
    """Quote what was written, but never where a secret may stand, and not twice."""
    value = detail["input"]
    if f"'{value}'" in words:
        return ""
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
    """Find the line of a key, or of one section of several, by walking the section headers.

    Nothing when it is not certain.
    """
    keys = [part for part in location if isinstance(part, str)]
    if not keys:
        return ""
    wanted = [part for part in location if isinstance(part, int)]
    header = ".".join(keys[:-1])
    counts: dict[str, int] = {}
    inside = not header
    for number, line in enumerate(text.splitlines(), start=1):
        opened = re.match(r"^\s*(\[\[?)\s*([\w.]+)\s*\]\]?", line)
        if opened:
            if opened[1] == "[[":
                _count(counts, opened[2])
            places = [counts[name] for name in _prefixes(opened[2]) if name in counts]
            if opened[1] == "[[" and opened[2] == ".".join(keys) and places == wanted:
                return f" (line {number})"
            inside = opened[2] == header and places == wanted[: len(places)]
        elif inside and re.match(rf"^\s*{re.escape(keys[-1])}\s*=", line):
            return f" (line {number})"
    return ""


def _count(counts: dict[str, int], name: str) -> None:
    """Count another section of a list; the lists within it begin anew."""
    counts[name] = counts.get(name, -1) + 1
    for inner in [known for known in counts if known.startswith(f"{name}.")]:
        del counts[inner]


def _prefixes(header: str) -> list[str]:
    parts = header.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


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


def _meaning(root: type[BaseModel], location: Sequence[int | str]) -> str:
    """Repeat what the option is for; that says how it is written."""
    model = _model_at(root, location[:-1])
    field = model.model_fields.get(str(location[-1])) if model else None
    return f". {field.description.rstrip('.')}" if field and field.description else ""


def _suggestion(key: str, model: type[BaseModel] | None) -> str:
    if model is None:
        return ""
    near = difflib.get_close_matches(key, model.model_fields, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known here: {', '.join(sorted(model.model_fields))}"
