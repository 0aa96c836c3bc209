"""Exact edges of the rules: each was found by breaking the rules one at a time (tests/mutation)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from dolisync.model import Article, Buyer, DiscountKind, Payment, Sale, SaleLine, SaleStatus
from dolisync.program.assess import (
    Family,
    Verdict,
    assess,
    assess_alone,
    what_counts,
    what_counts_alone,
)
from dolisync.program.before import Before, Limit, Room
from dolisync.program.calendar import add_days, add_months
from dolisync.program.course import Counted, Course
from dolisync.program.limits import Limited
from dolisync.program.looking_back import before_of, reach_days
from dolisync.program.reasons import Why
from dolisync.program.rounding import round_units
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program, Rounding
from dolisync.program.tiers import SetByHand, tier_after, tier_on, tier_today
from tests.builders import credit_note, line, program, sale

AROUND = Surroundings()


def verdicts(terms: Program, *family: Any, **before: Any) -> tuple[Verdict, ...]:
    origin, *returns = family
    return assess(terms, AROUND, Family(origin, tuple(returns), before=Before(**before)))


def earned(terms: Program, *lines: SaleLine) -> int:
    return verdicts(terms, sale(1, lines=lines))[0].units


# --- returns judged by themselves ----------------------------------------------------------------


def test_a_return_alone_says_why_and_whose_it_is() -> None:
    note = credit_note(2, 30, None, day=date(2026, 11, 21))
    verdict = assess_alone(program(), AROUND, note, "it names no sale")
    assert (verdict.sale, verdict.units, verdict.earned_on) == (note.key, -30, note.date)
    assert [str(reason) for reason in verdict.reasons] == [
        "a return judged by itself, because it names no sale",
        "counted amount, including tax: 30.00",
        "30 points: 1 for each full 1",
    ]
    off = assess_alone(program(returns={"take_back": False}), AROUND, note, "it names no sale")
    assert [str(reason) for reason in off.reasons] == ["the program takes nothing back on returns"]
    assert off.sale == note.key


def test_a_return_alone_knows_discounts_bought_with_points() -> None:
    terms = program(earn={"amount": {}, "leave_out_paid_with_points": False})
    reward = line(5, None, rowid=2, discount=DiscountKind.FIXED, text="x DS-A1")
    note = credit_note(2, 0, None, lines=[line(-30, rowid=1), reward])
    assert assess_alone(terms, AROUND, note, "alone").units == -30
    assert assess_alone(program(), AROUND, note, "alone").units == -25


def test_a_return_alone_counts_without_tax_and_by_product() -> None:
    without_tax = program(earn={"amount": {"basis": "excluding_tax"}})
    note = credit_note(2, 36, None)
    assert assess_alone(without_tax, AROUND, note, "alone").units == -30
    lines = [
        line(-10, 1, -2, rowid=1, product_points=Decimal(5)),
        # Goods taken in exchange; goods that cost nothing are given back like others.
        line(Decimal("0.50"), 2, 1, rowid=2, product_points=Decimal(3)),
        line(0, 3, -1, rowid=3, product_points=Decimal(4)),
    ]
    by_product = program(earn={"product": {}})
    alone = assess_alone(by_product, AROUND, credit_note(2, 0, None, lines=lines), "alone")
    assert alone.units == -(2 * 5 - 3 + 4)


def test_what_a_return_alone_counts_for_tiers() -> None:
    note = credit_note(2, Decimal("30.50"), None)
    alone = assess_alone(program(), AROUND, note, "it names no sale")
    assert what_counts_alone(note, alone) == Counted(0, -30, -3050)
    # Dolibarr may keep totals of more places than a cent has.
    odd = credit_note(2, Decimal("30.505"), None)
    assert what_counts_alone(odd, alone) == Counted(0, -30, -3051)
    with_sale = verdicts(program(), sale(1, 40), replace(note, origin=sale(1).key))[1]
    assert what_counts_alone(note, with_sale) == Counted(0, with_sale.units)


# --- articles ------------------------------------------------------------------------------------

LEFT_OUT = {"leave_out": [{"references": ["P2"]}]}


def test_a_discount_on_the_whole_sale_is_shared_without_tax_too() -> None:
    terms = program(earn={"amount": {"basis": "excluding_tax"}, **LEFT_OUT})
    goods = [line(60, 1, rowid=1), line(60, 2, rowid=2), line(-24, None, rowid=3)]
    assert earned(terms, *goods) == 50 - 10


@pytest.mark.parametrize(
    ("lines", "points"),
    [
        # Goods for nothing share nothing out.
        ([line(0, 1, rowid=1), line(-1, None, rowid=2)], 0),
        # A euro and less is shared out like more.
        (
            [line("0.60", 1, rowid=1), line("0.40", 2, rowid=2), line("-0.50", None, rowid=3)],
            30,
        ),
        # What is brought back on the ticket makes no share larger than the whole.
        ([line(20, 1, rowid=1), line(-10, 2, -1, rowid=2), line(-4, None, rowid=3)], 1600),
    ],
)
def test_shares_of_a_discount(lines: list[SaleLine], points: int) -> None:
    amount = {"points": 1, "per": "0.01"}
    assert earned(program(earn={"amount": amount, **LEFT_OUT}), *lines) == points


@pytest.mark.parametrize(
    ("excl", "incl", "points"),
    [
        ("10.00", "12.00", 12),
        # As far as rounding to cents may be off, it is the price.
        ("9.994", "11.99", 11),
        ("9.993", "11.99", 0),
        ("9.00", "11.994", 11),
        # Less without tax alone, or with tax alone, is another tax rate.
        ("9.00", "12.00", 12),
        ("10.00", "11.00", 11),
        ("9.00", "11.993", 0),
    ],
)
def test_below_the_price_on_both_sides_of_tax(excl: str, incl: str, points: int) -> None:
    article = Article((), Decimal("10.00"), Decimal("12.00"))
    terms = program(earn={"amount": {}, "leave_out_discounted": "below_price"})
    one = replace(line(12, article=article), total_excl=Decimal(excl), total_incl=Decimal(incl))
    assert earned(terms, one) == points


def test_points_from_product_cards_are_told() -> None:
    (verdict,) = verdicts(
        program(earn={"product": {}}),
        sale(1, lines=[line(5, quantity=2, product_points=Decimal(3))]),
    )
    assert str(verdict.reasons[0]) == "6 points from product cards"


# --- campaigns -----------------------------------------------------------------------------------


def campaign(name: str, **terms: Any) -> dict[str, Any]:
    return {"name": name, "title": name.title(), **terms}


def test_what_a_limited_campaign_would_give_is_known_where_a_sale_earns_nothing_or_is_cut() -> None:
    limited = campaign("gift", bonus=5, budget={"points": 100})
    poor = program(earn={"amount": {"per": 1000}}, campaign=[limited])
    used_up = Before(rooms=(Room("gift", 0, None, Limit.BUDGET),))
    (verdict,) = assess(poor, AROUND, Family(sale(1, 40), before=used_up))
    assert (verdict.units, verdict.limited) == (0, (Limited("gift", 5, 5, 0),))
    capped = program(earn={"amount": {}, "caps": {"per_sale": 10}}, campaign=[limited])
    (verdict,) = assess(capped, AROUND, Family(sale(1, 40)))
    assert (verdict.units, verdict.limited) == (10, (Limited("gift", 5, 5, 5),))


@pytest.mark.parametrize(
    ("combine", "other", "factor", "wanted"),
    [
        # Beside another it gives more than alone, and less than nothing is nothing.
        ("multiply", {"multiply": 3}, 2, 120),
        ("multiply", {"bonus": 50}, 2, 40),
        ("multiply", {"bonus": 50}, "0.5", 0),
        ("best", {"bonus": 50}, 2, 40),
        ("best", {"bonus": 50}, "0.5", 0),
    ],
)
def test_what_a_limited_campaign_would_give_beside_another(
    combine: str, other: dict[str, Any], factor: Any, wanted: int
) -> None:
    limited = campaign("b", multiply=factor, budget={"points": 1000})
    terms = program(campaign=[campaign("a", **other), limited], campaigns={"combine": combine})
    (verdict,) = assess(terms, AROUND, Family(sale(1, 40)))
    assert verdict.limited == (Limited("b", wanted, wanted, wanted),)


def test_a_badge_that_comes_with_a_point_is_told_with_it() -> None:
    met = {"visits": 1, "badge": "Regular guest"}
    terms = program(campaign=[campaign("guests", bonus=1, challenge=met)])
    (verdict,) = assess(terms, AROUND, Family(sale(1, 40)))
    assert verdict.units == 41
    said = [str(reason) for reason in verdict.reasons if reason.why is Why.CAMPAIGN_BADGE]
    assert len(said) == 1
    assert "Regular guest" in said[0]


def test_factors_multiply_where_their_articles_meet() -> None:
    campaigns = [
        campaign("a", multiply=2),
        campaign("b", multiply=3, articles={"references": ["P1"]}),
        campaign("c", multiply=5, articles={"references": ["P*"]}),
    ]
    terms = program(campaign=campaigns, campaigns={"combine": "multiply"})
    assert earned(terms, line(10, 1, rowid=1), line(10, 2, rowid=2)) == 10 * 30 + 10 * 10
    for_all = [campaign(name, multiply=factor) for name, factor in (("a", 2), ("b", 3), ("c", 4))]
    terms = program(campaign=for_all, campaigns={"combine": "multiply"})
    assert earned(terms, line(10)) == 240


def test_the_best_campaign_is_the_best_in_the_tier_after_returns_too() -> None:
    """In the tier the factor gives 40, more than the bonus; without it, less."""
    gold = {"name": "gold", "title": "Gold", "at_least": 0, "multiplier": 2}
    campaigns = [campaign("double", multiply=2), campaign("gift", bonus=30)]
    terms = program(tier=[gold], campaign=campaigns)
    note = credit_note(2, 0, 1, lines=[line(-10, 1, -1, rowid=9)])
    sold = sale(1, lines=[line(20, 1, 2)])
    assert [one.units for one in verdicts(terms, sold, note, tier="gold")] == [80, -40]


def test_a_bonus_is_given_once_also_where_more_of_its_articles_came() -> None:
    """Fifty euros of one thing are exchanged for ten of what the campaign is for."""
    gift = campaign("gift", bonus=5, articles={"references": ["P2"]})
    sold = sale(1, lines=[line(100, 1, 2, rowid=1), line(10, 2, rowid=2)])
    exchange = [line(-50, 1, -1, rowid=3), line(10, 2, rowid=4)]
    note = credit_note(2, 0, 1, lines=exchange)
    assert [one.units for one in verdicts(program(campaign=[gift]), sold, note)] == [115, -40]


def test_a_campaign_for_other_articles_says_so() -> None:
    other = campaign("other", multiply=2, articles={"references": ["X"]})
    (verdict,) = verdicts(program(campaign=[other]), sale(1, 10))
    assert "Other: nothing of what it is for was bought" in [str(one) for one in verdict.reasons]


# --- tiers ---------------------------------------------------------------------------------------

TIERS = [
    {"name": "silver", "title": "Silver", "at_least": 100},
    {"name": "gold", "title": "Gold", "at_least": 300},
]


def tiered(**tiers: Any) -> Program:
    return program(tier=TIERS, tiers=tiers)


def course(terms: Program, *sales: tuple[date, int], by_hand: Any = ()) -> Course:
    found = Course()
    for day, euros in sales:
        held = tier_on(terms, found, by_hand, day.toordinal())
        found.add(day.toordinal(), Counted(1, euros, euros * 100))
        found.tier = tier_after(terms, found, by_hand, held)
    return found


def by_hand(day: date, tier: str, until: date | None = None, *, locked: bool = True) -> SetByHand:
    last = until.toordinal() if until else None
    return SetByHand(day.toordinal(), tier, locked, last)


def on(terms: Program, found: Course, day: date, *entries: SetByHand) -> str:
    return tier_on(terms, found, entries, day.toordinal())


def test_a_locked_tier_holds_to_its_last_day_and_not_beyond() -> None:
    entry = by_hand(date(2026, 3, 10), "gold", date(2026, 3, 20))
    for day in (10, 17, 18, 19, 20):
        assert on(tiered(), Course(), date(2026, 3, day), entry) == "gold"
    for day in (21, 22, 23):
        assert on(tiered(), Course(), date(2026, 3, day), entry) == ""


def test_what_staff_cleared_is_judged_by_the_sales_of_that_day() -> None:
    """On the day it was cleared the sales sufficed; that they are old later is for the review."""
    terms = tiered(months=3)
    sold = course(terms, (date(2026, 1, 15), 300))
    entries = (by_hand(date(2026, 2, 1), "silver"), by_hand(date(2026, 4, 10), ""))
    assert on(terms, sold, date(2026, 4, 9), *entries) == "silver"
    assert on(terms, sold, date(2026, 4, 20), *entries) == "gold"
    assert on(terms, sold, date(2026, 5, 1), *entries) == ""


def test_a_lock_set_just_before_a_review_withstands_it() -> None:
    eve = by_hand(date(2026, 10, 31), "gold")
    assert on(tiered(), Course(), date(2026, 11, 1), eve) == "gold"
    # What staff do on the day after the review does not undo the lock at the review.
    later = by_hand(date(2026, 11, 2), "silver", locked=False)
    assert on(tiered(), Course(), date(2026, 11, 1), eve, later) == "gold"


@pytest.mark.parametrize(
    ("settings", "sold", "day", "tier"),
    [
        # Grace begins with the review: that of a sale's own month is over, the next one counts.
        ({"grace_days": 10, "months": 1}, date(2026, 11, 25), date(2027, 1, 10), "gold"),
        ({"grace_days": 10, "months": 1}, date(2026, 11, 25), date(2027, 1, 11), ""),
        ({"grace_days": 40, "months": 1}, date(2026, 11, 5), date(2027, 2, 9), "gold"),
        ({"grace_days": 40, "months": 1}, date(2026, 11, 5), date(2027, 2, 10), ""),
        # Once a year is on the first of January, in whatever month the sale was.
        ({"review": "year", "months": 3}, date(2026, 3, 10), date(2026, 12, 31), "gold"),
        ({"review": "year", "months": 3}, date(2026, 3, 10), date(2027, 1, 1), ""),
        (
            {"review": "year", "window": "calendar_year"},
            date(2026, 3, 10),
            date(2027, 12, 31),
            "gold",
        ),
        ({"review": "year", "window": "calendar_year"}, date(2026, 3, 10), date(2028, 1, 1), ""),
    ],
)
def test_days_of_review(settings: dict[str, Any], sold: date, day: date, tier: str) -> None:
    terms = tiered(**settings)
    assert on(terms, course(terms, (sold, 300)), day) == tier


def test_a_review_on_the_day_of_a_sale_takes_one_step_and_no_more() -> None:
    terms = tiered(months=1, downgrade="one_step")
    sold = course(terms, (date(2026, 1, 15), 300), (date(2026, 3, 1), 10))
    assert on(terms, sold, date(2026, 3, 1)) == "silver"
    assert on(terms, sold, date(2026, 3, 31)) == "silver"
    assert on(terms, sold, date(2026, 4, 1)) == ""


def told(terms: Program, found: Course, day: date, *entries: SetByHand) -> tuple[Any, ...]:
    held = tier_today(terms, found, entries, day.toordinal())
    tier, following = (one.name if one else None for one in (held.tier, held.next))
    return tier, following, str(held.missing), held.is_locked


def test_what_is_told_of_todays_tier() -> None:
    terms, day = tiered(), date(2026, 11, 20)
    assert told(terms, Course(), day) == (None, "silver", "100.00", False)
    assert told(terms, course(terms, (day, 130)), day) == ("silver", "gold", "170.00", False)
    assert told(terms, course(terms, (day, 300)), day) == ("gold", None, "0", False)
    locked = by_hand(day, "silver")
    rich = course(terms, (day, 400), by_hand=(locked,))
    assert told(terms, rich, day, locked) == ("silver", "gold", "0.00", True)
    top = by_hand(day, "gold")
    assert told(terms, Course(), day, top) == ("gold", None, "0", True)
    # It is over: tomorrow it is not there yet, and the day after its last it is gone.
    ending = by_hand(day, "gold", day)
    assert told(terms, Course(), date(2026, 11, 21), ending) == (None, "silver", "100.00", False)
    coming = by_hand(date(2026, 11, 21), "gold")
    assert told(terms, Course(), day, coming)[3] is False


def test_what_is_missing_counts_the_days_of_the_window() -> None:
    terms = tiered(months=1)
    sold = course(terms, (date(2026, 10, 21), 60))
    # On the evening of 20 November the window begins on 21 October.
    assert told(terms, sold, date(2026, 11, 20))[2] == "40.00"
    assert told(terms, sold, date(2026, 11, 21))[2] == "100.00"
    by_year = tiered(window="calendar_year", review="year")
    sold = course(by_year, (date(2026, 12, 31), 60))
    assert told(by_year, sold, date(2026, 12, 31))[2] == "40.00"
    assert told(by_year, sold, date(2027, 1, 1))[2] == "100.00"


def test_what_is_missing_in_points_has_their_decimals() -> None:
    terms = program(tier=TIERS, tiers={"basis": "points_earned"}, decimals=2)
    found = Course()
    found.add(date(2026, 11, 20).toordinal(), Counted(1, 2550, 100))
    assert told(terms, found, date(2026, 11, 20))[2] == "74.5"


def test_seniority_counts_months_over_years() -> None:
    ranks = [{"name": "friend", "title": "Friend", "at_least": 25}]
    terms = program(tier=ranks, tiers={"basis": "seniority", "window": "lifetime"})
    sold = course(terms, (date(2024, 11, 20), 1))
    assert told(terms, sold, date(2026, 11, 20)) == (None, "friend", "1", False)
    assert told(terms, sold, date(2026, 12, 19))[0] is None
    assert told(terms, sold, date(2026, 12, 20))[0] == "friend"


# --- what was bought, and what of it is left -----------------------------------------------------


def test_goods_that_cost_nothing_are_returned_like_others() -> None:
    """Dolibarr may write the returned quantity as a positive one."""
    terms = program(earn={"product": {}})
    bag = sale(1, lines=[line(0, 1, 2, product_points=Decimal(8))])
    note = credit_note(2, 0, 1, lines=[line(0, 1, 1, rowid=9)])
    assert [one.units for one in verdicts(terms, bag, note)] == [16, -8]


def test_cheap_goods_taken_in_exchange_are_no_return() -> None:
    terms = program(earn={"product": {}})
    sold = sale(1, lines=[line(5, 1, 2, rowid=1, product_points=Decimal(8))])
    exchange = [line(-5, 1, -2, rowid=9), line("0.50", 1, 1, rowid=10)]
    note = credit_note(2, 0, 1, lines=exchange)
    assert [one.units for one in verdicts(terms, sold, note)] == [16, -8]


def test_more_is_never_taken_of_a_product_than_was_sold_of_it() -> None:
    """What a credit note says of points on the card is what the card said at the sale."""
    terms = program(earn={"product": {}})
    lines = [
        line(5, 1, 1, rowid=1, product_points=Decimal(4)),
        line(5, 2, 1, rowid=2, product_points=Decimal(9)),
    ]
    too_many = credit_note(2, 0, 1, lines=[line(-8, 1, -3, rowid=9, product_points=Decimal(4))])
    assert [one.units for one in verdicts(terms, sale(1, lines=lines), too_many)] == [13, -4]


def test_bands_count_the_share_that_was_paid_with_money() -> None:
    earn = {"band": [{"percent": 10}], "leave_out_paid_by": ["VAD"]}
    paid = [Payment("VAD", Decimal(50), None), Payment("LIQ", Decimal(50), None)]
    assert verdicts(program(earn=earn), sale(1, 100, payments=paid))[0].units == 5


# --- why campaigns do not hold -------------------------------------------------------------------

FRIDAY_NOON = datetime(2026, 11, 20, 11, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("terms", "born", "at", "said"),
    [
        (
            {"hours": "14:00-17:00"},
            None,
            None,
            "it is from 14:00-17:00, and the sale has no time of day",
        ),
        ({"hours": "14:00-17:00"}, None, FRIDAY_NOON, "not at 12:05, it is from 14:00-17:00"),
        ({"first_day": date(2026, 11, 21)}, None, None, "not before 2026-11-21"),
        ({"last_day": date(2026, 11, 19)}, None, None, "not after 2026-11-19"),
        ({"weekdays": ["monday"]}, None, None, "not on a friday"),
        ({"birthday": "day"}, None, None, "the customer's birthday is not known"),
        (
            {"birthday": "day"},
            date(1990, 11, 19),
            None,
            "it is not the day of the customer's birthday",
        ),
        (
            {"birthday": "month"},
            date(1990, 12, 20),
            None,
            "it is not the month of the customer's birthday",
        ),
        ({"channels": ["pos"]}, None, None, "not for sales of this kind (office)"),
        ({"terminals": ["1"]}, None, None, "not at this terminal (none)"),
        (
            {"customers": {"tags": ["VIP", "Club"]}},
            None,
            None,
            "for other customers, by tag: VIP, Club",
        ),
        ({"minimum": 50}, None, None, "10.00 of what it is for is below 50.00"),
    ],
)
def test_a_campaign_that_does_not_hold_says_why(
    terms: dict[str, Any], born: date | None, at: datetime | None, said: str
) -> None:
    one = replace(sale(1, 10), buyer=Buyer(birthday=born), created_at=at)
    (verdict,) = verdicts(program(campaign=[campaign("club", multiply=2, **terms)]), one)
    assert f"Club: {said}" in [str(reason) for reason in verdict.reasons]
    assert verdict.units == 10


# --- what a sale counts for those after it -------------------------------------------------------


def counted(terms: Program, origin: Sale, *returns: Sale) -> Counted:
    family = Family(origin, returns)
    verdicts = assess(terms, AROUND, family)
    return what_counts(terms, AROUND, family.origin, family.returns, verdicts)


def test_a_sale_counts_once_with_its_points_and_what_was_spent() -> None:
    terms = program(earn={"amount": {"per": 10}})
    assert counted(terms, sale(1, "40.50")) == Counted(1, 4, 4050)
    # One that earned nothing is a purchase all the same, if anything was bought.
    assert counted(terms, sale(1, 5)) == Counted(1, 0, 500)
    assert counted(terms, sale(1, lines=[line(0, None)])) == Counted(0, 0)
    assert counted(terms, sale(1, 40, status=SaleStatus.VALIDATED)) == Counted(0, 0)
    assert counted(terms, sale(1, 40, status=SaleStatus.DRAFT)) == Counted(0, 0)
    assert counted(terms, sale(1, 40, day=date(2025, 1, 1))) == Counted(0, 0)


def test_what_was_paid_without_earning_is_not_spent() -> None:
    terms = program(earn={"amount": {}, "leave_out_paid_by": ["VIR"]})
    paid = (Payment("VIR", Decimal(2), None), Payment("LIQ", Decimal(5), None))
    # Five sevenths of 7.00 are five, whatever the digits of five sevenths.
    assert counted(terms, sale(1, 7, payments=paid)) == Counted(1, 5, 500)


def test_a_sale_counts_with_what_its_returns_left() -> None:
    terms = program()
    assert counted(terms, sale(1, 40), credit_note(2, 15, 1)) == Counted(1, 25, 2500)
    assert counted(terms, sale(1, 40), credit_note(2, 40, 1)) == Counted(0, 0)
    # A draft of a return takes nothing off.
    draft = credit_note(2, 15, 1, status=SaleStatus.DRAFT)
    assert counted(terms, sale(1, 40), draft) == Counted(1, 40, 4000)
    almost = credit_note(2, "39.40", 1)
    assert counted(terms, sale(1, 40), almost) == Counted(1, 0, 60)
    kept = program(returns={"take_back": False})
    assert counted(kept, sale(1, 40), credit_note(2, 40, 1)) == Counted(0, 40)


def test_goods_that_cost_little_are_returned_whole_when_their_amount_is() -> None:
    """By their amount, not by their number: of a product at a price two may be credited as one."""
    cheap = sale(1, lines=[line("0.90", 1, 2)])
    note = credit_note(2, 0, 1, lines=[line("-0.90", 1, -1, rowid=9)])
    terms = program(earn={"visit": {}})
    assert [one.units for one in verdicts(terms, cheap, note)] == [1, -1]
    half = credit_note(2, 0, 1, lines=[line("-0.40", 1, -2, rowid=9)])
    assert [one.units for one in verdicts(terms, cheap, half)] == [1, 0]


def test_what_was_paid_so_that_it_earns_nothing_was_not_spent() -> None:
    terms = program(earn={"amount": {}, "leave_out_paid_by": ["VAD"]})
    paid = [Payment("VAD", Decimal(10), None), Payment("LIQ", Decimal(30), None)]
    assert counted(terms, sale(1, 40, payments=paid)) == Counted(1, 30, 3000)
    # 7.01 of 10.01 earned, and of 5.01 that are left 3.5085...: to the nearest cent.
    odd = [Payment("VAD", Decimal(3), None), Payment("LIQ", Decimal("7.01"), None)]
    left = counted(terms, sale(1, "10.01", payments=odd), credit_note(2, 5, 1))
    assert left == Counted(1, 3, 351)
    half = [Payment("LIQ", Decimal(20), None)]
    closed = sale(1, 40, status=SaleStatus.CLOSED, payments=half, close_code="badcustomer")
    assert counted(terms, closed) == Counted(1, 20, 2000)


def test_a_sale_that_does_not_count_is_named_with_its_day() -> None:
    (verdict,) = verdicts(program(), sale(3, 40, status=SaleStatus.DRAFT))
    assert (verdict.sale.rowid, verdict.earned_on) == (3, date(2026, 11, 20))


# --- bands, discounts, days ----------------------------------------------------------------------


def test_bands_of_small_totals_and_of_none() -> None:
    terms = program(earn={"band": [{"points": 3}]})
    assert verdicts(terms, sale(1, "0.50"))[0].units == 3
    (verdict,) = verdicts(terms, sale(1, lines=[line(0)]))
    assert str(verdict.reasons[0]) == "its amount is not above zero, so it earns nothing"
    half_up = program(earn={"band": [{"points": 1, "percent": 10}], "band_rounding": "half_up"})
    assert str(verdicts(half_up, sale(1, 25))[0].reasons[0]) == (
        "4 points: 1 and 10 % of 25.00 in the band from 0, rounded half up"
    )


def test_a_small_reward_that_paid_all_is_told_as_one() -> None:
    reward = line("-0.80", None, rowid=2, discount=DiscountKind.FIXED, text="x DS-A1")
    (verdict,) = verdicts(program(), sale(1, lines=[line("0.80", rowid=1), reward]))
    assert "0.80 was paid with points and earns nothing: 0 left" in [
        str(r) for r in verdict.reasons
    ]


def test_months_end_with_the_last_year_there_is() -> None:
    assert add_months(date(9998, 11, 30), 3) == date(9999, 2, 28)
    assert add_months(date(9999, 1, 31), 1) == date(9999, 2, 28)
    assert add_months(date(9999, 12, 1), 1) == date.max


# --- what a sale may know of those before it -----------------------------------------------------


def a_course(*sales: tuple[date, int]) -> Course:
    found = Course()
    for day, units in sales:
        found.add(day.toordinal(), Counted(1, units, units * 100))
    return found


BEFORE = a_course((date(2026, 10, 31), 7), (date(2026, 11, 1), 20), (date(2026, 11, 20), 5))


def test_the_sums_since_a_day() -> None:
    assert BEFORE.since(date(2026, 10, 1).toordinal()) == Counted(3, 32, 3200)
    assert BEFORE.since(date(2026, 11, 1).toordinal()) == Counted(2, 25, 2500)
    assert BEFORE.since(date(2026, 11, 2).toordinal()) == Counted(1, 5, 500)
    assert BEFORE.since(date(2026, 11, 21).toordinal()) == Counted(0, 0, 0)


@pytest.mark.parametrize(
    ("caps", "known"),
    [
        ({}, (0, 0, 0)),
        ({"per_sale": 9}, (0, 0, 0)),
        ({"per_day": 9}, (5, 0, 0)),
        ({"per_month": 9}, (0, 25, 0)),
        ({"per_member": 9}, (0, 0, 32)),
    ],
)
def test_a_sale_knows_of_others_what_caps_ask_and_no_more(
    caps: dict[str, int], known: tuple[int, int, int]
) -> None:
    terms = program(earn={"amount": {}, "caps": caps})
    before = before_of(terms, BEFORE, (), date(2026, 11, 20).toordinal())
    assert (before.day_units, before.month_units, before.all_units) == known
    assert before.sales == 1
    assert before_of(terms, Course(), (), date(2026, 11, 20).toordinal()).sales == 0


def test_a_tier_that_staff_set_and_that_is_no_more_is_none() -> None:
    entry = by_hand(date(2026, 11, 1), "platinum")
    assert tier_on(tiered(), Course(), (entry,), date(2026, 11, 20).toordinal()) == ""


def test_a_sale_is_judged_in_the_tier_that_staff_set() -> None:
    entry = by_hand(date(2026, 11, 1), "gold")
    before = before_of(tiered(), Course(), (entry,), date(2026, 11, 20).toordinal())
    assert before.tier == "gold"


@pytest.mark.parametrize(
    ("tiers", "days"),
    [
        ({"window": "lifetime"}, 31),
        ({"months": 3}, 3 * 31 + 31),
        ({"months": 3, "grace_days": 10}, 3 * 31 + 10 + 31),
        ({"window": "calendar_year", "review": "year", "grace_days": 5}, 366 + 5 + 31),
    ],
)
def test_how_far_rules_look_back(tiers: dict[str, Any], days: int) -> None:
    assert reach_days(tiered(**tiers)) == days
    assert reach_days(program()) == 31


@pytest.mark.parametrize(("days", "reach"), [(20, 31), (400, 400), (None, 31)])
def test_challenges_look_back_as_far_as_they_ask(days: int | None, reach: int) -> None:
    challenge = {"visits": 5} if days is None else {"visits": 5, "days": days}
    assert reach_days(program(campaign=[campaign("five", bonus=5, challenge=challenge)])) == reach


def test_a_copy_of_a_course_is_the_same_and_goes_on_by_itself() -> None:
    copy = BEFORE.copy()
    copy.tier = "gold"
    gold = copy.copy()
    assert gold == copy
    gold.add(date(2027, 1, 1).toordinal(), Counted(1, 5, 500))
    assert gold != copy
    assert (copy.first_day, copy.last_day, copy.days) == (
        BEFORE.first_day,
        BEFORE.last_day,
        BEFORE.days,
    )


# --- goods without a product, and what belongs to all of a sale ----------------------------------

CENTS = {"points": 1, "per": "0.01"}
ONLY_P1 = program(earn={"amount": CENTS, "only": {"references": ["P1"]}})


def text_line(amount: str | int, rowid: int, text: str = "") -> SaleLine:
    return line(amount, None, rowid=rowid, text=text)


P1, P2 = line(60, 1, rowid=1), line(40, 2, rowid=2)


@pytest.mark.parametrize(
    ("sold", "returned", "units"),
    [
        # Goods without a product that earn nothing take nothing back.
        ([P1, text_line(40, 3)], [text_line(-40, 9)], [6000, 0]),
        ([P1, text_line("0.60", 3)], [text_line("-0.60", 9)], [6000, 0]),
        # A deduction that names no product is shared by all that was sold.
        ([P1, P2], [text_line(-10, 9)], [6000, -600]),
        ([P1, P2, text_line(0, 3, "thank you")], [text_line(-10, 9)], [6000, -600]),
        # What was taken off all of it is added again with what is returned.
        (
            [P1, text_line(40, 3), text_line(-10, 4)],
            [line(-30, 1, rowid=9), text_line(5, 10)],
            [5400, -2700],
        ),
        (
            [P1, text_line(40, 3), text_line(-10, 4)],
            [line(-30, 1, rowid=9), text_line("0.50", 10)],
            [5400, -2970],
        ),
        ([P1, P2, text_line(0, 3)], [line(-60, 1, rowid=9), text_line(0, 10)], [6000, -6000]),
    ],
)
def test_lines_without_a_product(
    sold: list[SaleLine], returned: list[SaleLine], units: list[int]
) -> None:
    found = verdicts(ONLY_P1, sale(1, lines=sold), credit_note(2, 0, 1, lines=returned))
    assert [one.units for one in found] == units


def reasons(terms: Program, *lines: SaleLine) -> list[str]:
    return [str(reason) for reason in verdicts(terms, sale(1, lines=lines))[0].reasons]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([text_line(5, 3, "a pot")], "5.00 of articles that earn nothing: a pot"),
        ([text_line(5, 3)], "5.00 of articles that earn nothing: ?"),
        (
            [line(1, n, rowid=n) for n in range(2, 7)],
            "5.00 of articles that earn nothing: P2, P3, P4, P5, P6",
        ),
        (
            [line(1, n, rowid=n) for n in range(2, 8)],
            "6.00 of articles that earn nothing: P2, P3, P4, P5, P6, ...",
        ),
    ],
)
def test_what_earns_nothing_is_named(lines: list[SaleLine], said: str) -> None:
    assert said in reasons(ONLY_P1, P1, *lines)


def test_a_note_on_an_invoice_is_no_article_and_a_discount_on_others_takes_nothing() -> None:
    assert reasons(ONLY_P1, P1, text_line(0, 3, "thank you"))[0].startswith("counted amount")
    without = reasons(ONLY_P1, P2, text_line(-10, 3))
    assert not any(one.startswith("discounts on the whole sale") for one in without)


def test_an_empty_list_leaves_nothing_out() -> None:
    earn = {"amount": {}, "leave_out": [{}, {"references": ["X"]}]}
    assert earned(program(earn=earn), line(10)) == 10


def test_the_smallest_discount_on_a_line_is_one() -> None:
    terms = program(earn={"amount": {}, "leave_out_discounted": "line_discount"})
    assert earned(terms, line(10, discount_percent=Decimal("0.5"))) == 0


def test_a_small_thing_without_a_product_is_a_visit() -> None:
    assert earned(program(earn={"visit": {}}), text_line("0.80", 1)) == 1


# --- how amounts are told ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ({}, "10 points: 1 for each full 1"),
        (
            {"points": "1.5", "rounding": "half_up"},
            "15 points: 1.5 for each full 1, rounded half up",
        ),
        ({"counting": "proportional"}, "10 points: 1 for each 1, rounded down"),
        ({"scope": "line"}, "10 points: 1 for each full 1, line by line"),
    ],
)
def test_rates_and_rounding_are_told(amount: dict[str, Any], said: str) -> None:
    assert reasons(program(earn={"amount": amount}), line(10))[1] == said


def test_the_amount_told_is_the_share_that_counts() -> None:
    earn = {"amount": {}, "leave_out_paid_by": ["VAD", "CHQ"]}
    paid = [Payment("VAD", Decimal(10), None), Payment("VAD", Decimal(5), None)]
    paid += [Payment("CHQ", Decimal(7), None), Payment("CHQ", Decimal(-7), None)]
    paid += [Payment("LIQ", Decimal(25), None)]
    (verdict,) = verdicts(program(earn=earn), sale(1, 40, payments=paid))
    assert [str(reason) for reason in verdict.reasons] == [
        "15 was paid by VAD and earns nothing: 25 left",
        "counted amount, including tax: 25.00",
        "25 points: 1 for each full 1",
    ]


def test_a_sale_closed_without_a_code_says_what_counts() -> None:
    paid = [Payment("LIQ", Decimal(25), None)]
    (verdict,) = verdicts(program(), sale(1, 40, status=SaleStatus.CLOSED, payments=paid))
    assert str(verdict.reasons[0]) == "closed with '?' before being fully paid: 25 of 40 count"


def test_days_end_with_the_last_one_there_is() -> None:
    assert add_days(date(9999, 12, 20), 30) == date.max
    assert add_days(date(9999, 12, 20), 10) == date(9999, 12, 30)


# --- the whole of a verdict ----------------------------------------------------------------------


def test_a_verdict_holds_all_that_the_ledger_writes() -> None:
    terms = program(
        earn={"amount": {}, "wait_days": 14, "caps": {"per_day": 30}},
        validity={"months": 12, "inactive_months": 6},
        campaign=[campaign("double", multiply=2)],
    )
    (verdict,) = verdicts(terms, sale(1, 20))
    assert (verdict.units, verdict.wanted, verdict.campaigns) == (30, 40, (("double", 20),))
    assert verdict.earned_on == date(2026, 11, 20)
    assert verdict.usable_from == date(2026, 12, 4)
    assert verdict.expires_on == date(2027, 11, 20)
    assert [str(reason) for reason in verdict.reasons[2:]] == [
        "Double: 20 points more, times 2 on 20 for 20.00",
        "capped at 30 a day: 30 of 40 points",
        "pending until 2026-12-04, while its goods may be returned",
        "usable until 2027-11-20",
        "usable until 6 months without a sale, a redemption or a gift of points",
    ]


def test_a_verdict_of_nothing_and_of_what_is_pending() -> None:
    terms = program(
        earn={"amount": {}, "caps": {"per_day": 30}}, campaign=[campaign("double", multiply=2)]
    )
    (full,) = verdicts(terms, sale(1, 20), day_units=30)
    assert (full.units, full.wanted, full.campaigns) == (0, 40, (("double", 20),))
    assert full.earned_on == date(2026, 11, 20)
    assert [str(reason) for reason in full.reasons[-2:]] == [
        "capped at 30 a day: 0 of 40 points",
        "it earned nothing",
    ]
    (unpaid,) = verdicts(terms, sale(1, 20, status=SaleStatus.VALIDATED))
    assert (unpaid.units, unpaid.pending, unpaid.campaigns) == (0, 30, (("double", 20),))
    assert unpaid.earned_on == date(2026, 11, 20)


def test_a_visit_that_is_taken_says_on_which_day() -> None:
    terms = program(earn={"visit": {}})
    family = Family(sale(1, 20), other_visit=True)
    (verdict,) = assess(terms, AROUND, family)
    assert "another sale of this customer counts on 2026-11-20" in str(verdict.reasons[0])


def test_a_return_that_does_not_count_hides_none_after_it() -> None:
    draft = credit_note(2, 5, 1, status=SaleStatus.DRAFT)
    found = verdicts(program(), sale(1, 40), draft, credit_note(3, 10, 1))
    assert [one.units for one in found] == [40, 0, -10]


def test_one_point_is_raised_too_and_a_tier_without_bonus_names_none() -> None:
    double = {"name": "gold", "title": "Gold", "at_least": 0, "multiplier": 2}
    (verdict,) = verdicts(program(tier=[double]), sale(1, 1), tier="gold")
    assert verdict.units == 2
    assert str(verdict.reasons[2]) == "2 points in the tier Gold: times 2"


def test_tiers_with_none_with_a_floor_and_with_one_that_is_kept() -> None:
    day = date(2026, 11, 20)
    assert tier_on(program(), Course(), (), day.toordinal()) == ""
    floor = tiered(default="silver")
    assert on(floor, Course(), day, by_hand(date(2026, 11, 1), "", locked=False)) == "silver"
    terms = tiered(months=1)
    assert course(terms, (date(2026, 10, 20), 60), (day, 60)).tier == ""
    assert course(terms, (date(2026, 10, 21), 60), (day, 60)).tier == "silver"
    # Before its review a tier is kept, also by a sale that would not reach it.
    assert course(terms, (date(2026, 1, 15), 300), (date(2026, 2, 25), 5)).tier == "gold"


def test_rounding_of_very_small_parts_and_very_large_numbers() -> None:
    """Half of the smallest part that is looked at counts as one, on both sides of zero."""
    assert round_units(Decimal("1.0000000000005"), Rounding.UP) == 2
    assert round_units(Decimal("-1.0000000000005"), Rounding.UP) == -2
    assert round_units(Decimal(10**30 + 1), Rounding.DOWN) == 10**30 + 1


def test_a_fixed_band_is_not_rounded_and_does_not_say_so() -> None:
    terms = program(earn={"band": [{"points": 3, "at_least": 5}]})
    assert reasons(terms, line(10)) == ["3 points: 3 in the band from 5"]


def test_what_only_paid_is_told_with_its_amount() -> None:
    terms = program(
        earn={
            "amount": {},
            "leave_out_paid_with_points": False,
            "leave_out_fixed_discounts": False,
        }
    )
    lines = [
        line(50, rowid=1),
        line(-20, None, rowid=2, discount=DiscountKind.DEPOSIT),
        line(-5, None, rowid=3, discount=DiscountKind.FIXED, text="x DS-A1"),
        line(-3, None, rowid=4, discount=DiscountKind.FIXED, text="a gesture"),
    ]
    assert reasons(terms, *lines)[:3] == [
        "deposits and credit used on it are part of what was bought: 20 added",
        "discounts bought with points do not lower it: 5 added",
        "fixed discounts of the card do not lower it: 3 added",
    ]


def test_articles_are_not_named_where_nothing_earns_anyway() -> None:
    earn = {"amount": {}, "leave_out_paid_by": ["VAD"], "only": {"references": ["P1"]}}
    gift = sale(1, lines=[P1, P2], payments=[Payment("VAD", Decimal(100), None)])
    (verdict,) = verdicts(program(earn=earn), gift)
    assert [str(reason) for reason in verdict.reasons] == [
        "100 was paid by VAD and earns nothing: 0 left",
        "it earned nothing",
    ]


def test_the_best_campaign_for_some_articles_is_the_best_in_the_tier_too() -> None:
    gold = {"name": "gold", "title": "Gold", "at_least": 0, "multiplier": 2}
    campaigns = [
        campaign("double", multiply=2, articles={"references": ["P1"]}),
        campaign("gift", bonus=30),
    ]
    terms = program(tier=[gold], campaign=campaigns)
    note = credit_note(2, 0, 1, lines=[line(-10, 1, -1, rowid=9)])
    sold = sale(1, lines=[line(20, 1, 2)])
    assert [one.units for one in verdicts(terms, sold, note, tier="gold")] == [80, -40]


def test_after_a_lock_sales_judge_from_its_first_day_on() -> None:
    terms = tiered(months=1)
    lock = by_hand(date(2026, 10, 1), "silver", date(2026, 11, 20))
    sold = course(terms, (date(2026, 10, 21), 300), by_hand=(lock,))
    assert on(terms, sold, date(2026, 11, 20), lock) == "silver"
    assert on(terms, sold, date(2026, 11, 21), lock) == "gold"


@pytest.mark.parametrize(
    ("grace_days", "last_sale", "kept_until", "lost_on"),
    [
        # A small sale between a review and the end of its grace saves nothing and delays nothing.
        (10, date(2026, 3, 5), date(2026, 3, 10), date(2026, 3, 11)),
        (40, date(2026, 3, 20), date(2026, 4, 9), date(2026, 4, 10)),
    ],
)
def test_a_small_sale_in_the_days_of_grace(
    grace_days: int, last_sale: date, kept_until: date, lost_on: date
) -> None:
    terms = tiered(months=1, grace_days=grace_days)
    sold = course(terms, (date(2026, 1, 15), 300), (last_sale, 5))
    assert on(terms, sold, kept_until) == "gold"
    assert on(terms, sold, lost_on) == ""


def test_seniority_begins_with_the_first_sale_that_counts() -> None:
    found = Course()
    found.add(10, Counted(0, 0, -500))
    assert found.first_day is None
    found.add(20, Counted(1, 5, 500))
    found.add(30, Counted(1, 5, 500))
    assert (found.first_day, found.last_day) == (20, 30)


def test_why_a_document_does_not_count_at_all() -> None:
    other = program(sources=["web"])
    assert reasons(other, P1) == ["source 'shop' takes no part in this program"]
    (early,) = verdicts(program(), sale(1, 10, day=date(2025, 12, 31)))
    assert [str(reason) for reason in early.reasons] == [
        "its date 2025-12-31 is before the program's start on 2026-01-01"
    ]


def test_a_visit_is_told_with_its_points() -> None:
    assert reasons(program(earn={"visit": {"points": 3}}), P1) == ["3 points for the visit"]
