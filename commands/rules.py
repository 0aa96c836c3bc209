"""rules, recompute: the versions of the programs, and sales judged again by today's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, TypeVar

import click
from sqlalchemy import func, select

from commands import terminal
from commands.accounts import points_text
from commands.batches import batch_json
from commands.house import House
from commands.options import Day, json_option, pass_house, source_option
from commands.simulate import as_kept
from commands.standing import today_of
from dolisync.errors import UserError
from dolisync.ledger import batches, tables
from dolisync.ledger.batches import Batch
from dolisync.ledger.engine import reading
from dolisync.ledger.rulesets import RuleBook, RuleSet
from dolisync.model import CustomerKey, Sale
from dolisync.program.differences import differences
from dolisync.program.terms import Program
from dolisync.sync.judge import Rules
from dolisync.sync.recompute import Outcome, Recomputing, Wanted

F = TypeVar("F", bound=Callable[..., Any])
MEMBERS_SHOWN = 10


@click.command()
@json_option
@pass_house
def rules(house: House, *, as_json: bool) -> None:
    """List the versions of the rules, and what changed.

    A sale is judged by the rules of its day, of several that hold on it by those that were stored
    last. `[rules] since` gives a version another day than that on which it was first read.

    \b
    Example:
      dolisync rules
    """
    book, counts = house.rules_for_reading.book, _counts(house)
    today = today_of(house, book.current.programs[0])
    found = [
        _version(book, place, counts.get(rule_set.id, 0), today)
        for place, rule_set in enumerate(book.sets)
    ]
    if as_json:
        terminal.show_json({"rules": found})
        return
    for one in found:
        sales = "1 sale" if one["sales"] == 1 else f"{one['sales']} sales"
        now = ", in force" if one["in_force"] else ""
        click.echo(f"{one['rules']}  from {one['since']}, {sales}{now}")
        for change in one["changes"]:
            terminal.show_wrapped(change, indent=4)


def _version(book: RuleBook, place: int, sales: int, today: date) -> dict[str, Any]:
    rule_set = book.sets[place]
    before = book.sets[place - 1].programs if place else ()
    return {
        "rules": rule_set.id,
        "since": rule_set.first_day,
        "in_force": book.on(today) is rule_set,
        "sales": sales,
        "changes": differences(before, rule_set.programs) if place else [],
    }


def _counts(house: House) -> dict[int, int]:
    row = tables.sale.c
    query = select(row.rule_set_id, func.count()).group_by(row.rule_set_id)
    with reading(house.engine) as connection:
        return {id_: int(count) for id_, count in connection.execute(query)}


# --- recompute -----------------------------------------------------------------------------------


@click.group()
def recompute() -> None:
    """Judge sales of past days again by the rules of today.

    See first what it would move, and take it back if need be.

    \b
    Example:
      dolisync recompute plan --from 2026-11-01
      dolisync recompute run --from 2026-11-01
      dolisync undo B-7KQ2M9
    """


def _which(command: F) -> F:
    for option in (
        click.option("--customer", help="Only sales of this one: id, card, code or e-mail."),
        click.option("--to", "until", type=Day(), help="Last day of sales; today if left out."),
        click.option("--from", "since", type=Day(), required=True, help="First day of sales."),
    ):
        command = option(command)
    return command


@recompute.command("plan")
@_which
@source_option
@json_option
@pass_house
def plan_again(
    house: House,
    since: date,
    until: date | None,
    customer: str | None,
    source_name: str | None,
    *,
    as_json: bool,
) -> None:
    """Say what judging again would move.

    Nothing is written. It is done on a copy of the ledger, and takes as long as the real one.

    \b
    Example:
      dolisync recompute plan --from 2026-11-01 --to 2026-11-30
    """
    wanted = _wanted(house, since, until, customer, source_name)
    outcome = _planned(house, wanted, quiet=as_json)
    if as_json:
        terminal.show_json(outcome_json(house, outcome))
        return
    click.echo(f"Plan: {outcome.batch.title}.")
    show_outcome(house, outcome)


@recompute.command("run")
@_which
@click.option("--yes", is_flag=True, help="Do not plan first, and do not ask.")
@source_option
@json_option
@pass_house
def run_again(
    house: House,
    since: date,
    until: date | None,
    customer: str | None,
    source_name: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Judge sales again, and post the differences.

    It runs beside the daemon; stopped, it goes on when asked again. What members have spent already
    becomes debt, or is forgiven, as the program says.

    \b
    Example:
      dolisync recompute run --from 2026-11-01
    """
    wanted = _wanted(house, since, until, customer, source_name)
    if not (yes or as_json):
        planned = _planned(house, wanted, quiet=False)
        click.echo(f"Plan: {planned.batch.title}.")
        show_outcome(house, planned)
        click.confirm("Go on?", abort=True)
    judge = recomputing(house)
    with terminal.progress("judging again", judge.count(wanted), shown=not as_json) as tell:
        outcome = judge.run(wanted, token=batches.new_token(), tell=tell)
    if as_json:
        terminal.show_json({**outcome_json(house, outcome), **batch_json(outcome.batch)})
        return
    if yes:
        show_outcome(house, outcome)
    click.echo(f"Done. To take it back: dolisync undo {outcome.batch.token}")


