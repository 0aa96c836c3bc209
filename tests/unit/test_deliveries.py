"""What was ordered earns once it is delivered: pending before, on that day, and back again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import DatabaseError

from dolisync.ledger import batches, tables
from dolisync.ledger.documents import fingerprint, from_document, to_document
from dolisync.ledger.engine import reading, write
from dolisync.ledger.rulesets import adopt
from dolisync.ledger.verify import verify_books
from dolisync.model import Delivery, Payment, Sale, SaleKind, SaleStatus
from dolisync.ports import HandOver
from dolisync.program.assess import Family, assess, earned_on
from dolisync.program.reasons import Why
from dolisync.program.surroundings import Surroundings
from dolisync.sync.deliveries import LOOK_EVERY, Deliveries, are_followed, with_first_delivery
from dolisync.sync.pending import pending_of_batch, pending_units
from tests.builders import NOON, SOURCE, HandClock, credit_note, customer, program, sale
from tests.fakes import Shop

WAITING, DONE = Delivery(is_done=False), Delivery(is_done=True)
DELIVERED = {"amount": {}, "moment": "delivered"}


@dataclass
class FakeOrders:
    """Orders in memory, one for each document; notes who was asked for."""

    clock: HandClock
    known: dict[int, Delivery] = field(default_factory=dict)
    moved: dict[int, datetime] = field(default_factory=dict)
    asked: list[tuple[int, ...]] = field(default_factory=list)
    looks: list[datetime] = field(default_factory=list)
    led_to: list[int] = field(default_factory=list)

    def set(self, rowid: int, delivery: Delivery | None) -> None:
        """Change an order; its document bears no trace of it."""
        self.known.pop(rowid, None)
        if delivery is not None:
            self.known[rowid] = delivery
        self.moved[rowid] = self.clock.now()

    def deliveries(self, rowids: Sequence[int]) -> dict[int, Delivery]:
        self.asked.append(tuple(rowids))
        return {rowid: self.known[rowid] for rowid in rowids if rowid in self.known}

    def moved_deliveries(self, since: datetime) -> frozenset[HandOver]:
        self.looks.append(since)
        return frozenset(
            HandOver("order", rowid, str(self.known.get(rowid)))
            for rowid, at in self.moved.items()
            if at >= since
        )

    def documents_of(self, moved: Collection[HandOver]) -> frozenset[int]:
        self.led_to += [one.rowid for one in moved]
        return frozenset(one.rowid for one in moved)


def open_shop(engine: Engine, **earn: Any) -> tuple[Shop, FakeOrders]:
    shop = Shop(engine, programs=(program(earn={**DELIVERED, **earn}),))
    orders = FakeOrders(shop.clock)
    shop.intake.deliveries = Deliveries(orders, shop.clock)
    return shop, orders


def look_later(shop: Shop, days: float = 0) -> None:
    """Let the sale's own change fall out of every window, and look."""
    shop.clock.tick(days * 86400 + 4000)
    shop.poll()


# --- the rules -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "status", "delivery", "units", "why"),
    [
        ("delivered", SaleStatus.VALIDATED, WAITING, 0, Why.NOT_DELIVERED),
        ("delivered", SaleStatus.PAID, WAITING, 0, Why.NOT_DELIVERED),
        ("delivered", SaleStatus.CLOSED, WAITING, 0, Why.NOT_DELIVERED),
        ("delivered", SaleStatus.VALIDATED, DONE, 50, None),
        ("delivered", SaleStatus.PAID, DONE, 50, None),
        ("delivered", SaleStatus.CLOSED, DONE, 50, None),
        ("delivered", SaleStatus.VALIDATED, None, 50, None),
        ("delivered", SaleStatus.DRAFT, DONE, 0, Why.DRAFT),
        ("delivered", SaleStatus.ABANDONED, DONE, 0, Why.ABANDONED),
        ("paid", SaleStatus.VALIDATED, DONE, 0, Why.NOT_PAID),
        ("paid", SaleStatus.PAID, WAITING, 50, None),
        ("validated", SaleStatus.VALIDATED, WAITING, 50, None),
    ],
)
def test_when_a_sale_earns(
    moment: str, status: SaleStatus, delivery: Delivery | None, units: int, why: Why | None
) -> None:
    terms = program(earn={"amount": {}, "moment": moment})
    sold = sale(1, 50, status=status, delivery=delivery)
    (verdict,) = assess(terms, Surroundings(), Family(sold))
    assert verdict.units == units
    waits = {Why.NOT_PAID, Why.NOT_DELIVERED}
    assert verdict.pending == (50 if why in waits else 0)
    said = [reason.why for reason in verdict.reasons]
    assert why is None or said[-1] is why
    assert waits.isdisjoint(said) or why in waits


