"""What a code takes off a document: how much, and at which VAT rates.

A voucher lowers prices: it is shared over the rates, as a discount is. A gift card is money paid
before: it takes off at the one rate at which it was sold, mostly without tax, so that the tax on
what is bought with it is due in full. Neither pays for gift cards.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from dolisync.model import DiscountKind, Sale, SaleKind, SaleLine
from dolisync.program.draft_shares import Share, rooms, shared
from dolisync.program.gift_cards import is_sold

ZERO = Decimal(0)
KINDS = {SaleKind.STANDARD, SaleKind.REPLACEMENT}


def lines_with(lines: Iterable[SaleLine], token: str) -> list[SaleLine]:
    """Return the lines that bear a token."""
    return [line for line in lines if token in line.text]


def taken_by(lines: Iterable[SaleLine], token: str) -> tuple[Share, ...]:
    """Return what stands on a document of a use, by rate."""
    found: dict[Decimal, Decimal] = {}
    for line in lines_with(lines, token):
        found[line.tax_rate] = found.get(line.tax_rate, ZERO) - line.total_incl
    return tuple(Share(rate, amount) for rate, amount in sorted(found.items()))


def shares_of(
    sale: Sale, token: str, most: Decimal, gift_card_rate: Decimal | None
) -> tuple[Share, ...]:
    """Share at most so much over a document; nothing where there is no room.

    ``gift_card_rate`` is that of a gift card, ``None`` for a voucher.
    """
    lines = [line for line in sale.lines if token not in line.text and not is_sold(line)]
    left = sum((line.total_incl for line in lines), ZERO)
    goods = [line for line in lines if line.discount is not DiscountKind.GIFT_CARD]
    if gift_card_rate == 0:
        return _alone(gift_card_rate, min(most, left))
    room = rooms(goods)
    if gift_card_rate is not None:
        return _alone(gift_card_rate, min(most, left, room.get(gift_card_rate, ZERO)))
    amount = min(most, left, sum(room.values(), ZERO))
    return shared(amount, room) if amount > 0 else ()


def _alone(rate: Decimal, amount: Decimal) -> tuple[Share, ...]:
    return (Share(rate, amount),) if amount > 0 else ()


def came_back(returns: Sequence[Sale], token: str) -> Decimal:
    """Add up what the returns of a sale give back to a code: the lines that bear its token."""
    lines = (line for credit in returns for line in lines_with(credit.lines, token))
    return sum((max(line.total_incl, ZERO) for line in lines), ZERO)
