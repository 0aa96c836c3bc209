"""Which articles earn (A5, A6): tags, references, kinds, extra fields, discounted ones."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from builders import credit_note, line, program, sale
from dolisync.model import Article, DiscountKind, Sale, SaleLine
from dolisync.program.assess import Family, Verdict, assess, assess_alone
from dolisync.program.reasons import Why
from dolisync.program.surroundings import Surroundings

AROUND = Surroundings()
BREAD = Article(("Bakery", "Bread"), Decimal("8.33"), Decimal(10), (("brand", "Acme"),))
WINE = Article(("Wine",), Decimal("16.67"), Decimal(20), (("brand", "Château [7]"),))


def bread(amount: str | int = 10, rowid: int = 1, quantity: str | int = 1, **more: Any) -> SaleLine:
    values = {"product_ref": "BR-01", "article": BREAD, **more}
    return line(amount, 1, quantity, rowid=rowid, **values)


def wine(amount: str | int = 20, rowid: int = 2, quantity: str | int = 1, **more: Any) -> SaleLine:
    values = {"product_ref": "WI-[7]", "article": WINE, **more}
    return line(amount, 2, quantity, rowid=rowid, **values)


def free(amount: str | int, rowid: int) -> SaleLine:
    return line(amount, None, rowid=rowid, text="free text")


def verdicts(earn: dict[str, Any], sold: Sale, *returns: Sale) -> tuple[Verdict, ...]:
    return assess(program(earn={"amount": {}, **earn}), AROUND, Family(sold, returns))


def units(earn: dict[str, Any], *lines: SaleLine) -> int:
    return verdicts(earn, sale(1, lines=lines))[0].units


@pytest.mark.parametrize(
    ("selection", "fits"),
    [
        ({"tags": ["Bread"]}, True),
        ({"tags": ["bakery"]}, True),
        ({"tags": ["Wine", "Bread"]}, True),
        ({"tags": ["Brea"]}, False),
        ({"references": ["BR-01"]}, True),
        ({"references": ["br-*"]}, True),
        ({"references": ["BR"]}, False),
        ({"kinds": ["product"]}, True),
        ({"kinds": ["service"]}, False),
        ({"kinds": ["service", "product"]}, True),
        ({"fields": ["brand=Acme"]}, True),
        ({"fields": ["brand = ACME "]}, True),
        ({"fields": ["brand=Other", "brand=Acme"]}, True),
        ({"fields": ["brand=Acme", "season=winter"]}, False),
        ({"tags": ["Bread"], "fields": ["brand=Acme"]}, True),
        ({"tags": ["Bread"], "kinds": ["service"]}, False),
        ({}, False),
    ],
)
def test_an_article_fits_when_it_fits_each_list(selection: dict[str, Any], fits: bool) -> None:
    assert units({"only": selection}, bread()) == (10 if fits or not selection else 0)
    assert units({"leave_out": [selection]}, bread()) == (0 if fits else 10)


def test_square_brackets_are_characters_of_a_reference() -> None:
    assert units({"only": {"references": ["wi-[7]"]}}, wine()) == 20
    assert units({"only": {"references": ["wi-[6-8]"]}}, wine()) == 0
    assert units({"only": {"fields": ["brand=château [7]"]}}, wine()) == 20


def test_of_only_and_leave_out_both_hold() -> None:
    earn = {"only": {"tags": ["Bread", "Wine"]}, "leave_out": [{"fields": ["brand=Acme"]}]}
    assert units(earn, bread(), wine()) == 20
    several = {"leave_out": [{"references": ["WI-*"]}, {"tags": ["Bread"]}]}
    assert units(several, bread(), wine(), free(7, 3)) == 7


def test_text_without_a_product_fits_by_kind_alone() -> None:
    assert units({"only": {"tags": ["Bread"]}}, free(30, 1)) == 0
    assert units({"only": {"kinds": ["product"]}}, free(30, 1)) == 30


def test_a_product_that_the_catalogue_does_not_know_has_no_tags() -> None:
    assert units({"only": {"tags": ["Bread"]}}, bread(article=None)) == 0
    assert units({"leave_out": [{"tags": ["Bread"]}]}, bread(article=None)) == 10


@pytest.mark.parametrize(
    ("which", "points"),
    [("none", 44), ("line_discount", 36), ("below_price", 28), ("any", 20)],
)
def test_discounted_articles_are_left_out_as_set(which: str, points: int) -> None:
    by_percent = bread(8, 1, discount_percent=Decimal(20), article=None)
    by_price = wine(16, 2)
    assert units({"leave_out_discounted": which}, by_percent, by_price, wine(20, 3)) == points


@pytest.mark.parametrize(
    ("amount", "quantity", "earns"),
    [("9.99", 1, False), ("29.99", 3, True), ("29.90", 3, False), (10, 1, True), (12, 1, True)],
)
def test_rounding_to_cents_is_no_lower_price(amount: str, quantity: int, earns: bool) -> None:
    points = units({"leave_out_discounted": "below_price"}, bread(amount, 1, quantity))
    assert (points > 0) is earns


def test_a_discount_on_the_whole_sale_lowers_what_counts_by_its_share() -> None:
    earn = {"only": {"tags": ["Wine"]}}
    assert units(earn, bread(20, 1), wine(20, 2), free(-10, 3)) == 15
    assert units(earn, bread(20, 1), free(-10, 3)) == 0


def test_points_of_products_and_bands_follow_the_articles_too() -> None:
    earn = {"amount": None, "product": {}, "leave_out": [{"tags": ["Wine"]}]}
    giving = wine(product_points=Decimal(50)), bread(product_points=Decimal(5))
    assert units(earn, *giving) == 5
    banded = {"amount": None, "band": [{"at_least": 15, "points": 9}, {"points": 1}]}
    assert units({**banded, "leave_out": [{"tags": ["Wine"]}]}, bread(), wine()) == 1
    assert units(banded, bread(), wine()) == 9


def test_a_return_is_judged_as_it_was_sold() -> None:
    sold = sale(1, lines=[bread(10, 1, discount_percent=Decimal(5)), wine(20, 2)])
    retagged = Article(("Wine",))
    back = credit_note(2, 10, 1, lines=[bread(-10, 3, article=retagged)])
    rest = credit_note(3, 20, 1, lines=[wine(-20, 4, article=None)])
    for earn in ({"only": {"tags": ["Wine"]}}, {"leave_out_discounted": "line_discount"}):
        assert [v.units for v in verdicts(earn, sold, back)] == [20, 0]
        assert [v.units for v in verdicts(earn, sold, back, rest)] == [20, 0, -20]


def test_a_product_sold_both_ways_is_returned_by_its_own_line() -> None:
    sold = sale(1, lines=[bread(10, 1), bread(8, 2, discount_percent=Decimal(20))])
    earn = {"leave_out_discounted": "line_discount"}
    full = credit_note(2, 0, 1, lines=[bread(-10, 3)])
    cheap = credit_note(2, 0, 1, lines=[bread(-8, 3, discount_percent=Decimal(20))])
    assert [v.units for v in verdicts(earn, sold, full)] == [10, -10]
    assert [v.units for v in verdicts(earn, sold, cheap)] == [10, 0]


def test_a_returned_discount_on_the_whole_sale_keeps_to_its_share() -> None:
    sold = sale(1, lines=[bread(20, 1), wine(20, 2), free(-10, 3)])
    half = credit_note(2, 0, 1, lines=[wine(-20, 4), free(5, 5)])
    assert [v.units for v in verdicts({"only": {"tags": ["Wine"]}}, sold, half)] == [15, -15]
    assert [v.units for v in verdicts({"only": {"tags": ["Bread"]}}, sold, half)] == [15, 0]


def test_a_return_without_origin_is_judged_by_its_own_articles() -> None:
    terms = program(earn={"amount": {}, "only": {"tags": ["Wine"]}})
    alone = credit_note(1, 0, None, lines=[bread(-10, 1), wine(-20, 2)])
    assert assess_alone(terms, AROUND, alone, "it names no sale").units == -20


def test_a_used_deposit_stays_a_payment() -> None:
    deposit = line(-10, None, rowid=3, text="(DEPOSIT)", discount=DiscountKind.DEPOSIT)
    assert units({"only": {"tags": ["Wine"]}}, bread(20, 1), wine(20, 2), deposit) == 20


def test_what_was_left_out_is_named() -> None:
    many = [line(1, n, rowid=n, product_ref=f"BR-{n}", article=BREAD) for n in range(3, 9)]
    verdict = verdicts({"only": {"tags": ["Wine"]}}, sale(1, lines=[wine(), *many, free(-2, 99)]))[
        0
    ]
    reasons = {reason.why: str(reason) for reason in verdict.reasons}
    assert reasons[Why.ARTICLES_OUT] == (
        "6.00 of articles that earn nothing: BR-3, BR-4, BR-5, BR-6, BR-7, ..."
    )
    assert "by its share: 1.54" in reasons[Why.DISCOUNT_SHARED]


@pytest.mark.parametrize("test", ["brand", "=Acme", "Brand=Acme", "brand=", "1x=2"])
def test_a_field_is_written_with_its_value(test: str) -> None:
    with pytest.raises(ValidationError):
        program(earn={"only": {"fields": [test]}})


amounts = st.lists(st.tuples(st.booleans(), st.integers(1, 50)), min_size=1, max_size=5)


@given(amounts)
def test_what_is_left_out_and_what_is_not_add_up_to_all(sold: list[tuple[bool, int]]) -> None:
    lines = [
        (bread if is_bread else wine)(amount, rowid)
        for rowid, (is_bread, amount) in enumerate(sold, 1)
    ]
    of_bread = units({"only": {"tags": ["Bread"]}}, *lines)
    assert of_bread + units({"leave_out": [{"tags": ["Bread"]}]}, *lines) == units({}, *lines)


@given(amounts, st.sampled_from(["none", "line_discount"]))
def test_returning_line_by_line_ends_at_zero(sold: list[tuple[bool, int]], which: str) -> None:
    lines = [
        (bread if is_bread else wine)(amount, rowid, discount_percent=Decimal(amount % 2))
        for rowid, (is_bread, amount) in enumerate(sold, 1)
    ]
    returns = [credit_note(100 + entry.rowid, 0, 1, lines=[_back(entry)]) for entry in lines]
    earn = {"leave_out": [{"tags": ["Wine"]}], "leave_out_discounted": which}
    assert sum(v.units for v in verdicts(earn, sale(1, lines=lines), *returns)) == 0


def _back(entry: SaleLine) -> SaleLine:
    make = bread if entry.product_rowid == 1 else wine
    percent = entry.discount_percent
    return make(str(-entry.total_incl), 1000 + entry.rowid, discount_percent=percent)


def test_another_tax_rate_is_no_lower_price() -> None:
    abroad = bread("8.33", 1, total_excl=Decimal("8.33"), tax_rate=Decimal(0))
    assert units({"leave_out_discounted": "below_price"}, abroad) == 8
