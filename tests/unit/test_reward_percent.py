"""A percentage off as a reward (D5): what it comes to, to the cent, and how it is configured."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolisync.display import customer_values
from dolisync.ledger import rulesets
from dolisync.ledger.views import MemberView
from dolisync.model import DiscountKind, SaleLine
from dolisync.program.draft_bills import DraftBill, bill_of
from dolisync.program.draft_shares import bought_by_rate
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program
from dolisync.program.wishes import DraftWish, Refusal, RefusedWish, draft_reward
from tests.builders import customer, program, sale
from tests.fakes import reward
from tests.unit.test_display import TODAY, source
from tests.unit.test_draft_shares import RATES, priced, taken

D = Decimal
TENTH = {"name": "tenth", "title": "A tenth off", "points": 200, "percent": 10}


def terms(**more: Any) -> Program:
    return program(reward=[{**TENTH, **more}])


def draft(*lines: SaleLine) -> DraftBill:
    return bill_of(Surroundings(), sale(1, lines=list(lines)))


def shares(percent: Any, at_most: Any, *lines: SaleLine) -> dict[str, str]:
    found = draft(*lines).percent_shares(D(percent), None if at_most is None else D(at_most))
    return {f"{share.tax_rate:f}": f"{share.amount:.2f}" for share in found}


def discount(incl: str, rate: str, kind: DiscountKind, text: str = "") -> SaleLine:
    return replace(priced(incl, rate), discount=kind, text=text)


@pytest.mark.parametrize(
    ("percent", "at_most", "lines", "taken_off"),
    [
        (10, None, [("100", "20")], {"20": "10.00"}),
        (10, None, [("60", "20"), ("40", "10")], {"10": "4.00", "20": "6.00"}),
        (100, None, [("60", "20"), ("40.01", "10")], {"10": "40.01", "20": "60.00"}),
        ("12.5", None, [("48", "20"), ("11", "10"), ("8.20", "5.5")], "8.40"),
        # Half a cent is rounded up, as Dolibarr's own percentages are.
        (10, None, [("9.95", "20")], {"20": "1.00"}),
        (10, None, [("9.94", "20")], {"20": "0.99"}),
        (10, None, [("0.04", "20")], {}),
        (10, None, [("0.05", "20")], {"20": "0.01"}),
        # One cent in all: it goes to the rate of most of it.
        (10, None, [("0.05", "20"), ("0.04", "10")], {"20": "0.01"}),
        (10, 5, [("100", "20")], {"20": "5.00"}),
        (10, 5, [("49.90", "20")], {"20": "4.99"}),
        (10, "0.01", [("60", "20"), ("40", "10")], {"20": "0.01"}),
        # More came back at one rate than was bought: there is nothing there to take off.
        (10, None, [("50", "20"), ("-60", "10")], {"20": "5.00"}),
        (10, None, [("0", "20")], {}),
        (10, None, [], {}),
        (10, None, [("50", "0")], {"0": "5.00"}),
    ],
)
def test_what_it_comes_to(percent: Any, at_most: Any, lines: Any, taken_off: Any) -> None:
    found = shares(percent, at_most, *(priced(*line) for line in lines))
    if isinstance(taken_off, str):
        assert f"{sum(map(D, found.values())):.2f}" == taken_off
    else:
        assert found == taken_off


@given(
    st.lists(st.tuples(st.integers(-500, 9000), st.sampled_from(RATES)), min_size=1, max_size=9),
    st.decimals("0.01", 100, places=2),
)
def test_no_rate_falls_below_zero(goods: list[tuple[int, Decimal]], percent: Decimal) -> None:
    lines = [priced(D(cents) / 100, rate) for cents, rate in goods]
    found = draft(*lines).percent_shares(percent, None)
    after = bought_by_rate([*lines, *(taken(one.amount, one.tax_rate) for one in found)])
    assert not any(after[share.tax_rate].is_below_zero for share in found)
    assert all(share.amount > 0 for share in found)


def test_it_is_of_the_goods_not_of_what_pays_for_them() -> None:
    goods = priced("100", "20")
    deposit = discount("-30", "20", DiscountKind.DEPOSIT)
    points = discount("-5", "20", DiscountKind.FIXED, "Thanks DS-ABCDEFGHJKLM")
    assert shares(10, None, goods, deposit, points) == {"20": "10.00"}
    nearly = discount("-95", "20", DiscountKind.DEPOSIT)
    # Of the 5.00 that are left the net is 4.16: a line of 5.00 would take off 4.17.
    assert shares(10, None, goods, nearly) == {"20": "4.99"}
    card = replace(
        priced("50", "0"), discount=DiscountKind.GIFT_CARD, product_rowid=9, product_ref="GIFT"
    )
    assert shares(10, None, goods, card) == {"20": "10.00"}


def test_its_own_lines_are_left_out_while_it_follows() -> None:
    own = discount("-10", "20", DiscountKind.FIXED, "A tenth off DS-ABCDEFGHJKLM")
    found = sale(1, lines=[priced("100", "20"), own])
    bill = bill_of(Surroundings(), found, "DS-ABCDEFGHJKLM")
    assert [one.amount for one in bill.percent_shares(D(10), None)] == [D(10)]
    assert (bill.bill.total, bill.bill.by_points) == (100, 0)


def test_the_terms_of_the_program_hold() -> None:
    rules = program(reward=[TENTH], redeem={"max_share": 10})
    wish, bill = DraftWish(reward=rules.reward[0]), draft(priced("100", "20")).bill
    assert draft_reward(rules, wish, D(200), bill).amount == 10
    on_it = draft(
        priced("100", "20"), discount("-5", "20", DiscountKind.FIXED, "X DS-ABCDEFGHJKLM")
    )
    for other, why in (
        (on_it.bill, Refusal.LESS_ROOM),
        (draft().bill, Refusal.NO_ROOM),
    ):
        with pytest.raises(RefusedWish) as refused:
            draft_reward(rules, wish, D(200), other)
        assert refused.value.why is why


def test_on_a_draft_it_takes_off_no_more_than_its_limit_and_is_refused_below_a_cent() -> None:
    def on_draft(total: str, **more: Any) -> Decimal | None:
        rules = terms(**more)
        bill = draft(priced(total, "20")).bill
        return draft_reward(rules, DraftWish(reward=rules.reward[0]), D(200), bill).amount

    assert on_draft("100") == 10
    assert on_draft("100", at_most=5) == 5
    assert on_draft("0.05") == D("0.01")
    with pytest.raises(RefusedWish) as refused:
        on_draft("0.04")
    assert refused.value.args == (Refusal.TOO_SMALL, "")


# --- configuring it ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"amount": 5}, "reward 'tenth' has amount and percent: put a # before all but one"),
        ({"percent": None, "amount": None}, "reward 'tenth' is worth nothing"),
        ({"percent": None, "at_most": 5}, "at_most limits a percent, and it has none"),
        ({"automatic": True}, "cannot be automatic: a percentage is known only against a document"),
        ({"at_most": "1.005"}, "at_most has more than two decimals"),
        ({"percent": 0}, "greater than 0"),
        ({"percent": 101}, "less than or equal to 100"),
    ],
)
def test_what_cannot_be_meant_is_said_in_words(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        terms(**more)


def test_a_percentage_beyond_the_share_that_points_may_pay() -> None:
    with pytest.raises(ValueError, match=r"takes 10 % off, and redeem.max_share allows 9 %"):
        program(reward=[TENTH], redeem={"max_share": 9})


def test_it_is_kept_with_the_rules_and_read_again() -> None:
    for rules in (terms(at_most=20), terms(), program(reward=[reward(100)])):
        written = rulesets._written([rules])
        assert rulesets._rule_set(1, sale(1).changed_at, written).programs == (rules,)


def test_a_point_is_worth_what_the_first_amount_says() -> None:
    assert terms().value_of_point is None
    both = program(reward=[TENTH, reward(100, "5")])
    assert both.value_of_point == D("0.05")


@pytest.mark.parametrize(
    ("available", "text"),
    [
        (150, "50 points to go until A tenth off"),
        (200, "A tenth off can be redeemed now (200 points); 100 points to go until €20.00"),
        (300, "€20.00 can be redeemed now (300 points); also: A tenth off (200 points)"),
    ],
)
def test_the_card_names_it(available: int, text: str) -> None:
    rules = program(reward=[TENTH, reward(300, "20")])
    view = MemberView(1, rules.name, customer(), available=available)
    assert customer_values(rules, view, source(), TODAY)["loynext"] == text
