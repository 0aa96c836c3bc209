"""Ledgers for simulated histories: a database in memory, wiped by copying an empty one over it."""

from __future__ import annotations

import functools
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime

from simulation.trouble import Trouble, instrument
from simulation.world import ANONYMOUS, SOURCE, calm
from sqlalchemy import Engine, QueuePool, create_engine, event

from dolisync.config import Source
from dolisync.ledger import rulesets, tables
from dolisync.ledger.engine import _begin_sqlite, _prepare_sqlite
from dolisync.ledger.rulesets import RuleBook
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program
from dolisync.sync.judge import Rules, Showing

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SOURCE_SETTINGS = Source.model_validate(
    {
        "database_url": "sqlite://",
        "url": "http://127.0.0.1",
        "api_key": "key",
        "pos_customers": [ANONYMOUS],
        "till_line": True,
    }
)

_DISCOUNT = {"name": "discount", "points": 20, "amount": "5"}
_PLAIN = {"earn": {"amount": {}}, "reward": [_DISCOUNT]}
# Each history is played under one of these; together they turn every switch of the terms.
PROGRAMS: tuple[tuple[dict[str, object], ...], ...] = (
    (_PLAIN,),
    (
        {
            "earn": {"moment": "validated", "amount": {"per": "10", "points": 3}},
            "returns": {"shortfall": "clamp"},
            "reward": [{**_DISCOUNT, "points": 30, "automatic": True}],
        },
    ),
    (
        {
            "decimals": 2,
            "earn": {
                "moment": "validated",
                "amount": {
                    "points": "0.5",
                    "counting": "proportional",
                    "rounding": "half_up",
                    "scope": "line",
                    "basis": "excluding_tax",
                },
                "product": {"rounding": "up"},
            },
            "validity": {"months": 1},
            "reward": [{**_DISCOUNT, "points": "4.50"}],
        },
    ),
    (
        {
            "earn": {"visit": {"points": 7}, "product": {}},
            "returns": {"shortfall": "clamp"},
            "validity": {"months": 1},
            "reward": [_DISCOUNT],
        },
    ),
    (
        {
            **_PLAIN,
            "reward": [{**_DISCOUNT, "points": 90, "automatic": True}],
            "validity": {"months": 1},
        },
        {
            "name": "stamps",
            "field_prefix": "stamp",
            "earn": {"visit": {"points": 1}, "moment": "validated"},
            "returns": {"shortfall": "clamp"},
            "excluded_customers": [4],
        },
    ),
    ({"earn": {"amount": {}}, "returns": {"take_back": False}, "reward": [_DISCOUNT]},),
)
_TIERS = [
    {"name": "silver", "title": "Silver", "at_least": 40, "multiplier": 2},
    {"name": "gold", "title": "Gold", "at_least": 120, "multiplier": "2.5", "bonus": 3},
]
# Rules that look back have histories of their own: so those above are drawn as they always were.
LOOKING_BACK: tuple[tuple[dict[str, object], ...], ...] = (
    (
        {
            "earn": {"amount": {}, "caps": {"per_sale": 60, "per_day": 70, "per_month": 150}},
            "reward": [_DISCOUNT],
        },
    ),
    ({**_PLAIN, "tier": _TIERS, "tiers": {"months": 1, "grace_days": 2}},),
    (
        {
            "earn": {"moment": "validated", "amount": {}, "visit": {}, "caps": {"per_member": 300}},
            "tier": _TIERS,
            "tiers": {"basis": "points_earned", "window": "lifetime", "default": "silver"},
            "returns": {"shortfall": "clamp"},
            "validity": {"months": 1},
            "reward": [{**_DISCOUNT, "automatic": True, "tiers": ["gold"]}],
        },
    ),
    (
        {
            "earn": {"amount": {}, "visit": {}, "leave_out_terminals": ["2"]},
            "tier": _TIERS,
            "campaigns": {"combine": "multiply", "rounding": "up"},
            "campaign": [
                {"name": "welcome", "bonus": 30, "first_purchase": True},
                {"name": "weekend", "multiply": "1.5", "weekdays": ["saturday", "sunday"]},
                {"name": "large", "multiply": 2, "minimum": 30, "articles": {"kinds": ["product"]}},
                {"name": "gold", "bonus": 5, "customers": {"tiers": ["gold"]}},
            ],
            "reward": [_DISCOUNT],
        },
    ),
)
# So have the terms of what comes back, goes over to others and has its days.
UPHEAVALS: tuple[tuple[dict[str, object], ...], ...] = (
    (_PLAIN,),
    (
        {
            **_PLAIN,
            "validity": {"days": 20},
            "returns": {"past_lots_days": 10},
        },
    ),
    (
        {
            "earn": {"amount": {}, "visit": {"points": 7}, "wait_days": 2},
            "returns": {"spent_points": "reward_line", "shortfall": "clamp"},
            "validity": {"months": 1, "until": "end_of_month"},
            "reward": [_DISCOUNT],
        },
    ),
    (
        {
            "earn": {"amount": {}, "moment": "validated"},
            "returns": {"shortfall": "clamp"},
            "reward": [{**_DISCOUNT, "automatic": True}],
        },
        {
            "name": "stamps",
            "field_prefix": "stamp",
            "earn": {"visit": {"points": 1}},
            "returns": {"spent_points": "keep"},
            "validity": {"days": 12},
        },
    ),
)
# And those under which points are money.
_MONEY = {"earn": {"amount": {}}, "point_value": "0.10", "redeem": {"product_field": "price"}}
MONEY: tuple[tuple[dict[str, object], ...], ...] = (
    ({**_MONEY, "reward": [_DISCOUNT]},),
    (
        {
            **_MONEY,
            "decimals": 2,
            "point_value": "0.07",
            "validity": {"months": 1},
            "returns": {"shortfall": "clamp", "spent_points": "reward_line"},
            "reward": [_DISCOUNT],
        },
    ),
    (
        {
            "earn": {"amount": {}, "moment": "validated"},
            "point_value": "0.10",
            "redeem": {"product_field": "price", "minimum": 10, "step": 5, "max_share": 50},
            "returns": {"spent_points": "keep"},
            "reward": [{**_DISCOUNT, "automatic": True}],
        },
    ),
)
_ALL = (*PROGRAMS, *LOOKING_BACK, *UPHEAVALS, *MONEY)


