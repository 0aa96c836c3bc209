"""rewards: what points buy, for everybody or for one customer, and what is missing to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import click

from commands import terminal
from commands.accounts import find_customer, view_of, worth_text
from commands.house import House
from commands.options import json_option, pass_house, program_option, source_option
from commands.standing import today_of
from dolisync.ledger.engine import reading
from dolisync.ledger.redemptions import Taken, count_taken
from dolisync.ledger.views import MemberView
from dolisync.program.spending import minimum_of
from dolisync.program.terms import Program, RewardTerms


@dataclass(frozen=True, slots=True)
class Entry:
    """A reward, what of it was taken, and who asks, if anybody."""

    program: Program
    reward: RewardTerms
    taken: Taken
    today: date
    view: MemberView | None

    @property
    def left(self) -> int | None:
        """How many can still be had, ``None`` for any number."""
        reward, found = self.reward, []
        if reward.stock is not None:
            found.append(reward.stock - self.taken.in_all)
        if self.view is not None and reward.per_member is not None:
            mine = self.taken.by_member.get(self.view.member_id or 0, 0)
            found.append(reward.per_member - mine)
        return max(min(found), 0) if found else None

    @property
    def why_not(self) -> str:
        """Why it cannot be had now; empty where it can."""
        reward, program, view = self.reward, self.program, self.view
        if not reward.is_on(self.today):
            is_early = reward.first_day is not None and self.today < reward.first_day
            return f"from {reward.first_day} on" if is_early else f"ended on {reward.last_day}"
        if reward.stock is not None and self.taken.in_all >= reward.stock:
            return "none is left"
        if self.left == 0:
            return "no more of it for this customer"
        if view is None:
            return ""
        if not reward.is_for(view.tier_name):
            titles = [tier.title for tier in program.ranks if tier.name in reward.tiers]
            return f"for members in {' or '.join(titles)}"
        needed = max(reward.points, minimum_of(program))
        missing = needed - program.points_of(view.available)
        return f"{missing} points to go" if missing > 0 else ""


@click.command()
@click.argument("customer", required=False)
@program_option
@source_option
@json_option
@pass_house
def rewards(
    house: House,
    customer: str | None,
    program_name: str | None,
    source_name: str | None,
    *,
    as_json: bool,
) -> None:
    """List what points buy.

    Of all rewards of a program, what they cost and how many are left; for a CUSTOMER (an id, a card
    number, a customer code or an e-mail address) also what is missing to each.

    \b
    Example:
      dolisync rewards
      dolisync rewards 42
    """
    program = house.pick_program(program_name)
    view = None
    if customer is not None:
        found = find_customer(house, house.pick_source(source_name), customer, program)
        view = view_of(house, program, found.key)
    today = today_of(house, program)
    with reading(house.engine) as connection:
        entries = [
            Entry(program, reward, count_taken(connection, program.name, reward.name), today, view)
            for reward in sorted(program.reward, key=lambda reward: reward.points)
        ]
    if as_json:
        shown = [_entry_json(entry) for entry in entries]
        terminal.show_json({"program": program.name, "rewards": shown})
    elif not entries:
        click.echo("it has no rewards")
    else:
        _show(entries)


def _entry_json(entry: Entry) -> dict[str, object]:
    reward = entry.reward
    return {
        "name": reward.name,
        "title": reward.title,
        "points": reward.points,
        "amount": reward.amount,
        "percent": reward.percent,
        "at_most": reward.at_most,
        "product": reward.product,
        "first_day": reward.first_day,
        "last_day": reward.last_day,
        "left": entry.left,
        "available": not entry.why_not,
        "why_not": entry.why_not or None,
    }


def _show(entries: list[Entry]) -> None:
    rows = [
        (
            entry.reward.title,
            f"{entry.reward.points}",
            worth_text(entry.reward),
            "" if entry.left is None else f"{entry.left}",
            entry.why_not or "yes",
        )
        for entry in entries
    ]
    terminal.show_table(("Reward", "Points", "Worth", "Left", "Now"), rows, right=(1, 2, 3))
