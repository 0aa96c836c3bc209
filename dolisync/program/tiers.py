"""Tiers: which one a member holds on a day, as a function of his sales and of what staff set.

A tier is reached at once, by the sale that crosses its threshold; that sale itself still earns in
the old one. A tier is lost only on a day of review, when the sales that it looks at do not reach it
any more. A tier set by hand holds from its day on: locked, nothing but its end or another hand
changes it; not locked, sales may still raise it and reviews (after its end) judge it again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from dolisync.program.calendar import add_months
from dolisync.program.course import Counted, Course, month_begin, months_back, year_begin
from dolisync.program.reasons import Reason, Why, because
from dolisync.program.rounding import round_units
from dolisync.program.terms import (
    NO_TIER,
    Downgrade,
    Program,
    Review,
    TierBasis,
    TierFacts,
    TierTerms,
    Window,
)


@dataclass(frozen=True, slots=True)
class SetByHand:
    """A tier that staff set from a day on; without a name, what they had set ends there.

    ``until`` is its last day: then sales and reviews judge again. Without one a locked tier has no
    end, and one that is not locked ends with the next review.
    """

    day: int
    tier: str
    is_locked: bool = False
    until: int | None = None

    def holds_on(self, day: int) -> bool:
        """Tell whether its last day is not over yet."""
        return bool(self.tier) and self.day <= day and (self.until is None or day <= self.until)


@dataclass(frozen=True, slots=True)
class TierToday:
    """The tier that a member holds, and what is missing to the next one, in its own measure."""

    tier: TierTerms | None
    next: TierTerms | None
    missing: Decimal
    is_locked: bool

    @property
    def name(self) -> str:
        """The tier's name, empty for none."""
        return self.tier.name if self.tier else ""


def in_tier(
    program: Program, name: str, units: int, *, is_told: bool = True
) -> tuple[int, tuple[Reason, ...]]:
    """Return what ``units`` come to in a tier: multiplied, and with its bonus.

    ``is_told`` says whether anybody reads why.
    """
    tier = program.tier_named(name)
    if tier is None or units <= 0 or (tier.multiplier == 1 and not tier.bonus):
        return units, ()
    raised = multiplied(program, name, units) + program.units(tier.bonus)
    if not is_told:
        return raised, ()
    bonus = f" and {tier.bonus} more" if tier.bonus else ""
    how = f"times {tier.multiplier}{bonus}"
    points = program.points_of(raised)
    return raised, (because(Why.TIER, points=points, title=tier.title, how=how),)


def multiplied(program: Program, name: str, units: int) -> int:
    """Return what ``units`` come to in a tier without its bonus."""
    tier = program.tier_named(name)
    if tier is None or tier.multiplier == 1:
        return units
    return round_units(units * tier.multiplier, program.tiers.rounding)


def tier_on(program: Program, course: Course, by_hand: Sequence[SetByHand], day: int) -> str:
    """Return the tier held on a day, before any sale that is not in the course."""
    facts = program.tier_facts
    if not facts.names:
        return ""
    floor = facts.floor
    held = max(facts.places.get(course.tier, NO_TIER), floor)
    if by_hand or held > floor:
        held = _later(program, course, by_hand, day)
    if _lock(by_hand, day) is None:
        # Also without a sale: with the months, or where the thresholds were lowered.
        held = max(held, _level(facts, course, day + 1), floor)
    return _name(facts, held)


def tier_after(program: Program, course: Course, by_hand: Sequence[SetByHand], held: str) -> str:
    """Return the tier held after the last sale of a course, where ``held`` was held before it."""
    facts = program.tier_facts
    if not facts.names or course.last_day is None or _lock(by_hand, course.last_day):
        return held
    reached = _level(facts, course, course.last_day + 1)
    return _name(facts, max(facts.places.get(held, NO_TIER), reached))


def tier_today(
    program: Program, course: Course, by_hand: Sequence[SetByHand], day: int
) -> TierToday:
    """Return the tier of a day with what is missing to the next one."""
    facts, ranks = program.tier_facts, program.ranks
    held = facts.places.get(tier_on(program, course, by_hand, day), NO_TIER)
    lock = _lock(by_hand, day)
    tier = ranks[held] if held > NO_TIER else None
    if held + 1 == len(ranks):
        return TierToday(tier, None, Decimal(0), lock is not None)
    measured = _measured(facts, _counted(facts, course, day + 1), course, day + 1)
    missing = _missing(program, held + 1, measured)
    return TierToday(tier, ranks[held + 1], missing, lock is not None)


def next_review(program: Program, day: int) -> int | None:
    """Return the day of the first review after a day; ``None`` where there are none."""
    # Two years hold a review whatever the settings.
    return next(_reviews(program, day, day + 800), None)


def in_force(program: Program, by_hand: Sequence[SetByHand], day: int) -> SetByHand | None:
    """Return what staff set that still holds on a day: no review judges it again before."""
    entry = _latest(by_hand, day)
    if entry is None or not entry.tier or entry.is_locked:
        return entry if entry and entry.holds_on(day) else None
    review = next_review(program, entry.day if entry.until is None else entry.until)
    return entry if review is None or day < review else None


