"""What never earns, and the reason given for it; what is pending; which day counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from dolisync.model import DiscountKind, Payment, SaleKind, SaleStatus
from dolisync.program.assess import Family, Verdict, assess, assess_alone
from dolisync.program.reasons import Why
from dolisync.program.surroundings import Surroundings
from tests.builders import credit_note, line, program, sale

AROUND = Surroundings(pos_customers=frozenset({99}))


def judged(sold: Any, **terms: Any) -> Verdict:
    return assess(program(**terms), AROUND, Family(sold))[0]


def whys(verdict: Verdict) -> set[Why]:
    return {reason.why for reason in verdict.reasons}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kind": SaleKind.PROFORMA}, Why.PROFORMA),
        ({"kind": SaleKind.DEPOSIT}, Why.DEPOSIT),
        ({"kind": SaleKind.SITUATION}, Why.SITUATION),
        ({"status": SaleStatus.DRAFT}, Why.DRAFT),
        ({"status": SaleStatus.ABANDONED}, Why.ABANDONED),
        ({"buyer": 99}, Why.POS_CUSTOMER),
        ({"buyer": 8}, Why.EXCLUDED_CUSTOMER),
        ({"day": date(2025, 12, 31)}, Why.BEFORE_START),
    ],
)
def test_it_earns_nothing_and_says_why(change: dict[str, Any], why: Why) -> None:
    found = judged(sale(1, 50, **change), excluded_customers=(8,))
    assert (found.units, found.pending, whys(found)) == (0, 0, {why})


def test_a_source_that_takes_no_part_earns_nothing() -> None:
    found = judged(sale(1, 50), sources=("other",))
    assert (found.units, whys(found)) == (0, {Why.NOT_IN_PROGRAM})


def test_the_programs_first_day_counts() -> None:
    assert judged(sale(1, 50, day=date(2026, 1, 1))).units == 50


def test_a_replacement_earns_like_any_sale() -> None:
    assert judged(sale(1, 50, kind=SaleKind.REPLACEMENT, origin=9)).units == 50


def test_a_final_invoice_earns_on_the_whole_although_a_deposit_was_taken_off() -> None:
    lines = [line(100, rowid=1), line(-30, product=None, rowid=2, discount=DiscountKind.DEPOSIT)]
    found = judged(sale(1, lines=lines))
    assert found.units == 100
    assert Why.DEPOSIT_ADDED in whys(found)


def test_used_credit_is_a_way_to_pay_and_does_not_lower_what_earns() -> None:
    credit = line(-20, product=None, rowid=2, discount=DiscountKind.CREDIT_NOTE)
    assert judged(sale(1, lines=[line(50, rowid=1), credit])).units == 50


def test_until_it_is_paid_its_points_are_pending() -> None:
    found = judged(sale(1, 50, status=SaleStatus.VALIDATED))
    assert (found.units, found.pending) == (0, 50)
    assert "50 points are pending" in str(found.reasons[-1])


def test_with_the_moment_validated_nobody_waits_for_the_money() -> None:
    found = judged(
        sale(1, 50, status=SaleStatus.VALIDATED), earn={"moment": "validated", "amount": {}}
    )
    assert (found.units, found.pending) == (50, 0)


LATE = Payment("CB", Decimal(30), datetime(2026, 12, 24, 23, 30, tzinfo=UTC))
EARLY = Payment("LIQ", Decimal(20), datetime(2026, 12, 1, 9, tzinfo=UTC))


@pytest.mark.parametrize("payments", [(EARLY, LATE), (LATE, EARLY)])
def test_it_earns_on_the_shops_day_of_its_last_payment(payments: tuple[Payment, ...]) -> None:
    found = judged(sale(1, 50, payments=payments), validity={"months": 2})
    assert found.earned_on == date(2026, 12, 25)
    assert found.expires_on == date(2027, 2, 25)


def test_with_the_moment_validated_it_earns_on_its_own_date() -> None:
    found = judged(sale(1, 50, payments=[LATE]), earn={"moment": "validated", "amount": {}})
    assert found.earned_on == date(2026, 11, 20)


def test_points_without_validity_never_expire() -> None:
    found = judged(sale(1, 50))
    assert found.expires_on is None
    assert Why.EXPIRES not in whys(found)


def test_payments_without_a_date_leave_the_sales_own_date() -> None:
    payment = Payment("LIQ", Decimal(50), None)
    assert judged(sale(1, 50, payments=[payment])).earned_on == date(2026, 11, 20)


def test_a_return_by_itself_is_refused_for_the_same_reasons() -> None:
    alone = assess_alone(program(), AROUND, credit_note(2, 20, None, buyer=99), "it names no sale")
    assert (alone.units, whys(alone)) == (0, {Why.POS_CUSTOMER})


def test_a_draft_credit_note_takes_nothing_yet() -> None:
    note = credit_note(2, 20, 1, status=SaleStatus.DRAFT)
    verdicts = assess(program(), AROUND, Family(sale(1, 50), (note,)))
    assert [verdict.units for verdict in verdicts] == [50, 0]
    assert whys(verdicts[1]) == {Why.DRAFT}


def test_a_return_after_the_start_of_a_sale_before_it_takes_nothing() -> None:
    old = sale(1, 50, day=date(2025, 12, 30))
    verdicts = assess(program(), AROUND, Family(old, (credit_note(2, 20, 1),)))
    assert [verdict.units for verdict in verdicts] == [0, 0]
    assert whys(verdicts[1]) == {Why.RETURN_EARNED_NOTHING}


def test_a_credit_note_dated_before_the_start_still_returns_its_sale() -> None:
    note = replace(credit_note(2, 20, 1), date=date(2025, 12, 30))
    verdicts = assess(program(), AROUND, Family(sale(1, 50), (note,)))
    assert [verdict.units for verdict in verdicts] == [50, -20]
