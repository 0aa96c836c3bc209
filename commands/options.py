"""What all commands share: the house they work in, and options that many of them take."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

import click

from commands.house import House

F = TypeVar("F", bound=Callable[..., Any])

pass_house = click.make_pass_decorator(House)


class Day(click.ParamType[date]):
    """A day written as 2026-01-31."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read the day."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"'{value}' is not a day; write it as 2026-01-31", param, ctx)


def json_option(command: F) -> F:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON with stable keys.")(
        command
    )


def program_option(command: F) -> F:
    """Add --program."""
    return click.option(
        "--program", "program_name", help="Which program, where there are several."
    )(command)


def source_option(command: F) -> F:
    """Add --source."""
    return click.option("--source", "source_name", help="Which source, where there are several.")(
        command
    )
