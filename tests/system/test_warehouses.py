"""Programs and campaigns for some warehouses, through the command line and both doors."""

from __future__ import annotations

import pytest

from tests.system.place import Place

CAMPAIGN = """
[[program.campaign]]
name = "opening"
title = "New shop"
bonus = 7
warehouses = ["Shop Sud"]

[[program.reward]]
"""


@pytest.mark.parametrize("door", ["sql", "rest"])
def test_a_program_for_two_shops_and_a_campaign_in_one(ready: Place, door: str) -> None:
    ready.change('name = "shop"\n', f'name = "shop"\nread = "{door}"\n')
    shops = 'warehouses = ["Shop Nord", "shop sud"]'
    ready.change('moment = "paid"', f'moment = "paid"\n{shops}')
    ready.change("\n[[program.reward]]\n", CAMPAIGN)
    shop = ready.standin.shop
    north, south, store = (shop.add_warehouse(one) for one in ("Shop Nord", "Shop Sud", "Réserve"))
    shop.set_const("STOCK_CALCULATE_ON_BILL", "1")
    shop.set_const("CASHDESK_ID_WAREHOUSE1", str(south))
    product = shop.add_product("LAMP", "Lamp", price_ttc=10)
    alice = shop.add_customer("Alice")

    def sold(warehouse: int) -> str:
        invoice = shop.new_invoice(alice)
        shop.add_line(invoice, product)
        ref = shop.validate(invoice, warehouse=warehouse)
        shop.pay(invoice)
        return str(ref)

    of_north, of_store, of_none = sold(north), sold(store), sold(0)
    shop.pos_sell([product], alice)
    ready.good("sync")
    assert ready.read("balance", alice)["balance"] == str(10 + 10 + 7)
    assert "New shop: not from these warehouses (Shop Nord)" in ready.good("explain", of_north)
    refused = "the program counts no sales from these warehouses"
    assert f"{refused}: Réserve" in ready.good("explain", of_store)
    said = ready.good("explain", of_none)
    assert f"{refused}: none" in said
    assert max(map(len, said.splitlines())) <= 80
    assert "0 changed, 0 vanished" in ready.good("reconcile")
    assert ready.read("verify")["holds"] is True


def test_check_names_a_warehouse_that_is_not_there(ready: Place) -> None:
    ready.change('moment = "paid"', 'moment = "paid"\nwarehouses = ["Shop Nord", "Shop Est"]')
    ready.standin.shop.add_warehouse("Shop Nord")
    found = ready.call("check", "--json").json()["findings"]
    told = {one["message"]: one["level"] for one in found if one["topic"] == "warehouses"}
    assert told["there is no warehouse 'Shop Est' in Dolibarr: no sale is from there"] == "error"
    ready.standin.shop.add_warehouse("Shop Est")
    found = ready.call("check", "--json").json()["findings"]
    told = {one["message"]: one["level"] for one in found if one["topic"] == "warehouses"}
    assert told["all 2 warehouses that the programs name exist"] == "ok"
