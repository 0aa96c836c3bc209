"""What the core knows of the world: sales, customers, and the words for them.

Plain frozen data. Money is ``Decimal`` in the company's currency, times are aware UTC, days are
the shop's days. Every identity begins with the name of its source, so that one ledger can serve
several Dolibarr instances; document numbers (``ref``) change and are reused, and identify nothing.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class SaleKey:
    """Identify a sale: (source, entity, rowid), never its number."""

    source: str
    entity: int
    rowid: int

    def __str__(self) -> str:
        return f"{self.source}:{self.entity}:{self.rowid}"


@dataclass(frozen=True, slots=True, order=True)
class CustomerKey:
    """Identify a customer of one source."""

    source: str
    entity: int
    rowid: int

    def __str__(self) -> str:
        return f"{self.source}:{self.entity}:{self.rowid}"


class SaleKind(enum.StrEnum):
    """What kind of document a sale is (Dolibarr's invoice types 0 to 5)."""

    STANDARD = "standard"
    REPLACEMENT = "replacement"
    CREDIT_NOTE = "credit_note"
    DEPOSIT = "deposit"
    PROFORMA = "proforma"
    SITUATION = "situation"


class SaleStatus(enum.StrEnum):
    """Where a sale stands.

    ``PAID`` means paid in full; ``CLOSED`` means closed without being fully paid (a close code says
    why); ``ABANDONED`` covers abandoned and replaced documents.
    """

    DRAFT = "draft"
    VALIDATED = "validated"
    PAID = "paid"
    CLOSED = "closed"
    ABANDONED = "abandoned"


class PaymentKind(enum.StrEnum):
    """Money, or a document used in its place."""

    MONEY = "money"
    CREDIT_NOTE = "credit_note"
    DEPOSIT = "deposit"


class DiscountKind(enum.StrEnum):
    """What a line stands for that is no goods: a discount of the customer card, or a code.

    A gift card is money paid before: sold it has a product, used it takes off the sale.
    """

    FIXED = "fixed"
    CREDIT_NOTE = "credit_note"
    DEPOSIT = "deposit"
    GIFT_CARD = "gift_card"


@dataclass(frozen=True, slots=True)
class Article:
    """What the catalogue says of a product: its tags with all tags above them, and its prices.

    ``fields`` are the extra fields that were asked for, as (name, text).
    """

    tags: tuple[str, ...] = ()
    price_excl: Decimal = Decimal(0)
    price_incl: Decimal = Decimal(0)
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Buyer:
    """What the customer's card said when a sale was first read, as far as programs ask.

    ``kind`` is the code of the third-party type (TE_PRIVATE), ``tags`` come with all tags above
    them, ``department`` is a code with its name beside it, ``country`` has two letters.
    """

    kind: str = ""
    tags: tuple[str, ...] = ()
    town: str = ""
    department: str = ""
    department_name: str = ""
    region: str = ""
    country: str = ""
    birthday: date | None = None
    opted_out: bool = False


@dataclass(frozen=True, slots=True)
class SaleLine:
    """One line. Totals are what the line adds to the sale, negative for what it takes off.

    ``discount`` tells that the line consumes a fixed discount, a credit note or a deposit, or is a
    gift card, sold or used.
    ``product_points`` is what the product card said when the sale was first read, or ``None``;
    ``article`` what the catalogue said then, where a program asks for it.
    """

    rowid: int
    product_rowid: int | None
    product_ref: str
    text: str
    quantity: Decimal
    unit_price_excl: Decimal
    discount_percent: Decimal
    tax_rate: Decimal
    total_excl: Decimal
    total_incl: Decimal
    is_service: bool = False
    discount: DiscountKind | None = None
    product_points: Decimal | None = None
    article: Article | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment, or part of one, of this sale. ``mode`` is the shop's code (LIQ, CB)."""

    mode: str
    amount: Decimal
    paid_at: datetime | None
    kind: PaymentKind = PaymentKind.MONEY


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of goods that are handed over by themselves: ordered, shipped.

    ``is_done``: all of them are with the customer; ``done_at`` is since when, where it is known.
    """

    is_done: bool
    done_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A place from which goods are taken, with the name it had when the sale was first read."""

    rowid: int
    name: str


@dataclass(frozen=True, slots=True)
class Sale:
    """An invoice, a POS ticket or a credit note, as the rules see it.

    Amounts are in the company's currency; ``currency`` is the one that stands on the document.
    ``delivery`` is ``None`` where goods are handed over with the document, or nobody asks;
    ``warehouses`` are those from which they were taken, as far as that is known and somebody asks.
    """

    key: SaleKey
    ref: str
    kind: SaleKind
    status: SaleStatus
    customer: CustomerKey
    date: date
    created_at: datetime | None
    changed_at: datetime
    total_excl: Decimal
    total_incl: Decimal
    currency: str
    origin: SaleKey | None = None
    close_code: str = ""
    terminal: str = ""
    lines: tuple[SaleLine, ...] = ()
    payments: tuple[Payment, ...] = ()
    buyer: Buyer | None = None
    delivery: Delivery | None = None
    warehouses: tuple[Warehouse, ...] = ()

    @property
    def is_pos(self) -> bool:
        """Tell whether it was made at a till."""
        return bool(self.terminal)

    @property
    def is_undelivered(self) -> bool:
        """Tell whether some of its goods are still to be handed over."""
        return self.delivery is not None and not self.delivery.is_done

    def bought_by(self, buyer: Buyer | None) -> Sale:
        """Return the same sale with what the card of its customer says."""
        # Done for each sale that is read: quicker than ``dataclasses.replace``.
        values: list[Any] = list(_ALL_OF_SALE(self))
        values[_BUYER] = buyer
        return Sale(*values)


_SALE_FIELDS = [field.name for field in fields(Sale)]
_BUYER = _SALE_FIELDS.index("buyer")
_ALL_OF_SALE = attrgetter(*_SALE_FIELDS)


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer, with what a receipt needs. ``language`` is like ``it``, or empty."""

    key: CustomerKey
    name: str
    language: str = ""
    email: str = ""
    card_number: str = ""
