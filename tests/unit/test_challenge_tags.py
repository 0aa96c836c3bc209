"""Challenges by product tags, and badges without points (B8)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import Engine

from dolisync.model import Article, Sale, SaleLine, SaleStatus
from dolisync.program.campaign_terms import ChallengeTerms
from dolisync.program.kinds import by_campaign_of, key_of
from dolisync.program.terms import Program
from dolisync.sync.catalogue import question_of
from tests.builders import credit_note, line, program, sale
from tests.examples import by_default_and_long
from tests.fakes import Shop
from tests.unit.test_caps import held, why
from tests.unit.test_challenges import badge
from tests.unit.test_merge import Merging
from tests.unit.test_timeline_histories import equals_its_replay

OpenShop = Callable[..., Shop]
DAY = date(2026, 10, 1)
TEA, COFFEE, CAKE = 1, 2, 3
ARTICLES = {
    TEA: Article(("Tea", "Drinks")),
    COFFEE: Article(("coffee", "Drinks")),
    CAKE: Article(("Cakes",)),
    4: Article(),
}
TAGS = {"tags": ["Tea", "Coffee", "Cakes"]}


def on(number: int) -> date:
    return DAY + timedelta(days=number)


def of(product: int, amount: int | str = 10, **more: Any) -> SaleLine:
    return line(amount, product, article=ARTICLES[product], **{"rowid": product, **more})


def ticket(rowid: int, day: int, *products: int, **more: Any) -> Sale:
    return sale(rowid, lines=[of(product) for product in products], day=on(day), **more)


def back(rowid: int, origin: int, *products: int) -> Sale:
    lines = [of(product, -10, rowid=rowid * 100 + product) for product in products]
    return credit_note(rowid, 0, origin, lines=lines)


def asking(challenge: dict[str, Any], **more: Any) -> Program:
    terms = {"name": "tour", "title": "Tour", "bonus": 100, "challenge": challenge}
    return program(campaign=[{**terms, **more}])


BADGE_ONLY: dict[str, Any] = {"bonus": 0}


# --- tags ---


@pytest.mark.parametrize("order", list(permutations(range(4)))[::3])
def test_something_bought_in_each_tag_in_any_order(
    ledger_engine: Engine, order: tuple[int, ...]
) -> None:
    shop = Shop(ledger_engine, programs=(asking(TAGS),))
    sales = [
        ticket(1, 0, TEA, 4),
        ticket(2, 1, TEA, COFFEE),
        ticket(3, 2, CAKE),
        ticket(4, 3, 4),
    ]
    for place in order:
        shop.take(sales[place])
    # With the third all are there; it holds for the sales after it too.
    assert held(shop, 1, 2, 3, 4) == [20, 20, 110, 110]
    assert shop.breaches() == []


def test_all_in_one_sale(open_shop: OpenShop) -> None:
    shop = open_shop(asking(TAGS))
    shop.take(ticket(1, 0, TEA, COFFEE, CAKE))
    assert held(shop, 1) == [130]
    assert why(shop, 1)[-1] == "Tour: 100 points more, a bonus of 100"


def test_what_is_missing_is_said(open_shop: OpenShop) -> None:
    shop = open_shop(asking({**TAGS, "days": 30}))
    shop.take(ticket(1, 0, 4), ticket(2, 1, TEA), ticket(3, 2, 4), ticket(4, 3, CAKE))
    said = [next(text for text in why(shop, n) if text.startswith("Tour")) for n in (1, 3, 4)]
    assert said == [
        "Tour: bought in 0 of 3 tags in 30 days, not yet in Tea, Coffee, Cakes",
        "Tour: bought in 1 of 3 tags in 30 days, not yet in Coffee, Cakes",
        "Tour: bought in 2 of 3 tags in 30 days, not yet in Coffee",
    ]


def test_so_many_of_them_will_do(open_shop: OpenShop) -> None:
    shop = open_shop(asking({**TAGS, "different": 2}))
    shop.take(ticket(1, 0, CAKE), ticket(2, 1, CAKE), ticket(3, 2, TEA))
    assert held(shop, 1, 2, 3) == [10, 10, 110]


def test_the_days_hold_that_of_the_sale(open_shop: OpenShop) -> None:
    shop = open_shop(asking({"tags": ["Tea", "Cakes"], "days": 10}))
    shop.take(ticket(1, 0, TEA), ticket(2, 10, CAKE), ticket(3, 19, TEA), ticket(4, 29, CAKE))
    assert held(shop, 1, 2, 3, 4) == [10, 10, 110, 10]


def test_what_comes_back_is_not_bought(open_shop: OpenShop) -> None:
    shop = open_shop(asking({"tags": ["Tea", "Cakes"]}))
    shop.take(ticket(1, 0, TEA, COFFEE), ticket(2, 1, CAKE), ticket(3, 2, TEA))
    assert held(shop, 1, 2, 3) == [20, 110, 110]
    # The coffee comes back: the tea stays. Then that too: the third has its own.
    shop.take(back(11, 1, COFFEE))
    assert held(shop, 1, 2, 3) == [20, 110, 110]
    shop.take(back(12, 1, TEA))
    assert held(shop, 1, 2, 3) == [20, 10, 110]
    assert shop.breaches() == []


def test_where_returns_take_nothing_back_what_was_bought_stays_bought(open_shop: OpenShop) -> None:
    terms = asking({"tags": ["Tea", "Cakes"]})
    shop = open_shop(program(campaign=list(terms.campaign), returns={"take_back": False}))
    shop.take(ticket(1, 0, TEA), ticket(2, 1, CAKE), back(11, 1, TEA))
    assert held(shop, 1, 2) == [10, 110]


@pytest.mark.parametrize(
    "nothing",
    [
        pytest.param([of(TEA, 0)], id="given away"),
        pytest.param([of(TEA), line(-10, None, rowid=9)], id="all off"),
        pytest.param([line(10, None, rowid=9)], id="not of the catalogue"),
    ],
)
def test_what_was_not_paid_for_is_not_bought(open_shop: OpenShop, nothing: list[SaleLine]) -> None:
    shop = open_shop(asking({"tags": ["Tea", "Cakes"]}))
    shop.take(sale(1, lines=nothing, day=on(0)), ticket(2, 1, CAKE))
    assert held(shop, 2) == [10]


@pytest.mark.parametrize(
    "uncounted",
    [
        pytest.param({"status": SaleStatus.VALIDATED}, id="not paid"),
        pytest.param({"status": SaleStatus.ABANDONED}, id="abandoned"),
        pytest.param({"buyer": 8}, id="another customer's"),
    ],
)
def test_sales_that_do_not_count_are_none(open_shop: OpenShop, uncounted: Any) -> None:
    shop = open_shop(asking({"tags": ["Tea", "Cakes"]}))
    shop.take(ticket(1, 0, TEA, **uncounted), ticket(2, 1, CAKE))
    assert held(shop, 2) == [10]
    shop.take(ticket(1, 0, TEA))
    assert held(shop, 2) == [110]
    assert shop.breaches() == []


def test_a_campaign_on_thursdays_looks_at_all_days(open_shop: OpenShop) -> None:
    """As with visits: the conditions are those of the sale, what went before is anybody's."""
    shop = open_shop(asking({"tags": ["Tea", "Cakes"]}, weekdays=["thursday"]))
    # 1 October 2026 is a Thursday.
    shop.take(ticket(1, -1, TEA), ticket(2, 0, CAKE), ticket(3, 1, CAKE))
    assert held(shop, 1, 2, 3) == [10, 110, 10]


