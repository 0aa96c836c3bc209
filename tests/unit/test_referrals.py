"""Recommendations (B7): points for both, by what the new customer's first purchase is now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from dolisync.ledger import referrals
from dolisync.ledger.engine import reading
from dolisync.ledger.referrals import Referral
from dolisync.program.terms import Program
from dolisync.sync import recommend
from dolisync.sync.recommend import NotReferable, Refusal, Wish
from tests.builders import SOURCE, credit_note, customer, program, sale
from tests.fakes import Shop, reopened

OpenShop = Callable[..., Shop]
TODAY = date(2026, 11, 20)
NEW, BY, THIRD, FOURTH = 7, 8, 9, 10


def with_referral(**terms: Any) -> Program:
    more = {name: terms.pop(name) for name in list(terms) if name in Program.model_fields}
    return program(referral={"points": 100, "new_points": 50, **terms}, **more)


def refer(shop: Shop, new: int = NEW, by: int = BY, token: str = "") -> Referral:
    wish = Wish(shop.program, customer(new), customer(by), shop.today, "jeanne")
    return recommend.refer(
        shop.engine, shop.clock, shop.rules, wish, token=token or f"R-{new}-{by}-{shop.clock.now()}"
    )


def withdraw(shop: Shop, new: int = NEW) -> Referral:
    since = shop.clock.now()
    return recommend.withdraw(
        shop.engine, shop.clock, shop.rules, shop.program, customer(new), since=since
    )


def both(shop: Shop, *buyers: int) -> tuple[int, ...]:
    assert shop.breaches() == []
    return tuple(shop.balance(buyer) for buyer in buyers or (NEW, BY))


def standing(shop: Shop, new: int = NEW) -> list[str]:
    with reading(shop.engine) as connection:
        found = referrals.of_new(connection, [customer(new)])
        return [
            str(recommend.standing_of(connection, shop.rules, one, shop.today)[0]) for one in found
        ]


def refused(shop: Shop, new: int = NEW, by: int = BY) -> Refusal:
    with pytest.raises(NotReferable) as caught:
        refer(shop, new, by)
    return caught.value.why


# --- both sides ---


def test_the_first_purchase_gives_both_their_points(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine, programs=(with_referral(),))
    refer(shop)
    assert both(shop) == (0, 0)
    assert standing(shop) == ["waiting"]
    shop.put(sale(1, 10))
    assert both(shop) == (60, 100)
    shop.put(sale(2, 10))
    assert both(shop) == (70, 100)
    assert shop.postings(NEW)[1].reason == "Welcome, you were recommended"
    assert shop.postings(BY)[0].reason == "Thank you for recommending us"
    assert standing(shop) == ["given"]
    # No sale of his: it counts for no tier.
    assert (shop.view(NEW).earned, shop.view(BY).earned) == (20, 0)


def test_said_after_the_purchase_it_gives_the_same(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine, programs=(with_referral(),))
    shop.put(sale(1, 10, day=TODAY - timedelta(days=7)))
    refer(shop)
    assert both(shop) == (60, 100)
    refer(shop)
    assert both(shop) == (60, 100)


@pytest.mark.parametrize(("points", "new_points", "ends"), [(0, 5, (15, 0)), (5, 0, (10, 5))])
def test_one_of_both_may_have_nothing(
    open_shop: OpenShop, points: int, new_points: int, ends: tuple[int, int]
) -> None:
    shop = open_shop(with_referral(points=points, new_points=new_points))
    refer(shop)
    shop.put(sale(1, 10))
    assert both(shop) == ends
