"""The outside world in memory: a Dolibarr whose transactions commit late, and both doors to it.

A change is stamped with the whole second in which its statement ran and is seen when it commits,
perhaps much later; rowids are handed out at the statement. Effects of calls whose answer is lost
may arrive late as well. All reading sees what is committed, and nothing else.
"""

from __future__ import annotations

import contextlib
import copy
import heapq
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from simulation.trouble import Crash, Trouble

from dolisync.errors import RefusedError, TransientError, UnknownOutcome
from dolisync.model import Customer, CustomerKey, Sale, SaleKey, SaleKind
from dolisync.ports import (
    DatedPage,
    Discount,
    FieldValue,
    Page,
    PaymentPage,
    PlacedDiscount,
    Position,
    SinkAbilities,
)

SOURCE = "shop"
ENTITY = 1
ANONYMOUS = 1
# Shorter than the pause after which a card is read again, and than the lease of a discount.
LATEST_EFFECT_S = 40

Fields = dict[str, FieldValue]


@dataclass(frozen=True, slots=True)
class DiscountRow:
    """A fixed discount on a customer card."""

    rowid: int
    customer: int
    text: str
    amount: Decimal
    # The document of which a line consumes it.
    used_on: int | None = None

    @property
    def is_used(self) -> bool:
        """Tell whether something consumes it."""
        return self.used_on is not None


