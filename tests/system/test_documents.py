"""Documents that are written from the program cannot go stale: each must be what it would be now.

UPDATE_GENERATED=1 writes them anew.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from dolisync.config import parse
from dolisync.example import Option, chapters, documentation, example, walk
from tests.system import reference
from tests.unit import shop_programs

ROOT = Path(__file__).parents[2]
GENERATED = {
    "config.example.toml": example,
    "docs/configuration.md": documentation,
    "docs/commands.md": reference.document,
    "docs/programs/README.md": shop_programs.page,
}
COMMANDS = list(reference.commands())
NAMES = [name for name, _, _ in COMMANDS]
# A line that is commented out but would be in force without its mark.
OFF = re.compile(r"^#(?=[\w\[])", re.MULTILINE)


@pytest.mark.parametrize("name", GENERATED)
def test_generated_file_is_what_the_program_says(name: str) -> None:
    path, text = ROOT / name, GENERATED[name]()
    if os.environ.get("UPDATE_GENERATED") == "1":
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, "run this test with UPDATE_GENERATED=1"


# --- config.example.toml -------------------------------------------------------------------------


def options() -> Iterator[Option]:
    for chapter in walk(chapters()):
        yield from chapter.options


def test_example_holds_as_it_stands() -> None:
    settings = parse(example())
    assert settings.program[0].earn.amount is not None
    assert settings.program[0].reward


# A reward is one thing: these lines are in force for each kind of it.
KINDS = {"amount": ("amount",), "percent": ("percent", "at_most"), "product": ("product",)}


def one_kind(lines: list[str], kind: str) -> list[str]:
    """Put the lines of one kind of reward into force, and no other kind's."""
    begin = next(n for n, line in enumerate(lines) if line.endswith("[[program.reward]]"))
    end = next(n for n in range(begin + 1, len(lines)) if re.match(r"#?\[", lines[n]))
    of_kinds = {key for keys in KINDS.values() for key in keys}
    found = list(lines)
    for number in range(begin, end):
        bare = lines[number].removeprefix("#")
        key = bare.partition(" = ")[0]
        if key in of_kinds:
            found[number] = bare if key in KINDS[kind] else f"#{bare}"
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_example_holds_with_everything_in_force(kind: str) -> None:
    settings = parse("\n".join(one_kind(OFF.sub("", example()).splitlines(), kind)))
    assert settings.program[0].reward[0].is_on_card is (kind == "amount")
    assert settings.program[0].earn.visit is not None
    assert settings.source[0].database_url is not None


def lines_that_are_off() -> list[int]:
    return [number for number, line in enumerate(example().splitlines()) if OFF.match(line)]


def sections_around(lines: list[str], header: int) -> list[int]:
    """Find the headers of the lists in which a section stands: without them it has no place."""
    names = lines[header].strip("#[]").split(".")
    outer = {f"[[{'.'.join(names[:length])}]]" for length in range(1, len(names))}
    return [n for n in range(header) if lines[n].removeprefix("#") in outer]


@pytest.mark.parametrize("number", lines_that_are_off())
def test_each_line_can_be_put_into_force(number: int) -> None:
    lines = example().splitlines()
    header = next(n for n in range(number, -1, -1) if re.match(r"#?\[", lines[n]))
    key = OFF.sub("", lines[number]).partition(" = ")[0]
    for place in {number, header, *sections_around(lines, header)}:
        lines[place] = OFF.sub("", lines[place])
    of_reward = lines[header] == "[[program.reward]]"
    kinds = [kind for kind, keys in KINDS.items() if of_reward and key in keys]
    parse("\n".join(one_kind(lines, kinds[0]) if kinds else lines))


def test_every_option_occurs_once_with_its_meaning() -> None:
    text = OFF.sub("", example())
    words = " ".join(line.removeprefix("# ") for line in text.splitlines())
    for option in options():
        *sections, key = option.path.split(".")
        block = text.split(f"[{'.'.join(sections)}]", 1)[1].lstrip("]").split("\n[", 1)[0]
        assert len(re.findall(rf"^{key} = ", block, re.MULTILINE)) == 1, option.path
        assert option.description.split(": ")[0][:40] in words, option.path


def test_example_shows_the_defaults() -> None:
    """What stands commented out is what holds without it, but for what has no default."""
    shown = tomllib.loads(OFF.sub("", example()))
    source = shown["source"][0]
    assert (source["read"], source["page_size"], source["overlap_s"]) == ("auto", 200, 300)
    assert shown["reconcile"] == {"at": "03:30", "max_vanished": 5, "max_vanished_share": 0.02}


def test_every_option_is_documented() -> None:
    text = documentation()
    for option in options():
        assert f"`{option.key}`" in text
        assert option.description, option.path


# --- docs/commands.md ----------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "command", "context"), COMMANDS, ids=NAMES)
def test_each_command_has_help_and_an_example(
    name: str, command: click.Command, context: click.Context
) -> None:
    text = command.get_help(context)
    if name != "dolisync":
        assert "Example:" in text
        assert re.search(rf"^ +dolisync (--config \S+ )?{name[9:]}", text, re.MULTILINE)
    assert max(len(line) for line in text.splitlines()) <= reference.WIDTH
    for option in command.params:
        assert isinstance(option, click.Argument) or option.help, f"{name}: {option.name}"


@pytest.mark.parametrize(("name", "command", "context"), COMMANDS, ids=NAMES)
def test_each_command_is_summed_up_in_one_line(
    name: str, command: click.Command, context: click.Context
) -> None:
    assert not command.get_short_help_str(limit=62).endswith("..."), name
    assert context.info_name


def test_commands_speak_json_where_there_is_something_to_say() -> None:
    silent = {
        *("dolisync run", "dolisync demo", "dolisync config example", "dolisync anchors"),
        "dolisync page-server",
        "dolisync print-server",
        # It speaks nothing else.
        "dolisync privacy export",
    }
    for name, command, _ in COMMANDS:
        if not isinstance(command, click.Group) and name not in silent:
            assert any("--json" in param.opts for param in command.params), name