@pytest.mark.parametrize(
    ("done_at", "day"),
    [
        (None, date(2026, 11, 20)),
        (datetime(2026, 11, 18, 9, tzinfo=UTC), date(2026, 11, 20)),
        (datetime(2026, 11, 25, 9, tzinfo=UTC), date(2026, 11, 25)),
        # Half past midnight in Paris.
        (datetime(2026, 11, 25, 23, 30, tzinfo=UTC), date(2026, 11, 26)),
    ],
)
def test_the_day_on_which_it_earned(done_at: datetime | None, day: date) -> None:
    late = Payment("LIQ", sale(1, 50).total_incl, NOON + timedelta(days=40))
    sold = sale(1, 50, payments=[late], delivery=Delivery(is_done=True, done_at=done_at))
    assert earned_on(program(earn=DELIVERED), sold) == day
    assert earned_on(program(earn={"amount": {}, "moment": "validated"}), sold) == sold.date
    assert earned_on(program(), sold) == (NOON + timedelta(days=40)).date()


def test_a_return_takes_nothing_from_what_waits_and_its_share_later() -> None:
    terms, around = program(earn=DELIVERED), Surroundings()
    sold, back = sale(1, 50, delivery=WAITING), credit_note(2, 20, 1)
    first, second = assess(terms, around, Family(sold, (back,)))
    assert (first.units, second.units) == (0, 0)
    first, second = assess(terms, around, Family(replace(sold, delivery=DONE), (back,)))
    assert (first.units, second.units) == (50, -20)


# --- how a sale is kept --------------------------------------------------------------------------


@pytest.mark.parametrize("delivery", [None, WAITING, DONE, Delivery(is_done=True, done_at=NOON)])
def test_a_document_says_what_became_of_its_goods(delivery: Delivery | None) -> None:
    sold = sale(1, 50, delivery=delivery)
    assert from_document(sold.key, to_document(sold)) == sold


def test_whether_it_is_delivered_is_a_change_since_when_is_none() -> None:
    marks = [fingerprint(sale(1, 50, delivery=one)) for one in (None, WAITING, DONE)]
    assert len(set(marks)) == 3
    known = Delivery(is_done=True, done_at=NOON)
    assert fingerprint(sale(1, 50, delivery=known)) == marks[2]


def test_what_was_known_before_anybody_asked_keeps_its_mark() -> None:
    before = "d19b4631f2d00b72d9cf1287a55fa263de79016d18b2377fef29521f1186cfdc"
    assert fingerprint(sale(1, 50)) == before
    assert "delivery" not in to_document(sale(1, 50))


@pytest.mark.parametrize(
    ("before", "now", "kept"),
    [
        (None, DONE, DONE),
        (None, WAITING, WAITING),
        (WAITING, DONE, Delivery(is_done=True, done_at=NOON)),
        (WAITING, Delivery(True, NOON - timedelta(1)), Delivery(True, NOON - timedelta(1))),
        (WAITING, None, None),
        (DONE, WAITING, WAITING),
        (DONE, Delivery(is_done=True, done_at=NOON), DONE),
        (Delivery(is_done=True, done_at=NOON), DONE, Delivery(is_done=True, done_at=NOON)),
    ],
)
def test_since_when_it_is_delivered_is_kept_as_first_seen(
    before: Delivery | None, now: Delivery | None, kept: Delivery | None
) -> None:
    then, found = sale(1, 50, delivery=before), sale(1, 50, delivery=now)
    assert with_first_delivery(then, found, NOON).delivery == kept


# --- following -----------------------------------------------------------------------------------


def test_a_delivery_is_seen_without_any_trace_on_the_document(ledger_engine: Engine) -> None:
    shop, orders = open_shop(ledger_engine)
    orders.set(1, WAITING)
    shop.put(sale(1, 50))
    assert (shop.balance(), pending(shop)) == (0, 50)
    look_later(shop, days=5)
    orders.set(1, DONE)
    look_later(shop)
    assert (shop.balance(), pending(shop)) == (50, 0)
    assert shop.postings()[0].occurred_on == date(2026, 11, 25)
    assert verify_books(ledger_engine) == []


