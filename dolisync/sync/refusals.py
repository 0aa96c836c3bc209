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


def why_not(
    language: str, program: Program, reward: RewardTerms, available: Decimal, error: UserError
) -> str:
    """Say why a reward was refused; ``available`` are the member's points."""
    match error:
        case redeem.BelowMinimum():
            return sentence(language, "ask_below_minimum", named=f"{program.redeem.minimum:f}")
        case NotEnoughPoints():
            wanted, there = points_text(language, reward.points), number(language, available)
            return sentence(language, "not_enough", points=wanted, available=there)
        case redeem.NotInTier():
            return sentence(language, "not_for_tier")
        case redeem.NotNow():
            first, last = (_day(language, day) for day in (reward.first_day, reward.last_day))
            return sentence(language, "not_now", first=first, last=last)
        case redeem.OutOfStock():
            return sentence(language, "out_of_stock")
    return sentence(language, "not_done", why=str(error))


def _day(language: str, day: date | None) -> str:
    return "..." if day is None else day_text(language, day)
