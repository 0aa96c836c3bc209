"""privacy: what the ledger holds about one person, and taking it out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
from sqlalchemy import Connection

from commands import terminal
from commands.accounts import points_text
from commands.house import Doors, House
from commands.options import json_option, pass_house, source_option
from commands.rewards import checked_reason
from commands.terminal import plain_value
from dolisync.errors import NotFound, UserError
from dolisync.ledger import batches as box
from dolisync.ledger import outbox
from dolisync.ledger import privacy as persons
from dolisync.ledger.engine import reading, rehearse, write
from dolisync.ledger.privacy import Erased
from dolisync.ledger.store import Transaction
from dolisync.model import CustomerKey


@click.group()
def privacy() -> None:
    """Export what is kept about one person, or erase it.

    \b
    Example:
      dolisync privacy export 42 --to person.json
      dolisync privacy erase 42 --reason "request of 12 March"
    """


@privacy.command()
@click.argument("customer")
@click.option(
    "--to", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write into this file."
)
@source_option
@pass_house
def export(house: House, customer: str, target: Path | None, source_name: str | None) -> None:
    """Print everything that is kept about a customer, as JSON.

    CUSTOMER is an id, a card number, a customer code or an e-mail address.

    \b
    Example:
      dolisync privacy export 42 --to person.json
    """
    key = _who(house, house.pick_source(source_name), customer)
    with reading(house.engine) as connection:
        found = persons.export(connection, key, house.programs)
    text = json.dumps(found, default=plain_value, ensure_ascii=False, indent=2)
    if target is None:
        click.echo(text)
        return
    try:
        # Nobody else may read it, not even while it is being written.
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        message = f"{target} is there already"
        raise UserError(message, "name another file, or remove it") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    click.echo(f"written to {target}, which only you can read")


@privacy.command()
@click.argument("customer")
@click.option(
    "--reason", required=True, help="On whose request, without naming the person: it is kept."
)
@click.option("--yes", is_flag=True, help="Do not ask after the plan.")
@source_option
@json_option
@pass_house
def erase(
    house: House,
    customer: str,
    reason: str,
    source_name: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Take a person out of the ledger, for ever.

    Names, texts and the link to the customer go; sums, dates and the proof that nothing else was
    changed stay. Points that are left lapse. Dolibarr keeps its own documents: erase there too.

    \b
    Example:
      dolisync privacy erase 42 --reason "request of 12 March"
    """
    doors = house.pick_source(source_name)
    key, reason = _who(house, doors, customer), checked_reason(reason)
    if key.rowid in doors.source.pos_customers:
        message = f"customer {key.rowid} is the till's default customer: nobody in particular"
        raise UserError(message, "name a customer of flesh and blood")
    if not as_json:
        planned = rehearse(house.engine, lambda c: _erase(house, c, key, reason, "B-PLAN"))
        _show_plan(house, key, planned)
        if not yes:
            click.confirm("Go on? This cannot be undone.", abort=True)
    token = box.new_token()
    done = write(house.engine, lambda c: _erase(house, c, key, reason, token))
    _clear_card(house, doors, key)
    if as_json:
        terminal.show_json(_json(house, done))
    else:
        click.echo(f"Erased, noted as {done.batch.token}.")
        click.echo("  Backups made before still hold the person, as long as they are kept.")


def _erase(
    house: House, connection: Connection, key: CustomerKey, reason: str, token: str
) -> Erased:
    transaction = Transaction(connection, house.clock.now())
    return persons.erase(transaction, house.programs, key, reason, token)


def _clear_card(house: House, doors: Doors, key: CustomerKey) -> None:
    """Let the card in Dolibarr, where it is still there, show an empty account."""
    if doors.showing().customers:
        targets = [outbox.customer_target(key)]
        write(house.engine, lambda c: outbox.wish(c, targets, house.clock.now()))


def _who(house: House, doors: Doors, text: str) -> CustomerKey:
    """Find the customer; one who is gone from Dolibarr is named by his id."""
    try:
        return house.find_customer(doors, text).key
    except NotFound:
        if not text.isdecimal():
            raise
        return CustomerKey(doors.source.name, doors.source.entity, int(text))


def _show_plan(house: House, key: CustomerKey, planned: Erased) -> None:
    click.echo(f"Plan: erase customer {key.rowid}.")
    click.echo(
        f"  Goes: who he is (accounts: {planned.accounts}, sales: {planned.sales}), and reasons: "
        f"{planned.movements}."
    )
    click.echo("  Stays: sums and dates without him, and the proof that nothing else was changed.")
    for name, units in planned.lapsed.items():
        program = house.programs.get(name)
        if program is not None and units:
            click.echo(f"  {name}: {points_text(program, units)} points lapse.")


def _json(house: House, done: Erased) -> dict[str, object]:
    return {
        "batch": done.batch.token,
        "accounts": done.accounts,
        "movements": done.movements,
        "sales": done.sales,
        "lapsed": {
            name: house.programs[name].points_of(units)
            for name, units in done.lapsed.items()
            if name in house.programs
        },
    }