def test_an_order_opened_again_is_pending_again_and_earns_anew(shop_and_orders: Any) -> None:
    shop, orders = shop_and_orders
    orders.set(1, WAITING)
    shop.put(sale(1, 50))
    orders.set(1, DONE)
    look_later(shop)
    orders.set(1, WAITING)
    look_later(shop)
    assert (shop.balance(), pending(shop)) == (0, 50)
    orders.set(1, DONE)
    look_later(shop, days=3)
    assert shop.balance() == 50
    assert shop.moves() == [("earn", 50), ("reversal", -50), ("earn", 50)]


@pytest.fixture
def shop_and_orders(ledger: Engine) -> tuple[Shop, FakeOrders]:
    return open_shop(ledger)


def pending(shop: Shop) -> int:
    with reading(shop.engine) as connection:
        now, name = shop.clock.now(), shop.program.name
        return pending_units(connection, now, shop.rules, customer(), name)


def test_what_is_delivered_before_it_is_invoiced_earns_on_the_day_of_its_invoice(
    shop_and_orders: Any,
) -> None:
    shop, orders = shop_and_orders
    orders.set(1, DONE)
    shop.clock.tick(9 * 86400)
    shop.put(sale(1, 50))
    assert shop.balance() == 50
    assert shop.postings()[0].occurred_on == date(2026, 11, 20)


def test_days_to_wait_count_from_the_delivery(ledger: Engine) -> None:
    shop, orders = open_shop(ledger, wait_days=14)
    orders.set(1, WAITING)
    shop.put(sale(1, 50))
    look_later(shop, days=10)
    orders.set(1, DONE)
    look_later(shop)
    with reading(ledger) as connection:
        (usable,) = connection.execute(select(tables.lot.c.available_from)).scalars()
    assert usable == date(2026, 12, 14)


def test_sales_at_the_till_and_returns_are_never_asked_for(shop_and_orders: Any) -> None:
    shop, orders = shop_and_orders
    shop.put(
        sale(1, 50, terminal="1"),
        sale(2, 30),
        credit_note(3, 10, 2),
        sale(4, 5, kind=SaleKind.DEPOSIT),
        sale(5, 5, kind=SaleKind.REPLACEMENT),
    )
    assert orders.asked == [(2, 5)]
    assert shop.balance() == 50 + 30 - 10 + 5
    orders.asked.clear()
    shop.put(sale(6, 50, terminal="1"))
    assert not any(6 in rowids for rowids in orders.asked)


def test_it_looks_now_and_then_and_from_where_it_was(shop_and_orders: Any) -> None:
    shop, orders = shop_and_orders
    for _ in range(20):
        shop.poll()
    assert len(orders.looks) == 1
    shop.clock.tick(LOOK_EVERY.total_seconds())
    shop.poll()
    assert len(orders.looks) == 2
    shop.clock.tick(-3600)
    shop.poll()
    assert len(orders.looks) == 3, "a clock that is set back does not stop it"
    look_later(shop, days=9)
    # The daemon began anew: what happened meanwhile is found from where it had come to.
    orders.set(1, WAITING)
    shop.intake = shop.new_intake()
    shop.intake.deliveries = Deliveries(orders, shop.clock)
    shop.clock.tick(30 * 86400)
    shop.poll()
    assert orders.looks[-1] <= orders.moved[1]


def test_what_was_seen_is_not_read_again_what_changed_is(shop_and_orders: Any) -> None:
    shop, orders = shop_and_orders
    orders.set(1, WAITING)
    shop.put(sale(1, 50))
    for _ in range(3):
        shop.clock.tick(40)
        shop.poll()
    assert orders.led_to == [1]
    orders.set(1, DONE)
    shop.clock.tick(40)
    shop.poll()
    assert (orders.led_to, shop.balance()) == ([1, 1], 50)


def test_a_delivery_right_after_its_document_was_read_is_not_missed(shop_and_orders: Any) -> None:
    shop, orders = shop_and_orders
    shop.poll()
    shop.clock.tick(LOOK_EVERY.total_seconds() - 3)
    orders.set(1, WAITING)
    shop.put(sale(1, 50))
    assert shop.balance() == 0
    orders.set(1, DONE)
    shop.clock.tick(1)
    shop.poll()
    assert shop.balance() == 50


def test_a_delivery_whose_booking_failed_is_looked_at_again(shop: Shop) -> None:
    shop.adopt(program(earn=DELIVERED))
    orders = FakeOrders(shop.clock)
    shop.intake.deliveries = Deliveries(orders, shop.clock)
    orders.set(1, WAITING)
    shop.put(sale(1, 50))
    shop.clock.tick(4000)
    orders.set(1, DONE)
    with shop.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE outbox RENAME TO elsewhere")
    with pytest.raises(DatabaseError, match="no such table"):
        shop.poll()
    with shop.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO outbox")
    shop.poll()
    assert shop.balance() == 50


