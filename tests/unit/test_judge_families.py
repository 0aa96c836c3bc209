"""Sales and their returns in the ledger: found together, judged together, undone without gain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from dolisync.model import SaleStatus
from tests.builders import credit_note, line, program, sale
from tests.fakes import Shop, reopened, reward

Open = Callable[..., Shop]


def test_a_return_finds_its_sale_in_the_ledger(shop: Shop) -> None:
    shop.take(sale(1, 50))
    shop.take(credit_note(2, 20, 1))
    assert shop.moves() == [("earn", 50), ("reversal", -20)]


def test_a_return_seen_before_its_sale_waits_for_nothing_and_ends_the_same(shop: Shop) -> None:
    shop.intake.take([credit_note(2, 20, 1)])
    assert shop.balance() == 0
    shop.take(sale(1, 50))
    assert shop.balance() == 30
    assert shop.breaches() == []


def test_a_return_of_a_sale_never_seen_fetches_it(shop: Shop) -> None:
    shop.source.put(sale(1, 50))
    shop.intake.take([credit_note(2, 20, 1)])
    assert shop.moves() == [("earn", 50), ("reversal", -20)]


def test_points_taken_by_a_return_that_was_cancelled_go_back_to_their_lot(open_shop: Open) -> None:
    shop = open_shop(program(validity={"months": 1}))
    note = credit_note(2, 20, 1, day=date(2026, 11, 19))
    shop.take(sale(1, 50, day=date(2026, 11, 1)), note)
    shop.take(replace(note, status=SaleStatus.DRAFT))
    lots = [(lot.remaining, lot.expires_on) for lot in shop.view().lots]
    assert lots == [(50, date(2026, 12, 1))]
    assert shop.breaches() == []


def test_a_return_made_smaller_gives_back_the_difference(shop: Shop) -> None:
    shop.take(sale(1, 50), credit_note(2, 20, 1))
    shop.take(credit_note(2, 5, 1))
    assert shop.moves()[-1] == ("earn", 15)
    assert [lot.remaining for lot in shop.view().lots] == [45]


def test_points_that_a_lone_return_took_from_others_go_back_to_the_others(open_shop: Open) -> None:
    shop = open_shop(program(validity={"months": 1}))
    shop.take(sale(1, 50, day=date(2026, 11, 1)), sale(3, 50, day=date(2026, 11, 10)))
    note = credit_note(2, 70, None)
    shop.take(note)
    shop.take(replace(note, status=SaleStatus.DRAFT))
    lots = [(lot.remaining, lot.expires_on) for lot in shop.view().lots]
    assert lots == [(50, date(2026, 12, 1)), (50, date(2026, 12, 10))]
    assert shop.breaches() == []


def test_points_back_after_a_settled_debt_end_some_day(open_shop: Open) -> None:
    shop = open_shop(program(validity={"months": 1}))
    note = credit_note(2, 70, None, day=date(2026, 11, 5))
    shop.take(note)
    shop.take(sale(1, 100, day=date(2026, 11, 18)))
    shop.take(replace(note, status=SaleStatus.DRAFT))
    lots = [(lot.remaining, lot.expires_on) for lot in shop.view().lots]
    assert lots == [(70, date(2026, 12, 5)), (30, date(2026, 12, 18))]


@pytest.mark.parametrize("shortfall", ["debt", "clamp"])
def test_a_sale_and_its_return_that_vanish_together_leave_nothing(
    open_shop: Open, shortfall: str
) -> None:
    shop = open_shop(program(returns={"shortfall": shortfall}))
    shop.take(sale(1, 50), credit_note(2, 20, 1), sale(3, 5), sale(4, 5))
    shop.source.remove(1)
    shop.source.remove(2)
    shop.reconcile()
    assert shop.balance() == 10
    assert shop.breaches() == []


@pytest.mark.parametrize("shortfall", ["debt", "clamp"])
def test_a_returned_sale_that_is_reopened_leaves_nothing(open_shop: Open, shortfall: str) -> None:
    shop = open_shop(program(returns={"shortfall": shortfall}, reward=[reward(30)]))
    sold = sale(1, 50)
    shop.take(sold, credit_note(2, 20, 1))
    shop.take(reopened(sold))
    assert shop.balance() == 0
    shop.take(sold)
    assert shop.balance() == 30
    assert shop.breaches() == []


def test_when_one_return_vanishes_the_others_are_judged_again(shop: Shop) -> None:
    shop.take(sale(1, 50), credit_note(2, 30, 1), credit_note(3, 30, 1), sale(4, 5))
    assert shop.balance() == 5
    shop.source.remove(2)
    shop.reconcile()
    assert shop.balance() == 50 - 30 + 5
    assert shop.breaches() == []


def test_a_return_that_names_another_sale_now_is_taken_off_that_one(shop: Shop) -> None:
    shop.take(sale(1, 50), sale(3, 40), credit_note(2, 30, 1))
    shop.take(credit_note(2, 30, 3))
    assert shop.balance() == 60
    shop.take(credit_note(4, 50, 1))
    assert shop.balance() == 10
    assert shop.breaches() == []


def test_a_return_on_a_day_with_other_sales_is_still_judged_with_its_own(open_shop: Open) -> None:
    shop = open_shop(program(earn={"amount": {}, "visit": {}}))
    before_start = sale(1, 50, day=date(2025, 12, 31))
    shop.take(before_start)
    shop.take(credit_note(2, 50, 1))
    assert shop.balance() == 0
    shop.take(sale(3, 10))
    assert shop.balance() == 11
    assert shop.breaches() == []


def test_a_return_of_a_return_stands_alone(shop: Shop) -> None:
    shop.take(sale(1, 50), credit_note(2, 20, 1))
    shop.take(credit_note(3, 5, 2))
    assert shop.balance() == 25
    shop.take(credit_note(4, 20, None))
    shop.take(credit_note(5, 2, 4))
    assert shop.balance() == 3
    assert shop.breaches() == []


def test_a_return_that_names_itself_stands_alone(shop: Shop) -> None:
    shop.take(credit_note(2, 20, 2))
    assert shop.balance() == -20
    assert shop.breaches() == []


def test_a_return_of_another_customers_sale_takes_from_its_own_customer(shop: Shop) -> None:
    shop.take(sale(1, 50), sale(3, 50, buyer=8))
    shop.take(credit_note(2, 20, 1, buyer=8))
    assert (shop.balance(7), shop.balance(8)) == (50, 30)
    assert shop.breaches() == []


@pytest.mark.parametrize(
    ("returned", "taken"),
    [
        ([line(-20, 1, -1)], 20),
        ([line(-20, 9, -1)], 20),
        ([line(-80, 1, -1)], 80),
    ],
    ids=["goods of that ticket", "other goods", "more than that ticket"],
)
def test_a_tills_guess_about_the_origin_is_believed_only_where_it_fits(
    shop: Shop, returned: list[object], taken: int
) -> None:
    shop.take(sale(1, 50, terminal="1"), sale(3, 100))
    note = credit_note(2, 0, 1, lines=returned, terminal="1")
    shop.take(note)
    assert shop.balance() == 150 - taken
    assert shop.breaches() == []


def test_the_office_is_believed_where_a_till_is_not(shop: Shop) -> None:
    shop.take(sale(1, 50), sale(3, 100))
    shop.take(credit_note(2, 0, 1, lines=[line(-80, 9, -1)]))
    assert shop.balance() == 100


def test_a_sale_that_becomes_its_own_opposite_ends_where_it_should(shop: Shop) -> None:
    shop.take(credit_note(1, 20, None))
    shop.take(sale(1, 50))
    assert shop.balance() == 50
    shop.take(credit_note(1, 20, None))
    assert shop.balance() == -20
    assert shop.breaches() == []
