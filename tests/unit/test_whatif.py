"""What if: today's rules give what the ledger holds; others, what they would give.

``pytest -m long tests/unit/test_whatif.py`` plays more lives.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from dolisync.ledger.engine import reading
from dolisync.ledger.views import count_rows
from dolisync.model import SaleStatus
from dolisync.program.terms import Program
from dolisync.sync import whatif
from dolisync.sync.whatif import Comparison, Month
from tests.builders import credit_note, customer, program, sale
from tests.fakes import Shop, reward

TIERS: dict[str, Any] = {
    "tier": [
        {"name": "silver", "title": "Silver", "at_least": 100, "multiplier": 2},
        {"name": "gold", "title": "Gold", "at_least": 300, "multiplier": 3},
    ],
    "tiers": {"window": "lifetime"},
}


def simulated(
    shop: Shop, *programs: Program, since: date | None = None, until: date | None = None
) -> Comparison:
    return whatif.simulate(
        shop.engine,
        shop.clock,
        shop.rules,
        programs or shop.programs,
        since,
        until,
        lambda sales: sales,
        lambda _done: None,
    )


def opened(engine: Engine, **terms: Any) -> Shop:
    shop = Shop(engine, programs=(program(**terms),))
    shop.put(
        sale(1, 100, day=date(2026, 9, 5)),
        sale(2, 50, day=date(2026, 10, 20), buyer=8),
        credit_note(3, 40, 1, day=date(2026, 11, 2)),
        sale(4, 30, day=date(2026, 11, 9)),
    )
    return shop


def test_other_rules_beside_todays_month_by_month(ledger_engine: Engine) -> None:
    shop = opened(ledger_engine)
    with reading(shop.engine) as connection:
        before = count_rows(connection)
    found = simulated(shop, program(earn={"amount": {"points": 2}}))
    assert found.sales == 4
    assert found.today.months == {
        ("loyalty", "2026-09"): Month(100, 40),
        ("loyalty", "2026-10"): Month(50),
        ("loyalty", "2026-11"): Month(30),
    }
    assert found.then.total("loyalty") == Month(360, 80)
    assert found.differences("loyalty") == [(customer(7), 90), (customer(8), 50)]
    with reading(shop.engine) as connection:
        assert count_rows(connection) == before


def test_who_wins_and_who_loses(ledger: Engine) -> None:
    shop = opened(ledger)
    found = simulated(shop, program(earn={"visit": {"points": 60}}))
    assert found.differences("loyalty") == [(customer(7), 30), (customer(8), 10)]
    found = simulated(shop, program(excluded_customers=[8]))
    assert found.differences("loyalty") == [(customer(7), 0), (customer(8), -50)]


def test_only_some_days_are_compared_and_all_are_judged(ledger: Engine) -> None:
    shop = opened(ledger, **TIERS)
    shop.put(sale(5, 60, day=date(2026, 9, 6)))
    found = simulated(shop, since=date(2026, 11, 1))
    # The ninth of November is judged in the tier that September gave.
    assert found.then.months == {("loyalty", "2026-11"): Month(60)}
    until = simulated(shop, until=date(2026, 9, 5))
    assert until.then.months == {("loyalty", "2026-09"): Month(100, 40)}


def test_what_has_ended_by_today_is_told_apart(ledger: Engine) -> None:
    shop = opened(ledger)
    found = simulated(shop, program(validity={"months": 1}))
    assert (found.today.valid["loyalty"], found.then.valid["loyalty"]) == (140, 80)


def test_tiers_move(ledger: Engine) -> None:
    shop = opened(ledger, **TIERS)
    tiers = [{**TIERS["tier"][0], "at_least": 40}, TIERS["tier"][1]]
    found = simulated(shop, program(**{**TIERS, "tier": tiers}))
    assert found.tier_moves("loyalty") == {("", "Silver"): 2}
    assert simulated(shop).tier_moves("loyalty") == {}


def test_sales_that_count_nothing_any_more_are_left_out(ledger: Engine) -> None:
    shop = opened(ledger)
    shop.source.remove(4)
    shop.reconcile()
    found = simulated(shop)
    assert (found.sales, whatif.count_known(shop.engine)) == (3, 3)
    assert found.then.months == {
        ("loyalty", "2026-09"): Month(100, 40),
        ("loyalty", "2026-10"): Month(50),
    }


def test_a_program_that_is_new_stands_beside_nothing(ledger: Engine) -> None:
    shop = opened(ledger)
    found = simulated(shop, shop.program, program(name="more", field_prefix="more"))
    assert found.then.total("more") == Month(180, 40)
    assert found.today.total("more") == Month()


@pytest.mark.parametrize(
    "seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 8))]
)
@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"returns": {"shortfall": "clamp"}, "validity": {"months": 2}},
        {"earn": {"amount": {}, "caps": {"per_day": 60, "per_month": 150}}},
        TIERS,
        {"earn": {"moment": "validated", "visit": {"points": 5}}},
    ],
    ids=["plain", "clamp", "caps", "tiers", "visits"],
)
def test_with_todays_rules_it_gives_what_the_ledger_holds(
    ledger: Engine, terms: dict[str, Any], seed: int
) -> None:
    shop = Shop(ledger, programs=(program(reward=[reward(100)], **terms),))
    _a_life(shop, random.Random(seed))
    found = simulated(shop)
    played = {name: month for name, month in found.today.months.items() if month != Month()}
    assert {name: month for name, month in found.then.months.items() if month != Month()} == played
    assert +found.then.earned == +found.today.earned
    mine = found.today.tiers
    assert {key: tier for key, tier in found.then.tiers.items() if tier} == {
        key: tier for key, tier in mine.items() if tier
    }


def _a_life(shop: Shop, rng: random.Random) -> None:
    for rowid in range(1, 25):
        buyer, day = rng.choice([7, 8, 9]), date(2026, 11, 20) - timedelta(days=rng.randint(0, 70))
        draw, amount = rng.random(), rng.randint(1, 120)
        known = [one for one in shop.source.sales.values() if not one.origin]
        if draw < 0.2 and known:
            origin = rng.choice(known)
            back = credit_note(rowid, rng.randint(1, 40), origin.key.rowid, day=day)
            shop.put(replace(back, customer=origin.customer))
        elif draw < 0.3 and known:
            shop.put(replace(rng.choice(known), customer=customer(buyer)))
        elif draw < 0.4 and known:
            shop.put(replace(rng.choice(known), status=SaleStatus.VALIDATED, payments=()))
        else:
            shop.put(sale(rowid, amount, buyer=buyer, day=day))