def test_merged_customers_bought_together(open_shop: OpenShop) -> None:
    shop = open_shop(asking({"tags": ["Tea", "Cakes"]}))
    shop.take(ticket(1, 0, TEA, buyer=8), ticket(2, 1, CAKE), ticket(3, 2, CAKE))
    assert held(shop, 2, 3) == [10, 10]
    place = Merging(shop)
    place.merge(old=8, into=7)
    assert held(shop, 2, 3) == [110, 110]
    assert shop.breaches() == []


def test_half_a_euro_is_bought_too(open_shop: OpenShop) -> None:
    shop = open_shop(asking({"tags": ["Tea", "Cakes"]}))
    shop.take(sale(1, lines=[of(TEA, "0.50")], day=on(0)), ticket(2, 1, CAKE))
    assert held(shop, 2) == [110]


def test_a_tag_may_hold_the_mark_that_parts_names(open_shop: OpenShop) -> None:
    """A later look at a sale that is passed must find the same tag."""
    shop = open_shop(asking({"tags": ["No #1", "Cakes"]}))
    numbered = line(10, 9, rowid=9, article=Article(("No #1",)))
    first = sale(1, lines=[numbered], day=on(5))
    shop.take(first, ticket(2, 6, CAKE))
    assert held(shop, 1, 2) == [10, 110]
    shop.take(ticket(3, 1, CAKE))
    assert held(shop, 3, 1, 2) == [10, 110, 110]
    assert shop.breaches() == []


