"""batches, undo, transfer, merge, opening: what is done to accounts at once, and taken back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import click

from commands import terminal
from commands.accounts import customer_text, find_customer, points_text
from commands.house import Doors, House
from commands.options import json_option, pass_house, program_option, source_option
from commands.rewards import POINTS_MAX, Points, checked_reason, checked_units
from commands.standing import today_of
from connectors import opening_csv
from connectors.opening_csv import Problem
from dolisync.errors import ConfigError, NotFound, UserError
from dolisync.ledger import batches as box
from dolisync.ledger.batches import Batch
from dolisync.ledger.engine import reading
from dolisync.model import Customer, CustomerKey
from dolisync.program.calendar import last_day_of_use
from dolisync.program.terms import Program, Shortfall
from dolisync.sync import merge_by_hand as merging
from dolisync.sync import opening as openings
from dolisync.sync import transfer as transfers
from dolisync.sync.changes import Change
from dolisync.sync.opening import Opening, OpeningList

CHANGES_SHOWN_MAX = 20


# --- batches -------------------------------------------------------------------------------------


@click.command()
@json_option
@pass_house
def batches(house: House, *, as_json: bool) -> None:
    """List what was done at once and can be undone.

    The newest stands first. Points are what members have gained by it and still keep of it.

    \b
    Example:
      dolisync batches
      dolisync undo B-7KQ2M9
    """
    with reading(house.engine) as connection:
        found, gains = box.listed(connection), box.gains(connection)
    if as_json:
        shown = [
            {**batch_json(batch), "points": _gains_json(house, gains.get(batch.id, {}))}
            for batch in found
        ]
        terminal.show_json({"batches": shown})
    elif not found:
        click.echo("nothing was done at once so far")
    else:
        rows = [
            (
                batch.token,
                f"{batch.created_at:%Y-%m-%d %H:%M}",
                batch.state,
                _gains_text(house, gains.get(batch.id, {})),
                batch.title,
            )
            for batch in found
        ]
        headings = ("Batch", "When (UTC)", "State", "Points", "What")
        terminal.show_table(headings, rows, right=(3,))


def _gains_json(house: House, gains: Mapping[str, int]) -> dict[str, Decimal]:
    programs = house.programs
    return {name: programs[name].points_of(u) for name, u in gains.items() if name in programs}


def _gains_text(house: House, gains: Mapping[str, int]) -> str:
    """Write points by program; without their names where there is only one program."""
    programs = house.programs
    parts = [
        (name, points_text(programs[name], units, signed=True))
        for name, units in gains.items()
        if name in programs
    ]
    return ", ".join(points if len(programs) == 1 else f"{name} {points}" for name, points in parts)


def batch_json(batch: Batch) -> dict[str, object]:
    """Say what a batch is, with stable keys."""
    return {
        "batch": batch.token,
        "kind": batch.kind,
        "title": batch.title,
        "state": batch.state,
        "made_at": batch.created_at,
        "undone_at": batch.undone_at,
    }


# --- changes -------------------------------------------------------------------------------------


def show_changes(changes: Sequence[Change]) -> None:
    """List what accounts gain and lose; of many, those that lack something first."""
    ordered = sorted(changes, key=lambda change: -change.lacking)
    for change in ordered[:CHANGES_SHOWN_MAX]:
        terminal.show_item(_change_text(change), indent=2)
    if len(changes) > CHANGES_SHOWN_MAX:
        click.echo(f"  ... and {len(changes) - CHANGES_SHOWN_MAX} more")
    for program in {change.program.name: change.program for change in changes}.values():
        mine = [change for change in changes if change.program.name == program.name]
        click.echo(f"  {_sum_text(program, mine)}")


def _change_text(change: Change) -> str:
    points = points_text(change.program, change.units, signed=True)
    text = f"customer {change.customer.rowid}: {points} points"
    worth = change.program.value_of_point
    if worth is not None:
        text += f", worth {change.program.points_of(change.units) * worth:+.2f}"
    if not change.lacking:
        return text
    fate = "are forgiven"
    if change.program.returns.shortfall is Shortfall.DEBT:
        fate = "become debt"
    return f"{text}; {points_text(change.program, change.lacking)} of them are spent and {fate}"


def _sum_text(program: Program, changes: Sequence[Change]) -> str:
    given = sum(change.units for change in changes if change.units > 0)
    taken = -sum(change.units for change in changes if change.units < 0)
    text = f"{program.name}: +{points_text(program, given)} -{points_text(program, taken)} points"
    worth = program.value_of_point
    if worth is None or given == taken:
        return text
    money = program.points_of(given - taken) * worth
    return f"{text}, worth {money:+.2f}"


def change_json(change: Change) -> dict[str, object]:
    """Say what an account gains or loses, with stable keys."""
    return {
        "program": change.program.name,
        "source": change.customer.source,
        "customer": change.customer.rowid,
        "points": change.program.points_of(change.units),
        "lacking": change.program.points_of(change.lacking),
    }


# --- transfer ------------------------------------------------------------------------------------


@click.command()
@click.argument("giver")
@click.argument("taker")
@click.argument("points", type=Points())
@click.option("--reason", required=True, help="Why; it stands in both histories.")
@program_option
@source_option
@json_option
@pass_house
def transfer(
    house: House,
    giver: str,
    taker: str,
    points: Decimal,
    reason: str,
    program_name: str | None,
    source_name: str | None,
    *,
    as_json: bool,
) -> None:
    """Give points of one member to another.

    Those that end soonest go first, and keep their dates. GIVER and TAKER are ids, card numbers,
    customer codes or e-mail addresses.

    \b
    Example:
      dolisync transfer 42 57 100 --reason "one card for the family"
    """
    program, doors = house.pick_program(program_name), house.pick_source(source_name)
    if points < 0:
        message = "points that are given are above zero"
        raise UserError(message, "name the giver first, then who takes them")
    people = [find_customer(house, doors, text, program) for text in (giver, taker)]
    for person in people:
        refuse_anonymous(doors, person.key)
    wish = transfers.Wish(
        program,
        people[0].key,
        people[1].key,
        checked_units(program, points),
        checked_reason(reason),
    )
    batch = transfers.transfer(
        house.engine, house.clock, wish, token=box.new_token(), showing=house.showing
    )
    if as_json:
        terminal.show_json(batch_json(batch))
        return
    given = points_text(program, wish.units)
    click.echo(f"{given} points went from {customer_text(people[0])} to {customer_text(people[1])}")
    click.echo(f"  to take it back: dolisync undo {batch.token}")


# --- merge ---------------------------------------------------------------------------------------


@click.command()
@click.argument("old")
@click.argument("into")
@click.option("--reason", required=True, help="Why; it stands in the history.")
@click.option("--yes", is_flag=True, help="Do not ask after the plan.")
@source_option
@json_option
@pass_house
def merge(
    house: House,
    old: str,
    into: str,
    reason: str,
    source_name: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Give a customer's whole account to another.

    Customers merged in Dolibarr are recognised by their sales. One who had none is merged here: OLD
    is the id of the one who goes, INTO the one who stays.

    \b
    Example:
      dolisync merge 42 57 --reason "merged in Dolibarr, had no sales"
    """
    doors = house.pick_source(source_name)
    gone, stays = _known_customer(house, doors, old), house.find_customer(doors, into)
    refuse_anonymous(doors, stays.key)
    reason = checked_reason(reason)
    changes = merging.plan(house.engine, house.clock, house.rules, gone.key, stays.key)
    if not as_json:
        click.echo(f"Plan: merge {customer_text(gone)} into {customer_text(stays)}.")
        show_changes(changes)
        if gone.name:
            terminal.show_item(
                f"customer {gone.key.rowid} is still in Dolibarr: new sales open a new account",
                indent=2,
            )
        if not yes:
            click.confirm("Go on?", abort=True)
    batch = merging.merge_by_hand(
        house.engine,
        house.clock,
        house.rules,
        gone.key,
        stays.key,
        token=box.new_token(),
        reason=reason,
    )
    if as_json:
        terminal.show_json({**batch_json(batch), "changes": [change_json(c) for c in changes]})
    else:
        click.echo(f"Merged. To take it back: dolisync undo {batch.token}")


