"""Gift cards that a sale must have made: one for each piece that was sold, once all is paid.

What they hold together is a function of the sale and its returns: what comes back is taken off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from dolisync.model import DiscountKind, Sale, SaleKind, SaleLine, SaleStatus
from dolisync.program.assess import uncounted
from dolisync.program.surroundings import SoldCards

ZERO, CENT = Decimal(0), Decimal("0.01")
# More on one line is a slip of the hand, or a bar code in the field of the quantity.
PIECES_MAX = 200
_KINDS = {SaleKind.STANDARD, SaleKind.REPLACEMENT}


@dataclass(frozen=True, slots=True)
class Piece:
    """One gift card: what is on it, including tax, and the VAT rate at which it was sold."""

    amount: Decimal
    tax_rate: Decimal


def is_sold(line: SaleLine) -> bool:
    """Tell whether a line sells gift cards, or brings them back."""
    return line.discount is DiscountKind.GIFT_CARD and line.product_rowid is not None


def sells_cards(sale: Sale) -> bool:
    """Tell whether any stand on a document."""
    return any(line.discount and is_sold(line) for line in sale.lines)


def pieces(terms: SoldCards, sale: Sale) -> tuple[Piece, ...]:
    """Return the cards that a sale makes, before anything comes back; none until it is paid."""
    is_due = sale.kind in _KINDS and sale.status is SaleStatus.PAID and sale.date >= terms.since
    if not is_due:
        return ()
    return tuple(piece for line in sale.lines if is_sold(line) for piece in _of_line(line))


def _of_line(line: SaleLine) -> Iterator[Piece]:
    """Share a line's amount over its pieces, to the cent; parts of a piece make one card."""
    count = max(int(line.quantity), 1)
    if count > PIECES_MAX:
        return
    each = (line.total_incl / count).quantize(CENT, rounding=ROUND_DOWN)
    left = line.total_incl.quantize(CENT) - each * count
    for _ in range(count):
        more = CENT if left > 0 else ZERO
        left -= more
        if each + more > 0:
            yield Piece(each + more, line.tax_rate)


def came_back(returns: Iterable[Sale]) -> Decimal:
    """Add up the gift cards that these returns bring back."""
    counted = (credit for credit in returns if uncounted(credit) is None)
    lines = (line for credit in counted for line in credit.lines if is_sold(line))
    return sum((max(-line.total_incl, ZERO) for line in lines), ZERO)


def due(made: Sequence[Piece], returns: Iterable[Sale]) -> Decimal:
    """Return what cards of a sale must have been given together, after its returns."""
    total = sum((piece.amount for piece in made), ZERO)
    return max(total - came_back(returns), ZERO)


def missing(made: Sequence[Piece], issued: Iterable[Decimal], amount: Decimal) -> list[Piece]:
    """Say which cards are to be made so that this much more is given.

    ``issued`` are the amounts of those that were made before.
    """
    left, before, found = amount, list(issued), []
    for piece in made:
        if piece.amount in before:
            before.remove(piece.amount)
        elif left > 0:
            found.append(Piece(min(piece.amount, left), piece.tax_rate))
            left -= found[-1].amount
    return found
