"""Where things stand in a TOML text: whatever TOML allows, nothing is lost and no line is wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dolisync.example import example
from dolisync.positions import positions

PROGRAMS = sorted((Path(__file__).parents[2] / "templates/programs").glob("*.toml"))
ODD = '''\
# a comment [not.a.section]
title = "a = b # no comment ] [ \\" ' \\\\"   # one
'lite ral' = 'C:\\'
"quo ted".inner = """two
lines with "quotes" and \\"\\"\\" in them""""
raw = \'\'\'
[not.one]
key = 1\'\'\'
day = 1979-05-27 07:32:00
number = -1_000.5e3
empty = []
nothing = {}
nested = [ [1, 2], # here
  ["a, b", { x = 1, y = ["z"] }],
]

[ a . "b c" ]   # spaces
inner = true

[[list.of]]
[[list.of]]
name = "second"
[list.of.sub]
deep.er = 1
[[list.of.sub.more]]
x = 1'''


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    entries: Any = ()
    if isinstance(value, dict):
        entries = value.items()
    if isinstance(value, list):
        entries = enumerate(value)
    for key, inner in entries:
        yield from paths(inner, (*path, key))


@pytest.mark.parametrize(
    "text",
    [example(), ODD, *(path.read_text(encoding="utf-8") for path in PROGRAMS)],
    ids=["example", "odd", *(path.stem for path in PROGRAMS)],
)
def test_everything_that_toml_holds_has_a_line_and_nothing_else(text: str) -> None:
    assert set(positions(text)) == set(paths(tomllib.loads(text)))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("lite ral",), 3),
        (("quo ted", "inner"), 4),
        (("raw",), 6),
        (("day",), 9),
        (("nested",), 13),
        (("nested", 0, 1), 13),
        (("nested", 1, 1, "y", 0), 14),
        (("a",), 17),
        (("a", "b c", "inner"), 18),
        (("list", "of", 0), 20),
        (("list", "of", 1, "name"), 22),
        (("list", "of", 1, "sub", "deep", "er"), 24),
        (("list", "of", 1, "sub", "more", 0, "x"), 26),
    ],
)
def test_lines(path: tuple[str | int, ...], line: int) -> None:
    assert positions(ODD)[path] == line


def test_an_empty_text_and_one_of_another_system() -> None:
    assert positions("") == {}
    assert positions("# only this") == {}
    assert positions("a = 1\r\n[b]\r\nc = 2\r\n")[("b", "c")] == 3
