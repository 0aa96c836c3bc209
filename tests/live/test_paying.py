"""Points as money on a real Dolibarr: the till's button, a split payment, and its way back."""

from __future__ import annotations

import pytest

from tests.live.pages import Pages
from tests.live.place import Shop, a_customer, an_office_invoice, setting

pytestmark = pytest.mark.live


def test_a_ticket_is_paid_with_points_and_money_and_taken_back(shop: Shop) -> None:
    text = shop.config.read_text()
    shop.config.write_text(text.replace("[[program]]", '[[program]]\npoint_value = "0.10"', 1))
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    customer = a_customer(shop)
    an_office_invoice(shop, customer)
    shop.dolisync("sync")
    pages = Pages(shop.url)
    pages.log_in(setting("LOGIN"), setting("PASSWORD"))
    till = pages.open_till()
    assert "LOY" in pages.get("/takepos/pay.php", place=0), "the till has a button for points"
    till.add(int(setting("PRODUCT", "1")), 3)
    till.choose(customer)
    total = float(shop.rest("GET", f"/invoices/{till.invoice}")["total_ttc"])
    till.pay("LOY", amount=10)
    till.pay("LIQ")

    shop.dolisync("sync")

    ticket = shop.rest("GET", f"/invoices/{till.invoice}")
    assert {one["type"] for one in shop.rest("GET", f"/invoices/{till.invoice}/payments")} == {
        "LOY",
        "LIQ",
    }
    earned = int(total - 10)
    assert int(shop.read("balance", str(customer))["balance"]) == 120 - 100 + earned
    card = pages.customer_card(customer).replace(" ", "").replace("\n", "")
    assert f">{120 - 100 + earned}<" in card
    assert "payés en points" in shop.dolisync("explain", ticket["ref"], "--language", "fr")

    till.credit_note(till.invoice)
    shop.dolisync("sync")
    assert int(shop.read("balance", str(customer))["balance"]) == 120
    assert shop.dolisync("verify")


def test_a_payment_deleted_in_the_office_gives_its_points_back(shop: Shop) -> None:
    text = shop.config.read_text()
    shop.config.write_text(text.replace("[[program]]", '[[program]]\npoint_value = "0.10"', 1))
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    customer = a_customer(shop)
    an_office_invoice(shop, customer)
    modes = {
        mode["code"]: int(mode["id"])
        for mode in shop.rest("GET", "/setup/dictionary/payment_types?limit=100")
    }
    line = {"desc": "Atelier", "subprice": 50, "qty": 1, "tva_tx": 20, "product_type": 1}
    invoice = int(shop.rest("POST", "/invoices", {"socid": customer, "lines": [line]}))
    shop.rest("POST", f"/invoices/{invoice}/validate", {})
    accounts = {one["ref"]: int(one["id"]) for one in shop.rest("GET", "/bankaccounts")}
    body = {
        "datepaye": str(int(shop.rest("GET", f"/invoices/{invoice}")["date"]) + 43200),
        "arrayofamounts": {str(invoice): {"amount": "15", "multicurrency_amount": ""}},
        "paymentid": modes["LOY"],
        "closepaidinvoices": "yes",
        "accountid": accounts["LOY"],
    }
    payment = shop.rest("POST", "/invoices/paymentsdistributed", body)
    shop.dolisync("sync")
    assert int(shop.read("balance", str(customer))["balance"]) == 120 - 150
    assert int(shop.read("balance", str(customer))["debt"]) == 30
    pages = Pages(shop.url)
    pages.log_in(setting("LOGIN"), setting("PASSWORD"))
    assert "30 points" in pages.customer_card(customer)
    pages.delete_payment(int(payment))
    shop.dolisync("sync")
    assert int(shop.read("balance", str(customer))["balance"]) == 120
    assert shop.dolisync("verify")
