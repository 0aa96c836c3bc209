"""The standing discount of a tier on a customer's card, told apart from what staff set there.

What stands on the card is ours when it is what we last put there. Anything else somebody set: it is
left alone, for as long as it is above zero.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from decimal import Decimal

from dolisync.program.terms import Program

NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class StandingMark:
    """What was last wanted on a card, in percent, and whether that is what stands there.

    ``sending`` is under way: it may stand there or not.
    """

    percent: Decimal = NONE
    is_ours: bool = True
    sending: Decimal | None = None

    @property
    def says_nothing(self) -> bool:
        """Tell whether it is as good as none."""
        return self == StandingMark()


class Step(enum.StrEnum):
    """What is to be done with a card."""

    NOTHING = "nothing"
    WRITE = "write"
    LEAVE = "leave"


def wanted_percent(program: Program, tier: str) -> Decimal:
    """Return the standing discount of a tier in percent, 0 without one."""
    held = program.tier_named(tier)
    return held.standing_discount if held else NONE


def step_of(mark: StandingMark, shown: Decimal, wanted: Decimal) -> Step:
    """Say what is to be done with a card on which ``shown`` percent stand."""
    if shown == wanted and (mark.is_ours or not wanted):
        return Step.NOTHING
    is_ours = shown == mark.sending or (mark.is_ours and shown == mark.percent)
    return Step.WRITE if is_ours or shown == NONE else Step.LEAVE


def marked(mark: StandingMark, step: Step, wanted: Decimal) -> StandingMark:
    """Return the mark after a step was done."""
    return replace(mark, percent=wanted, is_ours=step is not Step.LEAVE, sending=None)
