"""What differs between two versions of the programs, option by option, as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dolisync.program.terms import Program


def differences(before: Sequence[Program], after: Sequence[Program]) -> list[str]:
    """List what changed: options by their path, with both values; what is named, by its name."""
    return list(_between("", _named(before), _named(after)))


def _named(programs: Sequence[Program]) -> dict[str, Any]:
    return {f"program '{one.name}'": one.model_dump(mode="json") for one in programs}


def _between(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for key in [*before, *(key for key in after if key not in before)]:
        where = f"{path} {key}".strip() if "'" in key else f"{path}.{key}"
        if key not in after:
            yield f"{where}: gone"
        elif key not in before:
            yield f"{where}: new"
        else:
            yield from _change(where, before[key], after[key])


def _change(where: str, before: Any, after: Any) -> Iterator[str]:
    if before == after:
        return
    old, new = _by_name(where, before), _by_name(where, after)
    if old is not None and new is not None:
        yield from _between(where.rpartition(".")[0], old, new)
    elif isinstance(before, dict) and isinstance(after, dict):
        yield from _between(where, before, after)
    else:
        yield f"{where}: {_text(before)} -> {_text(after)}"


def _by_name(where: str, entries: Any) -> dict[str, Any] | None:
    """Turn a list of what has names into these by name."""
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        return None
    if not all("name" in one for one in entries):
        return None
    what = where.rpartition(".")[2]
    return {f"{what} '{one['name']}'": one for one in entries}


def _text(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    return str(value)
