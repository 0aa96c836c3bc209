"""Rules that look back: in whatever order sales arrive and change, a replay gives the same.

``pytest -m long tests/unit/test_timeline_histories.py`` tries more histories.
"""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import select

from dolisync.ledger import tables
from dolisync.ledger.courses import TierSetting
from dolisync.ledger.engine import reading
from dolisync.model import SaleStatus
from dolisync.program.campaign_terms import Each
from dolisync.program.limits import budget_units
from dolisync.program.terms import Program
from dolisync.program.tiers import SetByHand
from dolisync.sync.tiers import set_tier
from tests.builders import credit_note, customer, program, sale
from tests.examples import by_default_and_long
from tests.fakes import Shop
from tests.unit.test_judge_histories import live, opened, replayed

# Two days of one month, and later ones beyond reviews and windows.
DAYS = st.sampled_from(
    [date(2026, 1, 30), date(2026, 1, 31), date(2026, 2, 1), date(2026, 3, 5), date(2026, 6, 2)]
)
CUSTOMERS = st.sampled_from([7, 7, 7, 8])
amounts = st.integers(1, 40)
sales = st.builds(
    lambda rowid, amount, buyer, day, status: sale(
        rowid, amount, buyer=buyer, day=day, status=status
    ),
    st.integers(1, 6),
    amounts,
    CUSTOMERS,
    DAYS,
    st.sampled_from([SaleStatus.PAID, SaleStatus.PAID, SaleStatus.PAID, SaleStatus.VALIDATED]),
)
returns = st.builds(
    lambda rowid, amount, origin, buyer, day: credit_note(
        rowid, amount, origin, buyer=buyer, day=day
    ),
    st.integers(11, 13),
    amounts,
    st.sampled_from([None, 1, 2, 3, 4, 5, 11]),
    CUSTOMERS,
    DAYS,
)
steps = st.one_of(
    st.lists(sales, min_size=1, max_size=4),
    st.lists(sales | returns, min_size=1, max_size=3),
    st.integers(1, 13),
)
settings_by_hand = st.builds(
    TierSetting,
    st.builds(customer, CUSTOMERS),
    st.builds(
        SetByHand,
        DAYS.map(date.toordinal),
        st.sampled_from(["silver", "gold", ""]),
        st.booleans(),
        st.none() | st.just(date(2026, 4, 1).toordinal()),
    ),
    st.just("anna"),
    st.just("because"),
)
TIERS = [
    {"name": "silver", "at_least": 30, "multiplier": 2},
    {"name": "gold", "at_least": 60, "multiplier": "2.5", "bonus": 3},
]
PROGRAMS: list[dict[str, Any]] = [
    {"earn": {"amount": {}, "caps": {"per_day": 30, "per_month": 45, "per_member": 90}}},
    {"tier": TIERS, "tiers": {"months": 2}},
    {"tier": TIERS, "tiers": {"basis": "points_earned", "months": 1, "grace_days": 10}},
    {"tier": TIERS, "tiers": {"window": "calendar_year", "review": "year", "default": "silver"}},
    {
        "earn": {"amount": {}, "visit": {"points": 4}, "caps": {"per_sale": 50, "per_month": 60}},
        "tier": [{"name": "known", "at_least": 1, "multiplier": 3}, {"name": "old", "at_least": 3}],
        "tiers": {"basis": "visits", "window": "lifetime", "downgrade": "one_step"},
    },
    {
        "tier": [{"name": "new", "at_least": 0}, {"name": "old", "at_least": 1, "bonus": 5}],
        "tiers": {"basis": "seniority"},
        "earn": {"amount": {}, "moment": "validated", "caps": {"per_day": 20}},
    },
]
LIMITED: list[dict[str, Any]] = [
    # One that is shared by all, one of each member, and another that comes in where they end.
    {
        "campaign": [
            {"name": "double", "multiply": 2, "budget": {"points": 50}},
            {"name": "small", "bonus": 2, "per_member": {"times": 2, "each": "month"}},
        ],
        "campaigns": {"combine": "best"},
    },
    {
        "campaign": [
            {"name": "triple", "multiply": 3, "budget": {"points": 30, "each": "month"}},
            {"name": "plus", "bonus": 5, "per_member": {"points": 12}, "budget": {"points": 25}},
        ],
        "campaigns": {"combine": "add"},
        "tier": TIERS,
        "tiers": {"months": 2},
    },
    {
        "campaign": [
            {"name": "half", "multiply": "0.5", "per_member": {"times": 1}},
            {"name": "week", "multiply": 2, "budget": {"points": 20, "each": "week"}},
            {"name": "rest", "multiply": "1.5", "minimum": 10, "budget": {"points": 40}},
        ],
        "campaigns": {"combine": "multiply"},
        "earn": {"amount": {}, "moment": "validated", "caps": {"per_month": 60}},
    },
]
CHALLENGES: list[dict[str, Any]] = [
    {
        "campaign": [
            {
                "name": "third",
                "bonus": 9,
                "challenge": {"visits": 3, "days": 35, "badge": "Regular"},
                "per_member": {"times": 1},
            },
            {"name": "big", "multiply": 2, "challenge": {"spent": 50}, "budget": {"points": 60}},
        ],
        "campaigns": {"combine": "add"},
    },
    {
        "campaign": [
            {"name": "often", "bonus": 4, "challenge": {"visits": 2, "spent": 20, "days": 2}},
            {"name": "plain", "bonus": 3},
        ],
        "tier": TIERS,
        "tiers": {"months": 1},
    },
]
LIMITED += CHALLENGES
PROGRAMS += LIMITED
programs = st.builds(
    lambda terms, shortfall: program(**terms, returns={"shortfall": shortfall}),
    st.sampled_from(PROGRAMS),
    st.sampled_from(["debt", "clamp"]),
)


