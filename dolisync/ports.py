"""The doors of the core: what it asks of the world outside, and of nothing else.

Connectors implement these protocols and know nothing of loyalty. Errors at every door:
``TransientError`` (try again later), ``UnknownOutcome`` (the effect may exist: look first),
``RefusedError`` (a clear no). Anything else is a bug.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from dolisync.model import Article, Buyer, Customer, CustomerKey, Delivery, Sale, SaleKey, Warehouse


class Clock(Protocol):
    """Tell the time; tests move it by hand."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""


class Supervisor(Protocol):
    """Whoever started the daemon and watches it (systemd)."""

    def ready(self) -> None:
        """Say that the daemon works: configuration, ledger and doors were looked at once."""

    def status(self, text: str) -> None:
        """Say in one line what the daemon is doing."""

    def alive(self) -> None:
        """Say that a piece of work was completed."""

    def reloading(self) -> None:
        """Say that the configuration is being read again."""

    def stopping(self) -> None:
        """Say that the daemon is ending on purpose."""


# Called after each completed piece of work: it may raise ``StopRequested`` between two of them.
Pulse = Callable[[], None]


def no_pulse() -> None:
    """Do nothing: nobody watches."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a source's stream of changes: second of the change, then rowid."""

    changed_at: datetime
    rowid: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some sales in the order (changed_at, rowid); ``next_position`` is ``None`` at the end."""

    sales: tuple[Sale, ...]
    next_position: Position | None


@dataclass(frozen=True, slots=True)
class DatedPage:
    """Some sales of a range of days in the order of rowid, and the rowid after which to go on."""

    sales: tuple[Sale, ...]
    next_rowid: int | None


@dataclass(frozen=True, slots=True)
class PaymentPage:
    """Payments with a rowid above the one asked for, in order: (payment rowid, sale rowid)."""

    pairs: tuple[tuple[int, int], ...]


class SaleSource(Protocol):
    """Read sales from one outside system.

    Documents with provisional numbers (drafts never validated) are never returned by ``changed``
    and ``between``; ``get`` returns whatever the rowids hold today, and leaves out what is gone.
    """

    name: str
    entity: int

    def now(self) -> datetime:
        """Return how far the source's changes can be known, on the scale of ``Sale.changed_at``.

        Its own clock in UTC; a door that cannot be sure of it returns an earlier moment, never a
        later one: a cursor that runs ahead misses sales.
        """

    def changed(self, since: datetime, after: Position | None, limit: int) -> Page:
        """Read sales changed at or after ``since``, in order, beyond ``after`` when given.

        Documents that were validated once and are drafts again are included: they lost their claim.
        """

    def paid_after(self, payment_rowid: int, limit: int) -> PaymentPage:
        """Find sales with newer payments than this one; none where the door cannot tell."""

    def last_payment_rowid(self) -> int:
        """Return the newest payment's rowid, 0 where there is none or the door cannot tell."""

    def get(self, rowids: Sequence[int]) -> tuple[Sale, ...]:
        """Read these sales as they are now; missing ones are left out."""

    def find(self, ref: str) -> tuple[Sale, ...]:
        """Read the sales that bear this number today."""

    def between(self, start: date, end: date, after_rowid: int, limit: int) -> DatedPage:
        """Read sales dated from ``start`` to before ``end``, by rowid, for a backfill."""

    def count_between(self, start: date, end: date) -> int | None:
        """Count what ``between`` would give; ``None`` where counting is dear."""


class CustomerSource(Protocol):
    """Read customers."""

    def customers(self, rowids: Sequence[int]) -> dict[int, Customer]:
        """Read these customers; missing ones are left out."""

    def find_customer(self, text: str) -> tuple[Customer, ...]:
        """Find customers by exact rowid, card number (barcode), customer code or e-mail."""


