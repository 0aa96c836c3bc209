"""A counter where staff write requests on customer cards, over a stand-in shop and a ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Engine, select

from connectors import dolibarr_setup
from connectors.dolibarr_desk import SqlDesk
from connectors.dolibarr_sql import SqlSaleSource
from connectors.dolibarr_sql_sink import SqlSink
from connectors.standin import StandIn
from connectors.standin.testing import MovingClock
from dolisync.config import ClaimSettings, Settings, Source
from dolisync.display import requirements
from dolisync.ledger import rulesets, tables
from dolisync.ledger.engine import reading
from dolisync.ledger.views import member_view
from dolisync.model import CustomerKey
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program
from dolisync.sync.adjust import adjust
from dolisync.sync.audit import verify
from dolisync.sync.buyers import Buyers, CardFields, buyer_question_of
from dolisync.sync.judge import Rules, Showing
from dolisync.sync.publish import Publisher
from dolisync.sync.recommend import People
from dolisync.sync.requests import Clerk, Report
from tests.builders import SOURCE, program

GROUP = "Loyalty"
TIERS = [
    {"name": "silver", "title": "Silver", "at_least": "500"},
    {"name": "gold", "title": "Gold", "at_least": "1000"},
]
REWARDS = [
    {"name": "small", "title": "Little thanks", "points": 100, "amount": "5"},
    {"name": "noble", "title": "Noble thanks", "points": 10, "amount": "1", "tiers": ["gold"]},
]


def counter_terms(**more: Any) -> Program:
    """Give a point for a euro; a point is worth five cents."""
    return program(**{"start": date(2026, 11, 1), "reward": REWARDS, "tier": TIERS, **more})


def source_terms(**more: Any) -> Source:
    values = {
        "name": SOURCE,
        "url": "http://x",
        "api_key": "k",
        "database_url": "sqlite:///x",
        "staff_requests": True,
        "opt_out_field": "nopoints",
        **more,
    }
    return Source.model_validate(values)


@dataclass
class BreakingDesk:
    """A desk between which and the clerk something breaks: before or after the next act."""

    desk: SqlDesk
    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    after: dict[str, Callable[[], None]] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.desk, name)

        def called(*args: Any) -> Any:
            self.before.pop(name, lambda: None)()
            result = real(*args)
            self.after.pop(name, lambda: None)()
            return result

        return called


@dataclass
class Clock:
    moving: MovingClock

    def now(self) -> Any:
        return self.moving()


@dataclass
class Counter:
    """A shop with a clerk. ``jeanne`` may ask, ``paul`` may not."""

    standin: StandIn
    moving: MovingClock
    engine: Engine
    source: Source
    terms: Program
    around: Surroundings = field(default_factory=Surroundings)

    def __post_init__(self) -> None:
        self.shop = self.standin.shop
        self.clock = Clock(self.moving)
        self.desk = BreakingDesk(SqlDesk(self.standin.database_url))
        book = rulesets.adopt(self.engine, [self.terms], self.clock.now())
        self.rules = Rules(book, {SOURCE: self.around}, {SOURCE: Showing()})
        self.restart()
        self.publisher = Publisher(
            self.engine,
            self.clock,
            self.source,
            SqlSink(self.standin.database_url, timezone="Europe/Paris", fk_user=1),
            {self.terms.name: self.terms},
            jitter=lambda: 1.0,
        )

    def restart(self) -> None:
        """Forget what a daemon keeps in mind only."""
        programs = {self.terms.name: self.terms}
        self.clerk = Clerk(self.engine, self.clock, self.source, programs, self.rules, self.desk)
        reader = SqlSaleSource(self.standin.database_url, SOURCE, timezone="Europe/Paris")
        question = buyer_question_of([self.terms], CardFields(opt_out=self.source.opt_out_field))
        self.clerk.people = People(reader, Buyers(reader, self.clock, question))

    def look(self) -> Report:
        """Let the clerk look once, a second later."""
        self.moving.move(seconds=1)
        return self.clerk.run_once()

    def customer(self, points: int = 0) -> int:
        rowid = self.shop.add_customer("Anna")
        if points:
            adjust(
                self.engine,
                self.clock,
                self.terms,
                CustomerKey(SOURCE, 1, rowid),
                points,
                "opening",
                token=f"opening{rowid}",
                showing=Showing(),
            )
        return rowid

    def write(self, customer: int, user: int = 1, **values: Any) -> None:
        """Write into request fields, one after the other, by the pencil beside each."""
        for part, value in values.items():
            self.shop.edit_customer_field(customer, f"loy{part}", value, user)

    def shown(self, customer: int) -> dict[str, Any]:
        """Return what stands in the request fields that are not blank, without the answer."""
        found = self.shop.customer_fields(customer)
        names = ("adjust", "reason", "redeem", "settier", "join", "claim", "refer")
        return {name: found[f"loy{name}"] for name in names if found.get(f"loy{name}") is not None}

    def answer(self, customer: int) -> str:
        """Return the answer on the card, without the day and the hour."""
        text = str(self.shop.customer_fields(customer).get("loyanswer") or "")
        return " | ".join(part.partition(": ")[2] or part for part in text.split(" | "))

    def balance(self, customer: int) -> int:
        key = CustomerKey(SOURCE, 1, customer)
        with reading(self.engine) as connection:
            return member_view(connection, self.terms.name, key, date(2026, 11, 20)).balance

    def reasons(self) -> list[str]:
        with reading(self.engine) as connection:
            query = select(tables.posting.c.reason).order_by(tables.posting.c.id)
            return list(connection.execute(query).scalars())

    def breaches(self) -> list[str]:
        return [str(breach) for breach in verify(self.engine, self.clock, self.rules)]


def make_fields(
    standin: StandIn, source: Source, terms: Program, claims: ClaimSettings | None = None
) -> None:
    """Make the fields as ``dolisync setup`` does, and the shop's own field for who opted out."""
    settings = Settings(source=(source,), program=(terms,), claims=claims)
    steps = dolibarr_setup.apply(requirements(settings, source), None, standin.database_url)
    assert "failed" not in {step.state for step in steps}
    standin.shop.add_extra_field("societe", "nopoints", type="boolean", label="No points", list="1")
