"""What is an answer and what is none, by the answers that real Dolibarrs gave."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import responses

from connectors.dolibarr_http import DolibarrHttp, api_address, is_loopback, release_of
from dolisync.errors import RefusedError, TransientError, UnknownOutcome

KEY = "a-very-secret-key-0123456789"
URL = "https://erp.example.org"
API = f"{URL}/api/index.php"
NO_ANSWERS: dict[str, dict[str, dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "recorded" / "no_answers.json").read_text(encoding="utf-8")
)
JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=UTF-8"


def door(**options: Any) -> DolibarrHttp:
    return DolibarrHttp(URL, KEY, **{"retries": 0, "retry_pause_s": 0, **options})


def answer(body: str | bytes | Exception, status: int = 200, kind: str = JSON, **more: Any) -> None:
    for verb in ("GET", "POST", "PUT", "DELETE"):
        responses.add(verb, f"{API}/invoices", body=body, status=status, content_type=kind, **more)


def recorded(case: str) -> list[Any]:
    return [
        pytest.param(found, id=f"{case}-{version}") for version, found in NO_ANSWERS[case].items()
    ]


def clear(*cases: str) -> list[Any]:
    return [one for case in cases for one in recorded(case)]


def play(found: dict[str, Any]) -> None:
    answer(found["body"], found["status"], found["type"])


@responses.activate
@pytest.mark.parametrize(
    "found", clear("maintenance_other", "api_module_disabled", "err_db_down", "ip_restricted")
)
def test_no_answer_that_may_pass(found: dict[str, Any]) -> None:
    play(found)
    for ask in (door().get_list, door().get, door().get_object):
        with pytest.raises(TransientError) as error:
            ask("invoices")
        assert not isinstance(error.value, UnknownOutcome)
        assert "\n" not in str(error.value)
        assert "<" not in str(error.value)


@responses.activate
@pytest.mark.parametrize("found", clear("maintenance_other", "api_module_disabled"))
def test_web_page_is_called_so(found: dict[str, Any]) -> None:
    play(found)
    with pytest.raises(TransientError, match="maintenance, or its API module is off"):
        door().get("invoices")


@responses.activate
def test_database_down_is_called_so() -> None:
    play(NO_ANSWERS["err_db_down"]["20.0.2"])
    with pytest.raises(TransientError, match="cannot reach its own database"):
        door().get("invoices")


@responses.activate
@pytest.mark.parametrize(
    "found", clear("err_400", "err_401_badkey", "err_501", "err_badjson", "endpoint_rules")
)
def test_clear_no(found: dict[str, Any]) -> None:
    play(found)
    for verb in ("get", "post", "put"):
        with pytest.raises(RefusedError):
            getattr(door(), verb)("invoices", *([{}] if verb != "get" else []))


@responses.activate
@pytest.mark.parametrize("found", clear("err_401_badkey"))
def test_refused_key_hints_at_rights(found: dict[str, Any]) -> None:
    play(found)
    with pytest.raises(RefusedError, match="lacks a right") as error:
        door().get("invoices")
    assert KEY not in str(error.value)


@responses.activate
@pytest.mark.parametrize("found", clear("err_404", "err_404_production", "err_404_route"))
def test_not_found(found: dict[str, Any]) -> None:
    play(found)
    assert door().get("invoices") is None
    assert door().get_object("invoices") is None
    assert door().get_list("invoices") == []
    with pytest.raises(RefusedError, match="404"):
        door().put("invoices", {})


@responses.activate
@pytest.mark.parametrize("kind", [HTML, JSON])
def test_not_found_by_a_web_server_is_not_dolibarrs_word(kind: str) -> None:
    answer("<h1>Not Found</h1>", 404, kind)
    with pytest.raises(RefusedError):
        door().get_list("invoices")


@responses.activate
@pytest.mark.parametrize("found", clear("err_500_fk", "php_fatal_display_errors_off"))
def test_server_error(found: dict[str, Any]) -> None:
    play(found)
    with pytest.raises(TransientError):
        door().get("invoices")
    with pytest.raises(UnknownOutcome):
        door().post("invoices", {})
    with pytest.raises(TransientError) as error:
        door().put("invoices", {})
    assert not isinstance(error.value, UnknownOutcome)


@responses.activate
def test_reason_of_a_server_error_is_told() -> None:
    play(NO_ANSWERS["err_500_fk"]["20.0.2"])
    with pytest.raises(TransientError, match="foreign key constraint fails"):
        door().get("invoices")


SPOILT = {
    "php fatal that is shown": (b"<br />\n<b>Fatal error</b>: Uncaught Error in x.php", HTML),
    "warning before the JSON": (b'<b>Warning</b>: x\n[{"id": "1"}]', HTML),
    "warning before the JSON, called JSON": (b'<b>Warning</b>: x\n[{"id": "1"}]', JSON),
    "plain text and gzip": (b"Warning: x\n" + gzip.compress(b"[]"), JSON),
    "cut off": (b'[{"id": "1"}, {"id"', JSON),
    "nothing at all": (b"", JSON),
    "nothing of no kind": (b"", HTML),
}


@responses.activate
@pytest.mark.parametrize("case", SPOILT)
def test_spoilt_answer(case: str) -> None:
    body, kind = SPOILT[case]
    answer(body, 200, kind)
    with pytest.raises(TransientError):
        door().get_list("invoices")
    with pytest.raises(UnknownOutcome):
        door().post("invoices", {"a": 1})


@responses.activate
@pytest.mark.parametrize("body", ['{"id": 1}', "5", '"text"', "[1, 2]", "[[]]"])
def test_answer_of_another_shape(body: str) -> None:
    answer(body)
    with pytest.raises(TransientError, match="shape"):
        door().get_list("invoices")


@responses.activate
def test_list_in_place_of_an_object() -> None:
    answer("[]")
    with pytest.raises(TransientError, match="shape"):
        door().get_object("invoices")


@responses.activate
def test_busy_server_says_when_to_come_again() -> None:
    answer("{}", 429, headers={"Retry-After": "17"})
    with pytest.raises(TransientError) as error:
        door().get("invoices")
    assert error.value.retry_after_s == 17


@responses.activate
def test_moved_address_is_not_followed_with_the_key() -> None:
    answer("", 301, HTML, headers={"Location": "https://elsewhere.example.org/"})
    with pytest.raises(RefusedError, match=r"elsewhere\.example\.org"):
        door().get("invoices")
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize("status", [502, 503, 504, 429])
def test_reading_is_repeated(status: int) -> None:
    for _ in range(2):
        responses.add("GET", f"{API}/invoices", status=status)
    responses.add("GET", f"{API}/invoices", json=[])
    assert door(retries=2).get_list("invoices") == []


@responses.activate
@pytest.mark.parametrize("verb", ["post", "put"])
def test_writing_is_never_repeated(verb: str) -> None:
    answer("", 503, HTML)
    with pytest.raises(TransientError):
        getattr(door(retries=2), verb)("invoices", {})
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize(
    "error", [requests.ReadTimeout("slow"), requests.ConnectionError("reset by peer")]
)
def test_lost_answer(error: Exception) -> None:
    answer(error)
    with pytest.raises(UnknownOutcome):
        door().post("invoices", {})
    for verb in ("get", "delete"):
        with pytest.raises(TransientError) as lost:
            getattr(door(), verb)("invoices")
        assert not isinstance(lost.value, UnknownOutcome)


def test_nobody_listens() -> None:
    http = DolibarrHttp("http://127.0.0.1:1", KEY, retries=0)
    with pytest.raises(TransientError, match="cannot be reached") as error:
        http.post("invoices", {})
    assert not isinstance(error.value, UnknownOutcome)


@responses.activate
def test_what_is_sent() -> None:
    answer("7")
    assert door(entity=2).post("invoices", {"socid": 1}) == 7
    headers = responses.calls[0].request.headers
    assert headers["DOLAPIKEY"] == KEY
    assert headers["DOLAPIENTITY"] == "2"
    assert headers["Accept-Encoding"] == "identity"
    assert KEY not in str(responses.calls[0].request.url)


@responses.activate
def test_long_answers_are_cut_in_messages() -> None:
    answer("x" * 100_000, 500, HTML)
    with pytest.raises(TransientError) as error:
        door().get("invoices")
    assert len(str(error.value)) < 400


@responses.activate
def test_endless_answers_are_not_read_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.dolibarr_http.BODY_BYTES_MAX", 1000)
    answer("[" + " " * 100_000 + "]")
    with pytest.raises(TransientError, match="too large"):
        door().get("invoices")


@responses.activate
def test_status_with_and_without_a_clock_in_it() -> None:
    said = {"code": 200, "dolibarr_version": "20.0.2", "timestamp_now_utc": 1795330963}
    said["timestamp_php_tz"] = "Europe/Paris"
    responses.add("GET", f"{API}/status", json={"success": said})
    status = door().status()
    assert status.release == (20, 0, 2)
    assert status.php_timezone == "Europe/Paris"
    assert status.now == datetime(2026, 11, 22, 7, 2, 43, tzinfo=UTC)
    old = {"success": {"code": 200, "dolibarr_version": "16.0.3"}}
    date = {"Date": "Sun, 22 Nov 2026 07:34:39 GMT"}
    responses.replace("GET", f"{API}/status", json=old, headers=date)
    assert door().status().now == datetime(2026, 11, 22, 7, 34, 39, tzinfo=UTC)
    assert door().status().php_timezone == ""


@responses.activate
def test_status_without_a_version_is_no_status() -> None:
    responses.add("GET", f"{API}/status", json={"success": []})
    with pytest.raises(TransientError):
        door().release()


@pytest.mark.parametrize(
    "given", [URL, f"{URL}/", f"{URL}/api", f"{URL}/api/index.php", f" {URL}/api/index.php/ "]
)
def test_address_may_be_given_as_people_have_it(given: str) -> None:
    assert api_address(given) == API


def test_key_is_not_shown() -> None:
    assert KEY not in repr(door())
    assert KEY not in str(vars(door()))


@pytest.mark.parametrize(
    ("version", "release"),
    [("20.0.2", (20, 0, 2)), ("22.0.0-beta", (22, 0, 0)), ("", ()), ("21.0.1.4", (21, 0, 1))],
)
def test_versions(version: str, release: tuple[int, ...]) -> None:
    assert release_of(version) == release


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("erp.lan", False),
        ("10.0.0.1", False),
    ],
)
def test_loopback(host: str, is_own: bool) -> None:
    assert is_loopback(host) is is_own


@responses.activate
@pytest.mark.parametrize(("status", "may"), [(404, True), (400, True), (403, False), (401, False)])
def test_a_right_is_asked_for_by_what_cannot_exist(status: int, *, may: bool) -> None:
    responses.add("POST", f"{API}/invoices/9/lines", json={"error": {}}, status=status)
    assert door().may_post("invoices/9/lines") is may
