"""Balances of the past: by the days of the movements, and never moved by what comes later."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from builders import credit_note, program, sale
from dolisync.ledger.engine import reading
from dolisync.ledger.past import Standing, standing
from tests.fakes import Shop, reward

FIRST = date(2026, 11, 1)
DAY_S = 86400
# The ledger is one for all examples: each has its own customer and sales.
NUMBERS = itertools.count(1000)


def stood(shop: Shop, day: date, member_id: int | None = None) -> Standing:
    with reading(shop.engine) as connection:
        return standing(connection, "loyalty", day, shop.today, member_id)


@pytest.fixture
def shop(ledger_engine: Engine) -> Shop:
    terms = program(validity={"months": 1}, reward=[reward(40)])
    found = Shop(ledger_engine, programs=(terms,))
    found.put(sale(1, 100, day=FIRST), sale(2, 30, day=date(2026, 11, 10)), sale(9, 7, buyer=8))
    return found


def test_each_day_shows_what_was_there_at_its_end(shop: Shop) -> None:
    shop.redeem()
    assert stood(shop, date(2026, 10, 31)) == Standing(date(2026, 10, 31))
    assert (stood(shop, FIRST).usable, stood(shop, FIRST).members) == (100, 1)
    assert stood(shop, date(2026, 11, 10)).usable == 130
    today = stood(shop, shop.today)
    assert (today.usable, today.members) == (97, 2)
    assert (today.expiring_soon, today.expiring_later) == (97, 97)


def test_old_points_are_gone_with_the_sweep_or_without(shop: Shop) -> None:
    shop.clock.tick(20 * DAY_S)
    before = stood(shop, date(2026, 12, 2))
    assert before.usable == 37
    shop.expire()
    assert stood(shop, date(2026, 12, 2)) == before
    assert stood(shop, date(2026, 12, 1)).usable == 37
    assert stood(shop, date(2026, 11, 30)).usable == 137


def test_the_last_day_of_use_is_not_over_today(shop: Shop) -> None:
    shop.clock.tick(11 * DAY_S)
    assert shop.today == date(2026, 12, 1)
    assert stood(shop, shop.today).usable == 137 == shop.view().available + 7
    shop.clock.tick(DAY_S)
    assert stood(shop, date(2026, 12, 1)).usable == 37


def test_debt_and_one_member_alone(shop: Shop) -> None:
    shop.redeem()
    shop.put(credit_note(3, 100, 1), credit_note(4, 30, 2))
    found = stood(shop, shop.today, shop.view().member_id)
    assert (found.usable, found.debt, found.balance) == (0, 40, -40) == (0, 40, shop.balance())
    assert stood(shop, shop.today).balance == -33


def test_what_happens_later_changes_no_day_before(shop: Shop) -> None:
    days = [FIRST + timedelta(days=n) for n in range(20)]
    before = [stood(shop, day) for day in days]
    shop.redeem()
    shop.put(credit_note(3, 50, 1), sale(5, 80))
    shop.clock.tick(40 * DAY_S)
    shop.expire()
    assert [stood(shop, day) for day in days[:18]] == before[:18]


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    acts=st.lists(st.sampled_from(["sell", "redeem", "return", "days", "expire"]), max_size=8),
)
def test_today_is_what_the_live_account_says(ledger: Engine, acts: list[str]) -> None:
    shop = Shop(ledger, programs=(program(validity={"months": 1}, reward=[reward(40)]),))
    buyer = next(NUMBERS)
    for act in acts:
        number = next(NUMBERS)
        if act == "sell":
            shop.put(sale(number, 50, buyer=buyer, day=shop.today))
        elif act == "redeem" and shop.view(buyer).available >= 40:
            shop.redeem(f"DS-{number}", buyer)
        elif act == "return":
            shop.put(credit_note(number, 20, None, buyer=buyer, day=shop.today))
        elif act == "days":
            shop.clock.tick(20 * DAY_S)
        elif act == "expire":
            shop.expire()
    view = shop.view(buyer)
    if view.member_id is not None:
        found = stood(shop, shop.today, view.member_id)
        assert max(found.usable - found.debt, 0) == view.available
        assert found.debt == view.debt
