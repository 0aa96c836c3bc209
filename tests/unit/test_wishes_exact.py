"""Exact edges of what staff ask for: the reason, and the words that would have been understood."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from dolisync.program.terms import Program
from dolisync.program.wishes import (
    Refusal,
    RefusedWish,
    TierWish,
    wanted_reward,
    wanted_tier,
    wanted_units,
    wants_part,
)
from tests.builders import program

REWARDS = [
    {"name": "small", "title": "Little thanks", "points": 100, "amount": "5"},
    {"name": "large", "title": "Great thanks", "points": 180, "amount": "10", "tiers": ["gold"]},
]
TIERS = [
    {"name": "silver", "title": "Silver card", "at_least": 100},
    {"name": "gold", "title": "Gold card", "at_least": 300},
]


def shop(**terms: Any) -> Program:
    return program(**{"reward": REWARDS, "tier": TIERS, **terms})


def refused(wish: Callable[[], object]) -> tuple[Refusal, str]:
    with pytest.raises(RefusedWish) as found:
        wish()
    assert found.value.args == (found.value.why, found.value.named)
    return found.value.why, found.value.named


def redeem(text: str, available: int = 1000, **terms: Any) -> Any:
    return wanted_reward(shop(**terms), text, Decimal(available))


def test_rewards_by_their_names_and_titles() -> None:
    assert redeem("LARGE").name == redeem("great thanks").name == "large"
    assert redeem("small").name == redeem("Little Thanks").name == "small"
    assert refused(lambda: redeem("huge")) == (
        Refusal.NO_REWARD,
        "Little thanks, Great thanks",
    )
    assert refused(lambda: redeem("0")) == (Refusal.NOTHING, "")
    assert refused(lambda: redeem("-5")) == (Refusal.NOTHING, "")
    assert refused(lambda: redeem("2.5")) == (Refusal.FRACTION, "")


def test_points_without_a_name_are_a_discount_like_the_first() -> None:
    made = redeem("1")
    assert (made.name, made.points, made.amount, made.tiers) == ("points", 1, Decimal("0.05"), ())
    for_gold = redeem("10", reward=[REWARDS[1]])
    assert for_gold.tiers == ()
    # A point of 0.0333: 10 points are 0.33, and for that 9.91 points suffice, or 10 whole ones.
    assert redeem("10", point_value="0.0333").points == 10
    assert redeem("10", point_value="0.0333", decimals=2).points == Decimal("9.91")
    assert redeem("61", point_value="0.0033").points == 61
    assert redeem("63", point_value="0.0033").points == 61
    # 0.0225 are 2 cents, for which 4.4 points would do: 5 whole ones.
    assert redeem("5", point_value="0.0045").points == 5
    nothing = shop(reward=[], point_value="0.05")
    assert refused(lambda: wanted_reward(nothing, "5", Decimal(9))) == (Refusal.NO_VALUE, "")
    worthless = program()
    assert refused(lambda: wanted_reward(worthless, "5", Decimal(9))) == (Refusal.NO_VALUE, "")


@pytest.mark.parametrize(
    ("text", "tier", "is_locked"),
    [
        ("gold", "gold", False),
        ("GOLD CARD", "gold", False),
        ("silver!", "silver", True),
        ("Silver card !", "silver", True),
        ("auto", None, False),
        ("NONE", None, False),
        ("-", None, False),
    ],
)
def test_tiers_by_their_names_and_titles(text: str, tier: str | None, is_locked: bool) -> None:
    wanted = shop().tier_named(tier) if tier else None
    assert wanted_tier(shop(), text) == TierWish(wanted, is_locked=is_locked)


def test_what_is_not_understood_names_what_would_have_been() -> None:
    assert refused(lambda: wanted_tier(shop(), "bronze")) == (Refusal.NO_TIER, "silver, gold")
    assert refused(lambda: wanted_tier(shop(), "!gold")) == (Refusal.NO_TIER, "silver, gold")
    assert refused(lambda: wants_part("perhaps")) == (Refusal.UNCLEAR, "perhaps")
    assert refused(lambda: wanted_units(shop(), "many", "x")) == (Refusal.UNCLEAR, "many")
    assert refused(lambda: wanted_units(shop(), "NaN", "x")) == (Refusal.UNCLEAR, "NaN")


def test_a_thousand_million_points_and_no_more() -> None:
    assert wanted_units(shop(), "1000000000", "x") == 10**9
    assert refused(lambda: wanted_units(shop(), "1000000001", "x"))[0] is Refusal.UNCLEAR
    assert refused(lambda: wanted_units(shop(), "-1000000001", "x"))[0] is Refusal.UNCLEAR
