"""A stand-in shop with ledgers behind its doors: staff correct documents, the ledgers follow."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, delete, func, select

from connectors.dolibarr_http import DolibarrHttp
from connectors.dolibarr_rest import RestSaleSource
from connectors.dolibarr_sql import SqlSaleSource
from connectors.dolibarr_sql_sink import SqlSink
from connectors.standin import StandIn
from connectors.standin.testing import MovingClock, opened
from dolisync.config import ReconcileSettings, Source
from dolisync.ledger import rulesets, tables
from dolisync.ledger.book import SALE_KINDS
from dolisync.ledger.engine import open_engine, reading
from dolisync.model import CustomerKey, SaleKey
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program
from dolisync.sync import adjust, redeem
from dolisync.sync.audit import verify
from dolisync.sync.discounts import Followed, follow_discounts
from dolisync.sync.explain import explain
from dolisync.sync.intake import Intake
from dolisync.sync.judge import Rules, Showing
from dolisync.sync.publish import Publisher
from dolisync.sync.reconcile import Reconciler
from tests.builders import SOURCE, program

OPENING = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TOKEN = "DS-DESK"
NAMED = Source.model_validate({"name": SOURCE, "url": "http://x", "api_key": "k"})


@dataclass(frozen=True)
class DeskClock:
    """The shop's clock, as the core asks for it."""

    shop: MovingClock

    def now(self) -> datetime:
        return self.shop()


@dataclass
class Ledger:
    """A ledger that reads the shop through one door."""

    engine: Engine
    intake: Intake
    publisher: Publisher
    rules: Rules

    def poll(self) -> None:
        self.intake.run_once()
        self.publisher.run_once()

    def follow(self, *, adopting: bool = False) -> Followed:
        return follow_discounts(
            self.publisher, self.publisher.sink, self.rules if adopting else None
        )

    def reconcile(self) -> Followed:
        Reconciler(self.intake, ReconcileSettings(), allow_mass_reversal=True).run_once()
        return self.follow()

    def balances(self) -> dict[int, int]:
        member = tables.member.c
        with reading(self.engine) as connection:
            rows = connection.execute(select(member.customer_rowid, member.balance))
            return {row[0]: int(row[1]) for row in rows if row[1]}

    def holdings(self) -> dict[tuple[int, int], int]:
        """Return what each sale holds on each account."""
        posting, sale, member = tables.posting.c, tables.sale.c, tables.member.c
        query = (
            select(sale.rowid, member.customer_rowid, func.sum(posting.points))
            .join(tables.sale, sale.id == posting.sale_id)
            .join(tables.member, member.id == posting.member_id)
            .where(posting.kind.in_(SALE_KINDS))
            .group_by(sale.rowid, member.customer_rowid)
        )
        with reading(self.engine) as connection:
            return {(row[0], row[1]): int(row[2]) for row in connection.execute(query) if row[2]}


