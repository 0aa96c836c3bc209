"""A Dolibarr in memory, and a shop around it: small, but with the manners of the real one."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, select

from dolisync.config import ReconcileSettings, Source
from dolisync.errors import RefusedError
from dolisync.ledger import redemptions, rulesets, tables
from dolisync.ledger.engine import reading
from dolisync.ledger.outbox import Item, listed
from dolisync.ledger.views import MemberView, PostingView, history, member_view
from dolisync.model import CustomerKey, Sale, SaleKey, SaleStatus
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
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program
from dolisync.sync import adjust, audit, expire, redeem
from dolisync.sync.drift import compare_cards
from dolisync.sync.intake import Intake
from dolisync.sync.judge import Rules, Showing, Tally
from dolisync.sync.publish import Publisher, Report
from dolisync.sync.reconcile import Reconciler, Reconciliation
from tests.builders import NOON, SOURCE, HandClock, customer, program


@dataclass
class FakeSource:
    """Sales in memory, read as from Dolibarr: whole seconds, pages, payments by rowid."""

    clock: HandClock
    name: str = SOURCE
    entity: int = 1
    sales: dict[int, Sale] = field(default_factory=dict)
    payments: dict[int, int] = field(default_factory=dict)
    ahead_s: float = 0
    broken: Exception | None = None
    asked_since: list[datetime] = field(default_factory=list)
    asked_for: list[Sequence[int]] = field(default_factory=list)

    # --- what happens in the shop ---

    def put(self, sale: Sale, *, silently: bool = False) -> Sale:
        """Save a sale; its modification time moves unless the change is a silent one."""
        known = self.sales.get(sale.key.rowid)
        stamp = known.changed_at if silently and known else self.now().replace(microsecond=0)
        self.sales[sale.key.rowid] = replace(sale, changed_at=stamp)
        return self.sales[sale.key.rowid]

    def pay(self, payment_rowid: int, sale: Sale, *, silently: bool = False) -> None:
        """Save a sale with a new payment; a partial one leaves the sale's time alone."""
        self.put(sale, silently=silently)
        self.payments[payment_rowid] = sale.key.rowid

    def remove(self, rowid: int) -> None:
        del self.sales[rowid]

    # --- the port ---

    def now(self) -> datetime:
        return self.clock.now() + timedelta(seconds=self.ahead_s)

    def changed(self, since: datetime, after: Position | None, limit: int) -> Page:
        self._answer()
        self.asked_since.append(since)
        rows = [sale for sale in self._numbered() if sale.changed_at >= since]
        rows.sort(key=_place)
        if after is not None:
            rows = [sale for sale in rows if _place(sale) > after]
        page = tuple(rows[:limit])
        return Page(page, _place(page[-1]) if len(rows) > limit else None)

    def paid_after(self, payment_rowid: int, limit: int) -> PaymentPage:
        self._answer()
        pairs = sorted(pair for pair in self.payments.items() if pair[0] > payment_rowid)
        return PaymentPage(tuple(pairs[:limit]))

    def last_payment_rowid(self) -> int:
        return max(self.payments, default=0)

    def get(self, rowids: Sequence[int]) -> tuple[Sale, ...]:
        self._answer()
        self.asked_for.append(rowids)
        return tuple(self.sales[rowid] for rowid in rowids if rowid in self.sales)

    def find(self, ref: str) -> tuple[Sale, ...]:
        return tuple(sale for sale in self.sales.values() if sale.ref == ref)

    def between(self, start: date, end: date, after_rowid: int, limit: int) -> DatedPage:
        self._answer()
        rows = sorted(
            (s for s in self._numbered() if start <= s.date < end and s.key.rowid > after_rowid),
            key=lambda sale: sale.key,
        )
        return DatedPage(tuple(rows[:limit]), rows[limit - 1].key.rowid if rows[limit:] else None)

    def count_between(self, start: date, end: date) -> int | None:
        return sum(start <= sale.date < end for sale in self._numbered())

    def _numbered(self) -> list[Sale]:
        return [sale for sale in self.sales.values() if not sale.ref.startswith("(PROV")]

    def _answer(self) -> None:
        if self.broken is not None:
            raise self.broken


def _place(sale: Sale) -> Position:
    return Position(sale.changed_at, sale.key.rowid)


