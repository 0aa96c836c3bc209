"""redeem, adjust: what people do with a customer's points."""

from __future__ import annotations

import secrets
from decimal import Decimal
from typing import Any

import click

from commands import terminal
from commands.accounts import (
    customer_json,
    customer_text,
    find_customer,
    points_text,
    view_of,
)
from commands.house import Doors, House
from commands.options import json_option, pass_house, program_option, source_option
from dolisync.errors import UserError
from dolisync.ledger import outbox
from dolisync.ledger.redemptions import Redemption, State
from dolisync.ledger.views import MemberView
from dolisync.model import Customer
from dolisync.ports import PlacedDiscount
from dolisync.program.terms import Program
from dolisync.sync import redeem as redemptions
from dolisync.sync.adjust import Adjustment
from dolisync.sync.adjust import adjust as book_adjustment
from dolisync.sync.publish import Publisher, Report

POINTS_MAX = 1_000_000_000
LONGEST_REASON = 200
EXIT_REFUSED = 1


class Points(click.ParamType[Decimal]):
    """A number of points with its sign, such as +50, 50, -20 or 1.5."""

    name = "points"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        """Read the number."""
        try:
            points = Decimal(value)
        except ArithmeticError:
            self.fail(f"'{value}' is not a number of points; write 50, +50 or -50", param, ctx)
        if not points.is_finite():
            self.fail(f"'{value}' is not a number of points; write 50, +50 or -50", param, ctx)
        if abs(points) > POINTS_MAX:
            self.fail(f"'{value}' is more than {POINTS_MAX}", param, ctx)
        return points


# --- adjust --------------------------------------------------------------------------------------


# Unknown options are let through so that -50 is read as points.
@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("customer")
@click.argument("points", type=Points())
@click.option("--reason", required=True, help="Why; it stands in the customer's history for ever.")
@click.option(
    "--into-debt", is_flag=True, help="Take more than is available: later earnings settle it."
)
@program_option
@source_option
@json_option
@pass_house
def adjust(
    house: House,
    customer: str,
    points: Decimal,
    reason: str,
    program_name: str | None,
    source_name: str | None,
    *,
    into_debt: bool,
    as_json: bool,
) -> None:
    """Give or take points, with a reason.

    POINTS are given (50) or taken (-50). CUSTOMER is an id, a card number, a customer code or an
    e-mail address.

    \b
    Example:
      dolisync adjust 42 50 --reason "spilled coffee, ticket TC1-2611-0042"
      dolisync adjust 42 -20 --reason "given twice by mistake"
    """
    program, doors = house.pick_program(program_name), house.pick_source(source_name)
    units, reason = checked_units(program, points), checked_reason(reason)
    found = find_customer(house, doors, customer, program)
    done = book_adjustment(
        house.engine,
        house.clock,
        program,
        found.key,
        units,
        reason,
        token=secrets.token_hex(12),
        showing=doors.showing(),
        into_debt=into_debt,
    )
    view = view_of(house, program, found.key)
    if as_json:
        terminal.show_json(_adjustment_json(program, found, done, view, reason))
    else:
        _show_adjustment(program, found, done, view)


def checked_units(program: Program, points: Decimal) -> int:
    """Return points in ledger units. Raises ``UserError`` for what cannot be booked."""
    units = program.units(points)
    if program.points_of(units) != points:
        parts = "whole points" if not program.decimals else f"{program.decimals} decimals"
        message = f"{points} cannot be booked: '{program.name}' counts {parts}"
        raise UserError(message, "round it")
    if units == 0:
        message = "0 points change nothing"
        raise UserError(message, "write how many to give, or with a minus how many to take")
    return units


def checked_reason(text: str) -> str:
    """Return a reason on one line. Raises ``UserError`` for a blank or an overlong one."""
    reason = terminal.clean(text)
    if not reason:
        message = "the reason is blank"
        raise UserError(message, 'say why, for whoever reads the history: --reason "..."')
    if len(reason) > LONGEST_REASON:
        message = f"the reason has {len(reason)} characters, at most {LONGEST_REASON} are kept"
        raise UserError(message, "say it shorter")
    return reason


def _adjustment_json(
    program: Program, customer: Customer, done: Adjustment, view: MemberView, reason: str
) -> dict[str, object]:
    return {
        "customer": customer_json(customer),
        "program": program.name,
        "key": done.key,
        "points": program.points_of(done.units),
        "balance_before": program.points_of(done.balance_before),
        "balance_after": program.points_of(done.balance_after),
        "available": program.points_of(view.available),
        "debt": program.points_of(done.debt_after),
        "last_day": done.expires_on,
        "reason": reason,
    }


