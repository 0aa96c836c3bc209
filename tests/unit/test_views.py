"""What people ask the ledger: a balance split up, movements, and what a sale moved."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from dolisync.ledger.engine import reading
from dolisync.ledger.views import member_views, sale_movements, sales_by_ref
from dolisync.sync import redeem
from tests.builders import credit_note, customer, program, sale
from tests.fakes import Shop, reward


@pytest.fixture
def shop(open_shop: Callable[..., Shop]) -> Shop:
    return open_shop(program(validity={"months": 1}, reward=[reward(30)]))


def test_a_customer_without_account_has_an_empty_one(shop: Shop) -> None:
    view = shop.view(99)
    assert (view.member_id, view.balance, view.lots, view.last) == (None, 0, (), None)


def test_an_account_is_split_into_what_was_earned_used_expired_and_left(shop: Shop) -> None:
    shop.take(sale(1, 100, day=date(2026, 11, 1)), sale(2, 50), credit_note(3, 20, 2))
    shop.redeem("DS-A")
    shop.redeem("DS-B")
    redeem.give_back(shop.engine, shop.clock, shop.by_name, "DS-B", "revoked", "because")
    shop.clock.tick(15 * 86400)
    shop.expire()
    view = shop.view()
    assert (view.earned, view.redeemed, view.expired, view.balance) == (130, 30, 70, 30)
    assert (view.expiring, view.expires_on) == (30, date(2026, 12, 20))
    assert view.last is not None
    assert view.last.kind == "expire"


def test_lots_are_listed_in_the_order_in_which_they_are_spent(shop: Shop) -> None:
    shop.take(sale(1, 10, day=date(2026, 11, 18)), sale(2, 20, day=date(2026, 11, 2)))
    assert [(lot.ref, lot.remaining) for lot in shop.view().lots] == [
        ("FA2611-0002", 20),
        ("FA2611-0001", 10),
    ]


def test_all_that_ends_on_the_next_day_of_expiry_is_summed(shop: Shop) -> None:
    shop.take(sale(1, 10), sale(2, 20), sale(3, 40, day=date(2026, 11, 21)))
    assert (shop.view().expiring, shop.view().expires_on) == (30, date(2026, 12, 20))


def test_debt_lowers_what_is_available_never_below_zero(shop: Shop) -> None:
    shop.take(credit_note(1, 30, None))
    shop.take(sale(2, 10, day=date(2026, 11, 25)))
    view = shop.view()
    assert (view.balance, view.debt, view.available) == (-20, 20, 0)


def test_history_runs_from_the_newest_with_running_balances(shop: Shop) -> None:
    shop.take(sale(1, 50), credit_note(2, 20, 1), sale(3, 7))
    told = [(p.points, p.balance_after, p.ref) for p in shop.postings()[::-1]]
    assert told == [
        (7, 37, "FA2611-0003"),
        (-20, 30, "FA2611-0002"),
        (50, 50, "FA2611-0001"),
    ]


def test_many_customers_are_read_at_once(shop: Shop) -> None:
    shop.take(*(sale(n, n, buyer=n) for n in range(1, 5)))
    with reading(shop.engine) as connection:
        views = member_views(connection, "loyalty", [customer(n) for n in range(1, 6)], shop.today)
    assert [view.balance for view in views.values()] == [1, 2, 3, 4, 0]


def test_a_sales_movements_are_summed_per_program_and_customer(shop: Shop) -> None:
    shop.take(sale(1, 50))
    shop.take(sale(1, 80))
    shop.take(sale(1, 80, buyer=8))
    with reading(shop.engine) as connection:
        found = sale_movements(connection, [sale(1).key])
    told = [(move.customer.rowid, move.units, move.balance_after, move.is_owner) for move in found]
    assert sorted(told) == [(7, 0, 0, False), (8, 80, 80, True)]


def by_ref(shop: Shop, ref: str) -> list[int]:
    with reading(shop.engine) as connection:
        return [key.rowid for key in sales_by_ref(connection, ref)]


def test_a_sale_is_found_by_its_number_the_newest_first_the_gone_last(shop: Shop) -> None:
    shop.take(sale(1, 5, ref="FA1"), sale(2, 5, ref="FA1"), sale(3, 5, ref="FA1"), sale(4, 5))
    shop.source.remove(3)
    shop.reconcile()
    assert by_ref(shop, "FA1") == [2, 1, 3]


def test_or_by_its_rowid_where_no_number_is_like_it(shop: Shop) -> None:
    shop.take(sale(1, 5), sale(12, 5, ref="1"))
    assert by_ref(shop, "1") == [12]
    assert by_ref(shop, "12") == [12]
    assert by_ref(shop, "nothing") == []


@pytest.mark.parametrize("ref", ["9" * 30, "²", "-1", ""])
def test_a_number_that_can_be_no_rowid_finds_nothing(shop: Shop, ref: str) -> None:
    shop.take(sale(1, 5))
    assert by_ref(shop, ref) == []