def set_by_hand(shop: Shop, number: int, entry: TierSetting) -> None:
    set_tier(shop.engine, shop.clock, shop.intake.rules, shop.program, entry, f"T{number}")


@by_default_and_long(
    7,
    18,
    terms=st.sampled_from([terms for terms in PROGRAMS if terms.get("tier") == TIERS]),
    history=st.lists(steps | settings_by_hand, min_size=2, max_size=8),
)
def test_it_does_not_matter_when_a_tier_was_set_by_hand(
    ledger_template: Path, terms: dict[str, Any], history: list[Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = opened(ledger_template, folder, "live.db", program(**terms))
        other = opened(ledger_template, folder, "replay.db", program(**terms))
        entries = [step for step in history if isinstance(step, TierSetting)]
        for step in history:
            if isinstance(step, TierSetting):
                set_by_hand(shop, entries.index(step), step)
            else:
                live(shop, [step])
        for number, entry in enumerate(entries):
            set_by_hand(other, number, entry)
        other.source.sales = shop.source.sales
        other.intake.page_size = 3
        other.intake.backfill(date(2026, 1, 1), date(2027, 1, 1))
        assert shop.breaches() == other.breaches() == []
        assert kept(shop) == kept(other)
        assert uses(shop) == uses(other)
        shop.engine.dispose()
        other.engine.dispose()


def kept(shop: Shop) -> list[tuple[Any, ...]]:
    """Return what is kept for rules that look back, in the order of the sales."""
    row = tables.counted.c
    columns = (row.rowid, row.sales, row.units, row.spent_minor, row.tier, row.tier_after)
    with reading(shop.engine) as connection:
        query = tables.counted.select().with_only_columns(*columns).order_by(row.rowid)
        return [tuple(found) for found in connection.execute(query)]


def uses(shop: Shop) -> list[tuple[Any, ...]]:
    """Return what is kept for campaigns with limits, and see that none gave more than it can."""
    row = tables.campaign_use.c
    columns = (row.rowid, row.campaign, row.wanted, row.asked, row.given, row.units)
    with reading(shop.engine) as connection:
        query = select(*columns).order_by(row.rowid, row.campaign)
        found = [tuple(one) for one in connection.execute(query)]
    for campaign in shop.program.campaign:
        if campaign.in_all is not None and campaign.in_all.each is Each.CAMPAIGN:
            given = sum(one[-1] for one in found if one[1] == campaign.name)
            assert given <= budget_units(shop.program, campaign.in_all)
    return found


@by_default_and_long(
    7,
    20,
    terms=st.sampled_from(LIMITED).map(lambda terms: program(**terms)),
    history=st.lists(steps, min_size=2, max_size=9),
)
def test_campaigns_with_limits_give_the_same_in_any_order(
    ledger_template: Path, terms: Program, history: list[Any]
) -> None:
    equals_its_replay(ledger_template, terms, history)


@by_default_and_long(14, 40, terms=programs, history=st.lists(steps, min_size=1, max_size=9))
def test_any_history_under_rules_that_look_back_equals_its_replay(
    ledger_template: Path, terms: Program, history: list[Any]
) -> None:
    equals_its_replay(ledger_template, terms, history)


def equals_its_replay(ledger_template: Path, terms: Program, history: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = opened(ledger_template, folder, "live.db", terms)
        live(shop, history)
        assert shop.breaches() == []
        other = replayed(ledger_template, folder, terms, list(shop.source.sales.values()))
        assert other.breaches() == []
        assert kept(shop) == kept(other)
        assert uses(shop) == uses(other)
        for buyer in (7, 8):
            assert shop.view(buyer).earned == other.view(buyer).earned
            if terms.returns.shortfall == "debt":
                assert shop.balance(buyer) == other.balance(buyer)
        shop.engine.dispose()
        other.engine.dispose()
