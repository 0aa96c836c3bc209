"""What REST answers become: read from answers that Dolibarr 16, 20 and 22 gave."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import responses
from responses.matchers import query_param_matcher

from connectors.dolibarr_http import DolibarrHttp
from connectors.dolibarr_rest import RestSaleSource
from dolisync.errors import RefusedError, TransientError
from dolisync.model import CustomerKey, PaymentKind, Sale, SaleKey, SaleKind, SaleStatus
from dolisync.ports import Position

API = "https://erp.example.org/api/index.php"
VERSIONS = ("16.0.3", "20.0.2", "22.0.4")
FOLDER = Path(__file__).parent / "recorded"
RECORDED: dict[str, dict[str, Any]] = {
    version: json.loads((FOLDER / f"{version}.json").read_text(encoding="utf-8"))
    for version in VERSIONS
}


def source(timezone: str = "UTC", **options: Any) -> RestSaleSource:
    http = DolibarrHttp(API, "key", retries=0)
    return RestSaleSource(http, "shop", timezone=timezone, **options)


def read(version: str, case: str, payments: str | None = None, **options: Any) -> Sale:
    """Read one recorded document, as if the list had given it."""
    row = RECORDED[version][case]["answer"]
    paid = RECORDED[version][payments]["answer"] if payments else []
    responses.add("GET", f"{API}/invoices", json=[row])
    responses.add("GET", f"{API}/invoices/{row['id']}/payments", json=paid)
    (sale,) = source(**options).get([int(row["id"])])
    return sale


@responses.activate
@pytest.mark.parametrize("version", VERSIONS)
def test_paid_invoice(version: str) -> None:
    sale = read(version, "invoice_get_paid", "invoice_get_payments")
    assert (sale.kind, sale.status) == (SaleKind.STANDARD, SaleStatus.PAID)
    assert (sale.total_excl, sale.total_incl) == (Decimal("27.2"), Decimal("31.6"))
    assert sale.currency == "EUR"
    assert sale.date == date(2026, 11, 22)
    assert [(one.mode, one.amount) for one in sale.payments] == [
        ("LIQ", Decimal(5)),
        ("CB", Decimal("26.6")),
    ]
    assert [one.text for one in sale.lines] == ["cafe", "pain bis"]
    assert [one.product_ref for one in sale.lines] == ["P1", "P2"]
    assert sale.lines[1].discount_percent == 10


@responses.activate
@pytest.mark.parametrize("version", VERSIONS)
def test_credit_note(version: str) -> None:
    sale = read(version, "creditnote_get")
    assert sale.kind is SaleKind.CREDIT_NOTE
    assert sale.total_incl < 0
    assert sale.origin is not None
    assert sale.payments == ()
    # No money moved: nobody asked for payments.
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize("version", VERSIONS)
def test_used_credit_note_is_a_payment(version: str) -> None:
    case = "invoice_get_with_creditnote_used"
    (paid,) = read(version, case, "payments_with_creditnote").payments
    assert (paid.kind, paid.mode, paid.amount) == (PaymentKind.CREDIT_NOTE, "(CREDIT_NOTE)", 6)


@responses.activate
@pytest.mark.parametrize("version", VERSIONS[:2])
def test_pos_ticket(version: str) -> None:
    sale = read(version, "takepos_paid_named_get")
    assert sale.is_pos
    assert sale.terminal == "1"
    assert sale.ref.startswith("TC1-")
    assert sale.lines[0].text


@responses.activate
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("case", "status", "close_code"),
    [
        ("invoice_settodraft_paid", SaleStatus.DRAFT, ""),
        ("invoice_abandoned", SaleStatus.ABANDONED, "abandon"),
        ("invoice_settopaid_discount_vat", SaleStatus.CLOSED, "discount_vat"),
    ],
)
def test_statuses(version: str, case: str, status: SaleStatus, close_code: str) -> None:
    sale = read(version, case)
    assert (sale.status, sale.close_code) == (status, close_code)


@responses.activate
def test_split_payment_with_a_mode_of_our_own() -> None:
    sale = read("20.0.2", "takepos_paid_named_get", "takepos_split_LOY_payments")
    assert [(one.mode, one.amount) for one in sale.payments] == [("CB", 6), ("LOY", 3)]


@responses.activate
@pytest.mark.parametrize("version", VERSIONS)
def test_customer(version: str) -> None:
    card = RECORDED[version]["thirdparty_get"]["answer"]
    responses.add("GET", f"{API}/thirdparties", json=[card])
    rowid = int(card["id"])
    found = source().customers([rowid])[rowid]
    assert found.key == CustomerKey("shop", 1, rowid)
    assert (found.name, found.language, found.card_number) == (
        "Alice Martin 2",
        "",
        "2000000000015",
    )


def invoice(**changes: Any) -> dict[str, Any]:
    row = dict(RECORDED["20.0.2"]["creditnote_get"]["answer"])
    return {**row, **changes}


class TestTimes:
    """PHP reads the database's wall time as its own; the source undoes that."""

    @responses.activate
    @pytest.mark.parametrize(
        ("php", "database", "hours"),
        [
            ("UTC", None, 0),
            ("Europe/Paris", None, 0),
            ("Europe/Paris", "UTC", 1),
            ("America/New_York", "UTC", -5),
            ("America/New_York", "Asia/Tokyo", -14),
        ],
    )
    def test_change_in_skewed_zones(self, php: str, database: str | None, hours: int) -> None:
        told = datetime(2026, 11, 22, 12, tzinfo=UTC)
        responses.add(
            "GET",
            f"{API}/invoices",
            json=[invoice(id="7", date_modification=int(told.timestamp()))],
        )
        (sale,) = source(timezone=php, database_timezone=database).get([7])
        assert sale.changed_at == told + timedelta(hours=hours)

    @responses.activate
    def test_day_is_the_shops_day(self) -> None:
        midnight = datetime(2026, 11, 21, 15, tzinfo=UTC)  # in Tokyo the 22nd has begun
        row = invoice(id="7", date=int(midnight.timestamp()))
        responses.add("GET", f"{API}/invoices", json=[row])
        assert source("Asia/Tokyo").get([7])[0].date == date(2026, 11, 22)

    @pytest.mark.parametrize(
        ("utc", "lower"),
        [
            ("2026-07-01 12:00", "2026-07-01 14:00"),
            # The clocks of Paris go back at 01:00 UTC: 02:00 to 03:00 comes twice.
            ("2026-10-24 23:30", "2026-10-25 01:30"),
            ("2026-10-25 00:30", "2026-10-25 01:30"),
            ("2026-10-25 01:30", "2026-10-25 02:30"),
            ("2026-10-25 02:30", "2026-10-25 02:30"),
            ("2026-10-25 03:30", "2026-10-25 04:30"),
            # And forward at 01:00 UTC on this day: 02:00 to 03:00 never comes.
            ("2026-03-29 01:30", "2026-03-29 01:30"),
            ("2026-03-29 04:30", "2026-03-29 06:30"),
        ],
    )
    @responses.activate
    def test_window_is_widened_around_a_change_of_clocks(self, utc: str, lower: str) -> None:
        responses.add("GET", f"{API}/invoices", json=[])
        since = datetime.fromisoformat(utc).replace(tzinfo=UTC)
        source("Europe/Paris").changed(since, None, 10)
        (call,) = responses.calls
        assert f"(t.tms:>=:'{lower}:00')" in call.request.params["sqlfilters"]

    @responses.activate
    def test_position_goes_back_as_the_database_wrote_it(self) -> None:
        responses.add("GET", f"{API}/invoices", json=[])
        at = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30 for the first time
        source("Europe/Paris").changed(at, Position(at, 5), 10)
        asked = responses.calls[0].request.params["sqlfilters"]
        assert (
            "((t.tms:>:'2026-10-25 02:30:00') or"
            " ((t.tms:=:'2026-10-25 02:30:00') and (t.rowid:>:'5')))"
        ) in asked


