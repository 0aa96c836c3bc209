"""Caps: how many points a sale, a day, a month or a member can earn at most.

The cap is put on what a sale earns; what its returns take back is what is left above what the goods
kept would have earned under the same cap. A return makes room again: later sales of the same day or
month then earn what the cap had cut off.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from dolisync.program.before import Before
from dolisync.program.reasons import Reason, Why, because
from dolisync.program.terms import Program

SALE = "a sale"


def in_one_sale(program: Program, units: int) -> tuple[int, tuple[Reason, ...]]:
    """Cut what a sale earns to what one sale may."""
    cap, most = program.earn.caps.per_sale, program.caps_units[0]
    if cap is None or most is None or units <= most:
        return units, ()
    return most, (_reason(program, cap, SALE, most, units),)


def room(program: Program, before: Before) -> int | None:
    """Return how many units a sale may still earn, ``None`` for any number."""
    _, day, month, member = program.caps_units
    spaces = []
    if day is not None:
        spaces.append(day - before.day_units)
    if month is not None:
        spaces.append(month - before.month_units)
    if member is not None:
        spaces.append(member - before.all_units)
    return max(min(spaces), 0) if spaces else None


def within(
    program: Program, before: Before, units: int, *, is_told: bool
) -> tuple[int, tuple[Reason, ...]]:
    """Cut what a sale earns to the room that the sales before it left.

    ``is_told`` says whether anybody reads why.
    """
    space = room(program, before)
    if space is None or units <= space:
        return units, ()
    if not is_told:
        return space, ()
    cap, span, left = min(rooms(program, before), key=lambda found: found[2])
    return left, (_reason(program, cap, span, left, units),)


def rooms(program: Program, before: Before) -> Iterator[tuple[Decimal, str, int]]:
    """Name the caps that look at other sales: each with its span, and the units it leaves."""
    caps = program.earn.caps
    _, day, month, member = program.caps_units
    for cap, units, span, earned in (
        (caps.per_day, day, "a day", before.day_units),
        (caps.per_month, month, "a month", before.month_units),
        (caps.per_member, member, "a member", before.all_units),
    ):
        if cap is not None and units is not None:
            yield cap, span, max(units - earned, 0)


def _reason(program: Program, cap: Decimal, span: str, given: int, wanted: int) -> Reason:
    given_points, points = program.points_of(given), program.points_of(wanted)
    return because(Why.CAPPED, cap=cap, span=span, given=given_points, points=points)
