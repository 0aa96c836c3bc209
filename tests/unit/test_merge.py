"""Merged customers: seen from outside, and the account goes with the sales."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from sqlalchemy import Engine

from builders import credit_note, customer, line, program, sale
from dolisync.ledger.batches import BatchKind, listed
from dolisync.ledger.engine import open_engine, reading
from dolisync.ledger.redemptions import by_tokens
from dolisync.model import Customer, DiscountKind, Sale, SaleStatus
from dolisync.sync.discounts import follow_discounts
from tests.examples import by_default_and_long
from tests.fakes import Shop, reopened, reward

OLD, KEPT = 7, 8


@dataclass
class People:
    """Which customers there are; counts the questions."""

    there: set[int] = field(default_factory=lambda: {OLD, KEPT, 9})
    asked: int = 0

    def customers(self, rowids: Sequence[int]) -> dict[int, Customer]:
        self.asked += 1
        return {rowid: Customer(customer(rowid), "") for rowid in rowids if rowid in self.there}

    def find_customer(self, text: str) -> tuple[Customer, ...]:
        return ()


@dataclass
class Merging:
    """A shop whose customers can be merged."""

    shop: Shop
    people: People = field(default_factory=People)

    def __post_init__(self) -> None:
        self.shop.intake.customers = self.people

    def merge(self, old: int = OLD, into: int = KEPT) -> None:
        """Do what Dolibarr does: all sales change hands in one second, the customer is gone."""
        self.people.there.discard(old)
        for found in list(self.shop.source.sales.values()):
            if found.customer.rowid == old:
                self.shop.source.put(replace(found, customer=customer(into)))
        self.shop.poll()

    def balances(self) -> tuple[int, int]:
        assert self.shop.breaches() == []
        return self.shop.balance(OLD), self.shop.balance(KEPT)


def merging(engine: Engine, **terms: Any) -> Merging:
    terms.setdefault("reward", [reward(100)])
    return Merging(Shop(engine, programs=(program(**terms),)))


@pytest.fixture
def place(ledger_engine: Engine) -> Merging:
    return merging(ledger_engine)


def test_the_account_goes_with_the_sales(place: Merging) -> None:
    place.shop.put(sale(1, 30), sale(2, 20), sale(3, 5, buyer=KEPT))
    place.merge()
    assert place.balances() == (0, 55)
    view = place.shop.view(KEPT)
    assert (view.earned, sorted(lot.points for lot in view.lots)) == (55, [5, 20, 30])
    assert place.shop.view(OLD).earned == 0
    with reading(place.shop.engine) as connection:
        (batch,) = listed(connection, BatchKind.MERGE)
    assert (batch.details["from"], batch.details["into"]) == (OLD, KEPT)


def test_a_customer_without_an_account_gets_one(place: Merging) -> None:
    place.shop.put(sale(1, 30))
    place.merge()
    assert place.balances() == (0, 30)


def test_lots_keep_their_dates_and_what_is_left_of_them(ledger_engine: Engine) -> None:
    place = merging(ledger_engine, validity={"months": 1}, reward=[reward(10)])
    place.shop.put(sale(1, 30, day=date(2026, 11, 1)), sale(2, 20))
    place.shop.redeem("DS-A")
    place.merge()
    lots = place.shop.view(KEPT).lots
    assert [(lot.remaining, lot.available_from, lot.expires_on) for lot in lots] == [
        (20, date(2026, 11, 1), date(2026, 12, 1)),
        (20, date(2026, 11, 20), date(2026, 12, 20)),
    ]
    assert place.shop.view(KEPT).redeemed == 10


def test_what_had_expired_stays_expired(ledger_engine: Engine) -> None:
    place = merging(ledger_engine, validity={"months": 1})
    place.shop.put(sale(1, 30, day=date(2026, 10, 1)), sale(2, 5))
    place.shop.expire()
    place.merge()
    assert place.balances() == (0, 5)
    assert place.shop.view(KEPT).expired == 30


def test_debt_goes_along_and_is_settled_by_the_others_points(place: Merging) -> None:
    place.shop.put(sale(1, 100), sale(3, 70, buyer=KEPT))
    place.shop.redeem("DS-A")
    place.shop.put(credit_note(2, 100, 1))
    assert place.shop.view(OLD).debt == 100
    place.merge()
    view = place.shop.view(KEPT)
    assert (place.balances(), view.debt, view.available) == ((0, -30), 30, 0)
    place.shop.put(sale(4, 50, buyer=KEPT))
    assert place.shop.view(KEPT).available == 20


def test_an_open_discount_comes_back_to_the_customer_who_was_kept(place: Merging) -> None:
    place.shop.put(sale(1, 100))
    place.shop.redeem("DS-A")
    place.shop.publish()
    place.merge()
    with reading(place.shop.engine) as connection:
        (found,) = by_tokens(connection, ["DS-A"])
    assert found.customer == customer(KEPT)
    place.shop.sink.discounts.clear()
    follow_discounts(place.shop.publisher, place.shop.sink)
    assert place.balances() == (0, 100)


def test_a_discount_that_still_waits_is_made_for_the_customer_who_was_kept(place: Merging) -> None:
    place.shop.put(sale(1, 100))
    place.shop.redeem("DS-A")
    place.merge()
    place.shop.publish_all()
    (discount, _) = place.shop.sink.discounts["DS-A"]
    assert discount.customer == customer(KEPT)


def test_returns_after_the_merge_take_from_the_lots_that_came(place: Merging) -> None:
    place.shop.put(sale(1, 30), sale(3, 50, buyer=KEPT))
    place.merge()
    place.shop.put(credit_note(2, 30, 1, buyer=KEPT))
    assert place.balances() == (0, 50)
    assert [lot.remaining for lot in place.shop.view(KEPT).lots] == [50]


def test_points_spent_before_the_merge_come_back_after_it(place: Merging) -> None:
    place.shop.put(sale(1, 100))
    place.shop.redeem("DS-A")
    off = line(-5, None, rowid=9, text="x DS-A", discount=DiscountKind.FIXED)
    place.shop.put(sale(2, lines=[line(50, 1, rowid=8), off]))
    place.merge()
    place.shop.put(credit_note(4, 50, 2, buyer=KEPT))
    assert place.shop.view(KEPT).redeemed == 0
    assert place.balances()[0] == 0


def test_a_visit_of_both_on_one_day_counts_once(ledger_engine: Engine) -> None:
    place = merging(ledger_engine, earn={"visit": {"points": 3}})
    place.shop.put(sale(1, 10), sale(2, 10, buyer=KEPT))
    assert (place.shop.balance(OLD), place.shop.balance(KEPT)) == (3, 3)
    place.merge()
    assert place.balances() == (0, 3)


def test_one_sale_given_to_another_is_no_merge(place: Merging) -> None:
    place.shop.put(sale(1, 30), sale(2, 20))
    place.shop.put(replace(sale(1, 30), customer=customer(KEPT)))
    assert place.balances() == (20, 30)
    with reading(place.shop.engine) as connection:
        assert listed(connection) == []


def test_sales_given_to_several_before_the_customer_was_deleted_are_no_merge(
    place: Merging,
) -> None:
    place.shop.put(sale(1, 30), sale(2, 20))
    place.people.there.discard(OLD)
    place.shop.source.put(replace(sale(1, 30), customer=customer(KEPT)))
    place.shop.source.put(replace(sale(2, 20), customer=customer(9)))
    place.shop.poll()
    assert place.balances() == (0, 30)
    assert place.shop.balance(9) == 20


def test_a_page_at_a_time_merges_once(place: Merging) -> None:
    place.shop.put(*(sale(n, 10) for n in range(1, 8)))
    place.shop.intake.page_size = 2
    place.merge()
    assert place.balances() == (0, 70)
    assert place.people.asked == 1
    place.shop.reconcile()
    assert place.balances() == (0, 70)


def test_a_vanished_sale_stays_vanished(place: Merging) -> None:
    place.shop.put(sale(1, 10), sale(2, 20), sale(3, 30))
    place.shop.source.remove(1)
    place.shop.reconcile()
    place.merge()
    assert place.balances() == (0, 50)


def test_merged_twice_in_a_row_and_bought_again_under_the_old_name(place: Merging) -> None:
    place.shop.put(sale(1, 10), sale(2, 20, buyer=KEPT))
    place.merge()
    place.merge(KEPT, 9)
    assert place.shop.balance(9) == 30
    place.people.there.add(OLD)
    place.shop.put(sale(3, 5))
    assert place.balances() == (5, 0)
    place.merge(OLD, 9)
    assert place.shop.balance(9) == 35
    assert place.balances() == (0, 0)


def test_without_anybody_to_ask_sales_merely_change_hands(ledger: Engine) -> None:
    place = merging(ledger)
    place.shop.put(sale(1, 10))
    place.shop.intake.customers = None
    place.merge()
    assert place.balances() == (0, 10)
    with reading(ledger) as connection:
        assert listed(connection) == []


acts = st.lists(
    st.sampled_from(["sell", "sell_kept", "redeem", "return", "reopen", "expire", "days", "close"]),
    max_size=9,
)


@pytest.mark.parametrize("shortfall", ["debt", "clamp"])
@by_default_and_long(3, 8, before=acts, after=acts)
def test_any_life_before_and_after_a_merge(
    shortfall: str,
    before: list[str],
    after: list[str],
    tmp_path_factory: Any,
    sqlite_template: Path,
) -> None:
    path = tmp_path_factory.mktemp("merge") / "ledger.db"
    shutil.copy(sqlite_template, path)
    engine = open_engine(f"sqlite:///{path}")
    place = merging(
        engine,
        validity={"months": 1},
        returns={"shortfall": shortfall},
        reward=[reward(20)],
    )
    place.shop.put(sale(1, 30))
    _live(place.shop, before, OLD, 10)
    place.merge()
    _live(place.shop, after, KEPT, 50)
    assert place.balances()[0] == 0
    assert place.shop.view(OLD).debt == 0
    engine.dispose()


def _live(shop: Shop, acts: list[str], buyer: int, first: int) -> None:
    for number, act in enumerate(acts, first):
        _act(shop, act, buyer, number)
        assert shop.breaches() == []


def _act(shop: Shop, act: str, buyer: int, number: int) -> None:
    mine = [s for s in shop.source.sales.values() if s.customer.rowid == buyer]
    sold = [s for s in mine if s.origin is None]
    if act == "sell":
        shop.put(sale(number, 15, buyer=buyer, day=shop.today))
    elif act == "sell_kept":
        shop.put(sale(number, 10, buyer=KEPT, day=shop.today))
    elif act == "redeem" and shop.view(buyer).available >= 20:
        shop.redeem(f"DS-{number}", buyer)
    elif act == "return" and sold:
        shop.put(credit_note(number, 10, sold[-1].key.rowid, buyer=buyer, day=shop.today))
    elif act in {"reopen", "close"} and sold:
        _change(shop, sold[0], act)
    elif act == "expire":
        shop.expire()
    elif act == "days":
        shop.clock.tick(20 * 86400)


def _change(shop: Shop, sold: Sale, act: str) -> None:
    if act == "reopen":
        shop.put(reopened(sold))
    else:
        paid = sale(sold.key.rowid, int(Decimal(sold.total_incl))).payments
        shop.put(replace(sold, status=SaleStatus.PAID, payments=paid))


def test_invoices_keep_the_balance_of_their_day(place: Merging) -> None:
    place.shop.put(sale(1, 30), sale(3, 5, buyer=KEPT))
    place.shop.publish()
    shown = dict(place.shop.sink.invoices[sale(1).key])
    assert (shown["loyearned"], shown["loyafter"]) == (30, 30)
    place.merge()
    # The second look at what was written just before the merge finds nothing to repair.
    place.shop.publish_all()
    assert place.shop.sink.invoices[sale(1).key] == shown
    place.shop.put(sale(1, 40, buyer=KEPT))
    place.shop.publish_all()
    assert place.shop.sink.invoices[sale(1).key] == {"loyearned": 40, "loyafter": 45, "loyused": 0}