@dataclass(frozen=True, slots=True)
class Merge:
    """A customer who was poured into another, and the documents that changed hands with him."""

    old: int
    into: int
    rowids: frozenset[int]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copy of the whole database, with the numbers that it gives out next."""

    tables: dict[str, Any]
    counters: dict[str, itertools.count[int]]


@dataclass(slots=True)
class World:
    """The state of the other side, and its clock."""

    moment: datetime
    sales: dict[int, Sale] = field(default_factory=dict)
    payments: dict[int, int] = field(default_factory=dict)
    discounts: dict[int, DiscountRow] = field(default_factory=dict)
    cards: dict[int, Fields] = field(default_factory=dict)
    sale_fields: dict[int, Fields] = field(default_factory=dict)
    locked: set[int] = field(default_factory=set)
    # Documents as open transactions will leave them.
    uncommitted: dict[int, Sale] = field(default_factory=dict)
    customers: set[int] = field(default_factory=lambda: {ANONYMOUS, 2, 3, 4})
    merges: list[Merge] = field(default_factory=list)
    # Merged customers of whom nobody can tell from the documents into whom they went.
    untraceable: set[int] = field(default_factory=set)
    # An older copy of it was put in its place.
    was_restored: bool = False
    clock_offset: timedelta = timedelta(0)
    # What must never happen, seen when it happened.
    violations: list[str] = field(default_factory=list)
    # A change that leaves no trace for polling: only reconcile can find it.
    has_hidden_changes: bool = False
    # A card was written over with old values: it is repaired at the latest by reconcile.
    has_overwritten_cards: bool = False
    _later: list[tuple[datetime, int, Callable[[], None]]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)
    _rowids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _payment_rowids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _discount_rowids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _customer_rowids: itertools.count[int] = field(default_factory=lambda: itertools.count(5))

    # --- time ------------------------------------------------------------------------------------

    def clock(self) -> datetime:
        """The database's clock, in whole seconds; it may have been set back."""
        return (self.moment + self.clock_offset).replace(microsecond=0)

    def advance(self, seconds: float) -> None:
        """Let time pass; what commits meanwhile becomes visible."""
        self.moment += timedelta(seconds=seconds)
        while self._later and self._later[0][0] <= self.moment:
            heapq.heappop(self._later)[2]()

    def later(self, seconds: float, effect: Callable[[], None]) -> None:
        """Let something happen after so many seconds, at once for none."""
        if seconds <= 0:
            effect()
            return
        at = self.moment + timedelta(seconds=seconds)
        heapq.heappush(self._later, (at, next(self._order), effect))

    # --- the shop's transactions -----------------------------------------------------------------

    def new_rowid(self) -> int:
        """Hand out a document's rowid, at the statement."""
        return next(self._rowids)

    def new_payment_rowid(self) -> int:
        """Hand out a payment's rowid, at the statement."""
        return next(self._payment_rowids)

    def free_sales(self) -> list[Sale]:
        """Return the documents that no open transaction has locked."""
        return [sale for rowid, sale in self.sales.items() if rowid not in self.locked]

    def change(
        self,
        lag: float,
        sales: Mapping[int, Sale | None],
        payments: Mapping[int, int] | None = None,
        also_locked: Sequence[int] = (),
    ) -> None:
        """Run a transaction that commits after ``lag`` seconds; ``None`` deletes a document."""
        rows = {*sales, *also_locked}
        assert not rows & self.locked, "the shop waits for locks"
        self.locked |= rows
        self.uncommitted.update({rowid: sale for rowid, sale in sales.items() if sale})

        def commit() -> None:
            self.locked -= rows
            for rowid, sale in sales.items():
                self.uncommitted.pop(rowid, None)
                if sale is None:
                    self._delete(rowid)
                else:
                    self.sales[rowid] = sale
                self._set_free(rowid)
            self.payments.update(payments or {})

        self.later(lag, commit)

    def _set_free(self, rowid: int) -> None:
        """Free the discounts of which a document has no line any more."""
        sale = self.sales.get(rowid)
        texts = {line.text for line in sale.lines} if sale else set()
        for row in list(self.discounts.values()):
            if row.used_on == rowid and row.text not in texts:
                self.discounts[row.rowid] = replace(row, used_on=None)

    def _delete(self, rowid: int) -> None:
        del self.sales[rowid]
        self.sale_fields.pop(rowid, None)
        gone = [payment for payment, sale in self.payments.items() if sale == rowid]
        for payment in gone:
            del self.payments[payment]

    # --- customers -------------------------------------------------------------------------------

    def add_customer(self) -> int:
        """Make a customer card."""
        rowid = next(self._customer_rowids)
        self.customers.add(rowid)
        return rowid

    def is_busy(self, customer: int) -> bool:
        """Tell whether an open transaction holds documents of this customer."""
        held = [self.sales[rowid] for rowid in self.locked & self.sales.keys()]
        return any(sale.customer.rowid == customer for sale in (*held, *self.uncommitted.values()))

    def merge(self, old: int, into: int) -> None:
        """Pour one customer into another: documents, discounts, and what fields are empty."""
        assert not self.is_busy(old), "the merge waits for locks"
        mine = {rowid: sale for rowid, sale in self.sales.items() if sale.customer.rowid == old}
        for rowid, sale in mine.items():
            self.sales[rowid] = stamped(self, replace(sale, customer=customer_key(into)))
        for row in list(self.discounts.values()):
            if row.customer == old:
                self.discounts[row.rowid] = replace(row, customer=into)
        before, card = self.cards.get(into, {}), self.cards.pop(old, {})
        self.cards[into] = {**card, **{k: v for k, v in before.items() if v}}
        # Where no known sale changed hands, nothing tells of it before the night.
        self.has_overwritten_cards |= self.cards[into] != before
        self.customers.discard(old)
        self.merges.append(Merge(old, into, frozenset(mine)))

    # --- copies ----------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Copy the database as it is committed."""
        kept = Snapshot(
            {name: copy.copy(getattr(self, name)) for name in _TABLES},
            {name: copy.copy(getattr(self, name)) for name in _COUNTERS},
        )
        # What an open transaction consumes is free in the copy.
        for row in self.discounts.values():
            if row.used_on not in {None, *self.sales}:
                kept.tables["discounts"][row.rowid] = replace(row, used_on=None)
        return kept

    def restore(self, kept: Snapshot) -> None:
        """Put an old copy in the place of the database: open transactions die, rowids come again.

        The numbers of customers do not: a card that another person has by now is another story.
        """
        for name, value in {**kept.tables, **kept.counters}.items():
            setattr(self, name, copy.copy(value))
        self._later.clear()
        self.locked.clear()
        self.uncommitted.clear()
        self.was_restored = self.has_hidden_changes = self.has_overwritten_cards = True

    # --- discounts -------------------------------------------------------------------------------

    def pieces(self, token: str) -> list[DiscountRow]:
        """Return the rows that bear a token."""
        return [row for row in self.discounts.values() if token in row.text.split()]

    def add_discount(
        self, customer: int, text: str, amount: Decimal, used_on: int | None = None
    ) -> None:
        """Put a discount on a customer card."""
        rowid = next(self._discount_rowids)
        self.discounts[rowid] = DiscountRow(rowid, customer, text, amount, used_on)

    def split_discount(self, row: DiscountRow, first: Decimal) -> None:
        """Cut a discount in two, both with new rowids and a marked text."""
        del self.discounts[row.rowid]
        self.add_discount(row.customer, f"{row.text} (1)", first)
        self.add_discount(row.customer, f"{row.text} (2)", row.amount - first)


_TABLES = ("sales", "payments", "discounts", "cards", "sale_fields", "customers")
_COUNTERS = ("_rowids", "_payment_rowids", "_discount_rowids")


