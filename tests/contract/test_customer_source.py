"""What every customer source promises, through either door."""

from __future__ import annotations

from typing import Any

import pytest

from dolisync.model import Customer
from tests.contract.site import Site, unique


@pytest.fixture(params=["sql", "rest"])
def source(site: Site, request: pytest.FixtureRequest) -> Any:
    return getattr(site, request.param)()


def test_what_a_customer_looks_like(site: Site, source: Any) -> None:
    name, email = unique("Zoé Lefèvre "), f"{unique('zoe')}@example.org"
    rowid = site.customer(name=name, email=email, default_lang="it_IT")
    card = unique("2000")
    site.http.put(f"thirdparties/{rowid}", {"barcode": card})
    assert source.customers([rowid, rowid, 987654321]) == {
        rowid: Customer(site.customer_key(rowid), name, "it", email, card)
    }


def test_no_customers_asked_for(source: Any) -> None:
    assert source.customers([]) == {}


def test_find_by_each_of_its_signs(site: Site, source: Any) -> None:
    email, card = f"{unique('find')}@example.org", unique("2000")
    rowid = site.customer(email=email)
    site.http.put(f"thirdparties/{rowid}", {"barcode": card})
    code = site.http.get_object(f"thirdparties/{rowid}")["code_client"]
    for sign in (str(rowid), card, email, f" {email} ", code):
        if sign:
            found = [customer.key.rowid for customer in source.find_customer(sign)]
            assert rowid in found, sign


def test_email_of_two(site: Site, source: Any) -> None:
    email = f"{unique('two')}@example.org"
    rowids = [site.customer(email=email) for _ in range(2)]
    assert [customer.key.rowid for customer in source.find_customer(email)] == rowids


@pytest.mark.parametrize("sign", ["", "  ", "nobody@example.org", "o'x(y):z%", "_", "%"])
def test_find_nobody(source: Any, sign: str) -> None:
    assert source.find_customer(sign) == ()
