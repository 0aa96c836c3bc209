"""When campaigns hold: days, weekdays, hours (also when clocks change), birthdays."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from dolisync.model import Buyer
from dolisync.program.assess import Family, assess
from dolisync.program.campaign_terms import CampaignTerms
from dolisync.program.moments import birthday_in, not_now, time_of_day
from dolisync.program.surroundings import Surroundings
from tests.builders import program, sale


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Tokyo"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the machine be elsewhere."""
    before = os.environ.get("TZ")
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    if before is None:
        monkeypatch.delenv("TZ")
    else:
        monkeypatch.setenv("TZ", before)
    time.tzset()


def holds(
    campaign: dict[str, Any],
    day: date,
    made_at: datetime | None = None,
    born: date | None = None,
    zone: str = "Europe/Paris",
) -> bool:
    terms = CampaignTerms.model_validate({"bonus": 1, **campaign})
    sold = replace(sale(1, 10, day=day, created_at=made_at), buyer=Buyer(birthday=born))
    told = not_now(program(timezone=zone), terms, sold) is None
    # Without words it is decided another way, day by day first.
    judged = assess(program(timezone=zone, campaign=[terms]), Surroundings(), Family(sold))
    assert (judged[0].units == 11) is told
    return told


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("day", "expected"),
    [("2026-11-30", False), ("2026-12-01", True), ("2026-12-24", True), ("2026-12-25", False)],
)
def test_first_and_last_day_belong_to_it(day: str, expected: bool) -> None:
    both = {"first_day": date(2026, 12, 1), "last_day": date(2026, 12, 24)}
    assert holds(both, date.fromisoformat(day)) is expected


@pytest.mark.parametrize("number", range(7))
def test_each_weekday(number: int) -> None:
    names = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    monday = date(2026, 11, 16)
    for place in range(7):
        day = monday + timedelta(days=place)
        assert holds({"weekdays": [names[number]]}, day) is (place == number)


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("clock", "expected"),
    [("13:59:59", False), ("14:00:00", True), ("16:59:59", True), ("17:00:00", False)],
)
def test_hours_by_the_clock_of_the_shop_wherever_the_machine_is(clock: str, expected: bool) -> None:
    day = date(2026, 7, 16)
    assert holds({"hours": "14:00-17:00"}, day, at(f"2026-07-16T{clock}+02:00")) is expected


def test_without_a_time_of_its_day_hours_do_not_hold() -> None:
    hours, day = {"hours": "14:00-17:00"}, date(2026, 7, 16)
    assert not holds(hours, day)
    assert not holds(hours, day, at("2026-07-15T15:00+02:00"))
    assert not holds(hours, day, at("2026-07-17T15:00+02:00"))
    sold = sale(1, 10, day=day, created_at=at("2026-07-16T23:30+02:00"))
    assert time_of_day(program(timezone="Europe/Athens"), sold) is None


@pytest.mark.parametrize(
    ("made_at", "expected"),
    [
        ("2026-11-20T21:59+01:00", False),
        ("2026-11-20T22:00+01:00", True),
        ("2026-11-21T01:59+01:00", True),
        ("2026-11-21T02:00+01:00", False),
        ("2026-11-20T01:00+01:00", False),
        ("2026-11-21T23:00+01:00", False),
    ],
)
def test_hours_over_midnight_belong_to_the_day_on_which_they_begin(
    made_at: str, expected: bool
) -> None:
    friday = {"hours": "22:00-02:00", "weekdays": ["friday"]}
    day = date.fromisoformat(made_at[:10])
    assert holds(friday, day, at(made_at)) is expected
    only = {"hours": "22:00-02:00", "first_day": date(2026, 11, 20), "last_day": date(2026, 11, 20)}
    assert holds(only, day, at(made_at)) is expected


@pytest.mark.parametrize(
    ("clock", "expected"),
    [("01:59:59", True), ("02:00:00", False), ("21:59:59", False), ("22:00:00", True)],
)
def test_hours_over_midnight_without_a_day(clock: str, expected: bool) -> None:
    made_at = at(f"2026-11-21T{clock}+01:00")
    assert holds({"hours": "22:00-02:00"}, date(2026, 11, 21), made_at) is expected


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("made_at", "expected"),
    [
        # Spring: after 01:59 winter time comes 03:00 summer time.
        ("2026-03-29T00:59:00+00:00", False),
        ("2026-03-29T01:00:00+00:00", True),
        ("2026-03-29T01:59:00+00:00", True),
        ("2026-03-29T02:00:00+00:00", False),
        # Autumn: the hour from 02:00 to 03:00 comes twice, the one after it once.
        ("2026-10-25T00:30:00+00:00", False),
        ("2026-10-25T01:30:00+00:00", False),
        ("2026-10-25T02:00:00+00:00", True),
        ("2026-10-25T02:59:00+00:00", True),
        ("2026-10-25T03:00:00+00:00", False),
    ],
)
def test_hours_in_the_nights_when_clocks_change(made_at: str, expected: bool) -> None:
    moment = datetime.fromisoformat(made_at)
    assert holds({"hours": "03:00-04:00"}, moment.date(), moment) is expected


@pytest.mark.parametrize("hour", [0, 1])
def test_the_hour_that_comes_twice_is_that_hour_both_times(hour: int) -> None:
    moment = datetime(2026, 10, 25, hour, 30, tzinfo=UTC)
    assert holds({"hours": "02:00-03:00"}, moment.date(), moment)


def test_the_hour_that_is_left_out_in_spring_never_holds() -> None:
    begin = datetime(2026, 3, 28, 23, tzinfo=UTC)
    moments = (begin + timedelta(minutes=minutes) for minutes in range(0, 23 * 60, 10))
    hours = {"hours": "02:00-03:00"}
    assert not any(holds(hours, date(2026, 3, 29), moment) for moment in moments)


@pytest.mark.parametrize(
    ("when", "born", "day", "expected"),
    [
        ("day", "1980-05-17", "2026-05-17", True),
        ("day", "1980-05-17", "2026-05-18", False),
        ("day", "1980-05-17", "2026-06-17", False),
        ("month", "1980-05-17", "2026-05-01", True),
        ("month", "1980-05-17", "2026-05-31", True),
        ("month", "1980-05-17", "2026-06-01", False),
        ("day", "1972-02-29", "2028-02-29", True),
        ("day", "1972-02-29", "2028-02-28", False),
        ("day", "1972-02-29", "2027-02-28", True),
        ("day", "1972-02-29", "2027-03-01", False),
        ("month", "1972-02-29", "2027-02-01", True),
    ],
)
def test_birthdays(when: str, born: str, day: str, expected: bool) -> None:
    campaign, on = {"birthday": when}, date.fromisoformat(day)
    assert holds(campaign, on, born=date.fromisoformat(born)) is expected
    assert not holds(campaign, on)


@pytest.mark.parametrize(
    ("year", "day"), [(2000, 29), (2024, 29), (1900, 28), (2025, 28), (2100, 28)]
)
def test_the_birthday_of_the_29_february_in_every_year(year: int, day: int) -> None:
    assert birthday_in(date(1996, 2, 29), year) == date(year, 2, day)
