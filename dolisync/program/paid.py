"""How a sale was paid, and so what of it earns.

Deposits and used credit are money paid before. Points, rewards, fixed discounts and payment modes
that an owner names lower what earns, or do not, as set.
"""

from __future__ import annotations

from decimal import Decimal

from dolisync.model import DiscountKind, PaymentKind, Sale, SaleLine, SaleStatus
from dolisync.program.goods import PAID_BEFORE, ZERO, total_incl
from dolisync.program.reasons import Reason, Why, because
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Moment, Program


def counted_lines(
    program: Program, around: Surroundings, lines: tuple[SaleLine, ...]
) -> tuple[tuple[SaleLine, ...], tuple[Reason, ...]]:
    """Leave out lines that only pay: deposits, used credit, and discounts that lower nothing."""
    aside: dict[Why, list[SaleLine]] = {}
    for line in lines:
        why = _why_aside(program, around, line)
        if why is not None:
            aside.setdefault(why, []).append(line)
    if not aside:
        return lines, ()
    notes = tuple(
        because(why, amount=abs(total_incl(aside[why]))) for why in _WHY_ASIDE if why in aside
    )
    left_out = {line.rowid for group in aside.values() for line in group}
    return tuple(line for line in lines if line.rowid not in left_out), notes


_WHY_ASIDE = (
    *(Why.DEPOSIT_ADDED, Why.REWARD_ADDED, Why.DISCOUNT_ADDED),
    *(Why.GIFT_CARD_USED, Why.GIFT_CARD_SOLD),
)


def _why_aside(program: Program, around: Surroundings, line: SaleLine) -> Why | None:
    if line.discount is None:
        return None
    if line.discount is DiscountKind.GIFT_CARD:
        return _why_gift_card(program, line)
    if line.discount in PAID_BEFORE:
        return Why.DEPOSIT_ADDED
    if is_reward(around, line):
        return None if program.earn.leave_out_paid_with_points else Why.REWARD_ADDED
    return None if program.earn.leave_out_fixed_discounts else Why.DISCOUNT_ADDED


def _why_gift_card(program: Program, line: SaleLine) -> Why | None:
    """Say why a gift card does not count: what is sold is no goods, what is used paid for some."""
    if line.product_rowid is not None:
        return Why.GIFT_CARD_SOLD
    return None if program.earn.leave_out_gift_cards else Why.GIFT_CARD_USED


def is_reward(around: Surroundings, line: SaleLine) -> bool:
    """Tell whether a line is a discount that was bought with points."""
    return line.discount is DiscountKind.FIXED and around.reward_token_prefix in line.text


def paid_share(
    program: Program, around: Surroundings, sale: Sale
) -> tuple[Decimal, tuple[Reason, ...]]:
    """Return the share of what was bought that earns, given how it was paid."""
    bought = total_incl(counted_lines(program, around, sale.lines)[0])
    if bought <= 0:
        return _share_of_nothing(program, around, sale)
    notes: list[Reason] = []
    counted = bought
    if sale.status is SaleStatus.CLOSED and program.earn.moment is Moment.PAID:
        # What a deposit, used credit or a discount took off the total was paid before.
        before = bought - sale.total_incl
        paid = before + sum((payment.amount for payment in sale.payments), ZERO)
        counted = min(paid, bought)
        notes.append(
            because(Why.PAID_SHARE, code=sale.close_code or "?", paid=counted, total=bought)
        )
    for mode, amount in _without_earning(program, around, sale).items():
        counted = max(counted - amount, ZERO)
        if mode == around.points_payment_mode:
            notes.append(because(Why.POINTS_PAID, amount=amount, left=counted))
        else:
            notes.append(because(Why.MODE_PAID, amount=amount, mode=mode, left=counted))
    return max(counted, ZERO) / bought, tuple(notes)


def _share_of_nothing(
    program: Program, around: Surroundings, sale: Sale
) -> tuple[Decimal, tuple[Reason, ...]]:
    """Tell goods that are free, which count, from goods that were paid so that they do not."""
    counted = counted_lines(program, around, sale.lines)[0]
    discounts = [line for line in counted if line.discount is not None]
    if total_incl(discounts) >= 0:
        return Decimal(1), ()
    by_points = -total_incl(line for line in discounts if is_reward(around, line))
    if by_points > 0:
        return ZERO, (because(Why.POINTS_PAID, amount=by_points, left=ZERO),)
    by_card = any(line.discount is DiscountKind.GIFT_CARD for line in discounts)
    why = Why.GIFT_CARD_PAID if by_card else Why.DISCOUNT_PAID
    return ZERO, (because(why, amount=-total_incl(discounts)),)


def is_paid_without_earning(program: Program, around: Surroundings, sale: Sale) -> bool:
    """Tell whether some of it was paid so that it earns nothing."""
    return bool(_without_earning(program, around, sale))


def _without_earning(program: Program, around: Surroundings, sale: Sale) -> dict[str, Decimal]:
    """Add up payments that earn nothing, by their modes; only what is above zero."""
    modes = program.earn.modes_without
    points = around.points_payment_mode if program.earn.leave_out_paid_with_points else ""
    found: dict[str, Decimal] = {}
    for payment in sale.payments:
        is_meant = payment.mode == points or payment.mode.casefold() in modes
        if payment.kind is PaymentKind.MONEY and payment.mode and is_meant:
            found[payment.mode] = found.get(payment.mode, ZERO) + payment.amount
    if not found:
        return found
    return {mode: amount for mode, amount in sorted(found.items()) if amount > 0}
