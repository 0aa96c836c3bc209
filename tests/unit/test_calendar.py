"""The shop's calendar: last days of use."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolisync.program.calendar import add_days, add_months, last_day_of_use
from dolisync.program.terms import Until, ValidityTerms


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        ((2026, 1, 15), 1, (2026, 2, 15)),
        ((2026, 1, 31), 1, (2026, 2, 28)),
        ((2028, 1, 31), 1, (2028, 2, 29)),
        ((2028, 2, 29), 12, (2029, 2, 28)),
        ((2026, 12, 31), 2, (2027, 2, 28)),
        ((2026, 11, 30), 1, (2026, 12, 30)),
        ((2026, 12, 1), 12, (2027, 12, 1)),
        ((9999, 12, 31), 1, (9999, 12, 31)),
        ((9950, 6, 1), 1200, (9999, 12, 31)),
    ],
)
def test_months_later(day: tuple[int, int, int], months: int, later: tuple[int, int, int]) -> None:
    assert add_months(date(*day), months) == date(*later)


@given(
    day=st.dates(max_value=date(8000, 1, 1)),
    later=st.dates(max_value=date(8000, 1, 1)),
    months=st.integers(1, 1200),
)
def test_who_earned_later_may_use_at_least_as_long(day: date, later: date, months: int) -> None:
    first, second = sorted((day, later))
    assert add_months(first, months) <= add_months(second, months)


def test_without_validity_points_never_expire() -> None:
    assert last_day_of_use(ValidityTerms(months=None), date(2026, 1, 1)) is None


def test_with_validity_the_same_day_of_the_month_is_the_last() -> None:
    assert last_day_of_use(ValidityTerms(months=6), date(2026, 8, 31)) == date(2027, 2, 28)


@pytest.mark.parametrize(
    ("terms", "last"),
    [
        ({}, None),
        ({"days": 1}, (2026, 11, 21)),
        ({"days": 90}, (2027, 2, 18)),
        ({"months": 1, "days": 10}, (2026, 12, 30)),
        ({"until": "end_of_month"}, (2026, 11, 30)),
        ({"until": "end_of_year"}, (2026, 12, 31)),
        ({"months": 3, "until": "end_of_month"}, (2027, 2, 28)),
        ({"months": 12, "until": "end_of_year"}, (2027, 12, 31)),
        ({"days": 11, "until": "end_of_month"}, (2026, 12, 31)),
        ({"days": 36_600, "months": 1200, "until": "end_of_year"}, (2227, 12, 31)),
    ],
)
def test_the_last_day_as_set(terms: dict[str, Any], last: tuple[int, int, int] | None) -> None:
    found = last_day_of_use(ValidityTerms.model_validate(terms), date(2026, 11, 20))
    assert found == (date(*last) if last else None)


@given(day=st.dates(), days=st.integers(1, 36_600), until=st.sampled_from(list(Until)))
def test_no_validity_ends_before_its_days_are_over(day: date, days: int, until: Until) -> None:
    last = last_day_of_use(ValidityTerms(days=days, until=until), day)
    assert last is not None
    assert last >= add_days(day, days) >= min(add_days(day, 1), date.max)
