"""A member's account: lots, debt and balance, whatever moves them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dolisync.errors import LedgerError
from dolisync.ledger.book import (
    SALE_KINDS,
    Book,
    Entry,
    Journal,
    Kind,
    Lot,
    NotEnoughPoints,
)
from dolisync.program.terms import Shortfall
from tests.builders import NOON

TODAY = date(2026, 11, 20)


def day(offset: int) -> date:
    return TODAY + timedelta(days=offset)


@dataclass
class Account:
    """A book with its journal, and movements in few words."""

    book: Book = field(default_factory=lambda: Book(1, "loyalty", 0, 0, 0))
    journal: Journal = field(default_factory=lambda: Journal(1, 1, 1))
    today: date = TODAY

    def entry(self, kind: str, sale_id: int | None = None, on: date | None = None) -> Entry:
        key = f"{kind}:{self.book.sequence}"
        return Entry(key, kind, on or self.today, NOON, "because", sale_id)

    def earn(self, units: int, sale: int = 1, expires: int | None = None, since: int = 0) -> Lot:
        expires_on = None if expires is None else day(expires)
        entry = self.entry(Kind.EARN, sale, day(since))
        self.book.earn(self.journal, entry, units, expires_on)
        return self.book.lots[-1]

    def take_back(self, units: int, sale: int = 1, shortfall: Shortfall = Shortfall.DEBT) -> None:
        entry = self.entry(Kind.REVERSAL, sale)
        self.book.take_back(self.journal, entry, units, [sale], shortfall, self.today)

    def redeem(self, units: int) -> list[tuple[int, int]]:
        """Spend points; return from which lots."""
        before = len(self.journal.allocations)
        self.book.redeem(self.journal, self.entry(Kind.REDEEM), units, self.today)
        drawn = self.journal.allocations[before:]
        return [(row["lot_id"], -row["points"]) for row in drawn]

    def give_back(self, taken: list[tuple[int, int]]) -> None:
        self.book.give_back(self.journal, self.entry(Kind.RETURN), taken)

    def expire(self, lot: Lot) -> None:
        self.book.expire(self.journal, self.entry(Kind.EXPIRE), lot)

    def adjust(self, units: int) -> None:
        self.book.adjust(self.journal, self.entry(Kind.ADJUST), units, None, self.today)

    def unforgive(self, units: int, sale: int = 1) -> None:
        self.book.unforgive(self.journal, self.entry(Kind.EARN, sale), units)

    def restore(self, units: int, taken: list[tuple[int, int]], expires: int | None = None) -> None:
        expires_on = None if expires is None else day(expires)
        entry = self.entry(Kind.EARN, 9)
        self.book.restore(self.journal, entry, units, taken, expires_on)

    @property
    def kinds(self) -> list[tuple[str, int]]:
        return [(row["kind"], row["points"]) for row in self.journal.postings]

    @property
    def left(self) -> list[int]:
        return [lot.remaining for lot in self.book.lots]

    def check(self) -> None:
        """Hold the book against its own rows, as verify does."""
        book, journal = self.book, self.journal
        assert book.balance == sum(row["points"] for row in journal.postings)
        assert book.balance == sum(self.left) - book.debt
        assert book.debt >= 0
        moved: dict[Any, int] = {}
        by_posting: dict[int, int] = {}
        for row in journal.allocations:
            moved[row["lot_id"]] = moved.get(row["lot_id"], 0) + row["points"]
            by_posting[row["posting_id"]] = by_posting.get(row["posting_id"], 0) + row["points"]
        assert book.debt == -moved.get(None, 0)
        opened = {
            row["posting_id"]: lot for row, lot in zip(journal.lot_rows, journal.lots, strict=True)
        }
        for lot in book.lots:
            assert 0 <= lot.remaining <= lot.points
            assert lot.remaining == lot.points + moved.get(lot.id, 0)
        for number, posting in enumerate(journal.postings, start=1):
            own = opened.get(posting["id"])
            total = (own.points if own else 0) + by_posting.get(posting["id"], 0)
            assert posting["points"] == total, posting
            assert posting["sequence"] == number
        keys = [row["key"] for row in journal.postings]
        assert len(set(keys)) == len(keys)


@pytest.fixture
def account() -> Account:
    return Account()


def test_earning_opens_a_lot(account: Account) -> None:
    lot = account.earn(50, expires=30)
    assert (lot.points, lot.remaining, lot.expires_on) == (50, 50, day(30))
    assert account.book.balance == account.book.available(TODAY) == 50


def test_points_of_tomorrow_are_in_the_balance_and_cannot_be_spent_yet(account: Account) -> None:
    account.earn(50, since=1)
    assert (account.book.balance, account.book.available(TODAY)) == (50, 0)
    assert account.book.available(day(1)) == 50


def test_points_can_be_spent_on_their_last_day_and_not_after(account: Account) -> None:
    account.earn(50, expires=0)
    assert account.book.available(TODAY) == 50
    assert account.book.available(day(1)) == 0


def test_spending_takes_what_expires_soonest_then_what_is_oldest(account: Account) -> None:
    never = account.earn(10, since=-9)
    late = account.earn(10, expires=60)
    soon = account.earn(10, expires=30, since=-1)
    sooner_opened = account.earn(10, expires=30, since=-2)
    drawn = account.redeem(35)
    assert drawn == [(sooner_opened.id, 10), (soon.id, 10), (late.id, 10), (never.id, 5)]
    account.check()


def test_nobody_can_spend_more_than_is_available(account: Account) -> None:
    account.earn(50)
    account.earn(50, since=1)
    with pytest.raises(NotEnoughPoints):
        account.redeem(51)
    assert account.kinds == [("earn", 50), ("earn", 50)]


def test_unspent_points_given_back_go_to_their_own_lots(account: Account) -> None:
    soon, late = account.earn(10, expires=1), account.earn(10, expires=9)
    taken = account.redeem(15)
    account.give_back(taken)
    assert (soon.remaining, late.remaining) == (10, 10)
    assert account.kinds[-1] == ("return", 15)
    account.check()


def test_points_given_back_settle_debt_first(account: Account) -> None:
    account.earn(100, expires=5)
    taken = account.redeem(100)
    account.take_back(100)
    assert account.book.debt == 100
    account.give_back(taken)
    assert (account.book.balance, account.book.debt, account.left) == (0, 0, [0])
    account.check()


def test_taking_back_draws_on_the_sales_own_lot_first(account: Account) -> None:
    own, other = account.earn(50, sale=1, expires=90), account.earn(50, sale=2, expires=1)
    account.take_back(20, sale=1)
    assert (own.remaining, other.remaining) == (30, 50)
    account.check()


def test_then_on_other_lots_soonest_expiry_first(account: Account) -> None:
    account.earn(50, sale=1, expires=1)
    account.redeem(50)
    late, soon = account.earn(50, sale=2, expires=9), account.earn(50, sale=3, expires=3)
    account.take_back(60, sale=1)
    assert (late.remaining, soon.remaining) == (40, 0)
    account.check()


def test_what_is_missing_becomes_debt_that_later_points_settle(account: Account) -> None:
    account.earn(50, sale=1)
    account.redeem(50)
    account.take_back(50, sale=1)
    assert (account.book.balance, account.book.debt, account.book.available(TODAY)) == (-50, 50, 0)
    lot = account.earn(80, sale=2)
    assert (lot.remaining, account.book.debt, account.book.balance) == (30, 0, 30)
    account.check()


def test_a_small_earning_settles_debt_in_part(account: Account) -> None:
    account.take_back(50, sale=1)
    account.earn(20, sale=2)
    assert (account.book.debt, account.left) == (30, [0])
    account.check()


def test_with_clamp_what_is_missing_is_forgiven_by_a_posting_of_its_own(account: Account) -> None:
    account.earn(50, sale=1)
    account.redeem(30)
    account.take_back(50, sale=1, shortfall=Shortfall.CLAMP)
    assert account.kinds[2:] == [("reversal", -50), ("adjust", 30)]
    assert (account.book.balance, account.book.debt) == (0, 0)
    account.check()


def test_points_of_other_sales_that_wait_or_have_lapsed_are_not_taken(account: Account) -> None:
    waiting, lapsed = account.earn(10, sale=2, since=5), account.earn(10, sale=3, expires=-1)
    account.take_back(20, sale=1)
    assert (waiting.remaining, lapsed.remaining, account.book.debt) == (10, 10, 20)
    account.check()


def test_a_sales_own_points_are_taken_though_they_wait_or_have_lapsed(account: Account) -> None:
    account.earn(10, sale=1, since=5)
    account.earn(10, sale=1, expires=-1)
    account.take_back(20, sale=1)
    assert (account.left, account.book.debt) == ([0, 0], 0)


def test_points_that_expired_before_they_were_taken_back_do_not_count_twice(
    account: Account,
) -> None:
    lot = account.earn(50, sale=1, expires=-1)
    account.expire(lot)
    account.take_back(50, sale=1)
    assert account.kinds == [("earn", 50), ("expire", -50), ("expire", 50), ("reversal", -50)]
    assert (account.book.balance, account.book.debt) == (0, 0)
    account.check()


def test_only_as_much_expiry_is_undone_as_is_missing(account: Account) -> None:
    lot = account.earn(50, sale=1, expires=-1)
    account.expire(lot)
    account.take_back(20, sale=1)
    assert account.kinds[2:] == [("expire", 20), ("reversal", -20)]
    assert lot.lapsed == 30
    account.take_back(30, sale=1)
    assert (lot.lapsed, account.book.balance, account.book.debt) == (0, 0, 0)
    account.check()


def test_an_expired_part_and_a_spent_part_are_told_apart(account: Account) -> None:
    lot = account.earn(50, sale=1, expires=0)
    account.redeem(20)
    account.expire(lot)
    account.take_back(50, sale=1)
    assert (account.book.balance, account.book.debt) == (-20, 20)
    account.check()


def test_a_forgiveness_is_taken_back_with_what_it_forgave(account: Account) -> None:
    account.earn(50, sale=1)
    account.redeem(30)
    account.take_back(50, sale=1, shortfall=Shortfall.CLAMP)
    account.unforgive(30)
    account.earn(50, sale=1)
    assert (account.book.balance, account.book.debt) == (20, 0)
    account.check()


def test_what_a_return_took_goes_back_to_the_lots_it_was_taken_from(account: Account) -> None:
    own, other = account.earn(10, sale=1, expires=1), account.earn(50, sale=2, expires=9)
    account.take_back(30, sale=1)
    account.restore(30, [(other.id, 20), (own.id, 10)])
    assert (own.remaining, other.remaining) == (10, 50)
    assert len(account.book.lots) == 2
    account.check()


def test_a_part_goes_back_where_it_was_taken_last(account: Account) -> None:
    own, other = account.earn(10, sale=1), account.earn(50, sale=2)
    account.take_back(30, sale=1)
    account.restore(25, [(other.id, 20), (own.id, 10)])
    assert (own.remaining, other.remaining) == (5, 50)
    account.check()


def test_a_debt_that_was_settled_meanwhile_comes_back_as_points_with_an_end(
    account: Account,
) -> None:
    account.take_back(30, sale=1)
    account.earn(50, sale=2, expires=9)
    account.restore(30, [], expires=20)
    lot = account.book.lots[-1]
    assert (lot.points, lot.expires_on, account.book.balance) == (30, day(20), 50)
    account.check()


def test_restoring_settles_debt_before_it_refills(account: Account) -> None:
    own = account.earn(10, sale=1)
    account.take_back(30, sale=1)
    account.restore(30, [(own.id, 10)])
    assert (account.book.debt, own.remaining, account.book.balance) == (0, 10, 10)
    account.check()


def test_an_adjustment_upwards_is_a_lot_and_downwards_may_leave_debt(account: Account) -> None:
    account.adjust(10)
    account.adjust(-25)
    assert (account.book.balance, account.book.debt, account.left) == (-15, 15, [0])
    account.check()


def test_a_lot_can_never_be_overdrawn_or_overfilled(account: Account) -> None:
    lot = account.earn(10)
    with pytest.raises(LedgerError, match="would hold -1 of 10"):
        account.journal.allocate(account.book, 1, lot, -11)
    lot.remaining = 10
    with pytest.raises(LedgerError, match="would hold 11 of 10"):
        account.journal.allocate(account.book, 1, lot, 1)


def test_a_long_reason_is_cut_to_what_the_column_holds(account: Account) -> None:
    entry = Entry("k", Kind.EARN, TODAY, NOON, "x" * 400)
    account.book.earn(account.journal, entry, 1, None)
    assert len(account.journal.postings[0]["reason"]) == 255


amounts = st.integers(1, 60)
steps = st.one_of(
    st.tuples(st.just("earn"), amounts, st.integers(1, 4), st.none() | st.integers(-1, 5)),
    st.tuples(st.just("take_back"), amounts, st.integers(1, 4), st.sampled_from(Shortfall)),
    st.tuples(st.just("redeem"), amounts),
    st.tuples(st.just("give_back"), st.integers(0, 5)),
    st.tuples(st.just("adjust"), st.integers(-60, 60).filter(bool)),
    st.tuples(st.just("sweep"), st.integers(1, 3)),
)


@dataclass
class Life:
    """A member's life: what random movements do to an account, within what sales hold."""

    account: Account = field(default_factory=Account)
    held: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(1, 5), 0))
    redeemed: list[list[tuple[int, int]]] = field(default_factory=list)

    def earn(self, units: int, sale: int, expires: int | None) -> None:
        self.account.earn(units, sale, expires)
        self.held[sale] += units

    def take_back(self, units: int, sale: int, shortfall: Shortfall) -> None:
        units = min(units, self.held[sale])
        if units:
            self.account.take_back(units, sale, shortfall)
            self.held[sale] -= units

    def redeem(self, units: int) -> None:
        if units <= self.account.book.available(self.account.today):
            self.redeemed.append(self.account.redeem(units))

    def give_back(self, which: int) -> None:
        if self.redeemed:
            self.account.give_back(self.redeemed.pop(which % len(self.redeemed)))

    def adjust(self, units: int) -> None:
        self.account.adjust(units)

    def sweep(self, days: int) -> None:
        self.account.today += timedelta(days=days)
        for lot in self.account.book.lots:
            if lot.remaining and lot.expires_on and lot.expires_on < self.account.today:
                self.account.expire(lot)


@settings(max_examples=300)
@given(movements=st.lists(steps, max_size=25))
def test_whatever_happens_the_books_balance(movements: list[tuple[Any, ...]]) -> None:
    life = Life()
    for name, *arguments in movements:
        getattr(life, name)(*arguments)
        life.account.check()
    of_sales = [units for kind, units in life.account.kinds if kind in SALE_KINDS]
    assert sum(of_sales) == sum(life.held.values())
