"""Acts on invoices through the API, and the looks that it does not take."""

from __future__ import annotations

import pytest

from connectors.standin import VERSIONS
from connectors.standin.testing import Caller, opened


class Office:
    def __init__(self, standin):
        self.standin, self.shop, self.caller = standin, standin.shop, Caller(standin)
        self.alice = self.shop.add_customer("Alice")
        self.coffee = self.shop.add_product("P1", "Coffee", 10, 20)
        self.major = standin.store.major

    def draft(self, **body):
        line = {"fk_product": self.coffee, "qty": 2, "subprice": 10, "tva_tx": 20, "desc": "c"}
        return self.caller.post("/invoices", {"socid": self.alice, "lines": [line], **body})

    def state(self, invoice):
        shown = self.caller.get(f"/invoices/{invoice}")
        return shown["statut"], shown["paye"]


@pytest.fixture(params=VERSIONS)
def office(request):
    with opened(request.param) as (standin, _clock):
        yield Office(standin)


@pytest.fixture
def office_20():
    with opened("20.0.2") as (standin, _clock):
        yield Office(standin)


PAYMENT = {"datepaye": "1795331261", "paymentid": 6, "closepaidinvoices": "yes", "accountid": 1}


def test_from_draft_to_paid_and_back(office):
    invoice = office.draft()
    path = f"/invoices/{invoice}"
    assert office.caller.get(path)["ref"] == f"(PROV{invoice})"
    assert office.caller.post(f"{path}/validate")["ref"] == "FA2611-0001"
    assert office.shop.invoice(invoice)["last_main_doc"] is None
    part = {"arrayofamounts": {str(invoice): {"amount": "5"}}, **PAYMENT, "paymentid": 4}
    office.caller.post("/invoices/paymentsdistributed", part)
    shown = office.caller.get(path)
    assert (shown["remaintopay"], shown["sumpayed"]) == ("19", "5.00000000")
    office.caller.post(f"{path}/payments", PAYMENT)
    assert office.state(invoice) == ("2", "1")
    office.caller.post(f"{path}/settodraft")
    assert office.state(invoice) == ("0", "1")
    kinds = [row["type"] for row in office.caller.get(f"{path}/payments")]
    assert kinds == ["LIQ", "CB"]


def test_what_changes_nothing_is_304(office):
    invoice = office.draft()
    assert office.caller.code("POST", f"/invoices/{invoice}/settodraft", {}) == 304
    office.caller.post(f"/invoices/{invoice}/validate")
    assert office.caller.code("POST", f"/invoices/{invoice}/validate", {}) == 304
    assert office.caller.code("POST", f"/invoices/{invoice}/settounpaid", {}) == 304


def test_closing_with_a_reason(office):
    invoice = office.draft()
    office.caller.post(f"/invoices/{invoice}/validate")
    body = {"close_code": "discount_vat", "close_note": "esc"}
    shown = office.caller.post(f"/invoices/{invoice}/settopaid", body)
    assert (shown["statut"], shown["paye"], shown["close_code"]) == ("2", "0", "discount_vat")


def test_settounpaid_opens_an_abandoned_invoice(office):
    invoice = office.shop.sell(office.alice, [office.coffee], mode=None)
    office.shop.abandon(invoice)
    office.caller.post(f"/invoices/{invoice}/settounpaid")
    assert office.state(invoice) == ("1", "0")


def test_lines_change_on_drafts_only(office):
    invoice = office.draft()
    path = f"/invoices/{invoice}/lines"
    text = {"desc": "230 points", "subprice": 0, "qty": 1, "tva_tx": 0, "rang": -1}
    line = office.caller.post(path, text)
    assert office.caller.get(f"/invoices/{invoice}")["lines"][0]["desc"] == "230 points"
    office.caller.put(f"{path}/{line}", {"desc": "120 points"})
    assert office.shop.line(line)["description"] == "120 points"
    office.caller.post(f"/invoices/{invoice}/validate")
    assert office.caller.code("POST", path, {"qty": 1, "subprice": -2, "tva_tx": 20}) == 400
    assert office.caller.code("PUT", f"{path}/{line}", {"qty": 2}) == 304
    assert office.caller.code("DELETE", f"{path}/{line}") == 405
    assert office.shop.invoice(invoice)["total_ttc"] == 24


def test_a_deleted_line_is_gone(office):
    invoice = office.draft()
    line = office.shop.lines(invoice)[0]["rowid"]
    office.caller.delete(f"/invoices/{invoice}/lines/{line}")
    assert office.shop.invoice(invoice)["total_ttc"] == 0
    assert office.caller.code("DELETE", f"/invoices/{invoice}/lines/{line}") == 404


def test_usediscount_looks_neither_at_status_nor_at_the_owner(office):
    bob = office.shop.add_customer("Bob")
    voucher = office.shop.add_discount(bob, 3, "voucher")
    invoice = office.shop.sell(office.alice, [office.coffee], mode=None)
    assert office.caller.post(f"/invoices/{invoice}/usediscount/{voucher}") == 1
    assert office.shop.invoice(invoice)["total_ttc"] == 9
    again = office.caller.call("POST", f"/invoices/{invoice}/usediscount/{voucher}", {})
    assert again.status_code == 405
    assert f"Duplicate entry '{voucher}-{invoice}'" in again.json()["error"]["message"]


def test_usecreditnote_takes_a_voucher_and_pays_nothing(office):
    voucher = office.shop.add_discount(office.alice, 3, "voucher")
    invoice = office.shop.sell(office.alice, [office.coffee], mode=None)
    assert office.caller.post(f"/invoices/{invoice}/usecreditnote/{voucher}") == 1
    assert office.caller.get(f"/invoices/{invoice}")["remaintopay"] == "12"
    assert office.shop.discount(voucher)["fk_facture"] == invoice
    assert office.caller.get(f"/invoices/{invoice}/payments") == []