def _known_customer(house: House, doors: Doors, text: str) -> Customer:
    """Find the customer who goes: mostly Dolibarr knows him no more, and only the id is left."""
    try:
        return house.find_customer(doors, text)
    except NotFound:
        if not text.isdecimal():
            raise
        return Customer(CustomerKey(doors.source.name, doors.source.entity, int(text)), "")


# --- opening balances ----------------------------------------------------------------------------


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask after the plan.")
@click.option("--plan", "plan_only", is_flag=True, help="Show the plan and stop.")
@program_option
@source_option
@json_option
@pass_house
def opening(
    house: House,
    file: Path,
    program_name: str | None,
    source_name: str | None,
    *,
    yes: bool,
    plan_only: bool,
    as_json: bool,
) -> None:
    """Book opening balances from a CSV file.

    Members begin with the points that they bring from an earlier system. Columns: customer (id,
    card number, code or e-mail), points, and if wanted expires_on (2027-01-31) and reason. Without
    a day, points live as if they were earned today.

    \b
    Example:
      dolisync opening old-cards.csv
    """
    program, doors = house.pick_program(program_name), house.pick_source(source_name)
    wanted = _opening_list(house, doors, program, file, quiet=as_json)
    with reading(house.engine) as connection:
        begun = openings.unfinished(connection, wanted)
        fresh = openings.new_members(connection, wanted, house.clock.now())
    if not as_json:
        _show_opening(house, wanted, fresh, begun)
    if plan_only:
        if as_json:
            terminal.show_json(_opening_json(wanted, fresh))
        return
    if not (yes or as_json):
        click.confirm("Go on?", abort=True)
    with terminal.progress("booking", len(wanted.openings), shown=not as_json) as tell:
        batch = openings.run(
            house.engine,
            house.clock,
            wanted,
            token=box.new_token(),
            showing=doors.showing(),
            progress=tell,
        )
    if as_json:
        terminal.show_json({**_opening_json(wanted, fresh), **batch_json(batch)})
    else:
        click.echo(f"Booked. To take it back: dolisync undo {batch.token}")