def test_tags_are_found_under_the_names_that_keep_them() -> None:
    keys = [
        "kitchen",
        key_of("kitchen", "Pots"),
        key_of("kitchen", "No. #1"),
        key_of("bath", "Soap"),
    ]
    assert by_campaign_of(keys) == {"kitchen": {"Pots", "No. #1"}, "bath": {"Soap"}}


def test_visits_and_tags_together(open_shop: OpenShop) -> None:
    shop = open_shop(asking({"tags": ["Tea", "Cakes"], "visits": 3}))
    shop.take(*(ticket(n, n, product) for n, product in ((1, TEA), (2, CAKE), (3, 4))))
    assert held(shop, 1, 2, 3) == [10, 10, 110]


def test_the_catalogue_is_asked_for_tags() -> None:
    assert question_of([asking(TAGS)]).tags
    assert not question_of([asking({"visits": 3})]).tags


@pytest.mark.parametrize("tags", [["Tea"], ["Tea", "TEA"]])
def test_more_tags_than_there_are_cannot_be_asked(tags: list[str]) -> None:
    with pytest.raises(ValidationError, match="asks for 2 different tags and names 1"):
        ChallengeTerms.model_validate({"tags": tags, "different": 2})


# --- badges without points ---


def test_a_badge_without_points(open_shop: OpenShop) -> None:
    shop = open_shop(asking({"visits": 2, "badge": "Regular"}, **BADGE_ONLY))
    shop.take(sale(1, 10, day=on(0)))
    assert badge(shop) is None
    shop.take(sale(2, 10, day=on(1)))
    assert (badge(shop), held(shop, 1, 2)) == ("Regular", [10, 10])
    assert why(shop, 2)[-1] == "Tour: met; the badge is Regular"
    shop.take(credit_note(9, 10, 1))
    assert badge(shop) is None
    assert shop.breaches() == []


def test_a_badge_by_tags_for_some_days(open_shop: OpenShop) -> None:
    challenge = {**TAGS, "days": 30, "badge": "Gourmet", "badge_days": 10}
    shop = open_shop(asking(challenge, **BADGE_ONLY))
    shop.take(*(sale(n, lines=[of(n)], day=shop.today) for n in (TEA, COFFEE, CAKE)))
    assert (badge(shop), badge(shop, days=9), badge(shop, days=10)) == ("Gourmet", "Gourmet", None)


def test_half_a_return_leaves_the_badge(open_shop: OpenShop) -> None:
    shop = open_shop(asking({"visits": 1, "badge": "Guest"}, minimum=8, **BADGE_ONLY))
    shop.take(sale(1, 10), credit_note(9, 5, 1))
    assert badge(shop) == "Guest"
    shop.take(credit_note(10, 5, 1))
    assert badge(shop) is None
    assert shop.breaches() == []


