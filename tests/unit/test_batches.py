"""Batches: opening balances, transfers, merges by hand, and undoing each of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from sqlalchemy import Engine

from builders import credit_note, customer, sale
from dolisync.errors import NotFound, UserError
from dolisync.ledger import batches
from dolisync.ledger.book import NotEnoughPoints
from dolisync.ledger.engine import open_engine, reading, write
from dolisync.sync import merge_by_hand as by_hand
from dolisync.sync import opening, transfer, undo
from dolisync.sync.discounts import follow_discounts
from dolisync.sync.judge import Showing
from dolisync.sync.opening import Opening, OpeningList
from tests.examples import by_default_and_long
from tests.fakes import reward
from tests.unit.test_merge import KEPT, OLD, Merging, merging

SHOWING = {"shop": Showing()}


@pytest.fixture
def place(ledger_engine: Engine) -> Merging:
    return merging(ledger_engine)


def give(place: Merging, units: int, token: str = "B-GIVE", giver: int = 7, taker: int = 8) -> None:
    shop = place.shop
    wish = transfer.Wish(shop.programs[0], customer(giver), customer(taker), units, "a present")
    transfer.transfer(shop.engine, shop.clock, wish, token=token, showing=SHOWING)


def take_back(place: Merging, token: str = "B-GIVE", **more: Any) -> undo.Undone:
    shop = place.shop
    return undo.undo(shop.engine, shop.clock, shop.rules, token, **more)


def lots_of(place: Merging, rowid: int) -> list[tuple[int, date, date | None]]:
    lots = place.shop.view(rowid).lots
    return [(lot.remaining, lot.available_from, lot.expires_on) for lot in lots]


# --- transfer ------------------------------------------------------------------------------------


def test_a_transfer_takes_the_soonest_points_with_their_dates(ledger_engine: Engine) -> None:
    place = merging(ledger_engine, validity={"months": 2})
    place.shop.put(sale(1, 30, day=date(2026, 11, 1)), sale(2, 20))
    give(place, 40)
    assert place.balances() == (10, 40)
    assert lots_of(place, KEPT) == [
        (30, date(2026, 11, 1), date(2027, 1, 1)),
        (10, date(2026, 11, 20), date(2027, 1, 20)),
    ]
    assert "from customer 7: a present" in {move.reason for move in place.shop.postings(KEPT)}


def test_more_than_is_available_cannot_be_given(place: Merging) -> None:
    place.shop.put(sale(1, 30))
    with pytest.raises(NotEnoughPoints, match="31 points cannot be given: 30 are available"):
        give(place, 31)
    with pytest.raises(UserError, match="cannot give points to himself"):
        give(place, 1, taker=7)
    assert place.balances() == (30, 0)


def test_a_transfer_whose_answer_was_lost_happens_once(place: Merging) -> None:
    place.shop.put(sale(1, 30))
    give(place, 10)
    give(place, 10)
    assert place.balances() == (20, 10)


def test_a_transfer_settles_the_takers_debt(place: Merging) -> None:
    place.shop.put(sale(1, 50), sale(2, 100, buyer=KEPT))
    place.shop.redeem("DS-A", KEPT)
    place.shop.put(credit_note(3, 100, 2, buyer=KEPT))
    give(place, 30)
    assert (place.shop.view(KEPT).debt, place.shop.balance(KEPT)) == (70, -70)
    take_back(place)
    assert (place.shop.view(KEPT).debt, place.balances()) == (100, (50, -100))


def test_an_undone_transfer_leaves_all_as_it_was(ledger_engine: Engine) -> None:
    place = merging(ledger_engine, validity={"months": 2})
    place.shop.put(sale(1, 30, day=date(2026, 11, 1)), sale(2, 20))
    before = lots_of(place, OLD)
    give(place, 40)
    undone = take_back(place)
    assert place.balances() == (50, 0)
    assert (lots_of(place, OLD), lots_of(place, KEPT)) == (before, [])
    assert [(c.customer.rowid, c.units, c.lacking) for c in undone.changes] == [
        (KEPT, -40, 0),
        (OLD, 40, 0),
    ]


@pytest.mark.parametrize(
    ("shortfall", "balances"), [("debt", (100, -100)), ("clamp", (0, 0))], ids=str
)
def test_given_points_that_were_spent(
    ledger_engine: Engine, shortfall: str, balances: tuple[int, int]
) -> None:
    place = merging(ledger_engine, returns={"shortfall": shortfall})
    place.shop.put(sale(1, 100))
    give(place, 100)
    place.shop.redeem("DS-A", KEPT)
    undone = take_back(place)
    assert place.balances() == balances
    assert undone.changes[0].lacking == 100


def test_given_points_that_expired_come_back_expired(ledger_engine: Engine) -> None:
    place = merging(ledger_engine, validity={"months": 1})
    place.shop.put(sale(1, 30))
    give(place, 30)
    place.shop.clock.moment += timedelta(days=60)
    place.shop.expire()
    take_back(place)
    assert (place.balances(), place.shop.view(OLD).available) == ((30, 0), 0)
    place.shop.expire()
    assert place.balances() == (0, 0)


def test_nothing_is_undone_twice(place: Merging) -> None:
    place.shop.put(sale(1, 30))
    give(place, 10)
    take_back(place)
    with pytest.raises(UserError, match="B-GIVE was undone already, on 2026-11-20"):
        take_back(place)
    with pytest.raises(NotFound, match="no batch is called B-NOT"):
        take_back(place, "B-NOT")
    with pytest.raises(NotFound):
        undo.plan(place.shop.engine, place.shop.clock, place.shop.rules, "B-NOT")


def test_a_plan_changes_nothing(place: Merging) -> None:
    place.shop.put(sale(1, 30))
    give(place, 10)
    planned = undo.plan(place.shop.engine, place.shop.clock, place.shop.rules, "B-GIVE")
    assert place.balances() == (20, 10)
    assert planned.changes == take_back(place).changes


def test_what_a_merge_carried_away_is_undone_after_the_merge(place: Merging) -> None:
    place.shop.put(sale(1, 30), sale(2, 5, buyer=KEPT), sale(3, 7, buyer=9))
    give(place, 10)
    place.merge(old=KEPT, into=9)
    with pytest.raises(UserError, match="went along when customer 8 merged into 9") as refused:
        take_back(place)
    take_back(place, refused.value.remedy.rpartition(" ")[2])
    take_back(place)
    assert place.balances() == (30, 5)


# --- opening balances ----------------------------------------------------------------------------


def opening_list(place: Merging, *openings: Opening, digest: str = "abc") -> OpeningList:
    return OpeningList(place.shop.programs[0], "old.csv", digest, openings)


def begin(rowid: int, units: int, line: int, expires_on: date | None = None) -> Opening:
    return Opening(line, customer(rowid), units, expires_on, "from the old cards")


def book(place: Merging, wanted: OpeningList, token: str = "B-OPEN") -> None:
    shop = place.shop
    opening.run(
        shop.engine,
        shop.clock,
        wanted,
        token=token,
        showing=Showing(),
        progress=lambda _done: None,
    )


def test_members_begin_with_what_they_bring(ledger_engine: Engine) -> None:
    place = merging(ledger_engine, validity={"months": 12})
    place.shop.put(sale(1, 5))
    book(place, opening_list(place, begin(OLD, 100, 2), begin(KEPT, 40, 3, date(2027, 1, 31))))
    assert place.balances() == (105, 40)
    assert lots_of(place, KEPT) == [(40, date(2026, 11, 20), date(2027, 1, 31))]
    assert date(2027, 11, 20) in {day for _, _, day in lots_of(place, OLD)}
    assert place.shop.view(OLD).earned == 5
    assert [move.kind for move in place.shop.postings(KEPT)] == ["opening"]


def test_a_list_imported_twice_is_refused(place: Merging) -> None:
    wanted = opening_list(place, begin(OLD, 100, 2))
    book(place, wanted)
    with pytest.raises(UserError, match="booked already, on 2026-11-20") as refused:
        book(place, wanted, "B-AGAIN")
    assert refused.value.remedy.startswith("dolisync undo B-OPEN")
    assert place.balances() == (100, 0)
    take_back(place, "B-OPEN")
    book(place, wanted, "B-AGAIN")
    assert place.balances() == (100, 0)


def test_a_list_that_was_stopped_goes_on_where_it_was(
    place: Merging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "PAGE", 1)
    wanted = opening_list(place, begin(OLD, 100, 2), begin(KEPT, 40, 3))
    stopped = opening_list(place, begin(OLD, 100, 2))
    write(place.shop.engine, lambda c: opening._begin(c, place.shop.clock, wanted, "B-OPEN"))
    with reading(place.shop.engine) as connection:
        (batch,) = batches.listed(connection)
    for _ in range(2):
        write(
            place.shop.engine,
            lambda c: opening._book(
                c, place.shop.clock, wanted.program, batch, stopped.openings, Showing()
            ),
        )
    book(place, wanted, "B-OTHER")
    assert place.balances() == (100, 40)
    with reading(place.shop.engine) as connection:
        assert [(b.token, b.state) for b in batches.listed(connection)] == [("B-OPEN", "done")]


def test_undoing_opening_balances_takes_what_is_left(place: Merging) -> None:
    book(place, opening_list(place, begin(OLD, 150, 2), begin(KEPT, 40, 3)))
    place.shop.redeem("DS-A", OLD)
    undone = take_back(place, "B-OPEN")
    assert place.balances() == (-100, 0)
    assert sorted((c.customer.rowid, c.units, c.lacking) for c in undone.changes) == [
        (OLD, -150, 100),
        (KEPT, -40, 0),
    ]


# --- merges by hand, and undone ------------------------------------------------------------------


def merge_by_hand(place: Merging, old: int = OLD, into: int = KEPT, token: str = "B-HAND") -> None:
    shop, who = place.shop, (customer(old), customer(into))
    by_hand.merge_by_hand(
        shop.engine, shop.clock, shop.rules, *who, token=token, reason="the same person"
    )


def merged_token(place: Merging) -> str:
    with reading(place.shop.engine) as connection:
        return batches.listed(connection, batches.BatchKind.MERGE)[0].token


def test_a_customer_without_sales_is_merged_by_hand(place: Merging) -> None:
    place.shop.adjust(60, OLD)
    place.people.there.discard(OLD)
    merge_by_hand(place)
    assert place.balances() == (0, 60)
    take_back(place, "B-HAND")
    assert place.balances() == (60, 0)


def test_sales_merged_by_hand_stay_there_whatever_dolibarr_says(place: Merging) -> None:
    first = place.shop.put(sale(1, 30), sale(2, 20, buyer=KEPT))
    merge_by_hand(place)
    assert place.balances() == (0, 50)
    place.shop.put(sale(1, 35))
    assert place.balances() == (0, 55)
    place.shop.reconcile()
    assert place.balances() == (0, 55)
    place.shop.put(credit_note(3, 35, 1))
    assert place.balances() == (0, 20)
    # Given to a third one in Dolibarr, it follows.
    place.shop.put(sale(1, 35, buyer=9))
    assert place.shop.balance(9) == 35
    assert first is not None


def test_an_undone_merge_gives_the_account_back(ledger_engine: Engine) -> None:
    place = merging(ledger_engine, validity={"months": 2})
    place.shop.put(sale(1, 100, day=date(2026, 11, 1)), sale(2, 20), sale(3, 5, buyer=KEPT))
    place.shop.redeem("DS-A")
    place.shop.publish()
    before = lots_of(place, OLD)
    place.merge()
    assert place.balances() == (0, 25)
    take_back(place, merged_token(place))
    assert place.balances() == (20, 5)
    assert lots_of(place, OLD) == before
    assert place.shop.view(OLD).redeemed == 100
    place.shop.sink.discounts.clear()
    follow_discounts(place.shop.publisher, place.shop.sink)
    assert place.balances() == (120, 5)


def test_after_an_undone_merge_the_sales_stay_where_they_are(place: Merging) -> None:
    place.shop.put(sale(1, 30), sale(2, 5, buyer=KEPT))
    place.merge()
    take_back(place, merged_token(place))
    # Dolibarr still names the kept one on the old one's sales, and on what becomes of them.
    place.shop.poll()
    place.shop.put(sale(1, 40, buyer=KEPT))
    assert place.balances() == (40, 5)
    place.shop.put(credit_note(3, 10, 1, buyer=KEPT))
    assert place.balances() == (30, 5)
    place.shop.reconcile()
    assert place.balances() == (30, 5)
    place.shop.source.remove(3)
    place.shop.reconcile()
    assert place.balances() == (40, 5)


def test_after_an_undone_merge_dolibarr_is_followed_again(place: Merging) -> None:
    place.shop.put(sale(1, 30), sale(2, 20), sale(3, 5, buyer=KEPT))
    place.merge()
    take_back(place, merged_token(place))
    place.shop.put(sale(1, 30, buyer=9))
    assert (place.balances(), place.shop.balance(9)) == ((20, 5), 30)


def test_the_kept_one_merged_again_does_not_take_the_old_one_along(place: Merging) -> None:
    place.shop.put(sale(1, 30), sale(2, 5, buyer=KEPT), sale(3, 7, buyer=9))
    place.merge()
    take_back(place, merged_token(place))
    place.merge(old=KEPT, into=9)
    assert (place.balances(), place.shop.balance(9)) == ((30, 0), 12)
    place.shop.put(sale(1, 31, buyer=9))
    assert (place.balances(), place.shop.balance(9)) == ((31, 0), 12)


def test_an_account_may_go_back_to_a_new_customer(place: Merging) -> None:
    place.shop.put(sale(1, 30), sale(2, 5, buyer=KEPT))
    place.merge()
    take_back(place, merged_token(place), home=customer(9))
    assert (place.balances(), place.shop.balance(9)) == ((0, 5), 30)


@pytest.mark.parametrize(("shortfall", "debt"), [("debt", 95), ("clamp", 0)])
def test_what_was_spent_since_a_merge_stays_the_kept_ones(
    ledger_engine: Engine, shortfall: str, debt: int
) -> None:
    place = merging(ledger_engine, returns={"shortfall": shortfall})
    place.shop.put(sale(1, 100), sale(2, 5, buyer=KEPT))
    place.merge()
    place.shop.redeem("DS-A", KEPT)
    undone = take_back(place, merged_token(place))
    assert place.balances() == (100, -debt)
    assert [change.lacking for change in undone.changes] == [95, 0]


def test_debts_settled_by_a_merge_are_debts_again(place: Merging) -> None:
    place.shop.put(sale(1, 100), sale(3, 170, buyer=KEPT))
    place.shop.redeem("DS-A")
    place.shop.put(credit_note(2, 100, 1))
    place.merge()
    assert (place.balances(), place.shop.view(KEPT).debt) == ((0, 70), 0)
    take_back(place, merged_token(place))
    assert place.balances() == (-100, 170)
    assert (place.shop.view(OLD).debt, place.shop.view(KEPT).debt) == (100, 0)


def test_a_debt_settled_with_the_old_ones_points_is_the_kept_ones_again(place: Merging) -> None:
    place.shop.put(sale(1, 150), sale(2, 100, buyer=KEPT))
    place.shop.redeem("DS-A", KEPT)
    place.shop.put(credit_note(3, 100, 2, buyer=KEPT))
    place.merge()
    assert place.balances() == (0, 50)
    take_back(place, merged_token(place))
    assert place.balances() == (150, -100)
    assert (place.shop.view(OLD).available, place.shop.view(KEPT).debt) == (150, 100)


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["sell", "sell", "return", "redeem", "days", "adjust", "edit"]),
        st.integers(1, 120),
        st.sampled_from([OLD, KEPT]),
    ),
    max_size=7,
)


def _act(place: Merging, number: int, what: str, amount: int, who: int) -> None:
    shop = place.shop
    named = KEPT if OLD not in place.people.there else who
    mine = [s for s in shop.source.sales.values() if s.customer.rowid == named and s.origin is None]
    if what == "sell":
        shop.put(sale(number, amount, buyer=named))
    elif what == "return" and mine:
        part = min(amount, int(mine[-1].total_incl))
        if part > 0:
            shop.put(credit_note(number, part, mine[-1].key.rowid, buyer=named))
    elif what == "edit" and mine:
        shop.put(replace(sale(mine[0].key.rowid, amount, buyer=named)))
    elif what == "redeem" and shop.view(who).available >= 40:
        shop.redeem(f"DS-{number}", who)
    elif what == "adjust":
        shop.adjust(amount, who)
    elif what == "days":
        shop.clock.moment += timedelta(days=amount // 4)
        shop.expire()
    assert shop.parked() == []


@by_default_and_long(4, 10, before=ACTS, since=ACTS, clamp=st.booleans())
def test_any_life_before_and_since_a_merge_can_be_undone(
    tmp_path_factory: pytest.TempPathFactory,
    sqlite_template: Any,
    before: Any,
    since: Any,
    clamp: Any,
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    path.write_bytes(sqlite_template.read_bytes())
    engine = open_engine(f"sqlite:///{path}")
    shortfall = "clamp" if clamp else "debt"
    place = merging(
        engine, validity={"months": 1}, reward=[reward(40)], returns={"shortfall": shortfall}
    )
    place.shop.put(sale(1, 10), sale(2, 10, buyer=KEPT))
    for number, act in enumerate(before, start=10):
        _act(place, number, *act)
    was = (place.balances(), lots_of(place, OLD), lots_of(place, KEPT))
    place.merge()
    assert sum(place.balances()) == sum(was[0])
    for number, act in enumerate(since, start=50):
        _act(place, number, act[0], act[1], KEPT)
    total = sum(place.balances())
    undone = take_back(place, merged_token(place))
    if not since:
        assert (place.balances(), lots_of(place, OLD), lots_of(place, KEPT)) == was
    forgiven = sum(change.lacking for change in undone.changes) if clamp else 0
    assert sum(place.balances()) == total + forgiven
    place.shop.reconcile()
    place.balances()
    engine.dispose()
