"""The stand-in's answers have the keys and the types that real servers' answers have.

The recorded keys, by version, object and type, stand in the JSON file beside this one.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from connectors.standin import VERSIONS
from connectors.standin.testing import Caller, opened

RECORDED = json.loads(
    Path(__file__).with_name("test_standin_recorded.json").read_text(encoding="utf-8")
)
KINDS = list(RECORDED["20.0.2"])


def answers(standin, clock):
    """Build one answer of each kind, from a shop in which everything occurs."""
    shop, caller = standin.shop, Caller(standin)
    shop.add_extra_field("societe", "loypts", label="Points")
    shop.add_extra_field("facture", "loyt", type="varchar", size="64")
    shop.add_payment_mode("LOY", "Points", 2)
    alice = shop.add_customer("Alice", barcode="2000000000015", email="a@example.org", zip="75001")
    shop.set_customer_fields(alice, loypts=12)
    tag = caller.post("/categories", {"label": "Gold", "type": "customer", "color": "ffd700"})
    shop.store.update(shop.tables.categorie, tag, description="tier")
    shop.tag_customer(alice, tag)
    coffee = shop.add_product("P1", "Coffee", 10, 20)
    paid = shop.sell(alice, [coffee])
    shop.set_invoice_fields(paid, loyt="rest")
    credited = shop.sell(alice, [(coffee, 3)], mode=None)
    note = shop.credit_note(credited)
    shop.validate(note)
    (discount,) = shop.mark_credit_available(note)
    ticket = shop.pos_sell([coffee], alice)
    draft = shop.new_invoice(alice)
    line = shop.add_line(draft, coffee)
    yield "invoice", caller.get(f"/invoices/{paid}")
    yield "invoice", caller.get(f"/invoices/{ticket}")
    yield "invoice", caller.get(f"/invoices/{note}")
    yield "line", caller.get(f"/invoices/{paid}")["lines"][0]
    for shown in caller.get("/invoices"):
        yield "listed invoice", shown
    changed = caller.put(f"/invoices/{draft}/lines/{line}", {"qty": 2})
    yield "invoice with a changed line", changed
    yield "reopened invoice", caller.post(f"/invoices/{paid}/settounpaid")
    yield "invoice after an act", caller.post(f"/invoices/{paid}/settodraft")
    yield "payment", caller.get(f"/invoices/{ticket}/payments")[0]
    yield "discount", caller.get(f"/invoices/{note}/discount")
    shop.use_credit_note(credited, discount)
    yield "used credit", caller.get(f"/invoices/{credited}/payments")[0]
    yield "listed discount", caller.get(f"/thirdparties/{alice}/fixedamountdiscounts")[0]
    yield "customer", caller.get(f"/thirdparties/{alice}")
    yield "customer", caller.get("/thirdparties/barcode/2000000000015")
    for shown in caller.get("/thirdparties", mode=1):
        yield "listed customer", shown
    yield "product", caller.get(f"/products/{coffee}")
    for shown in caller.get("/setup/dictionary/payment_types"):
        yield "payment mode", shown
    yield "status", caller.get("/status")["success"]
    yield "category", caller.get(f"/thirdparties/{alice}/categories")[0]
    yield "category", caller.get(f"/categories/object/customer/{alice}")[0]
    fields = caller.get("/setup/extrafields", elementtype="societe")
    yield "extra field", fields["societe"]["loypts"]


@pytest.fixture(scope="module", params=VERSIONS)
def shown(request):
    with opened(request.param, php_timezone="UTC") as (standin, clock):
        yield request.param, list(answers(standin, clock))


def keys_of(version, kind):
    return {key for keys in RECORDED[version][kind].values() for key in keys.split()}


def types_of(version, kind):
    """Collect what types a key was seen with, in this kind of object and its sisters."""
    noun = next((noun for noun in ("invoice", "customer") if noun in kind), kind)
    seen = defaultdict(set)
    for sister, recorded in RECORDED[version].items():
        if noun in sister:
            for kinds, keys in recorded.items():
                for key in keys.split():
                    seen[key] |= set(kinds.split())
    return seen


@pytest.mark.parametrize("kind", KINDS)
def test_the_keys_are_those_of_a_real_server(shown, kind):
    version, objects = shown
    expected = keys_of(version, kind)
    found = [set(value) for name, value in objects if name == kind]
    assert found
    for keys in found:
        assert keys == expected, (keys - expected, expected - keys)


@pytest.mark.parametrize("kind", KINDS)
def test_the_types_are_those_of_a_real_server(shown, kind):
    version, objects = shown
    expected = types_of(version, kind)
    for name, value in objects:
        if name != kind:
            continue
        for key, held in value.items():
            seen = expected[key]
            if held is None or seen == {"NoneType"}:
                continue
            assert type(held).__name__ in seen, (key, held, seen)
