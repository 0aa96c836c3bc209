"""Exact edges of payments with points, as pure rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from dolisync.model import Payment, PaymentKind, Sale, SaleStatus
from dolisync.program.paying import NOTHING_PAID, Paid, by_points, paid_on, paid_with_points, pays
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program
from tests.builders import credit_note, line, program, sale

AROUND = Surroundings(pos_customers=frozenset({1}), points_payment_mode="LOY")
DAY = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def loy(amount: str | int, at: datetime | None = DAY, **more: Any) -> Payment:
    return Payment("LOY", Decimal(amount), at, **more)


def shop(**terms: Any) -> Program:
    redeem = {"payments": True, **terms.pop("redeem", {})}
    return program(**{"point_value": "0.10", "redeem": redeem, **terms})


def bought(*payments: Payment, **more: Any) -> Sale:
    return sale(1, lines=[line(50, 1, 5, rowid=1)], payments=payments, **more)


def back(amount: int, *payments: Payment, rowid: int = 2, terminal: str = "1", **more: Any) -> Sale:
    lines = [line(-amount, 1, -1, rowid=rowid * 100)]
    note = credit_note(rowid, 0, 1, lines=lines, payments=payments, **more)
    return replace(note, terminal=terminal)


def paid(terms: Program, one: Sale, returns: Sequence[Sale] = ()) -> tuple[int, str, str]:
    found = paid_with_points(terms, AROUND, one, returns)
    return found.units, str(found.amount), str(found.back)


def test_when_payments_with_points_count() -> None:
    assert pays(shop(), "shop")
    assert not pays(shop(sources=["web"]), "shop")
    assert not pays(shop(redeem={"payments": False}), "shop")
    one = bought(loy(25))
    assert paid(shop(), one) == paid(shop(sources=["shop"]), one) == (250, "25", "0")
    for terms, other in (
        (shop(redeem={"payments": False}), one),
        (shop(start=date(2026, 11, 21)), one),
        (shop(excluded_customers=[7]), one),
        (shop(), bought(loy(25), buyer=1)),
    ):
        assert paid_with_points(terms, AROUND, other, ()) == NOTHING_PAID
    assert paid(shop(start=date(2026, 11, 20)), one)[0] == 250


def test_only_money_in_the_mode_for_points_is_points() -> None:
    payments = [loy(20), loy(5), loy(7, kind=PaymentKind.DEPOSIT), Payment("LIQ", Decimal(18), DAY)]
    assert by_points(AROUND, bought(*payments)) == 25
    assert by_points(AROUND, bought()) == 0
    assert paid(shop(), bought(loy(-5))) == (0, "0", "0")


def test_parts_of_a_point_and_decimals() -> None:
    assert paid(shop(point_value="0.30"), bought(loy(10)))[0] == 34
    rounded = shop(point_value="0.30", redeem={"rounding": "down"})
    assert paid(rounded, bought(loy(10)))[0] == 33
    assert paid(shop(decimals=2), bought(loy(10)))[0] == 10_000


@pytest.mark.parametrize(
    ("returns", "found"),
    [
        # A return at the till has no payments: a share of the goods comes back.
        ([back(20)], (150, "25", "10.0")),
        ([back(20), back(10, rowid=3)], (100, "25", "15.0")),
        ([back(50), back(50, rowid=3)], (0, "25", "25")),
        # In the office it is refunded as it is written: nothing by itself.
        ([back(20, terminal="")], (250, "25", "0")),
        ([back(20, loy(-8))], (170, "25", "8")),
        ([back(20, loy(-8)), back(20, rowid=3)], (70, "25", "18.0")),
        ([back(20, loy(-8)), back(5, loy(-2), rowid=3)], (150, "25", "10")),
        ([back(20, Payment("LIQ", Decimal(-20), DAY))], (250, "25", "0")),
        ([back(20, loy(8))], (250, "25", "0")),
        ([back(50, loy(-99))], (0, "25", "25")),
        ([back(20, status=SaleStatus.DRAFT)], (250, "25", "0")),
    ],
)
def test_what_comes_back(returns: list[Sale], found: tuple[int, str, str]) -> None:
    assert paid(shop(), bought(loy(25)), returns) == found


def test_what_comes_back_only_where_it_was_refunded() -> None:
    kept = shop(returns={"spent_points": "keep"})
    assert paid(kept, bought(loy(25)), [back(20)]) == (250, "25", "0")
    assert paid(kept, bought(loy(25)), [back(20, loy(-8))]) == (170, "25", "8")
    abandoned = bought(loy(25), status=SaleStatus.ABANDONED)
    assert paid(kept, abandoned, [back(20, loy(-8))]) == (0, "25", "25")


def given(share: str = "100") -> Sale:
    """Make a sale of 50.00 with 25.00 paid with points, and a mug that costs 80 points."""
    mug = line(0, 2, text="Mug [* 80 points DR-80 *]", discount_percent=Decimal(share))
    return sale(1, lines=[line(50, 1, 5, rowid=1), mug], payments=[loy(25)])


@pytest.mark.parametrize(
    ("terms", "share", "units"),
    [
        ({"sources": ["shop"]}, "100", 80),
        ({"decimals": 2}, "100", 8000),
        # Half a point more is a point.
        ({}, "50.625", 41),
        ({"sources": ["web"]}, "100", 0),
    ],
)
def test_what_a_reward_product_costs(terms: dict[str, Any], share: str, units: int) -> None:
    rules = shop(redeem={"payments": False, "product_field": "price"}, **terms)
    found = paid_with_points(rules, AROUND, given(share), ())
    assert found == Paid(units, rewards=units)


def test_a_reward_product_on_a_sale_that_was_paid_with_points() -> None:
    rules = shop(redeem={"product_field": "price"})
    assert paid_with_points(rules, AROUND, given(), [back(20)]) == Paid(
        150 + 80, Decimal(25), Decimal(10), 80
    )


def test_a_return_that_belongs_to_no_sale_gives_back_what_it_refunded() -> None:
    assert paid_with_points(shop(), AROUND, back(20, loy(-8)), ()) == Paid(-80, Decimal(-8))
    assert paid(shop(), back(20, loy(8))) == (0, "0", "0")


def test_the_day_on_which_points_were_paid_with() -> None:
    late, early = datetime(2026, 11, 22, 23, 30, tzinfo=UTC), datetime(2026, 11, 21, 1, tzinfo=UTC)
    cash = Payment("LIQ", Decimal(5), datetime(2026, 12, 1, tzinfo=UTC))
    one = bought(loy(10, early), loy(10, late), loy(5, None), cash)
    # Half past midnight in the shop.
    assert paid_on(shop(), AROUND, one) == date(2026, 11, 23)
    assert paid_on(shop(), AROUND, bought(loy(5, None), cash)) == date(2026, 11, 20)
