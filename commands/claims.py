"""claim: an unknown customer comes back with his receipt."""

from __future__ import annotations

import click

from commands import terminal
from commands.accounts import customer_json, customer_text, points_text
from commands.batches import batch_json, refuse_anonymous
from commands.house import House
from commands.options import json_option, pass_house
from dolisync.errors import UserError
from dolisync.ledger import batches
from dolisync.model import Customer
from dolisync.sync.claims import Claimed


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
    claiming = house.claiming(house.doors)
    if claiming is None:
        message = "points cannot be claimed: there is no section [claims]"
        raise UserError(message, "add [claims] to config.toml; receipts bear a code from then on")
    sale = claiming.sale_of(code)
    doors = house.doors[sale.source]
    found = house.find_customer(doors, customer)
    refuse_anonymous(doors, found.key)
    done = claiming.claim(sale, found.key, batches.new_token())
    _show(done, found, as_json=as_json)


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
