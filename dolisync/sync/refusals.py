"""Why a reward cannot be had, in the words that stand on cards and drafts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from dolisync.answers import sentence
from dolisync.errors import UserError
from dolisync.ledger.book import NotEnoughPoints
from dolisync.phrases import day_text, number, points_text
from dolisync.program.terms import Program, RewardTerms
from dolisync.sync import redeem

# What ``redeem.spend`` raises where a member cannot have a reward.
REFUSALS = (NotEnoughPoints, redeem.Unavailable)

_SENTENCES: dict[type[UserError], str] = {
    redeem.OnDraftOnly: "ask_on_draft",
    redeem.NotInTier: "not_for_tier",
    redeem.NotNow: "not_now",
    redeem.OutOfStock: "out_of_stock",
}


def why_not(
    language: str, program: Program, reward: RewardTerms, available: Decimal, error: UserError
) -> str:
    """Say why a reward was refused; ``available`` are the member's points."""
    if isinstance(error, redeem.BelowMinimum):
        return sentence(language, "ask_below_minimum", named=f"{program.redeem.minimum:f}")
    if isinstance(error, NotEnoughPoints):
        wanted, there = points_text(language, reward.points), number(language, available)
        return sentence(language, "not_enough", points=wanted, available=there)
    name = next((name for kind, name in _SENTENCES.items() if isinstance(error, kind)), "not_done")
    first, last = (_day(language, day) for day in (reward.first_day, reward.last_day))
    return sentence(language, name, first=first, last=last, why=str(error))


def _day(language: str, day: date | None) -> str:
    return "..." if day is None else day_text(language, day)
