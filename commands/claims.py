"""claim: an unknown customer comes back with his receipt."""

from __future__ import annotations

import click

from commands import terminal
from commands.accounts import customer_json, customer_text, points_text
from commands.batches import batch_json, refuse_anonymous
from commands.house import Doors, House
from commands.options import json_option, pass_house
from dolisync.claims import read_code
from dolisync.config import ClaimSettings
from dolisync.errors import UserError
from dolisync.ledger import batches
from dolisync.model import Customer, SaleKey
from dolisync.sync.claims import Claimant, Claimed, named_sale
from dolisync.sync.claims import claim as claim_sale
from dolisync.sync.intake import is_provisional


@click.command()
@click.argument("code")
@click.option(
    "--customer", required=True, help="Who claims: id, card number, customer code or e-mail."
)
@json_option
@pass_house
def claim(house: House, code: str, customer: str, *, as_json: bool) -> None:
    """Give a sale without a customer to the holder of its receipt.

    CODE stands on the receipt of a sale that had no customer, where [claims] is configured. The
    sale's points become his, once. `dolisync undo` takes a claim back.

    \b
    Example:
      dolisync claim 2Y7K-Q2M9-X --customer 42
    """
    terms = _terms(house)
    sources = {name: doors.source.entity for name, doors in house.doors.items()}
    key = named_sale(house.engine, read_code(code), sources, house.rules)
    doors = house.doors[key.source]
    found = house.find_customer(doors, customer)
    refuse_anonymous(doors, found.key)
    _read(house, doors, key)
    done = claim_sale(
        house.engine,
        house.clock,
        house.rules,
        terms,
        key,
        Claimant(found.key, house.buyers(doors, doors.reader, house.book).of(found.key)),
        token=batches.new_token(),
    )
    _show(done, found, as_json=as_json)


def _terms(house: House) -> ClaimSettings:
    if house.settings.claims is None:
        message = "points cannot be claimed: there is no section [claims]"
        raise UserError(message, "add [claims] to config.toml; receipts bear a code from then on")
    return house.settings.claims


def _read(house: House, doors: Doors, key: SaleKey) -> None:
    """Book the sale as it is today: its ticket may be younger than the daemon's last look."""
    sales = [sale for sale in doors.reader.get([key.rowid]) if not is_provisional(sale)]
    door = next(iter(doors.readers))
    house.intake(doors, door, doors.reader, house.rules).take(sales)


def _show(done: Claimed, customer: Customer, *, as_json: bool) -> None:
    gained = [change for change in done.changes if change.customer == customer.key]
    if as_json:
        terminal.show_json(
            {
                **batch_json(done.batch),
                "sale": done.sale.ref,
                "customer": customer_json(customer),
                "points": {c.program.name: c.program.points_of(c.units) for c in gained},
            }
        )
        return
    owner = customer_text(customer)
    click.echo(f"{terminal.clean(done.sale.ref)} of {done.sale.date} belongs to {owner} now.")
    for change in gained:
        points = points_text(change.program, change.units, signed=True)
        terminal.show_item(f"{change.program.title}: {points} points", indent=2)
    if not gained:
        click.echo("It gives no points; dolisync explain says why.")
    click.echo(f"To take it back: dolisync undo {done.batch.token}")
