"""Rounding to ledger units."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dolisync.program.rounding import round_units
from dolisync.program.terms import Rounding


@pytest.mark.parametrize(
    ("value", "down", "half_up", "up"),
    [
        ("0", 0, 0, 0),
        ("0.333", 0, 0, 1),
        ("0.5", 0, 1, 1),
        ("1.5", 1, 2, 2),
        ("2.5", 2, 3, 3),
        ("2.999", 2, 3, 3),
        ("3", 3, 3, 3),
        ("-0.333", 0, 0, -1),
        ("-0.5", 0, -1, -1),
        ("-2.5", -2, -3, -3),
    ],
)
def test_each_way_of_rounding(value: str, down: int, half_up: int, up: int) -> None:
    found = [round_units(Decimal(value), rounding) for rounding in Rounding]
    assert found == [down, half_up, up]


@pytest.mark.parametrize("rounding", list(Rounding))
def test_three_times_a_third_is_one(rounding: Rounding) -> None:
    assert round_units(Decimal(1) / 3 * 3, rounding) == 1


@pytest.mark.parametrize("rounding", list(Rounding))
def test_a_number_beyond_the_usual_precision_loses_no_digit(rounding: Rounding) -> None:
    number = 123456789012345678901234567
    assert round_units(Decimal(number), rounding) == number
