"""bonus: points without a purchase, to one customer or to a list."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from pathlib import Path

import click

from commands import terminal
from commands.accounts import customer_json, customer_text, find_customer, points_text, view_of
from commands.batches import batch_json, refuse_anonymous
from commands.house import Doors, House
from commands.options import json_option, pass_house, program_option, source_option
from commands.rewards import checked_reason
from commands.standing import today_of
from connectors import opening_csv
from connectors.opening_csv import Problem
from dolisync.errors import ConfigError, UserError
from dolisync.ledger import batches
from dolisync.ledger.engine import reading
from dolisync.model import CustomerKey
from dolisync.program.bonus_terms import BonusTerms
from dolisync.program.terms import Program
from dolisync.sync import bonuses
from dolisync.sync.bonuses import BonusList


@click.command()
@click.argument("name")
@click.argument("customer", required=False)
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Give it to all in this CSV file; its column is called customer.",
)
@click.option("--reason", default="", help="What is to stand in the history beside its title.")
@click.option("--yes", is_flag=True, help="Do not ask after the plan of a list.")
@click.option("--plan", "plan_only", is_flag=True, help="Show the plan of a list and stop.")
@program_option
@source_option
@json_option
@pass_house
def bonus(
    house: House,
    name: str,
    customer: str | None,
    file: Path | None,
    reason: str,
    program_name: str | None,
    source_name: str | None,
    *,
    yes: bool,
    plan_only: bool,
    as_json: bool,
) -> None:
    """Give points without a purchase.

    NAME is a bonus of config.toml, for a review, an event or the like. CUSTOMER is an id, a card
    number, a customer code or an e-mail address; or --file names a list of them. Who had it for
    this occasion does not get it again.

    \b
    Example:
      dolisync bonus review 42
      dolisync bonus open_day --file guests.csv
    """
    program, doors = house.pick_program(program_name), house.pick_source(source_name)
    terms = bonuses.choose_bonus(program, name)
    if (customer is None) == (file is None):
        message = "name a customer, or a list with --file"
        raise UserError(message, "dolisync bonus --help shows both")
    if customer is not None:
        _give_one(house, doors, program, terms, customer, reason, as_json=as_json)
    elif file is not None:
        bonuses.refuse_other_days(terms, today_of(house, program))
        wanted = _list(house, doors, program, terms, file, quiet=as_json)
        _give_list(house, wanted, yes=yes, plan_only=plan_only, as_json=as_json)


def _give_one(
    house: House,
    doors: Doors,
    program: Program,
    terms: BonusTerms,
    customer: str,
    reason: str,
    *,
    as_json: bool,
) -> None:
    found = find_customer(house, doors, customer, program)
    refuse_anonymous(doors, found.key)
    given = bonuses.give_by_hand(
        house.engine,
        house.clock,
        house.rules,
        program,
        terms,
        found.key,
        checked_reason(reason) if reason else "",
        token=secrets.token_hex(12),
    )
    view = view_of(house, program, found.key)
    if as_json:
        terminal.show_json(
            {
                "customer": customer_json(found),
                "program": program.name,
                "bonus": terms.name,
                "given": given,
                "points": terms.points if given else 0,
                "balance": program.points_of(view.balance),
            }
        )
        return
    who = customer_text(found)
    if not given:
        click.echo(f"{who} had '{terms.title}' already; nothing was given.")
    else:
        click.echo(f"{terms.points} points for {who}: {terms.title}")
    click.echo(f"Balance now: {points_text(program, view.balance)}")


def _list(
    house: House, doors: Doors, program: Program, terms: BonusTerms, file: Path, *, quiet: bool
) -> BonusList:
    """Read the file and find its customers. Raises ``ConfigError`` with everything wrong in it."""
    read = opening_csv.read_people(file)
    found: dict[CustomerKey, int] = {}
    problems = list(read.problems)
    with terminal.progress("finding customers", len(read.people), shown=not quiet) as tell:
        for done, (line, text) in enumerate(read.people.items(), start=1):
            try:
                customer = house.find_customer(doors, text).key
                refuse_anonymous(doors, customer)
                _refuse_twice(found, customer)
                found[customer] = line
            except UserError as error:
                problems.append(Problem(line, str(error)))
            tell(done)
    if problems:
        ordered = sorted(problems, key=lambda problem: problem.line)
        message = f"{read.name} cannot be used as it is"
        remedy = "mend these lines; nothing was given"
        raise ConfigError(message, [str(problem) for problem in ordered], remedy)
    return BonusList(program, terms, read.name, read.digest, tuple(found))


def _refuse_twice(found: dict[CustomerKey, int], customer: CustomerKey) -> None:
    if customer in found:
        message = f"customer {customer.rowid} stands in line {found[customer]} already"
        raise UserError(message)


def _give_list(
    house: House, wanted: BonusList, *, yes: bool, plan_only: bool, as_json: bool
) -> None:
    program, today, token = wanted.program, today_of(house, wanted.program), batches.new_token()
    with reading(house.engine) as connection:
        had = bonuses.already_had(connection, wanted, today, token)
    plan = {
        "program": program.name,
        "bonus": wanted.bonus.name,
        "customers": len(wanted.customers),
        "had_it": len(had),
        "points": wanted.bonus.points * (len(wanted.customers) - len(had)),
    }
    if not as_json:
        _show_plan(wanted, had)
    if plan_only:
        if as_json:
            terminal.show_json(plan)
        return
    if not (yes or as_json):
        click.confirm("Go on?", abort=True)
    with terminal.progress("giving", len(wanted.customers), shown=not as_json) as tell:
        batch, given = bonuses.give_list(
            house.engine, house.clock, house.rules, wanted, token=token, progress=tell
        )
    if as_json:
        terminal.show_json({**plan, **batch_json(batch), "given": given})
    else:
        click.echo(f"Given to {given}. To take it back: dolisync undo {batch.token}")


def _show_plan(wanted: BonusList, had: Collection[CustomerKey]) -> None:
    program, bonus = wanted.program, wanted.bonus
    new = len(wanted.customers) - len(had)
    points = bonus.points * new
    whom = "1 customer" if new == 1 else f"{new} customers"
    click.echo(f"Plan: {points} points, {bonus.points} for each of {whom}: {bonus.title}")
    worth = program.value_of_point
    if worth is not None:
        click.echo(f"  They are worth {points * worth:.2f}.")
    if had:
        click.echo(f"  {len(had)} of the list had it already.")
