"""Tags, tiers and points of products set by staff in Dolibarr's own pages lead to the right points.

A sale of this shop is two teas of 12.00 with 7 points each, and a book that earns nothing: 38.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from tests.live.pages import Pages
from tests.live.place import Shop, a_customer, setting

pytestmark = pytest.mark.live

RULES = """
product = {{ field = "loypoints" }}
[[program.earn.leave_out]]
tags = ["{books}"]
[program.tiers]
tags = true
[[program.tier]]
name = "silver"
title = "{silver}"
at_least = 500
multiplier = 2
[[program.tier]]
name = "gold"
title = "Gold"
tag = "{gold}"
at_least = 1500
multiplier = 3
[[program.campaign]]
name = "friends"
title = "Friends"
multiply = 2
[program.campaign.customers]
tags = ["{friends}"]
[program.validity]"""
PLAIN = 38


@dataclass
class Counter:
    """A shop, and a clerk who is logged in."""

    shop: Shop
    pages: Pages
    tea: int
    book: int
    tags: dict[str, int]

    def sell(self, customer: int) -> None:
        """Write an invoice for two teas and a book, and take the money."""
        rest = self.shop.rest
        lines = [
            {"fk_product": product, "qty": quantity, "subprice": 10, "tva_tx": 20}
            for product, quantity in ((self.tea, 2), (self.book, 1))
        ]
        invoice = int(rest("POST", "/invoices", {"socid": customer, "lines": lines}))
        rest("POST", f"/invoices/{invoice}/validate", {})
        account = int(rest("GET", "/bankaccounts")[0]["id"])
        paid_at = int(rest("GET", f"/invoices/{invoice}")["date"]) + 43200
        payment = {"datepaye": str(paid_at), "paymentid": 4, "closepaidinvoices": "yes"}
        rest("POST", f"/invoices/{invoice}/payments", {**payment, "accountid": account})
        self.sync()

    def sync(self) -> None:
        self.shop.dolisync("sync")

    def balance(self, customer: int) -> int:
        return int(self.shop.read("balance", str(customer))["balance"])

    def borne(self, customer: int) -> set[str]:
        found = self.shop.rest("GET", f"/thirdparties/{customer}/categories")
        return {row["label"] for row in found}

    def tier(self, customer: int) -> str | None:
        held = self.shop.read("tier", str(customer))["tier"]
        return held["name"] if held else None


@pytest.fixture
def counter(shop: Shop) -> Counter:
    mark = f"{datetime.now(UTC):%H%M%S%f}"
    names = {name: f"{name} {mark}" for name in ("books", "silver", "gold", "friends")}
    text = shop.config.read_text(encoding="utf-8")
    rules = RULES.format(**names).lstrip()
    text = text.replace("[program.earn.amount]", "[program.earn]\namount = {}")
    shop.config.write_text(text.replace("[program.validity]", rules), encoding="utf-8")
    tags = {
        name: int(shop.rest("POST", "/categories", {"label": names[name], "type": kind}))
        for name, kind in (("books", "product"), ("friends", "customer"))
    }
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    assert {one["level"] for one in shop.read("check")["findings"]} <= {"ok", "warning"}
    made = shop.rest("GET", "/categories?type=customer&limit=1000")
    tags |= {n: int(row["id"]) for row in made for n in names if row["label"] == names[n]}
    pages = Pages(shop.url)
    pages.log_in(setting("LOGIN"), setting("PASSWORD"))
    tea, book = (
        int(
            shop.rest(
                "POST",
                "/products",
                {"ref": f"{word}{mark}", "label": word, "price": 10, "tva_tx": 20, "status": 1},
            )
        )
        for word in ("TEA", "BOOK")
    )
    return Counter(shop, pages, tea, book, tags)


def test_what_staff_set_in_dolibarrs_pages(counter: Counter) -> None:
    pages, tags = counter.pages, counter.tags
    pages.edit_product(counter.tea, loypoints="7")
    pages.edit_product(counter.book, add=[tags["books"]])
    customer = a_customer(counter.shop)
    counter.sell(customer)
    expected = PLAIN
    assert counter.balance(customer) == expected

    pages.tag_customer(customer, add=[tags["friends"]])
    counter.sell(customer)
    expected += 2 * PLAIN
    assert counter.balance(customer) == expected

    pages.tag_customer(customer, add=[tags["gold"]])
    counter.sync()
    assert counter.tier(customer) == "gold"
    counter.sell(customer)
    # What was bought earlier on the day on which it is set earns in it too.
    expected = 3 * PLAIN + 2 * 3 * PLAIN + 2 * 3 * PLAIN
    assert counter.balance(customer) == expected
    labels = {label.split()[0] for label in counter.borne(customer)}
    assert labels == {"friends", "gold"}
    assert "gold" in counter.shop.dolisync("tier", str(customer))

    pages.tag_customer(customer, add=[tags["silver"]])
    counter.sync()
    assert {label.split()[0] for label in counter.borne(customer)} == {"friends", "silver"}
    assert counter.tier(customer) == "silver"

    pages.tag_customer(customer, remove=[tags["silver"]])
    counter.sync()
    assert {label.split()[0] for label in counter.borne(customer)} == {"friends"}
    assert counter.tier(customer) is None
    assert counter.balance(customer) == PLAIN + 2 * PLAIN + 2 * PLAIN
    assert counter.shop.read("verify")["holds"] is True


def test_a_form_that_stood_open_and_the_mass_action_of_the_list(counter: Counter) -> None:
    pages, tags = counter.pages, counter.tags
    anna, bert = a_customer(counter.shop), a_customer(counter.shop)
    form = pages.open_customer_form(anna)
    counter.shop.dolisync("adjust", str(anna), "1", "--reason", "welcome")
    setting_it = ("silver", "--lock", "--reason", "for the jury")
    counter.shop.dolisync("tier", str(anna), *setting_it)
    counter.sync()
    assert {label.split()[0] for label in counter.borne(anna)} == {"silver"}
    pages.save_customer_form(form)
    assert counter.borne(anna) == set(), "the old form took it off"
    counter.sync()
    assert {label.split()[0] for label in counter.borne(anna)} == {"silver"}
    assert counter.tier(anna) == "silver"

    pages.tag_listed([anna, bert], tags["gold"])
    counter.sync()
    assert [counter.tier(one) for one in (anna, bert)] == ["gold", "gold"]
    for one in (anna, bert):
        assert {label.split()[0] for label in counter.borne(one)} == {"gold"}
    assert counter.shop.read("sync")["shop"]["tiers_set"] == 0


def test_a_tier_gives_a_percentage_that_the_till_takes_off(counter: Counter) -> None:
    text = counter.shop.config.read_text(encoding="utf-8")
    silver = "at_least = 500\nmultiplier = 2\n"
    assert silver in text
    text = text.replace(silver, f"{silver}standing_discount = 10\n")
    counter.shop.config.write_text(text, encoding="utf-8")
    assert {one["level"] for one in counter.shop.read("check")["findings"]} <= {"ok", "warning"}
    customer = a_customer(counter.shop)
    counter.shop.dolisync("tier", str(customer), "silver", "--lock", "--reason", "live")
    counter.sync()
    counter.sync()
    card = counter.shop.rest("GET", f"/thirdparties/{customer}")
    assert float(card["remise_percent"]) == 10
    assert "10" in counter.pages.get("/comm/remise.php", id=customer)
    till = counter.pages.open_till()
    till.choose(customer)
    till.add(int(setting("PRODUCT", "1")), 1)
    ticket = counter.shop.rest("GET", f"/invoices/{till.invoice}")
    assert [float(line["remise_percent"]) for line in ticket["lines"]] == [10.0]
    till.pay("LIQ")
    counter.shop.dolisync("tier", str(customer), "--release", "--reason", "live")
    counter.sync()
    counter.sync()
    card = counter.shop.rest("GET", f"/thirdparties/{customer}")
    assert float(card["remise_percent"] or 0) == 0
