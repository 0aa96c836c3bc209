"""What commands print: tables and progress for people, JSON with stable keys for machines."""

from __future__ import annotations

import json
import logging
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import click
import structlog
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

# Progress lines of a job that runs without a terminal (cron, a log) come no more often than this.
QUIET_PROGRESS_S = 10.0


def set_up_logs(style: str, level: str) -> None:
    """Send log lines to standard error; ``style`` is text or json."""
    renderer: Any = structlog.processors.JSONRenderer(ensure_ascii=False)
    if style == "text":
        renderer = structlog.processors.LogfmtRenderer(key_order=["level", "event"])
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )


def console(*, errors: bool = False) -> Console:
    """Return a console on standard output or error, which honours NO_COLOR and pipes."""
    return Console(stderr=errors, highlight=False, soft_wrap=not sys.stdout.isatty())


def show_json(value: object) -> None:
    """Print a value as JSON; Decimals as text, so that no digit is lost."""
    click.echo(json.dumps(value, default=plain_value, ensure_ascii=False, indent=2))


def plain_value(value: object) -> object:
    """Return what JSON can hold: Decimals as text, moments and days in ISO form."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    return str(value)


def show_table(
    headings: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[int] = ()
) -> None:
    """Print a table; ``right`` names the columns that are aligned on the right."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, heading in enumerate(headings):
        justify: Any = "right" if index in right else "left"
        table.add_column(heading, justify=justify, no_wrap=index in right, overflow="fold")
    for row in rows:
        # Text, not markup: a customer may be called [bold].
        table.add_row(*(Text("" if cell is None else clean(str(cell))) for cell in row))
    console().print(table)


def show_pairs(pairs: Mapping[str, object]) -> None:
    """Print names and values, one pair a line."""
    width = max((len(name) for name in pairs), default=0)
    for name, value in pairs.items():
        click.echo(f"{name:<{width}}  {value}")


@contextmanager
def progress(
    title: str, total: int | None, *, shown: bool = True
) -> Iterator[Callable[[int], None]]:
    """Show progress on standard error; yields a function that takes the count so far."""
    out = console(errors=True)
    if not shown:
        yield lambda _done: None
    elif out.is_terminal:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=out, transient=True) as bar:
            task = bar.add_task(title, total=total)
            yield lambda done: bar.update(task, completed=done)
    else:
        yield _lines(title, total)


def _lines(title: str, total: int | None) -> Callable[[int], None]:
    last = time.monotonic()

    def tell(done: int) -> None:
        nonlocal last
        if time.monotonic() - last >= QUIET_PROGRESS_S:
            last = time.monotonic()
            of_all = f" of {total}" if total else ""
            click.echo(f"{title}: {done}{of_all}", err=True)

    return tell


def show_item(text: str, *, indent: int, mark: str = "-") -> None:
    """Print a sentence as an item of a list, wrapped where there is a terminal."""
    before = indent + len(click.unstyle(mark)) + 1
    width = max(shutil.get_terminal_size().columns - before, 20)
    first, *others = textwrap.wrap(clean(text), width, break_on_hyphens=False) or [""]
    click.echo(f"{' ' * indent}{mark} {first}")
    for line in others:
        click.echo(f"{' ' * before}{line}")


def show_wrapped(text: str, *, indent: int) -> None:
    """Print a sentence, wrapped where there is a terminal."""
    width = max(shutil.get_terminal_size().columns - indent, 20)
    for line in textwrap.wrap(clean(text), width, break_on_hyphens=False):
        click.echo(f"{' ' * indent}{line}")


def clean(text: str) -> str:
    """Make one line of what can be seen: a name from outside must not command the terminal."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(shown.split())


def points_text(points: Decimal, *, signed: bool = False) -> str:
    """Write points for the terminal, with a sign where they are a movement."""
    return f"{points:+}" if signed and points else f"{points}"
