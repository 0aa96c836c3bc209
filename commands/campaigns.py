"""campaigns: which there are, what those with limits gave, and what is left of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import click
from sqlalchemy import Connection

from commands import terminal
from commands.house import House
from commands.options import json_option, pass_house
from commands.standing import today_of
from dolisync.ledger.campaign_uses import given_since
from dolisync.ledger.engine import reading
from dolisync.program.campaign_terms import CampaignTerms, Each
from dolisync.program.limits import budget_units, span_begin
from dolisync.program.terms import Program

SPANS = {
    Each.CAMPAIGN: ("in all", ""),
    Each.DAY: ("today", " a day"),
    Each.WEEK: ("this week", " a week"),
    Each.MONTH: ("this month", " a month"),
    Each.YEAR: ("this year", " a year"),
}


@dataclass(frozen=True, slots=True)
class Given:
    """What a campaign with limits gave in its present span, in ledger units; its budget, if any."""

    units: int
    sales: int
    each: Each
    budget: int | None

    @property
    def left(self) -> int | None:
        """What is left of the budget."""
        return None if self.budget is None else max(self.budget - self.units, 0)


@click.command()
@click.option("--program", "name", help="Only this program.")
@json_option
@pass_house
def campaigns(house: House, name: str | None, *, as_json: bool) -> None:
    """List the campaigns, and what is left of their budgets.

    What a campaign gave is counted where it has limits; a budget that counts anew each day, week,
    month or year is shown for the present one.

    \b
    Example:
      dolisync campaigns
    """
    programs = [house.pick_program(name)] if name else list(house.programs.values())
    with reading(house.engine) as connection:
        found = [
            [
                (campaign, _given(connection, program, campaign, today_of(house, program)))
                for campaign in program.campaigns_in_order
            ]
            for program in programs
        ]
    if as_json:
        entries = [_program_json(*pair) for pair in zip(programs, found, strict=True)]
        terminal.show_json({"programs": entries})
        return
    for number, (program, entries_of) in enumerate(zip(programs, found, strict=True)):
        click.echo(("\n" if number else "") + program.title)
        _show(program, entries_of)


def _given(
    connection: Connection, program: Program, campaign: CampaignTerms, today: date
) -> Given | None:
    if not campaign.is_limited:
        return None
    each = Each.CAMPAIGN if campaign.in_all is None else campaign.in_all.each
    begin = span_begin(each, today.toordinal())
    units, sales = given_since(connection, program.name, campaign.name, begin)
    budget = None if campaign.in_all is None else budget_units(program, campaign.in_all)
    return Given(units, sales, each, budget)


def _program_json(
    program: Program, entries: Sequence[tuple[CampaignTerms, Given | None]]
) -> dict[str, object]:
    return {
        "program": program.name,
        "campaigns": [_campaign_json(program, *entry) for entry in entries],
    }


def _campaign_json(
    program: Program, campaign: CampaignTerms, given: Given | None
) -> dict[str, object]:
    def points(units: int | None) -> object:
        return None if units is None else program.points_of(units)

    return {
        "name": campaign.name,
        "title": campaign.title,
        "first_day": campaign.first_day,
        "last_day": campaign.last_day,
        "given": None if given is None or campaign.is_badge_only else points(given.units),
        "sales": None if given is None else given.sales,
        "budget": None if given is None else points(given.budget),
        "left": None if given is None else points(given.left),
        "each": None if given is None else given.each.value,
    }


def _show(program: Program, entries: Sequence[tuple[CampaignTerms, Given | None]]) -> None:
    if not entries:
        click.echo("  It has no campaigns.")
    for campaign, given in entries:
        click.echo(f"\n  {campaign.title}{_days(campaign)}")
        for line in _lines(program, campaign, given):
            click.echo(f"    {line}")


def _days(campaign: CampaignTerms) -> str:
    if campaign.first_day and campaign.last_day:
        return f", {campaign.first_day} to {campaign.last_day}"
    if campaign.first_day:
        return f", from {campaign.first_day}"
    return f", to {campaign.last_day}" if campaign.last_day else ""


def _lines(program: Program, campaign: CampaignTerms, given: Given | None) -> Iterator[str]:
    if given is None:
        yield "no limits: what it gives is not counted"
        return
    yield _given_text(program, campaign, given)
    yield from _own(program, campaign)


def _given_text(program: Program, campaign: CampaignTerms, given: Given) -> str:
    def text(units: int) -> str:
        return f"{program.points_of(units):,.{program.decimals}f}"

    sales = "1 sale" if given.sales == 1 else f"{given.sales:,} sales"
    if campaign.is_badge_only:
        return f"met with {sales}; it gives the badge {campaign.badge}"
    span, _ = SPANS[given.each]
    if given.budget is None or given.left is None:
        return f"{text(given.units)} points given {span}, for {sales}"
    budget = f"{text(given.units)} of {text(given.budget)} points given {span}, for {sales}"
    return f"{budget}; {text(given.left)} left"


def _own(program: Program, campaign: CampaignTerms) -> Iterator[str]:
    """Say what one member can have."""
    terms = campaign.to_one
    if terms is None:
        return
    per = SPANS[terms.each][1]
    if terms.points is not None and not campaign.is_badge_only:
        yield f"at most {terms.points:,.{program.decimals}f} points for one member{per}"
    if terms.times is not None:
        sales = "1 sale" if terms.times == 1 else f"{terms.times:,} sales"
        yield f"at most {sales} of one member{per}"
