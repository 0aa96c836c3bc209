"""Two customers are merged in Dolibarr: what the command line and the cards say afterwards."""

from __future__ import annotations

import pytest

from tests.system.place import Place


@pytest.mark.parametrize("door", ["sql", "rest"])
def test_the_survivor_has_all_points_on_the_card(open_shop: Place, door: str) -> None:
    if door == "rest":
        open_shop.change('#read = "auto"', 'read = "rest"')
    alice, bruno = open_shop.customer("alice"), open_shop.customer("bruno")
    before = {who: open_shop.read("balance", who) for who in (alice, bruno)}
    open_shop.standin.shop.merge_customers(bruno, alice)
    open_shop.good("sync")
    total = sum(int(found["balance"]) for found in before.values())
    after = open_shop.read("balance", bruno)
    assert int(after["balance"]) == total
    assert int(after["earned"]) == sum(int(found["earned"]) for found in before.values())
    assert open_shop.read("balance", alice)["balance"] == "0"
    fields = open_shop.standin.shop.customer_fields(bruno)
    assert int(fields["loybalance"]) == total
    assert open_shop.read("verify")["holds"] is True
    reasons = [move["reason"] for move in open_shop.read("history", bruno)["movements"]]
    assert f"customer {alice} merged into {bruno}" in reasons
