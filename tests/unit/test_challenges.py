"""Challenges and badges (B8): met with the sale that completes them, and lost with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import Engine

from dolisync.config import parse
from dolisync.display import customer_values, requirements
from dolisync.ledger.engine import reading
from dolisync.program.terms import Program
from dolisync.sync import tiers
from tests.builders import SOURCE, credit_note, customer, program, sale
from tests.fakes import Shop
from tests.unit.test_caps import held, why

OpenShop = Callable[..., Shop]
DAY = date(2026, 10, 1)


def on(number: int) -> date:
    return DAY + timedelta(days=number)


def asking(challenge: dict[str, Any], **more: Any) -> Program:
    terms = {"name": "regulars", "title": "Regulars", "bonus": 100, "challenge": challenge}
    return program(campaign=[{**terms, **more}])


@pytest.mark.parametrize("order", list(permutations(range(4)))[::5])
def test_so_many_visits_within_days_in_any_order(
    ledger_engine: Engine, order: tuple[int, ...]
) -> None:
    shop = Shop(ledger_engine, programs=(asking({"visits": 3, "days": 30}),))
    sales = [sale(n, 10, day=on(day)) for n, day in ((1, 0), (2, 20), (3, 29), (4, 55))]
    for place in order:
        shop.take(sales[place])
    # The first and the third are 29 days apart; from the fourth on the 30 days hold one other.
    assert held(shop, 1, 2, 3, 4) == [10, 10, 110, 10]
    assert shop.breaches() == []


def test_the_days_hold_that_of_the_sale(open_shop: OpenShop) -> None:
    shop = open_shop(asking({"visits": 2, "days": 30}))
    shop.take(sale(1, 10, day=on(0)), sale(2, 10, day=on(30)), sale(3, 10, day=on(59)))
    assert held(shop, 1, 2, 3) == [10, 10, 110]
    assert "Regulars: not yet 2 visits in 30 days" in why(shop, 2)


def test_each_one_after_it_too_unless_it_is_limited(open_shop: OpenShop) -> None:
    sales = [sale(n, 10, day=on(n)) for n in range(1, 6)]
    shop = open_shop(asking({"visits": 3}))
    shop.take(*sales)
    assert held(shop, *range(1, 6)) == [10, 10, 110, 110, 110]
    assert "Regulars: not yet 3 visits in all" in why(shop, 2)


def test_met_once(open_shop: OpenShop) -> None:
    shop = open_shop(asking({"visits": 3}, per_member={"times": 1}))
    shop.take(*(sale(n, 10, day=on(n)) for n in range(1, 6)))
    assert held(shop, *range(1, 6)) == [10, 10, 110, 10, 10]
    # The first visit comes back: the third is the second now, and the next one meets it.
    shop.take(credit_note(9, 10, 1))
    assert held(shop, *range(1, 6)) == [10, 10, 10, 110, 10]
    assert shop.breaches() == []


def test_so_much_spent_before(open_shop: OpenShop) -> None:
    shop = open_shop(asking({"spent": 50, "days": 10}))
    shop.take(*(sale(n, 25, day=on(day)) for n, day in ((1, 0), (2, 5), (3, 9), (4, 30))))
    assert held(shop, 1, 2, 3, 4) == [25, 25, 125, 25]
    assert "Regulars: less than 50.00 spent before it in 10 days" in why(shop, 4)
    shop.take(credit_note(9, 1, 1))
    assert held(shop, 3) == [25]
    assert shop.breaches() == []


def test_visits_and_amount_together(open_shop: OpenShop) -> None:
    shop = open_shop(asking({"visits": 2, "spent": 20}))
    shop.take(sale(1, 10, day=on(0)), sale(2, 10, day=on(1)), sale(3, 10, day=on(2)))
    assert held(shop, 1, 2, 3) == [10, 10, 110]


# --- badges ---


def badge(shop: Shop, buyer: int = 7, days: int = 0) -> object:
    who, today = customer(buyer), shop.today + timedelta(days=days)
    with reading(shop.engine) as connection:
        views = tiers.with_standing(connection, shop.program, {who: shop.view(buyer)}, today)
    shown = customer_values(shop.program, views[who], shop.publisher.source, today)
    return shown["loybadges"]


def test_who_met_it_bears_the_badge_for_some_days(open_shop: OpenShop) -> None:
    shop = open_shop(asking({"visits": 2, "badge": "Regular guest", "badge_days": 30}))
    shop.take(sale(1, 10, day=shop.today), sale(2, 10, day=shop.today))
    shop.take(sale(3, 10, day=shop.today, buyer=8))
    assert (badge(shop), badge(shop, 8)) == ("Regular guest", None)
    assert (badge(shop, days=29), badge(shop, days=30)) == ("Regular guest", None)
    shop.take(credit_note(9, 10, 1))
    assert badge(shop) is None


def test_the_card_is_written_when_a_badge_ends(open_shop: OpenShop) -> None:
    shop = open_shop(asking({"visits": 1, "badge": "New", "badge_days": 10}))
    shop.take(sale(1, 10, day=shop.today))
    shop.publish()
    assert shop.sink.cards[customer(7)]["loybadges"] == "New"
    for days, shown in ((9, "New"), (1, None)):
        shop.clock.tick(86400 * days)
        tiers.review(shop.engine, shop.clock, shop.by_name, {SOURCE: shop.showing})
        shop.publish()
        assert shop.sink.cards[customer(7)]["loybadges"] == shown


def test_the_field_is_made_only_where_there_are_badges(open_shop: OpenShop) -> None:
    def fields(badges: str) -> set[str]:
        text = f"""
[[source]]
name = "shop"
url = "http://x"
api_key = "k"
[[program]]
start = 2026-01-01
[program.earn.amount]
[[program.campaign]]
bonus = 5
[program.campaign.challenge]
visits = 3
{badges}
"""
        settings = parse(text)
        return {spec.name for spec in requirements(settings, settings.source[0]).fields}

    assert fields('badge = "Star"') - fields("") == {"loybadges"}
