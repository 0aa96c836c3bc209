"""Campaigns on a real Dolibarr: what stands on the customer's card leads to the right points."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.live.place import Shop, a_customer, an_office_invoice

pytestmark = pytest.mark.live

RULES = """
[program.campaigns]
combine = "add"
[[program.campaign]]
name = "friends"
title = "Friends of the house"
multiply = 3
[program.campaign.customers]
tags = ["{tag}"]
types = ["TE_PRIVATE"]
[[program.campaign]]
name = "welcome"
title = "Welcome"
bonus = 50
first_purchase = true
[program.validity]"""

TOUR = """
[[program.campaign]]
name = "tour"
title = "Once round the shop"
[program.campaign.challenge]
tags = ["Tea {mark}", "Cakes {mark}"]
badge = "Gourmet"
[program.validity]"""


def write_rules(shop: Shop, rules: str) -> None:
    text = shop.config.read_text(encoding="utf-8")
    shop.config.write_text(text.replace("[program.validity]", rules.lstrip()), encoding="utf-8")


def a_product(shop: Shop, ref: str, tag: int) -> int:
    body = {"ref": ref, "label": ref, "price": 100, "tva_tx": 20, "status": 1}
    product = int(shop.rest("POST", "/products", body))
    shop.rest("POST", f"/categories/{tag}/objects/product/{product}", {})
    return product


def a_tag(shop: Shop, label: str, **more: object) -> int:
    return int(shop.rest("POST", "/categories", {"label": label, "type": "product", **more}))


def all_back(shop: Shop, customer: int, invoice: int, product: int) -> None:
    line = {"desc": "Retour", "subprice": -100, "qty": 1, "tva_tx": 20, "fk_product": product}
    body = {"socid": customer, "type": 2, "fk_facture_source": invoice, "lines": [line]}
    note = int(shop.rest("POST", "/invoices", body))
    shop.rest("POST", f"/invoices/{note}/validate", {})


def test_a_badge_for_what_was_bought_in_two_tags(shop: Shop) -> None:
    mark = f"{datetime.now(UTC):%H%M%S%f}"
    write_rules(shop, TOUR.format(mark=mark))
    tea = a_tag(shop, f"Tea {mark}")
    green = a_product(shop, f"GREEN{mark}", a_tag(shop, f"Green tea {mark}", fk_parent=tea))
    cake = a_product(shop, f"CAKE{mark}", a_tag(shop, f"Cakes {mark}"))
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    findings = {one["message"] for one in shop.read("check")["findings"]}
    assert "all 2 tags that the programs name exist" in findings
    customer = a_customer(shop)

    def badge() -> object:
        shop.dolisync("sync")
        card = shop.rest("GET", f"/thirdparties/{customer}")["array_options"]
        return card.get("options_loybadges") or None

    first = an_office_invoice(shop, customer, green)
    assert badge() is None
    said = shop.dolisync("explain", str(first), "--language", "en")
    assert f"bought in 1 of 2 tags in all, not yet in Cakes {mark}" in " ".join(said.split())
    second = an_office_invoice(shop, customer, cake)
    assert badge() == "Gourmet"
    assert "the badge is Gourmet" in shop.dolisync("explain", str(second), "--language", "en")
    all_back(shop, customer, second, cake)
    assert badge() is None
    assert shop.read("verify")["holds"] is True


def test_a_tag_given_by_staff_and_the_first_purchase(shop: Shop) -> None:
    tag = f"Friends {datetime.now(UTC):%H%M%S%f}"
    write_rules(shop, RULES.format(tag=tag))
    above = int(shop.rest("POST", "/categories", {"label": tag, "type": "customer"}))
    below = {"label": f"{tag} of old", "type": "customer", "fk_parent": above}
    category = int(shop.rest("POST", "/categories", below))
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    findings = shop.read("check")["findings"]
    assert "all 1 tags that the programs name exist" in {one["message"] for one in findings}

    friend, stranger = a_customer(shop), a_customer(shop)
    shop.rest("PUT", f"/thirdparties/{friend}", {"typent_id": 8})
    shop.rest("POST", f"/categories/{category}/objects/customer/{friend}", {})
    for customer in (friend, stranger):
        an_office_invoice(shop, customer)
        second = an_office_invoice(shop, customer)
    shop.dolisync("sync")

    found = [int(shop.read("balance", str(one))["balance"]) for one in (friend, stranger)]
    assert found == [2 * 360 + 50, 2 * 120 + 50]
    said = shop.dolisync("explain", str(second), "--language", "en")
    assert "Friends of the house: for other customers, by type: TE_PRIVATE" in said
    assert "Welcome: it is not the first purchase" in said
    assert shop.read("verify")["holds"] is True