def test_many_deliveries_are_read_in_pages_and_drafts_are_left_alone(ledger: Engine) -> None:
    shop, orders = open_shop(ledger)
    shop.intake.page_size = 3
    for rowid in range(1, 11):
        orders.set(rowid, WAITING)
    shop.put(*(sale(rowid, 10) for rowid in range(1, 10)))
    shop.source.put(sale(10, 10, ref="(PROV10)", status=SaleStatus.DRAFT))
    shop.clock.tick(4000)
    shop.poll()
    for rowid in range(1, 11):
        orders.set(rowid, DONE)
    shop.source.asked_for.clear()
    look_later(shop)
    assert shop.balance() == 90
    assert max(len(rowids) for rowids in shop.source.asked_for) == 3


def test_the_night_finds_what_changed_without_a_trace(shop_and_orders: Any) -> None:
    shop, orders = shop_and_orders
    shop.put(sale(1, 50))
    look_later(shop)
    look_later(shop)
    assert shop.balance() == 50
    # An order that had long been there was linked by hand.
    orders.known[1] = WAITING
    look_later(shop)
    assert shop.balance() == 50
    shop.reconcile()
    assert (shop.balance(), pending(shop)) == (0, 50)


def test_an_order_that_is_gone_holds_nothing_back(shop_and_orders: Any) -> None:
    shop, orders = shop_and_orders
    orders.set(1, WAITING)
    shop.put(sale(1, 50))
    orders.set(1, None)
    look_later(shop)
    assert shop.balance() == 50
    assert shop.postings()[0].occurred_on == date(2026, 11, 20)


def test_points_of_unpaid_and_undelivered_sales_are_pending_and_no_others(
    shop_and_orders: Any,
) -> None:
    shop, orders = shop_and_orders
    for rowid in (1, 2, 3):
        orders.set(rowid, WAITING)
    shop.put(
        sale(1, 50),
        sale(2, 30, status=SaleStatus.VALIDATED),
        sale(3, 7, status=SaleStatus.ABANDONED),
        sale(4, 20, status=SaleStatus.VALIDATED),
        credit_note(5, 10, 1),
    )
    assert (shop.balance(), pending(shop)) == (20, 70)
    orders.set(1, DONE)
    look_later(shop)
    assert (shop.balance(), pending(shop)) == (60, 30)


def test_a_backfill_counts_what_waits(ledger: Engine) -> None:
    shop, orders = open_shop(ledger)
    orders.known[1] = WAITING
    shop.source.put(sale(1, 50))
    batch = write(ledger, lambda c: batches.create(c, "backfill", "t", {}, NOON, "b1", "running"))
    shop.intake.backfill(date(2026, 11, 1), date(2026, 12, 1), batch_id=batch.id)
    with reading(shop.engine) as connection:
        found = pending_of_batch(connection, shop.clock.now(), shop.rules, batch.id)
    assert found == {shop.program.name: 50}


def test_past_sales_stay_with_the_rules_of_their_day(ledger: Engine) -> None:
    shop, orders = open_shop(ledger)
    orders.set(1, WAITING)
    shop.put(sale(1, 50))
    shop.clock.tick(86400)
    book = adopt(ledger, (program(earn={"amount": {}, "moment": "paid"}),), shop.clock.now())
    shop.intake = shop.new_intake(book=book)
    assert are_followed((terms for rules in book.sets for terms in rules.programs), SOURCE), (
        "an older program still waits"
    )
    shop.intake.deliveries = Deliveries(orders, shop.clock)
    shop.put(replace(sale(1, 50), lines=sale(1, 60).lines, total_incl=sale(1, 60).total_incl))
    assert shop.balance() == 0
    orders.set(1, DONE)
    look_later(shop)
    assert shop.balance() == 60


def test_who_waits_for_deliveries() -> None:
    waits = program(earn=DELIVERED, sources=["shop"])
    assert are_followed([program(), waits], "shop")
    assert not are_followed([waits], "other")
    assert not are_followed([program()], "shop")


def test_nothing_is_asked_where_nothing_may_be_ordered() -> None:
    orders = FakeOrders(HandClock())
    sold: list[Sale] = [sale(1, 5, terminal="2")]
    assert Deliveries(orders, HandClock()).complete(sold) == sold
    assert orders.asked == []
