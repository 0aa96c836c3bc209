"""liability: what the outstanding points would cost, today or at the end of any past day."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import click

from commands import terminal
from commands.house import House
from commands.options import json_option, pass_house
from dolisync.errors import UserError
from dolisync.ledger.engine import reading
from dolisync.ledger.past import LATER_DAYS, SOON_DAYS, Standing, standing
from dolisync.program.terms import Program

DAY = click.DateTime(formats=["%Y-%m-%d"])


def today_of(house: House, program: Program) -> date:
    """Return the shop's present day."""
    return house.clock.now().astimezone(program.zone).date()


def day_asked(house: House, program: Program, asked: datetime | None) -> date:
    """Return the day asked for, today without one. Raises ``UserError`` for days to come."""
    today = today_of(house, program)
    if asked is None:
        return today
    if asked.date() > today:
        message = f"{asked.date()} has not been yet"
        raise UserError(message, "ask for today or a day before")
    return asked.date()


def worth(program: Program, units: int) -> Decimal | None:
    """Return what points are worth in money, ``None`` where nothing says so."""
    each = program.value_of_point
    return None if each is None else (program.points_of(units) * each).quantize(Decimal("0.01"))


@click.command()
@click.option("--on", "asked", type=DAY, help="The end of this day; today if left out.")
@click.option("--program", "name", help="Only this program.")
@json_option
@pass_house
def liability(house: House, asked: datetime | None, name: str | None, *, as_json: bool) -> None:
    """Say what the outstanding points would cost.

    Points that may still be spent, those that wait, what members owe, what ends soon; at the end
    of any day, by the days of the movements.

    \b
    Example:
      dolisync liability --on 2026-06-30
    """
    programs = [house.pick_program(name)] if name else list(house.programs.values())
    found = []
    with reading(house.engine) as connection:
        for program in programs:
            day = day_asked(house, program, asked)
            found.append(
                (program, standing(connection, program.name, day, today_of(house, program)))
            )
    if as_json:
        terminal.show_json({"programs": [standing_json(*entry) for entry in found]})
        return
    for number, (program, entry) in enumerate(found):
        click.echo(("\n" if number else "") + f"{program.title}, at the end of {entry.day}\n")
        show_standing(program, entry)


def standing_json(program: Program, entry: Standing) -> dict[str, object]:
    """Write a standing with stable keys."""
    points = program.points_of
    return {
        "program": program.name,
        "day": entry.day,
        "members": entry.members,
        "outstanding": points(entry.outstanding),
        "usable": points(entry.usable),
        "waiting": points(entry.waiting),
        "debt": points(entry.debt),
        "balance": points(entry.balance),
        "expiring_30_days": points(entry.expiring_soon),
        "expiring_90_days": points(entry.expiring_later),
        "value": worth(program, entry.outstanding),
    }


def show_standing(program: Program, entry: Standing) -> None:
    """Write a standing as lines of a terminal."""

    def text(units: int) -> str:
        return f"{program.points_of(units):.{program.decimals}f}"

    pairs = {
        "Members": str(entry.members),
        "Outstanding": text(entry.outstanding),
        "of these usable": text(entry.usable),
        "of these waiting": text(entry.waiting),
        "Owed by members": text(entry.debt),
        f"Ending within {SOON_DAYS} days": text(entry.expiring_soon),
        f"Ending within {LATER_DAYS} days": text(entry.expiring_later),
    }
    value = worth(program, entry.outstanding)
    if value is not None:
        pairs["Liability"] = f"{value}"
    width = max(len(figure) for figure in pairs.values())
    terminal.show_pairs({name: f"{figure:>{width}}" for name, figure in pairs.items()})
