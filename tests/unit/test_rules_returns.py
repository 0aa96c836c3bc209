"""Credit notes: partial, repeated, whole, without origin, from the till, mixed with purchases."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from dolisync.model import DiscountKind, Sale, SaleLine, SaleStatus
from dolisync.program.assess import Family, assess, assess_alone
from dolisync.program.reasons import Why
from dolisync.program.surroundings import Surroundings
from tests.builders import credit_note, line, program, sale

AROUND = Surroundings()


def units(origin: Sale, *notes: Sale, **terms: Any) -> list[int]:
    return [verdict.units for verdict in assess(program(**terms), AROUND, Family(origin, notes))]


def alone(note: Sale, **terms: Any) -> int:
    return assess_alone(program(**terms), AROUND, note, "it names no sale").units


def goods(
    amount: int | str, points: int, product: int, quantity: int = 1, rowid: int = 1
) -> SaleLine:
    return replace(line(amount, product, quantity, rowid=rowid), product_points=Decimal(points))


def test_the_worked_case_a_credit_note_of_twenty_euros_takes_twenty_points() -> None:
    assert units(sale(1, 50), credit_note(2, 20, 1)) == [50, -20]


def test_a_row_of_partial_returns_ends_at_zero() -> None:
    notes = (credit_note(2, "3.33", 1), credit_note(3, "3.33", 1), credit_note(4, "3.34", 1))
    moved = units(sale(1, 10), *notes)
    assert moved == [10, -4, -3, -3]


def test_returns_are_taken_in_the_order_of_their_rowids_not_as_given() -> None:
    early, late = credit_note(2, "3.50", 1), credit_note(3, "6.50", 1)
    assert units(sale(1, 10), late, early) == units(sale(1, 10), early, late)


def test_returning_more_than_was_sold_takes_no_more_than_was_earned() -> None:
    assert units(sale(1, 50), credit_note(2, 80, 1), credit_note(3, 10, 1)) == [50, -50, 0]


def test_a_return_at_another_rate_than_whole_steps_follows_the_original_threshold() -> None:
    terms = {"earn": {"amount": {"per": "10"}}}
    assert units(sale(1, 25), credit_note(2, 4, 1), credit_note(3, 2, 1), **terms) == [2, 0, -1]


def test_a_credit_note_that_adds_gives_nothing() -> None:
    assert units(sale(1, 50), credit_note(2, -20, 1)) == [50, 0]


def test_what_a_mistaken_addition_added_is_not_taken_twice() -> None:
    notes = (credit_note(2, -20, 1), credit_note(3, 70, 1))
    assert units(sale(1, 50), *notes) == [50, 0, -50]


def test_with_returns_switched_off_points_stay() -> None:
    terms = {"returns": {"take_back": False}}
    verdicts = assess(program(**terms), AROUND, Family(sale(1, 50), (credit_note(2, 20, 1),)))
    assert [verdict.units for verdict in verdicts] == [50, 0]
    assert [reason.why for reason in verdicts[1].reasons] == [Why.RETURNS_OFF]
    assert alone(credit_note(2, 20, None), **terms) == 0


def test_the_return_of_an_unpaid_sale_takes_nothing_until_it_was_paid() -> None:
    unpaid = sale(1, 50, status=SaleStatus.VALIDATED)
    assert units(unpaid, credit_note(2, 20, 1)) == [0, 0]
    assert units(replace(unpaid, status=SaleStatus.PAID), credit_note(2, 20, 1)) == [50, -20]


def test_product_points_are_taken_back_by_product_not_by_amount() -> None:
    basket = sale(1, lines=[goods(30, 0, 1, rowid=1), goods(5, 20, 2, rowid=2)])
    terms = {"earn": {"product": {}}}
    cheap, dear = (
        credit_note(2, 0, 1, lines=[line(-5, 2, rowid=3)]),
        credit_note(3, 0, 1, lines=[line(-30, 1, rowid=4)]),
    )
    assert units(basket, cheap, dear, **terms) == [20, -20, 0]
    assert units(basket, replace(dear, key=cheap.key), **terms) == [20, 0]


def test_the_last_return_of_a_sale_with_a_deposit_leaves_what_the_deposit_paid() -> None:
    deposit = line(-30, product=None, rowid=2, discount=DiscountKind.DEPOSIT)
    final = sale(1, lines=[line(100, rowid=1), deposit])
    assert units(final, credit_note(2, 70, 1)) == [100, -70]
    whole = credit_note(
        2, 0, 1, lines=[line(-100, rowid=3), replace(deposit, rowid=4, total_incl=Decimal(30))]
    )
    assert units(final, whole) == [100, -100]


def test_a_free_sale_is_returned_when_all_its_goods_are() -> None:
    free = sale(1, lines=[goods(0, 6, 1, quantity=2)])
    terms = {"earn": {"product": {}, "visit": {}}}
    one = credit_note(2, 0, 1, lines=[line(0, 1, -1, rowid=8)])
    other = credit_note(3, 0, 1, lines=[line(0, 1, -1, rowid=9)])
    assert units(free, one, other, **terms) == [13, -6, -7]


def test_a_return_without_origin_takes_back_what_its_goods_would_earn() -> None:
    assert alone(credit_note(2, 20, None)) == -20
    note = credit_note(2, 0, None, lines=[goods(-10, 5, 1, quantity=-2)])
    assert alone(note, earn={"amount": {}, "product": {}}) == -20


def test_a_return_without_origin_is_rounded_as_the_sale_was() -> None:
    for rounding in ("down", "half_up", "up"):
        terms = {"earn": {"amount": {"points": "0.5", "rounding": rounding}}}
        assert alone(credit_note(2, 3, None), **terms) == -units(sale(1, 3), **terms)[0]


def test_a_return_without_origin_takes_no_visit_back() -> None:
    assert alone(credit_note(2, 20, None), earn={"visit": {}}) == 0


def test_goods_taken_in_exchange_on_a_credit_note_are_set_against_those_returned() -> None:
    exchange = [
        goods(-30, 5, 1, quantity=-1, rowid=1),
        goods(10, 2, 2, quantity=1, rowid=2),
    ]
    terms = {"earn": {"amount": {}, "product": {}}}
    assert alone(credit_note(9, 0, None, lines=exchange), **terms) == -(20 + 3)
    sold = sale(1, lines=[goods(30, 5, 1, rowid=5)])
    assert units(sold, credit_note(9, 0, 1, lines=exchange), **terms) == [35, -23]


def test_a_credit_note_of_nothing_takes_nothing() -> None:
    assert units(sale(1, 50), credit_note(2, 0, 1)) == [50, 0]
    assert alone(credit_note(2, 0, None)) == 0


def test_a_return_says_what_is_left_and_names_its_origin() -> None:
    verdict = assess(program(), AROUND, Family(sale(1, 50), (credit_note(2, 20, 1),)))[1]
    assert verdict.origin == sale(1).key
    assert [str(reason) for reason in verdict.reasons] == [
        "return of FA2611-0001: 30.00 is left of it, worth 30 points"
    ]


@pytest.mark.parametrize("refunded", ["8.50", "1.50"])
def test_a_partial_return_rounds_the_rest_not_itself(refunded: str) -> None:
    rest = Decimal(10) - Decimal(refunded)
    assert sum(units(sale(1, 10), credit_note(2, refunded, 1))) == int(rest)