@dataclass
class FakeSink:
    """Cards, invoices and discounts in memory. Errors can be laid before or after the effect."""

    cards: dict[CustomerKey, dict[str, FieldValue]] = field(default_factory=dict)
    invoices: dict[SaleKey, dict[str, FieldValue]] = field(default_factory=dict)
    discounts: dict[str, tuple[Discount, PlacedDiscount]] = field(default_factory=dict)
    gone: set[CustomerKey] = field(default_factory=set)
    before: list[Exception] = field(default_factory=list)
    after: list[Exception] = field(default_factory=list)
    on_write: Callable[[], None] | None = None
    calls: list[str] = field(default_factory=list)

    def abilities(self) -> SinkAbilities:
        return SinkAbilities(customer_fields=True, sale_fields=True, discounts=True)

    def write_customer(self, customer: CustomerKey, values: dict[str, FieldValue]) -> None:
        self._begin("write_customer")
        self.cards.setdefault(customer, {}).update(values)
        self._end()

    def read_customer(
        self, customer: CustomerKey, names: Sequence[str]
    ) -> dict[str, FieldValue] | None:
        self._begin("read_customer")
        if customer in self.gone:
            return None
        return {name: self.cards.get(customer, {}).get(name) for name in names}

    def read_customers(
        self, customers: Sequence[CustomerKey], names: Sequence[str]
    ) -> dict[CustomerKey, dict[str, FieldValue]]:
        self._begin("read_customers")
        return {
            key: {name: self.cards.get(key, {}).get(name) for name in names}
            for key in customers
            if key not in self.gone
        }

    def write_sale(self, sale: SaleKey, values: dict[str, FieldValue]) -> None:
        self._begin("write_sale")
        self.invoices.setdefault(sale, {}).update(values)
        self._end()

    def read_sale(self, sale: SaleKey, names: Sequence[str]) -> dict[str, FieldValue] | None:
        self._begin("read_sale")
        shown = self.invoices.get(sale)
        return None if shown is None else {name: shown.get(name) for name in names}

    def find_discount(self, customer: CustomerKey | None, token: str) -> PlacedDiscount | None:
        self._begin("find_discount")
        found = self.discounts.get(token)
        return found[1] if found else None

    def create_discount(self, discount: Discount) -> PlacedDiscount:
        self._begin("create_discount")
        if discount.token in self.discounts:
            raise AssertionError(f"the discount {discount.token} was created twice")
        placed = PlacedDiscount(
            discount.token,
            (len(self.discounts) + 1,),
            discount.amount_incl,
            used=False,
            free_amount=discount.amount_incl,
            worth=discount.amount_incl,
            owner=discount.customer.rowid,
            text=discount.text,
        )
        self.discounts[discount.token] = (discount, placed)
        self._end()
        return placed

    def revoke_discount(self, token: str) -> bool:
        self._begin("revoke_discount")
        found = self.discounts.get(token)
        if found is None or found[1].used:
            return False
        del self.discounts[token]
        self._end()
        return True

    def list_discounts(self, prefix: str) -> dict[str, PlacedDiscount]:
        self._begin("list_discounts")
        return {token: placed for token, (_, placed) in self.discounts.items()}

    def remove_surplus(self, token: str, paid_for: Decimal) -> bool:
        self._begin("remove_surplus")
        discount, placed = self.discounts[token]
        surplus = min(placed.amount_incl - paid_for, placed.free_amount)
        left = placed.amount_incl - surplus
        self.discounts[token] = (
            discount,
            replace(placed, amount_incl=left, free_amount=Decimal(0)),
        )
        return surplus > 0

    def use(self, token: str) -> None:
        """Let the customer use a discount on an invoice."""
        discount, placed = self.discounts[token]
        used = replace(placed, used=True, free_amount=Decimal(0))
        self.discounts[token] = (discount, used)

    def free(self, token: str) -> None:
        """Drop the draft that used it: Dolibarr sets it free."""
        discount, placed = self.discounts[token]
        free = replace(placed, used=False, free_amount=placed.amount_incl)
        self.discounts[token] = (discount, free)

    def _begin(self, call: str) -> None:
        self.calls.append(call)
        if self.before:
            raise self.before.pop(0)

    def _end(self) -> None:
        if self.on_write is not None:
            self.on_write()
        if self.after:
            raise self.after.pop(0)


NO = RefusedError("no")


