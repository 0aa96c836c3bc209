"""Movements of points in the customer's events of a real Dolibarr."""

from __future__ import annotations

import pytest

from tests.live.pages import Pages
from tests.live.place import Shop, a_customer, an_office_invoice, setting

pytestmark = pytest.mark.live


def test_a_movement_stands_in_the_events_of_the_customer(shop: Shop) -> None:
    text = shop.config.read_text(encoding="utf-8").replace(
        "[[program]]", "events = true\n[[program]]", 1
    )
    shop.config.write_text(text, encoding="utf-8")
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    assert {one["level"] for one in shop.read("check")["findings"]} <= {"ok", "warning"}
    shop.dolisync("sync")
    customer = a_customer(shop)
    invoice = an_office_invoice(shop, customer)
    for _ in range(3):
        shop.dolisync("sync")
    ours = f"(t.code:=:'AC_LOYALTY') and (t.fk_soc:=:{customer})"
    (event,) = shop.rest("GET", f"/agendaevents?sqlfilters={ours}")
    ref = shop.rest("GET", f"/invoices/{invoice}")["ref"]
    assert f"+120 ({ref})" in event["label"]
    pages = Pages(shop.url)
    pages.log_in(setting("LOGIN"), setting("PASSWORD"))
    assert f"+120 ({ref})" in pages.get("/societe/agenda.php", socid=customer)
