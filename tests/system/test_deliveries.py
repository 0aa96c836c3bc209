"""A program that waits for deliveries, through the command line and both doors."""

from __future__ import annotations

import pytest

from tests.system.place import Place


@pytest.fixture(params=["sql", "rest"])
def waiting(ready: Place, request: pytest.FixtureRequest) -> Place:
    ready.change('name = "shop"\n', f'name = "shop"\nread = "{request.param}"\n')
    ready.change('moment = "paid"', 'moment = "delivered"')
    return ready


def ordered(place: Place, customer: int) -> tuple[int, int]:
    """Order for 20, and invoice it."""
    shop = place.standin.shop
    order = shop.new_order(customer)
    shop.add_order_line(order, shop.add_product(f"L{order}", "Lamp", price=20, tva_tx=0))
    shop.validate_order(order)
    invoice = shop.invoice_from_order(order)
    shop.validate(invoice)
    return order, invoice


def points(place: Place, customer: int) -> tuple[str, str]:
    told = place.read("balance", customer)
    return told["balance"], told["pending"]


def test_points_are_pending_until_the_order_is_delivered(waiting: Place) -> None:
    shop = waiting.standin.shop
    alice = shop.add_customer("Alice")
    order, invoice = ordered(waiting, alice)
    waiting.good("sync")
    assert points(waiting, alice) == ("0", "20")
    ref = shop.invoice(invoice)["ref"]
    assert "not delivered yet: 20 points are pending" in waiting.good("explain", ref)
    said = waiting.good("balance", alice)
    assert "in sales that are not delivered yet" in said
    assert max(map(len, said.splitlines())) <= 80

    shop.close_order(order)
    waiting.good("sync")
    assert points(waiting, alice) == ("20", "0")
    shop.reopen_order(order)
    waiting.good("sync")
    assert points(waiting, alice) == ("0", "20")
    shop.close_order(order)
    waiting.good("sync")
    assert points(waiting, alice) == ("20", "0")
    assert "0 changed, 0 vanished" in waiting.good("reconcile")
    assert waiting.read("verify")["holds"] is True


def test_an_invoice_without_an_order_is_handed_over_at_once(waiting: Place) -> None:
    shop = waiting.standin.shop
    alice = shop.add_customer("Alice")
    product = shop.add_product("T1", "Tea", price_ttc=10)
    shop.sell(alice, [product])
    waiting.good("sync")
    assert points(waiting, alice) == ("10", "0")


def test_a_backfill_says_what_waits(waiting: Place) -> None:
    alice = waiting.standin.shop.add_customer("Alice")
    ordered(waiting, alice)
    said = waiting.good("backfill", "run", "--from", "2020-01-01", "--yes")
    assert "points are pending until their sales are delivered" in said


def test_what_if_we_waited_for_deliveries(ready: Place) -> None:
    ready.good("sync")
    alice = ready.standin.shop.add_customer("Alice")
    _order, invoice = ordered(ready, alice)
    ready.standin.shop.pay(invoice)
    ready.good("sync")
    assert points(ready, alice) == ("20", "0")
    other = ready.folder / "new.toml"
    text = ready.config.read_text(encoding="utf-8")
    other.write_text(text.replace('"paid"', '"delivered"'), encoding="utf-8")
    other.chmod(0o600)
    (figures,) = ready.read("simulate", other)["programs"]
    assert {"customer": alice, "source": "shop", "points": "-20"} in figures["members"]


def test_check_tells_the_rights(waiting: Place) -> None:
    found = waiting.call("check", "--json").json()["findings"]
    levels = {one["message"]: one["level"] for one in found if one["topic"] == "deliveries"}
    by_rest = 'read = "rest"' in waiting.config.read_text(encoding="utf-8")
    expected = {"the key reads orders": "ok", "the key reads shipments": "ok"}
    assert levels == (expected if by_rest else {})
    if by_rest:
        waiting.environment["DOLIBARR_API_KEY"] = waiting.standin.least_key
        found = waiting.call("check", "--json").json()["findings"]
        (error,) = [one for one in found if "may not read orders" in one["message"]]
        assert error["level"] == "error"
        assert "read sales orders (81)" in error["remedy"]


def test_without_the_right_nothing_is_given_away(ready: Place) -> None:
    ready.change('name = "shop"\n', 'name = "shop"\nread = "rest"\n')
    ready.change('moment = "paid"', 'moment = "delivered"')
    ordered(ready, ready.standin.shop.add_customer("Alice"))
    ready.environment["DOLIBARR_API_KEY"] = ready.standin.least_key
    said = ready.call("sync")
    assert said.code != 0
    assert "read sales orders (81)" in said.err