def test_a_badge_takes_no_other_campaigns_place(open_shop: OpenShop) -> None:
    star = {"name": "star", "title": "Star", "challenge": {"visits": 1, "badge": "Star"}}
    plain = {"name": "plain", "title": "Plain", "bonus": 5}
    shop = open_shop(program(campaign=[{**star, "exclusive": True}, plain]))
    shop.take(sale(1, 10))
    assert (held(shop, 1), badge(shop)) == ([15], "Star")
    # Neither is it beaten by one that gives points.
    assert not any("instead" in text for text in why(shop, 1))


def test_limits_of_points_are_none_of_a_badge(open_shop: OpenShop) -> None:
    limits = {"budget": {"points": 1}, "per_member": {"points": 1}}
    challenge = {"visits": 1, "badge": "Guest", "badge_days": 5}
    shop = open_shop(asking(challenge, **BADGE_ONLY, **limits))
    shop.take(*(sale(n, 10, day=shop.today + timedelta(days=n)) for n in (0, 1, 2)))
    assert badge(shop, days=6) == "Guest"


def test_times_say_how_often_it_is_met(open_shop: OpenShop) -> None:
    challenge = {"visits": 1, "badge": "Guest", "badge_days": 5}
    shop = open_shop(asking(challenge, **BADGE_ONLY, per_member={"times": 1}))
    shop.take(*(sale(n, 10, day=shop.today + timedelta(days=n)) for n in (0, 3)))
    assert (badge(shop, days=4), badge(shop, days=5)) == ("Guest", None)
    assert "Tour: this customer had it for 1 sales in all" in why(shop, 3)


def test_a_campaign_with_points_tells_its_badge(open_shop: OpenShop) -> None:
    shop = open_shop(asking({"visits": 1, "badge": "Guest"}))
    shop.take(sale(1, 10))
    assert why(shop, 1)[-2:] == [
        "Tour: 100 points more, a bonus of 100",
        "Tour: met; the badge is Guest",
    ]


def test_what_gives_no_points_gives_no_badge_either(open_shop: OpenShop) -> None:
    """It is the campaign's: a factor of nothing is nothing."""
    shop = open_shop(asking({"visits": 1, "badge": "Guest"}, bonus=0, multiply=2))
    shop.take(sale(1, "0.40"))
    assert (held(shop, 1), badge(shop)) == ([0], None)
    assert not any("badge" in text for text in why(shop, 1))


# --- any history ---

PROGRAMS = [
    asking({**TAGS, "different": 2, "days": 40, "badge": "A"}),
    asking({"tags": ["Tea", "Cakes"], "badge": "B"}, bonus=0, per_member={"times": 1}),
    program(
        campaign=[
            {"name": "one", "multiply": 2, "challenge": {"tags": ["Drinks"], "spent": 20}},
            {"name": "two", "challenge": {"tags": ["Tea", "Cakes"], "badge": "C"}},
            {"name": "three", "bonus": 3, "budget": {"points": 9}, "challenge": {"visits": 2}},
        ],
        campaigns={"combine": "add"},
    ),
]
days = st.sampled_from([0, 1, 30, 45])
products = st.lists(st.sampled_from([TEA, COFFEE, CAKE, 4]), min_size=1, max_size=2, unique=True)
tickets = st.builds(
    lambda rowid, day, bought, buyer: ticket(rowid, day, *bought, buyer=buyer),
    st.integers(1, 6),
    days,
    products,
    st.sampled_from([7, 7, 8]),
)
returned = st.builds(
    lambda rowid, origin, brought: back(rowid, origin, *brought),
    st.integers(11, 13),
    st.integers(1, 6),
    products,
)
steps = st.one_of(
    st.lists(tickets, min_size=1, max_size=4),
    st.lists(tickets | returned, min_size=1, max_size=3),
    st.integers(1, 13),
)


@by_default_and_long(
    7, 20, terms=st.sampled_from(PROGRAMS), history=st.lists(steps, min_size=2, max_size=8)
)
def test_any_history_equals_its_replay(
    ledger_template: Path, terms: Program, history: list[Any]
) -> None:
    equals_its_replay(ledger_template, terms, history)
