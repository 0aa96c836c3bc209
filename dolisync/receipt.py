"""What a receipt says: computed here, only laid out by templates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

# How many characters stand on a line of paper, by its width in mm: those of the printers' font A.
COLUMNS = {58: 32, 80: 48}


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """One line of the sale; amounts include tax."""

    text: str
    quantity: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ReceiptPayment:
    """One payment, by the shop's code of its mode."""

    mode: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ReceiptPoints:
    """The loyalty block of one program.

    ``earned`` is below zero on a return. ``pending`` will be earned once the sale is
    paid, or delivered. ``rule_points`` points are worth ``rule_amount`` ("300 points = 3 €"), where
    a reward says so.
    """

    title: str
    decimals: int
    earned: Decimal
    pending: Decimal
    balance: Decimal
    last_day: date | None = None
    rule_points: Decimal | None = None
    rule_amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ReceiptClaim:
    """The code with which an unknown customer can claim his points, and the last day for it."""

    code: str
    last_day: date


@dataclass(frozen=True, slots=True)
class ReceiptCode:
    """A code with money on it: a gift card that was sold, or one that paid for something.

    ``code`` is whole where it was sold, and only its last group where it was used; ``amount`` is
    what is on it now.
    """

    code: str
    amount: Decimal
    last_day: date | None
    is_sold: bool


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt of one sale, in the customer's language (de, en, es, fr or it).

    ``page_url`` is the address of the customer's own page, empty where there is none.
    """

    shop_name: str
    ref: str
    date: date
    is_return: bool
    customer_name: str
    language: str
    currency: str
    lines: tuple[ReceiptLine, ...]
    total: Decimal
    payments: tuple[ReceiptPayment, ...]
    points: tuple[ReceiptPoints, ...]
    claim: ReceiptClaim | None = None
    codes: tuple[ReceiptCode, ...] = ()
    page_url: str = ""
