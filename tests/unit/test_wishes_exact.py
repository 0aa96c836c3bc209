"""Exact edges of what staff ask for: the reason, and the words that would have been understood."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from dolisync.program.spending import Bill
from dolisync.program.terms import Program, RewardTerms
from dolisync.program.wishes import (
    DraftWish,
    Refusal,
    RefusedWish,
    TierWish,
    draft_reward,
    title_of_points,
    wanted_reward,
    wanted_tier,
    wanted_units,
    wanted_use,
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
    assert redeem("1", reward=[{**REWARDS[0], "tax_rate": "5.5"}]) == RewardTerms(
        name="points",
        title="Little thanks",
        points=Decimal(1),
        amount=Decimal("0.05"),
        tax_rate=Decimal("5.5"),
    )
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


def test_points_too_few_to_be_worth_a_cent_name_no_number() -> None:
    for wish in (
        lambda: redeem("max", available=0),
        lambda: redeem("1", point_value="0.001"),
        lambda: draft_reward(shop(), DraftWish(), Decimal(0), Bill(Decimal(50), Decimal(50))),
    ):
        assert refused(wish) == (Refusal.TOO_SMALL, "")


@pytest.mark.parametrize(
    ("text", "currency", "wish"),
    [
        ("1", "EUR", DraftWish(points=Decimal(1))),
        ("0,50 €", "EUR", DraftWish(amount=Decimal("0.50"))),
        ("fr. 1", "CHF", DraftWish(amount=Decimal(1))),
        # A currency without a sign that we know.
        ("20", "XOF", DraftWish(points=Decimal(20))),
        ("20 xof", "XOF", DraftWish(amount=Decimal(20))),
    ],
)
def test_points_and_amounts_on_a_draft(text: str, currency: str, wish: DraftWish) -> None:
    assert wanted_use(shop(), text, currency) == wish


@pytest.mark.parametrize(
    ("wish", "points", "amount"),
    [
        (DraftWish(), 400, 20),
        (DraftWish(points=Decimal(30)), 30, "1.50"),
        (DraftWish(amount=Decimal("1.02")), 21, "1.02"),
    ],
)
def test_points_on_a_draft_are_a_discount_with_the_title_of_the_first(
    wish: DraftWish, points: int, amount: Any
) -> None:
    bill = Bill(Decimal(20), Decimal(20))
    found = draft_reward(shop(), wish, Decimal(1000), bill)
    # The rates of VAT are those of the draft, of which nothing is known here.
    assert found == RewardTerms(
        name="draft",
        title="Little thanks",
        points=Decimal(points),
        amount=Decimal(amount),
        tax_rate=Decimal(0),
    )


def test_without_a_reward_on_the_card_points_have_the_title_of_the_program() -> None:
    assert title_of_points(shop(title="Our club")) == "Little thanks"
    tenth = {"name": "tenth", "title": "A tenth", "points": 50, "percent": 10}
    for reward in ([], [tenth]):
        rules = shop(title="Our club", reward=reward, point_value="0.05")
        assert title_of_points(rules) == "Our club"


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