def _later(program: Program, course: Course, by_hand: Sequence[SetByHand], day: int) -> int:
    """Walk over what happened to a tier between the last sale and a day."""
    facts = program.tier_facts
    held = max(facts.places.get(course.tier, NO_TIER), facts.floor)
    begin = course.last_day
    if begin is None:
        begin = min((entry.day for entry in by_hand), default=day) - 1
    # What staff set, or what ended, on the day of a review comes after it.
    for event, entry in sorted(_events(program, by_hand, begin, day), key=_order):
        if entry is None:
            held = _reviewed(program, course, by_hand, event, held)
        elif entry.day == event:
            is_there = facts.places.get(entry.tier, NO_TIER)
            held = is_there if entry.tier else _level(facts, course, event)
        elif _latest(by_hand, event) == entry:
            held = _level(facts, course, event)
    return held


def _order(found: tuple[int, SetByHand | None]) -> tuple[int, bool, int]:
    event, entry = found
    return event, entry is not None, entry.day if entry else 0


def _events(
    program: Program, by_hand: Sequence[SetByHand], begin: int, end: int
) -> Iterator[tuple[int, SetByHand | None]]:
    """Name the days after ``begin`` on which a tier may change without a sale."""
    for review in _reviews(program, begin, end):
        yield review, None
    for entry in by_hand:
        if begin < entry.day <= end:
            yield entry.day, entry
        if entry.is_locked and entry.until is not None and begin < entry.until + 1 <= end:
            yield entry.until + 1, entry


def _reviews(program: Program, begin: int, end: int) -> Iterator[int]:
    """Name the days on which reviews take effect: the first of a month or year, and the grace."""
    terms = program.tiers
    if terms.downgrade is Downgrade.NEVER:
        return
    months = 1 if terms.review is Review.MONTH else 12
    first = max(begin - terms.grace_days, 1)
    place = month_begin(first) if terms.review is Review.MONTH else year_begin(first)
    while place + terms.grace_days <= end:
        if place + terms.grace_days > begin:
            yield place + terms.grace_days
        place = add_months(date.fromordinal(place), months).toordinal()


def _reviewed(
    program: Program, course: Course, by_hand: Sequence[SetByHand], event: int, held: int
) -> int:
    entry = _latest(by_hand, event - 1)
    kept = entry is not None and (entry.is_locked or entry.until is not None)
    if kept and entry is not None and entry.holds_on(event):
        return held
    terms, facts = program.tiers, program.tier_facts
    # The days of grace lengthen what the review looks at.
    counted = _counted(facts, course, event - terms.grace_days)
    earned = max(_reached(facts, counted, course, event), facts.floor)
    if earned >= held:
        return held
    return held - 1 if terms.downgrade is Downgrade.ONE_STEP else earned


def _latest(by_hand: Sequence[SetByHand], day: int) -> SetByHand | None:
    """Return what staff set last, up to a day."""
    return next((entry for entry in reversed(by_hand) if entry.day <= day), None)


def _lock(by_hand: Sequence[SetByHand], day: int) -> SetByHand | None:
    entry = _latest(by_hand, day) if by_hand else None
    return entry if entry and entry.is_locked and entry.holds_on(day) else None


def _level(facts: TierFacts, course: Course, end: int) -> int:
    """Return the highest tier whose threshold is reached by the window that ends before a day."""
    return _reached(facts, _counted(facts, course, end), course, end)


def _reached(facts: TierFacts, counted: Counted, course: Course, end: int) -> int:
    return bisect_right(facts.thresholds, _measured(facts, counted, course, end)) - 1


def _counted(facts: TierFacts, course: Course, end: int) -> Counted:
    if facts.window is Window.LIFETIME:
        return course.total
    if facts.window is Window.CALENDAR_YEAR:
        return course.since(year_begin(end - 1))
    return course.since(months_back(end, facts.months))


def _measured(facts: TierFacts, counted: Counted, course: Course, end: int) -> int:
    """Return what is compared with the thresholds, in their measure."""
    match facts.basis:
        case TierBasis.POINTS_EARNED:
            return counted.units
        case TierBasis.AMOUNT_SPENT:
            return counted.spent_minor
        case TierBasis.VISITS:
            return counted.sales
        case TierBasis.SENIORITY:
            return _months_between(course.first_day, end - 1)


def _missing(program: Program, place: int, measured: int) -> Decimal:
    """Return what is missing to a tier, as people read it."""
    missing = max(program.thresholds[place] - measured, 0)
    match program.tiers.basis:
        case TierBasis.POINTS_EARNED:
            return program.points_of(missing)
        case TierBasis.AMOUNT_SPENT:
            return (Decimal(missing) / 100).quantize(Decimal("0.01"))
        case _:
            return Decimal(missing)


def _months_between(first: int | None, day: int) -> int:
    if first is None or day < first:
        return 0
    begin, end = date.fromordinal(first), date.fromordinal(day)
    months = (end.year - begin.year) * 12 + end.month - begin.month
    return months if add_months(begin, months) <= end else months - 1


def _name(facts: TierFacts, place: int) -> str:
    return facts.names[place] if place > NO_TIER else ""
