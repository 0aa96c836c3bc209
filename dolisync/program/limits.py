"""Limits of campaigns: what is left of a budget, or for a member, before a sale.

A limited campaign gives what it would give anyway, as far as there is room. What it gave is counted
on the day of the sale, with what returns left of it, in the order of days and rowids: so it does
not matter when a sale arrives. A return makes room again, and later sales then have
what was missing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_DOWN, Decimal
from functools import lru_cache
from typing import NamedTuple

from dolisync.model import CustomerKey
from dolisync.program.before import Limit, Room
from dolisync.program.campaign_terms import BudgetTerms, CampaignTerms, ChallengeTerms, Each
from dolisync.program.course import Counted, Course, month_begin, year_begin
from dolisync.program.kinds import NO_KINDS, Kinds, key_of
from dolisync.program.terms import Program

# What a badge without points counts as, where what campaigns give is counted.
BADGE = 1


class Limited(NamedTuple):
    """What a limited campaign that holds for a sale would give, in ledger units.

    ``wanted`` is without any limit, ``asked`` what its member's limits leave of that, ``given``
    what all leave.
    """

    campaign: str
    wanted: int
    asked: int
    given: int

    @classmethod
    def by(cls, campaign: str, room: Room | None, wanted: int) -> Limited:
        """Cut what a campaign would give to its room."""
        if room is None:
            return cls(campaign, wanted, wanted, wanted)
        asked = wanted if room.to_member is None else min(wanted, room.to_member)
        return cls(campaign, wanted, asked, min(wanted, room.units))


@dataclass(slots=True)
class Uses:
    """What limited campaigns gave so far: in all, and to each member by customer and campaign."""

    in_all: dict[str, Course] = field(default_factory=lambda: defaultdict(Course))
    to_one: dict[tuple[CustomerKey, str], Course] = field(
        default_factory=lambda: defaultdict(Course)
    )

    def add(self, customer: CustomerKey, campaign: str, day: int, units: int) -> None:
        """Count what a campaign gave for one sale more, after all others."""
        self.add_in_all(campaign, day, units)
        self.add_to_one(customer, campaign, day, units)

    def add_in_all(self, campaign: str, day: int, units: int) -> None:
        """Count it for the budget only."""
        self.in_all[campaign].add(day, Counted(units=units))

    def add_to_one(self, customer: CustomerKey, campaign: str, day: int, units: int) -> None:
        """Count it for the member only."""
        self.to_one[customer, campaign].add(day, Counted(int(units > 0), units))

    def rooms(
        self,
        program: Program,
        customer: CustomerKey,
        course: Course,
        day: int,
        kinds: Kinds = NO_KINDS,
    ) -> tuple[Room, ...]:
        """Say what each limited campaign can still give for a sale of a customer.

        ``course`` are his sales before it, ``kinds`` the tags of challenges in which it bought.
        """
        return tuple(
            room
            for campaign in program.limited_campaigns
            if (room := self._room(program, campaign, customer, course, day, kinds)) is not None
        )

    def budget_left(self, program: Program, campaign: CampaignTerms, day: int) -> int | None:
        """Say what is left of a campaign's budget, ``None`` where it has none."""
        if campaign.in_all is None:
            return None
        used = since(self.in_all[campaign.name], campaign.in_all.each, day).units
        return max(budget_units(program, campaign.in_all) - used, 0)

    def _room(
        self,
        program: Program,
        campaign: CampaignTerms,
        customer: CustomerKey,
        course: Course,
        day: int,
        kinds: Kinds,
    ) -> Room | None:
        missing = self._missing_kinds(campaign, customer, day, kinds)
        if missing is not None:
            return missing
        own = min(
            (*_missing(campaign, course, day), *self._own(program, campaign, customer, day)),
            key=lambda room: room[0],
            default=None,
        )
        budget = self.budget_left(program, campaign, day)
        to_member = None if own is None else own[0]
        if budget is not None and (own is None or budget < own[0]):
            return Room(campaign.name, budget, to_member, Limit.BUDGET)
        return None if own is None else Room(campaign.name, own[0], to_member, own[1])

    def _missing_kinds(
        self, campaign: CampaignTerms, customer: CustomerKey, day: int, kinds: Kinds
    ) -> Room | None:
        """Leave no room where too few of a challenge's tags were bought in."""
        asked = campaign.asks
        if asked is None or not asked.tags:
            return None
        own = kinds.get(campaign.name, ())
        bought = frozenset(
            tag
            for tag in asked.tags_asked
            if tag in own or self._was_bought(campaign, asked, customer, tag, day)
        )
        if len(bought) >= asked.tags_needed:
            return None
        return Room(campaign.name, 0, 0, Limit.KINDS, bought)

    def _was_bought(
        self,
        campaign: CampaignTerms,
        asked: ChallengeTerms,
        customer: CustomerKey,
        tag: str,
        day: int,
    ) -> bool:
        course = self.to_one.get((customer, key_of(campaign.name, tag)))
        return course is not None and _asked_of(course, asked, day).sales > 0

    def _own(
        self, program: Program, campaign: CampaignTerms, customer: CustomerKey, day: int
    ) -> Iterator[tuple[int, Limit]]:
        terms = campaign.to_one
        if terms is None:
            return
        had = since(self.to_one[customer, campaign.name], terms.each, day)
        if terms.points is not None and not campaign.is_badge_only:
            yield max(program.units(terms.points) - had.units, 0), Limit.MEMBER_POINTS
        if terms.times is not None and had.sales >= terms.times:
            yield 0, Limit.MEMBER_TIMES


