"""Paying with points: the account follows the payments, to the lots that they were taken from."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import strategies as st
from sqlalchemy import Engine

from dolisync.config import parse
from dolisync.errors import ConfigError
from dolisync.ledger.engine import open_engine, reading
from dolisync.model import Payment, Sale, SaleStatus
from dolisync.program.surroundings import Surroundings
from dolisync.sentences import Tongue
from dolisync.sync import backfill, judge
from dolisync.sync.explain import explain
from tests.builders import NOON, credit_note, program, sale
from tests.examples import by_default_and_long
from tests.fakes import Shop, reopened
from tests.unit.test_merge import Merging

AROUND = Surroundings(pos_customers=frozenset({1}), points_payment_mode="LOY")


def loy(amount: str | int, at: datetime = NOON) -> Payment:
    return Payment("LOY", Decimal(amount), at)


def cash(amount: str | int) -> Payment:
    return Payment("LIQ", Decimal(amount), NOON)


def opened(engine: Engine, **terms: Any) -> Shop:
    """A shop in which a point is worth 0.10, and customer 7 has 300 of them."""
    terms.setdefault("point_value", "0.10")
    shop = Shop(engine, programs=(program(**terms),), around=AROUND)
    shop.put(sale(1, 300, day=date(2026, 11, 1)))
    return shop


@pytest.fixture
def shop(ledger_engine: Engine) -> Shop:
    return opened(ledger_engine)


def bought(rowid: int = 2, *payments: Payment, goods: int = 50, **more: Any) -> Sale:
    """A sale of 50: 25 of it with points, 25 in cash, unless told otherwise."""
    paid = payments or (loy(25), cash(25))
    return sale(rowid, goods, payments=paid, **more)


def spent(shop: Shop, buyer: int = 7) -> int:
    return shop.view(buyer).redeemed


def test_part_of_a_sale_is_paid_with_points_and_the_rest_earns(shop: Shop) -> None:
    shop.put(bought())
    assert (spent(shop), shop.view().balance) == (250, 300 - 250 + 25)
    assert shop.breaches() == []


def test_the_invoice_shows_what_was_paid_with_points(shop: Shop) -> None:
    shop.put(bought())
    shop.publish()
    assert shop.sink.invoices[bought().key] == {"loyearned": 25, "loyused": 250, "loyafter": 75}
    shop.put(bought(2, cash(50)))
    shop.publish()
    assert shop.sink.invoices[bought().key] == {"loyearned": 50, "loyused": 0, "loyafter": 350}


def test_a_payment_that_broke_the_terms_stands_and_is_told(ledger: Engine) -> None:
    shop = opened(ledger, redeem={"max_share": 20, "with_discounts": False})
    shop.put(bought())
    assert spent(shop) == 250
    with reading(shop.engine) as connection:
        ((found, *_),) = explain(connection, shop.clock.now(), shop.rules, [bought().key])
    told = [str(reason) for reason in found.judgements[0].verdict.reasons]
    assert "more than points may pay: 10.00 is 20 % of this sale" in told
    assert not [text for text in told if "reduced" in text]


def test_paid_wholly_with_points_earns_nothing(shop: Shop) -> None:
    shop.put(bought(2, loy(30), goods=30))
    assert shop.view().balance == 0
    assert shop.breaches() == []


def test_a_payment_that_is_deleted_gives_its_points_back_to_their_lot(shop: Shop) -> None:
    shop.put(bought())
    shop.put(replace(bought(), payments=(cash(25),), status=SaleStatus.VALIDATED))
    assert (spent(shop), [lot.remaining for lot in shop.view().lots]) == (0, [300])
    shop.put(bought(2, cash(25), cash(25)))
    assert shop.view().balance == 350
    assert shop.breaches() == []


def test_a_payment_that_becomes_larger_costs_the_difference(shop: Shop) -> None:
    shop.put(bought(2, loy(10), status=SaleStatus.VALIDATED))
    assert spent(shop) == 100
    shop.put(bought(2, loy(10), loy(5), cash(35)))
    assert spent(shop) == 150
    assert [move for move in shop.moves() if move[0] == "redeem"] == [
        ("redeem", -100),
        ("redeem", -50),
    ]


def test_more_than_there_is_becomes_debt_that_later_earnings_settle(shop: Shop) -> None:
    shop.put(bought(2, loy(40), goods=40))
    view = shop.view()
    assert (view.balance, view.debt, view.available) == (-100, 100, 0)
    shop.put(sale(3, 130))
    view = shop.view()
    assert (view.balance, view.debt, view.available) == (30, 0, 30)
    assert shop.breaches() == []


def test_debt_of_a_till_stays_debt_where_returns_forgive(ledger_engine: Engine) -> None:
    shop = opened(ledger_engine, returns={"shortfall": "clamp"})
    shop.put(bought(2, loy(40), goods=40))
    assert shop.view().debt == 100
    assert shop.breaches() == []


def test_two_tills_at_once_cannot_spend_the_same_point_twice(shop: Shop) -> None:
    shop.put(bought(2, loy(30), goods=30), bought(3, loy(30), goods=30))
    view = shop.view()
    assert (view.redeemed, view.balance, view.debt) == (600, -300, 300)
    assert shop.breaches() == []


@pytest.mark.parametrize("again", [True, False])
def test_a_sale_given_to_another_customer_is_paid_by_him(shop: Shop, *, again: bool) -> None:
    shop.put(bought())
    shop.put(bought(buyer=8))
    assert (spent(shop), shop.view().balance) == (0, 300)
    assert (spent(shop, 8), shop.view(8).debt) == (250, 225)
    if again:
        shop.put(bought())
        assert (spent(shop), spent(shop, 8), shop.view(8).balance) == (250, 0, 0)
    assert shop.breaches() == []


def test_an_abandoned_or_deleted_sale_gives_all_back(shop: Shop) -> None:
    shop.put(bought(), bought(3, loy(5), goods=5))
    shop.put(replace(bought(), status=SaleStatus.ABANDONED))
    shop.source.remove(3)
    shop.reconcile()
    assert (spent(shop), shop.view().balance) == (0, 300)
    assert shop.breaches() == []


def test_a_reopened_sale_whose_payments_are_gone_gives_back_until_it_is_paid_again(
    shop: Shop,
) -> None:
    shop.put(bought())
    shop.put(reopened(bought()))
    assert spent(shop) == 0
    shop.put(bought())
    assert spent(shop) == 250
    assert shop.breaches() == []


def back(rowid: int, amount: str | int, *payments: Payment, pos: bool = False) -> Sale:
    terminal = {"terminal": "1"} if pos else {}
    status = SaleStatus.PAID if payments else SaleStatus.VALIDATED
    return credit_note(rowid, amount, 2, payments=payments, status=status, **terminal)


def test_a_refund_with_points_gives_just_that_back(shop: Shop) -> None:
    shop.put(bought())
    shop.put(back(3, 20, loy(-10), cash(-10)))
    assert spent(shop) == 150
    shop.put(back(4, 30, loy(-15), cash(-15)))
    assert (spent(shop), shop.view().balance) == (0, 300)
    assert shop.breaches() == []


def test_a_refund_in_money_gives_no_points_back(shop: Shop) -> None:
    shop.put(bought())
    shop.put(back(3, 50, cash(-50)))
    assert (spent(shop), shop.view().balance) == (250, 50)
    assert shop.breaches() == []


def test_a_return_at_the_till_gives_back_the_share_of_its_goods(shop: Shop) -> None:
    shop.put(bought())
    shop.put(back(3, 10, pos=True))
    assert spent(shop) == 200
    shop.put(back(4, 40, pos=True))
    assert (spent(shop), shop.view().balance) == (0, 300)
    assert shop.breaches() == []


@pytest.mark.parametrize("policy", ["keep", "reward_line"])
def test_a_return_at_the_till_gives_nothing_back_where_the_program_says_so(
    ledger: Engine, policy: str
) -> None:
    shop = opened(ledger, returns={"spent_points": policy})
    shop.put(bought())
    shop.put(back(3, 50, pos=True))
    assert spent(shop) == 250
    shop.put(back(3, 50, loy(-25), pos=True))
    assert spent(shop) == 0


def test_more_is_never_refunded_than_was_paid(shop: Shop) -> None:
    shop.put(bought())
    shop.put(back(3, 50, loy(-50)))
    assert (spent(shop), shop.view().balance) == (0, 300)


def test_a_refund_with_points_for_goods_of_which_nothing_is_known_gives_new_ones(
    shop: Shop,
) -> None:
    shop.put(credit_note(9, 20, None, payments=(loy(-20),), status=SaleStatus.PAID))
    view = shop.view()
    assert view.balance == 300 - 20 + 200
    assert shop.breaches() == []


def test_points_go_back_to_the_lots_that_they_came_from(ledger_engine: Engine) -> None:
    shop = opened(ledger_engine, validity={"months": 2})
    shop.put(sale(5, 100, day=date(2026, 10, 1)))
    shop.put(bought())
    shop.put(replace(bought(), payments=(), status=SaleStatus.VALIDATED))
    lots = [(lot.points, lot.remaining) for lot in shop.view().lots]
    assert sorted(lots) == [(100, 100), (300, 300)]


@pytest.mark.parametrize(
    ("value", "amount", "rounding", "points"),
    [
        ("0.03", 1, "up", 34),
        ("0.03", 1, "down", 33),
        ("0.03", 1, "half_up", 33),
        ("0.10", "0.05", "up", 1),
        ("0.10", "0.05", "half_up", 1),
        ("0.10", "0.04", "half_up", 0),
        ("0.05", "7.50", "up", 150),
    ],
)
def test_rounding_of_a_payment_is_named(
    ledger: Engine, value: str, amount: str, rounding: str, points: int
) -> None:
    shop = opened(ledger, point_value=value, redeem={"rounding": rounding})
    shop.put(bought(2, loy(amount), cash(20)))
    assert spent(shop) == points


def test_edge_37_cents_that_no_point_can_pay_are_paid_in_money(shop: Shop) -> None:
    shop.put(bought(2, loy(10), cash("0.05"), goods=10))
    assert (spent(shop), shop.view().debt) == (100, 0)


def test_hundredths_of_points(ledger: Engine) -> None:
    shop = opened(ledger, decimals=2, point_value="0.03")
    shop.put(bought(2, loy(1), cash(49)))
    assert spent(shop) == 3334


@pytest.mark.parametrize(
    ("terms", "more"),
    [
        ({"point_value": None}, {}),
        ({"redeem": {"payments": False}}, {}),
        ({}, {"buyer": 1}),
        ({"excluded_customers": [7]}, {}),
        ({"start": date(2026, 11, 1)}, {"day": date(2026, 10, 31)}),
    ],
    ids=["no value", "switched off", "nobody", "excluded", "before the start"],
)
def test_what_costs_nobody_anything(
    ledger: Engine, terms: dict[str, Any], more: dict[str, Any]
) -> None:
    shop = opened(ledger, **terms)
    shop.put(bought(**more))
    assert spent(shop, more.get("buyer", 7)) == 0
    assert shop.breaches() == []


def test_a_merge_takes_along_what_was_paid(ledger_engine: Engine) -> None:
    shop = opened(ledger_engine)
    place = Merging(shop)
    shop.put(bought(), sale(6, 40, buyer=8))
    place.merge()
    assert (spent(shop, 8), shop.view(8).balance, shop.view().balance) == (250, 115, 0)
    shop.put(bought(2, cash(50), buyer=8))
    assert (spent(shop, 8), shop.view(8).balance) == (0, 390)
    assert shop.breaches() == []


def test_an_undone_backfill_gives_back_what_its_sales_had_cost(shop: Shop) -> None:
    shop.source.put(bought(day=date(2026, 9, 5)))
    moved = shop.source.sales[2]
    shop.source.sales[2] = replace(moved, changed_at=moved.changed_at - timedelta(days=40))
    done = backfill.run(shop.intake, date(2026, 9, 1), date(2026, 10, 1), token="B-X")
    assert spent(shop) == 250
    backfill.undo(shop.engine, shop.clock, shop.rules, done.batch, lambda _done: None)
    assert (spent(shop), shop.view().balance) == (0, 300)
    assert shop.breaches() == []


def test_verify_sees_what_a_payment_did_not_cost(shop: Shop) -> None:
    shop.put(sale(2, 50))
    with mock.patch.object(judge, "are_concerned", return_value=False):
        shop.put(bought())
    assert any("+250 points for customer 7 are missing" in breach for breach in shop.breaches())


@by_default_and_long(9, 25, data=st.data())
def test_any_life_of_payments_ends_as_a_replay(sqlite_template: Path, data: st.DataObject) -> None:
    """Pay, take back, return, give away, delete: the ledger is what the documents say."""
    with tempfile.TemporaryDirectory() as folder:
        shop = opened(_copy(sqlite_template, folder, "played"))
        known: dict[int, Sale] = {}
        for step in range(data.draw(st.integers(1, 8))):
            _one_step(data, shop, known, 10 + step)
            assert shop.breaches() == []
        fresh = Shop(_copy(sqlite_template, folder, "fresh"), programs=shop.programs, around=AROUND)
        fresh.source.sales = dict(shop.source.sales)
        fresh.poll()
        for buyer in (7, 8):
            assert spent(fresh, buyer) == spent(shop, buyer)
            assert fresh.view(buyer).balance == shop.view(buyer).balance
        for one in (shop, fresh):
            one.engine.dispose()


def _copy(template: Path, folder: str, name: str) -> Engine:
    path = Path(folder) / f"{name}.db"
    shutil.copy(template, path)
    return open_engine(f"sqlite:///{path}")


def _one_step(data: st.DataObject, shop: Shop, known: dict[int, Sale], rowid: int) -> None:
    amounts = st.integers(0, 40)
    act = data.draw(st.sampled_from(["sell", "sell", "change", "credit", "move", "delete"]))
    if act == "sell" or not known:
        payments = _payments(data.draw(amounts))
        known[rowid] = bought(rowid, *payments, buyer=data.draw(st.sampled_from([7, 8])))
        shop.put(known[rowid])
        return
    chosen = known[data.draw(st.sampled_from(sorted(known)))]
    if act == "change":
        changed = replace(chosen, payments=_payments(data.draw(amounts)))
    elif act == "move":
        changed = replace(chosen, customer=replace(chosen.customer, rowid=8))
    elif act == "delete":
        del known[chosen.key.rowid]
        shop.source.remove(chosen.key.rowid)
        shop.reconcile(max_vanished=99)
        return
    else:
        refund = data.draw(st.integers(0, 20))
        paid = (loy(-refund),) if refund else ()
        terminal = data.draw(st.sampled_from(["", "1"]))
        shop.put(
            credit_note(
                rowid,
                data.draw(st.integers(1, 25)),
                chosen.key.rowid,
                payments=paid,
                buyer=chosen.customer.rowid,
                terminal=terminal,
            )
        )
        return
    known[chosen.key.rowid] = changed
    shop.put(changed)


def _payments(by_points: int) -> Sequence[Payment]:
    return tuple(paid for paid in (loy(by_points), cash(50 - by_points)) if paid.amount)


@pytest.mark.parametrize(
    ("sales", "told"),
    [
        ([bought()], "€25.00 was paid with points: 250 points"),
        (
            [bought(), back(3, 20, loy(-10))],
            "€10.00 of what was paid with points came back, 150 points remain spent",
        ),
        (
            [credit_note(2, 20, None, payments=(loy(-20),), status=SaleStatus.PAID)],
            "€20.00 was refunded with points: 200 points",
        ),
    ],
)
def test_explain_says_what_it_cost(ledger: Engine, sales: list[Sale], told: str) -> None:
    shop = opened(ledger)
    shop.put(*sales)
    with reading(shop.engine) as connection:
        ((first, *_),) = explain(connection, NOON, shop.rules, [sales[0].key])
    sentences = [Tongue("en", "EUR").say(one) for one in first.judgements[0].verdict.reasons]
    assert told in sentences


def test_one_payment_is_taken_from_one_account() -> None:
    text = """
[[source]]
url = "http://127.0.0.1"
api_key = "x"
[[program]]
name = "one"
point_value = "0.10"
[[program]]
name = "two"
field_prefix = "two"
point_value = "0.10"
"""
    with pytest.raises(ConfigError) as refused:
        parse(text)
    assert "would be taken from 'one' and 'two'" in refused.value.problems[0]
    assert parse(text + "redeem = { payments = false }\n").program[1].redeem.payments is False
