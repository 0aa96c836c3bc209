"""Campaigns through the command line: read with the customer's card, explained, checked."""

from __future__ import annotations

from datetime import date

import pytest

from tests.system.place import Place

RULES = """
[[program.campaign]]
name = "gold"
title = "Gold customers"
multiply = 2
[program.campaign.customers]
tags = ["Gold"]
types = ["TE_PRIVATE"]
[[program.campaign]]
name = "birthday"
title = "Happy birthday"
bonus = 100
birthday = "month"
[[program.campaign]]
name = "idle"
title = "Says nothing"
[program.campaign.articles]
references = ["CROISSANT*"]

[[program.reward]]
"""


@pytest.fixture
def with_campaigns(ready: Place) -> Place:
    shop = ready.standin.shop
    shop.add_extra_field("societe", "born", type="date", label="Born")
    ready.change('name = "shop"\n', 'name = "shop"\nbirthday_field = "born"\n')
    ready.change("\n[[program.reward]]\n", RULES)
    return ready


def test_what_the_card_says_counts_and_is_explained(with_campaigns: Place) -> None:
    place, shop = with_campaigns, with_campaigns.standin.shop
    alice = place.customer("alice")
    shop.change_customer(alice, fk_typent=8)
    shop.tag_customer(alice, shop.add_category("Gold", "customer"))
    today = shop.store.local().date()
    shop.set_customer_fields(alice, born=date(1980, today.month, 15))
    product = shop.add_product("GINGER", "Ginger", price_ttc=10)
    sold = shop.sell(alice, [product])
    place.good("sync")

    ref = shop.store.get(shop.tables.facture, sold)["ref"]
    text = place.good("explain", ref)
    assert "Happy birthday: 100 points more, a bonus of 100" in text
    assert "Gold customers: it holds, but Happy birthday counts instead" in text
    assert "Says nothing: nothing of what it is for was bought" in text
    assert max(map(len, text.splitlines())) <= 80
    (document,) = place.read("explain", ref)["documents"]
    (program,) = document["programs"]
    codes = [reason["code"] for reason in program["reasons"]]
    assert {"campaign_bonus", "campaign_beaten", "campaign_articles"} <= set(codes)
    assert program["points"] == "110"
    assert place.read("verify")["holds"] is True


def test_check_says_what_of_campaigns_cannot_be_read(with_campaigns: Place) -> None:
    found = {
        entry["message"] for entry in with_campaigns.call("check", "--json").json()["findings"]
    }
    assert "no customer has the tag 'Gold': there is none of that name in Dolibarr" in found
    assert "the campaign 'idle' of loyalty gives nothing" in found
    with_campaigns.change('"born"', '"nosuchfield"')
    found = {
        entry["message"] for entry in with_campaigns.call("check", "--json").json()["findings"]
    }
    assert any("nosuchfield" in message for message in found)
