"""Cases in which tiers went wrong elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

from dolisync.ledger.engine import reading
from dolisync.model import SaleStatus
from dolisync.program.tiers import TierToday
from dolisync.sync.tiers import tiers_of
from tests.builders import credit_note, customer, program, sale
from tests.fakes import Shop, reward
from tests.unit.test_caps import held
from tests.unit.test_timeline import by_hand

OpenShop = Callable[..., Shop]
TIERS = [
    {"name": "bronze", "title": "Bronze", "at_least": 100, "multiplier": "1.1"},
    {"name": "silver", "title": "Silver", "at_least": 200, "multiplier": 2},
    {"name": "gold", "title": "Gold", "at_least": 1000, "multiplier": 3},
]
FIRST, SECOND, THIRD = date(2026, 11, 2), date(2026, 11, 3), date(2026, 11, 4)


def today(shop: Shop) -> TierToday:
    with reading(shop.engine) as connection:
        return tiers_of(connection, shop.program, [customer()], shop.today)[customer()]


def name(shop: Shop) -> str:
    tier = today(shop).tier
    return tier.name if tier else ""


def test_edge_10_spending_is_counted_once_and_redemptions_not_at_all(open_shop: OpenShop) -> None:
    shop = open_shop(program(tier=TIERS, reward=[reward(10, "1")]))
    shop.take(sale(1, 60, day=FIRST), sale(2, 30, day=SECOND))
    for number in range(5):
        # Each draws on lots of both sales, and is a row of its own.
        shop.redeem(f"DS-{number}")
    assert today(shop).missing == Decimal("10.00")
    assert name(shop) == ""


def test_edge_51_the_first_tier_is_reached_like_the_others(open_shop: OpenShop) -> None:
    shop = open_shop(program(tier=TIERS))
    shop.take(sale(1, "99.99", day=FIRST))
    assert name(shop) == ""
    shop.take(sale(2, "0.01", day=SECOND))
    assert name(shop) == "bronze"


def test_edge_52_the_sale_that_crosses_a_threshold_earns_in_the_old_tier(
    open_shop: OpenShop,
) -> None:
    shop = open_shop(program(tier=TIERS))
    shop.take(sale(1, 150, day=FIRST), sale(2, 70, day=SECOND), sale(3, 50, day=THIRD))
    # 150 by none, 77 by bronze although it ends in silver, 100 by silver.
    assert held(shop, 1, 2, 3) == [150, 77, 100]


def test_edge_53_one_tier_at_a_time_and_a_locked_one_survives_recomputation(
    open_shop: OpenShop,
) -> None:
    shop = open_shop(program(tier=TIERS))
    shop.take(sale(1, 300, day=FIRST))
    by_hand(shop, "bronze", SECOND)
    shop.take(sale(2, 900, day=THIRD))
    shop.take(sale(1, 400, day=FIRST))
    assert name(shop) == "bronze"
    assert held(shop, 2) == [990]
    assert shop.breaches() == []


def test_edge_54_what_is_missing_is_told_in_the_measure_of_the_basis(open_shop: OpenShop) -> None:
    points = program(tier=TIERS, tiers={"basis": "points_earned"}, earn={"amount": {"points": 2}})
    shop = open_shop(points)
    shop.take(sale(1, 55, day=FIRST))
    shop.publish_all()
    # 110 points for 55 euros; neither the euros nor the balance count.
    assert shop.sink.cards[customer()]["loytier"] == "Bronze (90 points to go until Silver)"


def test_edge_60_a_tier_is_corrected_downwards_with_the_sale_that_gave_it(
    open_shop: OpenShop,
) -> None:
    shop = open_shop(program(tier=TIERS))
    shop.take(sale(1, 200, day=FIRST), sale(2, 10, day=SECOND))
    assert (name(shop), held(shop, 2)) == ("silver", [20])
    shop.take(credit_note(3, 60, 1, day=THIRD))
    assert (name(shop), held(shop, 2)) == ("bronze", [11])
    shop.take(sale(1, 200, day=FIRST, status=SaleStatus.ABANDONED))
    assert (name(shop), held(shop, 2)) == ("", [10])
    assert shop.breaches() == []
