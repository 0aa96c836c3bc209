"""Points with a return window (A9): earned at once, usable after some days."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine

from builders import credit_note, program, sale
from dolisync.ledger.book import NotEnoughPoints
from dolisync.program.assess import Family, assess
from dolisync.program.reasons import Why
from dolisync.program.surroundings import Surroundings
from tests.fakes import Shop, reward

DAY_S = 86400


@pytest.fixture
def shop(ledger_engine: Engine) -> Shop:
    terms = program(
        earn={"amount": {}, "wait_days": 14}, validity={"months": 1}, reward=[reward(40)]
    )
    found = Shop(ledger_engine, programs=(terms,))
    found.put(sale(1, 50))
    return found


def test_until_the_window_closes_points_are_there_and_cannot_be_spent(shop: Shop) -> None:
    view = shop.view()
    assert (view.balance, view.available, view.waiting) == (50, 0, 50)
    with pytest.raises(NotEnoughPoints):
        shop.redeem()
    shop.clock.tick(13 * DAY_S)
    assert shop.view().available == 0
    shop.clock.tick(DAY_S)
    assert (shop.view().available, shop.view().waiting) == (50, 0)
    shop.redeem()
    assert shop.balance() == 10
    assert shop.breaches() == []


def test_a_return_within_the_window_takes_them_where_they_wait(shop: Shop) -> None:
    shop.put(credit_note(2, 20, 1))
    assert (shop.view().waiting, shop.view().debt) == (30, 0)
    shop.put(credit_note(3, 30, 1))
    assert (shop.balance(), shop.view().debt) == (0, 0)


def test_their_validity_counts_from_the_day_they_were_earned(shop: Shop) -> None:
    (lot,) = shop.view().lots
    assert (lot.available_from, lot.expires_on) == (date(2026, 12, 4), date(2026, 12, 20))


def test_debt_is_settled_at_once(shop: Shop) -> None:
    shop.clock.tick(14 * DAY_S)
    shop.redeem()
    shop.put(credit_note(2, 50, 1))
    assert shop.view().debt == 40
    shop.put(sale(3, 60, day=shop.today))
    assert (shop.view().debt, shop.view().waiting) == (0, 20)
    assert shop.breaches() == []


def test_the_wait_is_explained() -> None:
    terms = program(earn={"amount": {}, "wait_days": 14})
    reasons = assess(terms, Surroundings(), Family(sale(1, 50)))[0].reasons
    assert [str(reason) for reason in reasons if reason.why is Why.WAITS] == [
        "pending until 2026-12-04, while its goods may be returned"
    ]


def test_points_that_would_end_before_they_begin_are_refused() -> None:
    with pytest.raises(ValidationError, match="points would end after 10 days"):
        program(earn={"wait_days": 11}, validity={"days": 10})
