"""Points per product and per visit, and how they add up."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from dolisync.model import Sale, SaleLine
from dolisync.program.assess import Family, assess
from dolisync.program.reasons import Why
from dolisync.program.surroundings import Surroundings
from tests.builders import credit_note, line, program, sale

AROUND = Surroundings()


def goods(points: str | None, quantity: str = "1", product: int = 1, rowid: int = 1) -> SaleLine:
    amount = 10 * Decimal(quantity)
    value = None if points is None else Decimal(points)
    return replace(line(amount, product, quantity, rowid=rowid), product_points=value)


def units(earn: dict[str, Any], sold: Sale, **more: Any) -> int:
    return assess(program(earn=earn, **more), AROUND, Family(sold))[0].units


@pytest.mark.parametrize(
    ("points", "quantity", "expected"),
    [
        ("10", "1", 10),
        ("10", "3", 30),
        ("10", "0.350", 3),
        ("2.5", "2", 5),
        ("2.5", "1", 2),
        ("0", "5", 0),
        (None, "5", 0),
    ],
)
def test_a_product_earns_its_points_times_its_quantity(
    points: str | None, quantity: str, expected: int
) -> None:
    assert units({"product": {}}, sale(1, lines=[goods(points, quantity)])) == expected


@pytest.mark.parametrize(("rounding", "expected"), [("down", 3), ("half_up", 4), ("up", 4)])
def test_weighed_goods_are_rounded_as_named(rounding: str, expected: int) -> None:
    basket = sale(1, lines=[goods("10", "0.350")])
    assert units({"product": {"rounding": rounding}}, basket) == expected


def test_with_decimals_weighed_goods_keep_their_parts() -> None:
    assert units({"product": {}}, sale(1, lines=[goods("10", "0.355")]), decimals=2) == 355


def test_lines_of_one_product_are_weighed_together() -> None:
    basket = sale(1, lines=[goods("10", "0.350", rowid=1), goods("10", "0.350", rowid=2)])
    assert units({"product": {}}, basket) == 7


def test_product_points_add_to_those_of_the_amount() -> None:
    assert units({"amount": {}, "product": {}}, sale(1, lines=[goods("7", "2")])) == 34


def test_an_exchange_on_one_ticket_takes_the_returned_products_points_off() -> None:
    basket = sale(
        1, lines=[goods("5", "1", product=1, rowid=1), goods("5", "-1", product=2, rowid=2)]
    )
    assert units({"product": {}}, basket) == 0


def test_returned_goods_never_make_a_ticket_negative() -> None:
    basket = sale(1, lines=[goods("2", "1", 1, rowid=1), goods("50", "-1", 2, rowid=2)])
    assert units({"amount": {}, "product": {}}, basket) == 0


def test_returning_more_of_a_product_than_was_sold_leaves_the_others_alone() -> None:
    sold = sale(1, lines=[goods("5", "1", 1, rowid=1), goods("7", "2", 2, rowid=2)])
    back = credit_note(2, 0, 1, lines=[line(-20, 1, -2, rowid=3)])
    first, second = assess(program(earn={"product": {}}), AROUND, Family(sold, (back,)))
    assert (first.units, second.units) == (19, -5)


@pytest.mark.parametrize(("price_sign", "quantity_sign"), [(-1, 1), (1, -1), (-1, -1)])
def test_a_returned_product_counts_however_its_line_is_signed(
    price_sign: int, quantity_sign: int
) -> None:
    sold = sale(1, lines=[goods("7", "3")])
    back = replace(line(-10, 1, quantity_sign, rowid=9), unit_price_excl=Decimal(price_sign * 10))
    note = credit_note(2, 0, 1, lines=[back])
    verdicts = assess(program(earn={"product": {}}), AROUND, Family(sold, (note,)))
    assert [verdict.units for verdict in verdicts] == [21, -7]


def test_a_visit_earns_a_fixed_number() -> None:
    assert units({"visit": {"points": 3}}, sale(1, 12)) == 3


def test_a_second_visit_on_a_day_earns_nothing_and_says_why() -> None:
    terms = program(earn={"visit": {}})
    found = assess(terms, AROUND, Family(sale(2, 12), other_visit=True))[0]
    assert found.units == 0
    assert Why.VISIT_TAKEN in {reason.why for reason in found.reasons}


def test_a_free_article_is_a_visit_but_an_empty_ticket_is_none() -> None:
    assert units({"visit": {}}, sale(1, lines=[line(0)])) == 1
    assert units({"visit": {}}, sale(1, lines=[])) == 0
    assert units({"visit": {}}, sale(1, lines=[line(0, product=None)])) == 0


def test_a_visit_is_kept_until_all_of_it_is_returned() -> None:
    terms = program(earn={"visit": {"points": 4}})
    parts = (credit_note(2, 10, 1), credit_note(3, 20, 1))
    assert [v.units for v in assess(terms, AROUND, Family(sale(1, 30), parts))] == [4, 0, -4]


def test_a_program_without_earning_terms_gives_nothing() -> None:
    assert units({}, sale(1, 50)) == 0
