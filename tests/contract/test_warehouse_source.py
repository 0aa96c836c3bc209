"""From which warehouses goods were taken, through either door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from connectors.dolibarr_check import check
from connectors.dolibarr_http import DolibarrHttp
from connectors.dolibarr_rest import RestSaleSource
from connectors.dolibarr_warehouses import ON_INVOICE, OTHERWISE
from connectors.standin import StandIn
from connectors.standin.rights import LEAST, READ_ORDERS, READ_STOCK
from dolisync.errors import RefusedError
from dolisync.model import Warehouse
from dolisync.ports import Finding, Requirements, WarehouseSource
from tests.contract.site import NAME, Site, line, unique
from tests.mariadb import MariadbServer

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


def put_there(site: Site, place: Warehouse, *products: int) -> None:
    """Put goods into a warehouse by hand: from 22 on none goes out that is not there."""
    for product in products:
        body = {"product_id": product, "warehouse_id": place.rowid, "qty": 20}
        site.http.post("stockmovements", body)


def invoice_from(site: Site, place: Warehouse | None, *products: int, **columns: object) -> int:
    if place is not None:
        put_there(site, place, *products)
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
    put_there(site, place, product)
    goods = {plain: [product], free: [product], 10**8: [product]}
    assert door(site).warehouses_of(goods) == {}
    assert door(site).warehouses_of({}) == {}


@pytest.mark.usefixtures("stock")
def test_a_draft_again_bears_none_and_then_the_other(site: Site, door: Door) -> None:
    north, south, product = warehouse(site), warehouse(site), site.product()
    rowid, source = invoice_from(site, north, product), door(site)
    site.act(rowid, "settodraft", idwarehouse=north.rowid)
    assert source.warehouses_of({rowid: [product]}) == {}
    put_there(site, south, product)
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
    put_there(site, place, product)
    with constants(site, CASHDESK_NO_DECREASE_STOCK1="0", CASHDESK_ID_WAREHOUSE1=str(place.rowid)):
        ticket = site.till.ring_up(product, site.customer())
        site.till.pay(ticket, "LIQ")
    assert door(site).warehouses_of({ticket: [product]}) == {ticket: (place,)}
    with constants(site, CASHDESK_NO_DECREASE_STOCK1="1", CASHDESK_ID_WAREHOUSE1=str(place.rowid)):
        other = site.till.ring_up(product, site.customer())
        site.till.pay(other, "LIQ")
    assert door(site).warehouses_of({other: [product]}) == {}


@pytest.fixture
def sent(site: Site) -> Iterator[None]:
    """Let shipments change the stock, and no invoice."""
    with constants(site, STOCK_CALCULATE_ON_BILL="0", STOCK_CALCULATE_ON_SHIPMENT="1"):
        yield


def shipment_of(site: Site, order: int, place: Warehouse, product: int) -> int:
    """Send an order's goods; the link is what Dolibarr's pages make, and its API from 22 on."""
    put_there(site, place, product)
    shipment = site.shipment(order, place.rowid)
    if site.release < (22,):
        site.link("commande", order, "shipping", shipment)
    return shipment


def goods_of(product: int) -> dict[str, object]:
    return line(fk_product=product, qty=2, product_type=0)


@pytest.mark.usefixtures("sent")
def test_goods_that_were_sent_are_from_where_the_shipment_of_the_order_was(
    site: Site, door: Door
) -> None:
    north, product = warehouse(site), site.product()
    order = site.order(site.customer(), goods_of(product))
    invoice, source = site.invoice_of(order), door(site)
    assert source.warehouses_of({invoice: [product]}) == {}
    shipment_of(site, order, north, product)
    assert source.warehouses_of({invoice: [product]}) == {invoice: (north,)}


@pytest.mark.usefixtures("sent")
def test_of_several_shipments_the_invoices_own_counts(site: Site, door: Door) -> None:
    north, south, product = warehouse(site), warehouse(site), site.product()
    customer = site.customer()
    order = site.order(customer, goods_of(product))
    first = shipment_of(site, order, north, product)
    shipment_of(site, order, south, product)
    whole, part = site.invoice_of(order), site.invoice(customer, goods_of(product))
    site.link("shipping", first, "facture", part)
    site.link("commande", order, "facture", part)
    goods = {whole: [product], part: [product]}
    assert door(site).warehouses_of(goods) == {whole: (north, south), part: (north,)}


@pytest.mark.usefixtures("sent")
def test_of_an_orders_goods_each_invoice_has_its_own(site: Site, door: Door) -> None:
    north, south, customer = warehouse(site), warehouse(site), site.customer()
    lamp, chair = site.product(), site.product()
    orders = [site.order(customer, goods_of(product)) for product in (lamp, chair)]
    shipment_of(site, orders[0], north, lamp)
    shipment_of(site, orders[1], south, chair)
    invoices = [site.invoice(customer, goods_of(product)) for product in (lamp, chair)]
    for invoice in invoices:
        for order in orders:
            site.link("facture", invoice, "commande", order)
    found = door(site).warehouses_of({invoices[0]: [lamp], invoices[1]: [chair]})
    assert found == {invoices[0]: (north,), invoices[1]: (south,)}


def test_goods_that_were_taken_with_the_order(site: Site, door: Door) -> None:
    north, product = warehouse(site), site.product()
    on = {"STOCK_CALCULATE_ON_BILL": "0", "STOCK_CALCULATE_ON_VALIDATE_ORDER": "1"}
    with constants(site, **on):
        put_there(site, north, product)
        order = site.order(site.customer(), goods_of(product), warehouse=north.rowid)
        invoice = site.invoice_of(order)
    assert door(site).warehouses_of({invoice: [product]}) == {invoice: (north,)}


def test_what_the_invoice_moved_itself_says_it_all(site: Site, door: Door) -> None:
    north, south, product = warehouse(site), warehouse(site), site.product()
    on = {"STOCK_CALCULATE_ON_BILL": "1", "STOCK_CALCULATE_ON_SHIPMENT": "1"}
    with constants(site, **on):
        order = site.order(site.customer(), goods_of(product))
        shipment_of(site, order, south, product)
        invoice = invoice_from(site, north, product)
        site.link("commande", order, "facture", invoice)
    assert door(site).warehouses_of({invoice: [product]}) == {invoice: (north,)}


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
    till = {"TAKEPOS_NUM_TERMINALS": "1", "CASHDESK_NO_DECREASE_STOCK1": "0"}
    for switch in ("STOCK_CALCULATE_ON_BILL", "STOCK_CALCULATE_ON_SHIPMENT"):
        with constants(site, **till, **{"STOCK_CALCULATE_ON_BILL": "0", switch: "1"}):
            assert {one.level for one in checked(site.http, site)} == {"ok"}
    off = {**dict.fromkeys((ON_INVOICE, *OTHERWISE), "0"), "TAKEPOS_NUM_TERMINALS": "1"}
    with constants(site, **off, CASHDESK_NO_DECREASE_STOCK1="1"):
        told = [one.message for one in checked(site.http, site) if one.level == "warning"]
    assert told == [
        "it is not seen that the office changes stock: its invoices bear no warehouse",
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


@pytest.mark.parametrize("version", ["16.0.3", "20.0.2"])
def test_the_right_to_read_orders_where_these_or_their_shipments_move_stock(version: str) -> None:
    with StandIn(version) as standin:
        shop = standin.shop
        north, product = shop.add_warehouse("North"), shop.add_product("P1", "Lamp", "10")
        order = shop.new_order(shop.add_customer("Alice"))
        shop.add_order_line(order, product)
        shop.validate_order(order)
        invoice = shop.invoice_from_order(order)
        shop.validate(invoice)
        blind = standin.add_user("stocks", LEAST | {READ_STOCK})
        source = RestSaleSource(source_http(standin, blind), NAME)
        # Nothing of these goods was sent: nobody asks for orders.
        assert source.warehouses_of({invoice: [product]}) == {}
        shop.set_const("STOCK_CALCULATE_ON_SHIPMENT", "1")
        shipment = shop.new_shipment(order, north)
        shop.link("commande", order, "shipping", shipment)
        shop.validate_shipment(shipment)
        with pytest.raises(RefusedError, match=r"stock moves with orders: give the right to read"):
            source.warehouses_of({invoice: [product]})
        seeing = standin.add_user("orders", LEAST | {READ_STOCK, READ_ORDERS})
        other = RestSaleSource(source_http(standin, seeing), NAME)
        assert other.warehouses_of({invoice: [product]}) == {invoice: (Warehouse(north, "North"),)}


@pytest.mark.mariadb
def test_check_asks_for_the_right_to_read_orders(mariadb_server: MariadbServer) -> None:
    def told(key: str) -> list[Finding]:
        found = check(
            source_http(standin, key),
            standin.database_url,
            Requirements(),
            datetime.now(UTC),
            timezone="Europe/Paris",
            warehouses_by=["rest"],
        )
        return [one for one in found if one.topic == "warehouses" and one.level == "error"]

    with StandIn(database_url=mariadb_server.new_database()) as standin:
        blind = standin.add_user("stocks", LEAST | {READ_STOCK})
        assert told(blind) == []
        standin.shop.set_const("STOCK_CALCULATE_ON_SHIPMENT", "1")
        (error,) = told(blind)
        assert error.message.startswith("the key may not read sales orders")
        assert "read sales orders (81)" in error.remedy
        assert told(standin.add_user("orders", LEAST | {READ_STOCK, READ_ORDERS})) == []


def source_http(standin: StandIn, key: str) -> DolibarrHttp:
    return DolibarrHttp(standin.url, key, retry_pause_s=0)
