"""The most that can be earned: by a sale, on a day, in a month, by a member."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import Engine

from dolisync.ledger.engine import reading
from dolisync.model import SaleStatus
from dolisync.program.terms import Program
from dolisync.sync.explain import explain
from tests.builders import credit_note, program, sale
from tests.fakes import Shop

OpenShop = Callable[..., Shop]
LATER = date(2026, 11, 21)
NEXT_MONTH = date(2026, 12, 1)


def capped(**caps: Any) -> Program:
    return program(earn={"amount": {}, "caps": caps})


def held(shop: Shop, *rowids: int) -> list[int]:
    """Return what these sales hold."""
    with reading(shop.engine) as connection:
        keys = [shop.source.sales[rowid].key for rowid in rowids]
        families = explain(connection, shop.clock.now(), shop.intake.rules, keys)
    by_key = {found.sale.key: found for family in families for found in family}
    return [sum(part.units for part in by_key[key].judgements[0].held) for key in keys]


def why(shop: Shop, rowid: int) -> list[str]:
    """Return why a sale holds what it holds."""
    with reading(shop.engine) as connection:
        key = shop.source.sales[rowid].key
        ((found, *_),) = explain(connection, shop.clock.now(), shop.intake.rules, [key])
    return [str(reason) for reason in found.judgements[0].verdict.reasons]


def test_a_sale_earns_up_to_its_cap(open_shop: OpenShop) -> None:
    shop = open_shop(capped(per_sale=30))
    shop.take(sale(1, 50), sale(2, 30))
    assert held(shop, 1, 2) == [30, 30]
    assert "capped at 30 a sale: 30 of 50 points" in why(shop, 1)
    assert not [reason for reason in why(shop, 2) if "capped" in reason]


@pytest.mark.parametrize(
    ("cap", "day", "text"),
    [
        ("per_day", date(2026, 11, 20), "capped at 50 a day: 12 of 20 points"),
        ("per_month", LATER, "capped at 50 a month: 12 of 20 points"),
        ("per_member", NEXT_MONTH, "capped at 50 a member: 12 of 20 points"),
    ],
)
def test_later_sales_earn_what_is_left_and_say_so(
    open_shop: OpenShop, cap: str, day: date, text: str
) -> None:
    shop = open_shop(capped(**{cap: 50}))
    shop.take(sale(1, 38))
    shop.take(sale(2, 20, day=day))
    shop.take(sale(3, 9, day=day))
    assert held(shop, 1, 2, 3) == [38, 12, 0]
    assert text in why(shop, 2)
    assert shop.breaches() == []


@pytest.mark.parametrize(("cap", "day"), [("per_day", LATER), ("per_month", NEXT_MONTH)])
def test_a_new_day_or_month_has_a_cap_of_its_own(open_shop: OpenShop, cap: str, day: date) -> None:
    shop = open_shop(capped(**{cap: 50}))
    shop.take(sale(1, 60), sale(2, 60, day=day))
    assert held(shop, 1, 2) == [50, 50]


def test_sales_of_one_day_are_counted_once(open_shop: OpenShop) -> None:
    shop = open_shop(capped(per_member=50))
    for rowid in (1, 2, 3):
        shop.take(sale(rowid, 20))
    assert held(shop, 1, 2, 3) == [20, 20, 10]


def test_the_tightest_cap_is_named(open_shop: OpenShop) -> None:
    shop = open_shop(capped(per_day=40, per_month=25, per_member=90))
    shop.take(sale(1, 60))
    assert "capped at 25 a month: 25 of 60 points" in why(shop, 1)


def test_members_do_not_share_a_cap(open_shop: OpenShop) -> None:
    shop = open_shop(capped(per_day=50))
    shop.take(sale(1, 60), sale(2, 60, buyer=8))
    assert held(shop, 1, 2) == [50, 50]


def test_returns_take_back_just_what_was_given(open_shop: OpenShop) -> None:
    shop = open_shop(capped(per_day=50))
    shop.take(sale(1, 38), sale(2, 20))
    # What is kept of the second, 15, would have earned the 12 that were left all the same.
    shop.take(credit_note(3, 5, 2))
    assert held(shop, 2, 3) == [12, 0]
    shop.take(credit_note(4, 15, 2))
    assert held(shop, 2, 3, 4) == [12, 0, -12]
    assert shop.breaches() == []


def test_a_return_makes_room_for_later_sales(open_shop: OpenShop) -> None:
    shop = open_shop(capped(per_day=50))
    shop.take(sale(1, 50), sale(2, 20))
    assert held(shop, 1, 2) == [50, 0]
    shop.take(credit_note(3, 30, 1, day=LATER))
    assert held(shop, 1, 2, 3) == [50, 20, -30]
    assert shop.breaches() == []


def test_a_sale_that_vanishes_makes_room_too(open_shop: OpenShop) -> None:
    shop = open_shop(capped(per_member=50))
    shop.put(sale(1, 50), sale(2, 20, day=LATER))
    shop.source.remove(1)
    shop.reconcile(allow_mass_reversal=True)
    assert shop.balance() == 20
    assert shop.breaches() == []


def test_the_order_of_arrival_does_not_matter(ledger: Engine, open_shop: OpenShop) -> None:
    found = set()
    sales = [sale(1, 30), sale(2, 30), sale(3, 30, day=LATER), credit_note(4, 10, 1, day=LATER)]
    shop = open_shop(capped(per_day=50, per_month=60))
    for number, order in enumerate(permutations(sales)):
        buyer = 100 + number
        for step in order:
            moved = {"key": step.key.__class__("shop", 1, step.key.rowid + 10 * number)}
            if step.origin:
                moved["origin"] = step.origin.__class__("shop", 1, step.origin.rowid + 10 * number)
            mine = sale(1, 1, buyer=buyer).customer
            shop.take(step.__class__(**{**_fields(step), "customer": mine, **moved}))
        found.add(shop.balance(buyer))
    assert found == {60}
    assert shop.breaches() == []


def _fields(step: Any) -> dict[str, Any]:
    return {name: getattr(step, name) for name in step.__slots__}


def test_an_unpaid_sale_takes_no_room_and_is_pending_within_the_cap(open_shop: OpenShop) -> None:
    shop = open_shop(capped(per_day=50))
    shop.take(sale(1, 40, status=SaleStatus.VALIDATED), sale(2, 45))
    assert held(shop, 1, 2) == [0, 45]
    shop.take(sale(1, 40))
    assert held(shop, 1, 2) == [40, 10]
    assert shop.breaches() == []


def test_a_sale_moved_to_another_day_or_customer_frees_its_room(open_shop: OpenShop) -> None:
    shop = open_shop(capped(per_day=50))
    shop.take(sale(1, 50), sale(2, 20))
    shop.take(sale(1, 50, day=LATER))
    assert held(shop, 1, 2) == [50, 20]
    shop.take(sale(1, 50))
    assert held(shop, 1, 2) == [50, 0]
    shop.take(sale(1, 50, buyer=8))
    assert (shop.balance(7), shop.balance(8)) == (20, 50)
    assert shop.breaches() == []


def test_a_cap_with_parts_of_a_point_is_refused() -> None:
    with pytest.raises(ValueError, match="a cap has parts of a point"):
        capped(per_day="0.5")
