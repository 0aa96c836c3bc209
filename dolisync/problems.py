"""What pydantic found wrong with config.toml, in words: where, what, and what to write instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dolisync.positions import Path, positions

Location = tuple[int | str, ...]

# "campaign 'x' ends before", "two campaigns have the name 'x'", "source: 'x' stands twice".
_NAMES = re.compile(r"\b(campaign|reward|tier|program|source)s?\b[^']{0,24}'([^']*)'")

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
    """Turn every validation error into one line: place, line number, remedy.

    ``data`` is what the text says: the names of campaigns and the like stand in it.
    """
    details = error.errors()
    lines = positions(text)
    return [_describe_one(one, root, lines, data) for one in details if not _is_echo(one, details)]


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


def _describe_one(
    detail: ErrorDetails, root: type[BaseModel], lines: Mapping[Path, int], data: Mapping[str, Any]
) -> str:
    location = detail["loc"]
    named, words = _named(data, location), _words(detail, location)
    if detail["type"] == "value_error":
        location = _nearer(root, data, location, words)
    # Some say themselves whom they are about.
    if named.rstrip(": ") not in words:
        words = named + words
    if detail["type"] == "string_pattern_mismatch":
        near = _near(detail["input"], _choices(detail["ctx"]["pattern"]))
        words = f"{named}{near}" if near else words + _meaning(root, location)
    if detail["type"] == "extra_forbidden":
        words += _suggestion(str(location[-1]), _model_at(root, location[:-1]))
    return f"{_place(location)}{_line(lines, location)}: {words}{_given(detail, words)}"


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


def _line(lines: Mapping[Path, int], location: Sequence[int | str]) -> str:
    """Name the line of a place; of what is not written, that of the section where it belongs."""
    for length in range(len(location), 0, -1):
        found = lines.get(tuple(location[:length]))
        if found is not None:
            return f" (line {found})"
    return ""


def _nearer(root: type[BaseModel], data: Any, location: Location, words: str) -> Location:
    """Return the place of the campaign, reward, tier, program or source that the words name.

    What holds a section together is found at the whole of it; the one meant is told by its name.
    """
    for kind, name in re.findall(_NAMES, words):
        for found in _named_so(root, data, location, kind, name):
            return found
    return location


def _named_so(
    root: type[BaseModel], data: Any, location: Location, kind: str, name: str
) -> Iterator[Location]:
    """Walk over the entries of this name in a list below a place; the last one of equals first."""
    here = _at(data, location)
    if not isinstance(here, Mapping):
        return
    for key, entries in here.items():
        if not isinstance(entries, list):
            continue
        for number, entry in reversed(list(enumerate(entries))):
            place = (*location, key, number)
            if key == kind and _name_of(root, place, entry) == name:
                yield place
            yield from _named_so(root, data, place, kind, name)


def _name_of(root: type[BaseModel], place: Location, entry: Any) -> object:
    """Return the name of a section, that which it has by default where none is written."""
    model = _model_at(root, place)
    field = model.model_fields.get("name") if model else None
    default = field.default if field else None
    return entry.get("name", default) if isinstance(entry, Mapping) else None


def _at(data: Any, location: Location) -> Any:
    for part in location:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


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
