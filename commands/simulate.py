"""simulate: what a changed program would do, over the history that the ledger knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import click

from commands import terminal
from commands.accounts import points_text
from commands.house import House, collect_seldom
from commands.options import Day, json_option, pass_house
from dolisync.config import Settings, load
from dolisync.errors import UserError
from dolisync.ledger.rulesets import RuleBook, RuleSet
from dolisync.model import CustomerKey, Sale
from dolisync.program.terms import Program
from dolisync.sync import whatif
from dolisync.sync.whatif import Comparison, Month

MEMBERS_SHOWN = 10
# A program as it is today, and as it would be.
Pair = tuple[Program | None, Program | None]


@click.command()
@click.argument("file", metavar="NEW.toml", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--from", "since", type=Day(), help="First day of sales to compare.")
@click.option("--to", "until", type=Day(), help="Last day of sales to compare.")
@json_option
@pass_house
def simulate(
    house: House, file: Path, since: date | None, until: date | None, *, as_json: bool
) -> None:
    """Say what other rules would have given.

    All sales that the ledger knows are judged by the programs of another configuration file, and
    set beside what they hold today. Nothing is written, in the ledger or in Dolibarr.

    \b
    Example:
      cp config.toml new.toml, edit new.toml, then:
      dolisync simulate new.toml --from 2026-01-01
    """
    if since and until and until < since:
        message = f"--to {until} is before --from {since}"
        raise UserError(message, "give a later day with --to")
    settings = load(file).settings
    collect_seldom()
    _refuse_other_sources(house, settings)
    total = whatif.count_known(house.engine)
    with terminal.progress("simulating", total, shown=not as_json) as tell:
        found = whatif.simulate(
            house.engine,
            house.clock,
            house.rules_for_reading,
            settings.program,
            since,
            until,
            lambda sales: completed(house, settings, sales),
            tell,
        )
    old = {program.name: program for program in house.settings.program}
    pairs: list[Pair] = [(old.get(program.name), program) for program in settings.program]
    pairs += [(program, None) for name, program in old.items() if not _has(settings, name)]
    if as_json:
        terminal.show_json(_as_json(found, pairs, since, until))
        return
    _show(found, pairs, since, until)


def _has(settings: Settings, name: str) -> bool:
    return any(program.name == name for program in settings.program)


def _refuse_other_sources(house: House, settings: Settings) -> None:
    known = {source.name for source in house.settings.source}
    strange = sorted({source.name for source in settings.source} - known)
    if strange:
        message = f"the file names the source '{strange[0]}', which this ledger does not know"
        raise UserError(message, f"copy your own config.toml and change its programs: {house.path}")


def completed(house: House, settings: Settings, sales: Sequence[Sale]) -> list[Sale]:
    """Add what the new rules ask of articles and customers; what was kept with a sale stays."""
    moment = house.clock.now()
    book = RuleBook((RuleSet(0, moment, settings.program),))
    whole: list[Sale] = []
    for doors in house.doors.values():
        mine = [sale for sale in sales if sale.key.source == doors.source.name]
        now = house.completed(doors, book, mine) if mine else []
        whole += [as_kept(kept, found) for kept, found in zip(mine, now, strict=True)]
    return whole


def as_kept(kept: Sale, found: Sale) -> Sale:
    """Add to a sale as it was kept what was found and nobody had asked before."""
    lines = tuple(
        old if old.article is not None else new
        for old, new in zip(kept.lines, found.lines, strict=True)
    )
    return replace(
        found,
        lines=lines,
        buyer=kept.buyer or found.buyer,
        delivery=kept.delivery or found.delivery,
        warehouses=kept.warehouses or found.warehouses,
    )


# --- for people ----------------------------------------------------------------------------------


def _show(found: Comparison, pairs: Sequence[Pair], since: date | None, until: date | None) -> None:
    click.echo(f"{found.sales} sales judged by the other rules{_days(since, until)}.")
    for old, new in pairs:
        program = new or old
        assert program is not None
        click.echo(f"\n{program.title} ({program.name})\n")
        _show_months(found, old, new, program)
        _show_recommended(found, old, new, program)
        _show_members(found, program)
        _show_tiers(found, program)
    click.echo("\nWhat customers would have done otherwise nobody knows: sales and what was")
    click.echo("spent are as they were. Bonuses, openings and adjustments are left out.")


def _days(since: date | None, until: date | None) -> str:
    parts = [f" from {since}" if since else "", f" until {until}" if until else ""]
    return f"; compared are those{''.join(parts)}" if since or until else ""


def _show_months(
    found: Comparison, old: Program | None, new: Program | None, program: Program
) -> None:
    names = [figures.months for figures in (found.today, found.then)]
    months = sorted({month for of in names for name, month in of if name == program.name})
    rows = [
        _row(
            month,
            (old, found.today.months.get((program.name, month), Month())),
            (new, found.then.months.get((program.name, month), Month())),
        )
        for month in months
    ]
    total = _row(
        "all", (old, found.today.total(program.name)), (new, found.then.total(program.name))
    )
    heads = ("month", "today", "then", "change", "worth today", "then")
    terminal.show_table(heads, [*rows, total], right=(1, 2, 3, 4, 5))
    valid = [
        _points(side, figures.valid[program.name])
        for side, figures in ((old, found.today), (new, found.then))
    ]
    click.echo(f"  Of these not ended by today: {valid[0]} today, {valid[1]} then.")


Side = tuple[Program | None, Month]


def _row(name: str, today: Side, then: Side) -> tuple[object, ...]:
    sides = [(program, month.given - month.taken) for program, month in (today, then)]
    points = [_points(*side) for side in sides]
    return name, *points, _change(*sides[0], *sides[1]), *(_worth(*side) for side in sides)


def _points(program: Program | None, units: int) -> str:
    return "-" if program is None else points_text(program, units)


def _worth(program: Program | None, units: int) -> str:
    value = None if program is None else _money(program, units)
    return "" if value is None else f"{value:.2f}"


def _money(program: Program, units: int) -> Decimal | None:
    each = program.value_of_point
    return None if each is None else program.points_of(units) * each


def _change(old: Program | None, before: int, new: Program | None, after: int) -> str:
    if old is None or new is None or not before:
        return ""
    share = new.points_of(after) / old.points_of(before) - 1
    return f"{100 * share:+.1f} %"


def _show_recommended(
    found: Comparison, old: Program | None, new: Program | None, program: Program
) -> None:
    today, then = (side.recommended[program.name] for side in (found.today, found.then))
    if today or then:
        held = f"{_points(old, today)} today, {_points(new, then)} then"
        click.echo(f"  For recommendations besides: {held}.")


def _show_members(found: Comparison, program: Program) -> None:
    differences = found.differences(program.name)
    more = [one for one in differences if one[1] > 0]
    less = [one for one in differences if one[1] < 0][::-1]
    same = len(differences) - len(more) - len(less)
    click.echo(f"  Members: {len(more)} would have more, {len(less)} less, {same} the same.")
    for title, members in (("Most more", more), ("Most less", less)):
        if members:
            listed = ", ".join(_member(program, *one) for one in members[:MEMBERS_SHOWN])
            terminal.show_wrapped(f"{title}: {listed}", indent=2)


def _member(program: Program, customer: CustomerKey, units: int) -> str:
    return f"customer {customer.rowid} {points_text(program, units, signed=True)}"


def _show_tiers(found: Comparison, program: Program) -> None:
    moves = found.tier_moves(program.name)
    if moves:
        listed = ", ".join(
            f"{count} from {old or 'no tier'} to {new or 'no tier'}"
            for (old, new), count in sorted(moves.items())
        )
        terminal.show_wrapped(f"Tiers today: {listed}.", indent=2)
    elif program.tier:
        click.echo("  Tiers today: nobody would be in another one.")


# --- for machines --------------------------------------------------------------------------------


def _as_json(
    found: Comparison, pairs: Sequence[Pair], since: date | None, until: date | None
) -> dict[str, object]:
    return {
        "sales": found.sales,
        "from": since,
        "to": until,
        "programs": [_program_json(found, *pair) for pair in pairs],
    }


def _program_json(found: Comparison, old: Program | None, new: Program | None) -> dict[str, object]:
    program = new or old
    assert program is not None
    differences = found.differences(program.name)
    return {
        "program": program.name,
        "today": _side_json(old, found.today, program.name),
        "then": _side_json(new, found.then, program.name),
        "members_with_more": sum(units > 0 for _, units in differences),
        "members_with_less": sum(units < 0 for _, units in differences),
        "members": [
            {"customer": key.rowid, "source": key.source, "points": program.points_of(units)}
            for key, units in differences
            if units
        ],
        "tier_moves": [
            {"from": move[0], "to": move[1], "members": count}
            for move, count in sorted(found.tier_moves(program.name).items())
        ],
    }


def _side_json(
    program: Program | None, figures: whatif.Figures, name: str
) -> dict[str, object] | None:
    if program is None:
        return None
    total = figures.total(name)
    return {
        "given": program.points_of(total.given),
        "taken": program.points_of(total.taken),
        "worth": _money(program, total.given - total.taken),
        "not_ended": program.points_of(figures.valid[name]),
        "recommendations": program.points_of(figures.recommended[name]),
        "months": [
            {
                "month": month,
                "given": program.points_of(one.given),
                "taken": program.points_of(one.taken),
            }
            for (of, month), one in sorted(figures.months.items())
            if of == name
        ],
    }
