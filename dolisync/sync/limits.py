"""Limits of campaigns along timelines: what they gave before each place, and whom that concerns.

A budget is shared by all members, so all of them are walked together, in the order of days and
rowids. Sales of members who are not walked are passed by their rows; where one of them would be
given more or less now, its member has to be walked too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from dolisync.ledger import campaign_uses
from dolisync.ledger.campaign_uses import UseRow
from dolisync.model import CustomerKey
from dolisync.program.before import Room
from dolisync.program.campaign_terms import Each
from dolisync.program.course import Course
from dolisync.program.kinds import Kinds, by_campaign_of
from dolisync.program.limits import Limited, Uses, span_begin
from dolisync.program.terms import Program

NO_ROOMS: tuple[Room, ...] = ()


@dataclass(slots=True)
class Limits:
    """What limited campaigns gave so far, while the timelines of a program are walked.

    ``kept`` are the rows of sales that are passed, by sale; ``others`` those of members who are
    not walked, in order.
    """

    uses: Uses = field(default_factory=Uses)
    kept: dict[int, list[UseRow]] = field(default_factory=lambda: defaultdict(list))
    others: list[UseRow] = field(default_factory=list)

    def rooms(
        self,
        program: Program,
        customer: CustomerKey,
        course: Course,
        day: int,
        kinds: Kinds,
    ) -> tuple[Room, ...]:
        """Say what campaigns can still give for a sale that bought in these tags."""
        return self.uses.rooms(program, customer, course, day, kinds)

    def kinds_of(self, sale_id: int) -> Kinds:
        """Return in which tags of challenges a sale that is kept bought something."""
        return by_campaign_of([use.campaign for use in self.kept.get(sale_id, ())])

    def are_otherwise(self, sale_id: int, rooms: Sequence[Room]) -> bool:
        """Tell whether limits would leave a sale that is kept more or less than they did."""
        known = {room.campaign: room for room in rooms}
        return any(
            Limited.by(use.campaign, known.get(use.campaign), use.wanted).given != use.given
            for use in self.kept.get(sale_id, ())
        )

    def go_past(self, sale_id: int) -> None:
        """Count what campaigns gave for a sale that stays as it is."""
        self.add(self.kept.get(sale_id, ()))

    def add(self, rows: Collection[UseRow]) -> None:
        """Count what campaigns gave for a sale."""
        for row in rows:
            self.uses.add(row.customer, row.campaign, row.day, row.units)

    def go_past_other(self, program: Program | None, row: UseRow) -> bool:
        """Count another member's use as it will be; tell whether it will be another."""
        given = row.given if program is None else self._given_now(program, row)
        units = row.units
        if given != row.given and (row.units or not row.given):
            # What it had of the campaign changes by as much, unless another one was chosen.
            units = max(row.units + given - row.given, 0)
        self.uses.add_in_all(row.campaign, row.day, units)
        # What was given to those who were erased stays given.
        return given != row.given and row.customer_rowid != 0

    def _given_now(self, program: Program, row: UseRow) -> int:
        campaign = next((one for one in program.campaign if one.name == row.campaign), None)
        left = None if campaign is None else self.uses.budget_left(program, campaign, row.day)
        return row.asked if left is None else min(row.asked, left)


def limits_of(
    connection: Connection,
    programs: Sequence[Program],
    starts: Mapping[CustomerKey, int],
    passed: Collection[int],
    judged: Collection[int],
    end: int | None,
) -> Limits | None:
    """Begin where the first of these members is walked; ``None`` where no campaign has limits.

    ``programs`` are all versions of one. ``passed`` are the sales that are walked past, ``judged``
    those that are judged.
    """
    limited = {campaign.name for program in programs for campaign in program.limited_campaigns}
    if not limited:
        return None
    name, limits = programs[0].name, Limits()
    for customer, rows in campaign_uses.of_members(connection, name, starts).items():
        for row in rows:
            if row.sale_id in passed:
                limits.kept[row.sale_id].append(row)
            elif row.day < starts[customer]:
                limits.uses.add_to_one(customer, row.campaign, row.day, row.units)
    _begin_budgets(connection, programs, limits, min(starts.values()), end)
    limits.others = [
        r for r in limits.others if r.sale_id not in passed and r.sale_id not in judged
    ]
    return limits


def _begin_budgets(
    connection: Connection, programs: Sequence[Program], limits: Limits, first: int, end: int | None
) -> None:
    """Add up what was given in all before a day, and find what was given since."""
    spans = {
        (campaign.name, campaign.in_all.each)
        for program in programs
        for campaign in program.limited_campaigns
        if campaign.in_all is not None
    }
    if not spans:
        return
    name, budgets = programs[0].name, {campaign for campaign, _ in spans}
    begins = [span_begin(each, first) for _, each in spans if each is not Each.CAMPAIGN]
    begin = min(begins, default=first)
    for campaign, day, units in campaign_uses.by_day(connection, name, budgets, begin, first):
        limits.uses.add_in_all(campaign, day, units)
    limits.others = campaign_uses.since(connection, name, budgets, first, end)