class TestAsking:
    """What is sent, in the part of the filter language that all versions share."""

    @responses.activate
    def test_page_of_changes(self) -> None:
        rows = [invoice(id=str(number)) for number in (1, 2)]
        wanted = {
            "sortfield": "t.tms,t.rowid",
            "sortorder": "ASC",
            "limit": "2",
            "sqlfilters": "((t.entity:=:'1') and (t.ref:notlike:'_PROV%')"
            " and (t.tms:>=:'2026-11-22 07:00:00'))",
        }
        responses.add("GET", f"{API}/invoices", json=rows, match=[query_param_matcher(wanted)])
        page = source().changed(datetime(2026, 11, 22, 7, tzinfo=UTC), None, 2)
        assert page.next_position == Position(page.sales[1].changed_at, 2)

    @responses.activate
    def test_never_more_than_a_page(self) -> None:
        responses.add("GET", f"{API}/invoices", json=[])
        source(page_size=50).changed(datetime(2026, 1, 1, tzinfo=UTC), None, 100_000)
        assert responses.calls[0].request.params["limit"] == "50"

    @responses.activate
    def test_missing_document_is_proven_missing(self) -> None:
        responses.add("GET", f"{API}/invoices", json=[])
        gone = RECORDED["20.0.2"]["invoice_get_404"]
        responses.add("GET", f"{API}/invoices/7", json=gone["answer"], status=404)
        assert source().get([7]) == ()

    @responses.activate
    def test_lost_right_does_not_pass_for_a_missing_document(self) -> None:
        responses.add("GET", f"{API}/invoices", json=[])
        refused = {"error": {"code": 403, "message": "Forbidden"}}
        responses.add("GET", f"{API}/invoices/7", json=refused, status=403)
        with pytest.raises(RefusedError):
            source().get([7])

    @responses.activate
    def test_document_of_another_entity_is_not_ours(self) -> None:
        responses.add("GET", f"{API}/invoices", json=[])
        responses.add("GET", f"{API}/invoices/7", json=invoice(id="7", entity="2"))
        assert source().get([7]) == ()

    @responses.activate
    @pytest.mark.parametrize(
        ("ref", "test"),
        [
            ("FA2611-0001", "(t.ref:=:'FA2611-0001')"),
            ("FA/2026/1", "(t.ref:=:'FA/2026/1')"),
            ("(PROV-POS1-0)", "(t.ref:like:'_PROV-POS1-0_')"),
            ("x' or (1:=:1)", "(t.ref:like:'x_ or _1___1_')"),
        ],
    )
    def test_number_in_a_filter(self, ref: str, test: str) -> None:
        row = invoice(id="1", ref=ref)
        responses.add("GET", f"{API}/invoices", json=[row, invoice(id="2", ref="another")])
        assert [sale.ref for sale in source().find(ref)] == [ref]
        assert test in responses.calls[0].request.params["sqlfilters"]

    @responses.activate
    def test_products_are_asked_for_once(self) -> None:
        row = RECORDED["20.0.2"]["invoice_get_paid"]["answer"]
        responses.add("GET", f"{API}/invoices", json=[row])
        responses.add("GET", f"{API}/invoices/{row['id']}/payments", json=[])
        products = [
            {"id": "1", "array_options": {"options_extra": "5.00000000"}},
            {"id": "2", "array_options": []},
        ]
        asked = responses.add("GET", f"{API}/products", json=products)
        reader = source(with_product_points="extra")
        for _ in range(2):
            (sale,) = reader.get([int(row["id"])])
            assert [one.product_points for one in sale.lines] == [5, None]
        assert asked.call_count == 1


@responses.activate
@pytest.mark.parametrize(
    "changes",
    [{"lines": 5}, {"date_creation": "yesterday"}, {"socid": None}, {"total_ttc": "much"}],
)
def test_document_of_another_shape(changes: dict[str, Any]) -> None:
    responses.add("GET", f"{API}/invoices", json=[invoice(id="7", **changes)])
    with pytest.raises(TransientError, match="shape"):
        source().get([7])


@responses.activate
def test_key_of_a_sale_is_its_rowid_and_never_its_number() -> None:
    responses.add("GET", f"{API}/invoices", json=[invoice(id="7", ref="FA1")])
    assert source().get([7])[0].key == SaleKey("shop", 1, 7)
