"""Rewards by name through the commands: on a draft, at a till, in the account and in check."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connectors.standin import extrafields
from tests.system.place import Place

MORE = """

[[program.reward]]
name = "tenth"
title = "10 % off"
points = 200
percent = 10

[[program.reward]]
name = "bread"
title = "Free loaf"
points = 120
product = "{ref}"
stock = 5
"""


@pytest.fixture
def shop(open_shop: Place) -> Place:
    """Open a shop whose staff may ask, with a customer who has 1000 points."""
    place = open_shop
    table = place.standin.store.tables.product
    rye = place.standin.store.get(table, place.week.products["rye"])
    assert rye is not None
    text = place.config.read_text(encoding="utf-8").replace(
        "[[source]]", "[[source]]\nstaff_requests = true", 1
    )
    place.config.write_text(text + MORE.format(ref=rye["ref"]), encoding="utf-8")
    place.good("setup", "--yes")
    place.good("sync")
    has = int(place.read("balance", place.customer("alice"))["available"])
    place.good("adjust", place.customer("alice"), str(1000 - has), "--reason", "a round number")
    return place


def balance(place: Place) -> int:
    return int(place.read("balance", place.customer("alice"))["available"])


def draft(place: Place) -> int:
    rowid = int(place.standin.shop.new_invoice(place.customer("alice")))
    for price, rate in ((40, "20"), (10, "5.5")):
        place.standin.shop.add_line(rowid, None, 1, Decimal(price), tva_tx=Decimal(rate))
    return rowid


def ask(place: Place, rowid: int, what: str) -> str:
    store = place.standin.store
    extrafields.write(store, "facture", rowid, {"loyuse": what})
    place.good("sync")
    place.good("sync")
    return str(extrafields.values_of(store, "facture", [rowid])[rowid].get("loysaid"))


def total(place: Place, rowid: int) -> Decimal:
    return Decimal(place.standin.shop.invoice(rowid)["total_ttc"]).quantize(Decimal("0.01"))


def listed(place: Place, *customer: Any) -> dict[str, Any]:
    return {one["name"]: one for one in place.read("rewards", *customer)["rewards"]}


def test_a_draft_is_asked_validated_and_explained(shop: Place) -> None:
    rowid = draft(shop)
    assert total(shop, rowid) == Decimal("58.55")
    assert "taken off for 200 points" in ask(shop, rowid, "10 % o")
    # A tenth is 5.855: half a cent is rounded up.
    assert total(shop, rowid) == Decimal("52.69")
    assert "Free loaf given for 120 points" in ask(shop, rowid, "LOAF")
    assert total(shop, rowid) == Decimal("52.69")
    assert balance(shop) == 680
    shop.standin.shop.validate(rowid)
    shop.good("sync")
    assert listed(shop)["bread"]["left"] == 4
    for told in (shop.good("history", shop.customer("alice")), shop.good("explain", rowid)):
        words = " ".join(told.split())
        assert "10 % off DS-" in words
        assert "Free loaf DS-" in words
        assert max(len(line) for line in told.splitlines()) <= 80
    note = int(shop.standin.shop.credit_note(rowid))
    shop.standin.shop.validate(note)
    shop.good("sync")
    assert balance(shop) == 1000
    shop.good("verify")


def test_a_ticket_is_asked_by_a_line_of_text(shop: Place) -> None:
    till = shop.standin.shop
    ticket = int(till.pos_open(1))
    till.pos_choose(ticket, shop.customer("alice"))
    till.add_line(ticket, None, 1, Decimal(50), tva_tx=Decimal(20))
    till.pos_add(ticket, shop.week.products["rye"], 1)
    till.add_line(ticket, None, 1, Decimal(0), description="*ten", tva_tx=Decimal(20))
    for _ in range(3):
        shop.good("sync")
    assert total(shop, ticket) == Decimal("54.00")
    assert balance(shop) == 680


def test_the_catalogue_says_what_each_is(shop: Place) -> None:
    found = listed(shop, shop.customer("alice"))
    assert (found["tenth"]["percent"], found["tenth"]["amount"]) == ("10", None)
    assert found["bread"]["product"]
    told = shop.good("rewards", shop.customer("alice"))
    assert "10 %" in told
    assert max(len(line) for line in told.splitlines()) <= 80
    account = shop.good("balance", shop.customer("alice"))
    assert max(len(line) for line in account.splitlines()) <= 80


def test_on_the_card_it_is_refused_with_the_way(shop: Place) -> None:
    said = shop.bad("redeem", shop.customer("alice"), "--reward", "10 %")
    assert "percentage: known only against a document" in said
    said = shop.bad("redeem", shop.customer("alice"), "--reward", "tenht")
    assert "did you mean tenth?" in said


def test_check_says_where_they_cannot_be_had(shop: Place) -> None:
    def rewards() -> list[str]:
        return [
            f["message"]
            for f in shop.call("check", "--json").json()["findings"]
            if f["topic"] == "rewards"
        ]

    assert rewards() == []
    text = shop.config.read_text(encoding="utf-8")
    shop.change("staff_requests = true", "staff_requests = false")
    assert rewards() == ["nobody can have '10 % off', 'Free loaf': not on the card"]
    shop.config.write_text(text.replace('product = "', 'product = "NO-'), encoding="utf-8")
    (message,) = rewards()
    assert message.startswith("no product has the reference 'NO-")
