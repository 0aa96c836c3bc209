"""Adjustments: a lot or a draw of their own, once, however often they are tried."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from dolisync.ledger.book import NotEnoughPoints
from dolisync.sync.adjust import Adjustment, adjust
from dolisync.sync.judge import Showing
from tests.builders import customer, program, sale
from tests.fakes import Shop


def given(shop: Shop, units: int, token: str = "t1", **more: Any) -> Adjustment:
    return adjust(
        shop.engine,
        shop.clock,
        shop.program,
        customer(),
        units,
        "because",
        token=token,
        showing=more.pop("showing", Showing()),
        **more,
    )


def test_points_given_open_a_lot_that_lives_as_the_program_says(open_shop: Any) -> None:
    shop = open_shop(program(validity={"months": 6}))
    done = given(shop, 50)
    assert (done.balance_before, done.balance_after) == (0, 50)
    assert done.expires_on == date(2027, 5, 20)
    (lot,) = shop.view().lots
    assert (lot.points, lot.expires_on) == (50, done.expires_on)
    assert shop.breaches() == []


def test_points_taken_are_those_that_expire_soonest(open_shop: Any) -> None:
    shop = open_shop(program(validity={"months": 6}))
    shop.put(sale(1, 40))
    shop.clock.tick(86400 * 30)
    shop.put(sale(2, 40, day=shop.today))
    done = given(shop, -30)
    assert [lot.remaining for lot in shop.view().lots] == [10, 40]
    assert done.expires_on is None


def test_the_same_token_counts_once(shop: Shop) -> None:
    first = given(shop, 50)
    assert given(shop, 50) == first
    assert shop.moves() == [("adjust", 50)]


def test_more_than_is_available_is_refused_whole(shop: Shop) -> None:
    shop.put(sale(1, 40))
    with pytest.raises(NotEnoughPoints, match="50 points cannot be taken: 40 are available"):
        given(shop, -50)
    assert shop.balance() == 40


def test_debt_is_settled_by_what_is_earned_next(shop: Shop) -> None:
    shop.put(sale(1, 40))
    done = given(shop, -50, into_debt=True)
    assert (done.balance_after, done.debt_after) == (-10, 10)
    shop.put(sale(2, 25))
    view = shop.view()
    assert (view.balance, view.debt, view.available) == (15, 0, 15)
    assert shop.breaches() == []


def test_the_card_is_brought_up_to_date_where_cards_are_shown(shop: Shop) -> None:
    given(shop, 5, showing=Showing(customers=False))
    assert shop.outbox() == []
    given(shop, 5, token="t2")
    assert [item.target.kind for item in shop.outbox()] == ["customer"]


def test_a_correction_of_a_sale_leaves_adjustments_alone(shop: Shop) -> None:
    """What a person gave is not mistaken for what a sale was forgiven."""
    shop.put(sale(1, 40))
    given(shop, 15)
    shop.put(sale(1, 30))
    assert shop.balance() == 45
    assert shop.breaches() == []
