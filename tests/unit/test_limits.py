"""Budgets and limits of campaigns (B6): never more than they allow, whenever sales arrive."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, select, text, update
from sqlalchemy.exc import OperationalError

from dolisync.ledger import campaign_uses, tables
from dolisync.ledger.engine import reading, rehearse
from dolisync.ledger.store import Transaction
from dolisync.model import SaleStatus
from dolisync.program.before import Limit, Room
from dolisync.program.campaign_terms import Each
from dolisync.program.course import Course
from dolisync.program.limits import Limited, Uses, span_begin
from dolisync.program.terms import Program
from dolisync.sync.judge import take_in
from tests.builders import credit_note, customer, program, sale
from tests.fakes import Shop
from tests.unit.test_caps import held, why
from tests.unit.test_privacy import erase

OpenShop = Callable[..., Shop]
DAY = date(2026, 11, 2)


def on(number: int) -> date:
    return DAY + timedelta(days=number)


def limited(*, budget: Any = None, per_member: Any = None, **more: Any) -> dict[str, Any]:
    limits = {"budget": budget or {}, "per_member": per_member or {}}
    return {"name": "double", "title": "Double", "multiply": 2, **limits, **more}


def one(**terms: Any) -> Program:
    return program(campaign=[limited(**terms)])


# --- a budget is shared by all -----------------------------------------------------------------


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_a_budget_goes_to_sales_in_the_order_of_their_days(
    ledger_engine: Engine, order: tuple[int, ...]
) -> None:
    shop = Shop(ledger_engine, programs=(one(budget={"points": 50}),), page_size=2)
    sales = [
        sale(4, 20, day=on(0)),
        sale(1, 20, day=on(1), buyer=8),
        sale(2, 20, day=on(1), buyer=9),
        sale(3, 20, day=on(2)),
    ]
    for place in order:
        shop.take(sales[place])
    assert held(shop, 4, 1, 2, 3) == [40, 40, 30, 20]
    assert shop.breaches() == []


def test_what_a_return_takes_back_goes_to_the_next_ones(open_shop: OpenShop) -> None:
    shop = open_shop(one(budget={"points": 30}))
    shop.take(sale(1, 20, day=on(0)), *(sale(n, 20, day=on(n), buyer=n + 6) for n in (2, 3, 4)))
    assert held(shop, 1, 2, 3, 4) == [40, 30, 20, 20]
    shop.take(credit_note(9, 15, 1, day=on(8)))
    assert held(shop, 1, 9, 2, 3, 4) == [40, -30, 40, 25, 20]
    assert shop.breaches() == []
    shop.take(sale(1, 20, day=on(0), status=SaleStatus.DRAFT))
    assert held(shop, 1, 9, 2, 3, 4) == [0, 0, 40, 30, 20]
    shop.source.sales[2] = sale(2, 60, day=on(2), buyer=8)
    shop.take(shop.source.sales[2])
    assert held(shop, 2, 3, 4) == [90, 20, 20]
    assert shop.breaches() == []


def test_a_return_that_takes_no_points_back_frees_nothing(open_shop: OpenShop) -> None:
    shop = open_shop(
        program(campaign=[limited(budget={"points": 20})], returns={"take_back": False})
    )
    shop.take(sale(1, 20, day=on(0)), sale(2, 20, day=on(1), buyer=8), credit_note(3, 20, 1))
    assert held(shop, 1, 3, 2) == [40, 0, 20]
    assert shop.breaches() == []


def test_an_unpaid_sale_takes_nothing_of_a_budget_until_it_is_paid(open_shop: OpenShop) -> None:
    shop = open_shop(one(budget={"points": 20}))
    shop.take(sale(1, 20, day=on(0), status=SaleStatus.VALIDATED), sale(2, 20, day=on(1), buyer=8))
    assert held(shop, 1, 2) == [0, 40]
    shop.take(sale(1, 20, day=on(0)))
    assert held(shop, 1, 2) == [40, 20]
    assert shop.breaches() == []


def test_a_budget_in_money_goes_by_what_a_point_is_worth(open_shop: OpenShop) -> None:
    worth = program(campaign=[limited(budget={"money": "1.99"})], point_value="0.05")
    shop = open_shop(worth)
    shop.take(sale(1, 30, day=on(0)), sale(2, 30, day=on(1), buyer=8))
    assert held(shop, 1, 2) == [60, 39]
    assert why(shop, 2)[-2:] == [
        "Double: 30 points more, times 2 on 30 for 30.00",
        "Double: only 9 of them, the rest of its 39 points in all",
    ]


def test_a_budget_in_points_where_points_have_parts_and_a_worth(open_shop: OpenShop) -> None:
    worth = program(campaign=[limited(budget={"points": "12.5"})], decimals=2, point_value="0.05")
    shop = open_shop(worth)
    shop.take(sale(1, 10, day=on(0)), sale(2, 10, day=on(1), buyer=8))
    assert held(shop, 1, 2) == [2000, 1250]


@pytest.mark.parametrize(
    ("each", "days", "points"),
    [
        ("campaign", (0, 1, 7, 40), (40, 20, 20, 20)),
        ("day", (0, 0, 1, 1), (40, 20, 40, 20)),
        # 2 November 2026 is a Monday.
        ("week", (0, 6, 7, 13), (40, 20, 40, 20)),
        ("month", (0, 28, 29, 40), (40, 20, 40, 20)),
        ("year", (0, 59, 60, 61), (40, 20, 40, 20)),
    ],
)
@pytest.mark.parametrize("whose", ["budget", "per_member"])
def test_a_limit_counts_anew_as_set(
    open_shop: OpenShop,
    each: str,
    days: tuple[int, ...],
    points: tuple[int, ...],
    whose: str,
) -> None:
    shop = open_shop(one(**{whose: {"points": 20, "each": each}}))
    shop.take(*(sale(n, 20, day=on(day)) for n, day in enumerate(days, 1)))
    assert held(shop, 1, 2, 3, 4) == list(points)
    assert shop.breaches() == []


def test_two_versions_of_a_campaign_share_what_it_gave(open_shop: OpenShop) -> None:
    shop = open_shop(one(budget={"points": 30}))
    shop.take(sale(1, 20, day=on(0)))
    later = Shop(shop.engine, shop.clock, (one(budget={"points": 30}, multiply=3),))
    later.source.sales = shop.source.sales
    later.take(*(sale(n, 25, day=on(25 + n), buyer=6 + n) for n in (2, 3)))
    assert held(later, 1, 2, 3) == [40, 25 + 10, 25]
    assert later.breaches() == []


# --- a member's own limits -----------------------------------------------------------------------


def test_a_campaign_for_so_many_sales_of_a_member(open_shop: OpenShop) -> None:
    shop = open_shop(one(per_member={"times": 2}))
    shop.take(*(sale(n, 10, day=on(n)) for n in (2, 3, 4)), sale(5, 10, day=on(5), buyer=8))
    assert held(shop, 2, 3, 4, 5) == [20, 20, 10, 20]
    assert "Double: this customer had it for 2 sales in all" in why(shop, 4)
    shop.take(sale(1, 10, day=on(1)))
    assert held(shop, 1, 2, 3) == [20, 20, 10]
    # What was returned whole was no time.
    shop.take(credit_note(9, 10, 2, day=on(6)))
    assert held(shop, 1, 2, 9, 3, 4) == [20, 20, -20, 20, 10]
    assert shop.breaches() == []


def test_the_least_of_several_limits_counts(open_shop: OpenShop) -> None:
    shop = open_shop(one(per_member={"points": 30, "times": 2}, budget={"points": 45}))
    shop.take(*(sale(n, 20, day=on(n)) for n in (1, 2, 3)), sale(4, 20, day=on(4), buyer=8))
    assert held(shop, 1, 2, 3, 4) == [40, 30, 20, 35]
    assert "Double: only 10 of them, the rest of a customer's 30 points in all" in why(shop, 2)
    assert "Double: this customer had its 30 points in all" in why(shop, 3)
    assert "Double: only 15 of them, the rest of its 45 points in all" in why(shop, 4)
    assert shop.breaches() == []


def test_a_merge_puts_two_members_under_one_limit(open_shop: OpenShop) -> None:
    shop = open_shop(one(per_member={"times": 1}))
    shop.take(sale(1, 10, day=on(0)), sale(2, 10, day=on(1), buyer=8))
    assert held(shop, 1, 2) == [20, 20]
    shop.take(sale(2, 10, day=on(1), buyer=7))
    assert held(shop, 1, 2) == [20, 10]
    assert shop.breaches() == []


@pytest.mark.parametrize(
    ("terms", "had", "found"),
    [
        ({"budget": {"points": 50}}, [20], (30, None, Limit.BUDGET)),
        ({"per_member": {"points": 50}}, [20], (30, 30, Limit.MEMBER_POINTS)),
        ({"per_member": {"points": 50, "times": 1}}, [20], (0, 0, Limit.MEMBER_TIMES)),
        ({"per_member": {"points": 50}, "budget": {"points": 40}}, [20], (20, 30, Limit.BUDGET)),
        # Where both leave as much, it is the member who had his share.
        (
            {"per_member": {"points": 50}, "budget": {"points": 50}},
            [20],
            (30, 30, Limit.MEMBER_POINTS),
        ),
        ({"challenge": {"visits": 2, "spent": 50}}, [], (0, 0, Limit.VISITS)),
        ({"challenge": {"tags": ["Pans", "Pots"]}}, [], (0, 0, Limit.KINDS, frozenset({"pots"}))),
    ],
)
def test_what_is_left_and_which_limit_says_so(
    terms: dict[str, Any], had: list[int], found: tuple[Any, ...]
) -> None:
    uses = Uses()
    for units in had:
        uses.add(customer(), "double", DAY.toordinal(), units)
    bought = {"double": {"pots"}}
    left = uses.rooms(one(**terms), customer(), Course(), DAY.toordinal(), bought)
    assert left == (Room("double", *found),)


def test_what_a_budget_would_have_to_give_is_what_the_members_limits_leave() -> None:
    assert Limited.by("double", None, 30) == ("double", 30, 30, 30)
    assert Limited.by("double", Room("double", 10, None, Limit.BUDGET), 30) == (
        "double",
        30,
        30,
        10,
    )
    assert Limited.by("double", Room("double", 10, 20, Limit.BUDGET), 30) == ("double", 30, 20, 10)


# --- together with others ---


def test_where_the_best_one_has_ended_another_takes_its_place(open_shop: OpenShop) -> None:
    terms = program(
        campaign=[
            limited(budget={"points": 25}),
            {"name": "plus", "title": "Plus", "bonus": 8},
        ]
    )
    shop = open_shop(terms)
    shop.take(*(sale(n, 20, day=on(n), buyer=6 + n) for n in (1, 2, 3)))
    # The second one's rest of 5 is less than the other gives: it stays for a smaller sale.
    assert held(shop, 1, 2, 3) == [40, 28, 28]
    shop.take(sale(4, 3, day=on(4)), sale(5, 12, day=on(5)))
    assert shop.breaches() == []
    shop.take(sale(1, 4, day=on(1)))
    assert held(shop, 1, 2, 3) == [12, 40, 28]
    assert shop.breaches() == []


def test_a_campaign_that_halves_is_not_limited(open_shop: OpenShop) -> None:
    shop = open_shop(one(multiply="0.5", budget={"points": 1}))
    shop.take(sale(1, 20, day=on(0)), sale(2, 20, day=on(1)))
    assert held(shop, 1, 2) == [10, 10]
    assert shop.breaches() == []


def test_an_exclusive_campaign_that_has_ended_lets_the_others_in(open_shop: OpenShop) -> None:
    terms = program(
        campaign=[
            limited(per_member={"times": 1}, exclusive=True),
            {"name": "plus", "title": "Plus", "bonus": 8},
        ],
        campaigns={"combine": "add"},
    )
    shop = open_shop(terms)
    shop.take(sale(1, 20, day=on(0)), sale(2, 20, day=on(1)))
    assert held(shop, 1, 2) == [40, 28]


# --- the ledger ---


def test_what_an_erased_customer_had_stays_given(open_shop: OpenShop) -> None:
    shop = open_shop(one(budget={"points": 30}))
    shop.take(sale(1, 20, day=on(0)), sale(2, 20, day=on(1), buyer=8))
    erase(shop, 7)
    with reading(shop.engine) as connection:
        use = tables.campaign_use.c
        rows = connection.execute(select(use.customer_rowid, use.units).order_by(use.rowid)).all()
    assert [tuple(row) for row in rows] == [(0, 20), (8, 10)]
    shop.take(sale(3, 20, day=on(2), buyer=9), sale(2, 25, day=on(1), buyer=8))
    assert held(shop, 2, 3) == [35, 20]
    assert shop.breaches() == []


@pytest.mark.parametrize("wrong", ["gone", "more"])
def test_verify_sees_a_use_that_is_wrong(open_shop: OpenShop, wrong: str) -> None:
    shop = open_shop(one(budget={"points": 30}))
    shop.take(sale(1, 20, day=on(0)))
    table = tables.campaign_use
    with shop.engine.begin() as connection:
        statement = delete(table) if wrong == "gone" else update(table).values(units=21)
        connection.execute(statement)
    (breach,) = shop.breaches()
    assert "campaigns with limits give what their limits leave" in breach


def test_the_span_of_a_day() -> None:
    day = date(2026, 11, 26).toordinal()
    begins = {each: date.fromordinal(span_begin(each, day)) for each in Each}
    assert begins == {
        Each.CAMPAIGN: date(1, 1, 1),
        Each.DAY: date(2026, 11, 26),
        Each.WEEK: date(2026, 11, 23),
        Each.MONTH: date(2026, 11, 1),
        Each.YEAR: date(2026, 1, 1),
    }


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"budget": {"points": "0.5"}}, "limited to parts of a point; set decimals = 2"),
        ({"per_member": {"points": "1.5"}}, "limited to parts of a point; set decimals = 2"),
        ({"budget": {"money": 10}}, "has a budget in money, and a point has no value"),
    ],
)
def test_a_limit_that_cannot_be(terms: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        one(**terms)


@pytest.mark.parametrize("ledger_engine", ["mariadb"], indirect=True)
def test_writers_to_one_budget_take_turns(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine, programs=(one(budget={"points": 60}),))
    shop.take(sale(1, 10, day=on(0)))
    sold = sale(1, 20, day=on(0))

    def correct(connection: Connection) -> None:
        connection.execute(text("SET SESSION innodb_lock_wait_timeout = 0"))
        take_in(Transaction(connection, shop.clock.now()), shop.rules, [sold])

    with ledger_engine.begin() as other:
        campaign_uses.hold(other, shop.program.name)
        # Refused at once, as it may not wait here; the daemon waits.
        with pytest.raises(OperationalError, match="1205"):
            rehearse(ledger_engine, correct)
    shop.take(sold)
    assert held(shop, 1) == [40]
