"""Points by bands of the sale's total (A2): the band of the whole sale, the share that is left."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from builders import credit_note, line, program, sale
from dolisync.model import Payment, Sale, SaleStatus
from dolisync.program.assess import Family, Verdict, assess, assess_alone
from dolisync.program.reasons import Why
from dolisync.program.surroundings import Surroundings

AROUND = Surroundings(points_payment_mode="LOYPTS")
FIXED = [
    {"at_least": 100, "points": 20},
    {"at_least": 20, "points": 2},
    {"at_least": 50, "points": 7},
]
PERCENT = [{"at_least": 0, "percent": 5}, {"at_least": 100, "percent": "7.5"}]


def judged(bands: list[dict[str, Any]], sold: Sale, *returns: Sale, **more: Any) -> list[int]:
    return [verdict.units for verdict in verdicts(bands, sold, *returns, **more)]


def verdicts(
    bands: list[dict[str, Any]], sold: Sale, *returns: Sale, **more: Any
) -> tuple[Verdict, ...]:
    terms = {"band": bands, **more.pop("earn", {})}
    return assess(program(earn=terms, **more), AROUND, Family(sold, returns))


@pytest.mark.parametrize(
    ("amount", "points"),
    [("19.99", 0), ("20", 2), ("49.99", 2), ("50", 7), ("99.99", 7), ("100", 20), ("5000", 20)],
)
def test_each_band_gives_its_fixed_number(amount: str, points: int) -> None:
    assert judged(FIXED, sale(1, amount)) == [points]


@pytest.mark.parametrize(
    ("amount", "rounding", "points"),
    [
        ("10", "down", 0),
        ("10", "half_up", 1),
        ("99.99", "down", 4),
        ("99.99", "up", 5),
        ("100", "down", 7),
        ("100", "half_up", 8),
        ("0", "up", 0),
    ],
)
def test_a_percentage_is_of_the_whole_total(amount: str, rounding: str, points: int) -> None:
    assert judged(PERCENT, sale(1, amount), earn={"band_rounding": rounding}) == [points]


def test_the_basis_decides_which_band() -> None:
    assert judged(FIXED, sale(1, "100"), earn={"band_basis": "excluding_tax"}) == [7]
    assert judged(FIXED, sale(1, "120"), earn={"band_basis": "excluding_tax"}) == [20]


def test_bands_add_up_with_points_per_amount() -> None:
    assert judged(FIXED, sale(1, "100"), earn={"amount": {"per": 10}}) == [30]


def test_with_decimals_parts_of_points_count() -> None:
    assert judged(PERCENT, sale(1, "100"), decimals=2) == [750]


def test_a_return_keeps_the_band_of_the_whole_sale() -> None:
    basket = sale(1, lines=[line(60, 1, rowid=1), line(40, 2, rowid=2)])
    first = credit_note(2, 40, 1, lines=[line(-40, 2, rowid=3)])
    rest = credit_note(3, 60, 1, lines=[line(-60, 1, rowid=4)])
    assert judged(FIXED, basket, first) == [20, -8]
    assert judged(FIXED, basket, first, rest) == [20, -8, -12]
    assert judged(PERCENT, basket, first) == [7, -3]


def test_what_was_paid_with_points_lowers_the_total() -> None:
    bought = sale(1, 100, payments=[Payment("LOYPTS", Decimal(60), None)])
    assert judged(FIXED, bought) == [2]


def test_a_return_without_origin_is_judged_by_its_own_band() -> None:
    terms = program(earn={"band": FIXED})
    assert assess_alone(terms, AROUND, credit_note(1, 60, None), "it names no sale").units == -7


def test_a_draft_earns_nothing_and_an_unpaid_sale_is_pending() -> None:
    assert judged(FIXED, sale(1, 100, status=SaleStatus.DRAFT)) == [0]
    waiting = verdicts(FIXED, sale(1, 100, status=SaleStatus.VALIDATED))[0]
    assert (waiting.units, waiting.pending) == (0, 20)


@pytest.mark.parametrize(
    ("bands", "amount", "why", "text"),
    [
        (FIXED, "70", Why.BAND, "7 points: 7 in the band from 50"),
        (FIXED, "7", Why.BAND_NONE, "7.00 including tax is below the lowest, 20"),
        (PERCENT, "110", Why.BAND, "8 points: 7.5 % of 110.00 in the band from 100, rounded down"),
        (
            [{"points": 3, "percent": 1}],
            "100",
            Why.BAND,
            "4 points: 3 and 1 % of 100.00 in the band from 0, rounded down",
        ),
    ],
)
def test_the_band_is_explained(
    bands: list[dict[str, Any]], amount: str, why: Why, text: str
) -> None:
    reasons = {reason.why: str(reason) for reason in verdicts(bands, sale(1, amount))[0].reasons}
    assert text in reasons[why]


@pytest.mark.parametrize(
    ("bands", "problem"),
    [
        ([{"points": 1}, {"at_least": 0, "percent": 2}], "two bands begin at 0"),
        ([{"points": "0.5"}], "a band gives parts of a point"),
        ([{"points": -1}], "greater than or equal to 0"),
    ],
)
def test_bands_that_make_no_sense_are_refused(bands: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        program(earn={"band": bands})


amounts = st.decimals(min_value=0, max_value=500, places=2)


@given(st.lists(amounts, min_size=1, max_size=5), st.sampled_from([FIXED, PERCENT]))
def test_returning_line_by_line_ends_at_zero(
    sold: list[Decimal], bands: list[dict[str, Any]]
) -> None:
    lines = [line(str(amount), n, rowid=n) for n, amount in enumerate(sold, 1)]
    returns = [
        credit_note(n + 1, 0, 1, lines=[line(str(-amount), n, -1, rowid=100 + n)])
        for n, amount in enumerate(sold, 1)
    ]
    units = judged(bands, sale(1, lines=lines), *returns)
    assert sum(units) == 0
    assert units[0] >= 0
    assert all(taken <= 0 for taken in units[1:])


def test_a_ticket_that_comes_to_nothing_is_no_division_by_zero() -> None:
    exchanged = sale(1, lines=[line(10, 1, rowid=1), line(-10, 2, -1, rowid=2)])
    added = credit_note(2, 0, 1, lines=[line(5, 3, rowid=3)])
    assert judged([{"points": 9}], exchanged, added) == [0, 0]
