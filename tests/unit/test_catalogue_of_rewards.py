"""The reward catalogue (D5): on its days, while there are any, so many for each member."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import Engine

from dolisync.display import customer_values
from dolisync.program.wishes import wanted_reward
from dolisync.sync import redeem
from dolisync.sync.redeem import NotNow, OutOfStock
from tests.builders import SOURCE, customer, program, sale
from tests.fakes import Shop, reward
from tests.unit.test_store import together

OpenShop = Callable[..., Shop]
TODAY = date(2026, 11, 20)


def stocked(engine: Engine, **terms: Any) -> Shop:
    shop = Shop(engine, programs=(program(reward=[reward(100, **terms)]),))
    shop.take(sale(1, 900), sale(2, 900, buyer=8))
    return shop


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ({"first_day": TODAY + timedelta(days=1)}, "can be had from 2026-11-21"),
        ({"last_day": TODAY - timedelta(days=1)}, "can be had until 2026-11-19"),
        ({"first_day": "2026-12-01", "last_day": "2026-12-24"}, "from 2026-12-01 until 2026-12-24"),
    ],
)
def test_a_reward_has_its_days(ledger: Engine, days: dict[str, Any], said: str) -> None:
    shop = stocked(ledger, **days)
    with pytest.raises(NotNow, match=said):
        shop.redeem("DS-1")
    assert shop.balance() == 900
    shown = customer_values(shop.program, shop.view(), shop.publisher.source, shop.today)
    assert shown["loynext"] is None, "the card names only what can be had"


def test_on_its_first_and_last_day_it_can_be_had(ledger: Engine) -> None:
    shop = stocked(ledger, first_day=TODAY, last_day=TODAY)
    shop.redeem("DS-1")
    assert shop.balance() == 800


def test_a_stock_ends_and_what_comes_back_unused_can_be_had_again(ledger_engine: Engine) -> None:
    shop = stocked(ledger_engine, stock=2)
    shop.redeem("DS-1")
    shop.redeem("DS-2", buyer=8)
    with pytest.raises(OutOfStock, match="there were 2, and none is left"):
        shop.redeem("DS-3")
    assert (shop.balance(), shop.balance(8)) == (800, 800)
    redeem.give_back(shop.engine, shop.clock, shop.by_name, "DS-1", "revoked", "not used")
    shop.redeem("DS-4")
    assert shop.balance() == 800
    assert shop.breaches() == []


def test_so_many_for_each_member(ledger: Engine) -> None:
    shop = stocked(ledger, per_member=2)
    shop.redeem("DS-1")
    shop.redeem("DS-2")
    with pytest.raises(OutOfStock, match="2 times, and has had it"):
        shop.redeem("DS-3")
    shop.redeem("DS-4", buyer=8)
    assert (shop.balance(), shop.balance(8)) == (700, 800)


def test_the_card_leaves_out_what_is_used_up(ledger: Engine) -> None:
    shop = stocked(ledger, stock=2, per_member=1)

    def shown(buyer: int) -> Any:
        shop.publisher.run_once()
        return shop.sink.cards[customer(buyer)]["loynext"]

    assert "can be redeemed now" in shown(7)
    shop.redeem("DS-1")
    assert shown(7) is None
    assert "can be redeemed now" in shown(8)
    shop.redeem("DS-2", buyer=8)
    assert shown(8) is None


def test_two_at_once_cannot_have_the_last_one(ledger_engine: Engine) -> None:
    shop = stocked(ledger_engine, stock=3)

    def ask(buyer: int) -> int:
        had = 0
        for number in range(4):
            try:
                shop.redeem(f"DS-{buyer}-{number}", buyer=buyer)
                had += 1
            except OutOfStock:
                pass
        return had

    assert sum(together(lambda: ask(7), lambda: ask(8))) == 3
    assert shop.balance() + shop.balance(8) == 1800 - 300
    assert shop.breaches() == []


def test_automatic_ones_stop_with_the_stock(ledger: Engine) -> None:
    shop = stocked(ledger, stock=5, per_member=4, automatic=True)
    issued = redeem.issue_automatic(shop.engine, shop.clock, shop.by_name, {SOURCE: shop.showing})
    assert len(issued) == 5
    assert sorted(900 - shop.balance(buyer) for buyer in (7, 8)) == [100, 400]


def test_a_reward_that_ends_before_it_begins() -> None:
    with pytest.raises(ValueError, match="ends before it begins"):
        program(reward=[reward(first_day="2026-12-02", last_day="2026-12-01")])


def test_a_number_of_points_has_none_of_its_limits(ledger: Engine) -> None:
    shop = stocked(ledger, stock=1, per_member=1, last_day=TODAY - timedelta(days=9))
    for number in range(2):
        free = wanted_reward(shop.program, "150", Decimal(900))
        redeem.redeem(
            shop.engine, shop.clock, shop.program, customer(7), free, token=f"DS-{number}"
        )
    assert shop.balance() == 600


@pytest.mark.parametrize(
    "limits",
    [{"last_day": TODAY - timedelta(days=1)}, {"stock": 2}, {"per_member": 1}],
)
def test_automatic_ones_that_nobody_can_have_are_not_tried(
    ledger: Engine, limits: dict[str, Any]
) -> None:
    shop = stocked(ledger, automatic=True, **limits)

    def issued() -> int:
        mine = {SOURCE: shop.showing}
        return len(redeem.issue_automatic(shop.engine, shop.clock, shop.by_name, mine))

    issued()
    with mock.patch.object(redeem, "redeem") as tried:
        assert issued() == 0
    assert tried.call_count == 0


@pytest.mark.parametrize("name", ["points", "draft"])
def test_a_name_that_is_ours(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be named"):
        program(reward=[reward(name=name)])
