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


def test_a_tag_given_by_staff_and_the_first_purchase(shop: Shop) -> None:
    tag = f"Friends {datetime.now(UTC):%H%M%S%f}"
    text = shop.config.read_text(encoding="utf-8")
    changed = text.replace("[program.validity]", RULES.format(tag=tag).lstrip())
    shop.config.write_text(changed, encoding="utf-8")
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
