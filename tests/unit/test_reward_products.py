"""Reward products: free for who has the points, cheaper for who has some; paid by their line."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from dolisync.config import parse
from dolisync.errors import ConfigError
from dolisync.ledger.engine import reading
from dolisync.model import Sale, SaleLine, SaleStatus
from dolisync.ports import RewardLine
from dolisync.program.reward_products import (
    Wanted,
    given_text,
    has_reward_lines,
    marked,
    offers,
    plain_text,
    price_on,
)
from dolisync.sentences import Tongue
from dolisync.sync.explain import explain
from tests.builders import NOON, credit_note, line, program, sale
from tests.fakes import Shop
from tests.unit.test_till_line import ALICE, ANONYMOUS, BOB, Place, placed

ONE = Decimal(1)


def wanted(*prices: str | int) -> list[Wanted]:
    return [Wanted(Decimal(price), ONE) for price in prices]


@pytest.mark.parametrize(
    ("prices", "available", "expected"),
    [
        ([100], 120, [(100, 100)]),
        ([100], 100, [(100, 100)]),
        ([100], 30, [(30, 30)]),
        ([100], 0, [(0, 0)]),
        ([100], -5, [(0, 0)]),
        ([100, 50], 120, [(100, 100), (40, 20)]),
        ([100, 50], 150, [(100, 100), (100, 50)]),
        ([60, 60, 60], 60, [(100, 60), (0, 0), (0, 0)]),
        # Whole points only: never more than there are.
        (["0.7"], 3, [(0, 0)]),
        ([0, 10], 5, [(0, 0), (50, 5)]),
    ],
)
def test_points_go_to_the_first_lines(
    prices: list[Any], available: int, expected: list[tuple[int, int]]
) -> None:
    found = offers(wanted(*prices), Decimal(available), ONE)
    assert [(offer.percent, offer.points) for offer in found] == expected


def test_points_with_decimals_go_to_the_lines_in_their_hundredths() -> None:
    found = offers(wanted("2.50", 4), Decimal("3.519"), Decimal("0.01"))
    assert [(offer.percent, offer.points) for offer in found] == [
        (100, Decimal("2.50")),
        (Decimal("25.25"), Decimal("1.01")),
    ]


@given(
    st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 9)), min_size=1, max_size=5),
    st.integers(0, 9000),
)
def test_what_stands_on_the_lines_costs_what_was_offered(
    lines: list[tuple[int, int]], available: int
) -> None:
    """The percentage is all that Dolibarr keeps: the points must come out of it again."""
    asked = [Wanted(Decimal(price), Decimal(pieces)) for price, pieces in lines]
    found = offers(asked, Decimal(available), ONE)
    assert sum(offer.points for offer in found) <= available
    for one, offer in zip(asked, found, strict=True):
        again = one.price * one.quantity * offer.percent / 100
        assert round(again) == offer.points
        assert 0 <= offer.percent <= 100


def test_a_mark_stands_at_the_end_of_what_was_there() -> None:
    text = "Mug, <b>blue</b> [new]"
    first = marked(text, "100 points", Decimal("100.00"))
    assert first == "Mug, <b>blue</b> [new] [* 100 points DR-100 *]"
    assert marked(first, "30 of 100 points", None) == f"{text} [* 30 of 100 points *]"
    assert marked(first, "", None) == text
    assert marked("", "2.5 points", Decimal("2.50")) == "[* 2.5 points DR-2.5 *]"
    again = given_text(first, "80 points", "DS-A1")
    assert again == f"{text} [* 80 points DS-A1 *]"
    assert given_text("", "80 points", "DS-A1") == "[* 80 points DS-A1 *]"
    assert plain_text(again) == plain_text(text) == text


@pytest.mark.parametrize(
    ("text", "product", "price"),
    [
        ("[* 100 points DR-100 *]", 1, 100),
        ("Mug [* 2,5 Punkte DR-2.5 *]", 1, Decimal("2.5")),
        ("[* 0 of 100 points *]", 1, None),
        ("DR-100", 1, None),
        ("[* 100 points DR-100 *]", None, None),
    ],
)
def test_only_our_own_mark_on_a_product_counts(
    text: str, product: int | None, price: Decimal | None
) -> None:
    given = line(5, product, text=text)
    assert price_on(given) == price
    assert has_reward_lines(sale(1, lines=[line(9), given])) is (price is not None)


# --- on open tickets -----------------------------------------------------------------------------


@pytest.fixture
def place(ledger: Engine) -> Place:
    return placed(ledger, redeem={"product_field": "loyprice"})


def mug(rowid: int = 1, *, price: int = 100, quantity: int = 1, percent: int = 0) -> RewardLine:
    return RewardLine(rowid, Decimal(price), Decimal(quantity), Decimal(percent), "Mug")


def ring(place: Place, ticket: int, buyer: int, *lines: RewardLine) -> None:
    place.tills.ring(ticket, buyer)
    place.tills.tickets[ticket] = replace(place.tills.tickets[ticket], rewards=lines)
    for _ in range(2):
        place.look()


def shown(place: Place, ticket: int = 50) -> list[tuple[Decimal, str]]:
    return [(one.percent, one.text) for one in place.tills.tickets[ticket].rewards]


def test_a_product_is_free_for_who_has_the_points(place: Place) -> None:
    ring(place, 50, ALICE, mug())
    assert shown(place) == [(100, "Mug [* 100 points DR-100 *]")]
    # The line says what is left beside it.
    assert place.tills.texts(50) == ["Points: 20 - 80 points to go until €5.00"]
    writes = place.tills.writes
    place.look()
    assert place.tills.writes == writes


def test_it_is_cheaper_for_who_has_some_and_says_so(place: Place) -> None:
    ring(place, 50, BOB, mug())
    assert shown(place) == [(30, "Mug [* 30 of 100 points DR-100 *]")]


def test_who_has_none_reads_it_on_the_line_and_pays(place: Place) -> None:
    ring(place, 50, 99, mug(percent=10))
    assert shown(place) == [(10, "Mug [* 0 of 100 points *]")]


def test_with_another_customer_it_is_computed_anew(place: Place) -> None:
    ring(place, 50, ALICE, mug())
    place.tills.ring(50, BOB)
    place.look()
    assert shown(place) == [(30, "Mug [* 30 of 100 points DR-100 *]")]
    place.tills.ring(50, ANONYMOUS)
    place.look()
    assert shown(place) == [(0, "Mug")]


def test_points_of_one_ticket_are_not_given_again_on_the_next(place: Place) -> None:
    ring(place, 50, ALICE, mug())
    ring(place, 51, ALICE, mug(2))
    assert shown(place, 51) == [(20, "Mug [* 20 of 100 points DR-100 *]")]


def test_what_a_cashier_changes_is_put_right(place: Place) -> None:
    ring(place, 50, ALICE, mug())
    changed = replace(place.tills.tickets[50].rewards[0], percent=Decimal(15), quantity=Decimal(2))
    place.tills.tickets[50] = replace(place.tills.tickets[50], rewards=(changed,))
    place.look()
    assert shown(place) == [(60, "Mug [* 120 of 200 points DR-100 *]")]


# --- when it is paid -----------------------------------------------------------------------------


def opened(engine: Engine, **terms: Any) -> Shop:
    shop = Shop(engine, programs=(program(redeem={"product_field": "loyprice"}, **terms),))
    shop.put(sale(1, 300, day=date(2026, 11, 1)))
    return shop


@pytest.fixture
def shop(ledger_engine: Engine) -> Shop:
    return opened(ledger_engine)


def given_line(percent: int, *, price: int = 100, full: int = 20, quantity: int = 1) -> SaleLine:
    amount = Decimal(full * quantity * (100 - percent)) / 100
    text = f"Mug [* points DR-{price} *]"
    percent_off = Decimal(percent)
    return line(amount, 5, quantity, rowid=51, text=text, discount_percent=percent_off)


def ticket(rowid: int = 2, *lines: SaleLine, **more: Any) -> Sale:
    return sale(rowid, lines=[line(50, 1, rowid=50), *lines], **more)


def test_a_free_product_costs_its_price_in_points(shop: Shop) -> None:
    shop.put(ticket(2, given_line(100)))
    assert (shop.view().redeemed, shop.view().balance) == (100, 300 - 100 + 50)
    assert shop.breaches() == []


def test_a_cheaper_one_costs_its_share_and_what_is_paid_earns(shop: Shop) -> None:
    shop.put(ticket(2, given_line(30)))
    assert (shop.view().redeemed, shop.view().balance) == (30, 300 - 30 + 64)


def test_faster_than_the_look_it_is_paid_in_money_and_costs_no_points(shop: Shop) -> None:
    shop.put(ticket(2, line(20, 5, rowid=51, text="Mug")))
    assert (shop.view().redeemed, shop.view().balance) == (0, 370)


def test_two_tills_at_once_give_for_points_that_are_there_once(shop: Shop) -> None:
    shop.put(ticket(2, given_line(100, price=250)), ticket(3, given_line(100, price=250)))
    view = shop.view()
    assert (view.redeemed, view.balance, view.debt) == (500, -100, 100)
    assert shop.breaches() == []


def returned(rowid: int, *, pieces: int = 1, quantity: int = -1) -> Sale:
    back = replace(given_line(100), quantity=Decimal(quantity * pieces), total_incl=Decimal(0))
    return credit_note(rowid, 0, 2, lines=[back], terminal="1")


@pytest.mark.parametrize("sign", [1, -1])
def test_a_free_product_that_comes_back_gives_its_points_back(shop: Shop, sign: int) -> None:
    shop.put(ticket(2, given_line(100, quantity=2)))
    assert shop.view().redeemed == 200
    shop.put(returned(3, quantity=sign))
    assert shop.view().redeemed == 100
    shop.put(returned(4, quantity=sign))
    assert (shop.view().redeemed, shop.view().balance) == (0, 350)
    assert shop.breaches() == []


def test_edge_25_lowering_the_quantity_of_a_free_product_gives_points_back(shop: Shop) -> None:
    shop.put(ticket(2, given_line(100, quantity=2)))
    shop.put(ticket(2, given_line(100, quantity=1)))
    assert shop.view().redeemed == 100
    shop.put(ticket(2))
    assert shop.view().redeemed == 0
    assert shop.breaches() == []


def test_where_spent_points_are_kept_a_free_product_gives_none_back(ledger: Engine) -> None:
    shop = opened(ledger, returns={"spent_points": "keep"})
    shop.put(ticket(2, given_line(100)))
    shop.put(returned(3))
    assert shop.view().redeemed == 100
    shop.put(replace(ticket(2, given_line(100)), status=SaleStatus.ABANDONED))
    assert shop.view().redeemed == 0


def test_what_was_given_for_points_earns_no_points_of_its_card(ledger: Engine) -> None:
    shop = opened(ledger, earn={"amount": {}, "product": {}})
    with_points = replace(given_line(100), product_points=Decimal(7))
    shop.put(ticket(2, with_points))
    assert shop.view().balance == 300 - 100 + 50
    shop.put(ticket(3, replace(line(20, 5, rowid=51), product_points=Decimal(7))))
    assert shop.view().balance == 250 + 70 + 7


def test_an_article_given_by_the_catalogue_earns_no_points_of_its_card(ledger: Engine) -> None:
    shop = opened(ledger, earn={"amount": {}, "product": {}})
    given = replace(
        line(0, 5, rowid=51, text="Mug [* 120 points DS-7KQ2M9XW4HTR *]"),
        discount_percent=Decimal(100),
        product_points=Decimal(7),
    )
    shop.put(ticket(2, given))
    assert shop.view().balance == 300 + 50


def test_a_mark_costs_nothing_where_no_program_gives_products(ledger: Engine) -> None:
    shop = Shop(ledger, programs=(program(),))
    shop.put(ticket(2, given_line(100)))
    assert (shop.view().redeemed, shop.view().balance) == (0, 50)


def test_explain_names_the_price(shop: Shop) -> None:
    shop.put(ticket(2, given_line(100)))
    with reading(shop.engine) as connection:
        ((first,),) = explain(connection, NOON, shop.rules, [ticket(2).key])
    told = [Tongue("en", "EUR").say(one) for one in first.judgements[0].verdict.reasons]
    assert "100 points are the price of what was given for points" in told


def test_products_are_given_by_one_program_of_a_source() -> None:
    text = """
[[source]]
url = "http://127.0.0.1"
api_key = "x"
[[program]]
name = "one"
redeem = { product_field = "loyprice" }
[[program]]
name = "two"
field_prefix = "two"
redeem = { product_field = "loyprice" }
"""
    with pytest.raises(ConfigError) as refused:
        parse(text)
    assert "would be paid from 'one' and 'two'" in refused.value.problems[0]
