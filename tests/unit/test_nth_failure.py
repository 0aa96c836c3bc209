"""Let a run fail at its first step, at its second, and so on until it comes through untouched.

Whatever the step and whatever the failure: right after it the ledger's invariants hold, and after a
restart everything ends as it would have ended without it.

By default only every fifth step fails, in each scenario and way beginning at another one; ``pytest
-m long tests/unit/test_nth_failure.py`` lets every step fail.
"""

from __future__ import annotations

import contextlib
import copy
import random
import sqlite3
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from unittest import mock

import pymysql
import pytest
import tenacity.nap
from simulation import benches
from simulation.benches import SOURCE_SETTINGS, START, SWITCH, Bench
from simulation.checks import WorldClock
from simulation.trouble import Crash, Trouble, instrument
from simulation.world import (
    ANONYMOUS,
    SOURCE,
    MemorySink,
    MemorySource,
    World,
    calm,
    customer_key,
)
from sqlalchemy import Engine, delete, select, text

from builders import credit_note, sale
from dolisync.config import ReconcileSettings
from dolisync.errors import NotFound, TransientError
from dolisync.ledger import outbox, rulesets, tables
from dolisync.ledger.engine import open_engine, reading
from dolisync.model import SaleStatus
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program
from dolisync.sync import expire, redeem
from dolisync.sync.audit import verify
from dolisync.sync.discounts import follow_discounts
from dolisync.sync.intake import Intake
from dolisync.sync.judge import Rules, Showing
from dolisync.sync.publish import Publisher
from dolisync.sync.reconcile import Reconciler

TOKEN = "DS-000000000001"
# Far more than any run has steps: who comes here never ends.
MOST_STEPS = 1000
# Neighbouring steps are mostly of different kinds, so every fifth meets all kinds in the end.
SAMPLED = 5
ROUNDS = 12
PROGRAM = {
    "earn": {"amount": {}, "visit": {"points": 3}},
    "returns": {"shortfall": "clamp"},
    "validity": {"months": 1},
    "reward": [{"points": 90, "amount": "5"}],
}


@dataclass(slots=True)
class NthTrouble(Trouble):
    """Fail once, at the n-th occasion, in one way."""

    way: str = "crash"
    nth: int = 1
    connection_lost: Exception = field(default_factory=lambda: sqlite3.OperationalError("locked"))
    has_struck: bool = False
    is_armed: bool = False
    is_met: bool = False

    def _strikes(self, way: str) -> bool:
        if self.way != way or self.has_struck or not self.is_armed:
            return False
        self.nth -= 1
        self.has_struck = self.nth == 0
        return self.has_struck

    def point(self, where: str) -> None:
        if self._strikes("crash"):
            raise Crash(where)

    def call(self, name: str) -> None:
        self.point(f"before {name}")
        if self._strikes("down"):
            raise TransientError(f"{name} is down")
        if self.is_met and self.meanwhile is not None:
            self.is_met = False
            self.meanwhile()

    def refuse(self, name: str) -> None:
        """Refuse nothing: a refusal ends otherwise."""

    def loses_answer(self, name: str) -> bool:
        return self._strikes("lost answer")

    def lose_commit(self) -> None:
        if self._strikes("lost commit"):
            raise self.connection_lost


WAYS = ("crash", "down", "lost answer", "lost commit")


