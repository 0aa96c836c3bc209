"""Customers, tags, products and set-up through the API."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from connectors.standin import VERSIONS
from connectors.standin.testing import Caller, opened


class Desk:
    def __init__(self, standin):
        self.standin, self.shop, self.caller = standin, standin.shop, Caller(standin)
        self.major = standin.store.major
        self.alice = self.caller.post(
            "/thirdparties",
            {"name": "Alice", "client": 1, "code_client": "auto", "email": "a@example.org",
             "phone": "01 02.03", "barcode": "2000000000015"},
        )  # fmt: skip
        self.path = f"/thirdparties/{self.alice}"

    def events(self, code):
        table = self.shop.tables.actioncomm
        query = sa.select(table).where(table.c.code == code, table.c.fk_soc == self.alice)
        return self.shop.store.rows(query)

    def fields(self):
        self.shop.add_extra_field("societe", "loypts", label="Points")
        self.shop.add_extra_field("societe", "loytier", type="varchar", size="8")
        self.shop.add_extra_field("societe", "loydate", type="date")
        self.shop.set_customer_fields(self.alice, loypts=100, loytier="Gold")

    def options(self):
        return self.caller.get(self.path)["array_options"]


@pytest.fixture(params=VERSIONS)
def desk(request):
    with opened(request.param) as (standin, _clock):
        yield Desk(standin)


@pytest.fixture
def desk_20():
    with opened("20.0.2") as (standin, _clock):
        yield Desk(standin)


def test_a_customer_is_found_by_card_and_by_mail(desk):
    assert desk.caller.get("/thirdparties/barcode/2000000000015")["id"] == str(desk.alice)
    assert desk.caller.get("/thirdparties/email/A@EXAMPLE.ORG")["name"] == "Alice"
    assert desk.caller.get(desk.path)["code_client"] == "CU2611-00001"
    ref = "Alice" if desk.major == 22 else str(desk.alice)
    assert desk.caller.get(desk.path)["ref"] == ref
    assert desk.caller.code("GET", "/thirdparties/barcode/999") == 404
    assert desk.caller.code("GET", "/thirdparties/999") == 404


def test_a_shared_address_finds_nobody(desk):
    desk.shop.add_customer("Twin", email="a@example.org")
    shown = desk.caller.get("/thirdparties/email/a@example.org")
    assert shown["id"] is None


def test_a_put_keeps_the_other_fields_except_on_16(desk):
    desk.fields()
    desk.caller.put(desk.path, {"array_options": {"options_loypts": 101, "options_unknown": 1}})
    tier = None if desk.major == 16 else "Gold"
    assert desk.options() == {
        "options_loypts": "101",
        "options_loytier": tier,
        "options_loydate": "",
    }


def test_a_put_writes_one_event_and_moves_tms_only_when_the_card_changes(desk):
    desk.fields()
    desk.caller.put(desk.path, {})  # tidies the phone number once
    before = desk.shop.store.get(desk.shop.tables.societe, desk.alice)
    assert before["phone"] == "010203"
    with desk.shop.statement_time(desk.shop.store.now().replace(year=2027)):
        desk.caller.standin.shop.set_customer_fields(desk.alice, loypts=7)
    for points in (1, 2):
        desk.caller.put(desk.path, {"array_options": {"options_loypts": points}})
    after = desk.shop.store.get(desk.shop.tables.societe, desk.alice)
    assert after["tms"] == before["tms"]
    assert len(desk.events("AC_COMPANY_MODIFY")) == 3


@pytest.mark.parametrize(
    "body",
    [
        {"array_options": {"options_loypts": "many"}},
        {"array_options": {"options_loytier": "far too long"}},
        {"barcode": "2000000000022"},
    ],
)
def test_a_bad_put_changes_nothing_and_16_says_200(desk, body):
    desk.fields()
    desk.shop.add_customer("Bob", barcode="2000000000022")
    before = desk.caller.get(desk.path)
    code = desk.caller.code("PUT", desk.path, body)
    assert code == (200 if desk.major == 16 else 500)
    assert desk.caller.get(desk.path) == before


def test_values_are_bent_to_their_type(desk_20):
    desk_20.fields()
    options = {"options_loypts": 12.7, "options_loydate": "31/12/2026"}
    desk_20.caller.put(desk_20.path, {"array_options": options})
    assert desk_20.options()["options_loypts"] == "13"
    assert desk_20.options()["options_loydate"] == ""
    desk_20.caller.put(desk_20.path, {"array_options": {"options_loydate": "2026-12-31"}})
    assert desk_20.options()["options_loydate"] == desk_20.shop.store.epoch(
        desk_20.shop.customer_fields(desk_20.alice)["loydate"]
    )


def test_a_put_reverts_an_edit_that_came_between(desk):
    edit = lambda: desk.shop.change_customer(desk.alice, town="Lyon")  # noqa: E731
    desk.standin.faults.before_write = edit
    desk.caller.put(desk.path, {"note_public": "x"})
    assert desk.caller.get(desk.path)["town"] is None
    assert len(desk.events("AC_COMPANY_MODIFY")) == 2  # the edit did happen


def test_a_percentage_cannot_be_set_and_the_answer_says_it_was(desk):
    shown = desk.caller.put(desk.path, {"remise_percent": "10"})
    assert shown["remise_percent"] == "10"
    assert desk.caller.get(desk.path)["remise_percent"] == 0


def test_vouchers_are_not_listed_and_only_summed(desk):
    desk.shop.add_discount(desk.alice, "7.80", "voucher")
    assert desk.caller.get(f"{desk.path}/fixedamountdiscounts") == []
    assert desk.caller.get(desk.path)["absolute_discount"] == "7.8"


def test_merge_by_version(desk):
    drop = desk.shop.add_customer("Drop")
    answer = desk.caller.call("PUT", f"{desk.path}/merge/{drop}", {})
    if desk.major == 20:
        assert (answer.status_code, answer.text) == (500, "")
        assert desk.caller.code("GET", f"/thirdparties/{drop}") == 200
    else:
        assert answer.status_code == 200
        assert desk.caller.code("GET", f"/thirdparties/{drop}") == 404


def test_deleting_a_customer_with_invoices(desk):
    desk.shop.sell(desk.alice, [desk.shop.add_product("P1", "Coffee", 10)])
    answer = desk.caller.call("DELETE", desk.path)
    if desk.major == 16:
        assert (answer.status_code, answer.json()) == (200, 0)
    else:
        assert answer.status_code == 409
    assert desk.caller.code("GET", desk.path) == 200


def test_tags_are_linked_once_and_move_nothing(desk):
    tag = desk.caller.post("/categories", {"label": "Gold", "type": "customer"})
    before = desk.shop.store.get(desk.shop.tables.societe, desk.alice)["tms"]
    for _ in range(2):
        desk.caller.post(f"/categories/{tag}/objects/customer/{desk.alice}")
    shown = desk.caller.get(f"/categories/object/customer/{desk.alice}")
    assert [row["label"] for row in shown] == ["Gold"]
    listed = desk.caller.get("/thirdparties", mode=1, category=tag)
    assert [row["name"] for row in listed] == ["Alice"]
    assert desk.caller.code("GET", "/thirdparties", category=tag) == 404
    for _ in range(2):
        desk.caller.delete(f"/categories/{tag}/objects/customer/{desk.alice}")
    assert desk.caller.get(f"{desk.path}/categories") == []
    assert desk.shop.store.get(desk.shop.tables.societe, desk.alice)["tms"] == before


def test_the_verb_of_a_customers_tag_depends_on_the_version(desk):
    tag = desk.caller.post("/categories", {"label": "Gold", "type": "customer"})
    good, bad = ("POST", "PUT") if desk.major == 16 else ("PUT", "POST")
    assert desk.caller.code(bad, f"{desk.path}/categories/{tag}", {}) == 404
    assert desk.caller.code(good, f"{desk.path}/categories/{tag}", {}) == 200


def test_categories_are_listed_by_type(desk):
    desk.caller.post("/categories", {"label": "Gold", "type": "customer"})
    desk.caller.post("/categories", {"label": "Bread", "type": "product"})
    shown = desk.caller.get("/categories", type="customer")
    assert [row["label"] for row in shown] == ["Gold"]
    assert desk.caller.code("POST", "/categories", {"label": "Gold", "type": "customer"}) == 500


def test_extra_fields_are_made_by_the_api_since_20(desk):
    body = {"type": "int", "label": "Points", "size": "10", "list": "5"}
    path = "/setup/extrafields/societe/loypts"
    if desk.major == 16:
        assert desk.caller.code("POST", path, body) == 404
        return
    assert desk.caller.post(path, body) == 1
    assert desk.caller.code("POST", path, body) == 409
    assert desk.caller.code("POST", "/setup/extrafields/societe/bad-name", body) == 500
    assert desk.caller.get(path)["societe"]["loypts"]["list"] == "5"
    least = Caller(desk.standin, desk.standin.least_key)
    assert least.code("POST", path, body) == 403
    desk.shop.set_customer_fields(desk.alice, loypts=3)
    assert desk.options() == {"options_loypts": "3"}


def test_the_choices_of_a_select_are_kept_as_php_does(desk_20):
    body = {"type": "select", "label": "Tier", "param": {"options": {"1": "Bronze", "2": "Été"}}}
    desk_20.caller.post("/setup/extrafields/societe/loysel", body)
    shown = desk_20.caller.get("/setup/extrafields/societe/loysel")["societe"]["loysel"]
    assert shown["param"] == body["param"]
    row = desk_20.shop.store.first(desk_20.shop.tables.extrafields.select())
    assert row["param"].startswith('a:1:{s:7:"options";a:2:{s:1:"1";s:6:"Bronze";s:1:"2";s:5:')


def test_events_need_an_owner(desk):
    good = {"type_code": "AC_OTH", "label": "+12 points", "socid": desk.alice, "userownerid": 1}
    rowid = desk.caller.post("/agendaevents", good)
    assert desk.caller.get(f"/agendaevents/{rowid}")["label"] == "+12 points"
    bad = {name: value for name, value in good.items() if name != "userownerid"}
    code = desk.caller.code("POST", "/agendaevents", bad)
    assert code == (400 if desk.major == 22 else 500)
    kept = {**good, "type_code": "AC_OTH_AUTO", "code": "AC_LOYALTY", "label": "token-7"}
    desk.caller.post("/agendaevents", kept)
    (found,) = desk.caller.get("/agendaevents", sqlfilters="(t.label:like:'token-7')")
    assert found["code"] == "AC_LOYALTY"


def test_products_never_cost_less_than_nothing(desk):
    rowid = desk.caller.post("/products", {"ref": "N", "label": "Negative", "price": -3})
    assert desk.caller.get(f"/products/{rowid}")["price"] == "0.00000000"
    assert desk.caller.get("/products/ref/N")["id"] == str(rowid)


def test_price_levels_need_their_feature(desk):
    path, body = f"{desk.path}/setpricelevel/2", {}
    if desk.major == 16:
        path, body = f"{desk.path}/setpricelevel", {"priceLevel": 2}
    assert desk.caller.code("PUT", path, body) == 501
    desk.shop.set_const("PRODUIT_MULTIPRICES", "1")
    assert desk.caller.put(path, body)["price_level"] == 2


def test_the_set_up_tells_modes_constants_accounts_and_who_asks(desk):
    codes = [mode["code"] for mode in desk.caller.get("/setup/dictionary/payment_types")]
    assert codes == ["CB", "CHQ", "LIQ", "PRE", "VIR"]
    assert desk.caller.get("/setup/conf/MAIN_MONNAIE") == "EUR"
    assert desk.caller.code("GET", "/setup/conf/NOTHING") == 404
    assert desk.caller.get("/users/info")["login"] == "admin"
    account = {"ref": "PTS", "label": "Points", "type": 1, "courant": 1, "currency_code": "EUR"}
    rowid = desk.caller.post("/bankaccounts", account)
    assert desk.caller.get(f"/bankaccounts/{rowid}")["label"] == "Points"
