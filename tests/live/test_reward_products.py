"""A reward product on a real till: free by its line, paid in points, and taken back."""

from __future__ import annotations

import pytest

from tests.live.pages import Pages
from tests.live.place import Shop, a_customer, an_office_invoice, setting

pytestmark = pytest.mark.live


def test_a_product_is_free_on_the_open_ticket_and_costs_points(shop: Shop) -> None:
    text = shop.config.read_text().replace("[[program]]", "till_line = true\n[[program]]", 1)
    redeem = '[program.redeem]\nproduct_field = "loyprice"\n[[program.reward]]'
    shop.config.write_text(text.replace("[[program.reward]]", redeem, 1))
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    customer = a_customer(shop)
    an_office_invoice(shop, customer)
    shop.dolisync("sync")
    price = {"options_loyprice": 80}
    mug = {"ref": f"MUG{customer}", "label": "Mug", "price": 9, "tva_tx": 20, "status": 1}
    product = int(shop.rest("POST", "/products", {**mug, "array_options": price}))
    pages = Pages(shop.url)
    pages.log_in(setting("LOGIN"), setting("PASSWORD"))
    till = pages.open_till()
    till.add(int(setting("PRODUCT", "1")), 3)
    till.add(product)
    till.choose(customer)
    full = float(shop.rest("GET", f"/invoices/{till.invoice}")["total_ttc"])

    shop.dolisync("sync")

    page = pages.get("/takepos/invoice.php", place=0)
    assert "80 points" in page, "the ticket on the screen says what it costs"
    assert "Loyalty points: 40" in page, "and the line what is left"
    reduced = float(shop.rest("GET", f"/invoices/{till.invoice}")["total_ttc"])
    assert reduced == pytest.approx(full - 10.80)
    till.pay("LIQ")
    shop.dolisync("sync")
    assert int(shop.read("balance", str(customer))["balance"]) == 120 - 80 + int(reduced)
    assert "80" in shop.dolisync("history", str(customer))
    till.credit_note(till.invoice)
    shop.dolisync("sync")
    assert int(shop.read("balance", str(customer))["balance"]) == 120
    assert shop.dolisync("verify")
