"""How points may be spent (D6 to D8): one decision, asked on every way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolisync.answers import sentence
from dolisync.display import customer_values
from dolisync.errors import ConfigError
from dolisync.ledger.book import NotEnoughPoints
from dolisync.model import DiscountKind
from dolisync.phrases import LANGUAGES
from dolisync.program.spending import Bar, Bill, Spend, broken, by_points, next_spend, spend
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program
from dolisync.program.wishes import DraftWish, Refusal, RefusedWish, draft_reward, wanted_reward
from dolisync.sync import redeem
from dolisync.sync.redeem import BelowMinimum
from tests.builders import SOURCE, line, program, sale
from tests.fakes import Shop, reward

OpenShop = Callable[..., Shop]
D = Decimal
AROUND = Surroundings()


def terms(value: str = "0.10", **redeem_: Any) -> Program:
    return program(point_value=value, redeem={"payments": False, **redeem_})


def bill(total: str | int = 50, room: str | int | None = None, **more: Any) -> Bill:
    return Bill(D(total), D(total if room is None else room), **more)


@pytest.mark.parametrize(
    ("redeem_", "available", "asked", "found"),
    [
        ({}, 300, {}, (300, "30.00")),
        ({}, 300, {"points": D(70)}, (70, "7.00")),
        ({}, 300, {"amount": D("4.95")}, (50, "4.95")),
        ({}, 800, {"bill": bill(50)}, (500, "50.00")),
        ({}, 800, {"bill": bill(50, 20)}, (200, "20.00")),
        ({"minimum": 200}, 200, {}, (200, "20.00")),
        # From 200 on any number, not only 200 at once.
        ({"minimum": 200}, 200, {"points": D(5)}, (5, "0.50")),
        ({"step": 50}, 170, {}, (150, "15.00")),
        ({"step": 3}, 4, {}, (3, "0.30")),
        ({"step": 50}, 170, {"points": D(149)}, (100, "10.00")),
        ({"step": 50}, 170, {"amount": D("7.20")}, (50, "5.00")),
        ({"step": 50}, 800, {"bill": bill("13.99")}, (100, "10.00")),
        ({"max_share": 30}, 800, {"bill": bill(50)}, (150, "15.00")),
        ({"max_share": 30}, 800, {"bill": bill("0.10")}, (1, "0.03")),
        ({"max_share": 30, "step": 100}, 800, {"bill": bill(50)}, (100, "10.00")),
        ({"max_share": "33.33"}, 800, {"bill": bill("9.99")}, (34, "3.32")),
        ({"max_share": 80}, 800, {"bill": bill(50, 20)}, (200, "20.00")),
        # 20.00 of 70.00 by points already: 30 % of all is 21.00.
        ({"max_share": 30}, 800, {"bill": bill(50, by_points=D(20))}, (10, "1.00")),
        ({"with_discounts": False}, 100, {"bill": bill(50)}, (100, "10.00")),
        ({}, 100, {"bill": bill(50, has_discounts=True)}, (100, "10.00")),
    ],
)
def test_what_is_spent(
    redeem_: dict[str, Any], available: int, asked: dict[str, Any], found: tuple[int, str]
) -> None:
    assert spend(terms(**redeem_), D(available), **asked) == Spend(D(found[0]), D(found[1]))


@pytest.mark.parametrize(
    ("redeem_", "available", "asked", "bar"),
    [
        ({"minimum": 200}, 199, {}, Bar.BELOW_MINIMUM),
        ({"minimum": 200}, 199, {"points": D(1), "bill": bill(0)}, Bar.BELOW_MINIMUM),
        ({"step": 50}, 49, {}, Bar.BELOW_STEP),
        ({"step": 50}, 100, {"points": D(49)}, Bar.BELOW_STEP),
        ({"step": 50}, 100, {"bill": bill("4.99")}, Bar.BELOW_STEP),
        ({"with_discounts": False}, 9, {"bill": bill(has_discounts=True)}, Bar.OTHER_DISCOUNT),
        ({}, 9, {"bill": bill(0)}, Bar.NO_ROOM),
        ({}, 9, {"bill": bill(-5, 0)}, Bar.NO_ROOM),
        ({"max_share": 1}, 9, {"bill": bill("0.99")}, Bar.NO_ROOM),
        ({"max_share": 30}, 9, {"bill": bill(50, by_points=D(30))}, Bar.NO_ROOM),
        ({}, 0, {}, Bar.TOO_SMALL),
    ],
)
def test_what_is_not_spent(
    redeem_: dict[str, Any], available: int, asked: dict[str, Any], bar: Bar
) -> None:
    assert spend(terms(**redeem_), D(available), **asked) == Spend(bar=bar)


def test_points_that_are_worth_nothing_or_too_little() -> None:
    assert spend(program(), D(9)).bar is Bar.NO_VALUE
    assert spend(terms("0.001"), D(9)).bar is Bar.TOO_SMALL
    assert spend(terms("0.001", step=5), D(9)).bar is Bar.TOO_SMALL


def test_a_step_that_is_worth_parts_of_a_cent_takes_off_the_whole_ones() -> None:
    assert spend(terms("0.0335", step=50), D(50)) == Spend(D(50), D("1.67"))


amounts = st.decimals("0.01", "999", places=2)


@given(
    value=st.sampled_from(["0.10", "0.05", "0.0333", "1", "2.5"]),
    minimum=st.none() | st.integers(1, 300),
    step=st.none() | st.integers(1, 90),
    share=st.none() | st.decimals("0.5", 100, places=1),
    available=st.integers(0, 5000),
    total=amounts,
    room=amounts,
    asked=st.one_of(
        st.just({}),
        st.builds(lambda n: {"points": D(n)}, st.integers(1, 4000)),
        st.builds(lambda amount: {"amount": amount}, amounts),
    ),
)
def test_never_more_than_allowed(
    value: str,
    minimum: int | None,
    step: int | None,
    share: Decimal | None,
    available: int,
    total: Decimal,
    room: Decimal,
    asked: dict[str, Decimal],
) -> None:
    rules = terms(value, minimum=minimum, step=step, max_share=share)
    found = spend(rules, D(available), bill=Bill(total, room), **asked)
    if found.bar is not None:
        assert (found.points, found.amount) == (0, 0)
        return
    assert available >= (minimum or 0)
    assert D("0.01") <= found.amount <= min(room, total)
    assert found.amount <= total * (share or 100) / 100
    assert found.points % (step or 1) == 0
    # The points cover the amount, and one less would not.
    assert found.points * D(value) >= found.amount
    assert step or (found.points - 1) * D(value) < found.amount
    if "points" in asked:
        assert found.points <= asked["points"]
    if "amount" in asked:
        assert found.amount <= asked["amount"]
    if not asked:
        assert found.points <= available


# --- every way asks it -------------------------------------------------------------------------


def test_staff_who_ask_on_a_card_or_a_draft_are_told() -> None:
    rules = program(point_value="0.10", reward=[reward(100)], redeem={"minimum": 200, "step": 50})
    assert wanted_reward(rules, "max", D(270)).points == 250
    assert wanted_reward(rules, "120", D(270)).points == 100
    assert draft_reward(rules, DraftWish(), D(270), bill(12)).amount == 10
    for ask in (
        lambda: wanted_reward(rules, "max", D(199)),
        lambda: draft_reward(rules, DraftWish(), D(199), bill()),
    ):
        with pytest.raises(RefusedWish) as refused:
            ask()
        assert (refused.value.why, refused.value.named) == (Refusal.BELOW_MINIMUM, "200")
    with pytest.raises(RefusedWish) as refused:
        wanted_reward(rules, "49", D(270))
    assert (refused.value.why, refused.value.named) == (Refusal.BELOW_STEP, "50")


def test_a_reward_is_refused_below_the_minimum_and_not_given_by_itself(
    open_shop: OpenShop,
) -> None:
    rules = program(reward=[reward(100, automatic=True)], redeem={"minimum": 200})
    shop = open_shop(rules)
    shop.take(sale(1, 199))
    with pytest.raises(BelowMinimum, match="from 200 on; 199 are available"):
        shop.redeem("DS-1")
    assert issued(shop) == 0
    shop.take(sale(2, 1))
    assert issued(shop) == 1
    assert shop.balance() == 100


def issued(shop: Shop) -> int:
    showing = {SOURCE: shop.showing}
    return len(redeem.issue_automatic(shop.engine, shop.clock, shop.by_name, showing))


def test_who_spends_any_spends_all_where_nothing_may_be_left(open_shop: OpenShop) -> None:
    """D7: a balance of 300, 250 of them used: 50 are left if that is allowed, else none."""
    for partial, left in ((True, 50), (False, 0)):
        shop = open_shop(
            program(reward=[reward(250, "25")], redeem={"partial": partial, "payments": False})
        )
        if partial:
            shop.take(sale(1, 300))
        shop.redeem(f"DS-{partial}")
        assert shop.balance() == left
        # What is not used comes back whole.
        redeem.give_back(
            shop.engine, shop.clock, shop.by_name, f"DS-{partial}", "revoked", "not used"
        )
        assert shop.balance() == 300
        assert shop.breaches() == []


def test_nothing_is_spent_twice_where_all_is_spent(open_shop: OpenShop) -> None:
    shop = open_shop(program(reward=[reward(100)], redeem={"partial": False, "payments": False}))
    shop.take(sale(1, 300))
    shop.redeem("DS-1")
    with pytest.raises(NotEnoughPoints):
        shop.redeem("DS-2")


# --- what a till has done ---


def test_what_a_payment_broke() -> None:
    rules = terms(max_share=50, with_discounts=False)
    plain = sale(1, 50)
    assert list(broken(rules, AROUND, plain, D(25))) == []
    assert list(broken(rules, AROUND, plain, D("25.01"))) == [Bar.NO_ROOM]
    assert list(broken(rules, AROUND, plain, D(0))) == []
    # 10.00 of 60.00 by a discount bought with points, 20.00 paid with points.
    bought = line(-10, None, text="Discount DS-ABC", discount=DiscountKind.FIXED)
    both = sale(1, lines=[line(60, 1), bought])
    assert list(broken(rules, AROUND, both, D(20))) == []
    assert list(broken(rules, AROUND, both, D("20.01"))) == [Bar.NO_ROOM]
    # What else took something off makes the bill smaller.
    other = sale(1, lines=[line(60, 1), line(-10, None)])
    assert list(broken(terms(max_share=50), AROUND, other, D(25))) == []
    assert list(broken(terms(max_share=50), AROUND, other, D("25.01"))) == [Bar.NO_ROOM]
    # Small change and what is given away are no discounts.
    little = sale(1, lines=[line(50, 1), line("0.50", 2), line(0, 3)])
    assert list(broken(rules, AROUND, little, D(5))) == []
    cheaper = [
        replace(line(50, 1), discount_percent=D("0.5")),
        line(-5, None, discount=DiscountKind.FIXED),
        line(-5, None),
    ]
    for one in cheaper:
        reduced = sale(1, lines=[line(100, 1), one])
        assert list(broken(rules, AROUND, reduced, D("0.50"))) == [Bar.OTHER_DISCOUNT]
        assert list(broken(rules, AROUND, reduced, D(0))) == []
        assert list(broken(terms(), AROUND, reduced, D(5))) == []
    for_points = replace(line(0, 1, text="Mug [* 80 points DR-80 *]"), discount_percent=D(100))
    assert list(broken(rules, AROUND, sale(1, lines=[line(100, 1), for_points]), D(5))) == []


def test_what_points_take_off_a_bill() -> None:
    lines = [
        line(60, 1),
        line(-10, None, text="Discount DS-ABC"),
        line("-0.50", None, text="Discount DS-DEF"),
        line(-5, None, text="Loyal since 2019"),
        # Nearly free for points: what is left to pay was taken off nothing.
        line("0.50", 2, text="Mug [* 80 points DS-GHI *]"),
    ]
    assert by_points(AROUND, lines) == D("10.50")


# --- what people read ---


@pytest.mark.parametrize(
    ("redeem_", "points", "said"),
    [
        ({}, 0, None),
        ({}, 130, "€13.00 can be redeemed now (130 points)"),
        ({"minimum": 200}, 130, "70 points to go until €20.00"),
        ({"minimum": 200}, 230, "€23.00 can be redeemed now (230 points)"),
        ({"step": 100}, 30, "70 points to go until €10.00"),
        ({"step": 100}, 230, "€20.00 can be redeemed now (200 points)"),
        ({"step": 100, "minimum": 250}, 130, "170 points to go until €30.00"),
    ],
)
def test_the_card_says_what_points_are_good_for(
    open_shop: OpenShop, redeem_: dict[str, Any], points: int, said: str | None
) -> None:
    shop = open_shop(terms(**redeem_))
    if points:
        shop.take(sale(1, points))
    shown = customer_values(shop.program, shop.view(), shop.publisher.source, shop.today)
    assert shown["loynext"] == said


def test_a_reward_on_the_card_waits_for_the_minimum(open_shop: OpenShop) -> None:
    shop = open_shop(
        program(reward=[reward(100), reward(300, "20", name="big")], redeem={"minimum": 200})
    )
    shop.take(sale(1, 130))
    shown = customer_values(shop.program, shop.view(), shop.publisher.source, shop.today)
    assert shown["loynext"] == "70 points to go until €5.00"


def test_the_next_number_that_can_be_spent() -> None:
    assert next_spend(terms(), D(5)) is None
    assert next_spend(terms(minimum=200), D(200)) is None
    assert next_spend(terms(minimum=200), D(199)) == 200
    assert next_spend(terms(step=50), D(50)) == 100
    assert next_spend(terms(step=50, minimum=120), D(0)) == 150


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"redeem": {"minimum": "0.5"}}, "parts of a point"),
        ({"redeem": {"step": "1.5"}}, "parts of a point"),
        ({"redeem": {"partial": False}, "point_value": "1"}, "set payments = false"),
        ({"redeem": {"partial": False, "product_field": "price"}}, "leave product_field out"),
    ],
)
def test_terms_that_do_not_go_together(given: dict[str, Any], said: str) -> None:
    with pytest.raises((ValueError, ConfigError), match=said):
        program(**given)


def test_all_languages_have_the_answers() -> None:
    for bar in (Bar.BELOW_MINIMUM, Bar.BELOW_STEP, Bar.OTHER_DISCOUNT):
        assert len({sentence(language, bar.value, named="50") for language in LANGUAGES}) == 5
