"""Points that end when a member is not seen for some months."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from builders import credit_note, customer, program, sale
from dolisync.program.reasons import Why
from dolisync.sync import transfer
from dolisync.sync.activity import end_of_activity
from dolisync.sync.explain import explain
from dolisync.sync.judge import Showing
from tests.fakes import Shop, reward


def shop_of(engine: Engine, **validity: Any) -> Shop:
    terms = {"validity": {"inactive_months": 3, **validity}, "reward": [reward(10)]}
    return Shop(engine, programs=(program(start=date(2025, 1, 1), **terms),))


@pytest.fixture
def shop(ledger_engine: Engine) -> Shop:
    return shop_of(ledger_engine)


def ends(shop: Shop, buyer: int = 7) -> list[date | None]:
    return [lot.expires_on for lot in shop.view(buyer).lots]


@pytest.mark.parametrize(
    ("days", "begin", "end"),
    [
        ([], date(2026, 1, 31), date(2026, 4, 30)),
        ([date(2026, 1, 31), date(2026, 4, 30)], date(2026, 1, 31), date(2026, 7, 30)),
        ([date(2026, 1, 31), date(2026, 5, 1)], date(2026, 1, 31), date(2026, 4, 30)),
        ([date(2025, 1, 1), date(2026, 1, 31)], date(2026, 1, 31), date(2026, 4, 30)),
        ([date(2026, 2, 1), date(2026, 4, 1)], date(2026, 1, 31), date(2026, 7, 1)),
    ],
)
def test_points_live_as_long_as_the_chain_of_days(days, begin, end) -> None:
    assert end_of_activity(days, begin, 3) == end


def test_each_purchase_puts_the_end_of_all_points_off(shop: Shop) -> None:
    shop.put(sale(1, 20, day=date(2026, 9, 1)))
    assert ends(shop) == [date(2026, 12, 1)]
    shop.put(sale(2, 30, day=date(2026, 11, 15)))
    assert ends(shop) == [date(2027, 2, 15)] * 2
    assert shop.breaches() == []


def test_points_of_before_a_pause_are_gone(shop: Shop) -> None:
    shop.put(sale(1, 20, day=date(2026, 4, 1)), sale(2, 30, day=date(2026, 11, 15)))
    assert sorted(ends(shop)) == [date(2026, 7, 1), date(2027, 2, 15)]
    assert (shop.view().available, shop.expire(), shop.balance()) == (30, 1, 30)
    assert shop.breaches() == []


def test_a_sale_that_is_gone_or_returned_puts_nothing_off(shop: Shop) -> None:
    shop.put(sale(1, 20, day=date(2026, 9, 1)), sale(2, 30, day=date(2026, 11, 15)))
    shop.put(credit_note(3, 30, 2))
    assert ends(shop) == [date(2026, 12, 1)]
    shop.put(sale(4, 5, day=date(2026, 11, 16)))
    shop.source.remove(4)
    shop.reconcile()
    assert ends(shop) == [date(2026, 12, 1)]
    assert shop.breaches() == []


def test_redeeming_and_gifts_count_as_being_seen(shop: Shop) -> None:
    shop.put(sale(1, 20, day=date(2026, 9, 1)))
    shop.redeem("DS-A")
    assert ends(shop) == [date(2027, 2, 20)]
    shop.put(sale(2, 5, day=date(2026, 9, 1), buyer=8))
    shop.adjust(5, 8)
    assert ends(shop, 8) == [date(2027, 2, 20)] * 2
    shop.put(sale(3, 9, day=date(2026, 9, 1), buyer=9))
    wish = transfer.Wish(shop.program, customer(7), customer(9), 4, "a present")
    showing = {"shop": Showing()}
    transfer.transfer(shop.engine, shop.clock, wish, token="B-1", showing=showing)
    assert set(ends(shop, 9)) == {date(2027, 2, 20)}
    assert shop.breaches() == []


def test_their_own_validity_ends_points_earlier(ledger_engine: Engine) -> None:
    shop = shop_of(ledger_engine, months=4)
    shop.put(sale(1, 20, day=date(2026, 8, 30)), sale(2, 30, day=date(2026, 11, 15)))
    assert sorted(ends(shop)) == [date(2026, 12, 30), date(2027, 2, 15)]


def test_explain_and_receipts_say_so(shop: Shop) -> None:
    shop.put(sale(1, 20))
    with shop.engine.connect() as connection:
        (family,) = explain(connection, shop.clock.now(), shop.rules, [sale(1).key])
    reasons = {reason.why for reason in family[0].judgements[0].verdict.reasons}
    assert Why.INACTIVE in reasons
    assert Why.EXPIRES not in reasons


@pytest.mark.parametrize("seed", range(5))
def test_any_order_of_arrival_gives_the_same_days(ledger_engine: Engine, seed: int) -> None:
    """Two customers buy the same, known in another order, with sales between that go again."""
    rng = random.Random(seed)
    shop = shop_of(ledger_engine, months=9)
    days = [date(2026, 1, 5) + timedelta(days=rng.randrange(310)) for _ in range(12)]
    shop.put(*(sale(n, 10 + n, day=day) for n, day in enumerate(days, start=1)))
    others = [sale(100 + n, 10 + n, day=day, buyer=8) for n, day in enumerate(days, start=1)]
    strays = [sale(200 + n, 5, day=day + timedelta(days=40), buyer=8) for n, day in enumerate(days)]
    mixed = [*others, *strays[:4]]
    rng.shuffle(mixed)
    for one in mixed:
        shop.put(one)
    for one in strays[:4]:
        shop.source.remove(one.key.rowid)
    shop.reconcile(allow_mass_reversal=True)
    views = [shop.view(buyer).lots for buyer in (7, 8)]
    mine, theirs = ([(lot.points, lot.expires_on) for lot in lots] for lots in views)
    assert sorted(mine) == sorted(theirs)
    assert len(mine) == 12
    assert shop.breaches() == []
