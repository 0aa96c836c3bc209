"""kill -9 of the real daemon, again and again, while the shop goes on: nothing lost, nothing twice.

KILLS=n kills it more often, and ``pytest -m long tests/system/test_kill.py`` two hundred times;
SEED=n repeats a run's choices as far as a race can be repeated.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from commands.house import House
from commands.work import reconcile_source
from connectors.standin import StandIn
from connectors.standin.week import play_a_week
from dolisync.ledger import outbox, redemptions, schema, tables
from dolisync.ledger.engine import open_engine, reading
from dolisync.ledger.redemptions import State
from dolisync.ledger.views import member_view
from dolisync.model import CustomerKey
from dolisync.sync import audit
from tests.mariadb import MariadbServer
from tests.system.place import DATABASE_NAME, KEY_NAME, ROOT, Place

pytestmark = pytest.mark.mariadb
PATIENCE_S = 60
KILLS = int(os.environ.get("KILLS", "2"))
KILLS_LONG = 200


class LaterClock:
    """A clock some hours on: what was being sent when it was killed is looked for by then."""

    def __init__(self) -> None:
        self.ahead = timedelta(hours=1)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Killed:
    """A shop beside which a daemon is killed, and what its staff do meanwhile."""

    place: Place
    rng: random.Random
    engine: Engine

    @contextmanager
    def daemon(self) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "--config", str(self.place.config), "run"],
            cwd=ROOT,
            env={**os.environ, **self.place.environment},
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=PATIENCE_S)

    def progress(self) -> int:
        """Count what the daemon has written: postings, and outbox rows brought forward."""
        with reading(self.engine) as connection:
            postings = connection.execute(select(func.count()).select_from(tables.posting))
            moved = connection.execute(select(func.sum(tables.outbox.c.version)))
            states = connection.execute(select(func.count()).where(tables.outbox.c.state != "new"))
            return sum(int(found.scalar() or 0) for found in (postings, moved, states))

    def work(self) -> None:
        """Let staff do something."""
        shop, week = self.place.standin.shop, self.place.week
        customer = self.rng.choice([self.place.customer(name) for name in ("alice", "bruno")])
        product = week.products[self.rng.choice(["cake", "mug"])]
        invoice = shop.sell(customer, [(product, self.rng.randrange(1, 4))])
        if self.rng.random() < 0.3:
            shop.validate(shop.credit_note(invoice))

    def kill_once(self) -> None:
        """Start it, let it work while the shop does, and kill it at a moment of chance."""
        wanted = self.progress() + self.rng.randrange(1, 25)
        deadline = time.monotonic() + PATIENCE_S
        with self.daemon() as process:
            self.work()
            while self.progress() < wanted:
                assert process.poll() is None, "the daemon ended by itself"
                assert time.monotonic() < deadline, "the daemon gets nowhere"
                if self.rng.random() < 0.2:
                    self.work()


@pytest.fixture(params=["mariadb", "sqlite"])
def killed(
    request: pytest.FixtureRequest, mariadb_server: MariadbServer, tmp_path: Path
) -> Iterator[Killed]:
    seed = int(os.environ.get("SEED", "0")) or random.randrange(10**6)
    print(f"SEED={seed}")
    on_mariadb = request.param == "mariadb"
    ledger = mariadb_server.new_database() if on_mariadb else str(tmp_path / "ledger.db")
    with StandIn("20.0.2", database_url=mariadb_server.new_database()) as standin:
        week = play_a_week(standin.shop, standin.store.local().date())
        environment = {KEY_NAME: standin.api_key, DATABASE_NAME: standin.database_url}
        place = Place(tmp_path, standin, week, environment)
        place.configure("--ledger", ledger)
        place.change("#automatic = false", "automatic = true")
        place.change("#poll_interval_s = 1", "poll_interval_s = 0.2")
        place.good("db", "upgrade")
        place.good("setup", "--yes")
        engine = open_engine(ledger if on_mariadb else f"sqlite:///{ledger}")
        yield Killed(place, random.Random(seed), engine)
        engine.dispose()


def drained(killed: Killed, monkeypatch: pytest.MonkeyPatch) -> House:
    """Start once more, some hours later, and let everything come to rest."""
    for name, value in killed.place.environment.items():
        monkeypatch.setenv(name, value)
    clock = LaterClock()
    house = House(killed.place.config, clock)
    doors = house.doors["shop"]
    for _ in range(6):
        house.turn(doors).run_once()
        clock.ahead += timedelta(hours=1)
    reconcile_source(house, doors, allow_mass_reversal=False)
    for _ in range(3):
        house.turn(doors).run_once()
        clock.ahead += timedelta(hours=1)
    return house


def check(killed: Killed, house: House, path: Path) -> None:
    """Nothing lost, nothing twice: balances, discounts, cards."""
    assert audit.verify(house.engine, house.clock, house.rules) == []
    with reading(house.engine) as connection:
        counts = outbox.counts(connection)
        known = redemptions.of_source(connection, "shop")
    assert {state: n for state, n in counts.items() if n and state != "done"} == {}
    assert earned(house, house.engine) == earned(house, replay(house, path))
    placed = house.doors["shop"].sink.list_discounts("DS-")
    here = {token for token, one in known.items() if one.state in (State.OPEN, State.USED)}
    assert set(placed) == here
    assert {len(one.rowids) for one in placed.values()} <= {1}
    assert known, "no reward was ever issued: the test is blind"
    for rowid in (killed.place.customer("alice"), killed.place.customer("bruno")):
        shown = killed.place.standin.shop.customer_fields(rowid)["loybalance"]
        assert int(shown) == view(house, house.engine, rowid).balance


def view(house: House, engine: Engine, rowid: int):
    with reading(engine) as connection:
        key = CustomerKey("shop", 1, rowid)
        return member_view(connection, "loyalty", key, house.clock.now().date())


def earned(house: House, engine: Engine) -> dict[int, int]:
    with reading(engine) as connection:
        query = select(tables.member.c.customer_rowid).order_by(tables.member.c.customer_rowid)
        rowids = list(connection.execute(query).scalars())
    found = {rowid: view(house, engine, rowid).earned for rowid in rowids}
    return {rowid: units for rowid, units in found.items() if units}


def replay(house: House, path: Path) -> Engine:
    """Read everything into an empty ledger."""
    engine = open_engine(f"sqlite:///{path}")
    schema.upgrade(engine)
    again = House(house.path, house.clock)
    again.__dict__["raw_engine"] = engine
    intake = again.intakes(again.doors["shop"])[0]
    intake.backfill(date(2020, 1, 1), date(2100, 1, 1))
    return engine


@pytest.mark.timeout(240)
def test_a_daemon_killed_again_and_again_loses_nothing(
    killed: Killed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for _ in range(KILLS):
        killed.kill_once()
    check(killed, drained(killed, monkeypatch), tmp_path / "replay.db")


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_daemon_killed_two_hundred_times_loses_nothing(
    killed: Killed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for _ in range(KILLS_LONG):
        killed.kill_once()
    check(killed, drained(killed, monkeypatch), tmp_path / "replay.db")