class ArticleSource(Protocol):
    """Read what the catalogue says of products today."""

    def articles(
        self, rowids: Sequence[int], fields: Sequence[str], *, with_tags: bool
    ) -> dict[int, Article]:
        """Read these products with these extra fields; missing ones are left out.

        Tags are read only where they are asked for: through some doors they are dear.
        """

    def product_tags(self) -> frozenset[str]:
        """Return the labels of all product tags."""

    def has_product(self, ref: str) -> bool:
        """Tell whether a product has this reference."""


class BuyerFact(enum.StrEnum):
    """What can be asked of a customer's card besides its extra fields."""

    KIND = "kind"
    TAGS = "tags"
    TOWN = "town"
    DEPARTMENT = "department"
    REGION = "region"
    COUNTRY = "country"


@dataclass(frozen=True, slots=True)
class BuyerQuestion:
    """What is to be read of each customer: facts, and the extra fields that hold two more."""

    facts: frozenset[BuyerFact] = frozenset()
    birthday_field: str | None = None
    opt_out_field: str | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """The extra fields of the customer card."""
        return tuple(name for name in (self.birthday_field, self.opt_out_field) if name)

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is to be asked."""
        return not (self.facts or self.fields)


class BuyerSource(Protocol):
    """Read what the customers' cards say today."""

    def buyers(self, rowids: Sequence[int], question: BuyerQuestion) -> dict[int, Buyer]:
        """Read these customers as far as asked; missing ones are left out.

        Facts are read only where they are asked for: through some doors they are dear.
        """

    def customer_tags(self) -> frozenset[str]:
        """Return the labels of all customer tags."""

    def buyer_gaps(self, question: BuyerQuestion) -> tuple[str, ...]:
        """Say what of this cannot be read through this door, in words, and why."""


@dataclass(frozen=True, slots=True, order=True)
class HandOver:
    """An order or a shipment as it is now. ``kind`` and ``state`` are words of its source."""

    kind: str
    rowid: int
    state: str


class DeliverySource(Protocol):
    """Read what became of goods that are ordered or shipped."""

    def deliveries(self, rowids: Sequence[int]) -> dict[int, Delivery]:
        """Read the deliveries of these documents; those that have none of their own are left out.

        Raises ``RefusedError`` where there are any, and the right to read them is missing.
        """

    def moved_deliveries(self, since: datetime) -> frozenset[HandOver]:
        """Return the orders and shipments that changed since, on the scale of ``SaleSource.now``.

        More than these may be among them; none where the right to read them is missing.
        """

    def documents_of(self, moved: Collection[HandOver]) -> frozenset[int]:
        """Return the documents (rowids) to which these belong."""


class WarehouseSource(Protocol):
    """Read from where goods were taken."""

    def warehouses_of(
        self, goods: Mapping[int, Collection[int]]
    ) -> dict[int, tuple[Warehouse, ...]]:
        """Read the warehouses of these documents, by rowid; ``goods`` are the products on each.

        Documents that changed no stock are left out.
        """

    def warehouse_names(self) -> frozenset[str]:
        """Return the names of all warehouses."""


FieldValue = int | Decimal | str | None


@dataclass(frozen=True, slots=True)
class Discount:
    """A fixed discount to be put on a customer card. ``token`` is unique and stands in its text."""

    customer: CustomerKey
    token: str
    text: str
    amount_incl: Decimal
    tax_rate: Decimal


@dataclass(frozen=True, slots=True)
class PlacedDiscount:
    """A fixed discount as found in the outside system. A split one has several rowids.

    ``free_amount`` is what of it is not used; ``worth`` what it was made for, without the copies
    that replacing an invoice makes of it. ``owner`` (a customer's rowid) and ``text`` are of its
    first part.
    """

    token: str
    rowids: tuple[int, ...]
    amount_incl: Decimal
    used: bool
    free_amount: Decimal = Decimal(0)
    worth: Decimal = Decimal(0)
    owner: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class SinkAbilities:
    """What this way of writing can do without harm, and why not where it cannot."""

    customer_fields: bool
    sale_fields: bool
    discounts: bool
    reasons: tuple[str, ...] = field(default=())


