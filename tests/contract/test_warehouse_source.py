"""From which warehouses goods were taken, through either door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from connectors.dolibarr_check import check
from connectors.dolibarr_http import DolibarrHttp
from connectors.dolibarr_rest import RestSaleSource
from connectors.standin import StandIn
from connectors.standin.rights import LEAST, READ_STOCK
from dolisync.errors import RefusedError
from dolisync.model import Warehouse
from dolisync.ports import Finding, Requirements, WarehouseSource
from tests.contract.site import NAME, Site, line, unique

Door = Callable[[Site], WarehouseSource]


@pytest.fixture(params=["sql", "rest"])
def door(request: pytest.FixtureRequest) -> Door:
    return lambda site: getattr(site, request.param)()


@contextmanager
def constants(site: Site, **values: str) -> Iterator[None]:
    """Set constants as Dolibarr's set-up pages do, and leave all as it was."""
    names = ", ".join(f"'{name}'" for name in values)
    before = site.rows(f"SELECT name, value FROM llx_const WHERE name IN ({names})")
    _set(site, names, values)
    try:
        yield
    finally:
        _set(site, names, dict(before))


def _set(site: Site, names: str, values: dict[str, str]) -> None:
    site.execute(f"DELETE FROM llx_const WHERE name IN ({names})")
    for name, value in values.items():
        site.execute(
            "INSERT INTO llx_const (name, value, entity, visible) VALUES (%s, %s, 1, 0)",
            name,
            value,
        )


@pytest.fixture
def stock(site: Site) -> Iterator[None]:
    """Let invoices of the office change the stock."""
    with constants(site, STOCK_CALCULATE_ON_BILL="1"):
        yield


def warehouse(site: Site) -> Warehouse:
    name = unique("Shop é & Nord ")
    body = {"label": name, "statut": 1, "country_id": 1}
    return Warehouse(int(site.http.post("warehouses", body)), name)


def invoice_from(site: Site, place: Warehouse | None, *products: int, **columns: object) -> int:
    goods = [line(fk_product=product, qty=2) for product in products]
    rowid = site.draft(site.customer(), *goods, **columns)
    site.act(rowid, "validate", idwarehouse=place.rowid if place else 0, notrigger=0)
    return rowid


@pytest.mark.usefixtures("stock")
def test_the_warehouse_that_was_chosen_when_it_was_validated(site: Site, door: Door) -> None:
    north, south, product = warehouse(site), warehouse(site), site.product()
    first, second = invoice_from(site, north, product), invoice_from(site, south, product)
    goods = {first: [product], second: [product]}
    assert door(site).warehouses_of(goods) == {first: (north,), second: (south,)}
    assert {north.name, south.name} <= door(site).warehouse_names()


@pytest.mark.usefixtures("stock")
def test_what_changed_no_stock_bears_none(site: Site, door: Door) -> None:
    product, place = site.product(), warehouse(site)
    plain, free = invoice_from(site, None, product), site.invoice(site.customer())
    site.http.post("stockmovements", {"product_id": product, "warehouse_id": place.rowid, "qty": 5})
    goods = {plain: [product], free: [product], 10**8: [product]}
    assert door(site).warehouses_of(goods) == {}
    assert door(site).warehouses_of({}) == {}


@pytest.mark.usefixtures("stock")
def test_a_draft_again_bears_none_and_then_the_other(site: Site, door: Door) -> None:
    north, south, product = warehouse(site), warehouse(site), site.product()
    rowid, source = invoice_from(site, north, product), door(site)
    site.act(rowid, "settodraft", idwarehouse=north.rowid)
    assert source.warehouses_of({rowid: [product]}) == {}
    site.act(rowid, "validate", idwarehouse=south.rowid, notrigger=0)
    assert source.warehouses_of({rowid: [product]}) == {rowid: (south,)}


@pytest.mark.usefixtures("stock")
def test_a_return_bears_where_its_goods_came_back(site: Site, door: Door) -> None:
    north, product = warehouse(site), site.product()
    sold = invoice_from(site, north, product)
    note = invoice_from(site, north, product, type=2, fk_facture_source=sold)
    goods = {sold: [product], note: [product]}
    assert door(site).warehouses_of(goods) == {sold: (north,), note: (north,)}


@pytest.mark.usefixtures("stock")
def test_many_documents_are_read_by_the_page(
    site: Site, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.dolibarr_warehouses.PAGE_SIZE", 2)
    north, products = warehouse(site), [site.product() for _ in range(3)]
    sold = [invoice_from(site, north, *products) for _ in range(2)]
    goods = dict.fromkeys(sold, products)
    assert door(site).warehouses_of(goods) == dict.fromkeys(sold, (north,))


def test_a_ticket_bears_the_warehouse_of_its_terminal(site: Site, door: Door) -> None:
    if site.till is None:
        pytest.skip("no login to the till")
    place, product = warehouse(site), site.product()
    with constants(site, CASHDESK_NO_DECREASE_STOCK1="0", CASHDESK_ID_WAREHOUSE1=str(place.rowid)):
        ticket = site.till.ring_up(product, site.customer())
        site.till.pay(ticket, "LIQ")
    assert door(site).warehouses_of({ticket: [product]}) == {ticket: (place,)}
    with constants(site, CASHDESK_NO_DECREASE_STOCK1="1", CASHDESK_ID_WAREHOUSE1=str(place.rowid)):
        other = site.till.ring_up(product, site.customer())
        site.till.pay(other, "LIQ")
    assert door(site).warehouses_of({other: [product]}) == {}


def checked(http: DolibarrHttp | None, site: Site | None = None) -> list[Finding]:
    found = check(
        http,
        site.database_url if site else None,
        Requirements(),
        datetime.now(UTC),
        timezone=site.timezone if site else "Europe/Paris",
        warehouses_by=["sql", "rest"] if site else ["rest"],
    )
    return [one for one in found if one.topic in {"warehouses", "grants"}]


def test_check_says_what_bears_no_warehouse(site: Site) -> None:
    on = {"STOCK_CALCULATE_ON_BILL": "1", "TAKEPOS_NUM_TERMINALS": "1"}
    with constants(site, **on, CASHDESK_NO_DECREASE_STOCK1="0"):
        assert {one.level for one in checked(site.http, site)} == {"ok"}
    off = {"STOCK_CALCULATE_ON_BILL": "0", "TAKEPOS_NUM_TERMINALS": "1"}
    with constants(site, **off, CASHDESK_NO_DECREASE_STOCK1="1"):
        told = [one.message for one in checked(site.http, site) if one.level == "warning"]
    assert told == [
        "it is not seen that invoices of the office change stock: they bear no warehouse",
        "tickets of terminal 1 change no stock: they bear no warehouse",
    ]


@pytest.mark.parametrize("version", ["16.0.3", "20.0.2"])
def test_the_right_to_read_stocks(version: str) -> None:
    with StandIn(version) as standin:
        blind = DolibarrHttp(standin.url, standin.least_key, retry_pause_s=0)
        errors = [one for one in checked(blind) if one.level == "error"]
        assert [one.message for one in errors] == [
            "the key may not read stock movements, and the program asks for warehouses"
        ]
        assert "read stocks (1001)" in errors[0].remedy
        with pytest.raises(RefusedError):
            RestSaleSource(blind, NAME).warehouses_of({1: [1]})
        key = standin.add_user("stock", LEAST | {READ_STOCK})
        seeing = DolibarrHttp(standin.url, key, retry_pause_s=0)
        assert not [one for one in checked(seeing) if one.level == "error"]
        assert RestSaleSource(seeing, NAME).warehouses_of({1: [1]}) == {}