@dataclass
class Desk:
    """The shop, its documents by letters, and a ledger behind each of these doors that follows.

    Rewards are given from the first; only one ledger can do that.
    """

    street: Street
    doors: Sequence[str]
    terms: Program
    documents: dict[str, int] = field(default_factory=dict)
    payments: dict[str, list[int]] = field(default_factory=dict)
    followed: Followed = field(default_factory=Followed)
    ledgers: list[Ledger] = field(init=False)

    def __post_init__(self) -> None:
        self.standin, self.clock = self.street.standin, self.street.clock
        shop = self.shop = self.standin.shop
        self.anna, self.bert = shop.add_customer("Anna"), shop.add_customer("Bert")
        self.nobody = self.standin.pos_customer
        self.box = shop.add_product("BOX", "Box", price_ttc=60)
        self.tea = shop.add_product("TEA", "Tea", price_ttc=12)
        *engines, self.empty = self.street.ledgers
        pairs = zip(engines, self.doors, strict=False)
        self.ledgers = [self._ledger(engine, door) for engine, door in pairs]

    @property
    def ledger(self) -> Ledger:
        return self.ledgers[0]

    def replayed(self, door: str = "sql", *, adopting: bool = False) -> Ledger:
        """Read the shop into an empty ledger."""
        ledger = self._ledger(self.empty, door)
        ledger.poll()
        if adopting:
            ledger.follow(adopting=True)
        return ledger

    def _ledger(self, engine: Engine, door: str) -> Ledger:
        clock = DeskClock(self.clock)
        book = rulesets.adopt(engine, [self.terms], clock.now())
        around = Surroundings(pos_customers=frozenset({self.nobody}))
        shown = Showing(customers=False, sales=False)
        rules = Rules(book, {SOURCE: around}, {SOURCE: shown})
        source = self.street.doors[door]
        intake = Intake(engine, clock, rules, source, door, customers=source)
        programs = {self.terms.name: self.terms}
        publisher = Publisher(engine, clock, NAMED, self.street.sink, programs, jitter=lambda: 1.0)
        return Ledger(engine, intake, publisher, rules)

    def __getitem__(self, letter: str) -> int:
        return self.documents[letter]

    def do(self, act: Callable[[Desk], object]) -> None:
        """Let staff do something, and the ledgers look at that and at nothing earlier."""
        act(self)
        self.clock.move(minutes=6)
        for ledger in self.ledgers:
            ledger.poll()

    def night(self) -> None:
        self.clock.move(hours=12)
        self.followed, *_ = [ledger.reconcile() for ledger in self.ledgers]

    def balance(self, customer: int) -> int:
        return self.ledger.balances().get(customer, 0)

    def breaches(self) -> list[str]:
        return [
            str(breach)
            for ledger in self.ledgers
            for breach in verify(ledger.engine, DeskClock(self.clock), ledger.rules)
        ]

    def said(self, letter: str) -> str:
        """Return all that `explain` says of a document."""
        key = SaleKey(SOURCE, 1, self[letter])
        with reading(self.ledger.engine) as connection:
            families = explain(connection, self.clock(), self.ledger.rules, [key])
        (found,) = [one for family in families for one in family if one.sale.key == key]
        judged = [str(reason) for one in found.judgements for reason in one.verdict.reasons]
        return "; ".join([*judged, *(str(used.reason) for used in found.rewards)])

    def redeem(self, token: str = TOKEN) -> None:
        """Give Anna her reward."""
        reward, anna = self.terms.reward[0], CustomerKey(SOURCE, 1, self.anna)
        clock = DeskClock(self.clock)
        redeem.redeem(self.ledger.engine, clock, self.terms, anna, reward, token=token)

    def adjust(self, points: int, reason: str) -> None:
        """Correct Anna's account by hand."""
        anna, clock = CustomerKey(SOURCE, 1, self.anna), DeskClock(self.clock)
        adjust.adjust(
            self.ledger.engine,
            clock,
            self.terms,
            anna,
            points,
            reason,
            token=secrets.token_hex(4),
            showing=self.ledger.rules.showing[SOURCE],
        )

    def discounts(self) -> list[Any]:
        """Return the rows of all rewards, the oldest first."""
        table = self.standin.store.tables.societe_remise_except
        query = select(table).where(table.c.description.like("%DS-%")).order_by(table.c.rowid)
        return list(self.standin.store.rows(query))


def desk_terms(**terms: Any) -> Program:
    """A point per euro; 100 points are worth 6 €."""
    rewards = [{"points": 100, "amount": "6"}]
    return program(start=date(2026, 11, 1), reward=rewards, **terms)


@dataclass
class Street:
    """A stand-in and three ledgers that desks use one after the other, each finding them empty.

    Made anew for each desk they would take ten times as long: no statement would be compiled yet.
    """

    standin: StandIn
    clock: MovingClock
    doors: dict[str, Any]
    sink: SqlSink
    ledgers: list[Engine]

    def desk(self, *doors: str, **terms: Any) -> Desk:
        """Open a shop with an empty ledger behind each of these doors."""
        self.clock.moment = OPENING
        with self.standin.store.transaction() as connection:
            _empty(connection, self._documents())
        for ledger in self.ledgers:
            with ledger.begin() as connection:
                _empty(connection, tables.metadata.sorted_tables)
        return Desk(self, doors, desk_terms(**terms))

    def _documents(self) -> list[Table]:
        kept = {"llx_const", "llx_user", "llx_c_paiement", "llx_bank_account", "llx_societe"}
        found = self.standin.store.tables.metadata.sorted_tables
        return [table for table in found if table.name not in kept]


def _empty(connection: Connection, emptied: Sequence[Table]) -> None:
    for table in reversed(emptied):
        connection.execute(delete(table))


@contextmanager
def open_street(template: Path, place: Path) -> Iterator[Street]:
    """Open a stand-in, both doors to it, and ledgers made of an empty one."""
    with opened(directory=place) as (standin, clock):
        sql = SqlSaleSource(standin.database_url, SOURCE, timezone="Europe/Paris")
        http = DolibarrHttp(standin.url, standin.api_key, retry_pause_s=0)
        zones = {"timezone": "Europe/Paris", "database_timezone": "UTC"}
        rest = RestSaleSource(http, SOURCE, **zones)
        for source in (sql, rest):
            # The database's own clock shows the real time, and REST's takes two calls to read.
            source.now = clock  # type: ignore[method-assign]
        sink = SqlSink(standin.database_url, timezone="Europe/Paris", fk_user=1)
        ledgers = [_copied(template, place / f"ledger{number}.db") for number in range(3)]
        yield Street(standin, clock, {"sql": sql, "rest": rest}, sink, ledgers)
        for engine in ledgers:
            engine.dispose()
        sql.close()
        sink.close()
        http.close()


def _copied(template: Path, path: Path) -> Engine:
    shutil.copy(template, path)
    return open_engine(f"sqlite:///{path}")