class Sink(Protocol):
    """Write display values and discounts into one outside system.

    Field writes are absolute and may be repeated. ``create_discount`` is not: whoever calls it must
    have looked for the token first, and must look again after any ``UnknownOutcome``.
    """

    def abilities(self) -> SinkAbilities:
        """Say what can be written here."""

    def write_customer(self, customer: CustomerKey, values: dict[str, FieldValue]) -> None:
        """Set these extra fields on the customer card; keep all others."""

    def read_customer(
        self, customer: CustomerKey, names: Sequence[str]
    ) -> dict[str, FieldValue] | None:
        """Read these extra fields back; ``None`` when the customer is gone."""

    def read_customers(
        self, customers: Sequence[CustomerKey], names: Sequence[str]
    ) -> dict[CustomerKey, dict[str, FieldValue]]:
        """Read these extra fields of many customers; those who are gone are left out."""

    def write_sale(self, sale: SaleKey, values: dict[str, FieldValue]) -> None:
        """Set these extra fields on the invoice; never touch the invoice itself."""

    def read_sale(self, sale: SaleKey, names: Sequence[str]) -> dict[str, FieldValue] | None:
        """Read these extra fields back; ``None`` when the invoice is gone."""

    def find_discount(self, customer: CustomerKey | None, token: str) -> PlacedDiscount | None:
        """Look a discount up by its token, whoever owns it by now."""

    def create_discount(self, discount: Discount) -> PlacedDiscount:
        """Put a fixed discount on the customer card and read it back.

        Raises ``RefusedError`` when it was read back otherwise (it is undone first).
        """

    def revoke_discount(self, token: str) -> bool:
        """Remove a discount, whole, if it was not used; tell whether it was removed."""

    def list_discounts(self, prefix: str) -> dict[str, PlacedDiscount]:
        """Return all discounts, used or not, by their tokens that begin with this prefix."""

    def remove_surplus(self, token: str, paid_for: Decimal) -> bool:
        """Remove unused parts of a discount until no more than this amount is left of it.

        Tells whether anything was removed. A part is removed whole or not at all.
        """


@dataclass(frozen=True, slots=True)
class Tagged:
    """Who bears some customer tags: labels by customer. ``known`` are those tags that exist."""

    known: frozenset[str]
    by_customer: Mapping[int, frozenset[str]]


class TagDoor(Protocol):
    """Customer tags of one outside system, by their labels. Every call may be repeated."""

    # Seconds between two looks at all of them.
    look_every_s: float

    def trace(self, labels: Collection[str]) -> str | None:
        """Return what changes whenever somebody gets or loses one of these tags.

        ``None`` where that is not known without looking.
        """

    def tagged(self, labels: Collection[str]) -> Tagged:
        """Return all who bear any of these tags."""

    def tags_of(self, customer: int, labels: Collection[str]) -> frozenset[str] | None:
        """Return which of these tags a customer bears; ``None`` when he is gone."""

    def retag(self, customer: int, wanted: str, unwanted: Collection[str]) -> None:
        """Take the unwanted tags off a card, then put the wanted one on, if any is named.

        Raises ``RefusedError`` when there is no such tag, or the right is missing.
        """


class StandingDoor(Protocol):
    """The percentage that a customer has off everything, on the card in one outside system."""

    def percent_of(self, customer: int) -> Decimal | None:
        """Return it, 0 for none; ``None`` when the customer is gone."""

    def set_percent(self, customer: int, shown: Decimal, wanted: Decimal, note: str) -> bool:
        """Set it if it still is what was shown; tell whether it was. ``note`` says why."""


