"""tiers: set a tier by hand for many members at once, or release it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import click

from commands import terminal
from commands.batches import batch_json, refuse_anonymous
from commands.house import Doors, House
from commands.options import Day, json_option, pass_house, program_option, source_option
from commands.rewards import Points, checked_reason
from commands.tiers import made_by, setting_of
from dolisync.errors import NotFound, UserError
from dolisync.ledger.batches import new_token
from dolisync.model import CustomerKey
from dolisync.program.terms import Program
from dolisync.sync import tier_batches
from dolisync.sync.tier_batches import Choice, Plan, Wanted

SHOWN_MAX = 20
NO_TIER = "none"
F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def tiers() -> None:
    """Set tiers by hand for many members at once, or release them.

    \b
    Example:
      dolisync tiers assign gold --balance-from 1000 --reason "anniversary"
      dolisync tiers release --tag "Summer guests" --reason "season is over"
    """


def _choosing(command: F) -> F:
    """Add the options that say who is meant."""
    options = (
        click.option("--held", metavar="TIER", help="Who holds this tier today; none for none."),
        click.option("--tag", metavar="LABEL", help="Who bears this customer tag in Dolibarr."),
        click.option("--balance-from", type=Points(), help="Who has at least so many points."),
        click.option("--no-sale-since", type=Day(), help="Who bought nothing from this day on."),
        click.option(
            "--file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Who stands in this file: an id, card number, code or e-mail on each line.",
        ),
        click.option("--everyone", is_flag=True, help="All members, where nothing else is said."),
        click.option("--reason", required=True, help="Why; it stands in each history."),
        click.option("--yes", is_flag=True, help="Do not ask after the plan."),
        click.option("--plan", "plan_only", is_flag=True, help="Show the plan and stop."),
    )
    command = program_option(source_option(json_option(command)))
    for option in reversed(options):
        command = option(command)
    return command


@tiers.command()
@click.argument("name", metavar="TIER")
@click.option("--lock", is_flag=True, help="Neither sales nor reviews change it.")
@click.option("--until", type=Day(), help="Its last day; then sales and reviews judge again.")
@_choosing
@pass_house
def assign(house: House, /, name: str, until: date | None, *, lock: bool, **asked: Any) -> None:
    """Set a tier for all members who fit, from today on.

    Who fits each of the options is meant. Without --lock sales may still raise it and the next
    review judges it; those who hold as much already are left alone.

    \b
    Example:
      dolisync tiers assign gold --held silver --reason "anniversary"
      dolisync tiers assign silver --file guests.txt --lock --reason "fair"
    """
    program = house.pick_program(asked["program_name"])
    if program.tier_named(name) is None:
        known = ", ".join(tier.name for tier in program.ranks) or "none"
        message = f"program '{program.name}' has no tier '{name}'"
        raise UserError(message, f"its tiers: {known}")
    setting = setting_of(house, program, name, until, lock=lock, release=False)
    _run(house, Wanted(program, setting, made_by(), checked_reason(asked["reason"])), asked)


@tiers.command()
@_choosing
@pass_house
def release(house: House, /, **asked: Any) -> None:
    """End what was set by hand for all members who fit.

    They hold the tier that their sales reach, from today on.

    \b
    Example:
      dolisync tiers release --no-sale-since 2026-01-01 --reason "clearing up"
    """
    program = house.pick_program(asked["program_name"])
    setting = setting_of(house, program, None, None, lock=False, release=True)
    _run(house, Wanted(program, setting, made_by(), checked_reason(asked["reason"])), asked)


def _run(house: House, wanted: Wanted, asked: dict[str, Any]) -> None:
    """Choose, show the plan, ask, and do it."""
    as_json, doors = asked["as_json"], house.pick_source(asked["source_name"])
    choice = _choice(house, doors, wanted.program, asked)
    with terminal.progress("choosing", None, shown=not as_json) as tell:
        planned = tier_batches.plan(house.engine, wanted, choice, tell)
    if not as_json:
        _show(planned)
    if asked["plan_only"] or not planned.chosen:
        if as_json:
            terminal.show_json(_json(planned))
        return
    if not (asked["yes"] or as_json):
        click.confirm("Go on?", abort=True)
    with terminal.progress("setting", len(planned.chosen), shown=not as_json) as tell:
        batch = tier_batches.assign(
            house.engine, house.clock, house.rules, planned, token=new_token(), progress=tell
        )
    if as_json:
        terminal.show_json({**_json(planned), **batch_json(batch)})
    else:
        click.echo(f"Done. To take it back: dolisync undo {batch.token}")


def _choice(house: House, doors: Doors, program: Program, asked: dict[str, Any]) -> Choice:
    """Read who is meant. Raises ``UserError`` where nothing is said, or not everything fits."""
    names = ("held", "tag", "balance_from", "no_sale_since", "file")
    given = [name for name in names if asked[name] is not None]
    if bool(given) == asked["everyone"]:
        message = "it is not said who is meant" if not given else "--everyone leaves nobody out"
        raise UserError(message, "choose by --held, --tag, --balance-from ..., or add --everyone")
    source = doors.source
    return Choice(
        source.name,
        source.entity,
        _held(program, asked["held"]),
        _units(program, asked["balance_from"]),
        asked["no_sale_since"],
        _customers(house, doors, asked["tag"], asked["file"]),
    )


def _held(program: Program, name: str | None) -> str | None:
    if name is None or program.tier_named(name) is not None:
        return name
    if name == NO_TIER:
        return ""
    known = ", ".join(tier.name for tier in program.ranks)
    message = f"program '{program.name}' has no tier '{name}'"
    raise UserError(message, f"name one of: {known}, {NO_TIER}")


def _units(program: Program, points: Decimal | None) -> int | None:
    return None if points is None else program.units(points)


def _customers(
    house: House, doors: Doors, tag: str | None, file: Path | None
) -> frozenset[CustomerKey] | None:
    """Return whom a tag and a file name, ``None`` where neither is asked for."""
    found = []
    if tag is not None:
        found.append(_tagged(doors, tag))
    if file is not None:
        found.append(_listed(house, doors, file))
    if not found:
        return None
    left_out = {
        CustomerKey(doors.source.name, doors.source.entity, rowid)
        for rowid in doors.source.pos_customers
    }
    return frozenset.intersection(*found) - left_out


def _tagged(doors: Doors, label: str) -> frozenset[CustomerKey]:
    tagged = doors.tags_by(doors.source.reads_by[0]).tagged([label])
    if label not in tagged.known:
        message = f"Dolibarr has no customer tag '{label}'"
        raise UserError(message, "its labels are case-sensitive here: look under Tags/Categories")
    source = doors.source
    return frozenset(CustomerKey(source.name, source.entity, who) for who in tagged.by_customer)


def _listed(house: House, doors: Doors, file: Path) -> frozenset[CustomerKey]:
    """Find the customers of a file. Raises ``UserError`` for the first line that names nobody."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        message = f"{file.name} is no text in UTF-8"
        raise UserError(message, "save it as UTF-8, one customer on each line") from None
    found = set()
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text:
            try:
                customer = house.find_customer(doors, text).key
            except NotFound:
                message = f"{file.name}, line {number}: no customer '{terminal.clean(text)}'"
                raise UserError(message, "mend that line, or leave it out") from None
            refuse_anonymous(doors, customer)
            found.add(customer)
    return frozenset(found)


