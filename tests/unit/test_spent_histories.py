"""Whatever happens to sales that used rewards: what came back is what their documents say."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from builders import credit_note, line, program, sale
from dolisync.ledger import tables
from dolisync.ledger.engine import open_engine, reading
from dolisync.ledger.redemptions import by_tokens, came_back
from dolisync.model import DiscountKind, Sale, SaleStatus
from dolisync.sync import redeem
from tests.fakes import Shop, reopened, reward

TOKENS = ("DS-ONE", "DS-TWO")
CARRIERS = {2: "DS-ONE", 3: "DS-TWO"}
GOODS, OFF = 60, 5


def carrier(rowid: int, token: str | None = None) -> Sale:
    """A sale of 60, 5 of it paid by a reward."""
    text = f"Loyalty discount {token or CARRIERS[rowid]}"
    fixed = line(-OFF, None, rowid=rowid * 100 + 1, text=text, discount=DiscountKind.FIXED)
    return sale(rowid, lines=[line(GOODS, 1, rowid=rowid * 100), fixed])


def back(rowid: int, amount: int, origin: int) -> Sale:
    return credit_note(rowid, 0, origin, lines=[line(-amount, 1, rowid=rowid * 100)])


def opened(engine: Engine, **terms: Any) -> Shop:
    """A shop whose customer earned 60, 50 and 120 points in three lots."""
    terms.setdefault("earn", {"amount": {"per": 10}})
    shop = Shop(engine, programs=(program(reward=[reward(100)], **terms),))
    for rowid, amount, day in ((101, 600, 1), (102, 500, 8), (103, 1200, 15)):
        shop.put(sale(rowid, amount, day=date(2026, 11, day)))
    return shop


def came(shop: Shop, token: str) -> int:
    with reading(shop.engine) as connection:
        found = by_tokens(connection, [token])
        return came_back(connection, found[0].id).units if found else 0


def due(shop: Shop, rowid: int) -> int:
    """What must have come back by hand: cut off, from the documents that there are."""
    known = shop.source.sales.get(rowid)
    if known is None or known.status is SaleStatus.DRAFT:
        return 0
    if known.status is SaleStatus.ABANDONED:
        return 100
    returned = -sum(
        (s.total_incl for s in shop.source.sales.values() if s.origin == known.key), Decimal(0)
    )
    return int(100 * min(returned, Decimal(GOODS)) / GOODS)


# --- one after the other -------------------------------------------------------------------------


def _taken_again(ledger: Engine, *later: Sale) -> Shop:
    """What came back was spent on another reward, and the credit note was then deleted.

    ``later`` are sales of before or after that, which may pay for what is taken again.
    """
    terms = program(earn={"amount": {"per": 10}}, reward=[reward(100)])
    shop = Shop(ledger, programs=(terms,))
    shop.put(sale(101, 1000, day=date(2026, 11, 1)))
    shop.redeem("DS-ONE")
    shop.publish()
    shop.put(carrier(2))
    shop.put(back(11, GOODS, 2))
    shop.redeem("DS-TWO")
    shop.publish()
    for part in later[:1]:
        shop.put(part)
    shop.source.remove(11)
    shop.reconcile()
    for part in later[1:]:
        shop.put(part)
    return shop


def _return_the_other(shop: Shop) -> None:
    shop.put(carrier(3))
    shop.put(back(13, GOODS, 3))
    assert [row.reason for row in shop.parked()] == []
    assert (came(shop, "DS-TWO"), shop.breaches()) == (100, [])


def test_points_taken_again_from_another_lot_come_back_there(ledger: Engine) -> None:
    shop = _taken_again(ledger, sale(102, 1000, day=date(2026, 11, 8)))
    shop.put(back(12, GOODS, 2))
    assert came(shop, "DS-ONE") == 100
    _return_the_other(shop)
    assert shop.view().redeemed == 0


def test_points_taken_again_as_debt_that_was_settled_come_back(ledger: Engine) -> None:
    shop = _taken_again(ledger, sale(102, 10), sale(103, 1000))
    shop.put(back(12, GOODS, 2))
    assert came(shop, "DS-ONE") == 100
    _return_the_other(shop)


def test_a_revoked_discount_gives_back_where_it_was_taken_again(ledger: Engine) -> None:
    shop = _taken_again(ledger, sale(102, 1000, day=date(2026, 11, 8)))
    shop.source.remove(2)
    shop.reconcile()
    redeem.wish_revoke(shop.engine, shop.clock, "DS-ONE")
    shop.publish()
    _return_the_other(shop)


# --- any sequence --------------------------------------------------------------------------------

steps = st.one_of(
    st.tuples(st.just("redeem"), st.sampled_from(TOKENS)),
    st.tuples(st.just("sell"), st.sampled_from([2, 3])),
    st.tuples(st.just("reopen"), st.sampled_from([2, 3])),
    st.tuples(st.just("abandon"), st.sampled_from([2, 3])),
    st.tuples(
        st.just("return"), st.integers(11, 14), st.sampled_from([7, 20, 30, 60]),
        st.sampled_from([2, 3]),
    ),
    st.tuples(st.just("delete"), st.sampled_from([2, 3, 11, 12, 13, 14])),
    st.tuples(st.just("wait"), st.sampled_from([1, 12, 25])),
)  # fmt: skip
terms_of = st.fixed_dictionaries(
    {
        "returns": st.fixed_dictionaries(
            {
                "shortfall": st.sampled_from(["debt", "clamp"]),
                "past_lots_days": st.sampled_from([0, 20]),
            }
        ),
        "validity": st.sampled_from([{"months": 1}, {"months": 12}]),
    }
)


@dataclass
class Life:
    """A shop that does what it is told as far as Dolibarr would allow it."""

    shop: Shop
    redeemed: set[str] = field(default_factory=set)

    def do(self, step: tuple[Any, ...]) -> None:
        getattr(self, step[0])(*step[1:])

    def redeem(self, token: str) -> None:
        if token not in self.redeemed and self.shop.view().available >= 100:
            self.shop.redeem(token)
            self.shop.publish()
            self.redeemed.add(token)

    def sell(self, rowid: int) -> None:
        if CARRIERS[rowid] in self.redeemed:
            self.shop.put(carrier(rowid))

    def reopen(self, rowid: int) -> None:
        if rowid in self.shop.source.sales and not self._returns(rowid):
            self.shop.put(reopened(carrier(rowid)))

    def abandon(self, rowid: int) -> None:
        if rowid in self.shop.source.sales and not self._returns(rowid):
            gone = replace(carrier(rowid), status=SaleStatus.ABANDONED, payments=())
            self.shop.put(gone)

    def _returns(self, rowid: int) -> list[Sale]:
        found = self.shop.source.sales.values()
        return [part for part in found if part.origin and part.origin.rowid == rowid]

    # A method cannot be named as the keyword is.
    def give(self, rowid: int, amount: int, origin: int) -> None:
        live = self.shop.source.sales.get(origin)
        if live is not None and live.status is SaleStatus.PAID:
            self.shop.put(back(rowid, amount, origin))

    def delete(self, rowid: int) -> None:
        if rowid in self.shop.source.sales and not self._returns(rowid):
            self.shop.source.remove(rowid)
            self.shop.reconcile(allow_mass_reversal=True)

    def wait(self, days: int) -> None:
        self.shop.clock.tick(days * 86400)
        self.shop.expire()


def _fresh(template: Path, folder: str, name: str, terms: dict[str, Any]) -> Shop:
    path = Path(folder) / name
    shutil.copy(template, path)
    return opened(open_engine(f"sqlite:///{path}"), **terms)


def _hold(shop: Shop) -> None:
    view = shop.view()
    assert shop.breaches() == []
    for rowid, token in CARRIERS.items():
        # A replaced or abandoned carrier counts by itself; each token stands on one sale here.
        assert came(shop, token) == due(shop, rowid), token
        assert 0 <= came(shop, token) <= 100
    assert view.balance == sum(lot.remaining for lot in view.lots) - view.debt
    assert view.debt >= 0
    if shop.program.returns.shortfall == "clamp":
        assert (view.debt, view.balance >= 0) == (0, True)


@pytest.mark.long
@settings(max_examples=60, deadline=None)
@given(terms=terms_of, history=st.lists(steps, min_size=4, max_size=16))
def test_any_history_of_rewards_holds(
    ledger_template: Path, terms: dict[str, Any], history: list[Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = _fresh(ledger_template, folder, "live.db", terms)
        life = Life(shop)
        for step in [("redeem", "DS-ONE"), ("sell", 2), *history]:
            life.do(("give", *step[1:]) if step[0] == "return" else step)
            _hold(shop)
        shop.engine.dispose()


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(
    shortfall=st.sampled_from(["debt", "clamp"]),
    history=st.lists(steps.filter(lambda s: s[0] != "wait"), min_size=4, max_size=16),
)
def test_any_history_ends_where_its_final_documents_end(
    ledger_template: Path, shortfall: str, history: list[Any]
) -> None:
    terms = {"returns": {"shortfall": shortfall}}
    with tempfile.TemporaryDirectory() as folder:
        shop = _fresh(ledger_template, folder, "live.db", terms)
        life = Life(shop)
        for step in [("redeem", "DS-ONE"), ("sell", 2), *history]:
            life.do(("give", *step[1:]) if step[0] == "return" else step)
        other = _fresh(ledger_template, folder, "replay.db", terms)
        final = sorted(shop.source.sales.values(), key=lambda part: part.key)
        for token in TOKENS:
            if token in life.redeemed and other.view().available >= 100:
                other.redeem(token)
        # What was bought with points that came back cannot be bought first thing in the replay.
        if _all_bought(other, life.redeemed):
            other.put(*final)
            assert other.breaches() == []
            assert shop.view().redeemed == other.view().redeemed
            for token in life.redeemed:
                assert came(shop, token) == came(other, token)
            if shortfall == "debt":
                assert shop.balance() == other.balance()
        shop.engine.dispose()
        other.engine.dispose()


def _all_bought(shop: Shop, tokens: set[str]) -> bool:
    with reading(shop.engine) as connection:
        found = connection.execute(select(tables.redemption.c.token)).scalars()
        return set(found) == tokens
