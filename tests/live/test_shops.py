"""Warehouses on a real Dolibarr: a program for one shop counts what was taken from there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from connectors.dolibarr_database import Database, open_engine
from tests.live.place import Shop, a_customer, setting

pytestmark = pytest.mark.live

SWITCH = "STOCK_CALCULATE_ON_BILL"


@pytest.fixture
def with_stock(shop: Shop) -> Iterator[Shop]:
    """Let invoices of the office change the stock meanwhile."""
    database = Database(open_engine(setting("DATABASE_URL")))
    known = "SELECT value FROM llx_const WHERE name = %s"
    with database.reading("the switch") as reader:
        before = reader.value(known, (SWITCH,))

    def switch(value: str | None) -> None:
        with database.writing("the switch") as writer:
            writer.change("DELETE FROM llx_const WHERE name = %s", (SWITCH,))
            if value is not None:
                writer.change(
                    "INSERT INTO llx_const (name, value, entity, visible) VALUES (%s, %s, 1, 0)",
                    (SWITCH, value),
                )

    switch("1")
    yield shop
    switch(before)
    database.close()


@pytest.mark.parametrize("door", ["sql", "rest"])
def test_a_program_for_one_shop(with_stock: Shop, door: str) -> None:
    shop, mark = with_stock, f"{datetime.now(UTC):%H%M%S%f}"
    names = [f"Shop {word} {mark}" for word in ("Nord", "Sud")]
    north, south = (
        int(shop.rest("POST", "/warehouses", {"label": name, "statut": 1, "country_id": 1}))
        for name in names
    )
    text = shop.config.read_text(encoding="utf-8")
    text = text.replace("[[source]]\n", f'[[source]]\nread = "{door}"\n')
    earn = f'[program.earn]\nmoment = "validated"\nwarehouses = ["{names[0]}"]\namount = {{}}'
    shop.config.write_text(text.replace("[program.earn.amount]", earn), encoding="utf-8")
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    findings = shop.read("check")["findings"]
    assert "all 1 warehouses that the programs name exist" in {one["message"] for one in findings}
    assert not [one for one in findings if one["level"] == "error"]

    customer = a_customer(shop)
    product = {"ref": f"W{mark}", "label": "Lampe", "price": 100, "tva_tx": 20, "status": 1}
    goods = int(shop.rest("POST", "/products", product))
    sold = []
    for warehouse in (north, south):
        line = {"fk_product": goods, "subprice": 100, "qty": 1, "tva_tx": 20, "product_type": 0}
        body = {"socid": customer, "lines": [line]}
        sold.append(int(shop.rest("POST", "/invoices", body)))
        shop.rest("POST", f"/invoices/{sold[-1]}/validate", {"idwarehouse": warehouse})
    shop.dolisync("sync")
    assert int(shop.read("balance", str(customer))["balance"]) == 120
    said = shop.dolisync("explain", str(sold[1]), "--language", "en")
    assert "the program counts no sales from these warehouses" in said
    assert "Shop Sud" in said
    assert shop.read("verify")["holds"] is True
