"""Tiers set by hand for many at once: who is meant, what is done, and all of it taken back."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from dolisync.errors import UserError
from dolisync.ledger import batches
from dolisync.ledger.courses import settings_of
from dolisync.ledger.engine import reading
from dolisync.program.tiers import SetByHand
from dolisync.sync import tier_batches, undo
from dolisync.sync.merge_by_hand import merge_by_hand
from dolisync.sync.tier_batches import Choice, Plan, Wanted
from tests.builders import SOURCE, credit_note, customer, program, sale
from tests.fakes import Shop
from tests.unit.test_timeline import by_hand, tier

TIERS = [
    {"name": "silver", "title": "Silver", "at_least": 100, "multiplier": 2},
    {"name": "gold", "title": "Gold", "at_least": 300, "multiplier": 3},
]
EARLIER, LATER = date(2026, 11, 2), date(2026, 11, 12)


@pytest.fixture
def shop(ledger_engine: Engine) -> Shop:
    """Give a shop with three members: none, silver and gold."""
    made = Shop(ledger_engine, programs=(program(tier=TIERS),))
    made.take(
        sale(1, 50, day=EARLIER, buyer=1),
        sale(2, 150, day=EARLIER, buyer=2),
        sale(3, 350, day=LATER, buyer=3),
    )
    return made


def wanted(shop: Shop, name: str = "gold", **more: Any) -> Wanted:
    setting = SetByHand(shop.today.toordinal(), name, **more)
    return Wanted(shop.program, setting, "anna", "anniversary")


def planned(shop: Shop, what: Wanted | None = None, **choice: Any) -> Plan:
    chosen = Choice(SOURCE, 1, **choice)
    return tier_batches.plan(shop.engine, what or wanted(shop), chosen, lambda _: None)


def who(plan: Plan) -> list[int]:
    return [customer.rowid for customer, _ in plan.chosen]


def assign(shop: Shop, plan: Plan, token: str = "B-TIERS") -> None:
    tier_batches.assign(
        shop.engine, shop.clock, shop.rules, plan, token=token, progress=lambda _: None
    )


def tiers(shop: Shop) -> list[str | None]:
    return [tier(shop, buyer) for buyer in (1, 2, 3)]


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        ({}, [1, 2]),
        ({"held": ""}, [1]),
        ({"held": "silver"}, [2]),
        ({"held": "gold"}, []),
        ({"balance_from": 150}, [2]),
        ({"balance_from": 151}, []),
        ({"no_sale_since": LATER}, [1, 2]),
        ({"no_sale_since": EARLIER}, []),
        ({"no_sale_since": date(2026, 11, 3), "held": "silver"}, [2]),
        ({"customers": frozenset({customer(2), customer(9)})}, [2, 9]),
        ({"customers": frozenset({customer(1), customer(2)}), "balance_from": 100}, [2]),
    ],
)
def test_who_is_meant(shop: Shop, choice: dict[str, Any], chosen: list[int]) -> None:
    assert who(planned(shop, **choice)) == chosen


def test_a_sale_given_back_is_no_sale(shop: Shop) -> None:
    shop.take(credit_note(4, 350, origin=3, day=LATER, buyer=3))
    assert who(planned(shop, no_sale_since=EARLIER)) == [3]


def test_who_is_left_out_of_the_program_is_not_meant(shop: Shop) -> None:
    shop.adopt(program(tier=TIERS, excluded_customers=[2]))
    assert who(planned(shop)) == [1]


def test_those_for_whom_nothing_would_change_are_counted(shop: Shop) -> None:
    assert planned(shop).unchanged == 1
    locked = wanted(shop, is_locked=True)
    assert who(planned(shop, locked)) == [1, 2, 3], "a lock is more than the tier"
    assign(shop, planned(shop, locked))
    assert planned(shop, locked).chosen == ()
    assert planned(shop, wanted(shop, "silver")).chosen == ()


def test_all_of_them_get_it_and_earn_in_it(shop: Shop) -> None:
    assign(shop, planned(shop))
    assert tiers(shop) == ["gold", "gold", "gold"]
    shop.take(sale(5, 10, day=shop.today, buyer=1))
    assert shop.balance(1) == 50 + 30
    with reading(shop.engine) as connection:
        (entry,) = settings_of(connection, "loyalty", customer(1))
        (batch,) = batches.listed(connection)
    assert (entry.made_by, entry.reason) == ("anna", "anniversary")
    assert (batch.kind, batch.state) == ("tiers", "done")
    assert batch.title == "tier gold for 2 members: anniversary"
    assert shop.breaches() == []


def test_undone_all_is_as_it_was(shop: Shop) -> None:
    before = [shop.balance(buyer) for buyer in (1, 2, 3)]
    by_hand(shop, "silver", EARLIER, buyer=1)
    kept = tiers(shop)
    assign(shop, planned(shop))
    shop.take(sale(5, 10, day=shop.today, buyer=2))
    assert shop.balance(2) == before[1] + 30
    done = undo.undo(shop.engine, shop.clock, shop.rules, "B-TIERS")
    assert {change.customer.rowid: change.units for change in done.changes} == {1: 0, 2: -10}
    assert tiers(shop) == kept
    assert shop.balance(2) == before[1] + 20
    assert {item.target.rowid for item in shop.outbox("new")} >= {1, 2}
    assert shop.breaches() == []
    with pytest.raises(UserError, match="undone already"):
        undo.undo(shop.engine, shop.clock, shop.rules, "B-TIERS")


def test_a_page_that_is_repeated_is_done_once(shop: Shop, monkeypatch: Any) -> None:
    monkeypatch.setattr(tier_batches, "PAGE", 1)
    plan = planned(shop)

    def stop(_done: int) -> None:
        raise KeyboardInterrupt

    things = (shop.engine, shop.clock, shop.rules, plan)
    with pytest.raises(KeyboardInterrupt):
        tier_batches.assign(*things, token="B-TIERS", progress=stop)
    assert tiers(shop) == ["gold", "silver", "gold"]
    assign(shop, plan)
    assert tiers(shop) == ["gold", "gold", "gold"]
    with reading(shop.engine) as connection:
        assert len(settings_of(connection, "loyalty", customer(1))) == 1
    undo.undo(shop.engine, shop.clock, shop.rules, "B-TIERS")
    assert tiers(shop) == [None, "silver", "gold"]


def test_undone_while_it_is_being_done(shop: Shop, monkeypatch: Any) -> None:
    monkeypatch.setattr(tier_batches, "PAGE", 1)

    def take_back(done: int) -> None:
        if done == 1:
            undo.undo(shop.engine, shop.clock, shop.rules, "B-TIERS")

    things = (shop.engine, shop.clock, shop.rules, planned(shop))
    with pytest.raises(UserError, match="undone by another"):
        tier_batches.assign(*things, token="B-TIERS", progress=take_back)
    assert tiers(shop) == [None, "silver", "gold"]


def test_released_those_who_had_one_set_hold_what_they_earn(shop: Shop) -> None:
    assign(shop, planned(shop, wanted(shop, is_locked=True)))
    shop.clock.moment += timedelta(days=1)
    released = planned(shop, wanted(shop, ""))
    assert who(released) == [1, 2, 3]
    assign(shop, released, "B-FREE")
    assert tiers(shop) == [None, "silver", "gold"]
    assert planned(shop, wanted(shop, "")).chosen == ()
    undo.undo(shop.engine, shop.clock, shop.rules, "B-FREE")
    assert tiers(shop) == ["gold", "gold", "gold"]


def test_nothing_is_undone_beneath_a_merge(shop: Shop) -> None:
    assign(shop, planned(shop))
    merge_by_hand(
        shop.engine,
        shop.clock,
        shop.rules,
        customer(1),
        customer(3),
        token="B-MERGE",
        reason="the same person",
    )
    with pytest.raises(UserError, match="went along when"):
        undo.undo(shop.engine, shop.clock, shop.rules, "B-TIERS")
    undo.undo(shop.engine, shop.clock, shop.rules, "B-MERGE")
    undo.undo(shop.engine, shop.clock, shop.rules, "B-TIERS")
    assert tiers(shop) == [None, "silver", "gold"]
