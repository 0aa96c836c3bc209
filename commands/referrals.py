"""refer, referrals: who recommended whom, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import click

from commands import terminal
from commands.accounts import customer_json, customer_text, find_customer, points_text
from commands.house import Doors, House
from commands.options import json_option, pass_house, program_option, source_option
from commands.standing import today_of
from dolisync.errors import UserError
from dolisync.ledger import referrals as known
from dolisync.ledger.batches import new_token
from dolisync.ledger.engine import reading
from dolisync.ledger.referrals import Referral
from dolisync.model import Customer, CustomerKey
from dolisync.program.terms import Program
from dolisync.sync import recommend
from dolisync.sync.recommend import Standing, Wish

BY_COMMAND = "command"

_SAID = {
    Standing.GIVEN: "points given",
    Standing.WAITING: "waits for a purchase",
    Standing.OVER: "no purchase in time",
    Standing.NOT_NEW: "not a new customer",
    Standing.BEYOND: "only the new customer: the other had as many as he can",
    Standing.LEFT: "only the new customer: the other has left",
    Standing.WITHDRAWN: "taken back",
    Standing.ONESELF: "both became one customer",
    Standing.TWICE: "was recommended before",
    Standing.CIRCLE: "recommended each other",
}


_BROUGHT = (Standing.GIVEN, Standing.BEYOND, Standing.LEFT)


@dataclass(frozen=True)
class Shown:
    """A recommendation, how it stands, and until when a purchase is awaited."""

    referral: Referral
    standing: Standing
    until: date | None

    @property
    def text(self) -> str:
        """How it stands, in words."""
        return f"{_SAID[self.standing]}{f' until {self.until}' if self.until else ''}"


@click.command()
@click.argument("new")
@click.argument("by", required=False)
@click.option("--none", "is_none", is_flag=True, help="Take back that NEW was recommended.")
@program_option
@source_option
@json_option
@pass_house
def refer(
    house: House,
    new: str,
    by: str | None,
    program_name: str | None,
    source_name: str | None,
    *,
    is_none: bool,
    as_json: bool,
) -> None:
    """Note who recommended a new customer.

    NEW was recommended by BY; both are ids, card numbers, customer codes or e-mail addresses. Both
    have their points with NEW's first purchase. Without BY it says how NEW stands.

    \b
    Example:
      dolisync refer 57 42
      dolisync refer 57 2000000000015
      dolisync refer 57 --none
    """
    program, doors = house.pick_program(program_name), house.pick_source(source_name)
    if by is not None and is_none:
        message = "name who recommended, or --none"
        raise UserError(message, "dolisync refer --help shows both")
    customer = find_customer(house, doors, new, program)
    if is_none:
        since = house.clock.now()
        recommend.withdraw(
            house.engine, house.clock, house.rules, program, customer.key, since=since
        )
    elif by is not None:
        _refer(house, doors, program, customer, house.find_customer(doors, by))
    _show_one(house, doors, program, customer, as_json=as_json)


def _refer(house: House, doors: Doors, program: Program, customer: Customer, by: Customer) -> None:
    house.people(doors).refuse_who_opted_out(customer.key, by.key)
    wish = Wish(program, customer.key, by.key, today_of(house, program), BY_COMMAND)
    recommend.refer(house.engine, house.clock, house.rules, wish, token=new_token())


def _show_one(
    house: House, doors: Doors, program: Program, customer: Customer, *, as_json: bool
) -> None:
    with reading(house.engine) as connection:
        mine = known.of_new(connection, [customer.key])
    found = _standing(house, program, [one for one in mine if one.program == program.name])
    people = _people(doors, found)
    if as_json:
        shown = [_json(program, one, people) for one in found]
        terminal.show_json({"customer": customer_json(customer), "recommendations": shown})
        return
    if not found:
        click.echo(f"{customer_text(customer)} was recommended by nobody.")
    for one in found:
        by = _name(people, one.referral.by)
        click.echo(f"{customer_text(customer)} was recommended by {by}: {one.text}")
        _show_points(program, one)


def _show_points(program: Program, one: Shown) -> None:
    mine, theirs = one.referral.held_by_new.units, one.referral.held_by_by.units
    if mine or theirs:
        new, by = points_text(program, mine), points_text(program, theirs)
        click.echo(f"{new} points for the new customer, {by} for who recommended")


@click.command()
@program_option
@source_option
@json_option
@pass_house
def referrals(
    house: House, program_name: str | None, source_name: str | None, *, as_json: bool
) -> None:
    """List who recommended whom, and what came of it.

    \b
    Example:
      dolisync referrals
    """
    program, doors = house.pick_program(program_name), house.pick_source(source_name)
    with reading(house.engine) as connection:
        mine = known.listed(connection, program.name, doors.source.name)
    found = _standing(house, program, mine)
    people = _people(doors, found)
    if as_json:
        shown = [_json(program, one, people) for one in found]
        terminal.show_json({"program": program.name, "recommendations": shown})
        return
    if not found:
        click.echo("Nobody was recommended yet: dolisync refer NEW BY notes it.")
        return
    rows = [
        (
            one.referral.said_on,
            _name(people, one.referral.new),
            _name(people, one.referral.by),
            one.text,
            points_text(program, one.referral.held_by_new.units),
            points_text(program, one.referral.held_by_by.units),
        )
        for one in found
    ]
    terminal.show_table(["Said", "New", "By", "Result", "New's", "By's"], rows, right=[4, 5])
    _show_sums(program, found)


def _show_sums(program: Program, found: Sequence[Shown]) -> None:
    count = Counter(one.standing for one in found)
    came = sum(count[standing] for standing in _BROUGHT)
    units = sum(one.referral.held_by_new.units + one.referral.held_by_by.units for one in found)
    click.echo(f"\n{came} of {len(found)} brought a purchase; {points_text(program, units)} points")


def _standing(house: House, program: Program, mine: Sequence[Referral]) -> list[Shown]:
    today = today_of(house, program)
    with reading(house.engine) as connection:
        return [
            Shown(one, *recommend.standing_of(connection, house.rules, one, today)) for one in mine
        ]


def _people(doors: Doors, found: Sequence[Shown]) -> Mapping[int, Customer]:
    named = {who.rowid for one in found for who in (one.referral.new, one.referral.by) if who}
    return doors.reader.customers(sorted(named)) if named else {}


def _name(people: Mapping[int, Customer], who: CustomerKey | None) -> str:
    if who is None:
        return "(erased)"
    return customer_text(people.get(who.rowid, Customer(who, "")))


def _json(program: Program, one: Shown, people: Mapping[int, Customer]) -> dict[str, object]:
    def customer(who: CustomerKey | None) -> dict[str, object] | None:
        return None if who is None else customer_json(people.get(who.rowid, Customer(who, "")))

    referral = one.referral
    return {
        "new": customer(referral.new),
        "by": customer(referral.by),
        "said_on": referral.said_on,
        "noted_by": referral.made_by,
        "result": one.standing,
        "until": one.until,
        "new_points": program.points_of(referral.held_by_new.units),
        "points": program.points_of(referral.held_by_by.units),
    }
