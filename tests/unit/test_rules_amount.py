"""Points per amount: steps or in proportion, rounding, tax, per sale or per line, decimals."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from dolisync.model import Payment, Sale
from dolisync.program.assess import Family, Verdict, assess
from dolisync.program.reasons import Why
from dolisync.program.surroundings import Surroundings
from tests.builders import credit_note, line, program, sale

AROUND = Surroundings()


def verdict(terms: dict[str, Any], sold: Sale, **more: Any) -> Verdict:
    return assess(program(earn={"amount": terms}, **more), AROUND, Family(sold))[0]


def units(terms: dict[str, Any], sold: Sale, **more: Any) -> int:
    return verdict(terms, sold, **more).units


@pytest.mark.parametrize(
    ("terms", "amount", "points"),
    [
        ({}, "50", 50),
        ({}, "50.99", 50),
        ({"per": "10"}, "9.99", 0),
        ({"per": "10"}, "10", 1),
        ({"per": "10"}, "29.99", 2),
        ({"per": "10", "points": 3}, "29.99", 6),
        ({"per": "0.50"}, "1.49", 2),
        ({"points": "0.5"}, "3", 1),
        ({"points": "0.5", "rounding": "half_up"}, "3", 2),
        ({"points": "0.5", "rounding": "up"}, "3", 2),
        ({"counting": "proportional", "per": "10"}, "19.99", 1),
        ({"counting": "proportional", "per": "10", "rounding": "half_up"}, "14.99", 1),
        ({"counting": "proportional", "per": "10", "rounding": "half_up"}, "15", 2),
        ({"counting": "proportional", "per": "10", "rounding": "up"}, "10.01", 2),
        ({"counting": "proportional", "per": "3"}, "9", 3),
        ({"counting": "proportional", "points": "1.5"}, "10", 15),
        ({"basis": "excluding_tax"}, "12", 10),
        ({"basis": "excluding_tax"}, "11.99", 9),
    ],
)
def test_an_amount_earns_what_its_terms_say(
    terms: dict[str, Any], amount: str, points: int
) -> None:
    assert units(terms, sale(1, amount)) == points


@pytest.mark.parametrize(("rounding", "hundredths"), [("down", 33), ("half_up", 33), ("up", 34)])
def test_with_two_decimals_hundredths_are_rounded(rounding: str, hundredths: int) -> None:
    terms = {"per": "3", "counting": "proportional", "rounding": rounding}
    assert units(terms, sale(1, 1), decimals=2) == hundredths


@pytest.mark.parametrize(
    ("scope", "rounding", "points"),
    [("sale", "down", 2), ("line", "down", 0), ("line", "up", 3), ("line", "half_up", 3)],
)
def test_scope_decides_whether_lines_are_rounded_by_themselves(
    scope: str, rounding: str, points: int
) -> None:
    basket = sale(1, lines=[line("0.70", rowid=n) for n in range(3)])
    terms = {"counting": "proportional", "scope": scope, "rounding": rounding}
    assert units(terms, basket) == points


def test_line_by_line_each_line_was_paid_in_the_same_share() -> None:
    paid = [Payment("LOY", Decimal(15), None), Payment("LIQ", Decimal(15), None)]
    basket = sale(1, lines=[line(10, rowid=1), line(20, rowid=2)], payments=paid)
    around = Surroundings(points_payment_mode="LOY")
    for scope in ("sale", "line"):
        terms = program(earn={"amount": {"scope": scope}})
        assert assess(terms, around, Family(basket))[0].units == 15


def test_line_by_line_a_campaign_keeps_nothing_of_what_came_back_in_parts() -> None:
    """Of 21 two halves came back, each rounded to 10: the one point that is left is not tripled."""
    triple = {"multiply": 3, "articles": {"references": ["P1"]}}
    terms = program(earn={"amount": {"scope": "line"}}, campaign=[triple])
    sold = sale(1, lines=[line(21, 1, rowid=1), line(5, 2, rowid=2)])
    halves = tuple(credit_note(number, "10.50", 1) for number in (2, 3))
    judged = assess(terms, AROUND, Family(sold, halves))
    assert judged[0].units == 63 + 5
    assert sum(verdict.units for verdict in judged) == 5 + (21 - 2 * 10)


def test_tenths_add_up_as_people_add_them() -> None:
    basket = sale(1, lines=[line("0.1", rowid=1), line("0.2", rowid=2)])
    assert units({"per": "0.3"}, basket) == 1


def test_an_odd_tax_rate_does_not_shift_the_base() -> None:
    goods = replace(
        line("1.09"),
        tax_rate=Decimal("8.5"),
        total_excl=Decimal("1.00"),
        unit_price_excl=Decimal("1.0046"),
    )
    assert units({"basis": "excluding_tax"}, sale(1, lines=[goods])) == 1


def test_a_cent_earns_a_point_only_where_parts_are_rounded_up() -> None:
    assert units({}, sale(1, "0.01")) == 0
    assert units({"counting": "proportional", "rounding": "up"}, sale(1, "0.01")) == 1


@pytest.mark.parametrize("amount", ["0", "0.00", "-5"])
def test_nothing_and_less_earn_nothing_and_say_so(amount: str) -> None:
    found = verdict({"rounding": "up"}, sale(1, amount))
    assert found.units == 0
    assert Why.NEGATIVE in {reason.why for reason in found.reasons}


def test_a_sale_without_lines_earns_nothing() -> None:
    assert units({}, sale(1, lines=[])) == 0


def test_what_a_negative_line_takes_off_the_ticket_does_not_earn() -> None:
    basket = sale(1, lines=[line(30, rowid=1), line(-10, product=2, quantity=-1, rowid=2)])
    assert units({}, basket) == 20


def test_with_lines_rounded_alone_a_ticket_never_falls_below_zero() -> None:
    basket = sale(
        1,
        lines=[line("9.99", 1, rowid=1), line("9.99", 2, rowid=2), line(-10, None, rowid=3)],
    )
    terms = {"amount": {"per": "10", "scope": "line"}, "product": {}}
    with_points = replace(
        basket, lines=(replace(basket.lines[0], product_points=Decimal(5)), *basket.lines[1:])
    )
    assert assess(program(earn=terms), AROUND, Family(basket))[0].units == 0
    assert assess(program(earn=terms), AROUND, Family(with_points))[0].units == 5


def test_a_very_large_amount_is_counted_to_the_unit() -> None:
    assert units({}, sale(1, "99999999999.99"), decimals=2) == 9999999999900


def test_the_reasons_show_base_and_rate() -> None:
    texts = [str(reason) for reason in verdict({"per": "10"}, sale(1, "29.99")).reasons]
    assert texts == [
        "counted amount, including tax: 29.99",
        "2 points: 1 for each full 10",
    ]


def test_a_reason_has_stable_words_for_machines() -> None:
    reason = verdict({}, sale(1, 5)).reasons[0]
    assert reason.as_json() == {
        "code": "base",
        "text": "counted amount, including tax: 5.00",
        "values": {"basis": "including tax", "amount": "5.00"},
    }
