"""backfill: history, planned, read and taken back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, TypeVar

import click

from commands import terminal
from commands.accounts import points_text
from commands.house import Doors, House
from commands.options import Day, json_option, pass_house, source_option
from commands.work import tally_json
from dolisync.errors import UserError
from dolisync.ledger import batches as box
from dolisync.program.terms import WAITING_TO_BE, Program
from dolisync.sync import backfill as history
from dolisync.sync.backfill import Month, Outcome, SetAside
from dolisync.sync.turn import recognise

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def backfill() -> None:
    """Plan and read the sales of past days.

    See first what it would post, and take it back if need be. What is booked already is
    recognised, so it can be repeated, and stopped anywhere. It runs beside the daemon.

    \b
    Example:
      dolisync backfill plan --from 2025-01-01
      dolisync backfill run --from 2025-01-01
      dolisync undo B-7KQ2M9
    """


def _days(command: F) -> F:
    to = click.option(
        "--to", "end", type=Day(), help="Last day of sales to read; today if left out."
    )
    start = click.option(
        "--from", "start", type=Day(), required=True, help="First day of sales to read."
    )
    return start(to(command))


@backfill.command()
@_days
@source_option
@json_option
@pass_house
def plan(
    house: House, start: date, end: date | None, source_name: str | None, *, as_json: bool
) -> None:
    """Say what a backfill would post, month by month.

    Nothing is written. It is done on a copy of the ledger, and takes as long as the real one.

    \b
    Example:
      dolisync backfill plan --from 2026-01-01 --to 2026-06-30
    """
    doors, before = _range(house, source_name, start, end)
    outcome = _planned(house, doors, start, before, quiet=as_json)
    if as_json:
        terminal.show_json(_outcome_json(house, start, before, outcome))
        return
    _show_plan(house, doors, start, before, outcome)


@backfill.command()
@_days
@click.option("--yes", is_flag=True, help="Do not plan first, and do not ask.")
@source_option
@json_option
@pass_house
def run(
    house: House,
    start: date,
    end: date | None,
    source_name: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Read the sales of past days, after a plan.

    They are one batch, which can be undone.

    \b
    Example:
      dolisync backfill run --from 2026-01-01 --to 2026-06-30
    """
    doors, before = _range(house, source_name, start, end)
    if not (yes or as_json):
        _show_plan(house, doors, start, before, _planned(house, doors, start, before, quiet=False))
        click.confirm("Go on?", abort=True)
    intake = house.intakes(doors)[0]
    stopped_at = intake.unfinished(start, before)
    if stopped_at and not as_json:
        click.echo(f"Going on after id {stopped_at}, where it was stopped.")
    count = doors.reader.count_between(start, before)
    with terminal.progress("backfill", count, shown=not as_json) as tell:
        outcome = history.run(
            intake, start, before, token=box.new_token(), progress=lambda t: tell(t.read)
        )
    if as_json:
        done = {"batch": outcome.batch.token}
        terminal.show_json({**_outcome_json(house, start, before, outcome), **done})
        return
    show_outcome(house, outcome)
    click.echo(f"To take it back: dolisync undo {outcome.batch.token}")


def _range(
    house: House, source_name: str | None, start: date, end: date | None
) -> tuple[Doors, date]:
    """Return the source, and the day before which to read. Raises ``UserError``."""
    doors = house.pick_source(source_name)
    end = end or house.clock.now().astimezone(house.settings.program[0].zone).date()
    if end < start:
        message = f"--to {end} is before --from {start}"
        raise UserError(message, "give a later day with --to")
    recognise(house.engine, doors.reader)
    return doors, end + timedelta(days=1)


def _planned(house: House, doors: Doors, start: date, before: date, *, quiet: bool) -> Outcome:
    count = doors.reader.count_between(start, before)
    with terminal.progress("planning", count, shown=not quiet) as tell:
        return history.plan(house.intakes(doors)[0], start, before, lambda t: tell(t.read))


