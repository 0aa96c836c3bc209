"""Points taken off a draft of a real Dolibarr: asked for on it, to the cent, and followed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.live.pages import Pages
from tests.live.place import Shop, a_customer, setting

pytestmark = pytest.mark.live

MIXED = ((Decimal("33.33"), "20"), (Decimal("12.49"), "10"), (Decimal("7.77"), "5.5"))


@pytest.fixture
def pages(shop: Shop) -> Pages:
    text = shop.config.read_text(encoding="utf-8")
    text = text.replace(
        "[[program]]", 'staff_requests = true\n[[program]]\npoint_value = "0.05"', 1
    )
    shop.config.write_text(text, encoding="utf-8")
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    pages = Pages(shop.url)
    pages.log_in(setting("LOGIN"), setting("PASSWORD"))
    return pages


def a_rich_customer(shop: Shop, points: int) -> int:
    customer = a_customer(shop)
    shop.dolisync("adjust", str(customer), str(points), "--reason", "live")
    return customer


def a_draft(shop: Shop, customer: int) -> int:
    lines = [
        {"desc": f"Article {rate}", "subprice": str(net), "qty": 1, "tva_tx": rate}
        for net, rate in MIXED
    ]
    return int(shop.rest("POST", "/invoices", {"socid": customer, "lines": lines}))


def document(shop: Shop, rowid: int) -> dict[str, object]:
    return dict(shop.rest("GET", f"/invoices/{rowid}"))


def total(shop: Shop, rowid: int) -> Decimal:
    return Decimal(str(document(shop, rowid)["total_ttc"])).quantize(Decimal("0.01"))


def answer(shop: Shop, rowid: int) -> str:
    options = document(shop, rowid)["array_options"]
    assert isinstance(options, dict)
    assert not options.get("options_loyuse")
    return str(options["options_loysaid"])


def balance(shop: Shop, customer: int) -> int:
    return int(shop.read("balance", str(customer))["balance"])


def ask(shop: Shop, pages: Pages, rowid: int, what: str) -> str:
    pages.edit_field("invoice", rowid, "loyuse", what)
    shop.dolisync("sync")
    shop.dolisync("sync")
    return answer(shop, rowid)


def rates(shop: Shop, rowid: int) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    lines = document(shop, rowid)["lines"]
    assert isinstance(lines, list)
    for line in lines:
        rate = str(Decimal(str(line["tva_tx"])).normalize())
        found[rate] = found.get(rate, Decimal(0)) + Decimal(str(line["total_ttc"]))
    return found


def test_an_amount_is_taken_off_each_rate_and_paid_when_validated(shop: Shop, pages: Pages) -> None:
    customer = a_rich_customer(shop, 500)
    draft = a_draft(shop, customer)
    before = total(shop, draft)
    said = ask(shop, pages, draft, "10 EUR")
    assert "10,00" in said
    assert total(shop, draft) == before - 10
    assert balance(shop, customer) == 300
    assert min(rates(shop, draft).values()) >= 0
    assert "200" in said or "300" in said

    shop.rest("POST", f"/invoices/{draft}/validate", {})
    shop.dolisync("sync")
    assert balance(shop, customer) == 300
    assert shop.read("verify")["holds"] is True


def test_all_that_fits_and_no_more_points_than_that_needs(shop: Shop, pages: Pages) -> None:
    customer = a_rich_customer(shop, 5000)
    draft = a_draft(shop, customer)
    before = total(shop, draft)
    ask(shop, pages, draft, "max")
    assert total(shop, draft) == 0
    assert min(rates(shop, draft).values()) >= 0
    assert balance(shop, customer) == 5000 - int(before / Decimal("0.05") + Decimal("0.99"))
    shop.rest("POST", f"/invoices/{draft}/validate", {})
    shop.dolisync("sync")
    assert shop.read("verify")["holds"] is True


def test_taken_off_again_and_a_draft_that_is_deleted_give_all_back(
    shop: Shop, pages: Pages
) -> None:
    customer = a_rich_customer(shop, 500)
    draft = a_draft(shop, customer)
    before = total(shop, draft)
    ask(shop, pages, draft, "100")
    assert (total(shop, draft), balance(shop, customer)) == (before - 5, 400)
    ask(shop, pages, draft, "0")
    assert (total(shop, draft), balance(shop, customer)) == (before, 500)
    # The same words within ten minutes would be the same request once more.
    ask(shop, pages, draft, "120")
    assert balance(shop, customer) == 380
    shop.rest("DELETE", f"/invoices/{draft}")
    shop.dolisync("sync")
    assert balance(shop, customer) == 500
    assert shop.read("verify")["holds"] is True


def test_a_line_that_staff_change_is_taken_off_and_said(shop: Shop, pages: Pages) -> None:
    customer = a_rich_customer(shop, 500)
    draft = a_draft(shop, customer)
    before = total(shop, draft)
    ask(shop, pages, draft, "200")
    lines = document(shop, draft)["lines"]
    assert isinstance(lines, list)
    ours = [line for line in lines if "DS-" in str(line["desc"])]
    assert len(ours) == len(MIXED)
    shop.rest("DELETE", f"/invoices/{draft}/lines/{ours[0]['id']}")
    shop.dolisync("sync")
    shop.dolisync("sync")
    assert (total(shop, draft), balance(shop, customer)) == (before, 500)
    assert "DS-" in answer(shop, draft)


def test_who_has_too_few_points_is_told_so(shop: Shop, pages: Pages) -> None:
    customer = a_rich_customer(shop, 30)
    draft = a_draft(shop, customer)
    before = total(shop, draft)
    said = ask(shop, pages, draft, "400")
    assert "30" in said
    assert (total(shop, draft), balance(shop, customer)) == (before, 30)


def test_the_terms_of_the_program_hold_on_a_draft(shop: Shop, pages: Pages) -> None:
    redeem = "[program.redeem]\nminimum = 100\nstep = 50\nmax_share = 50\nwith_discounts = false\n"
    text = shop.config.read_text(encoding="utf-8")
    shop.config.write_text(text.replace("[[program.reward]]", f"{redeem}[[program.reward]]", 1))
    poor, rich = a_rich_customer(shop, 99), a_rich_customer(shop, 5000)
    assert "100" in ask(shop, pages, a_draft(shop, poor), "max")
    draft = a_draft(shop, rich)
    before = total(shop, draft)
    ask(shop, pages, draft, "max")
    taken = before - total(shop, draft)
    # Half of 61.93 is 30.96: twelve steps of 2.50.
    assert (before, taken, balance(shop, rich)) == (Decimal("61.94"), Decimal(30), 4400)
    reduced = a_draft(shop, rich)
    line = {"desc": "Promo", "subprice": 10, "qty": 1, "tva_tx": 20, "remise_percent": 5}
    shop.rest("POST", f"/invoices/{reduced}/lines", line)
    assert "remise" in ask(shop, pages, reduced, "100")
    assert balance(shop, rich) == 4400
    assert shop.read("verify")["holds"] is True
