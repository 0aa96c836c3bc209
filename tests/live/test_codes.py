"""Vouchers and gift cards on a real Dolibarr: sold, scanned at the till, used, returned."""

from __future__ import annotations

import html
from decimal import Decimal
from pathlib import Path

import pytest

from tests.live import browser as browsers
from tests.live.pages import Pages
from tests.live.place import Shop, a_customer, setting
from tests.live.test_printing import load, log_in, open_till

pytestmark = pytest.mark.live


@pytest.fixture
def pages(shop: Shop) -> Pages:
    text = shop.config.read_text(encoding="utf-8")
    text = text.replace("[[program]]", '[[program]]\npoint_value = "0.05"', 1)
    text += '\n[voucher]\n[gift_card]\nproduct = "LIVEGIFT"\n'
    shop.config.write_text(text, encoding="utf-8")
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    shop.dolisync("sync")
    pages = Pages(shop.url)
    pages.log_in(setting("LOGIN"), setting("PASSWORD"))
    return pages


def gift_product(shop: Shop) -> int:
    """Make the product that is sold as a gift card, unless an earlier run did."""
    if shop.is_there("/products/ref/LIVEGIFT"):
        return int(shop.rest("GET", "/products/ref/LIVEGIFT")["id"])
    card = {"ref": "LIVEGIFT", "label": "Carte cadeau", "price": 30, "tva_tx": 0, "status": 1}
    return int(shop.rest("POST", "/products", {**card, "type": 1}))


def total(shop: Shop, rowid: int) -> Decimal:
    return Decimal(str(shop.rest("GET", f"/invoices/{rowid}")["total_ttc"])).quantize(
        Decimal("0.01")
    )


def on_it(shop: Shop, code: str) -> Decimal:
    return Decimal(shop.read("voucher", "show", code)["balance"])


def test_a_gift_card_is_sold_used_and_returned_at_the_till(shop: Shop, pages: Pages) -> None:
    product = gift_product(shop)
    till = pages.open_till()
    till.add(product)
    till.pay("LIQ")
    sold = till.invoice
    shop.dolisync("sync")
    (card,) = shop.read("voucher", "list")["vouchers"]
    code = card["code"]
    assert (card["kind"], card["usable"]) == ("gift_card", "30.00")
    assert code in shop.dolisync("receipt", str(sold))

    till = pages.open_till()
    till.add(int(setting("PRODUCT", "1")), 4)
    before = total(shop, till.invoice)
    till.free(code.replace("-", ""))
    shop.dolisync("sync")
    taken = min(before, Decimal(30))
    assert total(shop, till.invoice) == before - taken
    assert on_it(shop, code) == 30 - taken
    screen = pages.get("/takepos/invoice.php", place=0)
    assert f"...{code[-4:]}" in screen
    assert code not in screen
    assert code.replace("-", "") not in screen
    till.pay("LIQ")
    used = till.invoice
    shop.dolisync("sync")
    assert on_it(shop, code) == 30 - taken
    assert f"...{code[-4:]}" in shop.dolisync("receipt", str(used))

    till.credit_note(used)
    shop.dolisync("sync")
    assert on_it(shop, code) == 30
    till.credit_note(sold)
    shop.dolisync("sync")
    assert on_it(shop, code) == 0
    assert shop.read("verify")["holds"] is True


def test_a_voucher_of_points_pays_an_invoice_of_mixed_rates_in_the_office(
    shop: Shop, pages: Pages
) -> None:
    customer = a_customer(shop)
    shop.dolisync("adjust", str(customer), "500", "--reason", "live")
    made = shop.read("voucher", "issue", "--customer", str(customer), "--points", "400")
    assert (made["balance"], shop.read("balance", str(customer))["balance"]) == ("20.00", "100")
    shop.dolisync("sync")
    card = shop.rest("GET", f"/thirdparties/{customer}")["array_options"]
    assert f"Bon d'achat ...{made['code'][-4:]}" in html.unescape(str(card["options_loycodes"]))
    lines = [
        {"desc": f"Article {rate}", "subprice": str(net), "qty": 1, "tva_tx": rate}
        for net, rate in (("33.33", "20"), ("12.49", "10"), ("7.77", "5.5"))
    ]
    typed = {"desc": made["code"].lower(), "subprice": 0, "qty": 1, "tva_tx": 20}
    draft = int(shop.rest("POST", "/invoices", {"socid": customer, "lines": [*lines, typed]}))
    before = total(shop, draft)
    shop.dolisync("sync")
    assert total(shop, draft) == before - 20
    rates: dict[str, Decimal] = {}
    for line in shop.rest("GET", f"/invoices/{draft}")["lines"]:
        assert made["code"].lower() not in str(line["desc"])
        rate = str(line["tva_tx"])
        rates[rate] = rates.get(rate, Decimal(0)) + Decimal(str(line["total_ttc"]))
    assert min(rates.values()) >= 0
    shop.rest("POST", f"/invoices/{draft}/validate", {})
    shop.dolisync("sync")
    card = shop.rest("GET", f"/thirdparties/{customer}")["array_options"]
    assert not card["options_loycodes"]
    shown = shop.read("voucher", "show", made["code"])
    assert (shown["balance"], [m["kind"] for m in shown["movements"]]) == (
        "0.00",
        ["issued", "used"],
    )
    assert shop.read("verify")["holds"] is True