def _missing(campaign: CampaignTerms, course: Course, day: int) -> Iterator[tuple[int, Limit]]:
    """Leave no room where a challenge is not met."""
    asked = campaign.asks
    if asked is None:
        return
    done = _asked_of(course, asked, day)
    if asked.visits is not None and done.sales + 1 < asked.visits:
        yield 0, Limit.VISITS
    if asked.spent is not None and done.spent_minor < asked.spent * 100:
        yield 0, Limit.SPENT


def _asked_of(course: Course, asked: ChallengeTerms, day: int) -> Counted:
    """Return what was done within the days of a challenge."""
    return course.total if asked.days is None else course.since(day - asked.days + 1)


def since(course: Course, each: Each, day: int) -> Counted:
    """Return what was given in the span to which a day belongs."""
    return course.total if each is Each.CAMPAIGN else course.since(span_begin(each, day))


@lru_cache(maxsize=4096)
def span_begin(each: Each, day: int) -> int:
    """Return the first day (an ordinal number) of the span to which a day belongs."""
    match each:
        case Each.CAMPAIGN:
            return 1
        case Each.DAY:
            return day
        case Each.WEEK:
            return day - date.fromordinal(day).weekday()
        case Each.MONTH:
            return month_begin(day)
    return year_begin(day)


def budget_units(program: Program, terms: BudgetTerms) -> int:
    """Return a budget in ledger units: the smaller one where both are set."""
    points = [] if terms.points is None else [terms.points]
    value = program.value_of_point
    if terms.money is not None and value is not None:
        points.append(terms.money / value)
    least = min(points) * program.scale
    return int(least.quantize(Decimal(1), ROUND_DOWN))


def limit_of(program: Program, campaign: CampaignTerms, limit: Limit) -> tuple[Decimal, Each]:
    """Return how much a limit allows, in points or sales, and over which span."""
    if limit is Limit.BUDGET and campaign.in_all is not None:
        units = budget_units(program, campaign.in_all)
        return program.points_of(units), campaign.in_all.each
    terms = campaign.to_one
    assert terms is not None, "a member's limit comes from the campaign"
    allowed = terms.points if limit is Limit.MEMBER_POINTS else terms.times
    return Decimal(allowed or 0), terms.each