def _show(planned: Plan) -> None:
    wanted, setting = planned.wanted, planned.wanted.setting
    tier = wanted.program.tier_named(setting.tier)
    what = f"{tier.title}{', locked' if setting.is_locked else ''}" if tier else "release the tiers"
    until = f" until {date.fromordinal(setting.until)}" if setting.until is not None else ""
    members = "1 member" if len(planned.chosen) == 1 else f"{len(planned.chosen)} members"
    click.echo(f"Plan: {what}{until}, for {members} of '{wanted.program.name}'.")
    for customer, held in planned.chosen[:SHOWN_MAX]:
        now = held.tier.title if held.tier else "no tier"
        terminal.show_item(f"customer {customer.rowid}: {now} today", indent=2)
    if len(planned.chosen) > SHOWN_MAX:
        click.echo(f"  ... and {len(planned.chosen) - SHOWN_MAX} more")
    if planned.unchanged:
        click.echo(f"  For {planned.unchanged} more who fit, nothing would change.")
    if not planned.chosen:
        click.echo("  So there is nothing to do.")
    elif tier:
        click.echo("  What they bought today earns in it too.")


def _json(planned: Plan) -> dict[str, object]:
    setting = planned.wanted.setting
    until = None if setting.until is None else date.fromordinal(setting.until)
    return {
        "program": planned.wanted.program.name,
        "tier": setting.tier or None,
        "locked": setting.is_locked,
        "until": until,
        "unchanged": planned.unchanged,
        "members": [
            {"source": who.source, "customer": who.rowid, "held": held.name or None}
            for who, held in planned.chosen
        ],
    }