@dataclass(slots=True)
class MemorySource:
    """Read the world as the core's port demands."""

    world: World
    trouble: Trouble
    name: str = SOURCE
    entity: int = ENTITY

    def now(self) -> datetime:
        self.trouble.call("now")
        return self.world.clock()

    def changed(self, since: datetime, after: Position | None, limit: int) -> Page:
        self.trouble.call("changed")
        place = (after.changed_at, after.rowid) if after else (since, 0)
        found = sorted(
            (sale.changed_at, rowid)
            for rowid, sale in self.world.sales.items()
            if sale.changed_at >= since
            and (sale.changed_at, rowid) > place
            and not sale.ref.startswith("(PROV")
        )[:limit]
        sales = tuple(self.world.sales[rowid] for _, rowid in found)
        is_full = len(found) == limit
        self.trouble.point("after changed")
        return Page(sales, Position(*found[-1]) if is_full else None)

    def paid_after(self, payment_rowid: int, limit: int) -> PaymentPage:
        self.trouble.call("paid_after")
        found = sorted(pair for pair in self.world.payments.items() if pair[0] > payment_rowid)
        return PaymentPage(tuple(found[:limit]))

    def last_payment_rowid(self) -> int:
        self.trouble.call("last_payment_rowid")
        return max(self.world.payments, default=0)

    def get(self, rowids: Sequence[int]) -> tuple[Sale, ...]:
        self.trouble.call("get")
        sales = self.world.sales
        return tuple(sales[rowid] for rowid in sorted(set(rowids)) if rowid in sales)

    def customers(self, rowids: Sequence[int]) -> dict[int, Customer]:
        self.trouble.call("customers")
        there = self.world.customers & set(rowids)
        return {rowid: Customer(customer_key(rowid), f"Customer {rowid}") for rowid in there}

    def find_customer(self, text: str) -> tuple[Customer, ...]:
        return tuple(self.customers([int(text)]).values())

    def find(self, ref: str) -> tuple[Sale, ...]:
        self.trouble.call("find")
        return tuple(sale for sale in self.world.sales.values() if sale.ref == ref)

    def between(self, start: date, end: date, after_rowid: int, limit: int) -> DatedPage:
        self.trouble.call("between")
        found = sorted(
            rowid
            for rowid, sale in self.world.sales.items()
            if start <= sale.date < end and rowid > after_rowid and not sale.ref.startswith("(PROV")
        )[:limit]
        sales = tuple(self.world.sales[rowid] for rowid in found)
        return DatedPage(sales, found[-1] if len(found) == limit else None)

    def count_between(self, start: date, end: date) -> int | None:
        self.trouble.call("count_between")
        numbered = (s for s in self.world.sales.values() if not s.ref.startswith("(PROV"))
        return sum(start <= sale.date < end for sale in numbered)


@dataclass(slots=True)
class Door:
    """A way of writing into the world, on which answers are lost and processes die."""

    world: World
    trouble: Trouble

    def _write(self, name: str, effect: Callable[[], None]) -> None:
        self.trouble.call(name)
        self.trouble.refuse(name)

        def late() -> None:
            with contextlib.suppress(RefusedError, TransientError):
                effect()

        if self.trouble.loses_answer(name):
            rng = self.trouble.rng
            if rng.random() < 0.7:
                self.world.later(rng.choice([0, 10, LATEST_EFFECT_S, LATEST_EFFECT_S]), late)
            raise UnknownOutcome(f"{name} was sent, the answer is lost")
        try:
            self.trouble.point(f"during {name}")
        except Crash:
            # Who asked is dead; what he asked for may still happen.
            self.world.later(self.trouble.rng.choice([1, 10, LATEST_EFFECT_S]), late)
            raise
        effect()
        self.trouble.point(f"after {name}")


