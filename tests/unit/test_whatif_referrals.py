"""What if, and recommendations: other rules give them other points, and nothing is booked."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta

import pytest
from sqlalchemy import Engine

from dolisync.sync.recommend import NotReferable
from tests.builders import credit_note, customer, program, sale
from tests.fakes import Shop
from tests.unit.test_privacy import erase
from tests.unit.test_referrals import BY, FOURTH, NEW, THIRD, points, refer, with_referral, withdraw
from tests.unit.test_whatif import simulated

OpenShop = Callable[..., Shop]


def brought(shop: Shop) -> Shop:
    """Let two new customers buy, each recommended by the same one."""
    refer(shop, NEW)
    refer(shop, THIRD)
    shop.put(sale(1, 10, buyer=NEW, day=date(2026, 11, 19)), sale(2, 30, buyer=THIRD))
    return shop


def test_other_rules_give_other_points_to_both_sides(ledger_engine: Engine) -> None:
    shop = brought(Shop(ledger_engine, programs=(with_referral(),)))
    before = points(shop, NEW, BY, THIRD)
    found = simulated(shop, with_referral(points=70, new_points=0))
    assert (found.today.recommended["loyalty"], found.then.recommended["loyalty"]) == (300, 140)
    # They are in no other number: those are of sales.
    assert found.differences("loyalty") == [(customer(NEW), 0), (customer(THIRD), 0)]
    assert points(shop, NEW, BY, THIRD) == before


@pytest.mark.parametrize(
    ("terms", "then"),
    [({"minimum": 20}, 150), ({"max_ever": 1}, 200), ({"within_days": 0}, 300)],
)
def test_conditions_are_those_of_the_other_rules(
    open_shop: OpenShop, terms: dict[str, int], then: int
) -> None:
    shop = brought(open_shop(with_referral()))
    found = simulated(shop, with_referral(**terms))
    assert found.then.recommended["loyalty"] == then


def test_rules_that_give_nothing_for_them(open_shop: OpenShop) -> None:
    found = simulated(brought(open_shop(with_referral())), program())
    assert (found.today.recommended["loyalty"], found.then.recommended["loyalty"]) == (300, 0)


def test_only_the_days_that_are_compared(open_shop: OpenShop) -> None:
    shop = brought(open_shop(with_referral()))
    early = simulated(shop, until=date(2026, 11, 19))
    late = simulated(shop, since=date(2026, 11, 20))
    assert early.today.recommended == early.then.recommended == {"loyalty": 150}
    assert late.today.recommended == late.then.recommended == {"loyalty": 150}


def test_those_who_were_erased_stand_on_neither_side(open_shop: OpenShop) -> None:
    shop = brought(open_shop(with_referral()))
    erase(shop, THIRD)
    found = simulated(shop)
    assert found.today.recommended == found.then.recommended == {"loyalty": 150}
    erase(shop, BY, "B-OTHER")
    found = simulated(shop)
    assert found.today.recommended == found.then.recommended == {"loyalty": 50}


@pytest.mark.parametrize(
    "seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(4, 12))]
)
def test_todays_rules_give_what_is_held(open_shop: OpenShop, seed: int) -> None:
    shop, rng = open_shop(with_referral(minimum=30, max_a_year=2)), random.Random(seed)
    for rowid in range(1, 25):
        new, by = rng.sample([NEW, BY, THIRD, FOURTH], 2)
        draw = rng.random()
        if draw < 0.3:
            with suppress(NotReferable):
                refer(shop, new, by)
        elif draw < 0.35:
            with suppress(NotReferable):
                withdraw(shop, new)
        elif draw < 0.5 and shop.source.sales:
            origin = rng.choice([one for one in shop.source.sales.values() if not one.origin])
            buyer = origin.customer.rowid
            shop.put(credit_note(rowid, 9, origin.key.rowid, buyer=buyer, day=shop.today))
        else:
            day = shop.today - timedelta(days=rng.randint(0, 9))
            shop.put(sale(rowid, rng.randint(5, 60), buyer=new, day=day))
    found = simulated(shop)
    assert found.then.recommended == found.today.recommended
