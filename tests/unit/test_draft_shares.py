"""A discount shared over VAT rates: to the cent, and no rate below zero."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dolisync.model import SaleLine
from dolisync.program.draft_shares import Bought, bought_by_rate, has_other_taxes, rooms, shared
from tests.builders import line

CENT = Decimal("0.01")
RATES = [Decimal(rate) for rate in ("0", "2.1", "5.5", "8.5", "10", "20", "25")]


def priced(incl: str | Decimal, rate: str | Decimal) -> SaleLine:
    including, percent = Decimal(incl), Decimal(rate)
    excl = (including / (1 + percent / 100)).quantize(CENT, rounding=ROUND_HALF_UP)
    return line(including, tax_rate=percent, total_excl=excl)


def taken(amount: Decimal, rate: Decimal) -> SaleLine:
    return priced(-amount, rate)


def test_edge_46_one_discount_over_two_rates_is_one_line_for_each() -> None:
    lines = [priced("60", "20"), priced("40", "10")]
    shares = shared(Decimal(10), rooms(lines))
    assert [(share.tax_rate, share.amount) for share in shares] == [(10, 4), (20, 6)]


@pytest.mark.parametrize(
    ("lines", "room"),
    [
        ([priced("12", "20")], {Decimal(20): Decimal(12)}),
        ([priced("12", "20"), priced("-15", "20"), priced("8", "10")], {Decimal(10): Decimal(8)}),
        ([priced("0", "20")], {}),
        ([priced("5", "0")], {Decimal(0): Decimal(5)}),
        ([], {}),
    ],
)
def test_edge_48_a_rate_gives_room_for_what_was_bought_at_it(
    lines: list[SaleLine], room: dict[Decimal, Decimal]
) -> None:
    assert rooms(lines) == room


@given(
    st.lists(st.tuples(st.integers(-500, 9000), st.sampled_from(RATES)), min_size=1, max_size=12),
    st.integers(1, 100),
)
def test_shares_add_up_and_no_rate_falls_below_zero(
    goods: list[tuple[int, Decimal]], percent: int
) -> None:
    lines = [priced(Decimal(cents) / 100, rate) for cents, rate in goods]
    room = rooms(lines)
    total = sum(room.values(), Decimal(0))
    amount = (total * percent / 100).quantize(CENT)
    assume(Decimal(0) < amount <= total)
    shares = shared(amount, room)
    assert sum(share.amount for share in shares) == amount
    after = bought_by_rate([*lines, *(taken(one.amount, one.tax_rate) for one in shares)])
    assert not any(after[share.tax_rate].is_below_zero for share in shares)


@pytest.mark.parametrize("amount", ["0", "-0.01", "10.01"])
def test_nothing_and_more_than_there_is_room_for_are_never_shared(amount: str) -> None:
    with pytest.raises(AssertionError, match=r"^more is to be taken off than there is room$"):
        shared(Decimal(amount), {Decimal(20): Decimal(6), Decimal(10): Decimal(4)})


def test_taxes_of_another_kind_are_seen() -> None:
    assert not has_other_taxes([priced("12.34", "20"), priced("9.99", "5.5")])
    assert has_other_taxes([line(Decimal("12.64"), tax_rate=Decimal(20), total_excl=Decimal(10))])


@pytest.mark.parametrize(
    ("excl", "incl", "below"), [(10, 12, False), (0, 0, False), (-1, 1, True), (5, 4, True)]
)
def test_what_dolibarr_refuses(excl: int, incl: int, *, below: bool) -> None:
    assert Bought(Decimal(excl), Decimal(incl)).is_below_zero is below
