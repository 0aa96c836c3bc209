"""How points may be spent: from how many on, in which steps, up to which share of a bill.

One function for every way on which somebody asks before the points are gone. A payment at a till
asks nobody: it has happened, stands as it is, and what it broke is told.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_HALF_UP, Decimal

from dolisync.model import Sale, SaleLine
from dolisync.program.reward_products import price_on
from dolisync.program.spent import tokens_in
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program

CENT = Decimal("0.01")
ZERO, HUNDRED = Decimal(0), Decimal(100)


class Bar(enum.StrEnum):
    """Why points may not be spent; each has a sentence in every language."""

    NO_VALUE = "ask_no_value"
    NO_ROOM = "ask_no_room"
    TOO_SMALL = "ask_too_small"
    BELOW_MINIMUM = "ask_below_minimum"
    BELOW_STEP = "ask_below_step"
    OTHER_DISCOUNT = "ask_other_discount"


@dataclass(frozen=True, slots=True)
class Bill:
    """What is to be paid: its total, how much of it can be taken off, whether it is reduced.

    ``by_points`` is what points took off it already, ``goods`` what of it are goods: neither gift
    cards nor what pays for them.
    """

    total: Decimal
    room: Decimal
    has_discounts: bool = False
    by_points: Decimal = ZERO
    goods: Decimal = ZERO

    def most(self, program: Program) -> Decimal:
        """Return how much points may still take off."""
        share = share_of(program, self.total + self.by_points)
        return min(self.room, share - self.by_points)


@dataclass(frozen=True, slots=True)
class Spend:
    """So many points, for such an amount; or why not."""

    points: Decimal = ZERO
    amount: Decimal = ZERO
    bar: Bar | None = None


def spend(
    program: Program,
    available: Decimal,
    *,
    points: Decimal | None = None,
    amount: Decimal | None = None,
    bill: Bill | None = None,
) -> Spend:
    """Say what of ``available`` points is spent where so many, or such an amount, are asked for.

    With neither it is as much as possible. Never more than fits on the bill and its share allows,
    and no more points than the amount needs; in whole steps where these are set.
    """
    value = program.value_of_point
    if value is None:
        return Spend(bar=Bar.NO_VALUE)
    bar = _barred(program, available, bill)
    if bar is not None:
        return Spend(bar=bar)
    asked = _asked(available, value, points, amount)
    most = asked if bill is None else min(asked, bill.most(program))
    step = program.redeem.step
    if step is None:
        return _without_steps(program, most, value)
    steps = (most / value / step).to_integral_value(ROUND_DOWN)
    if steps <= 0:
        return Spend(bar=Bar.BELOW_STEP)
    worth = (steps * step * value).quantize(CENT, ROUND_DOWN)
    return Spend(steps * step, worth) if worth > 0 else Spend(bar=Bar.TOO_SMALL)


def _asked(
    available: Decimal, value: Decimal, points: Decimal | None, amount: Decimal | None
) -> Decimal:
    if amount is not None:
        return amount
    return (available if points is None else points) * value


def _barred(program: Program, available: Decimal, bill: Bill | None) -> Bar | None:
    if available < minimum_of(program):
        return Bar.BELOW_MINIMUM
    return None if bill is None else bar_on(program, bill)


def bar_on(program: Program, bill: Bill) -> Bar | None:
    """Say why nothing can be taken off a bill for points, if so."""
    if bill.has_discounts and not program.redeem.with_discounts:
        return Bar.OTHER_DISCOUNT
    return Bar.NO_ROOM if bill.most(program) <= 0 else None


def _without_steps(program: Program, most: Decimal, value: Decimal) -> Spend:
    amount = most.quantize(CENT, ROUND_DOWN)
    if amount <= 0:
        return Spend(bar=Bar.TOO_SMALL)
    unit = program.points_of(1)
    cost = (amount / value / unit).to_integral_value(ROUND_CEILING) * unit
    return Spend(cost, amount)


def percent_of(percent: Decimal, at_most: Decimal | None, bill: Bill) -> Decimal:
    """Return what a percentage takes off a bill: of its goods, half a cent rounded up.

    Never more than there is room.
    """
    amount = (bill.goods * percent / HUNDRED).quantize(CENT, ROUND_HALF_UP)
    return max(min(amount, bill.room, amount if at_most is None else at_most), ZERO)


def minimum_of(program: Program) -> Decimal:
    """Return how many points a member must have before any can be spent."""
    return program.redeem.minimum or ZERO


def share_of(program: Program, total: Decimal) -> Decimal:
    """Return how much of a bill points may pay."""
    share = program.redeem.max_share
    if share is None:
        return total
    return (max(total, ZERO) * share / HUNDRED).quantize(CENT, ROUND_DOWN)


def next_spend(program: Program, available: Decimal) -> Decimal | None:
    """Return from how many points on the next more can be spent, ``None`` where any number can."""
    minimum, step = minimum_of(program), program.redeem.step
    if available < minimum:
        return minimum if step is None else _up_to_step(minimum, step)
    return None if step is None else (available // step + 1) * step


def _up_to_step(points: Decimal, step: Decimal) -> Decimal:
    return (points / step).to_integral_value(ROUND_CEILING) * step


def is_reduced(around: Surroundings, line: SaleLine) -> bool:
    """Tell whether a line is cheaper by a discount of its own, or is one; not for points."""
    if price_on(line) is not None or tokens_in(around, line.text):
        return False
    return line.discount is not None or line.discount_percent > 0 or line.total_incl < 0


def by_points(around: Surroundings, lines: Iterable[SaleLine]) -> Decimal:
    """Add up what discounts bought with points take off, including tax."""
    mine = (line for line in lines if line.total_incl < 0 and tokens_in(around, line.text))
    return -sum((line.total_incl for line in mine), ZERO)


def broken(program: Program, around: Surroundings, sale: Sale, paid: Decimal) -> Iterator[Bar]:
    """Say which terms a payment with points broke that has happened.

    The minimum and the steps are not asked: what an account had at that moment is nothing that a
    sale knows, and parts of a step are what a till's total leaves.
    """
    if paid <= 0:
        return
    rewards = by_points(around, sale.lines)
    share = share_of(program, sale.total_incl + rewards)
    if program.redeem.max_share is not None and paid + rewards > share:
        yield Bar.NO_ROOM
    if not program.redeem.with_discounts and any(is_reduced(around, line) for line in sale.lines):
        yield Bar.OTHER_DISCOUNT