@dataclass
class Stage:
    """A world, a ledger, and the objects that join them, new at each restart."""

    bench: Bench
    trouble: NthTrouble
    world: World = field(default_factory=lambda: World(START))

    def __post_init__(self) -> None:
        SWITCH.trouble = self.trouble
        self.clock = WorldClock(self.world)
        self.restart()

    def restart(self) -> None:
        source = MemorySource(self.world, self.trouble)
        engine = self.bench.engine
        self.sink = MemorySink(self.world, self.trouble)
        self.intake = Intake(engine, self.clock, self.bench.rules, source, "sql", page_size=2)
        self.publisher = Publisher(
            engine, self.clock, SOURCE_SETTINGS, self.sink, self.bench.by_name, lambda: 0.5
        )

    @property
    def program(self) -> Program:
        return self.bench.programs[0]

    def put(self, *sales: Any, payment: int | None = None) -> None:
        """Let the shop write these documents now."""
        for each in sales:
            row = replace(each, changed_at=self.world.clock())
            self.world.sales[row.key.rowid] = row
            if payment is not None:
                self.world.payments[payment] = row.key.rowid

    def settle(self) -> None:
        """Read everything and publish to the end."""
        self.intake.run_once()
        for _ in range(ROUNDS):
            self.publisher.run_once()
            self.world.advance(130)
            with reading(self.bench.engine) as connection:
                counts = outbox.counts(connection)
            if not any(counts.get(state) for state in outbox.OPEN_STATES):
                return

    def redeem(self) -> None:
        """Spend points, as somebody who repeats a command that failed would."""
        try:
            redeem.by_token(self.bench.engine, TOKEN)
        except NotFound:
            engine, program = self.bench.engine, self.program
            customer, reward = customer_key(2), program.reward[0]
            redeem.redeem(engine, self.clock, program, customer, reward, token=TOKEN)

    def reconcile(self) -> None:
        Reconciler(self.intake, ReconcileSettings()).run_once()

    def expire(self) -> None:
        showing = self.bench.rules.showing
        expire.run_once(self.bench.engine, self.clock, self.bench.by_name, showing)

    def revoke(self) -> None:
        redeem.wish_revoke(self.bench.engine, self.clock, TOKEN)

    def follow(self) -> None:
        follow_discounts(self.publisher, self.sink)


def _shop_before(stage: Stage) -> None:
    stage.put(sale(1, 100, buyer=2), sale(2, 50, buyer=3), payment=1)
    stage.put(credit_note(3, 30, 1, buyer=2))
    stage.settle()


def _first_sales(stage: Stage) -> None:
    stage.put(sale(1, 100, buyer=2), credit_note(2, 30, 1, buyer=2), payment=1)


def _changes(stage: Stage) -> None:
    _shop_before(stage)
    stage.put(sale(1, 100, buyer=3), sale(4, 120, buyer=2), sale(6, 7, buyer=2))
    stage.put(credit_note(5, 20, 2, buyer=3), sale(7, 9, buyer=4, status=SaleStatus.VALIDATED))
    stage.put(sale(7, 9, buyer=4), payment=2)


def _unpublished(stage: Stage) -> None:
    _changes(stage)
    stage.intake.run_once()


def _unread(stage: Stage) -> None:
    _unpublished(stage)
    stage.publisher.run_once()
    stage.world.cards[2] = {}
    stage.world.advance(65)


def _rich(stage: Stage) -> None:
    stage.put(sale(1, 200, buyer=2), payment=1)
    stage.settle()


def _redeemed(stage: Stage) -> None:
    _rich(stage)
    stage.redeem()


def _unwanted(stage: Stage) -> None:
    _redeemed(stage)
    stage.settle()
    stage.revoke()


def _returned_unwanted(stage: Stage) -> None:
    """Let the points be forgiven that the discount still holds."""
    _redeemed(stage)
    stage.settle()
    stage.put(credit_note(2, 200, 1, buyer=2))
    stage.settle()
    stage.revoke()


def _dropped(stage: Stage) -> None:
    _redeemed(stage)
    stage.settle()
    stage.world.discounts.clear()


def _deleted(stage: Stage) -> None:
    _shop_before(stage)
    del stage.world.sales[3]
    stage.world.sales[8] = replace(sale(8, 33, buyer=4), changed_at=START - timedelta(days=30))


def _old(stage: Stage) -> None:
    _shop_before(stage)
    stage.world.advance(timedelta(days=40).total_seconds())


@dataclass(frozen=True)
class Scenario:
    """What was before, and the run that fails."""

    name: str
    before: Callable[[Stage], None]
    run: Callable[[Stage], object]
    # What only moves the ledger is compared there: publishing has scenarios of its own.
    publishes: bool = True