@dataclass(frozen=True, slots=True)
class CardEvent:
    """Something that happened to a customer. ``key`` is its own for ever."""

    customer: int
    key: str
    label: str
    note: str
    at: datetime
    sale: int | None


class EventDoor(Protocol):
    """The events of customers in one outside system."""

    def add(self, event: CardEvent) -> bool:
        """Write an event unless it is there, or its customer is gone; tell whether it was new."""


class DraftDoor(Protocol):
    """Put lines on drafts and take them off; validated documents refuse both."""

    def add_line(self, sale: SaleKey, text: str, amount_incl: Decimal, tax_rate: Decimal) -> None:
        """Add a line of this amount including tax, negative for what is taken off."""

    def remove_line(self, sale: SaleKey, line_rowid: int) -> None:
        """Remove a line. Raises ``RefusedError`` when it is gone, or validated by now."""


@dataclass(frozen=True, slots=True)
class Goods:
    """An article of the catalogue as it is sold: its price for one piece, and its VAT rate."""

    rowid: int
    ref: str
    label: str
    price_excl: Decimal
    price_incl: Decimal
    tax_rate: Decimal
    is_service: bool = False


class GoodsDoor(DraftDoor, Protocol):
    """Give articles away on drafts, too."""

    def goods(self, ref: str) -> Goods | None:
        """Look up an article that is for sale; ``None`` where none has this reference."""

    def add_goods(self, sale: SaleKey, goods: Goods, text: str) -> None:
        """Add a line of one piece of an article, with all of its price off."""

    def reduce(self, sale: SaleKey, line_rowid: int, percent: Decimal, text: str) -> None:
        """Give a line of a draft a percentage off and a text; all else of it stays."""


class DraftSearch(Protocol):
    """Find what takes something off documents, or is given away there, drafts too."""

    def lines_with(self, mark: str) -> tuple[tuple[int, str], ...]:
        """Return such lines whose text holds ``mark``: the document's rowid, and the text."""


@dataclass(frozen=True, slots=True)
class TypedLine:
    """A line of text without price on a draft: what somebody typed or scanned there."""

    sale: SaleKey
    rowid: int
    text: str


class CodeDoor(DraftDoor, Protocol):
    """Where codes are typed on drafts, in the office and at tills, and answered."""

    def typed(self) -> tuple[TypedLine, ...]:
        """Return the lines without product and price on all drafts that may hold a code."""

    def answer(self, line: TypedLine, text: str) -> None:
        """Give such a line another text. Raises ``RefusedError`` where it is no draft any more."""


class WishDoor(Protocol):
    """Where cashiers type what they want on open tickets, behind an asterisk, and are answered."""

    def asked(self) -> tuple[TypedLine, ...]:
        """Return the lines without product and price on open tickets that begin with one."""

    def answer(self, line: TypedLine, text: str) -> None:
        """Give such a line another text. Raises ``RefusedError`` where it is no draft any more."""

    def remove_line(self, sale: SaleKey, line_rowid: int) -> None:
        """Remove a line. Raises ``RefusedError`` when it is gone, or paid by now."""


@dataclass(frozen=True, slots=True)
class Save:
    """A save of a card in the outside system, as its own log of events names it.

    ``rowid`` grows from save to save; ``element`` is customer or sale; ``user`` is ``None`` where
    the log does not say.
    """

    rowid: int
    element: str
    object_rowid: int
    user: int | None


@dataclass(frozen=True, slots=True)
class StaffUser:
    """A user of the outside system who may work there today, with the names of his groups."""

    login: str
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class AskedOn:
    """A card with something in its request fields. ``values`` are all of these, as stored."""

    rowid: int
    customer_rowid: int
    values: Mapping[str, FieldValue]


