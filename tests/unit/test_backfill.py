"""Backfill: the plan is the deed, it runs beside the daemon, and it can be taken back."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import Engine, select

from builders import credit_note, program, sale
from dolisync.errors import StopRequested, UserError
from dolisync.ledger import batches, scratch, tables
from dolisync.ledger.batches import Batch, BatchState
from dolisync.ledger.engine import reading
from dolisync.model import SaleStatus
from dolisync.program.reasons import Why
from dolisync.sync import backfill, intake
from dolisync.sync.backfill import Outcome, SetAside
from dolisync.sync.explain import explain
from tests.fakes import Shop, reward

START, END = date(2026, 9, 1), date(2026, 11, 1)
TODAY = date(2026, 11, 20)


@pytest.fixture
def shop(ledger_engine: Engine) -> Shop:
    shop = Shop(ledger_engine, programs=(program(reward=[reward(100)], validity={"months": 6}),))
    shop.poll()
    return shop


def past(shop: Shop, *sales: Any) -> None:
    """Put sales of which polling learns nothing: they are older than the cursor."""
    for one in sales:
        shop.source.put(one)
        moved = shop.source.sales[one.key.rowid]
        shop.source.sales[one.key.rowid] = replace(
            moved, changed_at=moved.changed_at - timedelta(days=40)
        )


def history(shop: Shop) -> None:
    past(
        shop,
        sale(1, 100, day=date(2026, 9, 5)),
        sale(2, 50, day=date(2026, 9, 20), buyer=8),
        credit_note(3, 40, 1, day=date(2026, 10, 2)),
        sale(4, 30, day=date(2026, 10, 9)),
    )


def run(shop: Shop, token: str = "B-RUN") -> Outcome:
    return backfill.run(shop.intake, START, END, token=token)


def undo(shop: Shop, batch: Batch) -> SetAside:
    return backfill.undo(shop.engine, shop.clock, shop.rules, batch, lambda _done: None)


def facts(outcome: Outcome) -> tuple[Any, ...]:
    tally = outcome.tally
    members = (outcome.members, outcome.new_members)
    sales = (outcome.months, outcome.changed, outcome.pending)
    return *sales, *members, tally.read, tally.changed, tally.given, tally.taken


def test_the_plan_is_what_the_run_does_and_writes_nothing(shop: Shop) -> None:
    history(shop)
    shop.put(sale(6, 7, day=date(2026, 10, 30)))
    planned = backfill.plan(shop.intake, START, END)
    assert (shop.balance(), shop.balance(8)) == (7, 0)
    with reading(shop.engine) as connection:
        assert batches.listed(connection) == []
    done = run(shop)
    assert facts(planned) == facts(done)
    assert (shop.balance(), shop.balance(8)) == (97, 50)
    assert [(m.name, m.sales, m.given, m.taken) for m in done.months] == [
        ("2026-09", 2, {"loyalty": 150}, {"loyalty": 0}),
        ("2026-10", 2, {"loyalty": 30}, {"loyalty": 40}),
    ]
    assert (done.members, done.tally.read, done.tally.changed) == (2, 5, 4)
    assert shop.breaches() == []


def test_a_copy_is_the_whole_ledger_as_of_one_moment(shop: Shop) -> None:
    shop.put(sale(1, 150))
    shop.redeem("DS-A")
    with scratch.copy_of(shop.engine) as copy:
        for table in tables.metadata.sorted_tables:
            with reading(shop.engine) as mine, reading(copy) as theirs:
                rows = [c.execute(select(table)).all() for c in (mine, theirs)]
            assert rows[0] == rows[1], table.name
        path = copy.url.database
        shop.put(sale(2, 5))
        with reading(copy) as theirs:
            assert len(theirs.execute(select(tables.sale)).all()) == 1
    assert path is not None
    assert not Path(path).exists()


def test_an_undone_backfill_counts_nothing_whatever_happens_to_its_sales(shop: Shop) -> None:
    history(shop)
    shop.put(sale(6, 7, day=date(2026, 10, 30)))
    batch = run(shop).batch
    done = undo(shop, batch)
    assert (done.sales, shop.balance(), shop.balance(8)) == (4, 7, 0)
    # Edited, returned, seen by the comparison of the night: still nothing.
    shop.put(sale(2, 60, day=date(2026, 9, 20), buyer=8))
    shop.put(credit_note(7, 10, 2, buyer=8))
    shop.reconcile()
    assert (shop.balance(), shop.balance(8)) == (7, 0)
    assert shop.breaches() == []
    with reading(shop.engine) as connection:
        found = explain(connection, shop.clock.now(), shop.rules, [sale(2).key])
    reasons = [r.why for r in found[0][0].judgements[0].verdict.reasons]
    assert reasons == [Why.SET_ASIDE]


def test_what_was_set_aside_is_brought_again_by_another_run(shop: Shop) -> None:
    history(shop)
    before = run(shop)
    undo(shop, before.batch)
    again = run(shop, "B-AGAIN")
    # What a return takes anew is dated today, what a sale gives as before.
    assert again.tally.given == before.tally.given
    assert [m.sales for m in again.months if m.sales] == [m.sales for m in before.months]
    assert (shop.balance(), shop.balance(8)) == (90, 50)
    done = undo(shop, again.batch)
    assert (done.sales, shop.balance()) == (4, 0)
    with reading(shop.engine) as connection:
        assert {b.state for b in batches.listed(connection)} == {BatchState.UNDONE}


def test_points_of_a_backfill_that_are_spent_become_debt(shop: Shop) -> None:
    past(shop, sale(1, 120, day=date(2026, 9, 5)))
    batch = run(shop).batch
    shop.redeem("DS-A")
    planned = backfill.plan_undo(shop.engine, shop.clock, shop.rules, batch, lambda _done: None)
    assert shop.balance() == 20
    done = undo(shop, batch)
    assert (shop.balance(), shop.view().debt, done.debt) == (-100, 100, {"loyalty": 100})
    assert (planned.sales, planned.debt, planned.tally) == (done.sales, done.debt, done.tally)


def test_a_stopped_run_goes_on_as_the_same_batch(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    history(shop)
    shop.intake.page_size = 1
    monkeypatch.setattr(intake, "BACKFILL_PAGES", 1)
    looks = iter([None, None])

    def stop() -> None:
        if next(looks, "stop") == "stop":
            raise StopRequested

    shop.intake.pulse = stop
    with pytest.raises(StopRequested):
        run(shop)
    shop.intake.pulse = lambda: None
    assert 0 < shop.intake.unfinished(START, END) < 4
    done = run(shop, "B-OTHER")
    assert done.batch.token == "B-RUN"
    assert (shop.balance(), shop.balance(8)) == (90, 50)
    assert sum(month.sales for month in done.months) == 4


def test_a_stopped_undo_goes_on(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    history(shop)
    batch = run(shop).batch
    monkeypatch.setattr(backfill, "UNDO_PAGE", 1)

    def stop(done: int) -> None:
        if done == 2:
            raise StopRequested

    with pytest.raises(StopRequested):
        backfill.undo(shop.engine, shop.clock, shop.rules, batch, stop)
    assert shop.breaches() == []
    assert undo(shop, batch).sales == 2
    assert (shop.balance(), shop.balance(8)) == (0, 0)


def test_a_run_that_is_undone_meanwhile_stops_and_leaves_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    history(shop)
    shop.intake.page_size = 1
    monkeypatch.setattr(intake, "BACKFILL_PAGES", 1)
    looks = itertools.count()

    def undone() -> None:
        if next(looks) == 1:
            with reading(shop.engine) as connection:
                (batch,) = batches.listed(connection)
            undo(shop, batch)

    shop.intake.pulse = undone
    with pytest.raises(UserError, match="B-RUN was undone by another process"):
        run(shop)
    assert (shop.balance(), shop.balance(8)) == (0, 0)
    shop.intake.pulse = lambda: None
    done = run(shop, "B-AGAIN")
    assert (done.batch.token, done.new_sales) == ("B-AGAIN", 4)
    assert (shop.balance(), shop.balance(8)) == (90, 50)
    assert shop.breaches() == []


def test_a_stopped_run_that_is_undone_begins_at_the_beginning(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    history(shop)
    shop.intake.page_size = 1
    monkeypatch.setattr(intake, "BACKFILL_PAGES", 1)
    shop.intake.pulse = mock.Mock(side_effect=[None, None, StopRequested])
    with pytest.raises(StopRequested):
        run(shop)
    with reading(shop.engine) as connection:
        (batch,) = batches.listed(connection)
    assert undo(shop, batch).sales == 3
    shop.intake.pulse = lambda: None
    assert run(shop, "B-AGAIN").new_sales == 4
    assert (shop.balance(), shop.balance(8)) == (90, 50)


def test_the_plan_tells_what_is_pending_changed_and_new(shop: Shop) -> None:
    shop.put(sale(6, 7, day=date(2026, 10, 30)), sale(7, 8, day=date(2026, 10, 30)))
    history(shop)
    past(
        shop,
        sale(8, 25, day=date(2026, 10, 3), buyer=9, status=SaleStatus.VALIDATED, payments=()),
        sale(7, 18, day=date(2026, 10, 30)),
    )
    planned, done = backfill.plan(shop.intake, START, END), run(shop)
    assert facts(planned) == facts(done)
    assert (done.new_sales, done.changed, done.pending) == (5, 1, {"loyalty": 25})
    assert (done.members, done.new_members) == (2, 1)


@pytest.mark.parametrize("seed", range(6))
def test_a_backfill_beside_the_daemon_ends_as_a_replay(shop: Shop, seed: int) -> None:
    rng = random.Random(seed)
    for number in range(1, 40):
        day = TODAY - timedelta(days=rng.randrange(0, 60))
        buyer = rng.choice([7, 8, 9])
        if number % 5 == 0:
            past(shop, credit_note(number, 3, number - 1, day=day, buyer=buyer))
        else:
            past(shop, sale(number, rng.randrange(1, 90), day=day, buyer=buyer))
    shop.intake.page_size = 3
    daemon = shop.new_intake("rest")

    def meanwhile() -> None:
        number = rng.randrange(1, 40)
        found = shop.source.sales[number]
        if found.origin is None and rng.random() < 0.5:
            shop.source.put(sale(number, rng.randrange(1, 90), buyer=found.customer.rowid))
        shop.clock.tick()
        daemon.run_once()

    shop.intake.pulse = meanwhile
    backfill.run(shop.intake, date(2026, 1, 1), date(2027, 1, 1), token="B-RUN")
    balances = [shop.balance(buyer) for buyer in (7, 8, 9)]
    assert shop.breaches() == []
    with scratch.copy_of(shop.engine) as copy:
        replay = Shop(copy, programs=shop.programs)
        for table in reversed(tables.metadata.sorted_tables):
            with copy.begin() as connection:
                connection.execute(table.delete())
        replay.adopt(*shop.programs)
        replay.source.sales = dict(shop.source.sales)
        backfill.run(replay.intake, date(2026, 1, 1), date(2027, 1, 1), token="B-ALL")
        assert [replay.balance(buyer) for buyer in (7, 8, 9)] == balances