INTAKE = Scenario("intake", _changes, lambda stage: stage.intake.run_once(), publishes=False)
FIRST_INTAKE = Scenario("first intake", _first_sales, INTAKE.run, publishes=False)
SCENARIOS = (
    INTAKE,
    Scenario("publish", _unpublished, lambda stage: stage.publisher.run_once()),
    Scenario("second look", _unread, lambda stage: stage.publisher.run_once()),
    Scenario("redeem", _rich, Stage.redeem, publishes=False),
    Scenario("place a discount", _redeemed, lambda stage: stage.publisher.run_once()),
    Scenario("revoke a discount", _unwanted, lambda stage: stage.publisher.run_once()),
    Scenario(
        "revoke forgiven points", _returned_unwanted, lambda stage: stage.publisher.run_once()
    ),
    Scenario("follow a discount", _dropped, Stage.follow),
    Scenario("reconcile", _deleted, Stage.reconcile, publishes=False),
    Scenario("expire", _old, Stage.expire, publishes=False),
)


def end_state(stage: Stage) -> dict[str, object]:
    """Gather what must not depend on any failure."""
    member, posting, redemption = tables.member.c, tables.posting.c, tables.redemption.c
    with reading(stage.bench.engine) as connection:
        accounts = connection.execute(
            select(member.program, member.customer_rowid, member.balance, member.debt)
        )
        movements = connection.execute(select(posting.key, posting.points))
        states = connection.execute(select(redemption.token, redemption.state))
        return {
            "accounts": sorted(map(tuple, accounts)),
            "movements": sorted(map(tuple, movements)),
            "redemptions": sorted(map(tuple, states)),
            "cards": stage.world.cards,
            "invoices": stage.world.sale_fields,
            "discounts": sorted(
                (row.customer, row.text, row.amount) for row in stage.world.discounts.values()
            ),
            "waiting": len(outbox.listed(connection, ("dead", *outbox.OPEN_STATES), 10)),
            "parked": connection.execute(select(tables.parked)).all(),
        }


def _finish(scenario: Scenario, stage: Stage) -> dict[str, object]:
    stage.restart()
    scenario.run(stage)
    if scenario.publishes:
        stage.settle()
    return end_state(stage)


def _play(scenario: Scenario, stage: Stage, expected: dict[str, object]) -> bool:
    """Play once with trouble; tell whether it struck."""
    stage.trouble.is_armed = True
    with contextlib.suppress(Crash, TransientError):
        scenario.run(stage)
    stage.trouble.is_armed = False
    assert verify(stage.bench.engine, stage.clock, stage.bench.rules) == []
    assert _finish(scenario, stage) == expected
    assert verify(stage.bench.engine, stage.clock, stage.bench.rules) == []
    assert stage.world.violations == []
    return stage.trouble.has_struck


@contextlib.contextmanager
def _no_sleep() -> Iterator[None]:
    no_time = types.SimpleNamespace(sleep=lambda _seconds: None)
    with mock.patch.object(tenacity.nap, "time", no_time):
        yield


def play_all(
    scenario: Scenario,
    way: str,
    opening: Callable[[NthTrouble], Stage],
    connection_lost: Exception | None = None,
    every: int = 1,
    first: int = 0,
) -> int:
    """Let the run fail at its steps in turn, or at a sample; return how many steps there are."""
    lost = connection_lost or sqlite3.OperationalError("database is locked")
    with _no_sleep():
        steps, expected = _faultless(scenario, opening, way)
        # The run past the last step must be untouched: or steps were overlooked.
        for nth in (*_sample(steps, every, first), steps + 1):
            trouble = NthTrouble(random.Random(nth), way=way, nth=nth, connection_lost=lost)
            try:
                has_struck = _play(scenario, opening(trouble), expected)
                assert has_struck == (nth <= steps), f"of {steps} steps"
            except AssertionError as error:
                raise AssertionError(f"{scenario.name}, {way} at step {nth}: {error}") from error
            finally:
                SWITCH.trouble = calm()
    return steps


def _faultless(
    scenario: Scenario, opening: Callable[[NthTrouble], Stage], way: str
) -> tuple[int, dict[str, object]]:
    """Count at how many steps a run could fail in this way, and tell how it ends without it."""
    stage = opening(NthTrouble(random.Random(0), way=way, nth=MOST_STEPS))
    stage.trouble.is_armed = True
    scenario.run(stage)
    stage.trouble.is_armed = False
    assert not stage.trouble.has_struck, "the run never ends"
    return MOST_STEPS - stage.trouble.nth, _finish(scenario, stage)


def _sample(steps: int, every: int, first: int) -> range:
    """Choose steps; at least one if there are any."""
    chosen = range(1 + first % min(every, max(steps, 1)), steps + 1, every)
    assert chosen or not steps
    return chosen


