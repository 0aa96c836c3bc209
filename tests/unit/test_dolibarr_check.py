"""Findings that need a Dolibarr in an odd state."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import responses

from connectors import dolibarr_check_database as tables
from connectors import dolibarr_check_rest as rest
from connectors.dolibarr_check import check
from connectors.dolibarr_database import Database
from connectors.dolibarr_http import DolibarrHttp
from dolisync.ports import FieldSpec, Requirements

URL = "http://erp.example.org"
API = f"{URL}/api/index.php"
NOW = datetime(2026, 11, 22, 7, 2, 43, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Any) -> Iterator[Database]:
    found = Database(f"sqlite:///{tmp_path}/x.sqlite")
    with found.writing("making tables") as writer:
        writer.change("CREATE TABLE llx_facture (rowid INTEGER PRIMARY KEY, entity INT, tms TEXT)")
        writer.change("CREATE TABLE llx_paiement (rowid INTEGER PRIMARY KEY, datec TEXT, tms TEXT)")
        writer.change("CREATE TABLE llx_webhook_target (label TEXT, status INT, type INT)")
    yield found
    found.close()


def fill(database: Database, *statements: str) -> None:
    with database.writing("filling") as writer:
        for statement in statements:
            writer.change(statement)


def http() -> DolibarrHttp:
    return DolibarrHttp(URL, "key", retries=0)


def status(version: str = "20.0.2", zone: str = "Europe/Paris") -> None:
    said = {"dolibarr_version": version, "timestamp_now_utc": int(NOW.timestamp())}
    responses.add("GET", f"{API}/status", json={"success": {**said, "timestamp_php_tz": zone}})


@pytest.mark.parametrize(
    ("release", "blocking"), [((20, 0, 2), ["blocks", "waits not"]), ((22, 0, 4), ["blocks"])]
)
def test_webhooks_that_stop_the_till(
    database: Database, release: tuple[int, ...], blocking: list[str]
) -> None:
    fill(
        database,
        "INSERT INTO llx_webhook_target VALUES ('blocks', 1, 0)",
        "INSERT INTO llx_webhook_target VALUES ('waits not', 1, 1)",
        "INSERT INTO llx_webhook_target VALUES ('is off', 0, 0)",
    )
    assert tables.blocking_webhooks(database, release) == blocking


def test_index(database: Database) -> None:
    (finding,) = tables.index(database)
    assert finding.level == "warning"
    fill(database, finding.remedy.rstrip(";"))
    assert [one.level for one in tables.index(database)] == ["ok"]


@pytest.mark.parametrize(
    ("datec", "zone", "level"),
    [
        ("2026-07-01 12:00:01", "Europe/Paris", "ok"),
        ("2026-07-01 10:00:00", "UTC", "ok"),
        ("2026-07-01 12:00:00", "UTC", "warning"),
        ("2026-07-01 15:30:00", "Asia/Kolkata", "ok"),
    ],
)
def test_zone_that_payments_tell(database: Database, datec: str, zone: str, level: str) -> None:
    assert list(tables.php_zone(database, zone)) == []
    fill(database, f"INSERT INTO llx_paiement VALUES (1, '{datec}', '2026-07-01 10:00:00')")
    assert [one.level for one in tables.php_zone(database, zone)] == [level]


@responses.activate
def test_key_without_the_right_to_see_all_customers() -> None:
    responses.add("GET", f"{API}/invoices", json=[])
    responses.add("GET", f"{API}/thirdparties", json=[])
    assert rest.visibility(http(), has_sales=True).level == "error"
    blind = rest.visibility(http(), has_sales=None)
    assert blind.level == "warning"
    assert "262" in blind.remedy


@responses.activate
def test_key_without_any_right() -> None:
    refused = {"error": {"code": 403, "message": "Forbidden"}}
    responses.add("GET", f"{API}/invoices", json=refused, status=403)
    found = rest.visibility(http(), has_sales=None)
    assert (found.level, found.topic) == ("error", "rights")


@responses.activate
def test_young_shop() -> None:
    responses.add("GET", f"{API}/invoices", json=[])
    responses.add("GET", f"{API}/thirdparties", json=[{"id": "1"}])
    assert rest.visibility(http(), has_sales=False).level == "ok"


@responses.activate
@pytest.mark.parametrize(
    ("version", "level"),
    [("16.0.0", "ok"), ("22.0.4", "ok"), ("15.0.3", "warning"), ("23.0", "warning")],
)
def test_versions(version: str, level: str) -> None:
    status(version)
    found, findings = rest.door(http())
    assert found is not None
    assert next(findings).level == level


@responses.activate
def test_key_that_travels_in_the_open() -> None:
    status()
    _, findings = rest.door(http())
    assert "tls" in [one.topic for one in findings]


@responses.activate
def test_rest_alone() -> None:
    status()
    responses.add(
        "GET", f"{API}/invoices", json=[{"id": "1", "array_options": {"options_a": None}}]
    )
    responses.add("GET", f"{API}/thirdparties", json=[{"id": "1", "array_options": []}])
    refused = {"error": {"code": 403, "message": "Forbidden"}}
    for path in ("setup/extrafields", "setup/conf/TAKEPOS_NUM_TERMINALS", "users/3"):
        responses.add("GET", f"{API}/{path}", json=refused, status=403)
    specs = (FieldSpec("sale", "a", "A", "text"), FieldSpec("sale", "b", "B", "text"))
    found = check(http(), None, Requirements(specs), NOW, timezone="Europe/Paris", fk_user=3)
    levels = [(one.topic, one.level) for one in found]
    assert levels == [
        ("rest", "ok"),
        ("tls", "warning"),
        ("rights", "ok"),
        ("clock", "ok"),
        ("timezone", "ok"),
        ("fields", "ok"),
        ("fields", "error"),
        ("user", "ok"),
    ]


@responses.activate
def test_zone_by_another_name_is_the_same_zone() -> None:
    status(zone="Europe/Brussels")
    responses.add("GET", f"{API}/invoices", json=[{"id": "1"}])
    zones = [
        one
        for one in check(http(), None, Requirements(), NOW, timezone="Europe/Paris")
        if one.topic == "timezone"
    ]
    assert [one.level for one in zones] == ["ok"]
