"""Campaigns (B1 to B5): which hold, what they give, how they combine, what returns take back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from dolisync.model import Article, Buyer, Sale, SaleStatus
from dolisync.program.assess import Family, Verdict, assess, assess_alone
from dolisync.program.before import Before
from dolisync.program.reasons import Why
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program
from tests.builders import credit_note, line, program, sale

AROUND = Surroundings()
THURSDAY = date(2026, 11, 19)
TRIPLE = {"name": "thursdays", "title": "Thursdays", "multiply": 3, "weekdays": ["thursday"]}
WINE = {"name": "wine", "title": "Wine", "multiply": 2, "articles": {"references": ["P2"]}}
HELLO = {"name": "hello", "title": "Hello", "bonus": 50}
SILVER = {"name": "silver", "title": "Silver", "at_least": 100, "multiplier": "1.5", "bonus": 7}


def basket(*amounts: str | int, **more: Any) -> Sale:
    """Sell product 1, 2, ... at these amounts on a Thursday afternoon."""
    lines = [line(amount, place, rowid=place) for place, amount in enumerate(amounts, 1)]
    return sale(1, lines=lines, **{"day": THURSDAY, **more})


def judged(
    terms: Program, sold: Sale, *returns: Sale, before: Before | None = None
) -> tuple[Verdict, ...]:
    return assess(terms, AROUND, Family(sold, returns, before=before or Before()))


def units(given: list[dict[str, Any]], sold: Sale, **more: Any) -> int:
    return judged(program(campaign=given, **more), sold)[0].units


def whys(verdict: Verdict) -> list[Why]:
    return [reason.why for reason in verdict.reasons]


def test_one_that_does_not_hold_is_in_no_others_way() -> None:
    all_ = {"name": "z", "title": "All", "bonus": 5}
    for why_not in (
        {"articles": {"references": ["P9"]}},
        {"customers": {"countries": ["IT"]}},
        {"hours": "01:00-02:00"},
        {"minimum": 1000},
    ):
        first = {"name": "a", "title": "First", "bonus": 50, **why_not}
        assert units([first, all_], basket(10, 20), campaigns={"combine": "add"}) == 35


def test_a_minimum_is_reached_at_its_amount_and_parts_of_one_are_an_amount() -> None:
    at = {"name": "a", "title": "A", "bonus": 5, "minimum": 30}
    verdict = judged(program(campaign=[at]), basket(10, 20))[0]
    assert (verdict.units, Why.CAMPAIGN_MINIMUM in whys(verdict)) == (35, False)
    few = {**at, "articles": {"references": ["P1"]}}
    assert Why.CAMPAIGN_MINIMUM in whys(judged(program(campaign=[few]), basket("0.50", 20))[0])


@pytest.mark.parametrize(
    ("campaign", "points"),
    [
        ({"multiply": 3}, 90),
        ({"multiply": "1.5"}, 45),
        ({"multiply": 1}, 30),
        ({"multiply": "0.5"}, 15),
        ({"multiply": 0}, 0),
        ({"bonus": 50}, 80),
        ({"bonus": 50, "multiply": 2}, 110),
        ({"multiply": 2, "articles": {"references": ["P2"]}}, 50),
        ({"bonus": 5, "articles": {"references": ["P2"]}}, 35),
        ({"multiply": 2, "articles": {"references": ["P9"]}}, 30),
        ({"bonus": 5, "articles": {"references": ["P9"]}}, 30),
        ({"multiply": 2, "articles": {}}, 60),
        ({"bonus": 5, "minimum": 30}, 35),
        ({"bonus": 5, "minimum": "30.01"}, 30),
        ({"bonus": 5, "minimum": 20, "articles": {"references": ["P2"]}}, 35),
        ({"bonus": 5, "minimum": 21, "articles": {"references": ["P2"]}}, 30),
    ],
)
def test_what_a_campaign_gives(campaign: dict[str, Any], points: int) -> None:
    assert units([campaign], basket(10, 20)) == points


def test_articles_earn_by_themselves_what_is_multiplied() -> None:
    steps = {"earn": {"amount": {"per": 10}}}
    assert units([WINE], basket(5, 15), **steps) == 3
    assert units([WINE], basket(15, 5), **steps) == 2


@pytest.mark.parametrize(
    ("articles", "points"),
    [({"tags": ["Drinks"]}, 60), ({"fields": ["brand=Acme"]}, 40), ({"kinds": ["service"]}, 30)],
)
def test_articles_of_a_campaign_by_tag_brand_and_kind(
    articles: dict[str, Any], points: int
) -> None:
    drink = Article(("Drinks",))
    beer = Article(("Beer", "Drinks"), fields=(("brand", "acme"),))
    lines = [line(20, 1, rowid=1, article=drink), line(10, 2, rowid=2, article=beer)]
    assert units([{"multiply": 2, "articles": articles}], sale(1, lines=lines)) == points


def test_articles_that_earn_nothing_earn_nothing_in_a_campaign() -> None:
    earn = {"amount": {}, "leave_out": [{"references": ["P2"]}]}
    assert units([{"multiply": 2}], basket(10, 20), earn=earn) == 20
    assert units([WINE], basket(10, 20), earn=earn) == 10
    assert units([{"bonus": 9, "minimum": 11}], basket(10, 20), earn=earn) == 10


def test_a_discount_on_the_whole_sale_lowers_a_campaigns_articles_by_their_share() -> None:
    lines = [line(20, 1, rowid=1), line(20, 2, rowid=2), line(-10, None, rowid=3)]
    assert units([WINE], sale(1, lines=lines)) == 45


def test_products_bands_and_the_visit_are_multiplied_too() -> None:
    earn: dict[str, Any] = {"product": {}, "visit": {"points": 2}}
    lines = [line(10, 1, 2, rowid=1, product_points=Decimal(5))]
    assert units([{"multiply": 2}], sale(1, lines=lines), earn=earn) == 24
    only = {"multiply": 2, "articles": {"references": ["P1"]}}
    assert units([only], sale(1, lines=lines), earn=earn) == 22
    bands = {"band": [{"at_least": 0, "points": 10}]}
    assert units([WINE], basket(10, 30), earn=bands) == 17
    # All of them together: 20 by amount, 10 by its band, 2 times 5 from the card, twice; the visit.
    lines = [line(20, 1, 2, rowid=1, product_points=Decimal(5))]
    everything = {**earn, **bands, "amount": {}}
    assert units([only], sale(1, lines=lines), earn=everything) == 2 * (20 + 10 + 10) + 2


def test_points_and_payments_without_earning_lower_a_campaign_as_the_rest() -> None:
    terms = program(campaign=[{"multiply": 2, "minimum": 25}])
    around = Surroundings(points_payment_mode="LOY")
    by_points = basket(30)
    paid = replace(by_points.payments[0], mode="LOY", amount=Decimal(5))
    verdict = assess(terms, around, Family(replace(by_points, payments=(paid,))))[0]
    assert verdict.units == 50
    more = replace(paid, amount=Decimal(6))
    assert assess(terms, around, Family(replace(by_points, payments=(more,))))[0].units == 24
    everything = replace(paid, amount=Decimal(30))
    with_bonus = program(campaign=[{"bonus": 9}])
    assert (
        assess(with_bonus, around, Family(replace(by_points, payments=(everything,))))[0].units == 0
    )


# --- combining -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("combine", "points", "parts"),
    [
        ("best", 90, {"thursdays": 60}),
        ("add", 160, {"hello": 50, "thursdays": 60, "wine": 20}),
        ("multiply", 200, {"hello": 50, "thursdays": 60, "wine": 60}),
    ],
)
def test_how_campaigns_combine(combine: str, points: int, parts: dict[str, int]) -> None:
    terms = program(campaign=[TRIPLE, WINE, HELLO], campaigns={"combine": combine})
    verdict = judged(terms, basket(10, 20))[0]
    assert verdict.units == points
    assert dict(verdict.campaigns) == parts


def test_factors_of_overlapping_articles_multiply_where_they_overlap() -> None:
    both = {"name": "both", "multiply": 3, "articles": {"references": ["P1", "P2"]}}
    combine = {"combine": "multiply"}
    assert units([both, WINE], basket(10, 20, 40), campaigns=combine) == 30 + 120 + 40
    # What one factor leaves below a point the next one may lift above it.
    halves = [{"name": "a", "multiply": "1.5"}, {"name": "b", "multiply": "1.5"}]
    assert units(halves, basket(5), campaigns=combine) == 11


def test_the_sum_of_parts_is_rounded_not_each_part() -> None:
    halves = [{"name": name, "multiply": "1.5"} for name in ("a", "b", "c")]
    verdict = judged(program(campaign=halves, campaigns={"combine": "add"}), basket(3))[0]
    assert verdict.units == 3 + 4
    assert dict(verdict.campaigns) == {"a": 1, "b": 2, "c": 1}


@pytest.mark.parametrize(("rounding", "points"), [("down", 4), ("half_up", 5), ("up", 5)])
def test_parts_of_a_point_are_rounded_as_set(rounding: str, points: int) -> None:
    assert units([{"multiply": "1.5"}], basket(3), campaigns={"rounding": rounding}) == points


@pytest.mark.parametrize("combine", ["best", "add", "multiply"])
def test_an_exclusive_campaign_counts_alone(combine: str) -> None:
    alone = {"name": "alone", "bonus": 1, "exclusive": True}
    more = {"name": "more", "bonus": 2, "exclusive": True}
    first = {"name": "first", "bonus": 0, "exclusive": True, "priority": 5}
    terms = {"campaigns": {"combine": combine}}
    assert units([TRIPLE, alone], basket(30), **terms) == 31
    assert units([TRIPLE, alone, more], basket(30), **terms) == 32
    assert units([TRIPLE, alone, more, first], basket(30), **terms) == 30
    elsewhere = {**alone, "weekdays": ["friday"]}
    assert units([TRIPLE, elsewhere], basket(30), **terms) == 90


def test_of_two_that_give_alike_the_higher_priority_counts() -> None:
    one = {"name": "a", "bonus": 5}
    other = {"name": "b", "bonus": 5, "priority": 1}
    assert judged(program(campaign=[one, other]), basket(30))[0].campaigns == (("b", 5),)
    alike = {**other, "priority": 0}
    assert judged(program(campaign=[alike, one]), basket(30))[0].campaigns == (("a", 5),)


def test_every_campaign_is_named_with_its_reason() -> None:
    friday = {"name": "friday", "title": "Fridays", "multiply": 2, "weekdays": ["friday"]}
    terms = program(campaign=[WINE, TRIPLE, HELLO, friday])
    verdict = judged(terms, basket(10, 20))[0]
    assert [str(reason) for reason in verdict.reasons[2:6]] == [
        "Thursdays: 60 points more, times 3 on 30 for 30.00",
        "Hello: it holds, but Thursdays counts instead",
        "Wine: it holds, but Thursdays counts instead",
        "Fridays: not on a thursday",
    ]
    told = verdict.reasons[2].as_json()
    assert told["code"] == "campaign"
    assert told["values"] == {
        "name": "thursdays",
        "title": "Thursdays",
        "points": "60",
        "times": "3",
        "amount": "30.00",
        "base": "30",
    }


@pytest.mark.parametrize(
    ("campaign", "said"),
    [
        ({"bonus": 5}, "Title: 5 points more, a bonus of 5"),
        ({"multiply": 2}, "Title: 30 points more, times 2 on 30 for 30.00"),
        ({"multiply": 2, "bonus": 5}, "Title: 35 points more, times 2 on 30 for 30.00, and 5"),
        ({"multiply": "0.5"}, "Title: -15 points more, times 0.5 on 30 for 30.00"),
        ({}, "Title: 0 points more, a bonus of 0"),
        ({"terminals": ["1"], "bonus": 5}, "Title: not at this terminal (none)"),
        ({"channels": ["pos"], "bonus": 5}, "Title: not for sales of this kind (office)"),
        ({"minimum": 40, "bonus": 5}, "Title: 30.00 of what it is for is below 40.00"),
        (
            {"bonus": 5, "customers": {"tags": ["A"], "towns": ["B"]}},
            "Title: for other customers, by tag: A",
        ),
    ],
)
def test_what_a_campaign_did_in_words(campaign: dict[str, Any], said: str) -> None:
    verdict = judged(program(campaign=[{"title": "Title", **campaign}]), basket(10, 20))[0]
    assert str(verdict.reasons[2]) == said


def test_a_campaign_names_the_amount_of_its_own_articles() -> None:
    verdict = judged(program(campaign=[WINE]), basket(10, 20))[0]
    assert str(verdict.reasons[2]) == "Wine: 20 points more, times 2 on 20 for 20.00"


def test_together_they_take_no_more_than_the_articles_earn() -> None:
    halved = [{"name": name, "multiply": "0.5"} for name in "abc"]
    verdict = judged(program(campaign=halved, campaigns={"combine": "add"}), basket(30))[0]
    assert (verdict.units, verdict.campaigns) == (0, (("a", -15), ("b", -15), ("c", 0)))


def test_points_with_decimals_are_written_as_points() -> None:
    earn = {"amount": {"per": 4, "counting": "proportional"}}
    terms = program(campaign=[TRIPLE], earn=earn, decimals=2)
    verdict = judged(terms, basket("0.50"))[0]
    assert verdict.units == 36
    assert str(verdict.reasons[2]) == "Thursdays: 0.24 points more, times 3 on 0.12 for 0.50"


def test_a_small_sale_has_its_bonus_too() -> None:
    assert units([HELLO], basket("0.01")) == 50


# --- tiers, caps, other sales --------------------------------------------------------------------


def test_a_tier_multiplies_first_and_no_bonus_is_multiplied() -> None:
    silver = Before(1, "silver")
    terms = program(campaign=[{"multiply": 2, "bonus": 3}], tier=[SILVER])
    assert judged(terms, basket(10), before=silver)[0].units == 30 + 7 + 3
    wine = program(campaign=[WINE], tier=[SILVER])
    assert judged(wine, basket(10, 20), before=silver)[0].units == 45 + 30 + 7


def test_a_campaign_for_tiers() -> None:
    gold = {"name": "gold", "title": "Gold", "at_least": 500}
    only = {"bonus": 5, "customers": {"tiers": ["silver", "gold"]}}
    terms = program(campaign=[only], tier=[SILVER, gold])
    assert judged(terms, basket(10), before=Before(1, "gold"))[0].units == 15
    verdict = judged(terms, basket(10))[0]
    assert verdict.units == 10
    assert "for other customers, by tier: Silver, Gold" in str(verdict.reasons[2])


def test_the_first_purchase_only() -> None:
    terms = program(campaign=[{"bonus": 5, "first_purchase": True}])
    assert terms.looks_back
    assert judged(terms, basket(10))[0].units == 15
    second = judged(terms, basket(10), before=Before(1))[0]
    assert second.units == 10
    assert Why.CAMPAIGN_NOT_FIRST in whys(second)


def test_what_it_says_first_of_a_customer_and_of_his_purchase() -> None:
    only = {"first_purchase": True, "customers": {"tags": ["A"], "towns": ["B"]}, "bonus": 5}
    terms = program(campaign=[{"title": "Title", **only}])
    mine = replace(basket(10), buyer=Buyer(tags=("A",), town="B"))
    elsewhere = replace(mine, buyer=Buyer(tags=("A",), town="C"))

    def said(sold: Sale, before: Before) -> str:
        return str(judged(terms, sold, before=before)[0].reasons[2])

    assert said(mine, Before(1)) == "Title: it is not the first purchase"
    assert said(elsewhere, Before(1)) == "Title: it is not the first purchase"
    assert said(elsewhere, Before()) == "Title: for other customers, by town: B"
    always = program(campaign=[{"title": "Title", **only, "first_purchase": False}])
    verdict = judged(always, elsewhere, before=Before(1))[0]
    assert str(verdict.reasons[2]) == "Title: for other customers, by town: B"


def test_a_cap_is_put_on_what_campaigns_give_too() -> None:
    earn = {"amount": {}, "caps": {"per_sale": 40}}
    verdict = judged(program(campaign=[TRIPLE], earn=earn), basket(30))[0]
    assert (verdict.units, verdict.campaigns) == (40, (("thursdays", 60),))


def test_what_is_not_paid_yet_shows_what_its_campaigns_will_give() -> None:
    open_sale = sale(1, 30, status=SaleStatus.VALIDATED, day=THURSDAY)
    verdict = judged(program(campaign=[TRIPLE]), open_sale)[0]
    assert (verdict.units, verdict.pending, verdict.campaigns) == (0, 90, (("thursdays", 60),))


def test_a_channel_and_a_terminal() -> None:
    till = basket(10, terminal="2")
    for campaign, at_till, in_office in (
        ({"bonus": 5, "channels": ["pos"]}, 15, 10),
        ({"bonus": 5, "channels": ["office"]}, 10, 15),
        ({"bonus": 5, "terminals": [2, "3"]}, 15, 10),
        ({"bonus": 5, "terminals": ["1"]}, 10, 10),
    ):
        assert units([campaign], till) == at_till
        assert units([campaign], basket(10)) == in_office


def test_a_campaign_for_customers() -> None:
    terms = [{"bonus": 5, "customers": {"types": ["te_private"], "towns": ["saint-*"]}}]
    buyer = Buyer("TE_PRIVATE", town="Saint-Étienne")
    assert units(terms, replace(basket(10), buyer=buyer)) == 15
    assert units(terms, replace(basket(10), buyer=replace(buyer, kind="TE_SMALL"))) == 10
    assert units(terms, replace(basket(10), buyer=replace(buyer, town="Lyon"))) == 10
    assert units(terms, basket(10)) == 10


# --- returns -------------------------------------------------------------------------------------


def test_a_return_takes_the_campaigns_part_of_its_articles() -> None:
    terms = program(campaign=[TRIPLE, WINE, HELLO], campaigns={"combine": "add"})
    wine = credit_note(2, 0, 1, lines=[line(-20, 2, rowid=9)])
    rest = credit_note(3, 0, 1, lines=[line(-10, 1, rowid=10)])
    found = [verdict.units for verdict in judged(terms, basket(10, 20), wine, rest)]
    # 10 of 30 is left: its point each, tripled, and a third of the bonus, rounded down.
    assert found == [160, -(160 - 46), -46]


def test_conditions_are_judged_on_the_sale_not_on_what_is_left() -> None:
    terms = program(campaign=[{"multiply": 2, "minimum": 30}, {**HELLO, "minimum": 30}])
    part = credit_note(2, 0, 1, lines=[line(-20, 2, rowid=9)], day=date(2027, 1, 1))
    assert [v.units for v in judged(terms, basket(10, 20), part)] == [80, -54]
    late = program(campaign=[TRIPLE])
    assert [v.units for v in judged(late, basket(10, 20), part)] == [90, -60]


def test_the_campaign_that_counted_counts_for_the_return_too() -> None:
    bread = {"name": "bread", "multiply": 4, "articles": {"references": ["P1"]}}
    terms = program(campaign=[WINE, bread])
    gone = credit_note(2, 0, 1, lines=[line(-10, 1, rowid=9)])
    # Bread gave 30 more and wine would have 20: of the wine left none is counted twice now.
    assert [v.units for v in judged(terms, basket(10, 20), gone)] == [60, -40]


def test_a_return_by_itself_takes_nothing_that_campaigns_gave() -> None:
    verdict = assess_alone(program(campaign=[TRIPLE]), AROUND, credit_note(2, 10, None), "alone")
    assert verdict.units == -10


def test_free_goods_and_negative_sales_get_no_bonus() -> None:
    free = sale(1, lines=[line(0, 1, product_points=Decimal(3))], day=THURSDAY)
    earn: dict[str, Any] = {"product": {}}
    assert units([HELLO], free, earn=earn) == 3
    assert units([HELLO], basket(10, -20)) == 0


def test_a_sale_long_ago_is_judged_without_a_time_and_a_buyer() -> None:
    plain = basket(10, created_at=datetime(2026, 11, 19, 15, tzinfo=UTC))
    assert units([{"bonus": 5, "hours": "16:00-17:00"}], plain) == 15
    assert units([{"bonus": 5, "hours": "16:00-17:00"}], basket(10)) == 10
