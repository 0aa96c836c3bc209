"""Rewards by name on a real Dolibarr (D5): on drafts, on the card and at the till."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.live.pages import Pages
from tests.live.place import Shop, setting
from tests.live.test_drafts import a_draft, a_rich_customer, ask, balance, document, rates, total

pytestmark = pytest.mark.live

REWARDS = """
[[program.reward]]
name = "tenth"
title = "Un dixième"
points = 200
percent = 10
at_most = 20

[[program.reward]]
name = "mug"
title = "Tasse à café"
points = 120
product = "LIVEMUG"
stock = 3
"""
D = Decimal


@pytest.fixture
def mug(shop: Shop) -> int:
    """Make the article that points buy, unless an earlier run did."""
    if shop.is_there("/products/ref/LIVEMUG"):
        return int(shop.rest("GET", "/products/ref/LIVEMUG")["id"])
    card = {"ref": "LIVEMUG", "label": "Tasse", "price": 9, "tva_tx": 20, "status": 1}
    return int(shop.rest("POST", "/products", card))


@pytest.fixture
def pages(shop: Shop, mug: int) -> Pages:
    text = shop.config.read_text(encoding="utf-8")
    text = text.replace("[[program]]", "staff_requests = true\ntill_line = true\n[[program]]", 1)
    shop.config.write_text(text + REWARDS, encoding="utf-8")
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    pages = Pages(shop.url)
    pages.log_in(setting("LOGIN"), setting("PASSWORD"))
    return pages


def lines(shop: Shop, rowid: int, product: int) -> list[tuple[Decimal, Decimal, Decimal]]:
    """Return quantity, percentage off and total of the lines of an article."""
    found = document(shop, rowid)["lines"]
    assert isinstance(found, list)
    return [
        (D(str(one["qty"])), D(str(one["remise_percent"])), D(str(one["total_ttc"])))
        for one in found
        if int(one["fk_product"] or 0) == product
    ]


def give_back(shop: Shop, invoice: int) -> None:
    """Credit an invoice whole, with the lines that Dolibarr's own form copies."""
    found = document(shop, invoice)
    sold = found["lines"]
    assert isinstance(sold, list)
    names = ("qty", "tva_tx", "remise_percent", "fk_product", "desc", "product_type")
    copied = [
        {**{name: one[name] for name in names}, "subprice": str(-D(str(one["subprice"])))}
        for one in sold
    ]
    body = {"socid": found["socid"], "type": 2, "fk_facture_source": invoice, "lines": copied}
    note = int(shop.rest("POST", "/invoices", body))
    shop.rest("POST", f"/invoices/{note}/validate", {})
    shop.dolisync("sync")


def test_a_percentage_by_its_name_follows_the_draft_and_is_paid(shop: Shop, pages: Pages) -> None:
    customer = a_rich_customer(shop, 500)
    draft = a_draft(shop, customer)
    before = total(shop, draft)
    said = ask(shop, pages, draft, "UN DIXIEME")
    tenth = (before / 10).quantize(D("0.01"))
    assert total(shop, draft) == before - tenth
    assert min(rates(shop, draft).values()) >= 0
    assert (balance(shop, customer), "200" in said) == (300, True)
    more = {"desc": "Encore", "subprice": 50, "qty": 1, "tva_tx": 20}
    shop.rest("POST", f"/invoices/{draft}/lines", more)
    shop.dolisync("sync")
    shop.dolisync("sync")
    now = before + 60
    assert total(shop, draft) == now - (now / 10).quantize(D("0.01"))
    shop.rest("POST", f"/invoices/{draft}/validate", {})
    shop.dolisync("sync")
    assert balance(shop, customer) == 300
    assert "Un dixième DS-" in shop.dolisync("history", str(customer))
    assert "Un dixième DS-" in shop.dolisync("explain", str(draft))
    give_back(shop, draft)
    assert balance(shop, customer) == 500
    assert shop.read("verify")["holds"] is True


def test_an_article_by_its_name_is_a_line_without_price(shop: Shop, pages: Pages, mug: int) -> None:
    customer = a_rich_customer(shop, 500)
    draft = a_draft(shop, customer)
    before = total(shop, draft)
    said = ask(shop, pages, draft, "tasse")
    assert lines(shop, draft, mug) == [(1, 100, 0)]
    assert (total(shop, draft), balance(shop, customer)) == (before, 380)
    assert "Tasse à café" in said
    ask(shop, pages, draft, "0")
    assert (lines(shop, draft, mug), balance(shop, customer)) == ([], 500)
    paid = {"fk_product": mug, "desc": "Tasse", "subprice": 9, "qty": 1, "tva_tx": 20}
    shop.rest("POST", f"/invoices/{draft}/lines", {**paid, "remise_percent": 0})
    ask(shop, pages, draft, "mug")
    assert lines(shop, draft, mug) == [(1, 100, 0)]
    assert (total(shop, draft), balance(shop, customer)) == (before, 380)
    shop.rest("POST", f"/invoices/{draft}/validate", {})
    shop.dolisync("sync")
    assert balance(shop, customer) == 380
    found = {one["name"]: one for one in shop.read("rewards")["rewards"]}
    assert found["mug"]["left"] == 2
    give_back(shop, draft)
    assert balance(shop, customer) == 500
    assert shop.read("verify")["holds"] is True


def test_a_wrong_name_is_told_the_nearest(shop: Shop, pages: Pages) -> None:
    customer = a_rich_customer(shop, 500)
    draft = a_draft(shop, customer)
    assert "Tasse à café ?" in ask(shop, pages, draft, "tase a cafe")
    pages.edit_field("customer", customer, "loyredeem", "dixieme")
    shop.dolisync("sync")
    card = shop.rest("GET", f"/thirdparties/{customer}")["array_options"]
    assert "brouillon" in card["options_loyanswer"]
    assert balance(shop, customer) == 500
    assert "Tasse à café (120 points)" in card["options_loynext"]


def test_at_the_till_by_a_line_and_by_ringing_it_up(shop: Shop, pages: Pages, mug: int) -> None:
    customer = a_rich_customer(shop, 400)
    till = pages.open_till()
    till.add(int(setting("PRODUCT", "1")), 3)
    till.add(mug)
    till.choose(customer)
    shop.dolisync("sync")
    assert lines(shop, till.invoice, mug) == [(1, 100, 0)]
    goods = total(shop, till.invoice)
    assert balance(shop, customer) == 280
    screen = pages.get("/takepos/invoice.php", place=0)
    assert "120 points" in screen
    till.free("*dixi")
    shop.dolisync("sync")
    shop.dolisync("sync")
    tenth = min((goods / 10).quantize(D("0.01")), D(20))
    assert total(shop, till.invoice) == goods - tenth
    assert balance(shop, customer) == 80
    screen = pages.get("/takepos/invoice.php", place=0)
    assert "Un dixième DS-" in screen
    assert "*dixi" not in screen
    till.pay("LIQ")
    shop.dolisync("sync")
    assert balance(shop, customer) == 80 + int(goods - tenth)
    till.credit_note(till.invoice)
    shop.dolisync("sync")
    assert balance(shop, customer) == 400
    assert shop.read("verify")["holds"] is True
