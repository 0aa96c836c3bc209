"""tier: which tier a customer holds, and a tier set by hand."""

from __future__ import annotations

import getpass
import secrets
from datetime import date

import click

from commands import terminal
from commands.accounts import customer_json, customer_text, find_customer, tier_json, tier_text
from commands.house import House
from commands.options import Day, json_option, pass_house, program_option, source_option
from commands.standing import today_of
from commands.tier_settings import setting_json, show_settings
from dolisync.errors import UserError
from dolisync.ledger.courses import TierSetting, settings_of
from dolisync.ledger.engine import reading
from dolisync.model import CustomerKey
from dolisync.program.terms import Program
from dolisync.program.tiers import SetByHand, TierToday
from dolisync.sync.tiers import set_tier, tiers_of

LONGEST_REASON = 255


@click.command()
@click.argument("customer")
@click.argument("name", required=False)
@click.option("--lock", is_flag=True, help="Neither sales nor reviews change it.")
@click.option("--until", type=Day(), help="Its last day; then sales and reviews judge again.")
@click.option("--release", is_flag=True, help="End what was set by hand before.")
@click.option("--reason", help="Why; needed to set or to release.")
@program_option
@source_option
@json_option
@pass_house
def tier(
    house: House,
    customer: str,
    name: str | None,
    until: date | None,
    reason: str | None,
    program_name: str | None,
    source_name: str | None,
    *,
    lock: bool,
    release: bool,
    as_json: bool,
) -> None:
    """Show a customer's tier, or set it by hand.

    From today on; what the customer bought today earns in it. Without --lock, sales may still raise
    it, and the next review judges it. CUSTOMER is an id, a card number, a customer code or an
    e-mail address.

    \b
    Example:
      dolisync tier 42
      dolisync tier 42 gold --reason "moved here, was gold at our partner's"
      dolisync tier 42 gold --lock --until 2027-06-30 --reason "jury member"
      dolisync tier 42 --release --reason "jury is over"
    """
    program, doors = house.pick_program(program_name), house.pick_source(source_name)
    found = find_customer(house, doors, customer, program)
    if name is not None or release:
        setting = setting_of(house, program, name, until, lock=lock, release=release)
        entry = TierSetting(found.key, setting, made_by(), _reason(reason))
        token = secrets.token_hex(12)
        set_tier(house.engine, house.clock, house.rules, program, entry, token)
    elif lock or until or reason:
        message = "no tier is named"
        raise UserError(message, "name it after the customer, or add --release")
    held, settings = _held(house, program, found.key)
    if as_json:
        shown = {"customer": customer_json(found), "program": program.name}
        by_hand = [setting_json(entry) for entry in settings]
        terminal.show_json({**shown, "tier": tier_json(held), "by_hand": by_hand})
    else:
        click.echo(f"{customer_text(found)}: {tier_text(program, held, doors.source.currency)}")
        show_settings(settings)


def setting_of(
    house: House,
    program: Program,
    name: str | None,
    until: date | None,
    *,
    lock: bool,
    release: bool,
) -> SetByHand:
    """Return what is to be set from today on. Raises ``UserError`` for what makes no sense."""
    today = today_of(house, program)
    if release and (name or lock or until):
        message = "--release ends what was set before, it sets nothing"
        raise UserError(message, "leave the tier, --lock and --until out")
    if until is not None and until < today:
        message = f"{until} is over already"
        raise UserError(message, "give today or a later day with --until")
    last = None if until is None else until.toordinal()
    return SetByHand(today.toordinal(), name or "", lock, last)


def _reason(text: str | None) -> str:
    reason = terminal.clean(text or "")
    if not reason or len(reason) > LONGEST_REASON:
        message = "a tier set by hand needs a reason" if not reason else "the reason is too long"
        raise UserError(message, f'say why: --reason "...", at most {LONGEST_REASON} characters')
    return reason


def made_by() -> str:
    """Return who is at the keyboard, as far as the system knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _held(
    house: House, program: Program, customer: CustomerKey
) -> tuple[TierToday, list[TierSetting]]:
    with reading(house.engine) as connection:
        found = tiers_of(connection, program, [customer], today_of(house, program))
        settings = settings_of(connection, program.name, customer)
    if customer not in found:
        message = f"program '{program.name}' has no tiers"
        raise UserError(message, "add sections [[program.tier]] to config.toml")
    return found[customer], settings
