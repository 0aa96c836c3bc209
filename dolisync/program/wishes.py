"""What staff may ask for on a card in Dolibarr, and what their words mean.

People type into plain fields: what is meant is found here, and what is not understood is refused
with a reason that stands on the card afterwards.
"""

from __future__ import annotations

import enum
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from dolisync.program.reward_names import (
    Named,
    listed,
    named_by_beginning,
    named_in_full,
    nearest,
)
from dolisync.program.spending import Bar, Bill, Spend, bar_on, percent_of, spend
from dolisync.program.terms import Program, RewardTerms, TierTerms

T = TypeVar("T")

Written = Mapping[str, object]


class Part(enum.StrEnum):
    """The request fields of a card, by what is asked for in them."""

    ADJUST = "adjust"
    REASON = "reason"
    REDEEM = "redeem"
    TIER = "settier"
    JOIN = "join"
    CLAIM = "claim"
    REFER = "refer"
    USE = "use"


# A reason by itself asks for nothing.
ACTING = (
    Part.ADJUST,
    Part.REDEEM,
    Part.TIER,
    Part.JOIN,
    Part.CLAIM,
    Part.REFER,
    Part.USE,
)


class Refusal(enum.StrEnum):
    """Why a wish is not granted; each has a sentence in every language."""

    NO_REASON = "ask_no_reason"
    NOTHING = "ask_nothing"
    FRACTION = "ask_fraction"
    NO_REWARD = "ask_no_reward"
    NEAR_REWARD = "ask_near_reward"
    WHICH_REWARD = "ask_which_reward"
    LESS_ROOM = "ask_less_room"
    NO_VALUE = "ask_no_value"
    TOO_SMALL = "ask_too_small"
    NO_TIER = "ask_no_tier"
    UNCLEAR = "ask_unclear"
    NO_ROOM = "ask_no_room"
    BELOW_MINIMUM = "ask_below_minimum"
    BELOW_STEP = "ask_below_step"
    OTHER_DISCOUNT = "ask_other_discount"


class RefusedWish(Exception):  # noqa: N818
    """Say why; ``named`` are the words that would have been understood, ``near`` the likeliest."""

    def __init__(self, why: Refusal, named: str = "", near: str = "") -> None:
        super().__init__(why, named)
        self.why = why
        self.named = named
        self.near = near


MAXIMUM = {"max", "maxi", "maximum", "massimo", "alles", "todo", "tout", "tutto", "all"}
YES = {"1", "yes", "y", "in", "oui", "si", "sì", "sí", "ja", "enrol", "join"}
NO = {"0", "no", "n", "out", "non", "nein", "opt out", "opt-out", "leave"}
# Words that end what was set by hand before: sales and reviews judge again.
AGAIN = {"-", "auto", "none", "automatic", "automatique", "automatico", "automatisch", "automático"}


@dataclass(frozen=True, slots=True)
class TierWish:
    """A tier to be set; without one, what was set by hand ends. Locked, nothing changes it."""

    tier: TierTerms | None
    is_locked: bool


@dataclass(frozen=True, slots=True)
class DraftWish:
    """What is to be taken off a draft: so many points, such an amount, a reward, or all."""

    points: Decimal | None = None
    amount: Decimal | None = None
    reward: RewardTerms | None = None


def words_of(raw: object) -> str:
    """Return a text as it was typed: Dolibarr stores some letters by HTML's names for them."""
    return " ".join(html.unescape("" if raw is None else str(raw)).split())


def acting(written: Written) -> dict[Part, str]:
    """Return what is asked for; nothing where only a reason stands, or where fields are blank."""
    found = {part: words_of(written.get(part)) for part in ACTING}
    return {part: text for part, text in found.items() if text}


def wanted_units(program: Program, text: str, reason: str) -> int:
    """Read an adjustment. Raises ``RefusedWish``."""
    points = _number(text)
    if not points:
        raise RefusedWish(Refusal.NOTHING)
    if not reason:
        raise RefusedWish(Refusal.NO_REASON)
    units = program.units(points)
    if program.points_of(units) != points:
        raise RefusedWish(Refusal.FRACTION)
    return units


def wanted_reward(program: Program, text: str, available: Decimal) -> RewardTerms:
    """Read what is to be redeemed: a reward's name or title, a number of points, or "max".

    Points without a name are worth what the program says of a point, cut off to the cent; no more
    of them are taken than that amount needs. Raises ``RefusedWish``.
    """
    named = _meant(named_in_full(program.reward, text))
    if named is not None:
        return named
    if text.casefold() in MAXIMUM:
        return _for_points(program, available, None)
    try:
        points = _number(text)
    except RefusedWish:
        return _begun(program, text)
    if points <= 0:
        raise RefusedWish(Refusal.NOTHING)
    return _for_points(program, available, points)


def _meant(found: Named) -> RewardTerms | None:
    """Return the reward that is meant. Raises ``RefusedWish`` where it may be several."""
    if len(found.rewards) > 1:
        raise RefusedWish(Refusal.WHICH_REWARD, listed(found.rewards))
    return found.one


def _begun(program: Program, text: str) -> RewardTerms:
    """Return the reward that begins like a text which is nothing else. Raises ``RefusedWish``."""
    found = _meant(named_by_beginning(program.reward, text))
    if found is not None:
        return found
    if not program.reward:
        raise RefusedWish(Refusal.UNCLEAR, text)
    named, near = listed(program.reward), nearest(program.reward, text)
    if near is None:
        raise RefusedWish(Refusal.NO_REWARD, named)
    raise RefusedWish(Refusal.NEAR_REWARD, named, near.title)


