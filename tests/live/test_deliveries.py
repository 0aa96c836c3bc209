"""Orders on a real Dolibarr: points are pending until they are delivered, through either door."""

from __future__ import annotations

import pytest

from tests.live.place import Shop, a_customer

pytestmark = pytest.mark.live

LINE = {"desc": "Atelier", "subprice": 100, "qty": 1, "tva_tx": 20, "product_type": 1}


def an_ordered_invoice(shop: Shop, customer: int) -> tuple[int, int]:
    """Order for 120, and invoice the order; nobody pays."""
    day = int(shop.rest("GET", f"/thirdparties/{customer}")["date_creation"])
    body = {"socid": customer, "date": day, "lines": [LINE]}
    order = int(shop.rest("POST", "/orders", body))
    shop.rest("POST", f"/orders/{order}/validate", {"idwarehouse": 0, "notrigger": 0})
    invoice = int(shop.rest("POST", f"/invoices/createfromorder/{order}", {})["id"])
    shop.rest("POST", f"/invoices/{invoice}/validate", {})
    return order, invoice


@pytest.mark.parametrize("door", ["sql", "rest"])
def test_an_order_is_delivered_and_opened_again(shop: Shop, door: str) -> None:
    text = shop.config.read_text(encoding="utf-8")
    text = text.replace("[[source]]\n", f'[[source]]\nread = "{door}"\n')
    text = text.replace(
        "[program.earn.amount]", '[program.earn]\nmoment = "delivered"\namount = {}'
    )
    shop.config.write_text(text, encoding="utf-8")
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    findings = shop.read("check")["findings"]
    assert not [one for one in findings if one["level"] == "error"]
    customer = a_customer(shop)

    def points() -> tuple[int, int]:
        shop.dolisync("sync")
        told = shop.read("balance", str(customer))
        return int(told["balance"]), int(told["pending"])

    order, invoice = an_ordered_invoice(shop, customer)
    assert points() == (0, 120)
    said = shop.dolisync("explain", str(invoice), "--language", "en")
    assert "not delivered yet: 120 points are pending" in said
    shop.rest("POST", f"/orders/{order}/close", {"notrigger": 0})
    assert points() == (120, 0)
    shop.rest("POST", f"/orders/{order}/reopen", {})
    assert points() == (0, 120)
    shop.rest("POST", f"/orders/{order}/close", {"notrigger": 0})
    assert points() == (120, 0)
    assert shop.read("verify")["holds"] is True
