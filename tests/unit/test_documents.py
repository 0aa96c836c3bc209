"""How the ledger keeps a sale: what went in comes out, and a change that matters is seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolisync.ledger.documents import fingerprint, from_document, to_document
from dolisync.model import (
    CustomerKey,
    DiscountKind,
    Payment,
    PaymentKind,
    Sale,
    SaleKey,
    SaleKind,
    SaleLine,
    SaleStatus,
)
from tests.builders import NOON, line, sale

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ['👩‍🍳 "Crème" & <b>brûlée</b>', "it's; DROP TABLE sale; --", "a\nb\tc\\", "\x00", "(PROV12)"]
)
numbers = st.decimals(min_value=-(10**9), max_value=10**9, places=8)
moments = st.datetimes(
    # Hypothesis draws naive moments and gives them their zone afterwards.
    min_value=datetime(1990, 1, 1),  # noqa: DTZ001
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
rowids = st.integers(1, 2**40)
lines = st.builds(
    SaleLine,
    rowid=rowids,
    product_rowid=st.none() | rowids,
    product_ref=texts,
    text=texts,
    quantity=numbers,
    unit_price_excl=numbers,
    discount_percent=numbers,
    tax_rate=numbers,
    total_excl=numbers,
    total_incl=numbers,
    is_service=st.booleans(),
    discount=st.none() | st.sampled_from(DiscountKind),
    product_points=st.none() | numbers,
)
payments = st.builds(Payment, texts, numbers, st.none() | moments, st.sampled_from(PaymentKind))


@st.composite
def sales(draw: st.DrawFn) -> Sale:
    key = SaleKey(draw(st.sampled_from(["shop", "été"])), draw(st.integers(1, 9)), draw(rowids))
    origin = draw(st.none() | rowids)
    return Sale(
        key=key,
        ref=draw(texts),
        kind=draw(st.sampled_from(SaleKind)),
        status=draw(st.sampled_from(SaleStatus)),
        customer=CustomerKey(key.source, key.entity, draw(rowids)),
        date=draw(st.dates()),
        created_at=draw(st.none() | moments),
        changed_at=draw(moments),
        total_excl=draw(numbers),
        total_incl=draw(numbers),
        currency=draw(texts),
        origin=SaleKey(key.source, key.entity, origin) if origin else None,
        close_code=draw(texts),
        terminal=draw(texts),
        lines=tuple(draw(st.lists(lines, max_size=3))),
        payments=tuple(draw(st.lists(payments, max_size=3))),
    )


@given(sold=sales())
def test_a_sale_comes_back_from_its_document_as_it_went_in(sold: Sale) -> None:
    read = from_document(sold.key, to_document(sold))
    assert read == sold
    assert fingerprint(read) == fingerprint(sold)
    assert to_document(read) == to_document(sold)


BASE = sale(
    1,
    lines=[
        line(50, text="Bread"),
        line(-5, None, rowid=2, discount=DiscountKind.FIXED, text="DS-A"),
    ],
    origin=9,
)


def with_line(**change: Any) -> dict[str, Any]:
    return {"lines": (replace(BASE.lines[0], **change), BASE.lines[1])}


def with_payment(**change: Any) -> dict[str, Any]:
    return {"payments": (replace(BASE.payments[0], **change),)}


@pytest.mark.parametrize(
    "change",
    [
        {"kind": SaleKind.DEPOSIT},
        {"status": SaleStatus.VALIDATED},
        {"customer": CustomerKey("shop", 1, 8)},
        {"date": date(2026, 11, 19)},
        {"total_incl": Decimal("45.01")},
        {"origin": None},
        {"close_code": "abandon"},
        {"terminal": "1"},
        {"currency": "CHF"},
        {"lines": BASE.lines[:1]},
        {"payments": ()},
        with_line(product_rowid=2),
        with_line(quantity=Decimal(2)),
        with_line(total_excl=Decimal(1)),
        with_line(total_incl=Decimal(1)),
        with_line(discount_percent=Decimal(1)),
        with_payment(mode="CB"),
        with_payment(amount=Decimal(1)),
        with_payment(paid_at=NOON + timedelta(days=1)),
        with_payment(kind=PaymentKind.DEPOSIT),
        {"lines": (BASE.lines[0], replace(BASE.lines[1], text="DS-B"))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_change_that_the_rules_may_read_is_seen(change: dict[str, Any]) -> None:
    assert fingerprint(replace(BASE, **change)) != fingerprint(BASE)


@pytest.mark.parametrize(
    "change",
    [
        {"ref": "FA-OTHER"},
        {"changed_at": NOON + timedelta(days=1)},
        {"created_at": NOON},
        with_line(text="Brot"),
        with_line(product_ref="new"),
        with_line(product_points=Decimal(3)),
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_change_that_moves_no_points_is_not_one(change: dict[str, Any]) -> None:
    assert fingerprint(replace(BASE, **change)) == fingerprint(BASE)


def test_two_doors_that_write_the_same_number_differently_agree() -> None:
    other = replace(
        BASE,
        total_incl=Decimal("45.00000000"),
        lines=(
            replace(
                BASE.lines[0],
                quantity=Decimal("1.000"),
                total_incl=Decimal("5E+1"),
                discount_percent=Decimal("-0.00"),
            ),
            BASE.lines[1],
        ),
        payments=(replace(BASE.payments[0], amount=Decimal("45.000")),),
    )
    assert other == BASE
    assert fingerprint(other) == fingerprint(BASE)