def _show_adjustment(
    program: Program, customer: Customer, done: Adjustment, view: MemberView
) -> None:
    before, after = (points_text(program, u) for u in (done.balance_before, done.balance_after))
    given = points_text(program, done.units, signed=True)
    click.echo(f"{customer_text(customer)}: {given} points; balance {before} before, {after} now")
    if done.expires_on:
        click.echo(f"last day of use: {done.expires_on}")
    if done.debt_after:
        owed, usable = points_text(program, done.debt_after), points_text(program, view.available)
        click.echo(f"{owed} points are owed; {usable} are available")


# --- redeem --------------------------------------------------------------------------------------


@click.command()
@click.argument("customer", required=False)
@click.option("--reward", "reward_name", help="Which reward, where there are several.")
@click.option("--revoke", "token", help="Take back the unused discount with this token.")
@program_option
@source_option
@json_option
@pass_house
def redeem(
    house: House,
    customer: str | None,
    reward_name: str | None,
    token: str | None,
    program_name: str | None,
    source_name: str | None,
    *,
    as_json: bool,
) -> int:
    """Turn points into a discount, or take one back.

    CUSTOMER is an id, a card number, a customer code or an e-mail address. The discount stands on
    the customer card and can be used in Dolibarr's own screens and at the till. One that was not
    used can be taken back; its points return to where they came from.

    \b
    Example:
      dolisync redeem 42
      dolisync redeem 42 --reward big_discount
      dolisync redeem --revoke DS-7KQ2M9XW4HTR
    """
    if token is not None:
        if customer is not None or reward_name is not None:
            message = "--revoke needs the token alone"
            raise UserError(message, f"dolisync redeem --revoke {terminal.clean(token)}")
        return _revoke(house, token.strip().upper(), as_json=as_json)
    if customer is None:
        message = "whose points? CUSTOMER is missing"
        raise UserError(message, "give an id, card number, code or e-mail; or --revoke TOKEN")
    program, doors = house.pick_program(program_name), house.pick_source(source_name)
    return _redeem(house, doors, program, customer, reward_name, as_json=as_json)


def _redeem(
    house: House,
    doors: Doors,
    program: Program,
    text: str,
    reward_name: str | None,
    *,
    as_json: bool,
) -> int:
    publisher = able_publisher(house, doors)
    if not program.takes(doors.source.name):
        message = f"'{doors.source.name}' takes no part in the program '{program.name}'"
        raise UserError(message, "add it to sources in config.toml, or choose another --program")
    reward = redemptions.choose_reward(program, reward_name)
    customer = house.find_customer(doors, text)
    token = redemptions.new_token()
    bought = redemptions.redeem(
        house.engine, house.clock, program, customer.key, reward, token=token
    )
    report = publisher.send(_targets(bought))
    return _tell(house, doors, customer, bought.token, report, as_json=as_json)


def able_publisher(house: House, doors: Doors) -> Publisher:
    """Return a publisher that can make discounts. Raises ``UserError`` with the reason if not."""
    publisher = house.publisher(doors)
    if publisher is None:
        message = f"nothing is written to '{doors.source.name}' (write = \"nothing\")"
        raise UserError(message, "set write in config.toml before points are redeemed")
    abilities = publisher.sink.abilities()
    if not abilities.discounts:
        reasons = [why for why in abilities.reasons if "discount" in why or "remise" in why]
        why = "; ".join(reasons or abilities.reasons)
        message = f"no discount can be made in '{doors.source.name}': {why}"
        remedy = "dolisync check says which grant is missing"
        if doors.source.database_url is None:
            remedy = "name database_url in config.toml"
        raise UserError(message, remedy)
    return publisher


def _targets(bought: Redemption) -> list[outbox.Target]:
    customer = bought.customer
    discount = outbox.Target(
        "discount", customer.source, customer.entity, customer.rowid, bought.token
    )
    return [discount, outbox.customer_target(customer)]