@dataclass
class Shop:
    """A ledger, a source, a sink and a clock: everything but the daemon."""

    engine: Engine
    clock: HandClock = field(default_factory=HandClock)
    programs: tuple[Program, ...] = field(default_factory=lambda: (program(),))
    around: Surroundings = field(default_factory=Surroundings)
    showing: Showing = field(default_factory=Showing)
    page_size: int = 200
    source: FakeSource = field(init=False)
    sink: FakeSink = field(default_factory=FakeSink)
    intake: Intake = field(init=False)
    publisher: Publisher = field(init=False)

    def __post_init__(self) -> None:
        self.source = FakeSource(self.clock)
        self.adopt(*self.programs)

    def adopt(self, *programs: Program) -> None:
        """Start the service anew, with these programs and no memory but the ledger's."""
        self.programs = programs
        book = rulesets.adopt(self.engine, programs, self.clock.now())
        self.intake = self.new_intake(book=book)
        self.publisher = Publisher(
            self.engine,
            self.clock,
            Source.model_validate({"name": SOURCE, "url": "http://x", "api_key": "k"}),
            self.sink,
            self.by_name,
            jitter=lambda: 1.0,
        )

    def new_intake(self, door: str = "sql", book: rulesets.RuleBook | None = None) -> Intake:
        rules = Rules(book or self.intake.rules.book, {SOURCE: self.around}, {SOURCE: self.showing})
        return Intake(self.engine, self.clock, rules, self.source, door, page_size=self.page_size)

    @property
    def program(self) -> Program:
        return self.programs[0]

    @property
    def rules(self) -> Rules:
        return self.intake.rules

    @property
    def by_name(self) -> dict[str, Program]:
        return {program.name: program for program in self.programs}

    @property
    def today(self) -> date:
        return self.clock.now().astimezone(self.program.zone).date()

    # --- doing ---

    def put(self, *sales: Sale) -> Tally:
        """Save sales and let the next look find them."""
        for sale in sales:
            self.source.put(sale)
        return self.poll()

    def poll(self) -> Tally:
        self.clock.tick()
        return self.intake.run_once()

    def take(self, *sales: Sale) -> Tally:
        """Book these sales at once, without a look at the cursor."""
        for sale in sales:
            self.source.put(sale)
        return self.intake.take([self.source.sales[sale.key.rowid] for sale in sales])

    def expire(self) -> int:
        return expire.run_once(self.engine, self.clock, self.by_name, {SOURCE: self.showing})

    def reconcile(self, **settings: Any) -> Reconciliation:
        allow = settings.pop("allow_mass_reversal", False)
        compared = ReconcileSettings.model_validate(settings)
        result = Reconciler(self.intake, compared, allow).run_once()
        if self.showing.customers:
            compare_cards(self.publisher)
        return result

    def redeem(
        self, token: str = "DS-TEST", buyer: int = 7, reward: int = 0
    ) -> redemptions.Redemption:
        return redeem.redeem(
            self.engine,
            self.clock,
            self.program,
            customer(buyer),
            self.program.reward[reward],
            token=token,
        )

    def adjust(
        self, units: int, buyer: int = 7, token: str = "", *, into_debt: bool = False
    ) -> None:
        """Give points, or take them away, by hand."""
        adjust.adjust(
            self.engine,
            self.clock,
            self.program,
            customer(buyer),
            units,
            "by hand",
            token=token or secrets.token_hex(4),
            showing=self.showing,
            into_debt=into_debt,
        )

    def publish(self) -> Report:
        return self.publisher.run_once()

    def publish_all(self) -> None:
        """Publish until the outbox is drained, second looks included."""
        for _ in range(12):
            self.publish()
            self.clock.tick(61)

    # --- looking ---

    def view(self, buyer: int = 7, program: str = "loyalty") -> MemberView:
        with reading(self.engine) as connection:
            return member_view(connection, program, customer(buyer), self.today)

    def balance(self, buyer: int = 7, program: str = "loyalty") -> int:
        return self.view(buyer, program).balance

    def postings(self, buyer: int = 7) -> list[PostingView]:
        """Return a member's movements, oldest first."""
        member_id = self.view(buyer).member_id
        if member_id is None:
            return []
        with reading(self.engine) as connection:
            return history(connection, member_id, 1000)[::-1]

    def moves(self, buyer: int = 7) -> list[tuple[str, int]]:
        return [(posting.kind, posting.points) for posting in self.postings(buyer)]

    def outbox(self, *states: str) -> list[Item]:
        with reading(self.engine) as connection:
            return listed(connection, states or ("new", "sending", "written"), 1000)[::-1]

    def parked(self) -> list[Any]:
        with reading(self.engine) as connection:
            return list(connection.execute(select(tables.parked)))

    def breaches(self) -> list[str]:
        """Say what the ledger's own check finds: nothing, when all is well."""
        return [str(breach) for breach in audit.verify(self.engine, self.clock, self.intake.rules)]


def reward(points: int | str = 100, amount: str = "5", **more: Any) -> dict[str, Any]:
    """Write a reward as config.toml would."""
    return {"points": points, "amount": amount, **more}


def reopened(sale: Sale) -> Sale:
    """Set an invoice back to draft, as staff do to correct it."""
    return replace(sale, status=SaleStatus.DRAFT, payments=())


def broken_total(sale: Sale) -> Sale:
    """Give a sale's first line a total that no rule can digest."""
    first, *others = sale.lines
    return replace(sale, lines=(replace(first, total_incl=Decimal("NaN")), *others))


__all__ = ["NOON", "FakeSink", "FakeSource", "Shop", "broken_total", "reopened", "reward"]
