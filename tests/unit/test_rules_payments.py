"""How a sale was paid: with points, in part, with a discount bought with points, on deposit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from dolisync.model import DiscountKind, Payment, PaymentKind, Sale, SaleStatus
from dolisync.program.assess import Family, assess
from dolisync.program.reasons import Why
from dolisync.program.surroundings import Surroundings
from tests.builders import NOON, credit_note, line, program, sale

AROUND = Surroundings(points_payment_mode="LOY")


def pay(amount: str | int, mode: str = "LIQ", kind: PaymentKind = PaymentKind.MONEY) -> Payment:
    return Payment(mode, Decimal(amount), NOON, kind)


def units(sold: Sale, earn: dict[str, Any] | None = None, **terms: Any) -> int:
    return assess(program(earn=earn or {"amount": {}}, **terms), AROUND, Family(sold))[0].units


VOUCHER = line(-5, product=None, rowid=2, discount=DiscountKind.FIXED, text="Voucher")
REWARD = line(-5, product=None, rowid=2, discount=DiscountKind.FIXED, text="Loyalty DS-ABC")


def test_the_worked_case_fifty_euros_five_by_voucher_thirty_by_points_earns_fifteen() -> None:
    basket = sale(1, lines=[line(50, rowid=1), VOUCHER], payments=[pay(30, "LOY"), pay(15)])
    assert units(basket) == 15


def test_what_is_paid_with_points_earns_where_the_program_says_so() -> None:
    basket = sale(1, lines=[line(50, rowid=1), VOUCHER], payments=[pay(30, "LOY"), pay(15)])
    assert units(basket, {"amount": {}, "leave_out_paid_with_points": False}) == 45


@pytest.mark.parametrize(("left_out", "points"), [(True, 45), (False, 50)])
def test_a_discount_bought_with_points_lowers_the_base_or_not(left_out: bool, points: int) -> None:
    basket = sale(1, lines=[line(50, rowid=1), REWARD])
    assert units(basket, {"amount": {}, "leave_out_paid_with_points": left_out}) == points


def test_a_discount_of_another_origin_always_lowers_the_base() -> None:
    basket = sale(1, lines=[line(50, rowid=1), VOUCHER])
    assert units(basket, {"amount": {}, "leave_out_paid_with_points": False}) == 45


@pytest.mark.parametrize(
    "earn",
    [
        {"amount": {"rounding": "up", "counting": "proportional"}},
        {"product": {}},
        {"visit": {}},
        {"amount": {}, "product": {}, "visit": {}},
    ],
)
def test_a_sale_paid_with_points_alone_earns_nothing_at_all(earn: dict[str, Any]) -> None:
    goods = replace(line(50), product_points=Decimal(10))
    assert units(sale(1, lines=[goods], payments=[pay(50, "LOY")]), earn) == 0


def test_goods_wholly_covered_by_a_reward_earn_nothing_at_all() -> None:
    goods = replace(line(5, rowid=1), product_points=Decimal(10))
    earn = {"amount": {}, "product": {}, "visit": {}}
    assert units(sale(1, lines=[goods, REWARD]), earn) == 0


def test_free_goods_that_points_did_not_pay_keep_their_product_points() -> None:
    goods = replace(line(0), product_points=Decimal(10))
    assert units(sale(1, lines=[goods]), {"amount": {}, "product": {}}) == 10


def test_more_points_than_the_bill_do_not_turn_it_negative() -> None:
    assert units(sale(1, 50, payments=[pay(80, "LOY")])) == 0


def test_what_points_paid_is_taken_off_what_was_bought_also_after_a_deposit() -> None:
    deposit = line(-30, product=None, rowid=2, discount=DiscountKind.DEPOSIT)
    basket = sale(1, lines=[line(100, rowid=1), deposit], payments=[pay(30, "LOY"), pay(40)])
    assert units(basket) == 70


def closed(payments: list[Payment], code: str = "badcustomer", **more: Any) -> Sale:
    return sale(1, 50, status=SaleStatus.CLOSED, close_code=code, payments=payments, **more)


@pytest.mark.parametrize(("paid", "points"), [(0, 0), (20, 20), (50, 50), (70, 50)])
def test_a_bill_closed_early_earns_on_what_was_paid(paid: int, points: int) -> None:
    assert units(closed([pay(paid)])) == points


def test_a_bill_closed_unpaid_earns_no_product_points_and_is_no_visit() -> None:
    goods = replace(line(50), product_points=Decimal(10))
    bill = sale(1, lines=[goods], status=SaleStatus.CLOSED, close_code="badcustomer", payments=[])
    assert units(bill, {"product": {}, "visit": {}}) == 0


def test_a_bill_closed_after_a_deposit_counts_the_deposit_as_paid() -> None:
    deposit = line(-30, product=None, rowid=2, discount=DiscountKind.DEPOSIT)
    bill = sale(
        1,
        lines=[line(100, rowid=1), deposit],
        status=SaleStatus.CLOSED,
        close_code="badcustomer",
        payments=[pay(20)],
    )
    assert units(bill) == 50


def test_a_bill_closed_early_earns_whole_where_validation_is_the_moment() -> None:
    assert units(closed([pay(20)]), {"amount": {}, "moment": "validated"}) == 50


def test_the_close_code_is_named_in_the_reasons() -> None:
    verdict = assess(program(), AROUND, Family(closed([pay(20)], "discount_vat")))[0]
    said = [str(reason) for reason in verdict.reasons if reason.why is Why.PAID_SHARE]
    assert said == ["closed with 'discount_vat' before being fully paid: 20 of 50 count"]


def test_paying_with_a_credit_note_or_a_deposit_is_not_paying_with_points() -> None:
    payments = [pay(20, "LOY", PaymentKind.CREDIT_NOTE), pay(30, "LOY", PaymentKind.DEPOSIT)]
    assert units(sale(1, 50, payments=payments)) == 50


def test_without_a_points_payment_mode_nothing_counts_as_paid_with_points() -> None:
    bill = sale(1, 50, payments=[pay(50, "")])
    assert assess(program(), Surroundings(), Family(bill))[0].units == 50


def test_a_return_of_a_sale_half_paid_with_points_takes_half_of_its_amount() -> None:
    bill = sale(1, 50, payments=[pay(25, "LOY"), pay(25)])
    notes = (credit_note(2, 20, 1), credit_note(3, 30, 1))
    verdicts = assess(program(), AROUND, Family(bill, notes))
    assert [verdict.units for verdict in verdicts] == [25, -10, -15]
