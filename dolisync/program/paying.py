"""Points as money: what payments with points on a sale cost its member, after its returns.

A payment mode of the till or the office stands for points. What a sale must have cost is a function
of its payments and its returns, so a payment that is deleted, or refunded, gives points back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from dolisync.model import PaymentKind, Sale, SaleKind, SaleStatus
from dolisync.program.assess import uncounted
from dolisync.program.reward_products import cost_of_lines, has_reward_lines
from dolisync.program.rounding import round_units
from dolisync.program.spent import share_of_goods
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program, Rounding, SpentPoints

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Paid:
    """What was paid with points: ``units`` after ``back``, the amount that came back of it.

    Below zero, a return that belongs to no known sale was refunded with points. ``rewards`` are
    those of the units that reward products cost.
    """

    units: int = 0
    amount: Decimal = ZERO
    back: Decimal = ZERO
    rewards: int = 0


NOTHING_PAID = Paid()


def pays(program: Program, source: str) -> bool:
    """Tell whether payments with points in this source are debited in a program."""
    return program.redeem.payments and program.point_value is not None and program.takes(source)


def rewards(program: Program, source: str) -> bool:
    """Tell whether a program gives products of this source for points."""
    return program.redeem.product_field is not None and program.takes(source)


def concerns_points(around: Surroundings, sale: Sale) -> bool:
    """Tell whether anything of a document was paid with points, or given for them."""
    return bool(by_points(around, sale)) or has_reward_lines(sale)


def by_points(around: Surroundings, sale: Sale) -> Decimal:
    """Add up what was paid with points on one document; refunds are below zero."""
    if not sale.payments:
        return ZERO
    mode = around.points_payment_mode
    return sum(
        (
            payment.amount
            for payment in sale.payments
            if payment.mode == mode and payment.kind is PaymentKind.MONEY
        ),
        ZERO,
    )


def paid_with_points(
    program: Program, around: Surroundings, sale: Sale, returns: Sequence[Sale]
) -> Paid:
    """Return what a sale cost its member in points. ``returns`` are those judged with it.

    Nothing before the program began, and nothing of customers who have no account.
    """
    customer = sale.customer.rowid
    if customer in around.pos_customers or customer in program.excluded_customers:
        return NOTHING_PAID
    if sale.date < program.start:
        return NOTHING_PAID
    by_mode = NOTHING_PAID
    if pays(program, sale.key.source):
        by_mode = _by_mode(program, around, sale, returns)
    if not rewards(program, sale.key.source) or sale.kind is SaleKind.CREDIT_NOTE:
        return by_mode
    units = _reward_units(program, sale, returns)
    return Paid(by_mode.units + units, by_mode.amount, by_mode.back, units)


def _reward_units(program: Program, sale: Sale, returns: Sequence[Sale]) -> int:
    """Return what reward products on a sale cost, less those that came back."""
    if sale.status is SaleStatus.ABANDONED:
        return 0
    points = cost_of_lines(sale.lines)
    if program.returns.spent_points is not SpentPoints.KEEP:
        counted = (credit for credit in returns if uncounted(credit) is None)
        points -= sum((abs(cost_of_lines(credit.lines)) for credit in counted), ZERO)
    return round_units(max(points, ZERO) * program.scale, Rounding.HALF_UP)


def _by_mode(program: Program, around: Surroundings, sale: Sale, returns: Sequence[Sale]) -> Paid:
    amount = by_points(around, sale)
    if sale.kind is SaleKind.CREDIT_NOTE:
        refunded = max(-amount, ZERO)
        return Paid(-_units(program, refunded), -refunded)
    amount = max(amount, ZERO)
    back = min(_came_back(program, around, sale, returns, amount), amount)
    return Paid(_units(program, amount - back), amount, back)


def _came_back(
    program: Program, around: Surroundings, sale: Sale, returns: Sequence[Sale], amount: Decimal
) -> Decimal:
    """Add up what came back of a payment with points.

    Refunds with points count as they are. A return at the till has no payments: what its goods are
    a share of comes back, where the program says so.
    """
    if not amount:
        return ZERO
    if sale.status is SaleStatus.ABANDONED:
        return amount
    counted = [credit for credit in returns if uncounted(credit) is None]
    refunded = sum((max(-by_points(around, credit), ZERO) for credit in counted), ZERO)
    if program.returns.spent_points is not SpentPoints.PROPORTIONAL:
        return refunded
    unpaid = [credit for credit in counted if credit.is_pos and not credit.payments]
    return refunded + (share_of_goods(around, sale, unpaid) * amount if unpaid else ZERO)


def _units(program: Program, amount: Decimal) -> int:
    assert program.point_value is not None
    points = amount / program.point_value
    return round_units(points * program.scale, program.redeem.rounding)


def paid_on(program: Program, around: Surroundings, sale: Sale) -> date:
    """Return the shop's day on which points were last paid with; the sale's own if unknown."""
    mode = around.points_payment_mode
    moments = [paid.paid_at for paid in sale.payments if paid.mode == mode and paid.paid_at]
    return max(moments).astimezone(program.zone).date() if moments else sale.date
