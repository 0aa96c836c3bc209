"""Programs for some articles only, from the configuration to the explanation."""

from __future__ import annotations

from tests.system.place import Place

SCOPE = """\
[program.earn.only]
tags = ["Seasonal"]
[[program.earn.leave_out]]
references = ["{reference}"]

[program.earn.amount]"""


def restrict(place: Place, reference: str = "NONE-*") -> None:
    text = place.config.read_text(encoding="utf-8")
    head = "[program.earn.amount]"
    assert text.count(f"\n{head}") == 1
    changed = text.replace(f"\n{head}", "\n" + SCOPE.format(reference=reference))
    place.config.write_text(changed, encoding="utf-8")


def test_a_tag_that_dolibarr_does_not_have_is_found_by_check(ready: Place) -> None:
    restrict(ready)
    answer = ready.call("check")
    assert answer.code != 0
    assert "no product has the tag 'Seasonal'" in " ".join(answer.out.split())
    ready.standin.shop.add_category("seasonal")
    assert "all 1 tags that the programs name exist" in " ".join(ready.call("check").out.split())


def test_only_tagged_articles_earn_and_explain_names_the_others(ready: Place) -> None:
    shop = ready.standin.shop
    names = list(ready.week.products)[:3]
    above = shop.add_category("Seasonal")
    shop.tag_product(ready.week.products[names[0]], shop.add_category("Winter", parent=above))
    shop.tag_product(ready.week.products[names[1]], above)
    store = ready.standin.store
    restrict(ready, store.get(store.tables.product, ready.week.products[names[1]])["ref"])
    customer = shop.add_customer("Zoe")
    ready.week.customers["zoe"] = customer
    invoice, ref = ready.new_invoice("zoe", *names)
    shop.pay(invoice)
    (document,) = ready.read("explain", ref)["documents"]
    of_live = document["programs"][0]["points"]
    ready.good("sync")
    (line, *_) = shop.lines(invoice)
    assert ready.read("balance", customer)["balance"] == str(int(line["total_ttc"])) == of_live
    text = " ".join(ready.good("explain", ref).split())
    assert "of articles that earn nothing:" in text


def test_removing_a_tag_later_changes_nothing(ready: Place) -> None:
    shop = ready.standin.shop
    tag, product = shop.add_category("Seasonal"), next(iter(ready.week.products))
    shop.tag_product(ready.week.products[product], tag)
    restrict(ready)
    ready.week.customers["zoe"] = shop.add_customer("Zoe")
    invoice, _ = ready.new_invoice("zoe", product)
    shop.pay(invoice)
    ready.good("sync")
    before = ready.read("balance", ready.customer("zoe"))["balance"]
    assert int(before) > 0
    shop.untag_product(ready.week.products[product], tag)
    ready.good("reconcile")
    assert ready.read("balance", ready.customer("zoe"))["balance"] == before
    assert ready.read("verify")["holds"] is True
