"""Dolibarr's raw values made plain."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import dolibarr_values as values
from dolisync.model import DiscountKind, Payment, PaymentKind, SaleKind, SaleStatus

PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("25.50000000", "25.5"),
        (25.5, "25.5"),
        (Decimal("25.500"), "25.5"),
        ("100", "100"),
        (100, "100"),
        (100.0, "100"),
        ("0.00000000", "0"),
        (-0.0, "0"),
        ("-0.00000000", "0"),
        (None, "0"),
        ("", "0"),
        ("0.333333333333", "0.33333333"),
        (0.1, "0.1"),
        (1e-9, "0"),
        ("-1.23000000", "-1.23"),
        (1234567890.12, "1234567890.12"),
    ],
)
def test_money(raw: Any, plain: str) -> None:
    found = values.money(raw)
    assert (found, str(found)) == (Decimal(plain), plain)


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=8))
def test_money_is_the_same_from_text_number_and_float(number: Decimal) -> None:
    found = values.money(number)
    assert values.money(str(number)) == found
    assert str(values.money(f"{number:.8f}")) == str(found)
    if abs(number) < 10**6:
        assert values.money(float(number)) == found


@pytest.mark.parametrize(
    ("statut", "paye", "status"),
    [
        (0, 0, SaleStatus.DRAFT),
        ("0", "1", SaleStatus.DRAFT),
        ("1", "0", SaleStatus.VALIDATED),
        ("2", "1", SaleStatus.PAID),
        (2, 0, SaleStatus.CLOSED),
        ("3", "0", SaleStatus.ABANDONED),
        (None, None, SaleStatus.DRAFT),
    ],
)
def test_status(statut: Any, paye: Any, status: SaleStatus) -> None:
    assert values.sale_status(statut, paye) is status


def test_kinds() -> None:
    assert [values.sale_kind(number) for number in range(7)] == [*SaleKind, SaleKind.STANDARD]
    assert values.sale_kind("2") is SaleKind.CREDIT_NOTE


@pytest.mark.parametrize(
    ("remise", "text", "product", "kind"),
    [
        (None, "(DEPOSIT)", None, None),
        ("0", "x", None, None),
        ("", "x", None, None),
        (5, "(DEPOSIT)", None, DiscountKind.DEPOSIT),
        ("5", "(CREDIT_NOTE) (1)", None, DiscountKind.CREDIT_NOTE),
        (5, "Voucher L1", None, DiscountKind.FIXED),
        (5, "", None, DiscountKind.FIXED),
        # Lines that we put on drafts are on no customer card.
        (None, "Thanks DS-22TUXBQY5ACY", None, DiscountKind.FIXED),
        (None, "Thanks DS-22TUXBQY5ACY", 7, None),
        (None, "Thanks DS-22TUXBQY5ACYX", None, None),
        (None, "XDS-22TUXBQY5ACY", None, None),
    ],
)
def test_what_a_line_consumes(
    remise: Any, text: str, product: int | None, kind: DiscountKind | None
) -> None:
    assert values.discount_kind(remise, text, product) is kind


def test_wall_times() -> None:
    summer = values.utc_of_wall_time("2026-07-01 12:00:00", PARIS)
    assert summer == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert values.utc_of_wall_time(datetime(2026, 7, 1, 12), PARIS) == summer  # noqa: DTZ001
    for absent in (None, "", "0000-00-00 00:00:00"):
        assert values.utc_of_wall_time(absent, PARIS) is None


def test_days_and_epochs() -> None:
    assert values.day("2026-11-22") == values.day(date(2026, 11, 22)) == date(2026, 11, 22)
    assert values.day(datetime(2026, 11, 22, 1)) == date(2026, 11, 22)  # noqa: DTZ001
    assert values.day(None) is values.day("0000-00-00") is None
    assert values.utc_of_epoch("1795330963") == datetime(2026, 11, 22, 7, 2, 43, tzinfo=UTC)
    assert values.utc_of_epoch("") is values.utc_of_epoch(None) is None


def test_payments_in_order() -> None:
    late, early = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    paid = [
        Payment("LIQ", Decimal(2), late),
        Payment("CB", Decimal(2), late),
        Payment("CB", Decimal(1), late),
        Payment("VIR", Decimal(9), early),
        Payment("(CREDIT_NOTE)", Decimal(1), None, PaymentKind.CREDIT_NOTE),
    ]
    assert [one.mode for one in values.in_order(paid)] == [
        "(CREDIT_NOTE)",
        "VIR",
        "CB",
        "CB",
        "LIQ",
    ]


def test_names_and_languages() -> None:
    assert values.person_name("Client g&eacute;n&eacute;rique") == "Client générique"
    assert values.language_of("it_IT") == "it"
    assert values.language_of(None) == ""
    assert values.used_document_kind("(DEPOSIT)") is PaymentKind.DEPOSIT
    assert values.used_document_kind("(EXCESS RECEIVED)") is PaymentKind.CREDIT_NOTE
