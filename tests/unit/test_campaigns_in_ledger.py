"""Campaigns along the one path: any order of arrival, returns, explained and verified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import Engine

from dolisync.ledger.engine import reading
from dolisync.model import Sale
from dolisync.program.reasons import Why
from dolisync.program.terms import Program
from dolisync.sync.explain import Explanation, explain
from tests.builders import credit_note, program, sale
from tests.fakes import Shop

OpenShop = Callable[..., Shop]


def campaign(**terms: Any) -> dict[str, Any]:
    return {"name": "first", "title": "Welcome", "bonus": 50, **terms}


def first_purchase() -> Program:
    return program(campaign=[campaign(first_purchase=True)])


def explained(shop: Shop, *sales: Sale) -> list[Explanation]:
    with reading(shop.engine) as connection:
        keys = [one.key for one in sales]
        families = explain(connection, shop.clock.now(), shop.intake.rules, keys)
    return [one for family in families for one in family]


def held(shop: Shop, sold: Sale) -> int:
    (one,) = explained(shop, sold)[:1]
    return sum(part.units for part in one.judgements[0].held)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_first_purchase_is_the_first_by_day_in_any_order_of_arrival(
    ledger_engine: Engine, order: tuple[int, ...]
) -> None:
    shop = Shop(ledger_engine, programs=(first_purchase(),))
    sales = [sale(3, 10, day=date(2026, 11, 1)), sale(1, 10, day=date(2026, 11, 2)), sale(2, 10)]
    for place in order:
        shop.take(sales[place])
    assert [held(shop, one) for one in sales] == [60, 10, 10]
    assert shop.breaches() == []


def test_when_the_first_purchase_is_returned_or_gone_the_next_one_is_first(
    open_shop: OpenShop,
) -> None:
    shop = open_shop(first_purchase())
    first, second = sale(1, 10, day=date(2026, 11, 1)), sale(2, 10, day=date(2026, 11, 2))
    shop.put(first, second)
    assert (held(shop, first), held(shop, second)) == (60, 10)
    shop.put(credit_note(3, 10, 1, day=date(2026, 11, 5)))
    assert (shop.balance(), held(shop, second)) == (60, 60)
    assert shop.breaches() == []


def test_a_change_after_the_campaign_is_judged_by_the_sale_itself(open_shop: OpenShop) -> None:
    thursday = date(2026, 11, 19)
    shop = open_shop(program(campaign=[campaign(weekdays=["thursday"])]))
    shop.put(sale(1, 10, day=thursday))
    shop.put(sale(1, 12, day=thursday))
    assert shop.balance() == 62
    shop.put(sale(1, 12, day=date(2026, 11, 20)))
    assert shop.balance() == 12
    shop.put(sale(1, 12, day=thursday), credit_note(2, 6, 1, day=date(2026, 11, 27)))
    assert shop.balance() == 31
    shop.put(credit_note(3, 6, 1, day=date(2026, 11, 28)))
    assert shop.balance() == 0
    assert shop.breaches() == []


def test_explain_names_every_campaign_and_writes_nothing(open_shop: OpenShop) -> None:
    hours = campaign(name="hours", title="Happy hour", hours="14:00-17:00")
    shop = open_shop(program(campaign=[campaign(minimum=20), hours]))
    sold = replace(sale(1, 10), created_at=datetime(2026, 11, 20, 12, 30, tzinfo=UTC))
    shop.put(sold)
    (one,) = explained(shop, sold)
    reasons = one.judgements[0].verdict.reasons
    assert [str(r) for r in reasons if r.why.name.startswith("CAMPAIGN")] == [
        "Welcome: 10.00 of what it is for is below 20.00",
        "Happy hour: not at 13:30, it is from 14:00-17:00",
    ]


def test_a_sale_that_is_not_eligible_is_explained(open_shop: OpenShop) -> None:
    shop = open_shop(program(earn={"amount": {}, "channels": ["pos"]}))
    sold = sale(1, 10)
    shop.put(sold)
    (one,) = explained(shop, sold)
    assert [r.why for r in one.judgements[0].verdict.reasons] == [Why.CHANNEL_OUT]
    assert shop.balance() == 0


def test_the_rules_of_the_day_hold_their_campaigns(open_shop: OpenShop) -> None:
    shop = open_shop(program(campaign=[campaign()]))
    shop.put(sale(1, 10))
    shop.clock.tick(2 * 86400)
    shop.adopt(program())
    late, later = sale(2, 10), sale(3, 10, day=date(2026, 11, 25))
    shop.take(late, later)
    assert (held(shop, late), held(shop, later)) == (60, 10)
