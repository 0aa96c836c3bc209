"""The whole path on a real Dolibarr: an office invoice, a sale at the till, points on the card.

Environment: DOLISYNC_LIVE_URL, _KEY, _DATABASE_URL, and for the pages _LOGIN, _PASSWORD,
_POS_CUSTOMER (the till's default customer), _PRODUCT (a product to sell; 1 if left out),
_TIMEZONE (PHP's; told by version 20 and later).
"""

from __future__ import annotations

import pytest

from tests.live.pages import Pages
from tests.live.place import Shop, a_customer, an_office_invoice, setting

pytestmark = pytest.mark.live


def test_office_and_till_sales_reach_the_customer_card(shop: Shop) -> None:
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    customer = a_customer(shop)
    an_office_invoice(shop, customer)
    pages = Pages(shop.url)
    pages.log_in(setting("LOGIN"), setting("PASSWORD"))
    till = pages.open_till()
    till.add(int(setting("PRODUCT", "1")), 10)
    till.choose(customer)
    till.pay("LIQ")

    shop.dolisync("sync")

    ticket = shop.rest("GET", f"/invoices/{till.invoice}")
    earned = 120 + int(float(ticket["total_ttc"]))
    card = pages.customer_card(customer)
    assert "Points de fidélité" in card
    assert f">{earned}<" in card.replace(" ", "").replace("\n", ""), "the card shows the balance"
    assert ticket["ref"] in card
    assert shop.dolisync("verify")
    assert ticket["ref"] in shop.dolisync("receipt", ticket["ref"])


def test_a_second_turn_changes_nothing(shop: Shop) -> None:
    shop.dolisync("db", "upgrade")
    an_office_invoice(shop, a_customer(shop))
    shop.dolisync("sync")
    assert "nothing new" in shop.dolisync("sync")


def test_a_discount_bought_with_points_stands_on_the_card_and_is_revoked(shop: Shop) -> None:
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    customer = a_customer(shop)
    an_office_invoice(shop, customer)
    shop.dolisync("sync")
    redeemed = shop.dolisync("redeem", str(customer))
    token = next(word for word in redeemed.split() if word.startswith("DS-"))
    pages = Pages(shop.url)
    pages.log_in(setting("LOGIN"), setting("PASSWORD"))
    assert token in pages.get("/comm/remx.php", id=customer)
    shop.dolisync("redeem", "--revoke", token)
    assert token not in pages.get("/comm/remx.php", id=customer)
    assert '"balance": "120"' in shop.dolisync("balance", str(customer), "--json").replace(
        '"balance": 120', '"balance": "120"'
    )
