"""Which tier a member holds on a day: reached at once, lost at reviews, set by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from dolisync.program.course import Counted, Course, months_back
from dolisync.program.looking_back import before_of
from dolisync.program.terms import Program
from dolisync.program.tiers import (
    SetByHand,
    in_force,
    in_tier,
    next_review,
    tier_after,
    tier_on,
    tier_today,
)
from tests.builders import program

SILVER_GOLD = [
    {"name": "silver", "title": "Silver", "at_least": 100, "multiplier": "1.5"},
    {"name": "gold", "title": "Gold", "at_least": 300, "multiplier": 2, "bonus": 5},
]


def tiered(**tiers: Any) -> Program:
    return program(tier=SILVER_GOLD, tiers=tiers)


def course(terms: Program, *sales: tuple[date, int], by_hand: Any = ()) -> Course:
    """Walk over sales worth some euros, and as many points."""
    found = Course()
    for day, euros in sales:
        held = tier_on(terms, found, by_hand, day.toordinal())
        found.add(day.toordinal(), Counted(1, euros, euros * 100))
        found.tier = tier_after(terms, found, by_hand, held)
    return found


def on(terms: Program, found: Course, day: date, by_hand: Any = ()) -> str:
    return tier_on(terms, found, by_hand, day.toordinal())


JANUARY = date(2026, 1, 15)


@pytest.mark.parametrize(
    ("euros", "tier"), [(99, ""), (100, "silver"), (299, "silver"), (300, "gold"), (999, "gold")]
)
def test_a_tier_is_reached_at_once_from_its_threshold_on(euros: int, tier: str) -> None:
    terms = tiered()
    assert on(terms, course(terms, (JANUARY, euros)), JANUARY) == tier


@pytest.mark.parametrize(
    ("settings", "day", "tier"),
    [
        ({}, date(2026, 12, 31), "gold"),
        # The window of the review on 1 January still begins on 1 January.
        ({}, date(2027, 1, 31), "gold"),
        ({}, date(2027, 2, 1), ""),
        ({"downgrade": "one_step"}, date(2027, 2, 1), "silver"),
        ({"downgrade": "one_step"}, date(2027, 3, 1), ""),
        ({"downgrade": "never"}, date(2036, 1, 1), "gold"),
        ({"grace_days": 10}, date(2027, 2, 10), "gold"),
        ({"grace_days": 10}, date(2027, 2, 11), ""),
        ({"review": "year"}, date(2027, 12, 31), "gold"),
        ({"review": "year"}, date(2028, 1, 1), ""),
        ({"months": 3}, date(2026, 4, 30), "gold"),
        ({"months": 3}, date(2026, 5, 1), ""),
        ({"window": "lifetime"}, date(2036, 1, 1), "gold"),
        ({"window": "calendar_year", "review": "year"}, date(2027, 12, 31), "gold"),
        ({"window": "calendar_year", "review": "year"}, date(2028, 1, 1), ""),
        ({"default": "silver"}, date(2027, 2, 1), "silver"),
    ],
)
def test_a_tier_is_lost_only_at_a_review(settings: dict[str, Any], day: date, tier: str) -> None:
    terms = tiered(**settings)
    assert on(terms, course(terms, (JANUARY, 300)), day) == tier


def test_the_days_of_grace_can_save_a_tier() -> None:
    terms = tiered(grace_days=10)
    saved = course(terms, (JANUARY, 300), (date(2027, 2, 5), 300))
    assert on(terms, saved, date(2027, 2, 11)) == "gold"


def test_a_review_falls_to_what_is_earned_not_below() -> None:
    terms = tiered()
    found = course(terms, (JANUARY, 300), (date(2026, 9, 1), 100))
    assert on(terms, found, date(2027, 2, 1)) == "silver"


def test_new_members_have_the_default_tier() -> None:
    assert on(tiered(default="silver"), Course(), JANUARY) == "silver"
    assert on(tiered(), Course(), JANUARY) == ""


def test_points_and_visits_as_a_basis() -> None:
    by_points = tiered(basis="points_earned")
    assert on(by_points, course(by_points, (JANUARY, 100)), JANUARY) == "silver"
    visits = program(
        tier=[{"name": "regular", "at_least": 2}, {"name": "friend", "at_least": 4}],
        tiers={"basis": "visits"},
    )
    assert on(visits, course(visits, (JANUARY, 1)), JANUARY) == ""
    assert on(visits, course(visits, (JANUARY, 1), (JANUARY, 1)), JANUARY) == "regular"


@pytest.mark.parametrize(
    ("day", "tier"),
    [
        (JANUARY, "new"),
        (date(2026, 2, 14), "new"),
        (date(2026, 2, 15), "old"),
        (date(2036, 2, 15), "old"),
    ],
)
def test_seniority_grows_without_sales(day: date, tier: str) -> None:
    terms = program(
        tier=[{"name": "new", "at_least": 0}, {"name": "old", "at_least": 1}],
        tiers={"basis": "seniority"},
    )
    assert on(terms, course(terms, (JANUARY, 1)), day) == tier


def by_hand(day: date, tier: str, *, lock: bool = False, until: date | None = None) -> SetByHand:
    return SetByHand(day.toordinal(), tier, lock, until.toordinal() if until else None)


@pytest.mark.parametrize(
    ("settings", "day", "tier"),
    [
        ([by_hand(date(2026, 3, 10), "gold")], date(2026, 3, 9), ""),
        ([by_hand(date(2026, 3, 10), "gold")], date(2026, 3, 10), "gold"),
        # Not locked: until the next review, or until its last day.
        ([by_hand(date(2026, 3, 10), "gold")], date(2026, 4, 1), ""),
        ([by_hand(date(2026, 3, 10), "gold", until=date(2026, 6, 5))], date(2026, 6, 30), "gold"),
        ([by_hand(date(2026, 3, 10), "gold", until=date(2026, 6, 5))], date(2026, 7, 1), ""),
        # Locked: for ever, or until its last day, and not a day longer.
        ([by_hand(date(2026, 3, 10), "gold", lock=True)], date(2036, 3, 10), "gold"),
        (
            [by_hand(date(2026, 3, 10), "gold", lock=True, until=date(2026, 6, 5))],
            date(2026, 6, 5),
            "gold",
        ),
        (
            [by_hand(date(2026, 3, 10), "gold", lock=True, until=date(2026, 6, 5))],
            date(2026, 6, 6),
            "",
        ),
        # Released: what is earned holds again at once.
        (
            [by_hand(date(2026, 3, 10), "gold", lock=True), by_hand(date(2026, 5, 2), "")],
            date(2026, 5, 2),
            "",
        ),
        # What was set last holds.
        (
            [by_hand(date(2026, 3, 10), "gold", lock=True), by_hand(date(2026, 3, 10), "silver")],
            date(2026, 3, 10),
            "silver",
        ),
    ],
)
def test_a_tier_set_by_hand(settings: list[SetByHand], day: date, tier: str) -> None:
    terms = tiered()
    assert on(terms, course(terms, (JANUARY, 10)), day, settings) == tier
    assert on(terms, Course(), day, settings) == tier


def test_sales_raise_a_tier_set_by_hand_unless_it_is_locked() -> None:
    terms, day = tiered(), date(2026, 3, 10)
    for lock, tier in ((False, "gold"), (True, "silver")):
        settings = [by_hand(day, "silver", lock=lock)]
        found = course(terms, (day, 300), by_hand=settings)
        assert on(terms, found, day, settings) == tier


def test_staff_may_set_a_lower_tier_too() -> None:
    terms = tiered()
    settings = [by_hand(date(2026, 2, 10), "silver", lock=True)]
    found = course(terms, (JANUARY, 300), by_hand=settings)
    assert on(terms, found, date(2026, 2, 10), settings) == "silver"


def test_a_lock_holds_on_its_last_day_too() -> None:
    terms, day = tiered(), date(2026, 3, 10)
    settings = [by_hand(date(2026, 3, 1), "silver", lock=True, until=day)]
    found = course(terms, (day, 300), by_hand=settings)
    assert found.tier == "silver"
    assert on(terms, found, date(2026, 3, 11), settings) == "gold"


def test_what_is_set_later_does_not_hold_before() -> None:
    settings = [by_hand(date(2026, 3, 10), "gold", lock=True), by_hand(date(2026, 5, 2), "")]
    assert on(tiered(), Course(), date(2026, 3, 15), settings) == "gold"


def test_a_sale_that_raised_a_tier_set_on_its_day_counts_to_the_next_review() -> None:
    terms, day = tiered(), date(2026, 3, 10)
    settings = [by_hand(day, "silver")]
    found = course(terms, (day, 300), by_hand=settings)
    assert on(terms, found, date(2027, 3, 31), settings) == "gold"
    assert on(terms, found, date(2027, 4, 1), settings) == ""


def test_a_sale_under_rules_without_tiers_leaves_the_tier_as_it_is() -> None:
    terms = program()
    found = course(terms, (JANUARY, 300))
    assert tier_after(terms, found, (), "silver") == "silver"


def test_a_first_purchase_is_told_from_others() -> None:
    terms = tiered()
    assert before_of(terms, Course(), (), 1).sales == 0
    many = course(terms, (JANUARY, 1), (JANUARY, 1))
    assert before_of(terms, many, (), JANUARY.toordinal()).sales == 1


def test_windows_end_at_the_first_of_all_days() -> None:
    assert months_back(date(1, 12, 1).toordinal(), 12) == 1
    assert months_back(date(2026, 3, 31).toordinal(), 13) == date(2025, 2, 28).toordinal()


def test_the_multiplier_and_the_bonus_of_a_tier() -> None:
    terms = tiered()
    assert in_tier(terms, "", 11) == (11, ())
    assert in_tier(terms, "silver", 11)[0] == 16
    assert in_tier(tiered(rounding="up"), "silver", 11)[0] == 17
    units, reasons = in_tier(terms, "gold", 11)
    assert units == 27
    assert str(reasons[0]) == "27 points in the tier Gold: times 2 and 5 more"
    assert in_tier(terms, "gold", 0) == (0, ())
    plain = program(tier=[{"name": "plain"}, {"name": "more", "at_least": 1, "bonus": 2}])
    assert in_tier(plain, "plain", 7) == (7, ())
    assert in_tier(plain, "more", 7)[0] == 9


def test_what_is_missing_to_the_next_tier() -> None:
    terms = tiered()
    found = course(terms, (JANUARY, 120))
    today = tier_today(terms, found, (), JANUARY.toordinal())
    assert today.tier is not None
    assert today.next is not None
    assert (today.tier.name, today.next.name, today.missing) == ("silver", "gold", Decimal(180))
    # The window has moved on: what was bought long ago counts no more.
    later = tier_today(terms, found, (), date(2027, 1, 31).toordinal())
    assert later.missing == 300
    months = program(tier=[{"name": "old", "at_least": 3}], tiers={"basis": "seniority"})
    member = course(months, (JANUARY, 1))
    assert tier_today(months, member, (), date(2026, 2, 14).toordinal()).missing == 3
    assert tier_today(months, member, (), date(2026, 2, 15).toordinal()).missing == 2
    top = course(terms, (JANUARY, 300))
    assert tier_today(terms, top, (), JANUARY.toordinal()).next is None


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"tier": [{"name": "a"}, {"name": "a", "at_least": 9}]}, "two tiers have the same name"),
        ({"tier": [{"name": "a"}, {"name": "b"}]}, "two tiers have the same threshold: '500'"),
        (
            {"tier": [{"name": "a"}, {"name": "b", "at_least": 9}], "tiers": {"default": "c"}},
            "names the tier 'c', which is not there; tiers: a, b",
        ),
        ({"reward": [{"tiers": ["gold"]}]}, "tiers: none"),
        (
            {"tier": [{"name": "a"}], "tiers": {"window": "calendar_year"}},
            'set review = "year"',
        ),
        ({"tier": [{"name": "a", "bonus": "0.5"}]}, "set decimals = 2"),
    ],
)
def test_terms_that_contradict_themselves(terms: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        program(**terms)


@pytest.mark.parametrize(
    ("settings", "day", "is_held"),
    [
        ([by_hand(date(2026, 3, 10), "gold")], date(2026, 3, 9), False),
        ([by_hand(date(2026, 3, 10), "gold")], date(2026, 3, 31), True),
        ([by_hand(date(2026, 3, 10), "gold")], date(2026, 4, 1), False),
        ([by_hand(date(2026, 3, 10), "gold", until=date(2026, 6, 5))], date(2026, 6, 30), True),
        ([by_hand(date(2026, 3, 10), "gold", until=date(2026, 6, 5))], date(2026, 7, 1), False),
        ([by_hand(date(2026, 3, 10), "gold", lock=True)], date(2036, 3, 10), True),
        (
            [by_hand(date(2026, 3, 10), "gold", lock=True, until=date(2026, 6, 5))],
            date(2026, 6, 6),
            False,
        ),
        (
            [by_hand(date(2026, 3, 10), "gold", lock=True), by_hand(date(2026, 3, 11), "")],
            date(2026, 3, 11),
            False,
        ),
    ],
)
def test_what_was_set_by_hand_is_in_force_until_a_review_or_its_end(
    settings: list[SetByHand], day: date, is_held: bool
) -> None:
    assert (in_force(tiered(), settings, day.toordinal()) is not None) == is_held


def test_where_nobody_is_reviewed_what_was_set_stays_in_force() -> None:
    settings = [by_hand(date(2026, 3, 10), "gold")]
    assert in_force(tiered(downgrade="never"), settings, date(2036, 1, 1).toordinal())
    assert next_review(tiered(downgrade="never"), 739000) is None


def test_the_next_review_is_after_the_day() -> None:
    for settings, review in (
        ({}, date(2026, 4, 1)),
        ({"grace_days": 10}, date(2026, 4, 11)),
        ({"review": "year"}, date(2027, 1, 1)),
    ):
        assert next_review(tiered(**settings), date(2026, 3, 11).toordinal()) == review.toordinal()
    assert next_review(tiered(), date(2026, 4, 1).toordinal()) == date(2026, 5, 1).toordinal()