@dataclass
class Switch:
    """Holds whose trouble the shared ledgers pass on at the moment."""

    trouble: Trouble


SWITCH = Switch(calm())


@dataclass(frozen=True)
class Bench:
    """What a history stands on: an empty ledger and the rules in force."""

    engine: Engine
    programs: tuple[Program, ...]
    rules: Rules

    @property
    def by_name(self) -> dict[str, Program]:
        """The programs by their names."""
        return {program.name: program for program in self.programs}


@functools.cache
def _program(variant: int) -> tuple[Program, ...]:
    return tuple(Program.model_validate(terms) for terms in _ALL[variant])


@functools.cache
def _empty(variant: int) -> tuple[sqlite3.Connection, RuleBook]:
    """Make an empty ledger in which the rules of a variant are in force, to be copied."""
    name = f"empty{variant}"
    keeper, engine = _keeper(name), _open(name)
    tables.metadata.create_all(engine)
    book = rulesets.adopt(engine, _program(variant), START)
    return keeper, book


@functools.cache
def _ledger(name: str) -> tuple[sqlite3.Connection, Engine]:
    keeper, engine = _keeper(name), _open(name)
    if name == "played":
        instrument(engine, lambda: SWITCH.trouble)
    return keeper, engine


def _keeper(name: str) -> sqlite3.Connection:
    """Keep a database in memory alive: a crash closes the connections of its engine."""
    return sqlite3.connect(_file(name), uri=True)


def _file(name: str) -> str:
    return f"file:{name}?mode=memory&cache=shared"


def _open(name: str) -> Engine:
    """Open it as the core does, with a pool that fits a database in memory."""
    engine = create_engine(f"sqlite:///{_file(name)}&uri=true", poolclass=QueuePool)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def bench(variant: int, name: str = "played") -> Bench:
    """Return an empty ledger; it is the same database each time, so use one at a time."""
    empty, book = _empty(variant)
    keeper, engine = _ledger(name)
    empty.backup(keeper)
    around = Surroundings(pos_customers=frozenset({ANONYMOUS}), points_payment_mode="LOY")
    return Bench(engine, _program(variant), Rules(book, {SOURCE: around}, {SOURCE: Showing()}))


def copy_played(target: sqlite3.Connection) -> None:
    """Copy the ledger that is being played with."""
    _ledger("played")[0].backup(target)


def restore_played(source: sqlite3.Connection) -> None:
    """Put a copy in the place of the ledger that is being played with."""
    source.backup(_ledger("played")[0])
