"""Line arithmetic, to the cent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connectors.standin.money import (
    Totals,
    cents,
    line_totals,
    line_totals_from_ttc,
    php_number,
    price_without_tax,
)


def totals(ht, tva, ttc):
    return Totals(Decimal(ht), Decimal(tva), Decimal(ttc))


@pytest.mark.parametrize(
    ("qty", "price", "percent", "rate", "expected"),
    [
        ("2", "10", "0", "20", ("20", "4", "24")),
        ("4", "2", "10", "5.5", ("7.2", "0.4", "7.6")),
        ("1", "-2.5", "0", "20", ("-2.5", "-0.5", "-3")),
        ("3", "0.336", "0", "20", ("1.01", "0.20", "1.21")),
        ("1", "0.125", "0", "0", ("0.13", "0", "0.13")),
        ("-1", "0.125", "0", "0", ("-0.13", "0", "-0.13")),
        ("1.5", "3.33", "33.33", "8.5", ("3.33", "0.28", "3.61")),
    ],
)
def test_a_line_before_tax(qty, price, percent, rate, expected):
    found = line_totals(Decimal(qty), Decimal(price), Decimal(percent), Decimal(rate))
    assert found == totals(*expected)


@pytest.mark.parametrize(
    ("qty", "price", "percent", "rate", "expected"),
    [
        ("1", "1.30", "0", "5.5", ("1.23", "0.07", "1.30")),
        ("3", "1.30", "0", "5.5", ("3.70", "0.20", "3.90")),
        ("2", "14", "10", "20", ("21", "4.20", "25.20")),
    ],
)
def test_a_line_with_tax(qty, price, percent, rate, expected):
    found = line_totals_from_ttc(Decimal(qty), Decimal(price), Decimal(percent), Decimal(rate))
    assert found == totals(*expected)


def test_unit_prices_keep_five_decimals():
    assert price_without_tax(Decimal("1.30"), Decimal("5.5")) == Decimal("1.23223")


def test_cents_are_rounded_half_away_from_zero():
    assert [cents(Decimal(text)) for text in ("0.005", "-0.005", "2.675")] == [
        Decimal("0.01"),
        Decimal("-0.01"),
        Decimal("2.68"),
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [("31.60", "31.6"), ("0.00", "0"), ("-12.0", "-12"), ("1E+2", "100"), ("-0.0", "0")],
)
def test_php_writes_numbers_without_trailing_zeros(value, text):
    assert php_number(Decimal(value)) == text