def _tell(
    house: House, doors: Doors, customer: Customer, token: str, report: Report, *, as_json: bool
) -> int:
    """Say what became of a redemption, from the ledger and as read back from Dolibarr."""
    bought = redemptions.by_token(house.engine, token)
    program = _program_of(house, bought)
    placed = _read_back(doors, bought)
    view = view_of(house, program, bought.customer)
    if as_json:
        terminal.show_json(
            {
                "customer": customer_json(customer),
                "program": program.name,
                "token": bought.token,
                "reward": bought.reward,
                "points": program.points_of(bought.points),
                "amount": bought.amount,
                "state": bought.state,
                "reason": bought.reason,
                "problem": report.problem,
                "in_dolibarr": {"ids": placed.rowids, "amount": placed.amount_incl}
                if placed
                else None,
                "available": program.points_of(view.available),
            }
        )
    else:
        _show_redemption(doors, program, customer, bought, placed, view, report)
    return EXIT_REFUSED if bought.state == State.REFUSED else 0


def _program_of(house: House, redemption: Redemption) -> Program:
    """Return a redemption's program, also one that was taken out of the configuration since."""
    return next(
        program
        for rule_set in reversed(house.rules_for_reading.book.sets)
        for program in rule_set.programs
        if program.name == redemption.program
    )


def _read_back(doors: Doors, bought: Redemption) -> PlacedDiscount | None:
    if bought.state != State.OPEN or doors.sink is None:
        return None
    return doors.sink.find_discount(bought.customer, bought.token)


def _show_redemption(
    doors: Doors,
    program: Program,
    customer: Customer,
    bought: Redemption,
    placed: PlacedDiscount | None,
    view: MemberView,
    report: Report,
) -> None:
    currency, points = doors.source.currency, points_text(program, bought.points)
    left = f"{points_text(program, view.available)} points are left"
    if bought.state == State.REFUSED:
        click.echo(f"Dolibarr refused the discount: {bought.reason}", err=True)
        click.echo(f"  the {points} points are back; {left}", err=True)
        return
    worth = f"{bought.title}, {bought.amount:.2f} {currency}"
    click.echo(f"{customer_text(customer)}: {worth} for {points} points; {left}")
    click.echo(f"token {bought.token}")
    if placed is not None:
        number = ", ".join(str(rowid) for rowid in placed.rowids)
        amount = f"{placed.amount_incl:.2f} {currency}"
        click.echo(f"read back from Dolibarr: discount {number} of {amount}, not used yet")
    elif bought.state == State.WANTED:
        why = report.problem or "another dolisync is sending it"
        click.echo(f"not in Dolibarr yet: {why}", err=True)
        click.echo("  it is sent again by itself; do not redeem a second time", err=True)


def _revoke(house: House, token: str, *, as_json: bool) -> int:
    wanted = redemptions.by_token(house.engine, token)
    doors = house.pick_source(wanted.customer.source)
    publisher = able_publisher(house, doors)
    if wanted.state == State.WANTED:
        # Whether it reached Dolibarr must be known before it can be taken back.
        publisher.send(_targets(wanted))
        wanted = redemptions.by_token(house.engine, token)
    if wanted.state == State.WANTED:
        message = f"{token} is still on its way to Dolibarr"
        raise UserError(message, "try again in some minutes; dolisync outbox list shows it")
    wanted = redemptions.wish_revoke(house.engine, house.clock, token)
    customer = wanted.customer
    target = outbox.Target("revoke", customer.source, customer.entity, customer.rowid, token)
    report = publisher.send([target])
    publisher.send([outbox.customer_target(customer)])
    return _tell_revoked(house, token, report, as_json=as_json)


def _tell_revoked(house: House, token: str, report: Report, *, as_json: bool) -> int:
    found = redemptions.by_token(house.engine, token)
    program = _program_of(house, found)
    view = view_of(house, program, found.customer)
    if as_json:
        terminal.show_json(
            {
                "token": token,
                "state": found.state,
                "points": program.points_of(found.points),
                "available": program.points_of(view.available),
                "problem": report.problem,
            }
        )
    elif found.state == State.REVOKED:
        available = points_text(program, view.available)
        back = points_text(program, found.points)
        click.echo(f"{token} is taken back: {back} points returned, {available} are available")
    elif found.state == State.USED:
        click.echo(f"dolisync: {token} was used already; its points stay spent", err=True)
    else:
        why = report.problem or "another dolisync is at it"
        click.echo(f"dolisync: {token} is not taken back yet: {why}", err=True)
        click.echo("  it is tried again by itself; dolisync outbox list shows it", err=True)
    return 0 if found.state == State.REVOKED else EXIT_REFUSED
