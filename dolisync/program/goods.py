"""Lines of a sale as goods: what was bought, how many of it, and what a return takes off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from dolisync.model import DiscountKind, Sale, SaleLine

ZERO = Decimal(0)
# Lines that are no goods: used credit, deposits and gift cards only pay for some, before or after.
PAID_BEFORE = {DiscountKind.DEPOSIT, DiscountKind.CREDIT_NOTE, DiscountKind.GIFT_CARD}


def bought(lines: Iterable[SaleLine]) -> Decimal:
    """Add up what was bought: a deposit or used credit only paid for it."""
    return total_incl([line for line in lines if line.discount not in PAID_BEFORE])


def total_incl(lines: Iterable[SaleLine]) -> Decimal:
    """Add up amounts including tax."""
    return sum([line.total_incl for line in lines], ZERO)


def is_visit(lines: Iterable[SaleLine]) -> bool:
    """Tell whether anything was bought at all."""
    return any(
        line.total_incl > 0 or line.product_rowid is not None
        for line in lines
        if line.discount is not DiscountKind.GIFT_CARD
    )


def quantities(lines: Iterable[SaleLine]) -> dict[int, Decimal]:
    """Add up quantities per product, returned ones negative."""
    quantities: dict[int, Decimal] = {}
    for line in lines:
        if line.product_rowid is not None:
            so_far = quantities.get(line.product_rowid, ZERO)
            quantities[line.product_rowid] = so_far + line.quantity
    return quantities


def taken_off(credit: Sale) -> list[SaleLine]:
    """Return a credit note's lines as what they take off: amounts and quantities negative.

    Dolibarr writes a returned line either with a negative price or with a negative quantity. A line
    that adds (goods taken in exchange, a deduction) has a positive total and stays as it is.
    """
    return [
        line
        if line.total_incl > 0
        else replace(line, quantity=-abs(line.quantity), product_points=None)
        for line in credit.lines
    ]


def mirrored(credit: Sale) -> tuple[SaleLine, ...]:
    """Return a credit note's lines as the goods they once were: amounts positive."""
    return tuple(
        replace(
            line,
            quantity=-abs(line.quantity) if line.total_incl > 0 else abs(line.quantity),
            total_excl=-line.total_excl,
            total_incl=-line.total_incl,
        )
        for line in credit.lines
    )
