"""Points spent on a sale: they come back with its returns, and are spent again when corrected."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from builders import credit_note, customer, line, program, sale
from dolisync.ledger.engine import reading
from dolisync.ledger.redemptions import by_tokens
from dolisync.model import DiscountKind, Sale, SaleLine, SaleStatus
from dolisync.program.spent import spread, units_back
from dolisync.sync import adjust, redeem
from dolisync.sync.discounts import follow_discounts
from dolisync.sync.explain import explain
from tests.fakes import Shop, reopened, reward

TOKEN = "DS-TEST"


def discount(amount: str | int, rowid: int, **more: Any) -> SaleLine:
    values = {"text": f"Loyalty discount {TOKEN}", "discount": DiscountKind.FIXED, **more}
    return line(-Decimal(amount), None, rowid=rowid, **values)


def bought(rowid: int = 2, *, goods: int = 50, off: str | int = 5, **more: Any) -> Sale:
    """A sale of 50, 5 of it paid by the reward."""
    lines = [line(goods, 1, 5, rowid=rowid * 100), discount(off, rowid * 100 + 1)]
    return sale(rowid, lines=lines, **more)


def back(rowid: int, amount: str | int, origin: int = 2, undone: str | int = 0) -> Sale:
    lines = [line(-Decimal(amount), 1, rowid=rowid * 100)]
    if Decimal(undone):
        text = f"Loyalty discount {TOKEN}"
        lines.append(line(undone, None, rowid=rowid * 100 + 1, text=text))
    return credit_note(rowid, 0, origin, lines=lines)


def opened(engine: Engine, **terms: Any) -> Shop:
    """A shop in which 120 points were earned, 100 spent, and the discount used on sale 2."""
    terms.setdefault("earn", {"amount": {"per": 10}})
    shop = Shop(engine, programs=(program(reward=[reward(100)], **terms),))
    shop.put(sale(1, 1200, day=date(2026, 11, 1)))
    shop.redeem(TOKEN)
    shop.publish()
    return shop


def state(shop: Shop) -> str:
    with reading(shop.engine) as connection:
        return by_tokens(connection, [TOKEN])[0].state


@pytest.fixture
def shop(ledger_engine: Engine) -> Shop:
    return opened(ledger_engine)


def spent(shop: Shop) -> int:
    """What is spent for good, whatever was earned meanwhile."""
    return shop.view().redeemed


def test_a_sale_that_uses_a_reward_is_noted_at_once(shop: Shop) -> None:
    assert state(shop) == "open"
    shop.put(bought())
    assert (state(shop), spent(shop)) == ("used", 100)
    assert shop.breaches() == []


def used_on(shop: Shop, sold: Sale) -> object:
    shop.publish()
    return shop.sink.invoices[sold.key]["loyused"]


def test_the_invoice_shows_the_points_used_on_it(shop: Shop) -> None:
    shop.put(bought(off="3.33"), bought(3, off="1.67"))
    assert (used_on(shop, bought(2)), used_on(shop, bought(3))) == (67, 33)
    # The one that is set back to a draft and loses the discount shows that too.
    shop.put(sale(2, 50))
    assert (used_on(shop, bought(2)), used_on(shop, bought(3))) == (0, 33)


@pytest.mark.parametrize("undone", ["0", "2.50"])
def test_half_a_return_gives_half_of_the_points_back(shop: Shop, undone: str) -> None:
    shop.put(bought())
    shop.put(back(3, 25, undone=undone))
    assert spent(shop) == 50
    shop.put(back(4, 25, undone=undone))
    assert spent(shop) == 0
    assert shop.breaches() == []
    assert shop.view().lots[0].remaining == 120


@pytest.mark.parametrize(
    ("policy", "undone", "left"),
    [
        ("proportional", 0, 50),
        ("reward_line", 0, 100),
        ("reward_line", "2.50", 50),
        ("reward_line", 5, 0),
        ("keep", 5, 100),
    ],
)
def test_what_comes_back_is_the_owners_choice(
    ledger: Engine, policy: str, undone: str | int, left: int
) -> None:
    shop = opened(ledger, returns={"spent_points": policy})
    shop.put(bought())
    shop.put(back(3, 25, undone=undone))
    assert spent(shop) == left
    assert shop.breaches() == []


def test_a_return_that_is_deleted_spends_them_again(shop: Shop) -> None:
    shop.put(bought())
    shop.put(back(3, 25))
    shop.source.remove(3)
    shop.reconcile()
    assert spent(shop) == 100
    shop.put(back(4, 50))
    assert spent(shop) == 0
    assert shop.breaches() == []


def test_an_abandoned_sale_gives_all_back_and_reopening_it_spends_them_again(shop: Shop) -> None:
    shop.put(bought())
    shop.put(replace(bought(), status=SaleStatus.ABANDONED, payments=()))
    assert (spent(shop), state(shop)) == (0, "used")
    shop.put(reopened(bought()))
    assert spent(shop) == 100
    shop.put(bought())
    assert spent(shop) == 100
    assert shop.breaches() == []


def test_a_replaced_sale_hands_its_reward_on(shop: Shop) -> None:
    shop.put(bought())
    shop.put(replace(bought(), status=SaleStatus.ABANDONED, payments=()), bought(3))
    assert spent(shop) == 100
    shop.put(back(4, 50, origin=3))
    assert spent(shop) == 0


def test_a_reward_on_two_sales_is_told_and_comes_back_only_below_its_worth(shop: Shop) -> None:
    """Dolibarr doubled the discount, and somebody used the copy."""
    shop.put(bought(), bought(3))
    shop.sink.use(TOKEN)
    assert follow_discounts(shop.publisher, shop.sink).overspent == (TOKEN,)
    shop.put(back(4, 50, origin=3))
    assert spent(shop) == 100
    shop.put(back(5, 25))
    assert spent(shop) == 50
    shop.put(back(6, 25))
    assert spent(shop) == 0
    assert shop.breaches() == []


def test_told_until_an_adjustment_names_the_token(shop: Shop) -> None:
    shop.put(bought(), bought(3))
    shop.sink.use(TOKEN)
    for reason, told in (("DS-OTHER", (TOKEN,)), (f"{TOKEN} used twice", ())):
        adjust.adjust(
            shop.engine,
            shop.clock,
            shop.program,
            customer(),
            -1,
            reason,
            token=reason[:8],
            showing=shop.showing,
        )
        assert follow_discounts(shop.publisher, shop.sink).overspent == told


def test_a_deleted_sale_sets_the_discount_free(shop: Shop) -> None:
    shop.put(bought())
    shop.source.remove(2)
    shop.reconcile()
    assert (state(shop), spent(shop)) == ("open", 100)


def test_a_line_taken_off_sets_the_discount_free(shop: Shop) -> None:
    shop.put(bought())
    shop.put(sale(2, 50))
    assert (state(shop), spent(shop)) == ("open", 100)
    assert shop.breaches() == []


def test_a_discount_split_over_two_sales_comes_back_in_its_parts(shop: Shop) -> None:
    shop.put(bought(2, off=2), bought(3, off=3))
    shop.put(back(4, 50, origin=2))
    assert spent(shop) == 60
    shop.put(back(5, 50, origin=3))
    assert spent(shop) == 0
    assert shop.breaches() == []


def test_points_that_came_back_and_were_spent_become_debt(ledger_engine: Engine) -> None:
    shop = opened(ledger_engine)
    shop.put(bought())
    shop.put(back(3, 50))
    shop.redeem("DS-OTHER")
    shop.source.remove(3)
    shop.reconcile()
    assert (shop.balance(), shop.view().debt) == (120 + 4 - 200, 100 - 20 - 4)
    assert shop.breaches() == []


def test_or_are_forgiven_where_debt_is(ledger_engine: Engine) -> None:
    shop = opened(ledger_engine, returns={"shortfall": "clamp"})
    shop.put(bought())
    shop.put(back(3, 50))
    shop.redeem("DS-OTHER")
    shop.source.remove(3)
    shop.reconcile()
    assert (shop.balance(), shop.view().debt) == (0, 0)
    shop.put(back(4, 50))
    assert shop.balance() == 20
    assert shop.breaches() == []


@pytest.mark.parametrize(("days", "usable"), [(0, 0), (30, 100)])
def test_points_back_after_their_last_day(ledger: Engine, days: int, usable: int) -> None:
    terms = {"validity": {"months": 1}, "returns": {"past_lots_days": days}}
    shop = opened(ledger, **terms)
    shop.put(bought())
    shop.clock.tick(40 * 86400)
    shop.expire()
    shop.put(back(3, 50))
    assert shop.view().available == usable
    shop.expire()
    assert shop.balance() == usable
    assert shop.breaches() == []
    if days:
        shop.clock.tick(31 * 86400)
        shop.expire()
        assert shop.balance() == 0


def test_a_draft_that_uses_it_gives_nothing_back(shop: Shop) -> None:
    shop.put(bought(status=SaleStatus.DRAFT))
    assert (state(shop), spent(shop)) == ("used", 100)


def test_the_text_of_another_module_is_not_ours(shop: Shop) -> None:
    strange = sale(2, lines=[line(50, 1), line(-5, None, rowid=9, text="DS-NOBODY")])
    shop.put(strange)
    assert (state(shop), spent(shop)) == ("open", 100)


def test_a_discount_freed_from_a_dropped_draft_can_be_revoked(shop: Shop) -> None:
    shop.sink.use(TOKEN)
    follow_discounts(shop.publisher, shop.sink)
    assert state(shop) == "used"
    shop.sink.free(TOKEN)
    follow_discounts(shop.publisher, shop.sink)
    assert state(shop) == "open"
    redeem.wish_revoke(shop.engine, shop.clock, TOKEN)
    shop.publish()
    assert (state(shop), spent(shop)) == ("revoked", 0)
    assert shop.breaches() == []


@pytest.mark.parametrize(
    ("after", "text"),
    [
        (back(3, 25), "50 of 100 points spent on it come back: 50.0 % of the goods is returned"),
        (
            replace(bought(), status=SaleStatus.ABANDONED, payments=()),
            "all 100 points spent on it come back: it was abandoned",
        ),
    ],
)
def test_explain_says_what_comes_back(ledger: Engine, after: Sale, text: str) -> None:
    shop = opened(ledger)
    shop.put(bought())
    shop.put(after)
    with reading(ledger) as connection:
        key = bought().key
        (family,) = explain(connection, shop.clock.now(), shop.intake.rules, [key])
    assert [str(used.reason) for used in family[0].rewards] == [text]


# --- pure ----------------------------------------------------------------------------------------


@given(st.integers(1, 500), st.integers(1, 500), st.integers(0, 600))
def test_all_of_it_back_is_exactly_all_points(points: int, amount: int, returned: int) -> None:
    units = units_back(points, Decimal(amount), Decimal(returned))
    assert 0 <= units <= points
    assert (units == points) is (returned >= amount) or amount > points


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.data())
def test_points_are_spread_within_what_each_lot_gave(taken: list[int], data: Any) -> None:
    pairs = list(enumerate(taken))
    held: dict[int, int] = {}
    while sum(held.values()) < sum(taken):
        left = sum(taken) - sum(held.values())
        units = data.draw(st.integers(1, left))
        lacking = [(lot, points - held.get(lot, 0)) for lot, points in pairs]
        shares = spread([pair for pair in lacking if pair[1]], units)
        assert sum(shares.values()) == units
        for lot, points in shares.items():
            held[lot] = held.get(lot, 0) + points
            assert points > 0
            assert held[lot] <= taken[lot]
    assert held == dict(pairs)


@pytest.mark.parametrize("terms", [{}, {"validity": {"days": 25}}], ids=["lots alive", "lots past"])
def test_what_was_forgiven_is_taken_when_the_spent_points_come_back(
    ledger_engine: Engine, terms: dict[str, Any]
) -> None:
    """Else who redeems, then returns both sales, would keep points for goods that he returned."""
    policy = {"shortfall": "clamp", "past_lots_days": 30}
    shop = opened(ledger_engine, returns=policy, **terms)
    shop.put(bought(goods=5))
    shop.put(credit_note(5, 1200, 1))
    assert (shop.view().balance, spent(shop)) == (0, 100)
    shop.clock.moment += timedelta(days=10)
    shop.put(back(3, 5, origin=2))
    assert (shop.view().balance, spent(shop)) == (0, 0)
    assert shop.breaches() == []


def test_what_was_spent_again_and_forgiven_is_not_given_when_the_discount_is_gone(
    ledger_engine: Engine,
) -> None:
    shop = opened(ledger_engine, returns={"shortfall": "clamp"})
    shop.put(bought(goods=5))
    shop.put(back(3, 5, origin=2))
    shop.put(credit_note(5, 1200, 1))
    assert shop.view().balance == 0
    shop.source.remove(3)
    shop.reconcile()
    assert (shop.view().balance, spent(shop)) == (0, 100)
    shop.source.remove(2)
    shop.reconcile()
    shop.sink.discounts.clear()
    follow_discounts(shop.publisher, shop.sink)
    assert (shop.view().balance, spent(shop)) == (0, 0)
    assert shop.breaches() == []