@dataclass(slots=True)
class MemorySink(Door):
    """Write into the world as the core's port demands."""

    def abilities(self) -> SinkAbilities:
        return SinkAbilities(customer_fields=True, sale_fields=True, discounts=True)

    def write_customer(self, customer: CustomerKey, values: Fields) -> None:
        self._require(customer)
        self._write("write_customer", lambda: self._show_customer(customer.rowid, values))

    def read_customer(self, customer: CustomerKey, names: Sequence[str]) -> Fields | None:
        self.trouble.call("read_customer")
        if customer.rowid not in self.world.customers:
            return None
        card = self.world.cards.get(customer.rowid, {})
        return {name: card.get(name) for name in names}

    def read_customers(
        self, customers: Sequence[CustomerKey], names: Sequence[str]
    ) -> dict[CustomerKey, Fields]:
        found = ((key, self.read_customer(key, names)) for key in customers)
        return {key: card for key, card in found if card is not None}

    def write_sale(self, sale: SaleKey, values: Fields) -> None:
        if sale.rowid not in self.world.sales:
            raise RefusedError(f"the invoice {sale.rowid} is gone from Dolibarr")
        self._write("write_sale", lambda: self._show_sale(sale.rowid, values))

    def read_sale(self, sale: SaleKey, names: Sequence[str]) -> Fields | None:
        self.trouble.call("read_sale")
        if sale.rowid not in self.world.sales:
            return None
        shown = self.world.sale_fields.get(sale.rowid, {})
        return {name: shown.get(name) for name in names}

    def find_discount(self, customer: CustomerKey | None, token: str) -> PlacedDiscount | None:
        self.trouble.call("find_discount")
        return self._placed(token)

    def create_discount(self, discount: Discount) -> PlacedDiscount:
        self._require(discount.customer)
        self._write("create_discount", lambda: self._create(discount))
        placed = self._placed(discount.token)
        if placed is None:
            # Merged away between the look and the write: the foreign key refuses.
            raise RefusedError(f"the customer {discount.customer.rowid} is gone from Dolibarr")
        return placed

    def revoke_discount(self, token: str) -> bool:
        existed = bool(self.world.pieces(token))
        self._write("revoke_discount", lambda: self._revoke(token))
        return existed and not self.world.pieces(token)

    def list_discounts(self, prefix: str) -> dict[str, PlacedDiscount]:
        self.trouble.call("list_discounts")
        rows = self.world.discounts.values()
        tokens = {word for row in rows for word in row.text.split() if word.startswith(prefix)}
        found = {token: self._placed(token) for token in sorted(tokens)}
        return {token: placed for token, placed in found.items() if placed is not None}

    def remove_surplus(self, token: str, paid_for: Decimal) -> bool:
        pieces = self.world.pieces(token)
        left = sum((row.amount for row in pieces), Decimal(0))
        removed = False
        for row in reversed(pieces):
            if not row.is_used and left - row.amount >= paid_for:
                left -= row.amount
                del self.world.discounts[row.rowid]
                removed = True
        return removed

    def _require(self, customer: CustomerKey) -> None:
        if customer.rowid not in self.world.customers:
            raise RefusedError(f"the customer {customer.rowid} is gone from Dolibarr")

    def _show_customer(self, rowid: int, values: Fields) -> None:
        if rowid in self.world.customers:
            self.world.cards[rowid] = {**self.world.cards.get(rowid, {}), **values}

    def _show_sale(self, rowid: int, values: Fields) -> None:
        shown = self.world.sale_fields
        shown[rowid] = {**shown.get(rowid, {}), **values}

    def _create(self, discount: Discount) -> None:
        if discount.customer.rowid not in self.world.customers:
            return
        if self.world.pieces(discount.token):
            self.world.violations.append(f"a second discount {discount.token}")
        self.world.add_discount(discount.customer.rowid, discount.text, discount.amount_incl)

    def _revoke(self, token: str) -> None:
        pieces = self.world.pieces(token)
        if not any(row.is_used for row in pieces):
            for row in pieces:
                del self.world.discounts[row.rowid]

    def _placed(self, token: str) -> PlacedDiscount | None:
        pieces = self.world.pieces(token)
        if not pieces:
            return None
        amount = sum((row.amount for row in pieces), Decimal(0))
        used = any(row.is_used for row in pieces)
        free = sum((row.amount for row in pieces if not row.is_used), Decimal(0))
        rowids = tuple(row.rowid for row in pieces)
        worth = sum({row.text: row.amount for row in pieces}.values(), Decimal(0))
        first = pieces[0]
        return PlacedDiscount(token, rowids, amount, used, free, worth, first.customer, first.text)


def origin_of(sale: Sale) -> int | None:
    """Return the rowid of the sale that a document points at."""
    return sale.origin.rowid if sale.origin else None


def is_return(sale: Sale) -> bool:
    """Tell whether it is a credit note."""
    return sale.kind is SaleKind.CREDIT_NOTE


def key(rowid: int) -> SaleKey:
    """Name a document."""
    return SaleKey(SOURCE, ENTITY, rowid)


def customer_key(rowid: int) -> CustomerKey:
    """Name a customer."""
    return CustomerKey(SOURCE, ENTITY, rowid)


def calm() -> Trouble:
    """Return no trouble at all."""
    return Trouble(random.Random(0), is_calm=True)


def stamped(world: World, sale: Sale) -> Sale:
    """Write a row: its time of change becomes the present second."""
    return replace(sale, changed_at=world.clock().astimezone(UTC))