def test_the_office_s_own_page_validates_what_a_gift_card_paid(shop: Shop, pages: Pages) -> None:
    """Dolibarr refuses a VAT rate below zero, but not where the rate is nought."""
    customer = a_customer(shop)
    card = shop.read("voucher", "issue", "--amount", "40", "--gift-card", "--reason", "live")
    lines = [
        {"desc": "Article", "subprice": "50", "qty": 1, "tva_tx": 20},
        {"desc": card["code"], "subprice": 0, "qty": 1, "tva_tx": 20},
    ]
    draft = int(shop.rest("POST", "/invoices", {"socid": customer, "lines": lines}))
    shop.dolisync("sync")
    assert total(shop, draft) == 20
    tax = Decimal(str(shop.rest("GET", f"/invoices/{draft}")["total_tva"]))
    assert tax == 10, "the tax on what is bought is due in full"
    pages.get("/compta/facture/card.php", facid=draft, action="valid", token=pages.token)
    pages.post("/compta/facture/card.php", facid=draft, action="confirm_valid", confirm="yes")
    found = shop.rest("GET", f"/invoices/{draft}")
    assert str(found.get("statut", found.get("status"))) == "1"
    shop.dolisync("sync")
    assert on_it(shop, card["code"]) == 0
    assert shop.read("verify")["holds"] is True


def test_why_not_stands_on_the_ticket(shop: Shop, pages: Pages) -> None:
    card = shop.read("voucher", "issue", "--amount", "5", "--reason", "live")
    shop.dolisync("voucher", "block", card["code"], "--reason", "stolen")
    till = pages.open_till()
    till.add(int(setting("PRODUCT", "1")))
    before = total(shop, till.invoice)
    till.free(card["code"])
    shop.dolisync("sync")
    assert "il est bloqué" in pages.get("/takepos/invoice.php", place=0)
    assert (total(shop, till.invoice), on_it(shop, card["code"])) == (before, 5)
    till.pay("LIQ")
    shop.dolisync("sync")
    assert shop.read("verify")["holds"] is True


@pytest.mark.parametrize("price", ["0", ""])
def test_a_cashier_scans_a_card_in_a_browser_and_takes_the_rest(
    shop: Shop, pages: Pages, tmp_path: Path, price: str
) -> None:
    card = shop.read("voucher", "issue", "--amount", "10", "--gift-card", "--reason", "live")
    with browsers.opened(tmp_path / "profile") as browser:
        log_in(browser, shop)
        token = open_till(browser, shop)
        act = f"invoice.php?place=0&token={token}&action="
        load(browser, f"{act}addline&idproduct={setting('PRODUCT', '1')}&qty=3")
        ticket = int(browser.wait("typeof placeid !== 'undefined' && Number(placeid)"))
        before = total(shop, ticket)
        browser.run("FreeZone()")
        box = "document.querySelector('#cboxLoadedContent iframe').contentDocument"
        browser.wait(f"{box}.querySelector('#number') !== null")
        browser.run(f"{box}.querySelector('#desc').value = '{card['code'].replace('-', '')}'")
        browser.run(f"{box}.querySelector('#number').value = '{price}'")
        browser.run(f"{box}.querySelector('input.button').click()")
        browser.wait(f"document.body.innerText.includes('{card['code'].replace('-', '')}')")
        shop.dolisync("sync")
        load(browser, "invoice.php?place=0")
        browser.wait(f"document.body.innerText.includes('...{card['code'][-4:]}')")
        (tmp_path / f"code{price}.png").write_bytes(browser.picture())
        assert total(shop, ticket) == before - 10
        load(browser, f"{act}valid&pay=LIQ&amount=0&excess=0&invoiceid={ticket}")
    shop.dolisync("sync")
    paid = shop.rest("GET", f"/invoices/{ticket}")
    assert (str(paid["paye"]), total(shop, ticket)) == ("1", before - 10)
    assert on_it(shop, card["code"]) == 0
    assert shop.read("verify")["holds"] is True
