"""What must hold for any sale, any returns and any terms."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dolisync.model import Payment, Sale, SaleLine, SaleStatus
from dolisync.program.assess import Family, assess, assess_alone
from dolisync.program.rounding import round_units
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program, Rounding
from tests.builders import NOON, credit_note, line, program, sale

AROUND = Surroundings(points_payment_mode="LOY")

cents = st.integers(min_value=1, max_value=5_000_000).map(lambda n: Decimal(n) / 100)
rates = st.sampled_from(["0.01", "0.1", "0.333", "1", "3", "7", "10", "50"])
amounts = st.fixed_dictionaries(
    {
        "points": st.sampled_from(["0.1", "0.5", "1", "1.5", "3"]),
        "per": rates,
        "basis": st.sampled_from(["including_tax", "excluding_tax"]),
        "counting": st.sampled_from(["steps", "proportional"]),
        "rounding": st.sampled_from(["down", "half_up", "up"]),
        "scope": st.sampled_from(["sale", "line"]),
    }
)
earnings = st.fixed_dictionaries(
    {"amount": amounts},
    optional={
        "product": st.fixed_dictionaries({"rounding": st.sampled_from(["down", "half_up", "up"])}),
        "visit": st.just({"points": 2}),
    },
)
programs = st.builds(
    lambda earn, decimals: program(earn=earn, decimals=decimals), earnings, st.sampled_from([0, 2])
)


@st.composite
def baskets(draw: st.DrawFn) -> Sale:
    """Make a sale of one to five lines of goods, some with product points, perhaps paid oddly."""
    lines = []
    for rowid in range(1, draw(st.integers(1, 5)) + 1):
        points = draw(st.sampled_from([None, Decimal("2.5"), Decimal(10)]))
        quantity = draw(st.sampled_from(["1", "3", "0.350"]))
        goods = line(draw(cents), product=rowid, quantity=quantity, rowid=rowid)
        lines.append(replace(goods, product_points=points))
    total = sum((part.total_incl for part in lines), Decimal(0))
    by_points = draw(st.sampled_from([0, 0, 1, 2])) * total / 2
    payments = [Payment("LOY", by_points, NOON), Payment("CB", total - by_points, NOON)]
    return sale(1, lines=lines, payments=payments)


def total_units(terms: Program, sold: Sale, *notes: Sale) -> int:
    return sum(verdict.units for verdict in assess(terms, AROUND, Family(sold, notes)))


def returned(rowid: int, parts: list[tuple[SaleLine, int]]) -> Sale:
    """Make a credit note of so many hundredths of each line."""
    lines = [
        replace(
            part,
            rowid=rowid * 100 + part.rowid,
            quantity=-part.quantity * share / 100,
            total_incl=-(part.total_incl * share / 100).quantize(Decimal("0.01")),
            total_excl=-(part.total_excl * share / 100).quantize(Decimal("0.01")),
        )
        for part, share in parts
    ]
    return credit_note(rowid, 0, 1, lines=lines)


def the_rest(sold: Sale, notes: list[Sale]) -> Sale:
    """Make the credit note that returns what the others left."""
    lines = []
    for part in sold.lines:
        before = [n for note in notes for n in note.lines if n.product_rowid == part.product_rowid]
        lines.append(
            replace(
                part,
                rowid=9900 + part.rowid,
                quantity=-part.quantity - sum(n.quantity for n in before),
                total_incl=-part.total_incl - sum(n.total_incl for n in before),
                total_excl=-part.total_excl - sum(n.total_excl for n in before),
            )
        )
    return credit_note(99, 0, 1, lines=lines)


@given(terms=programs, sold=baskets())
def test_a_sale_never_takes_points(terms: Program, sold: Sale) -> None:
    verdict = assess(terms, AROUND, Family(sold))[0]
    assert verdict.units >= 0
    assert verdict.pending == 0


@given(terms=programs, sold=baskets(), data=st.data())
def test_any_row_of_returns_never_gives_and_ends_at_zero(
    terms: Program, sold: Sale, data: st.DataObject
) -> None:
    notes, room = [], dict.fromkeys(sold.lines, 100)
    for rowid in range(2, data.draw(st.integers(2, 5))):
        parts = [(part, data.draw(st.integers(0, room[part]))) for part in sold.lines]
        for part, share in parts:
            room[part] -= share
        notes.append(returned(rowid, parts))
    verdicts = assess(terms, AROUND, Family(sold, (*notes, the_rest(sold, notes))))
    running = [sum(v.units for v in verdicts[: n + 1]) for n in range(len(verdicts))]
    assert running[-1] == 0
    assert all(before >= after >= 0 for before, after in pairwise(running))


@given(terms=programs, sold=baskets())
def test_a_return_by_itself_mirrors_its_sale_paid_with_money(terms: Program, sold: Sale) -> None:
    with_money = replace(sold, payments=(Payment("CB", sold.total_incl, NOON),))
    earned = total_units(without_visit(terms), with_money)
    note = returned(2, [(part, 100) for part in sold.lines])
    alone = assess_alone(without_visit(terms), AROUND, note, "it names no sale")
    assert alone.units == -earned


def without_visit(terms: Program) -> Program:
    return terms.model_copy(update={"earn": terms.earn.model_copy(update={"visit": None})})


@given(terms=programs, sold=baskets(), more=cents)
def test_buying_more_never_earns_less(terms: Program, sold: Sale, more: Decimal) -> None:
    extra = line(more, product=77, rowid=77)
    bigger = sale(1, lines=[*sold.lines, extra], status=SaleStatus.PAID)
    smaller = sale(1, lines=list(sold.lines), status=SaleStatus.PAID)
    assert total_units(terms, bigger) >= total_units(terms, smaller)


@given(terms=programs, sold=baskets(), data=st.data())
def test_the_order_of_the_lines_does_not_matter(
    terms: Program, sold: Sale, data: st.DataObject
) -> None:
    shuffled = replace(sold, lines=tuple(data.draw(st.permutations(sold.lines))))
    assert total_units(terms, shuffled) == total_units(terms, sold)


@given(amount=amounts, decimals=st.sampled_from([0, 2]), first=cents, second=cents)
def test_splitting_a_sale_never_earns_more_when_rounded_down(
    amount: dict[str, Any], decimals: int, first: Decimal, second: Decimal
) -> None:
    terms = program(earn={"amount": {**amount, "rounding": "down"}}, decimals=decimals)
    parts = [line(first, rowid=1), line(second, rowid=2)]
    together = sale(1, lines=parts)
    if amount["scope"] == "line":
        parts_sum = sum((part.total_incl for part in parts), Decimal(0))
        excl = sum((part.total_excl for part in parts), Decimal(0))
        together = sale(1, lines=[replace(line(parts_sum), total_excl=excl)])
    apart = total_units(terms, sale(1, lines=parts[:1])) + total_units(
        terms, sale(2, lines=parts[1:])
    )
    assert apart <= total_units(terms, together)


numbers = st.decimals(
    min_value=-(10**9), max_value=10**9, places=6, allow_nan=False, allow_infinity=False
)


@given(value=numbers, rounding=st.sampled_from(list(Rounding)))
def test_rounding_is_symmetric_and_off_by_less_than_one(value: Decimal, rounding: Rounding) -> None:
    rounded = round_units(value, rounding)
    assert round_units(-value, rounding) == -rounded
    assert abs(rounded - value) < 1


@settings(max_examples=50)
@given(terms=programs, sold=baskets())
def test_judging_twice_gives_the_same(terms: Program, sold: Sale) -> None:
    family = Family(sold, (returned(2, [(part, 40) for part in sold.lines]),))
    assert assess(terms, AROUND, family) == assess(terms, AROUND, family)
