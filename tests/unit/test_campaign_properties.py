"""What must hold for any sale, any returns and any campaigns."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dolisync.model import Sale
from dolisync.program.assess import Family, Verdict, assess
from dolisync.program.before import Before
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program
from tests.builders import line, program, sale
from tests.unit.test_rules_properties import returned, the_rest

AROUND = Surroundings()
DAY = date(2026, 11, 19)

cents = st.integers(min_value=1, max_value=100_000).map(lambda n: Decimal(n) / 100)
ways = st.sampled_from(["down", "half_up", "up"])
references = st.lists(st.sampled_from(["P1", "P2", "P3"]), max_size=2, unique=True)
factors = st.sampled_from(["0", "0.5", "1", "1.1", "1.5", "2", "3"])


@st.composite
def campaigns(draw: st.DrawFn, *, only_more: bool = False) -> list[dict[str, Any]]:
    """Make up to four campaigns; ``only_more`` ones multiply by one or more, and give no bonus."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        articles = draw(references)
        conditions: dict[str, Any] = {"articles": {"references": articles}} if articles else {}
        if not only_more:
            conditions |= {
                "bonus": draw(st.sampled_from([0, 1, 25])),
                "minimum": draw(st.sampled_from([0, 5, 50])),
                "exclusive": draw(st.booleans()),
                "priority": draw(st.integers(0, 1)),
                "first_purchase": draw(st.booleans()),
            }
        multiply = draw(st.sampled_from(["1", "1.5", "2"]) if only_more else factors)
        found.append({"name": f"c{number}", "multiply": multiply, **conditions})
    return found


@st.composite
def programs(draw: st.DrawFn) -> Program:
    amount = {
        "per": draw(st.sampled_from(["0.3", "1", "7"])),
        "counting": draw(st.sampled_from(["steps", "proportional"])),
        "rounding": draw(ways),
        "scope": draw(st.sampled_from(["sale", "line"])),
    }
    earn: dict[str, Any] = {"amount": amount}
    if draw(st.booleans()):
        earn["visit"] = {"points": 2}
    if draw(st.booleans()):
        earn["caps"] = {"per_sale": 40}
    combine = draw(st.sampled_from(["best", "add", "multiply"]))
    return program(
        earn=earn,
        decimals=draw(st.sampled_from([0, 2])),
        campaign=draw(campaigns()),
        campaigns={"combine": combine, "rounding": draw(ways)},
        tier=[{"name": "gold", "title": "Gold", "multiplier": "1.5", "bonus": 3}],
    )


befores = st.sampled_from([Before(), Before(1), Before(1, "gold")])


@st.composite
def baskets(draw: st.DrawFn) -> Sale:
    lines = [
        line(draw(cents), product=place, quantity=draw(st.sampled_from([1, 3])), rowid=place)
        for place in range(1, draw(st.integers(1, 3)) + 1)
    ]
    return sale(1, lines=lines, day=DAY)


def judge(terms: Program, sold: Sale, *notes: Sale, before: Before) -> tuple[Verdict, ...]:
    return assess(terms, AROUND, Family(sold, notes, before=before))


@settings(max_examples=60)
@given(terms=programs(), sold=baskets(), before=befores, data=st.data())
def test_a_sale_never_takes_and_its_returns_end_at_zero(
    terms: Program, sold: Sale, before: Before, data: st.DataObject
) -> None:
    notes = []
    room = dict.fromkeys(sold.lines, 100)
    for rowid in range(2, data.draw(st.integers(2, 4))):
        parts = [(part, data.draw(st.integers(0, room[part]))) for part in sold.lines]
        for part, share in parts:
            room[part] -= share
        notes.append(returned(rowid, parts))
    verdicts = judge(terms, sold, *notes, the_rest(sold, notes), before=before)
    running = [sum(v.units for v in verdicts[: n + 1]) for n in range(len(verdicts))]
    assert running[-1] == 0
    assert all(earlier >= later >= 0 for earlier, later in pairwise(running))


