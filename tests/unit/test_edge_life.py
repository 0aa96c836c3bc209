"""Cases that went wrong elsewhere: expiry, customers, history, operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pytest

from dolisync.ledger.book import NotEnoughPoints
from dolisync.model import Customer
from dolisync.program.surroundings import Surroundings
from dolisync.sync.discounts import follow_discounts
from tests.builders import customer, program, sale
from tests.fakes import Shop, reopened, reward

Open = Callable[..., Shop]


@dataclass
class Everybody:
    """The customers that are there."""

    there: set[int]

    def customers(self, rowids: Sequence[int]) -> dict[int, Customer]:
        return {rowid: Customer(customer(rowid), "") for rowid in rowids if rowid in self.there}

    def find_customer(self, text: str) -> tuple[Customer, ...]:
        return ()


@pytest.fixture
def short(open_shop: Open) -> Shop:
    """A shop whose points live a month: 100 that end on the first of December."""
    shop = open_shop(program(validity={"months": 1}, reward=[reward(60)]))
    shop.put(sale(1, 100, day=date(2026, 11, 1)))
    return shop


def test_edge_55_a_lot_half_spent_expires_by_its_other_half(short: Shop) -> None:
    short.redeem()
    short.clock.tick(30 * 86400)
    short.expire()
    assert short.moves() == [("earn", 100), ("redeem", -60), ("expire", -40)]


def test_edge_56_expiry_is_told_for_all_lots_and_booked_and_can_be_off(
    short: Shop, open_shop: Open
) -> None:
    short.put(sale(2, 5, day=date(2026, 11, 1)))
    assert (short.view().expiring, short.view().expires_on) == (105, date(2026, 12, 1))
    short.clock.tick(30 * 86400)
    assert short.expire() == 2
    short.adopt(program())
    short.put(sale(3, 7, day=short.today))
    short.clock.tick(900 * 86400)
    assert short.expire() == 0
    assert short.balance() == 7


def test_edge_57_a_changed_validity_leaves_points_already_given_alone(short: Shop) -> None:
    short.adopt(program(validity={"months": 12}))
    short.put(sale(2, 5))
    assert [lot.expires_on for lot in short.view().lots] == [date(2026, 12, 1), date(2027, 11, 20)]


def test_edge_58_the_balance_is_the_sum_of_the_history(short: Shop) -> None:
    short.redeem()
    short.put(reopened(sale(1, 100, day=date(2026, 11, 1))))
    assert short.balance() == sum(points for _, points in short.moves())


def test_edge_59_at_five_past_midnight_old_points_cannot_be_spent(short: Shop) -> None:
    short.clock.moment = datetime(2026, 12, 1, 23, 5, tzinfo=UTC)
    with pytest.raises(NotEnoughPoints):
        short.redeem()


def test_edge_61_after_a_merge_nothing_is_left_on_the_card_that_is_gone(open_shop: Open) -> None:
    shop = open_shop(program(reward=[reward(30)]))
    shop.intake.customers = Everybody({8})
    shop.put(sale(1, 50, buyer=7), sale(2, 5, buyer=8))
    shop.redeem()
    shop.publish_all()
    shop.put(sale(1, 50, buyer=8))
    shop.sink.discounts.clear()
    follow_discounts(shop.publisher, shop.sink)
    assert (shop.balance(7), shop.balance(8)) == (0, 55)
    assert shop.view(8).available == 55
    assert shop.breaches() == []


def test_edge_62_when_customers_are_merged_their_sales_take_the_points_along(shop: Shop) -> None:
    shop.put(sale(1, 50, buyer=7), sale(2, 5, buyer=8))
    shop.source.put(sale(1, 50, buyer=8), silently=True)
    shop.reconcile()
    assert (shop.balance(7), shop.balance(8)) == (0, 55)
    assert shop.breaches() == []


def test_edge_63_an_old_customer_joins_with_the_first_sale(shop: Shop) -> None:
    assert shop.view(8).member_id is None
    shop.put(sale(1, 50, buyer=8))
    assert shop.balance(8) == 50


def test_edge_65_anonymous_sales_pile_up_nothing(open_shop: Open) -> None:
    shop = open_shop(program(), around=Surroundings(pos_customers=frozenset({7})))
    shop.put(*(sale(n, 50, terminal="1") for n in range(1, 5)))
    assert shop.view(7).member_id is None


def test_edge_66_a_discount_dropped_unused_gives_its_points_back(short: Shop) -> None:
    short.redeem()
    short.publish_all()
    short.sink.discounts.clear()
    follow_discounts(short.publisher, short.sink)
    assert short.balance() == 100
    short.redeem("DS-AGAIN")
    assert short.balance() == 40


def test_edge_68_a_field_changed_by_hand_shows_the_ledger_again(shop: Shop) -> None:
    shop.put(sale(1, 50))
    shop.publish()
    shop.sink.cards[customer()]["loybalance"] = 5000
    shop.publish_all()
    assert shop.sink.cards[customer()]["loybalance"] == shop.balance() == 50


def test_edge_69_a_backfill_counts_the_shops_days_from_first_to_last(shop: Shop) -> None:
    first, last = date(2026, 2, 1), date(2026, 2, 28)
    for n, day in enumerate((first - timedelta(1), first, last, last + timedelta(1)), start=1):
        shop.source.put(replace(sale(n, 10**n), date=day))
    tally = shop.intake.backfill(first, last + timedelta(1))
    assert (tally.read, shop.balance()) == (2, 1100)


def test_edge_70_cancelling_leaves_the_whole_history(shop: Shop) -> None:
    shop.put(sale(1, 50))
    shop.put(reopened(sale(1, 50)))
    assert [(p.points, p.ref) for p in shop.postings()] == [
        (50, "FA2611-0001"),
        (-50, "FA2611-0001"),
    ]
