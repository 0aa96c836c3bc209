"""Expiry: unusable from the first minute after the last day, written by the sweep."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import Engine

from dolisync.ledger.book import NotEnoughPoints
from dolisync.sync.judge import Showing
from tests.builders import HandClock, customer, program, sale
from tests.fakes import Shop, reopened, reward

LAST_DAY = date(2026, 12, 1)
# In Paris it is 23:59 on the last day, then 00:05 on the next.
BEFORE_MIDNIGHT = datetime(2026, 12, 1, 22, 59, tzinfo=UTC)
AFTER_MIDNIGHT = datetime(2026, 12, 1, 23, 5, tzinfo=UTC)


@pytest.fixture
def shop(ledger: Engine) -> Shop:
    return lapsing(ledger)


def lapsing(engine: Engine) -> Shop:
    """A shop whose points live a month; 100 of them end on the first of December."""
    terms = program(validity={"months": 1}, reward=[reward(50)])
    opened = Shop(engine, programs=(terms,), clock=HandClock())
    opened.take(sale(1, 100, day=date(2026, 11, 1)), sale(2, 10, day=date(2026, 11, 15)))
    return opened


def at(shop: Shop, moment: datetime) -> Shop:
    shop.clock.moment = moment
    return shop


def test_on_the_last_day_points_can_be_spent_until_midnight_in_the_shop(shop: Shop) -> None:
    at(shop, BEFORE_MIDNIGHT)
    assert shop.expire() == 0
    assert shop.redeem().state == "wanted"


def test_after_midnight_they_cannot_although_no_sweep_has_run(shop: Shop) -> None:
    at(shop, AFTER_MIDNIGHT)
    assert (shop.view().balance, shop.view().available) == (110, 10)
    with pytest.raises(NotEnoughPoints):
        shop.redeem()


def test_the_sweep_writes_one_posting_per_lot_dated_the_last_day(shop: Shop) -> None:
    at(shop, AFTER_MIDNIGHT)
    assert shop.expire() == 1
    last = shop.postings()[-1]
    assert (last.kind, last.points, last.occurred_on) == ("expire", -100, LAST_DAY)
    assert shop.view().expired == 100
    assert shop.breaches() == []


def test_a_second_sweep_finds_nothing(shop: Shop) -> None:
    at(shop, AFTER_MIDNIGHT)
    shop.expire()
    assert shop.expire() == 0
    assert shop.balance() == 10


def test_a_sweep_that_was_late_for_weeks_takes_all(shop: Shop) -> None:
    shop.clock.tick(400 * 86400)
    assert shop.expire() == 2
    assert shop.balance() == 0


def test_only_what_is_left_of_a_lot_expires(shop: Shop) -> None:
    shop.redeem()
    at(shop, AFTER_MIDNIGHT).expire()
    assert shop.moves()[-1] == ("expire", -50)
    assert shop.breaches() == []


def test_a_sale_reopened_after_its_points_expired_takes_nothing_twice(shop: Shop) -> None:
    at(shop, AFTER_MIDNIGHT).expire()
    shop.take(reopened(sale(1, 100, day=date(2026, 11, 1))))
    assert shop.balance() == 10
    shop.take(sale(1, 100, day=date(2026, 11, 1)))
    assert (shop.view().balance, shop.view().available) == (110, 10)
    assert shop.expire() == 1
    assert shop.balance() == 10
    assert shop.breaches() == []


def test_points_of_old_sales_in_a_backfill_expire_at_the_first_sweep(shop: Shop) -> None:
    shop.take(sale(3, 70, day=date(2026, 3, 1)))
    assert shop.view().available == 110
    shop.expire()
    assert shop.balance() == 110


def test_the_card_is_written_anew(shop: Shop) -> None:
    shop.publish_all()
    at(shop, AFTER_MIDNIGHT).expire()
    shop.publish()
    assert shop.sink.cards[customer(7)]["loybalance"] == 10


def test_in_shadow_mode_points_expire_and_no_card_is_written(
    open_shop: Callable[..., Shop],
) -> None:
    shadow = Showing(customers=False, sales=False)
    shop = open_shop(program(validity={"months": 1}), showing=shadow)
    shop.take(sale(1, 100, day=date(2026, 9, 1)))
    assert shop.expire() == 1
    assert shop.outbox() == []


def test_many_members_expire_in_batches(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(program(validity={"months": 1}))
    shop.take(*(sale(n, 1, buyer=n, day=date(2026, 9, 1)) for n in range(1, 602)))
    assert shop.expire() == 601
    assert shop.breaches() == []


def test_without_validity_nothing_ever_expires(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(program())
    shop.take(sale(1, 100))
    shop.clock.tick(3000 * 86400)
    assert shop.expire() == 0
    assert shop.view().available == 100
