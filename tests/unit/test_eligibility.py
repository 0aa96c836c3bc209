"""Whose sales earn, and where they are made (A8, A11); how the base is lowered (A7)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from dolisync.model import Buyer, DiscountKind, Payment, Sale, SaleLine
from dolisync.program.assess import Family, assess, assess_alone
from dolisync.program.reasons import Why
from dolisync.program.surroundings import Surroundings
from tests.builders import NOON, credit_note, line, program, sale

AROUND = Surroundings(points_payment_mode="LOY")
ALICE = Buyer(
    "TE_PRIVATE", ("Gold", "Members"), "Saint-Étienne", "42", "Loire", "Auvergne-Rhône-Alpes", "FR"
)


def units(earn: dict[str, Any], sold: Sale) -> int:
    return assess(program(earn={"amount": {}, **earn}), AROUND, Family(sold))[0].units


@pytest.mark.parametrize(
    ("terms", "fits"),
    [
        ({"types": ["TE_PRIVATE"]}, True),
        ({"types": ["TE_SMALL", "te_private"]}, True),
        ({"types": ["TE"]}, False),
        ({"tags": ["members"]}, True),
        ({"tags": ["Silver"]}, False),
        ({"tags": ["*"]}, False),
        ({"towns": ["saint-étienne"]}, True),
        ({"towns": ["Saint-*"]}, True),
        ({"towns": ["Lyon"]}, False),
        ({"departments": ["42"]}, True),
        ({"departments": ["loire"]}, True),
        ({"departments": ["4"]}, False),
        ({"regions": ["Auvergne-Rhône-Alpes"]}, True),
        ({"regions": ["Bretagne"]}, False),
        ({"countries": ["fr", "BE"]}, True),
        ({"countries": ["IT"]}, False),
        ({"tags": ["Gold"], "towns": ["Lyon"]}, False),
        ({"tags": ["Gold"], "countries": ["FR"]}, True),
    ],
)
def test_a_customer_fits_when_he_fits_each_list(terms: dict[str, Any], fits: bool) -> None:
    sold = replace(sale(1, 10), buyer=ALICE)
    assert units({"only_customers": terms}, sold) == (10 if fits else 0)
    assert units({"leave_out_customers": [terms]}, sold) == (0 if fits else 10)


def test_lists_without_words_mean_nobody_to_leave_out_and_everybody_to_count() -> None:
    sold = replace(sale(1, 10), buyer=ALICE)
    assert units({"only_customers": {}}, sold) == 10
    assert units({"leave_out_customers": [{}]}, sold) == 10


def test_of_a_customer_of_whom_nothing_is_known_no_list_holds() -> None:
    assert units({"only_customers": {"tags": ["Gold"]}}, sale(1, 10)) == 0
    assert units({"leave_out_customers": [{"tags": ["Gold"]}]}, sale(1, 10)) == 10


def test_who_has_opted_out_earns_nothing_and_is_told_so() -> None:
    sold = replace(sale(1, 10), buyer=Buyer(opted_out=True))
    verdict = assess(program(), AROUND, Family(sold))[0]
    assert verdict.units == 0
    assert [reason.why for reason in verdict.reasons] == [Why.OPTED_OUT]


@pytest.mark.parametrize(
    ("earn", "terminal", "earns"),
    [
        ({"channels": ["pos"]}, "1", True),
        ({"channels": ["pos"]}, "", False),
        ({"channels": ["office"]}, "1", False),
        ({"channels": ["office", "pos"]}, "", True),
        ({"terminals": [1, "2"]}, "1", True),
        ({"terminals": ["2"]}, "1", False),
        ({"terminals": ["2"]}, "", False),
        ({"leave_out_terminals": [1]}, "1", False),
        ({"leave_out_terminals": ["2"]}, "1", True),
        ({"leave_out_terminals": ["2"]}, "", True),
    ],
)
def test_channels_and_terminals(earn: dict[str, Any], terminal: str, earns: bool) -> None:
    assert units(earn, sale(1, 10, terminal=terminal)) == (10 if earns else 0)


@pytest.mark.parametrize(
    ("earn", "said"),
    [
        ({"channels": ["pos"]}, "the program counts no sales of this kind: office"),
        ({"terminals": ["2"]}, "the program counts no sales at this terminal: none"),
        (
            {"only_customers": {"tags": ["A", "B"], "towns": ["C"]}},
            "the program is for other customers, by tag: A, B",
        ),
        (
            {"leave_out_customers": [{"tags": ["Gold", "X"], "countries": ["FR"]}]},
            "the program leaves such customers out, by tag, country: Gold, X, FR",
        ),
    ],
)
def test_why_a_sale_earns_nothing_in_words(earn: dict[str, Any], said: str) -> None:
    sold = replace(sale(1, 10), buyer=ALICE)
    (reason,) = assess(program(earn={"amount": {}, **earn}), AROUND, Family(sold))[0].reasons
    assert str(reason) == said


def test_a_return_is_taken_back_wherever_and_to_whomever_it_is_made() -> None:
    earn = {"amount": {}, "channels": ["pos"], "leave_out_customers": [{"tags": ["Staff"]}]}
    sold = replace(sale(1, 10, terminal="1"), buyer=ALICE)
    back = replace(credit_note(2, 10, 1), buyer=Buyer(tags=("Staff",), opted_out=True))
    verdicts = assess(program(earn=earn), AROUND, Family(sold, (back,)))
    assert [verdict.units for verdict in verdicts] == [10, -10]


def test_a_return_by_itself_counts_where_sales_do() -> None:
    terms = program(earn={"amount": {}, "channels": ["pos"]})
    for terminal, points in (("1", -10), ("", 0)):
        note = credit_note(2, 10, None, terminal=terminal)
        assert assess_alone(terms, AROUND, note, "alone").units == points


# --- what lowers the base ------------------------------------------------------------------------


def voucher(amount: int, rowid: int = 9, text: str = "A voucher") -> SaleLine:
    return line(-amount, None, rowid=rowid, discount=DiscountKind.FIXED, text=text)


def paid(mode: str, amount: int) -> Payment:
    return Payment(mode, Decimal(amount), NOON)


def test_the_worked_case_of_fifty_euros_a_voucher_and_three_hundred_points() -> None:
    sold = sale(1, lines=[line(50), voucher(5)], payments=[paid("LOY", 30), paid("CB", 15)])
    assert units({}, sold) == 15
    rewarded = sale(1, lines=[line(50), voucher(5), voucher(30, 10, "DS-ABC points")])
    assert units({}, rewarded) == 15
    by_mode = sale(1, 50, payments=[paid("BON", 5), paid("LOY", 30), paid("CB", 15)])
    assert units({"leave_out_paid_by": ["bon"]}, by_mode) == 15


@pytest.mark.parametrize(
    ("points", "discounts", "expected"),
    [(True, True, 15), (False, True, 45), (True, False, 20), (False, False, 50)],
)
def test_each_thing_lowers_the_base_only_as_set(
    points: bool, discounts: bool, expected: int
) -> None:
    earn = {"leave_out_paid_with_points": points, "leave_out_fixed_discounts": discounts}
    lines = [line(50), voucher(5), voucher(30, 10, "DS-ABC points")]
    assert units(earn, sale(1, lines=lines)) == expected
    by_points = sale(1, lines=[line(50), voucher(5)], payments=[paid("LOY", 30), paid("CB", 15)])
    assert units(earn, by_points) == expected


def test_what_a_voucher_paid_whole_earns_nothing_at_all() -> None:
    earn: dict[str, Any] = {"visit": {}, "product": {}}
    goods = line(5, product_points=Decimal(3))
    assert units(earn, sale(1, lines=[goods, voucher(5)])) == 0
    assert units({**earn, "leave_out_fixed_discounts": False}, sale(1, lines=[goods, voucher(5)]))
    free = line(0, product_points=Decimal(3))
    assert units(earn, sale(1, lines=[free])) == 4


def test_only_the_modes_that_are_named_earn_nothing() -> None:
    sold = sale(1, 50, payments=[paid("BON", 20), paid("GIFT", 10), paid("CB", 20)])
    assert units({}, sold) == 50
    assert units({"leave_out_paid_by": ["BON"]}, sold) == 30
    assert units({"leave_out_paid_by": ["BON", "GIFT"]}, sold) == 20
    # Money given back by the same mode was not paid by it.
    back = sale(1, 50, payments=[paid("BON", 20), paid("BON", -20), paid("CB", 50)])
    assert units({"leave_out_paid_by": ["BON"]}, back) == 50


@pytest.mark.parametrize(
    ("payments", "lines", "said"),
    [
        (
            [paid("LOY", 10), paid("CB", 40)],
            [line(50)],
            "10 was paid with points and earns nothing: 40 left",
        ),
        (
            [paid("BON", 10), paid("CB", 40)],
            [line(50)],
            "10 was paid by BON and earns nothing: 40 left",
        ),
        ([], [line(5), voucher(5)], "a fixed discount of 5 paid all of it, so it earns nothing"),
        (
            [],
            [line(5), voucher(5, text="DS-ABC")],
            "5 was paid with points and earns nothing: 0 left",
        ),
    ],
)
def test_how_it_was_paid_in_words(
    payments: list[Payment], lines: list[SaleLine], said: str
) -> None:
    terms = program(earn={"amount": {}, "leave_out_paid_by": ["BON"]})
    sold = sale(1, lines=lines, payments=payments)
    assert said in map(str, assess(terms, AROUND, Family(sold))[0].reasons)


def test_small_change_counts_as_all_money_does() -> None:
    cents = {"amount": {"per": "0.10"}, "leave_out_paid_by": ["BON"]}
    sold = sale(1, 1, payments=[Payment("BON", Decimal("0.60"), NOON), paid("CB", 1)])
    assert units(cents, sold) == 4


def test_a_discount_of_a_campaign_lowers_the_base_as_any_lower_price() -> None:
    cheaper = line(40, discount_percent=Decimal(20))
    assert units({}, sale(1, lines=[cheaper])) == 40
    assert units({}, sale(1, lines=[line(50), line(-10, None, rowid=2)])) == 40


def test_gift_cards_never_earn_as_articles_left_out() -> None:
    earn = {"leave_out": [{"references": ["GIFT*"]}]}
    card = line(50, 2, rowid=2, product_ref="GIFT-50")
    assert units(earn, sale(1, lines=[line(10), card])) == 10


def test_returns_of_what_was_lowered_end_at_zero() -> None:
    sold = sale(1, lines=[line(50), voucher(5)], payments=[paid("LOY", 30), paid("CB", 15)])
    half = credit_note(2, 25, 1)
    rest = credit_note(3, 0, 1, lines=[line(-25, rowid=8), line(5, None, rowid=11)])
    for earn in ({}, {"leave_out_fixed_discounts": False}):
        verdicts = assess(program(earn={"amount": {}, **earn}), AROUND, Family(sold, (half, rest)))
        assert sum(verdict.units for verdict in verdicts) == 0