def test_a_credit_note_by_the_api(office):
    source = office.shop.sell(office.alice, [office.coffee])
    line = {"qty": 1, "subprice": -10, "tva_tx": 20, "desc": "back"}
    note = office.draft(type=2, fk_facture_source=source, lines=[line])
    office.caller.post(f"/invoices/{note}/validate")
    office.caller.post(f"/invoices/{note}/markAsCreditAvailable")
    shown = office.caller.get(f"/invoices/{note}")
    assert (shown["type"], shown["fk_facture_source"], shown["paye"]) == ("2", str(source), "1")
    assert shown["total_ttc"] == "-12.00000000"
    discount = office.caller.get(f"/invoices/{note}/discount")
    invoice = office.shop.sell(office.alice, [(office.coffee, 2)], mode=None)
    office.caller.post(f"/invoices/{invoice}/usecreditnote/{discount['id']}")
    (used,) = office.caller.get(f"/invoices/{invoice}/payments")
    assert (used["type"], used["amount"]) == ("(CREDIT_NOTE)", "12.00000000")
    shown = office.caller.get(f"/invoices/{invoice}")
    assert (shown["sumcreditnote"], shown["remaintopay"]) == ("12.00000000", "12")
    if office.major == 22:
        assert office.caller.get(f"/invoices/{source}")["creditnote_ids"] == [str(note)]


def test_16_says_deleted_when_it_did_nothing(office):
    first = office.shop.sell(office.alice, [office.coffee])
    office.shop.sell(office.alice, [office.coffee])
    code = office.caller.code("DELETE", f"/invoices/{first}")
    assert code == (200 if office.major == 16 else 403)
    assert office.state(first) == ("2", "1")


def test_a_deleted_draft_is_not_found(office):
    invoice = office.draft()
    office.caller.delete(f"/invoices/{invoice}")
    assert office.caller.code("GET", f"/invoices/{invoice}") == 404


def test_errors_of_posting(office):
    missing = office.caller.call("POST", "/invoices", {"type": 0})
    assert missing.status_code == 400
    assert missing.json()["error"]["message"] == "Bad Request: socid field missing"
    stranger = office.caller.call("POST", "/invoices", {"socid": 999})
    assert stranger.status_code == 500
    assert "foreign key" in stranger.json()["error"]["0"]


def test_an_invoice_shows_strings_nulls_and_two_names_for_one_thing(office):
    invoice = office.shop.sell(office.alice, [office.coffee])
    shown = office.caller.get(f"/invoices/{invoice}")
    assert shown["socid"] == str(office.alice)
    assert shown.get("fk_soc") is None
    assert shown.get("tms") is None
    assert (shown["statut"], shown["status"]) == ("2", "2")
    assert shown["date_cloture"] is None
    line = shown["lines"][0]
    assert (line["qty"], line["tva_tx"], line["product_ref"]) == ("1", "20.0000", "P1")
    paid = {16: "12.00000000", 22: 12}
    assert shown.get("totalpaid") == paid.get(office.major)


def test_array_options_is_a_list_until_there_is_something(office):
    invoice = office.shop.sell(office.alice, [office.coffee])
    assert office.caller.get(f"/invoices/{invoice}")["array_options"] == []
    office.shop.add_extra_field("facture", "loyt")
    empty = [] if office.major == 16 else {"options_loyt": None}
    assert office.caller.get(f"/invoices/{invoice}")["array_options"] == empty
    office.shop.set_invoice_fields(invoice, loyt=5)
    assert office.caller.get(f"/invoices/{invoice}")["array_options"] == {"options_loyt": "5"}


def test_put_reverts_a_payment_that_came_between(office):
    invoice = office.shop.sell(office.alice, [office.coffee], mode=None)
    office.standin.faults.before_write = lambda: office.shop.pay(invoice)
    office.caller.put(f"/invoices/{invoice}", {"note_public": "12 points"})
    assert office.state(invoice) == ("1", "0")
    assert office.shop.paid(invoice) == 12


def test_put_on_20_drops_the_cents_of_the_stamp(office):
    invoice = office.shop.sell(office.alice, [office.coffee])
    office.shop.change_invoice(invoice, revenuestamp="0.6")
    office.caller.put(f"/invoices/{invoice}", {"note_public": "x"})
    stamp = office.caller.get(f"/invoices/{invoice}")["revenuestamp"]
    assert stamp == ("0.00000000" if office.major == 20 else "0.60000000")


def test_put_moves_a_paid_invoice_to_another_customer(office_20):
    bob = office_20.shop.add_customer("Bob")
    invoice = office_20.shop.sell(office_20.alice, [office_20.coffee])
    office_20.caller.put(f"/invoices/{invoice}", {"socid": bob})
    assert office_20.caller.get(f"/invoices/{invoice}")["socid"] == str(bob)


def test_the_least_rights_are_enough_to_read_and_to_give_a_discount(office_20):
    least = Caller(office_20.standin, office_20.standin.least_key)
    invoice = office_20.draft()
    voucher = office_20.shop.add_discount(office_20.alice, 3, "voucher")
    assert least.post(f"/invoices/{invoice}/usediscount/{voucher}") == 1
    assert least.code("GET", "/setup/conf/MAIN_LANG_DEFAULT") == 403
    assert least.code("POST", "/products", {"ref": "X", "label": "X"}) == 403
