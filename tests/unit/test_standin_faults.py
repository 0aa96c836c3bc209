"""Keys, routes and the answers of bad days."""

from __future__ import annotations

import gzip

import pytest
import requests

from connectors.standin import VERSIONS, StandIn
from connectors.standin.testing import Caller, opened


@pytest.fixture(params=VERSIONS)
def standin(request):
    with opened(request.param) as (standin, _clock):
        yield standin


@pytest.fixture
def caller(standin):
    return Caller(standin)


def ask(standin, path="/status", **headers):
    url = f"{standin.url}/api/index.php{path}"
    return requests.get(url, headers=headers, timeout=20)


def test_who_has_no_key_stays_outside(standin):
    assert ask(standin).status_code == 401
    assert ask(standin, DOLAPIKEY="wrong").status_code == 401
    assert ask(standin, f"/status?DOLAPIKEY={standin.api_key}").status_code == 200
    bearer = ask(standin, Authorization=f"Bearer {standin.api_key}")
    assert bearer.status_code == (200 if standin.version == "22.0.4" else 401)


def test_another_entity_is_refused(standin):
    code = ask(standin, DOLAPIKEY=standin.api_key, DOLAPIENTITY="2").status_code
    assert code == (401 if standin.version == "16.0.3" else 403)


def test_unknown_routes(standin, caller):
    assert caller.code("GET", "/invoices/1/nonsense") == 404
    assert caller.code("DELETE", "/invoices") == 404
    answer = caller.call("GET", "/nonsense")
    assert answer.status_code == 501
    assert answer.headers["Content-Type"].startswith("text/html")


def test_broken_json_is_400(standin):
    url = f"{standin.url}/api/index.php/invoices"
    headers = {"DOLAPIKEY": standin.api_key}
    assert requests.post(url, data="{", headers=headers, timeout=20).status_code == 400


def test_errors_carry_their_code_and_stages(caller):
    body = caller.call("GET", "/invoices/999").json()
    assert body["error"] == {"code": 404, "message": "Not Found: Invoice not found"}
    assert body["debug"]["stages"]["failure"] == ["call", "message"]


def test_answers_are_zipped_for_those_who_take_it(standin):
    answer = ask(standin, DOLAPIKEY=standin.api_key, **{"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.json()["success"]["dolibarr_version"] == standin.version


@pytest.mark.parametrize(
    ("kind", "code", "text"),
    [
        ("maintenance", 200, "offline"),
        ("api_disabled", 200, "Api"),
        ("php_fatal", 500, ""),
        ("php_fatal_shown", 200, "Fatal error"),
        ("ip_restricted", 503, "not allowed"),
        ("unavailable", 503, "Error when retrieving"),
    ],
)
def test_trouble_before_anything_is_done(standin, caller, kind, code, text):
    standin.faults.arm(kind)
    answer = caller.call("GET", "/status")
    assert answer.status_code == code
    assert text in answer.text
    is_json = answer.headers["Content-Type"].startswith("application/json")
    assert is_json == (kind == "unavailable")
    standin.faults.clear()
    assert caller.code("GET", "/status") == 200


def test_a_refused_database_is_202_since_20(standin, caller):
    standin.faults.arm("db_down")
    assert caller.code("GET", "/status") == (500 if standin.version == "16.0.3" else 202)


def test_a_lost_answer_has_had_its_effect(standin, caller):
    standin.faults.arm("lost_answer", 1, verb="POST", path="/thirdparties")
    with pytest.raises(requests.ConnectionError):
        caller.post("/thirdparties", {"name": "Alice", "client": 1})
    assert [row["name"] for row in caller.get("/thirdparties", mode=1)][-1] == "Alice"
    caller.post("/thirdparties", {"name": "Bob", "client": 1})


def test_a_lost_request_has_none(standin, caller):
    standin.faults.arm("lost_request", 1)
    with pytest.raises(requests.ConnectionError):
        caller.post("/thirdparties", {"name": "Alice", "client": 1})
    assert len(caller.get("/thirdparties", mode=1)) == 1


def test_a_fault_strikes_as_often_as_told_and_where_told(standin, caller):
    standin.faults.arm("unavailable", 2, path="/invoices")
    assert caller.code("GET", "/status") == 200
    codes = [caller.code("GET", "/invoices/1") for _ in range(3)]
    assert codes == [503, 503, 404]


def test_html_before_json_cannot_be_read_by_those_who_take_gzip(standin, caller):
    standin.faults.arm("html_before_json")
    plain = caller.call("GET", "/status")
    assert plain.status_code == 500
    assert plain.text.startswith("<br />")
    assert plain.text.endswith("}")
    with pytest.raises(requests.exceptions.ContentDecodingError):
        ask(standin, DOLAPIKEY=standin.api_key, **{"Accept-Encoding": "gzip"})


def test_gzip_garbage_is_plain_text_then_gzip(standin, caller):
    standin.faults.arm("gzip_garbage")
    url, headers = f"{standin.url}/api/index.php/status", {"DOLAPIKEY": standin.api_key}
    answer = requests.get(url, headers=headers, timeout=20, stream=True)
    raw = answer.raw.read(decode_content=False)
    assert raw.startswith(b"<br />")
    assert b"dolibarr_version" in gzip.decompress(raw[raw.index(b"\x1f\x8b") :])


def test_a_slow_answer_outlasts_the_patience_of_a_client(standin, caller):
    standin.faults.arm("slow", 1, seconds=60)
    url, headers = f"{standin.url}/api/index.php/thirdparties", {"DOLAPIKEY": standin.api_key}
    with pytest.raises(requests.ReadTimeout):
        requests.post(url, headers=headers, json={"name": "Alice", "client": 1}, timeout=0.3)
    assert [row["name"] for row in caller.get("/thirdparties", mode=1)][-1] == "Alice"


def test_a_user_may_have_any_rights(standin):
    key = standin.add_user("reader", frozenset({11, 262}))
    assert Caller(standin, key).code("GET", "/thirdparties") == (
        401 if standin.version == "16.0.3" else 403
    )


def test_a_kept_directory_is_opened_again_with_its_state(tmp_path):
    with StandIn(directory=tmp_path) as standin:
        alice = standin.shop.add_customer("Alice")
    with StandIn(directory=tmp_path) as standin:
        assert Caller(standin).get(f"/thirdparties/{alice}")["name"] == "Alice"
        assert len(Caller(standin).get("/setup/dictionary/payment_types")) == 5


def test_versions_that_nobody_looked_at_are_refused():
    with pytest.raises(ValueError, match="no stand-in"):
        StandIn("18.0.0")