def _opening_list(
    house: House, doors: Doors, program: Program, file: Path, *, quiet: bool
) -> OpeningList:
    """Read the file and find its customers. Raises ``ConfigError`` with everything wrong in it."""
    read = opening_csv.read(file)
    found, problems = [], list(read.problems)
    with terminal.progress("finding customers", len(read.rows), shown=not quiet) as tell:
        for done, row in enumerate(read.rows, start=1):
            try:
                found.append(_opening(house, doors, program, row, read.name))
            except UserError as error:
                problems.append(Problem(row.line, str(error)))
            tell(done)
    problems += _twice(found)
    if problems:
        ordered = sorted(problems, key=lambda problem: problem.line)
        message = f"{read.name} cannot be booked as it is"
        remedy = "mend these lines; nothing was booked"
        raise ConfigError(message, [str(problem) for problem in ordered], remedy)
    return OpeningList(program, read.name, read.digest, tuple(found))


def _opening(
    house: House, doors: Doors, program: Program, row: opening_csv.OpeningRow, name: str
) -> Opening:
    if row.points > POINTS_MAX:
        message = f"{row.points} is more than {POINTS_MAX}"
        raise UserError(message)
    units = checked_units(program, row.points)
    if row.expires_on is not None and row.expires_on < today_of(house, program):
        message = f"its points ended on {row.expires_on}"
        raise UserError(message)
    customer = house.find_customer(doors, row.customer)
    refuse_anonymous(doors, customer.key)
    reason = checked_reason(row.reason) if row.reason else f"opening balance, {name}"
    return Opening(row.line, customer.key, units, row.expires_on, reason)


def refuse_anonymous(doors: Doors, customer: CustomerKey) -> None:
    """Raise ``UserError`` for the till's default customer: he is nobody in particular."""
    if customer.rowid in doors.source.pos_customers:
        message = f"customer {customer.rowid} is the till's default customer, who takes no part"
        raise UserError(message, "name the customer himself")


def _twice(found: Sequence[Opening]) -> Iterator[Problem]:
    lines: dict[CustomerKey, int] = {}
    for one in found:
        if one.customer in lines:
            first = lines[one.customer]
            text = f"customer {one.customer.rowid} stands in line {first} already"
            yield Problem(one.line, text)
        lines.setdefault(one.customer, one.line)


@dataclass(frozen=True)
class _Ends:
    """When the points of a list end."""

    by_day: int
    like_earned: int
    last_day: date | None


def _ends(house: House, wanted: OpeningList) -> _Ends:
    by_day = sum(one.expires_on is not None for one in wanted.openings)
    last_day = last_day_of_use(wanted.program.validity, today_of(house, wanted.program))
    return _Ends(by_day, len(wanted.openings) - by_day, last_day)


def _show_opening(house: House, wanted: OpeningList, fresh: int, begun: Batch | None) -> None:
    program, members = wanted.program, len(wanted.openings)
    points = points_text(program, wanted.units)
    click.echo(f"Plan: {points} points for {_members_text(members)} of '{program.name}'.")
    worth = program.value_of_point
    if worth is not None:
        click.echo(f"  They are worth {program.points_of(wanted.units) * worth:.2f}.")
    click.echo(f"  New members: {fresh}; with an account already: {members - fresh}.")
    ends = _ends(house, wanted)
    if ends.like_earned:
        until = f"end on {ends.last_day}" if ends.last_day else "never end"
        whose = _members_text(ends.like_earned)
        click.echo(f"  Points of {whose} {until}, by the program's validity.")
    if ends.by_day:
        click.echo(f"  Points of {_members_text(ends.by_day)} end on the day in the file.")
    if begun is not None:
        click.echo(f"  {begun.token} was begun with this file and stopped: it goes on.")


def _members_text(count: int) -> str:
    return "1 member" if count == 1 else f"{count} members"


def _opening_json(wanted: OpeningList, fresh: int) -> dict[str, object]:
    return {
        "program": wanted.program.name,
        "members": len(wanted.openings),
        "new_members": fresh,
        "points": wanted.program.points_of(wanted.units),
    }
