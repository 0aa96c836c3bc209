"""Payments: partial, late, unseen by the sale's own time, committed out of order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy.exc import DatabaseError

from dolisync.model import Payment, Sale, SaleStatus
from dolisync.sync.intake import PAYMENT_OVERLAP
from tests.builders import NOON, sale
from tests.fakes import Shop


def paid(amounts: list[int], *, total: int = 50, rowid: int = 1, days: int = 0) -> Sale:
    payments = [Payment("LIQ", Decimal(n), NOON + timedelta(days=days)) for n in amounts]
    status = SaleStatus.PAID if sum(amounts) >= total else SaleStatus.VALIDATED
    return sale(rowid, total, status=status, payments=payments)


def quietly(shop: Shop) -> None:
    """Let the sale's own change fall out of every window."""
    shop.clock.tick(4000)
    shop.poll()
    shop.clock.tick(4000)
    shop.poll()


def test_a_bill_paid_in_parts_earns_once_when_it_is_full(shop: Shop) -> None:
    shop.put(paid([]))
    shop.source.pay(1, paid([20]))
    shop.poll()
    assert shop.balance() == 0
    shop.source.pay(2, paid([20, 30]))
    shop.poll()
    shop.poll()
    assert shop.moves() == [("earn", 50)]


def test_a_bill_paid_late_earns_once_and_on_that_day(shop: Shop) -> None:
    shop.put(paid([]))
    shop.clock.tick(90 * 86400)
    shop.source.pay(1, paid([50], days=90))
    shop.poll()
    assert shop.moves() == [("earn", 50)]
    assert shop.postings()[0].occurred_on == (NOON + timedelta(days=90)).date()


def test_a_payment_that_does_not_touch_the_sales_time_is_found_by_its_own_number(
    shop: Shop,
) -> None:
    shop.put(paid([]))
    quietly(shop)
    shop.source.pay(7, paid([50]), silently=True)
    shop.poll()
    assert shop.balance() == 50


def test_a_payment_committed_late_below_a_higher_number_is_found(shop: Shop) -> None:
    shop.put(paid([]), paid([], rowid=2))
    shop.source.pay(900, paid([50], rowid=2), silently=True)
    quietly(shop)
    shop.source.pay(900 - PAYMENT_OVERLAP + 1, paid([50]), silently=True)
    shop.poll()
    assert shop.balance() == 100


def test_payments_of_long_ago_are_not_read_again_at_each_look(shop: Shop) -> None:
    shop.put(paid([]))
    shop.source.pay(1, paid([50]), silently=True)
    shop.poll()
    asked = len(shop.source.asked_for)
    shop.poll()
    assert len(shop.source.asked_for) == asked


def test_a_payment_whose_booking_failed_is_looked_at_again(shop: Shop) -> None:
    shop.put(paid([]))
    quietly(shop)
    shop.source.pay(3, paid([50]), silently=True)
    with shop.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE outbox RENAME TO elsewhere")
    with pytest.raises(DatabaseError, match="no such table"):
        shop.poll()
    with shop.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO outbox")
    shop.poll()
    assert shop.balance() == 50


def test_payments_before_the_first_look_are_found_with_their_sales(shop: Shop) -> None:
    shop.source.pay(5, paid([50]))
    shop.poll()
    assert shop.balance() == 50
    cursor = shop.intake.load_cursor()
    assert cursor is not None
    assert cursor.payment_rowid == 5


def test_the_payment_of_a_draft_without_number_is_left_alone(shop: Shop) -> None:
    shop.source.pay(5, sale(1, 50, ref="(PROV1)", status=SaleStatus.DRAFT))
    shop.poll()
    assert shop.balance() == 0
    shop.put(paid([50]))
    assert shop.balance() == 50


def test_the_payment_of_a_sale_that_is_gone_is_passed_over(shop: Shop) -> None:
    shop.source.pay(5, paid([50]))
    shop.source.remove(1)
    shop.poll()
    assert shop.balance() == 0


def test_many_payments_are_read_in_pages(shop: Shop) -> None:
    shop.intake.page_size = 3
    shop.put(*(paid([], rowid=n) for n in range(1, 11)))
    quietly(shop)
    for n in range(1, 11):
        shop.source.pay(n, paid([50], rowid=n), silently=True)
    shop.poll()
    assert shop.balance() == 500


def test_a_deleted_payment_takes_the_points_back(shop: Shop) -> None:
    shop.source.pay(1, paid([50]))
    shop.poll()
    shop.source.put(replace(paid([]), status=SaleStatus.VALIDATED))
    shop.poll()
    assert shop.balance() == 0