class RequestDesk(Protocol):
    """Where staff write what they want: fields of cards in the outside system.

    ``element`` is customer or sale.
    """

    def asked(
        self, element: str, acting: Sequence[str], others: Sequence[str]
    ) -> tuple[AskedOn, ...]:
        """Return the cards on which any of the ``acting`` fields is filled, by rowid."""

    def card(self, element: str, rowid: int, names: Sequence[str]) -> AskedOn | None:
        """Return one card with these fields; ``None`` when it is gone."""

    def answer(
        self,
        element: str,
        rowid: int,
        seen: Mapping[str, FieldValue],
        values: Mapping[str, FieldValue],
    ) -> bool:
        """Write these fields if those seen still hold what was seen; tell whether they did."""

    def saves(self, after: int) -> tuple[Save, ...]:
        """Return the saves of cards beyond this one, in their order."""

    def newest_save(self) -> int:
        """Return how far the log of events goes, 0 where it is empty."""

    def users(self, rowids: Collection[int]) -> dict[int, StaffUser]:
        """Return these users; those who may not work there are left out."""


@dataclass(frozen=True, slots=True)
class TicketNote:
    """A line of text that dolisync wrote on an open ticket."""

    rowid: int
    text: str


@dataclass(frozen=True, slots=True)
class RewardLine:
    """A line of a product that has a price in points: ``price`` is that of one piece."""

    rowid: int
    price: Decimal
    quantity: Decimal
    percent: Decimal
    text: str
    ref: str = ""


@dataclass(frozen=True, slots=True)
class OpenTicket:
    """A ticket at a till that is not paid yet. ``has_goods``: there is more on it than notes.

    ``articles`` are the lines of articles that a program gives for points, at their full price yet.
    """

    rowid: int
    customer: CustomerKey
    changed_at: datetime
    has_goods: bool
    notes: tuple[TicketNote, ...] = ()
    rewards: tuple[RewardLine, ...] = ()
    articles: tuple[int, ...] = ()


class Till(Protocol):
    """The open tickets of one outside system, and lines of text on them.

    Every call but ``write_note`` may be repeated; a note too many is seen at the next look.
    """

    def open_tickets(self) -> tuple[OpenTicket, ...]:
        """Return the tickets on which there is anything."""

    def write_note(self, ticket: int, text: str) -> None:
        """Add a line of text. Raises ``RefusedError`` where the ticket is not open any more."""

    def change_note(self, ticket: int, note: int, text: str) -> None:
        """Give a line of text other words."""

    def remove_note(self, ticket: int, note: int) -> None:
        """Take a line of text off."""

    def reduce(self, ticket: int, line: int, percent: Decimal, text: str) -> None:
        """Give a line this percentage off and this text; all else of it stays."""

    def release(self, ticket: int, customer: int) -> None:
        """Give an empty ticket to this customer. Raises ``RefusedError`` where it is not empty."""


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """An extra field that must exist. ``kind``: integer, amount, money, text (255)."""

    element: str  # customer, sale or product
    name: str
    label: str
    kind: str
    editable: bool = False


@dataclass(frozen=True, slots=True)
class PaymentModeSpec:
    """A payment mode that must exist; ``code`` has at most six characters.

    It has a bank account of its own, of the same name, in this currency.
    """

    code: str
    label: str
    currency: str = "EUR"


@dataclass(frozen=True, slots=True)
class TagSpec:
    """A customer tag that must exist."""

    label: str
    color: str


@dataclass(frozen=True, slots=True)
class Requirements:
    """What dolisync needs to find in the outside system; ``setup`` makes it, ``check`` looks."""

    fields: tuple[FieldSpec, ...] = ()
    payment_modes: tuple[PaymentModeSpec, ...] = ()
    tags: tuple[TagSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class SetupStep:
    """One thing that setup would do, did, or leaves to a person.

    ``state``: present, planned, done, manual or failed. ``statement`` is the SQL or the request.
    """

    what: str
    state: str
    statement: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of check. ``level``: ok, warning, error; ``remedy``: a command, SQL, a click."""

    level: str
    topic: str
    message: str
    remedy: str = ""