def recomputing(house: House, rules: Rules | None = None) -> Recomputing:
    """Make what judges again; ``rules`` are those in force, unless it is only to look."""
    judging = rules or house.rules
    return Recomputing(house.engine, house.clock, judging, lambda sales: _completed(house, sales))


def _completed(house: House, sales: Sequence[Sale]) -> list[Sale]:
    """Add what today's rules ask of articles and customers; what was kept with a sale stays."""
    book = RuleBook((RuleSet(0, house.clock.now(), tuple(house.settings.program)),))
    found: dict[Any, Sale] = {}
    for doors in house.doors.values():
        mine = [sale for sale in sales if sale.key.source == doors.source.name]
        now = house.completed(doors, book, mine) if mine else []
        found |= {kept.key: as_kept(kept, one) for kept, one in zip(mine, now, strict=True)}
    return [found.get(sale.key, sale) for sale in sales]


def _wanted(
    house: House, since: date, until: date | None, customer: str | None, source_name: str | None
) -> Wanted:
    last = until or today_of(house, house.settings.program[0])
    if last < since:
        message = f"--to {last} is before --from {since}"
        raise UserError(message, "give a later day with --to")
    if customer is None:
        return Wanted(since, last)
    return Wanted(since, last, house.find_customer(house.pick_source(source_name), customer).key)


def _planned(house: House, wanted: Wanted, *, quiet: bool) -> Outcome:
    judge = recomputing(house, house.rules_for_reading)
    with terminal.progress("planning", judge.count(wanted), shown=not quiet) as tell:
        return judge.plan(wanted, tell)


def show_outcome(house: House, outcome: Outcome) -> None:
    """Print what judging again moves: by month, for whom, and what is owed by it."""
    for program in house.settings.program:
        rows = [
            (month.name, *_moved(program, month.given, month.taken)) for month in outcome.months
        ]
        heads = (program.name, "points given", "taken", "worth")
        if rows:
            terminal.show_table(heads, rows, right=(1, 2, 3))
        gains = outcome.gains.get(program.name, ())
        more, less = [one for one in gains if one[1] > 0], [one for one in gains if one[1] < 0]
        click.echo(f"  {outcome.sales} sales; {len(more)} members gain, {len(less)} lose.")
        for title, members in (("Most gained", more), ("Most lost", less[::-1])):
            if members:
                listed = ", ".join(_member(program, *one) for one in members[:MEMBERS_SHOWN])
                terminal.show_wrapped(f"{title}: {listed}", indent=2)
        debt = outcome.debt.get(program.name, 0)
        if debt > 0:
            click.echo(f"  {points_text(program, debt)} points become debt: they are spent.")


def _moved(program: Program, given: dict[str, int], taken: dict[str, int]) -> tuple[str, str, str]:
    plus, minus = given.get(program.name, 0), taken.get(program.name, 0)
    worth = program.value_of_point
    money = "" if worth is None else f"{program.points_of(plus - minus) * worth:.2f}"
    return points_text(program, plus), points_text(program, minus), money


def _member(program: Program, customer: CustomerKey, units: int) -> str:
    return f"customer {customer.rowid} {points_text(program, units, signed=True)}"


def outcome_json(house: House, outcome: Outcome) -> dict[str, object]:
    """Say what judging again moves, with stable keys."""
    return {
        "sales": outcome.sales,
        "programs": [
            {
                "program": name,
                "months": [
                    {
                        "month": month.name,
                        "given": program.points_of(month.given.get(name, 0)),
                        "taken": program.points_of(month.taken.get(name, 0)),
                    }
                    for month in outcome.months
                ],
                "members": [
                    {
                        "source": customer.source,
                        "customer": customer.rowid,
                        "points": program.points_of(units),
                    }
                    for customer, units in outcome.gains.get(name, ())
                ],
                "debt": program.points_of(outcome.debt.get(name, 0)),
            }
            for name, program in house.programs.items()
        ],
    }


def undo_recompute(
    house: House, batch: Batch, *, yes: bool, plan_only: bool, as_json: bool
) -> None:
    """Judge a batch's sales by the rules of before again, with its plan first."""
    judge, done = recomputing(house), None
    if plan_only or not (yes or as_json):
        with terminal.progress("planning", None, shown=not as_json) as tell:
            done = judge.plan_undo(batch, tell)
    if not as_json and done is not None:
        click.echo(f"Plan: undo {batch.token}, {batch.title}.")
        show_outcome(house, done)
    if not plan_only:
        if not (yes or as_json):
            click.confirm("Go on?", abort=True)
        with terminal.progress("undoing", None, shown=not as_json) as tell:
            done = judge.undo(batch, tell)
    if as_json and done is not None:
        undone = {"undone": not plan_only, **outcome_json(house, done)}
        terminal.show_json({**batch_json(batch), **undone})
    elif not plan_only:
        click.echo(f"{batch.token} is undone.")