@settings(max_examples=60)
@given(terms=programs(), sold=baskets(), before=befores, data=st.data())
def test_the_order_of_lines_and_of_campaigns_does_not_matter(
    terms: Program, sold: Sale, before: Before, data: st.DataObject
) -> None:
    shuffled = replace(sold, lines=tuple(data.draw(st.permutations(sold.lines))))
    other = program(
        **{
            **terms.model_dump(),
            "campaign": data.draw(st.permutations(terms.model_dump()["campaign"])),
        }
    )
    one, same = judge(terms, sold, before=before)[0], judge(other, shuffled, before=before)[0]
    assert (one.units, one.campaigns) == (same.units, same.campaigns)


@settings(max_examples=60)
@given(terms=programs(), sold=baskets(), before=befores)
def test_the_parts_of_campaigns_are_what_they_add(
    terms: Program, sold: Sale, before: Before
) -> None:
    plain = terms.model_copy(update={"campaign": ()})
    uncapped = {
        "earn": terms.earn.model_copy(
            update={"caps": plain.earn.caps.model_copy(update={"per_sale": None})}
        )
    }
    with_them = judge(terms.model_copy(update=uncapped), sold, before=before)[0]
    without = judge(plain.model_copy(update=uncapped), sold, before=before)[0]
    given_by_campaigns = sum(units for _, units in with_them.campaigns)
    assert with_them.units == without.units + given_by_campaigns


@settings(max_examples=60)
@given(
    several=campaigns(only_more=True),
    first=cents,
    second=cents,
    combine=st.sampled_from(["add", "multiply"]),
)
def test_splitting_a_sale_over_two_days_never_earns_more(
    several: list[dict[str, Any]], first: Decimal, second: Decimal, combine: str
) -> None:
    terms = program(
        earn={"amount": {"counting": "proportional"}},
        campaign=several,
        campaigns={"combine": combine},
    )
    parts = [line(first, product=1, rowid=1), line(second, product=2, rowid=2)]
    together = judge(terms, sale(1, lines=parts), before=Before())[0].units
    apart = [
        judge(terms, sale(rowid, lines=[part], day=DAY + timedelta(days=rowid)), before=Before())
        for rowid, part in enumerate(parts, 1)
    ]
    assert sum(verdicts[0].units for verdicts in apart) <= together


def test_best_never_gives_more_than_the_others_and_never_less_than_any_campaign() -> None:
    several = [
        {"name": "a", "multiply": 2},
        {"name": "b", "multiply": "1.5", "articles": {"references": ["P1"]}},
        {"name": "c", "bonus": 4},
    ]
    sold = sale(1, lines=[line(7, 1, rowid=1), line(3, 2, rowid=2)], day=DAY)
    by_way = {
        way: judge(program(campaign=several, campaigns={"combine": way}), sold, before=Before())[
            0
        ].units
        for way in ("best", "add", "multiply")
    }
    assert by_way["best"] <= min(by_way["add"], by_way["multiply"])
    for count in (1, 2):
        for some in itertools.combinations(several, count):
            fewer = judge(program(campaign=list(some)), sold, before=Before())[0].units
            assert fewer <= by_way["best"]


@settings(max_examples=40)
@given(minute=st.integers(0, 24 * 60 - 1), begin=st.integers(0, 23), length=st.integers(1, 23))
def test_hours_hold_for_just_so_long(minute: int, begin: int, length: int) -> None:
    end = (begin + length) % 24
    made_at = datetime(2026, 11, 19, tzinfo=UTC) + timedelta(minutes=minute)
    hours = f"{begin:02}:00-{end:02}:00"
    terms = program(timezone="UTC", campaign=[{"bonus": 1, "hours": hours}])
    verdict = judge(terms, sale(1, 10, day=DAY, created_at=made_at), before=Before())[0]
    expected = (minute - begin * 60) % (24 * 60) < length * 60
    assert (verdict.units == 11) is expected
