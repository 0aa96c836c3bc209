"""docs/commands.md, written from the commands' own help."""

from __future__ import annotations

from collections.abc import Iterator

import click

from cli import main

WIDTH = 80
INTRODUCTION = """\
# Commands

What `dolisync --help` says of each command; this page is written from it. Exit codes: 0 done;
1 it did not work, or something is broken; 2 you can mend it: the message says how. What machines
read (`--json`) goes to standard output and keeps its keys; complaints and progress go to standard
error.
"""


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Walk over all commands with their full names, groups before what is in them."""
    settings = main.context_settings
    context = click.Context(main, info_name="dolisync", terminal_width=WIDTH, **settings)
    yield from _walk(main, context)


def _walk(
    command: click.Command, context: click.Context
) -> Iterator[tuple[str, click.Command, click.Context]]:
    yield context.command_path, command, context
    if isinstance(command, click.Group):
        for name, inner in sorted(command.commands.items()):
            within = click.Context(inner, parent=context, info_name=name, terminal_width=WIDTH)
            yield from _walk(inner, within)


def document() -> str:
    """Return docs/commands.md."""
    sections = [
        f"## {name}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"
        for name, command, context in commands()
    ]
    return "\n".join([INTRODUCTION, *sections])
