"""What points may take off, whom recommendations reward, what limits leave: at their edges."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from dolisync.model import DiscountKind
from dolisync.program.before import Limit, Room
from dolisync.program.course import Counted, Course
from dolisync.program.differences import differences
from dolisync.program.limits import Limited, Uses
from dolisync.program.referral_terms import ReferralTerms
from dolisync.program.referrals import Purchase, brought, rewarded
from dolisync.program.spending import Bar, Spend, broken, by_points, is_reduced, spend
from dolisync.program.standing import StandingMark
from dolisync.program.surroundings import Surroundings
from tests.builders import customer, line, program, sale
from tests.unit.test_spending import bill, terms

D = Decimal
AROUND = Surroundings()
TOKEN = f"{AROUND.reward_token_prefix}ABCDEFGH"
DAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("value", "step", "asked", "found"),
    [
        # Down to the cent: 7 points of 0.125 are 0.875.
        ("0.125", 7, {"points": D(7)}, Spend(D(7), D("0.87"))),
        ("0.01", 1, {"points": D(100)}, Spend(D(100), D("1.00"))),
        ("0.01", 1, {"points": D(50)}, Spend(D(50), D("0.50"))),
        ("0.001", 1, {"points": D(9)}, Spend(bar=Bar.TOO_SMALL)),
    ],
)
def test_steps_are_worth_whole_cents(
    value: str, step: int, asked: dict[str, Any], found: Spend
) -> None:
    assert spend(terms(value, step=step), D(100), bill=bill(50), **asked) == found


@pytest.mark.parametrize(
    ("more", "reduced"),
    [
        ({}, False),
        ({"total": 0}, False),
        ({"total": "0.50"}, False),
        ({"discount_percent": D("0.5")}, True),
        ({"total": "-0.01"}, True),
        ({"total": -5, "discount": DiscountKind.FIXED}, True),
        ({"total": -5, "text": f"Points {TOKEN}"}, False),
    ],
)
def test_a_line_is_reduced_by_a_discount_of_its_own(more: dict[str, Any], reduced: bool) -> None:
    given = {"total": 10, **more}
    assert is_reduced(AROUND, line(D(given.pop("total")), **given)) is reduced


def test_only_what_points_take_off_is_by_points() -> None:
    mine = [line(-5, text=TOKEN), line("0.50", text=TOKEN), line(-3), line(0, text=TOKEN)]
    assert by_points(AROUND, mine) == 5


def test_terms_are_broken_by_any_payment_and_by_none_where_nothing_was_paid() -> None:
    share = terms(max_share=50)
    one = sale(1, D("1.50"))
    assert list(broken(share, AROUND, one, D(0))) == []
    assert list(broken(share, AROUND, one, D("0.75"))) == []
    assert list(broken(share, AROUND, one, D("0.76"))) == [Bar.NO_ROOM]
    rewarded_already = sale(1, lines=[line(10), line(-8, text=TOKEN)])
    assert list(broken(share, AROUND, rewarded_already, D(0))) == []


def purchase(id_: int = 1, **more: Any) -> Purchase:
    usual = {"day": DAY, "amount": D(10), "units": 10, "terms": ReferralTerms()}
    return Purchase(id_, **{**usual, **more})


@pytest.mark.parametrize(
    ("purchases", "found"),
    [
        ([purchase(1, terms=None), purchase(2)], 2),
        ([purchase(1, units=1, amount=D("0.50"))], 1),
        ([purchase(1, units=0), purchase(2, amount=D(0)), purchase(3)], 3),
        ([purchase(1, terms=ReferralTerms(minimum=D(10)))], 1),
        ([purchase(1, terms=ReferralTerms(minimum=D("10.01")))], None),
    ],
)
def test_the_first_purchase_that_counts_is_the_one_that_was_brought(
    purchases: list[Purchase], found: int | None
) -> None:
    one = brought(DAY, DAY, purchases)
    assert (None if one is None else one.sale_id) == found


def test_so_many_a_year_are_rewarded_each_by_its_own_terms() -> None:
    two, last_year = ReferralTerms(max_a_year=2), date(2025, 12, 31)
    brought_by_one = [(1, last_year, two), *((id_, DAY, two) for id_ in (2, 3, 4))]
    # Of other rules: more are allowed when the last of them is judged.
    more = [*brought_by_one, (5, DAY, ReferralTerms(max_a_year=3))]
    assert rewarded(more) == {1, 2, 3, 5}


def test_differences_are_told_as_an_owner_reads_them() -> None:
    before = program(reward=[{"points": 100, "amount": "5", "automatic": False}])
    after = program(
        reward=[{"points": 100, "amount": "5", "automatic": True}],
        tiers={"tags": True},
        referral={"points": 10, "new_points": 5},
        earn={"caps": {"per_day": 7}, "amount": {}},
    )
    told = differences([before], [after])
    assert "program 'loyalty'.tiers.tags: false -> true" in told
    assert "program 'loyalty' reward 'discount'.automatic: false -> true" in told
    assert "program 'loyalty'.earn.caps.per_day: nothing -> 7" in told
    assert any(
        text.startswith("program 'loyalty'.referral: nothing -> points 10, ") for text in told
    )


BUDGET = {"name": "b", "title": "B", "bonus": 10, "budget": {"points": 30}}


def room(campaign: dict[str, Any], *given: tuple[int, int], who: int = 7) -> Room | None:
    """Say what is left for customer 7 after (customer, units) of today."""
    uses, limited = Uses(), program(campaign=[campaign])
    for buyer, units in given:
        uses.add(customer(buyer), "b", DAY.toordinal(), units)
    found = uses.rooms(limited, customer(who), Course(), DAY.toordinal())
    return found[0] if found else None


@pytest.mark.parametrize(
    ("more", "given", "expected"),
    [
        ({}, [(8, 12)], Room("b", 18, None, Limit.BUDGET)),
        ({"per_member": {"points": 20}}, [], Room("b", 20, 20, Limit.MEMBER_POINTS)),
        ({"per_member": {"points": 20}}, [(8, 15)], Room("b", 15, 20, Limit.BUDGET)),
        # Both leave as much: it is the member's own.
        ({"per_member": {"points": 20}}, [(8, 10)], Room("b", 20, 20, Limit.MEMBER_POINTS)),
        ({"per_member": {"times": 1}}, [(7, 5)], Room("b", 0, 0, Limit.MEMBER_TIMES)),
        # A challenge that is not met comes before what a member may have.
        (
            {"per_member": {"points": 5}, "challenge": {"visits": 3}},
            [(7, 5)],
            Room("b", 0, 0, Limit.VISITS),
        ),
        (
            {"per_member": {"points": 9}, "challenge": {"visits": 3}},
            [(7, 5)],
            Room("b", 0, 0, Limit.VISITS),
        ),
        (
            {"per_member": {"points": 5, "times": 1}},
            [(7, 5)],
            Room("b", 0, 0, Limit.MEMBER_POINTS),
        ),
    ],
)
def test_the_limit_that_leaves_least_is_named(
    more: dict[str, Any], given: list[tuple[int, int]], expected: Room
) -> None:
    assert room({**BUDGET, **more}, *given) == expected


def test_what_the_member_may_have_is_asked_of_the_budget() -> None:
    limited = Limited.by("b", Room("b", 3, 8, Limit.BUDGET), 10)
    assert (limited.wanted, limited.asked, limited.given) == (10, 8, 3)
    assert Limited.by("b", Room("b", 3, None, Limit.BUDGET), 10).asked == 10


def test_kinds_that_are_missing_leave_nothing_to_anybody() -> None:
    asked = {"challenge": {"tags": ["Bread", "Cake"]}, "name": "b", "title": "B", "bonus": 5}
    assert room(asked) == Room("b", 0, 0, Limit.KINDS)


def test_a_course_of_all_days_is_not_cut() -> None:
    each = {**BUDGET, "budget": {"points": 30, "each": "campaign"}}
    uses, limited = Uses(), program(campaign=[each])
    uses.add(customer(8), "b", DAY.toordinal() - 4000, 12)
    found = uses.rooms(limited, customer(), Course(Counted()), DAY.toordinal())
    assert found == (Room("b", 18, None, Limit.BUDGET),)


@pytest.mark.parametrize(
    ("mark", "wanted", "asks"),
    [
        (StandingMark(D(5)), 5, False),
        (StandingMark(D(5)), 6, True),
        (StandingMark(D(5), is_ours=False), 5, True),
        (StandingMark(D(0), is_ours=False), 0, False),
        (StandingMark(D(5), sending=D(6)), 5, True),
    ],
)
def test_a_card_is_looked_at_where_its_percentage_may_be_another(
    mark: StandingMark, wanted: int, asks: bool
) -> None:
    assert mark.asks_for(D(wanted)) is asks