def _rules(engine: Engine) -> Bench:
    program = Program.model_validate({"name": "nth", **PROGRAM})
    book = rulesets.adopt(engine, [program], START)
    around = Surroundings(pos_customers=frozenset({ANONYMOUS}))
    # Only the newest rules count: the copied ledger had others before.
    book = rulesets.RuleBook(book.sets[-1:])
    return Bench(engine, (program,), Rules(book, {SOURCE: around}, {SOURCE: Showing()}))


def _from_copies(scenario: Scenario) -> Callable[[NthTrouble], Stage]:
    """Prepare once, and open on a copy of the ledger and of the world each time."""
    bench = _rules(benches.bench(0).engine)
    prepared = Stage(bench, NthTrouble(random.Random(0), way="none"))
    scenario.before(prepared)
    ledger = sqlite3.connect(":memory:")
    benches.copy_played(ledger)
    world = copy.deepcopy(prepared.world)

    def opening(trouble: NthTrouble) -> Stage:
        benches.restore_played(ledger)
        return Stage(bench, trouble, copy.deepcopy(world))

    return opening


def _first(scenario: Scenario, way: str) -> int:
    """Let the samples of a way begin at different steps, and those of a scenario too."""
    return SCENARIOS.index(scenario) + WAYS.index(way)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_run_may_fail_anywhere(scenario, way):
    opening, first = _from_copies(scenario), _first(scenario, way)
    steps = play_all(scenario, way, opening, every=SAMPLED, first=first)
    if way == "crash":
        assert steps > 5


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_run_may_fail_at_each_step(scenario, way):
    play_all(scenario, way, _from_copies(scenario))


@pytest.fixture
def troubled_mariadb(mariadb_ledger: Engine) -> Iterator[Engine]:
    engine = open_engine(mariadb_ledger.url.render_as_string(hide_password=False))
    instrument(engine, lambda: SWITCH.trouble)

    yield engine
    _wipe(engine)
    engine.dispose()


def _wipe(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
        for table in tables.metadata.sorted_tables:
            connection.execute(delete(table))
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 1"))


def _from_nothing(scenario: Scenario, engine: Engine) -> Callable[[NthTrouble], Stage]:
    """Prepare anew each time."""

    def opening(trouble: NthTrouble) -> Stage:
        _wipe(engine)
        stage = Stage(_rules(engine), trouble)
        scenario.before(stage)
        return stage

    return opening


LOST_MARIADB = pymysql.err.OperationalError(2013, "Lost connection to MySQL server during query")
ON_MARIADB = (FIRST_INTAKE, SCENARIOS[3], SCENARIOS[4])
on_mariadb = pytest.mark.parametrize(
    ("scenario", "way"),
    [
        pytest.param(scenario, way, id=f"{scenario.name}-{way}")
        for scenario in ON_MARIADB
        for way in ("crash", "lost commit")
    ],
)


@pytest.mark.mariadb
@on_mariadb
def test_a_run_may_fail_anywhere_on_mariadb(scenario, way, troubled_mariadb):
    opening = _from_nothing(scenario, troubled_mariadb)
    first = ON_MARIADB.index(scenario) + WAYS.index(way)
    assert play_all(scenario, way, opening, LOST_MARIADB, SAMPLED, first) > 0


@pytest.mark.long
@pytest.mark.mariadb
@on_mariadb
def test_a_run_may_fail_at_each_step_on_mariadb(scenario, way, troubled_mariadb):
    assert play_all(scenario, way, _from_nothing(scenario, troubled_mariadb), LOST_MARIADB) > 0


def test_a_wish_during_the_second_look_is_kept():
    """The row of a card must stay open when the balance changes while the card is being read."""
    opening = _from_copies(Scenario("second look", _rich, Stage.settle))
    stage = opening(NthTrouble(random.Random(0), way="none"))
    stage.put(sale(2, 10, buyer=2), payment=2)
    stage.intake.run_once()
    stage.publisher.run_once()
    stage.world.advance(65)
    # Somebody redeems at the moment of the call.
    stage.trouble.meanwhile, stage.trouble.is_met = stage.redeem, True
    stage.publisher.run_once()
    stage.settle()
    assert stage.world.cards[2]["loybalance"] == 210 + 3 - 90
