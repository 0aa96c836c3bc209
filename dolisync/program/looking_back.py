"""What a sale may know of its member's sales before it, as far as its program asks."""

from __future__ import annotations

from collections.abc import Sequence

from dolisync.program.before import Before, Room
from dolisync.program.course import Course, month_begin
from dolisync.program.terms import Program, Window
from dolisync.program.tiers import SetByHand, tier_on

# Rules ask whether a sale is the first, not how many were before it: so few must be judged again.
SALES_KNOWN = 1
_MONTH_DAYS, _YEAR_DAYS = 31, 366


def before_of(
    program: Program,
    course: Course,
    by_hand: Sequence[SetByHand],
    day: int,
    rooms: tuple[Room, ...] = (),
) -> Before:
    """Return what a sale of a day may know, where its member's course was this before it.

    ``rooms`` is what limited campaigns can still give.
    """
    _, per_day, per_month, per_member = program.caps_units
    return Before(
        min(course.total.sales, SALES_KNOWN),
        tier_on(program, course, by_hand, day),
        0 if per_day is None else course.since(day).units,
        0 if per_month is None else course.since(month_begin(day)).units,
        0 if per_member is None else course.total.units,
        rooms,
    )


def reach_days(program: Program) -> int:
    """Return how many days before a member's last sale its rules look back at the most.

    What lies farther back they know as sums only.
    """
    asked = (one.asks.days for one in program.limited_campaigns if one.asks and one.asks.days)
    return max([_reach_of_tiers(program), *asked])


def _reach_of_tiers(program: Program) -> int:
    if not program.tier or program.tiers.window is Window.LIFETIME:
        return _MONTH_DAYS
    window = program.tiers.window
    days = _YEAR_DAYS if window is Window.CALENDAR_YEAR else program.tiers.months * _MONTH_DAYS
    return days + program.tiers.grace_days + _MONTH_DAYS