def _show_plan(house: House, doors: Doors, start: date, before: date, outcome: Outcome) -> None:
    last = before - timedelta(days=1)
    click.echo(f"Plan: read {outcome.tally.read} sales of {doors.source.name}, {start} to {last}.")
    for program in house.settings.program:
        if program.start > last:
            click.echo(f"  {program.name}: starts on {program.start}; none of them earns.")
        elif program.start > start:
            click.echo(f"  {program.name}: sales before {program.start} earn nothing (start).")
    show_outcome(house, outcome)
    if doors.sink is None:
        click.echo('  Nothing is written to Dolibarr (write = "nothing").')
    else:
        click.echo("  Customer cards and invoices are brought up to date by the next turns.")


def show_outcome(house: House, outcome: Outcome) -> None:
    """Print a table by month, with sums."""
    for program in house.settings.program:
        rows = [_month_row(program, month) for month in outcome.months]
        total = Month("all", outcome.new_sales)
        for month in outcome.months:
            for mine, theirs in ((total.given, month.given), (total.taken, month.taken)):
                mine[program.name] = mine.get(program.name, 0) + theirs.get(program.name, 0)
        heads = (program.name, "new sales", "points given", "taken", "worth")
        terminal.show_table(heads, [*rows, _month_row(program, total)], right=(1, 2, 3, 4))
    click.echo(f"  {outcome.members} members, {outcome.new_members} of them new.")
    known = outcome.tally.read - outcome.new_sales
    click.echo(
        f"  {known} of the sales are known already, {outcome.changed} of them changed since."
    )
    for program in house.settings.program:
        if units := outcome.pending.get(program.name):
            points = points_text(program, units)
            done = WAITING_TO_BE[program.earn.moment].split()[0]
            text = f"{points} points are pending until their sales are {done}."
            click.echo(f"  {program.name}: {text}")


def _month_row(program: Program, month: Month) -> tuple[object, ...]:
    given, taken = month.given.get(program.name, 0), month.taken.get(program.name, 0)
    worth = program.value_of_point
    money = "" if worth is None else f"{program.points_of(given - taken) * worth:.2f}"
    points = [points_text(program, units) for units in (given, taken)]
    return month.name, month.sales, *points, money


def _outcome_json(house: House, start: date, before: date, outcome: Outcome) -> dict[str, object]:
    programs = house.programs.values()
    return {
        "from": start,
        "to": before - timedelta(days=1),
        **tally_json(house.programs, outcome.tally),
        "members": outcome.members,
        "new_members": outcome.new_members,
        "known_changed": outcome.changed,
        "pending": {p.name: p.points_of(outcome.pending.get(p.name, 0)) for p in programs},
        "months": [
            {
                "month": month.name,
                "new_sales": month.sales,
                "given": {p.name: p.points_of(month.given.get(p.name, 0)) for p in programs},
                "taken": {p.name: p.points_of(month.taken.get(p.name, 0)) for p in programs},
            }
            for month in outcome.months
        ],
    }


def show_set_aside(house: House, done: SetAside) -> None:
    """Say what undoing a backfill takes back."""
    click.echo(f"  {done.sales} sales count nothing any more.")
    for program in house.settings.program:
        taken = done.tally.taken.get(program.name, 0) - done.tally.given.get(program.name, 0)
        debt = done.debt.get(program.name, 0)
        text = f"  {program.name}: {points_text(program, taken)} points are taken back"
        worth = program.value_of_point
        if worth is not None:
            text += f", worth {program.points_of(taken) * worth:.2f}"
        click.echo(text + (f"; {points_text(program, debt)} become debt" if debt > 0 else ""))


def set_aside_json(house: House, done: SetAside) -> dict[str, object]:
    """Say what undoing a backfill takes back, with stable keys."""
    return {
        "sales": done.sales,
        "taken": {
            name: program.points_of(done.tally.taken.get(name, 0) - done.tally.given.get(name, 0))
            for name, program in house.programs.items()
        },
        "debt": {
            name: program.points_of(done.debt.get(name, 0))
            for name, program in house.programs.items()
        },
    }
