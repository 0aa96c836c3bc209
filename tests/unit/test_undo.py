"""Undoing batches: what stands afterwards is what stood before, however the accounts went on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from sqlalchemy import Engine

from builders import credit_note, customer, line, sale
from dolisync.errors import UserError
from dolisync.ledger import batches
from dolisync.ledger.engine import open_engine, reading
from dolisync.model import DiscountKind
from dolisync.sync import opening
from dolisync.sync.explain import explain
from tests.examples import by_default_and_long
from tests.fakes import reward
from tests.unit.test_batches import (
    begin,
    book,
    give,
    lots_of,
    merge_by_hand,
    merged_token,
    opening_list,
    take_back,
)
from tests.unit.test_merge import KEPT, OLD, Merging, merging


@pytest.fixture
def place(ledger_engine: Engine) -> Merging:
    return merging(ledger_engine)


def months_later(place: Merging) -> None:
    place.shop.clock.moment += timedelta(days=60)


# --- debts that were settled -----------------------------------------------------------------


@pytest.mark.parametrize("shortfall", ["debt", "clamp"])
def test_debt_settled_by_an_opening_balance_is_debt_again(
    ledger_engine: Engine, shortfall: str
) -> None:
    place = merging(ledger_engine, returns={"shortfall": shortfall})
    place.shop.adjust(-30, OLD, into_debt=True)
    book(place, opening_list(place, begin(OLD, 100, 2)))
    assert (place.balances(), place.shop.view(OLD).debt) == ((70, 0), 0)
    (change,) = take_back(place, "B-OPEN").changes
    assert (place.balances(), place.shop.view(OLD).debt, change.lacking) == ((-30, 0), 30, 0)


@pytest.mark.parametrize("shortfall", ["debt", "clamp"])
def test_debt_settled_by_a_transfer_is_debt_again(ledger_engine: Engine, shortfall: str) -> None:
    place = merging(ledger_engine, returns={"shortfall": shortfall})
    place.shop.put(sale(1, 100))
    place.shop.adjust(-30, KEPT, into_debt=True)
    give(place, 100)
    assert place.balances() == (0, 70)
    take_back(place)
    assert place.balances() == (100, -30)


# --- accounts that moved meanwhile -----------------------------------------------------------


def test_points_that_expired_after_a_merge_and_its_undoing_do_not_count_twice(
    ledger_engine: Engine,
) -> None:
    place = merging(ledger_engine, validity={"months": 1})
    place.shop.put(sale(1, 30), sale(2, 5, buyer=KEPT))
    book(place, opening_list(place, begin(OLD, 100, 2)))
    place.merge()
    take_back(place, merged_token(place))
    months_later(place)
    place.shop.put(sale(5, 200, buyer=OLD, day=place.shop.today))
    place.shop.expire()
    take_back(place, "B-OPEN")
    assert place.balances() == (200, 0)


def test_what_went_back_to_a_new_customer_is_taken_from_him(place: Merging) -> None:
    place.shop.put(sale(1, 30), sale(2, 5, buyer=KEPT), sale(3, 1, buyer=9))
    book(place, opening_list(place, begin(OLD, 100, 2)))
    give(place, 20)
    place.merge()
    take_back(place, merged_token(place), home=customer(9))
    assert (place.balances(), place.shop.balance(9)) == ((0, 25), 111)
    take_back(place)
    assert (place.balances(), place.shop.balance(9)) == ((0, 5), 131)
    take_back(place, "B-OPEN")
    assert (place.balances(), place.shop.balance(9)) == ((0, 5), 31)


def test_what_a_new_customer_got_back_is_buried_when_he_is_merged(place: Merging) -> None:
    place.shop.put(sale(1, 30), sale(2, 5, buyer=KEPT), sale(3, 1, buyer=9))
    book(place, opening_list(place, begin(OLD, 100, 2)))
    place.merge()
    take_back(place, merged_token(place), home=customer(9))
    merge_by_hand(place, 9, KEPT)
    with pytest.raises(UserError, match="went along when customer 9 merged into 8"):
        take_back(place, "B-OPEN")


def test_points_of_another_given_away_come_back_as_the_givers_own(ledger_engine: Engine) -> None:
    place = merging(ledger_engine, validity={"months": 2})
    place.shop.put(sale(1, 30, day=date(2026, 11, 1)), sale(2, 50, buyer=KEPT))
    place.merge()
    give(place, 40, giver=KEPT, taker=9)
    take_back(place, merged_token(place))
    assert (place.balances(), place.shop.balance(9)) == ((30, 10), 40)
    take_back(place)
    assert (place.balances(), place.shop.balance(9)) == ((30, 50), 0)
    assert place.shop.view(KEPT).available == 50


def test_a_merge_of_the_old_one_again_leaves_the_first_to_be_undone(place: Merging) -> None:
    place.shop.put(sale(1, 100), sale(2, 5, buyer=KEPT))
    place.shop.redeem("DS-A")
    place.merge()
    first = merged_token(place)
    place.people.there.add(OLD)
    place.shop.put(sale(4, 7))
    place.merge(OLD, 9)
    take_back(place, first)
    assert (place.balances(), place.shop.balance(9)) == ((0, 5), 7)


def test_an_account_cannot_go_back_to_where_it_is(place: Merging) -> None:
    place.shop.put(sale(1, 30), sale(2, 5, buyer=KEPT))
    give(place, 3)
    place.merge()
    with pytest.raises(UserError, match="what was merged into customer 8 cannot go to 8"):
        take_back(place, merged_token(place), home=customer(KEPT))
    with pytest.raises(UserError, match="B-GIVE is no merge"):
        take_back(place, home=customer(9))
    assert place.balances() == (0, 35)


@pytest.mark.parametrize("home", [None, 9])
def test_merged_a_second_time_after_it_was_undone(place: Merging, home: int | None) -> None:
    place.shop.put(sale(1, 30), sale(2, 5, buyer=KEPT))
    place.merge()
    take_back(place, merged_token(place), home=customer(home) if home else None)
    old = home or OLD
    merge_by_hand(place, old, KEPT)
    assert (place.shop.balance(old), place.balances()[1]) == (0, 35)
    place.shop.reconcile()
    place.shop.put(sale(1, 31, buyer=KEPT))
    assert place.balances()[1] == 36
    take_back(place, "B-HAND")
    assert (place.shop.balance(old), place.balances()[1]) == (31, 5)


def test_a_sale_kept_elsewhere_is_explained(place: Merging) -> None:
    place.shop.put(sale(1, 30), sale(2, 5, buyer=KEPT))
    place.merge()
    take_back(place, merged_token(place))
    with reading(place.shop.engine) as connection:
        now, rules = place.shop.clock.now(), place.shop.rules
        ((told,),) = explain(connection, now, rules, [sale(1).key])
        ((live,),) = explain(connection, now, rules, [sale(1).key], [sale(1, 30, buyer=KEPT)])
    for one in (told, live):
        assert (one.sale.customer, one.named_customer) == (customer(OLD), KEPT)
        assert not one.differs


def test_points_that_came_back_late_and_expired_again_are_no_ones_debt(
    ledger_engine: Engine,
) -> None:
    terms = {"validity": {"months": 1}, "returns": {"past_lots_days": 10}}
    place = merging(ledger_engine, **terms)
    place.shop.put(sale(1, 100), sale(3, 5, buyer=KEPT))
    place.shop.redeem("DS-A")
    off = line(-5, None, rowid=9, text="x DS-A", discount=DiscountKind.FIXED)
    place.shop.put(sale(2, lines=[line(5, 1, rowid=8), off]))
    place.merge()
    months_later(place)
    place.shop.expire()
    place.shop.put(credit_note(4, 5, 2, buyer=KEPT, day=place.shop.today))
    assert place.balances() == (0, 100)
    months_later(place)
    place.shop.expire()
    undone = take_back(place, merged_token(place))
    assert not any(change.lacking for change in undone.changes)
    assert (place.balances(), place.shop.view(OLD).expired) == ((0, 0), 100)


@pytest.mark.parametrize("months", [0, 2])
def test_merges_one_upon_the_other_are_undone_one_after_the_other(
    ledger_engine: Engine, months: int
) -> None:
    place = merging(ledger_engine, validity={"months": 1})
    place.shop.put(sale(1, 30), sale(2, 5, buyer=KEPT), sale(3, 1, buyer=9))
    place.shop.adjust(60, OLD)
    place.shop.clock.moment += timedelta(days=5)
    place.shop.adjust(70, KEPT)
    place.shop.adjust(-15, KEPT)
    was = [lots_of(place, who) for who in (OLD, KEPT, 9)]
    place.merge()
    first = merged_token(place)
    place.shop.adjust(-10, KEPT)
    place.shop.adjust(10, KEPT)
    place.merge(KEPT, 9)
    second = merged_token(place)
    with pytest.raises(UserError, match="went along when customer 8 merged into 9"):
        take_back(place, first)
    place.shop.clock.moment += timedelta(days=30 * months)
    place.shop.expire()
    take_back(place, second)
    place.shop.expire()
    undone = take_back(place, first)
    place.shop.expire()
    if months:
        # The kept one had given away ten points of the old one's, and has none left to pay them.
        assert (place.balances(), place.shop.balance(9)) == ((0, -10), 0)
    else:
        assert (place.balances()[0], undone.changes[0].lacking) == (90, 0)
        assert (lots_of(place, OLD), lots_of(place, 9)) == (was[0], was[2])


def test_three_merges_one_upon_the_other(ledger_engine: Engine) -> None:
    place = merging(ledger_engine, validity={"months": 1})
    for who in (OLD, KEPT, 9, 10):
        place.shop.adjust(who, who)
    chain = ((OLD, KEPT), (KEPT, 9), (9, 10))
    for old, into in chain:
        merge_by_hand(place, old, into, f"B-{old}")
    assert place.shop.balance(10) == 34
    months_later(place)
    place.shop.expire()
    for old, _ in reversed(chain):
        undone = take_back(place, f"B-{old}")
        place.shop.expire()
        assert not any(change.lacking for change in undone.changes)
    assert [place.shop.view(who).expired for who in (OLD, KEPT, 9, 10)] == [7, 8, 9, 10]
    assert place.balances() == (0, 0)


def test_lots_are_followed_through_the_merge_that_moved_them(ledger_engine: Engine) -> None:
    place = merging(ledger_engine, validity={"months": 1})
    place.shop.adjust(5, KEPT)
    book(place, opening_list(place, begin(OLD, 100, 2)))
    merge_by_hand(place, token="B-1")
    book(place, opening_list(place, begin(OLD, 50, 2), digest="other"), "B-LATER")
    merge_by_hand(place, token="B-2")
    for token in ("B-2", "B-1"):
        take_back(place, token)
    assert place.balances() == (150, 5)
    months_later(place)
    place.shop.expire()
    place.shop.put(sale(5, 200, day=place.shop.today))
    take_back(place, "B-OPEN")
    assert place.balances() == (200, 0)


# --- lists -----------------------------------------------------------------------------------


def test_a_list_undone_while_it_is_booked_is_not_booked_on(
    place: Merging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "PAGE", 1)
    shop, wanted = place.shop, opening_list(place, begin(OLD, 100, 2), begin(KEPT, 40, 3))

    def after_a_page(done: int) -> None:
        if done == 1:
            take_back(place, "B-OPEN")

    with pytest.raises(UserError, match="undone meanwhile"):
        opening.run(
            shop.engine,
            shop.clock,
            wanted,
            token="B-OPEN",
            showing=shop.showing,
            progress=after_a_page,
        )
    assert place.balances() == (0, 0)
    book(place, wanted, "B-AGAIN")
    assert place.balances() == (100, 40)


def test_batches_say_what_members_have_gained(place: Merging) -> None:
    place.shop.put(sale(1, 30), sale(2, 5, buyer=KEPT))
    book(place, opening_list(place, begin(OLD, 100, 2), begin(KEPT, 40, 3)))
    give(place, 20)
    place.merge()
    assert gains(place) == {"B-OPEN": 140, "B-GIVE": 20, "merge": 110}
    take_back(place, merged_token(place))
    take_back(place)
    assert gains(place) == {"B-OPEN": 140}


def gains(place: Merging) -> dict[str, int]:
    with reading(place.shop.engine) as connection:
        names = {
            batch.id: "merge" if batch.kind == batches.BatchKind.MERGE else batch.token
            for batch in batches.listed(connection)
        }
        return {
            names[id_]: programs["loyalty"] for id_, programs in batches.gains(connection).items()
        }


# --- undone at once, all is as it was --------------------------------------------------------

LIVES = st.lists(
    st.tuples(
        st.sampled_from(["sell", "redeem", "give", "debt", "days"]),
        st.integers(1, 90),
        st.sampled_from([OLD, KEPT]),
    ),
    max_size=6,
)


def live(place: Merging, number: int, what: str, amount: int, who: int) -> None:
    shop = place.shop
    if what == "sell":
        shop.put(sale(number, amount, buyer=who, day=shop.today))
    elif what == "redeem" and shop.view(who).available >= 40:
        shop.redeem(f"DS-{number}", who)
    elif what == "give":
        shop.adjust(amount, who)
    elif what == "debt":
        shop.adjust(-amount, who, into_debt=True)
    elif what == "days":
        shop.clock.moment += timedelta(days=amount // 3)
        shop.expire()


@pytest.fixture
def new_engine(tmp_path_factory: Any, sqlite_template: Path) -> Iterator[Any]:
    made: list[Engine] = []

    def new() -> Engine:
        path = tmp_path_factory.mktemp("undo") / "ledger.db"
        path.write_bytes(sqlite_template.read_bytes())
        made.append(open_engine(f"sqlite:///{path}"))
        return made[-1]

    yield new
    for engine in made:
        engine.dispose()


@pytest.mark.parametrize("what", ["transfer", "opening", "merge"])
@by_default_and_long(3, 7, life=LIVES, amount=st.integers(1, 120), clamp=st.booleans())
def test_undone_at_once_all_is_as_it_was(
    what: str, life: list[tuple[str, int, int]], amount: int, clamp: bool, new_engine: Any
) -> None:
    place = merging(
        new_engine(),
        validity={"months": 1},
        reward=[reward(40)],
        returns={"shortfall": "clamp" if clamp else "debt"},
    )
    for number, act in enumerate(life, start=10):
        live(place, number, *act)
    place.shop.put(sale(1, 20, day=place.shop.today))
    was = standing(place)
    if what == "transfer":
        units = min(amount, place.shop.view(OLD).available)
        if units == 0:
            return
        give(place, units)
    elif what == "opening":
        book(place, opening_list(place, begin(OLD, amount, 2), begin(KEPT, amount, 3)), "B-GIVE")
    else:
        merge_by_hand(place, token="B-GIVE")
    assert standing(place) != was
    undone = take_back(place)
    assert standing(place) == was
    assert not any(change.lacking for change in undone.changes)


def standing(place: Merging) -> list[Any]:
    assert place.balances()
    views = [place.shop.view(who) for who in (OLD, KEPT)]
    lots = [sorted(lots_of(place, who), key=str) for who in (OLD, KEPT)]
    return [lots, *((view.balance, view.debt, view.available) for view in views)]
