"""Rules that had no effect on a sale are named too, when somebody asks."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from dolisync.model import Buyer, DiscountKind, Payment, SaleKind, SaleStatus
from dolisync.program.assess import Family, assess
from dolisync.program.before import Before
from dolisync.program.reasons import Reason, Why, because
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program
from dolisync.program.unmatched import without_effect
from tests.builders import credit_note, line, program, sale

AROUND = Surroundings()
GOLD = {"name": "gold", "title": "Gold", "at_least": 0, "multiplier": 2}
PLAIN = {"name": "plain", "title": "Plain", "at_least": 0}


def silent(terms: Program, one: Any = None, before: Before = Before()) -> list[str]:
    one = sale(1, 40) if one is None else one
    said = assess(terms, AROUND, Family(one, before=before))[0].reasons
    return [str(reason) for reason in without_effect(terms, AROUND, one, before, said)]


def test_a_plain_program_has_nothing_to_add() -> None:
    assert silent(program()) == []


@pytest.mark.parametrize(
    ("earn", "said"),
    [
        ({"channels": ["office"]}, ["sales of this kind count: office"]),
        ({"leave_out_terminals": ["1"]}, ["sales at this terminal count: none"]),
        (
            {"only_customers": {"tags": ["VIP"], "countries": ["FR"]}},
            ["the customer is one of those meant, by tag, country: VIP, FR"],
        ),
        ({"only_customers": {}}, []),
        (
            {"leave_out_customers": [{"types": ["TE_SMALL"], "tags": ["Staff"]}, {}]},
            ["the customer is none of those left out, by type, tag: TE_SMALL, Staff"],
        ),
        ({"leave_out": [{"tags": ["Tobacco"]}]}, ["nothing that was bought is left out"]),
        ({"leave_out_discounted": "any"}, ["nothing that was bought is left out"]),
        (
            {"leave_out_paid_by": ["VAD", "CHQ"]},
            ["nothing was paid by what earns nothing: VAD, CHQ"],
        ),
        ({"product": {}}, ["no points from product cards: nothing bought has any"]),
        ({"visit": {}}, []),
    ],
)
def test_what_of_earning_had_no_effect(earn: dict[str, Any], said: list[str]) -> None:
    buyer = Buyer(kind="TE_PRIVATE", tags=("VIP",), country="FR")
    assert silent(program(earn={"amount": {}, **earn}), replace(sale(1, 40), buyer=buyer)) == said


def test_what_had_an_effect_is_not_said_to_have_none() -> None:
    """Each is in the verdict's own reasons."""
    earn = {
        "amount": {},
        "product": {},
        "visit": {},
        "leave_out_paid_by": ["VAD"],
        "leave_out": [{"references": ["P2"]}],
    }
    lines = [line(40, product_points=Decimal(3)), line(5, 2, rowid=2)]
    paid = [Payment("VAD", Decimal(10), None), Payment("LIQ", Decimal(35), None)]
    assert silent(program(earn=earn), sale(1, lines=lines, payments=paid)) == []


def test_nothing_is_a_visit_where_nothing_was_bought() -> None:
    terms = program(earn={"amount": {}, "visit": {}})
    only_text = sale(1, lines=[line(0, None)])
    assert silent(terms, only_text) == ["no points for a visit: nothing was bought"]


def test_a_visit_that_another_sale_holds_is_told_by_the_verdict() -> None:
    terms = program(earn={"visit": {}})
    said = (because(Why.VISIT_TAKEN, date="2026-11-20"),)
    assert without_effect(terms, AROUND, sale(1, 40), Before(), said) == ()


def test_tiers() -> None:
    tiers = program(tier=[GOLD])
    assert silent(tiers, before=Before(tier="gold")) == []
    assert silent(tiers) == ["in no tier"]
    unpaid = sale(1, lines=[line(0)])
    assert silent(tiers, unpaid, Before(tier="gold")) == [
        "in the tier Gold, but there are no points to raise"
    ]
    assert silent(program(tier=[PLAIN]), before=Before(tier="plain")) == [
        "in the tier Plain, which gives no more points"
    ]
    bonus = program(tier=[{**PLAIN, "bonus": 5}])
    assert silent(bonus, before=Before(tier="plain")) == []


def test_caps_that_cut_nothing_say_how_much_room_there_was() -> None:
    caps = {"per_sale": 50, "per_day": 60, "per_month": 100, "per_member": 1000}
    terms = program(earn={"amount": {}, "caps": caps})
    before = Before(day_units=10, month_units=60, all_units=60)
    assert silent(terms, before=before) == [
        "the cap of 50 a sale cuts nothing: there was room for 50 points",
        "the cap of 60 a day cuts nothing: there was room for 50 points",
        "the cap of 100 a month cuts nothing: there was room for 40 points",
        "the cap of 1000 a member cuts nothing: there was room for 940 points",
    ]
    cut = silent(terms, sale(1, 45), before)
    assert [one.split(" cuts")[0] for one in cut] == [
        "the cap of 50 a sale",
        "the cap of 60 a day",
        "the cap of 1000 a member",
    ]
    assert "a sale" not in " ".join(silent(terms, sale(1, 70), Before()))


def test_campaigns_are_silent_only_where_nothing_can_earn() -> None:
    campaign = {"name": "friday", "title": "Friday", "multiply": 2, "weekdays": ["monday"]}
    assert silent(program(campaign=[campaign])) == []
    terms = program(earn={"amount": {}, "leave_out_paid_by": ["VAD"]}, campaign=[campaign])
    gift = sale(1, 40, payments=[Payment("VAD", Decimal(40), None)])
    assert silent(terms, gift) == ["campaigns add nothing, as nothing that was bought earns"]
    held = program(campaign=[{**campaign, "weekdays": []}])
    assert silent(held) == []


def test_nothing_left_out_is_not_said_where_all_was_paid_so_that_it_earns_nothing() -> None:
    earn = {"amount": {}, "leave_out_paid_by": ["VAD"], "leave_out": [{"references": ["X*"]}]}
    gift = sale(1, 40, payments=[Payment("VAD", Decimal(40), None)])
    assert silent(program(earn=earn), gift) == []
    used = line(-40, None, rowid=2, discount=DiscountKind.GIFT_CARD)
    by_card = {"amount": {}, "leave_out_gift_cards": True, "leave_out": [{"references": ["X*"]}]}
    assert silent(program(earn=by_card), sale(1, lines=[line(40, rowid=1), used])) == []


@pytest.mark.parametrize("why", [Why.VANISHED, Why.ERASED, Why.SET_ASIDE])
def test_what_cannot_count_has_one_reason_and_no_more(why: Why) -> None:
    terms = program(earn={"amount": {}, "channels": ["office"]})
    said: tuple[Reason, ...] = (because(why),)
    assert without_effect(terms, AROUND, sale(1, 40), Before(), said) == ()
    assert silent(terms, sale(1, 40, status=SaleStatus.DRAFT)) == []
    assert silent(terms, sale(1, 40, kind=SaleKind.DEPOSIT)) == []
    note = credit_note(2, 10, origin=1)
    assert without_effect(terms, AROUND, note, Before(), ()) == ()
