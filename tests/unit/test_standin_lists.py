"""The list calls: grammar of filters, order, pages, and what an empty list looks like."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.standin import VERSIONS
from connectors.standin.testing import Caller, opened

NEWER = VERSIONS[1:]


class Office:
    """Four invoices, two seconds apart, the last two in one second."""

    def __init__(self, standin, clock):
        self.shop, self.caller, self.standin = standin.shop, Caller(standin), standin
        self.alice = standin.shop.add_customer("Alice")
        self.bob = standin.shop.add_customer("Bob")
        coffee = standin.shop.add_product("P1", "Coffee", 10, 20)
        self.invoices = []
        for customer, step in ((self.alice, 2), (self.bob, 2), (self.alice, 0), (self.bob, 0)):
            self.invoices.append(standin.shop.sell(customer, [coffee]))
            clock.move(seconds=step)

    def find(self, text, **params):
        found = self.caller.get("/invoices", sqlfilters=text, **params)
        return [int(row["id"]) for row in found]

    def code(self, **params):
        return self.caller.code("GET", "/invoices", **params)


@pytest.fixture(scope="module", params=VERSIONS)
def office(request):
    with opened(request.param) as (standin, clock):
        yield Office(standin, clock)


def is_16(office):
    return office.standin.version == "16.0.3"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(t.rowid:=:2)", [2]),
        ("(t.rowid:!=:'2')", [1, 3, 4]),
        ("(t.rowid:<=:2)", [1, 2]),
        ("(t.rowid:in:1,3)", [1, 3]),
        ("(t.ref:like:'FA2611-000%')", [1, 2, 3, 4]),
        ("(t.ref:like:'%0003')", [3]),
        ("(t.ref:notlike:'%0003')", [1, 2, 4]),
        ("(t.close_code:is:NULL)", [1, 2, 3, 4]),
        ("(t.tms:>:'2026-11-22 07:00:02')", [3, 4]),
        ("(t.tms:>:'20261122070002')", [3, 4]),
        ("(t.datef:>=:'2026-11-22 00:00:00')", [1, 2, 3, 4]),
        ("(t.datef:>:'2026-11-22')", []),
        ("(t.fk_soc:=:2) and (t.rowid:>:1)", [3]),
        ("((t.rowid:=:1) or ((t.rowid:=:2) and (t.fk_soc:=:3)))", [1, 2]),
        ("((t.tms:>:'2026-11-22 07:00:04') or ((t.tms:=:'2026-11-22 07:00:04') and (t.rowid:>:3)))",
         [4]),
    ],
)  # fmt: skip
def test_the_portable_grammar(office, text, expected):
    if expected or not is_16(office):
        assert office.find(text) == expected
    else:
        assert office.code(sqlfilters=text) == 404


def test_an_epoch_without_quotes_is_compared_as_a_number_and_is_always_later(office):
    assert office.find("(t.tms:>:9995331000)") == office.invoices


@pytest.mark.parametrize(
    ("text", "on_16", "later"),
    [
        ("t.rowid:=:2", 503, 200),
        ("(t.rowid:notin:1,2)", 503, 200),
        ("(t.close_code:isnot:NULL)", 503, 200),
        ("(t.ref:like:'(PROV%')", 503, 400),
        ("(t.rowid:=:2", 503, 400),
        ("(t.rowid:=:2) (t.rowid:=:3)", 503, 400),
        ("(t.rowid:=:2) and", 503, 400),
        ("(t.rowid:=:sleep(3))", 503, 400),
        ("(s.nom:=:'Alice')", 503, 503),
        ("(t.nonsense:=:1)", 503, 503),
    ],
)
def test_what_is_not_portable(office, text, on_16, later):
    assert office.code(sqlfilters=text) == (on_16 if is_16(office) else later)


def test_filters_on_extra_fields_exist_since_17(office):
    office.shop.add_extra_field("facture", "loyx")
    office.shop.set_invoice_fields(2, loyx=7)
    if is_16(office):
        assert office.code(sqlfilters="(ef.loyx:=:7)") == 503
    else:
        assert office.find("(ef.loyx:=:7)") == [2]


def test_an_empty_list_of_invoices_is_not_found_on_16(office):
    answer = office.caller.call("GET", "/invoices", sqlfilters="(t.rowid:>:99)")
    if is_16(office):
        assert answer.status_code == 404
        assert answer.json()["error"] == {"code": 404, "message": "Not Found: No invoice found"}
    else:
        assert (answer.status_code, answer.json()) == (200, [])


def test_an_empty_list_of_customers_is_not_found_anywhere(office):
    assert office.caller.code("GET", "/thirdparties", sqlfilters="(t.rowid:>:99)") == 404


def test_the_order_is_by_the_fields_named(office):
    refs = office.caller.refs(sortfield="t.tms,t.rowid", sortorder="DESC")
    assert [int(ref[-1]) for ref in refs] == [4, 3, 2, 1]
    mixed = office.caller.refs(sortfield="t.tms,t.rowid", sortorder="DESC,ASC")
    assert [int(ref[-1]) for ref in mixed] == [3, 4, 2, 1]


def test_a_bare_tms_is_ambiguous_since_17(office):
    assert office.code(sortfield="tms") == (200 if is_16(office) else 503)
    assert office.code(sortfield="t.tms; drop table llx_facture") == 503


def test_pages_count_from_zero_and_no_limit_is_no_limit(office):
    assert len(office.caller.refs(limit=3)) == 3
    assert office.caller.refs(limit=3, page=1) == ["FA2611-0004"]
    assert len(office.caller.refs(limit=0)) == 4
    assert len(office.caller.refs(limit=-1)) == 4
    assert office.code(limit="many") == 400


def test_unknown_parameters_and_statuses_are_ignored(office):
    assert len(office.caller.refs(status="nonsense", surprise=1)) == 4
    assert len(office.caller.refs(status="paid")) == 4


def test_customers_are_chosen_by_number(office):
    assert office.caller.refs(thirdparty_ids=str(office.bob)) == ["FA2611-0002", "FA2611-0004"]
    assert office.code(thirdparty_ids="1;2") == 400


def test_properties_cut_the_objects_since_17(office):
    (shown,) = office.caller.get("/invoices", limit=1, properties="id,ref,lines")
    assert (set(shown) == {"id", "ref", "lines"}) is not is_16(office)


def test_the_counts_of_pages_change_the_shape_on_22(office):
    answer = office.caller.get("/invoices", limit=3, pagination_data=1)
    if office.standin.version != "22.0.4":
        assert isinstance(answer, list)
        return
    assert answer["pagination"] == {"total": 4, "page": 0, "page_count": 2, "limit": 3}
    assert len(answer["data"]) == 3


@pytest.mark.parametrize("version", NEWER)
def test_without_the_right_to_see_all_customers_there_seem_to_be_no_sales(version):
    with opened(version) as (standin, clock):
        office = Office(standin, clock)
        blind = Caller(standin, standin.blind_key)
        assert blind.get("/invoices") == []
        assert blind.code("GET", f"/invoices/{office.invoices[0]}") == 403
        assert blind.code("GET", "/thirdparties") == 404
        assert len(Caller(standin, standin.least_key).refs()) == 4


def test_on_16_the_missing_right_looks_like_a_bad_key():
    with opened("16.0.3") as (standin, clock):
        office = Office(standin, clock)
        blind = Caller(standin, standin.blind_key)
        assert blind.code("GET", "/invoices") == 404
        assert blind.code("GET", f"/invoices/{office.invoices[0]}") == 401


def test_times_are_read_in_the_zone_of_php_even_those_that_are_not():
    with opened(php_timezone="Europe/Paris") as (standin, clock):
        clock.moment = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
        alice = standin.shop.add_customer("Alice")
        invoice = standin.shop.sell(alice, [standin.shop.add_product("P1", "Coffee", 10)])
        shown = Caller(standin).get(f"/invoices/{invoice}")
        now = int(clock.moment.timestamp())
        assert shown["date_creation"] == now
        assert shown["date_modification"] == now - 3600
        assert shown["date"] == int(datetime(2026, 11, 22, 23, 0, tzinfo=UTC).timestamp())
        (payment,) = Caller(standin).get(f"/invoices/{invoice}/payments")
        assert payment["date"] == "2026-11-23 00:30:00"


@pytest.mark.parametrize(
    ("zone", "day"), [("America/New_York", "2026-11-19"), ("Europe/Paris", "2026-11-20")]
)
def test_a_date_sent_as_text_is_a_day_early_west_of_greenwich(zone, day):
    with opened(php_timezone=zone) as (standin, _clock):
        alice = standin.shop.add_customer("Alice")
        rowid = Caller(standin).post("/invoices", {"socid": alice, "date": "2026-11-20"})
        assert str(standin.shop.invoice(rowid)["datef"]) == day
