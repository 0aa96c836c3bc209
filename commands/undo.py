"""undo: what was done at once is taken back."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import click

from commands import terminal
from commands.backfill import set_aside_json, show_set_aside
from commands.batches import batch_json, change_json, refuse_anonymous, show_changes
from commands.house import House
from commands.options import json_option, pass_house, source_option
from commands.rules import undo_recompute
from dolisync.ledger import batches as box
from dolisync.ledger.batches import Batch, BatchKind
from dolisync.ledger.engine import reading
from dolisync.ledger.vouchers import Voucher
from dolisync.model import CustomerKey
from dolisync.sync import backfill as history
from dolisync.sync import undo as undoing
from dolisync.sync.backfill import SetAside


@click.command()
@click.argument("batch")
@click.option("--to", "home", help="Who gets a merged account back, where the old one is gone.")
@click.option("--yes", is_flag=True, help="Do not ask after the plan.")
@click.option("--plan", "plan_only", is_flag=True, help="Show the plan and stop.")
@source_option
@json_option
@pass_house
def undo(
    house: House,
    batch: str,
    home: str | None,
    source_name: str | None,
    *,
    yes: bool,
    plan_only: bool,
    as_json: bool,
) -> None:
    """Take a batch back.

    What was spent of it becomes debt, or is forgiven, as the program says.

    \b
    Example:
      dolisync undo B-7KQ2M9
    """
    # Names are read aloud and typed in any case.
    batch = batch.strip().upper()
    with reading(house.engine) as connection:
        found = box.by_token(connection, batch)
        box.require_undoable(found)
    if found.kind == BatchKind.BACKFILL:
        _undo_backfill(house, found, yes=yes, plan_only=plan_only, as_json=as_json)
        return
    if found.kind == BatchKind.RECOMPUTE:
        undo_recompute(house, found, yes=yes, plan_only=plan_only, as_json=as_json)
        return
    to = None if home is None else _home(house, source_name, home)
    planned = undoing.plan(house.engine, house.clock, house.rules, batch, to)
    if not as_json:
        click.echo(f"Plan: undo {planned.batch.token}, {planned.batch.title}.")
        show_changes(planned.changes)
        show_ended(planned.vouchers)
    if not plan_only:
        if not (yes or as_json):
            click.confirm("Go on?", abort=True)
        planned = undoing.undo(house.engine, house.clock, house.rules, batch, to)
    if as_json:
        done = {
            "undone": not plan_only,
            "changes": [change_json(c) for c in planned.changes],
            "vouchers": [{"code": v.masked, "balance": v.balance} for v in planned.vouchers],
        }
        terminal.show_json({**batch_json(planned.batch), **done})
    elif not plan_only:
        click.echo(f"{planned.batch.token} is undone.")


def _home(house: House, source_name: str | None, text: str) -> CustomerKey:
    """Find the customer who is to get a merged account back."""
    doors = house.pick_source(source_name)
    found = house.find_customer(doors, text).key
    refuse_anonymous(doors, found)
    return found


def _undo_backfill(
    house: House, batch: Batch, *, yes: bool, plan_only: bool, as_json: bool
) -> None:
    with reading(house.engine) as connection:
        count = history.count_brought(connection, batch)
    things = (house.engine, house.clock, house.rules, batch)
    done: SetAside | None = None
    if plan_only or not (yes or as_json):
        with terminal.progress("planning", count, shown=not as_json) as tell:
            done = history.plan_undo(*things, tell)
    if not as_json and done is not None:
        click.echo(f"Plan: undo {batch.token}, {batch.title}.")
        show_set_aside(house, done)
    if not plan_only:
        if not (yes or as_json):
            click.confirm("Go on?", abort=True)
        with terminal.progress("undoing", count, shown=not as_json) as tell:
            done = history.undo(*things, tell)
    if as_json and done is not None:
        undone = {"undone": not plan_only, **set_aside_json(house, done)}
        terminal.show_json({**batch_json(batch), **undone})
    elif not plan_only:
        click.echo(f"{batch.token} is undone.")


def show_ended(ended: Sequence[Voucher]) -> None:
    """Say what is on the codes that a batch made and that are to be ended."""
    if ended:
        total = sum((one.balance for one in ended), Decimal(0))
        click.echo(f"  {len(ended)} codes end; {total:.2f} {ended[0].currency} are on them")
