"""Claims through the command line: a receipt of nobody, its code, and the one who comes with it."""

from __future__ import annotations

import re

from tests.system.place import Place


def sold(place: Place) -> str:
    """Sell to nobody at the till, and let the ledger read it; return the ticket's number."""
    shop = place.standin.shop
    ticket = shop.pos_sell([place.week.products["rye"]], None, "LIQ")
    place.good("sync")
    return str(shop.invoice(ticket)["ref"])


def test_a_receipt_is_claimed_once_and_the_claim_taken_back(open_shop: Place) -> None:
    place, alice = open_shop, str(open_shop.customer("alice"))
    ref = sold(place)
    assert place.read("receipt", ref)["claim"] is None
    assert "there is no section [claims]" in place.bad("claim", "2Y7K-Q2M9-X", "--customer", alice)

    text = place.config.read_text(encoding="utf-8")
    place.config.write_text(f"{text}\n[claims]\ndays = 30\n", encoding="utf-8")
    place.good("sync")
    code = place.read("receipt", ref)["claim"]["code"]
    printed = place.good("receipt", ref, "--width", "58")
    assert f"{code}\n" in printed
    assert "show this code" in " ".join(printed.split())
    assert max(len(line) for line in printed.splitlines()) <= 32
    page = place.good("receipt", ref, "--html")
    assert code in page
    assert '<svg viewBox="0 0' in page

    wrong = code[:-1] + ("2" if code[-1] != "2" else "3")
    assert "no receipt has this code" in place.bad("claim", wrong, "--customer", alice)
    before = place.read("balance", alice)["balance"]
    nobody = str(place.standin.pos_customer)
    assert "takes no part" in place.bad("claim", code, "--customer", nobody)
    said = place.good("claim", code.lower(), "--customer", alice)
    assert said.startswith(f"{ref} of ")
    assert "+4 points" in said
    assert int(place.read("balance", alice)["balance"]) == int(before) + 4
    assert "is his already" in place.bad("claim", code, "--customer", alice)
    assert f"kept with customer {alice}" in place.good("explain", ref)
    assert place.read("receipt", ref)["claim"] is None
    assert place.read("receipt", ref)["points"][0]["earned"] == "4"
    place.good("sync")
    assert place.read("verify")["holds"] is True

    (token,) = re.findall(r"undo (B-\w+)", said)
    place.good("undo", token, "--yes")
    assert place.read("balance", alice)["balance"] == before
    again = place.read("claim", code, "--customer", alice)
    assert again["points"] == {"loyalty": "4"}
    assert place.read("verify")["holds"] is True