def _for_points(program: Program, available: Decimal, points: Decimal | None) -> RewardTerms:
    """Make a reward of so many points, or of all, as a discount like the program's first one."""
    if program.value_of_point is None or not program.rewards_on_card:
        raise RefusedWish(Refusal.NO_VALUE)
    if points is not None and program.points_of(program.units(points)) != points:
        raise RefusedWish(Refusal.FRACTION)
    found = _allowed(program, spend(program, available, points=points))
    like = program.rewards_on_card[0]
    # Like it in its words and its VAT rate only: what limits that reward limits no points.
    return RewardTerms(
        name="points",
        title=like.title,
        points=found.points,
        amount=found.amount,
        tax_rate=like.tax_rate,
    )


def _allowed(program: Program, found: Spend) -> Spend:
    """Return what is spent. Raises ``RefusedWish`` where it is nothing."""
    if found.bar is None:
        return found
    redeem = program.redeem
    named = {Bar.BELOW_MINIMUM: redeem.minimum, Bar.BELOW_STEP: redeem.step}.get(found.bar)
    raise RefusedWish(Refusal(found.bar.value), "" if named is None else f"{named:f}")


def wanted_tier(program: Program, text: str) -> TierWish:
    """Read a tier's name or title, with "!" behind it to lock it. Raises ``RefusedWish``."""
    if text.casefold() in AGAIN:
        return TierWish(None, is_locked=False)
    bare = text.removesuffix("!").strip()
    known = {tier.name: tier for tier in program.ranks} | {t.title: t for t in program.ranks}
    tier = _named(bare, known)
    if tier is None:
        raise RefusedWish(Refusal.NO_TIER, ", ".join(tier.name for tier in program.ranks))
    return TierWish(tier, is_locked=text.endswith("!"))


def wants_part(text: str) -> bool:
    """Read whether a customer takes part from now on. Raises ``RefusedWish``."""
    word = text.casefold()
    if word in YES or word in NO:
        return word in YES
    raise RefusedWish(Refusal.UNCLEAR, text)


def wants_nobody(text: str) -> bool:
    """Tell whether a customer was recommended by nobody after all."""
    return text in {"-", "--"}


def wants_off(text: str) -> bool:
    """Tell whether the discount on a draft is to be taken off again."""
    return text.casefold() in {"0", "-", "no", "non", "nein", "off"}


def wanted_use(program: Program, text: str, currency: str) -> DraftWish:
    """Read what is to be taken off a draft: a reward's name, points, "5 EUR", or "max".

    A name in full comes before a number, a number before a beginning. Raises ``RefusedWish``.
    """
    named = _meant(named_in_full(program.reward, text))
    if named is not None:
        return DraftWish(reward=named)
    if text.casefold() in MAXIMUM:
        return DraftWish()
    try:
        return _counted(text, currency)
    except RefusedWish as refused:
        if refused.why is not Refusal.UNCLEAR:
            raise
    return DraftWish(reward=_begun(program, text))


def _counted(text: str, currency: str) -> DraftWish:
    bare = text.upper()
    for sign in (currency, _SIGNS.get(currency, currency)):
        if sign in bare:
            return DraftWish(amount=_above_zero(bare.replace(sign, "")))
    return DraftWish(points=_above_zero(text))


_SIGNS = {"EUR": "€", "USD": "$", "GBP": "£", "CHF": "FR."}


def _above_zero(text: str) -> Decimal:
    number = _number(text)
    if number <= 0:
        raise RefusedWish(Refusal.NOTHING)
    return number


def draft_reward(program: Program, wish: DraftWish, available: Decimal, bill: Bill) -> RewardTerms:
    """Say what a wish takes off a draft, and what it costs.

    Never more than the bill and the program's terms allow, and no more points than that amount
    needs. Raises ``RefusedWish``.
    """
    if wish.reward is not None:
        return _on_bill(program, wish.reward, bill)
    found = spend(program, available, points=wish.points, amount=wish.amount, bill=bill)
    found = _allowed(program, found)
    title, rate = title_of_points(program), Decimal(0)
    return RewardTerms(
        name="draft", title=title, points=found.points, amount=found.amount, tax_rate=rate
    )


def title_of_points(program: Program) -> str:
    """Return what stands on lines that take points off without a reward's name."""
    return next((reward.title for reward in program.rewards_on_card), program.title)


def _on_bill(program: Program, reward: RewardTerms, bill: Bill) -> RewardTerms:
    """Return a reward as it is taken off a bill: whole, or not at all. Raises ``RefusedWish``."""
    bar = bar_on(program, bill)
    if bar is not None:
        raise RefusedWish(Refusal(bar.value))
    if reward.percent is not None:
        amount = percent_of(reward.percent, reward.at_most, bill)
        reward = reward.model_copy(update={"amount": amount})
    if reward.worth <= 0:
        raise RefusedWish(Refusal.TOO_SMALL)
    if reward.worth > bill.most(program):
        raise RefusedWish(Refusal.LESS_ROOM, f"{bill.most(program):.2f}")
    return reward


def _named(text: str, known: Mapping[str, T]) -> T | None:
    return {name.casefold(): one for name, one in known.items()}.get(text.casefold())


def _number(text: str) -> Decimal:
    bare = re.sub(r"\s", "", text)
    if re.fullmatch(r"[+-]?\d+,\d+", bare):
        bare = bare.replace(",", ".")
    try:
        found = Decimal(bare)
    except InvalidOperation:
        raise RefusedWish(Refusal.UNCLEAR, text) from None
    if not found.is_finite() or abs(found) > Decimal(10) ** 9:
        raise RefusedWish(Refusal.UNCLEAR, text)
    return found
