"""Orders and shipments of invoices, through either door: what is delivered, and what changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from connectors.dolibarr_check import check
from connectors.dolibarr_http import DolibarrHttp
from connectors.dolibarr_rest import RestSaleSource
from connectors.standin import StandIn
from connectors.standin.rights import LEAST, READ_ORDERS, READ_SHIPMENTS
from dolisync.errors import RefusedError
from dolisync.model import Delivery
from dolisync.ports import DeliverySource, Finding, Requirements
from tests.contract.site import NAME, Site, line

Door = Callable[[Site], DeliverySource]
WAITING, DONE = Delivery(is_done=False), Delivery(is_done=True)
MINUTES = timedelta(minutes=5)


@pytest.fixture(params=["sql", "rest"])
def door(request: pytest.FixtureRequest) -> Door:
    return lambda site: getattr(site, request.param)()


def told(source: DeliverySource, invoice: int) -> Delivery | None:
    """Return what became of an invoice's goods, without the day, which only one door knows."""
    found = source.deliveries([invoice]).get(invoice)
    return None if found is None else Delivery(found.is_done)


def test_an_invoice_without_an_order_has_no_delivery_of_its_own(site: Site, door: Door) -> None:
    plain, paid = site.invoice(site.customer()), site.paid(site.customer())
    assert door(site).deliveries([plain, paid, 10**8]) == {}
    assert door(site).deliveries([]) == {}


def test_an_order_is_delivered_when_it_is_closed_and_waits_when_it_is_opened_again(
    site: Site, door: Door
) -> None:
    order = site.order(site.customer())
    invoice, source = site.invoice_of(order), door(site)
    assert source.deliveries([invoice]) == {invoice: WAITING}
    site.close_order(order)
    assert told(source, invoice) == DONE
    site.reopen_order(order)
    assert source.deliveries([invoice]) == {invoice: WAITING}


def test_the_tables_tell_since_when_an_order_is_delivered(site: Site) -> None:
    order = site.order(site.customer())
    invoice = site.invoice_of(order)
    before = datetime.now(UTC) - timedelta(seconds=2)
    site.close_order(order)
    (by_sql,) = site.sql().deliveries([invoice]).values()
    assert by_sql.done_at is not None
    assert before <= by_sql.done_at <= datetime.now(UTC) + timedelta(seconds=2)
    assert site.rest().deliveries([invoice]) == {invoice: DONE}


def test_of_several_orders_all_must_be_delivered(site: Site, door: Door) -> None:
    customer = site.customer()
    orders = [site.order(customer), site.order(customer)]
    invoice, source = site.invoice_of(orders[0]), door(site)
    site.link("commande", orders[1], "facture", invoice)
    site.close_order(orders[0])
    assert told(source, invoice) == WAITING
    site.close_order(orders[1])
    assert told(source, invoice) == DONE


def test_links_count_whichever_way_they_were_made(site: Site, door: Door) -> None:
    customer = site.customer()
    order, invoice, source = site.order(customer), site.invoice(customer), door(site)
    site.link("facture", invoice, "commande", order)
    assert told(source, invoice) == WAITING
    assert source.documents_of(source.moved_deliveries(site.now() - MINUTES)) >= {invoice}
    site.close_order(order)
    assert told(source, invoice) == DONE


def shipped(site: Site) -> tuple[int, int, int]:
    """Make an order, its shipment, and the invoice of the shipment, linked as Dolibarr does."""
    customer = site.customer()
    goods = line(fk_product=site.product(), qty=2)
    order = site.order(customer, goods, line(fk_product=site.product()))
    shipment = site.shipment(order)
    invoice = site.invoice(customer)
    site.link("shipping", shipment, "facture", invoice)
    return order, shipment, invoice


def test_a_shipment_is_delivered_when_the_customer_has_it(site: Site, door: Door) -> None:
    order, shipment, invoice = shipped(site)
    source = door(site)
    assert told(source, invoice) == WAITING
    site.close_shipment(shipment)
    assert told(source, invoice) == DONE
    # Another shipment of the order may be on its way: this invoice is of the first one.
    site.link("commande", order, "facture", invoice)
    site.execute("UPDATE llx_commande SET fk_statut = 2 WHERE rowid = %s", order)
    assert told(source, invoice) == DONE
    site.execute("UPDATE llx_expedition SET fk_statut = 1 WHERE rowid = %s", shipment)
    assert told(source, invoice) == WAITING
    site.execute("UPDATE llx_commande SET fk_statut = 3 WHERE rowid = %s", order)
    assert told(source, invoice) == DONE


def test_a_cancelled_shipment_counts_for_nothing_a_cancelled_order_is_never_delivered(
    site: Site, door: Door
) -> None:
    _order, shipment, invoice = shipped(site)
    other = site.order(site.customer())
    waiting, source = site.invoice_of(other), door(site)
    site.execute("UPDATE llx_expedition SET fk_statut = -1 WHERE rowid = %s", shipment)
    site.execute("UPDATE llx_commande SET fk_statut = -1 WHERE rowid = %s", other)
    assert source.deliveries([invoice, waiting]) == {waiting: WAITING}


def test_what_changed_leads_to_its_documents(site: Site, door: Door) -> None:
    customer, source = site.customer(), door(site)
    order, other = site.order(customer), site.order(customer)
    invoice = site.invoice_of(order)
    before = source.moved_deliveries(site.now() - MINUTES)
    assert {one.rowid for one in before if one.kind == "commande"} >= {order, other}
    site.close_order(order)
    after = source.moved_deliveries(site.now() - MINUTES)
    (fresh,) = after - before
    assert (fresh.kind, fresh.rowid, fresh.state) == ("commande", order, "3")
    assert source.documents_of({fresh}) == {invoice}
    assert source.documents_of([one for one in after if one.rowid == other]) == frozenset()
    assert source.moved_deliveries(site.now() + MINUTES) == frozenset()


def test_with_its_last_shipment_an_order_is_delivered_from_20_on(site: Site, door: Door) -> None:
    order, shipment, _invoice = shipped(site)
    invoice, source = site.invoice_of(order), door(site)
    site.close_shipment(shipment)
    assert told(source, invoice) == (DONE if site.release >= (20,) else WAITING)


def test_a_closed_shipment_is_found_by_its_change(site: Site, door: Door) -> None:
    _order, shipment, invoice = shipped(site)
    source = door(site)
    before = source.moved_deliveries(site.now() - MINUTES)
    site.close_shipment(shipment)
    fresh = source.moved_deliveries(site.now() - MINUTES) - before
    assert (shipment, "2") in {(one.rowid, one.state) for one in fresh if one.kind == "shipping"}
    assert source.documents_of(fresh) == {invoice}


def test_many_orders_are_read_by_the_page(site: Site, door: Door, monkeypatch: object) -> None:
    monkeypatch.setattr("connectors.dolibarr_deliveries.PAGE_SIZE", 2)  # type: ignore[attr-defined]
    customer, source = site.customer(), door(site)
    orders = [site.order(customer) for _ in range(3)]
    invoices = [site.invoice_of(order) for order in orders]
    found = source.moved_deliveries(site.now() - MINUTES)
    assert {one.rowid for one in found if one.kind == "commande"} >= set(orders)
    assert source.deliveries(invoices) == dict.fromkeys(invoices, WAITING)


def test_both_doors_see_the_same(site: Site) -> None:
    order, shipment, invoice = shipped(site)
    site.close_shipment(shipment)
    site.close_order(site.order(site.customer()))
    site.link("commande", order, "facture", invoice)
    since = site.now() - MINUTES
    assert site.sql().moved_deliveries(since) == site.rest().moved_deliveries(since)
    assert told(site.sql(), invoice) == told(site.rest(), invoice) == DONE


def test_the_rights_of_the_key_suffice(site: Site) -> None:
    found = checked(site.http, site)
    assert [one.level for one in found if one.topic == "deliveries"] == ["ok", "ok"]
    assert not [one for one in found if one.topic == "grants" and one.level != "ok"]


def checked(http: DolibarrHttp, site: Site) -> tuple[Finding, ...]:
    return check(
        http,
        site.database_url,
        Requirements(),
        datetime.now(UTC),
        timezone=site.timezone,
        database_timezone=site.database_timezone,
        pos_customers=range(1, 100),
        deliveries_by=["sql", "rest"],
    )


@pytest.fixture(params=["16.0.3", "20.0.2"])
def standin(request: pytest.FixtureRequest) -> object:
    with StandIn(request.param) as opened:
        yield opened


def with_rights(standin: StandIn, login: str, *rights: int) -> DolibarrHttp:
    key = standin.add_user(login, LEAST | frozenset(rights))
    return DolibarrHttp(standin.url, key, retry_pause_s=0)


def ordered(standin: StandIn, *, shipped: bool = False) -> int:
    shop = standin.shop
    order = shop.new_order(shop.add_customer("Alice"))
    shop.add_order_line(order, price=10)
    shop.validate_order(order)
    invoice = shop.invoice_from_order(order)
    shop.validate(invoice)
    if shipped:
        shop.link("shipping", shop.new_shipment(order), "facture", invoice)
    return invoice


def test_without_the_right_what_waits_is_no_gift(standin: StandIn) -> None:
    blind = RestSaleSource(with_rights(standin, "blind2"), NAME, timezone="Europe/Paris")
    invoice = ordered(standin)
    plain = standin.shop.sell(standin.shop.add_customer("Bob"), [standin.shop.add_product("A", 3)])
    with pytest.raises(RefusedError, match=r"read sales orders \(81\)"):
        blind.deliveries([invoice])
    assert blind.deliveries([plain]) == {}
    assert blind.moved_deliveries(datetime.now(UTC) - MINUTES) == frozenset()


def test_a_missing_right_to_shipments_is_told_where_there_are_any(standin: StandIn) -> None:
    http = with_rights(standin, "orders", READ_ORDERS)
    source = RestSaleSource(http, NAME, timezone="Europe/Paris")
    assert source.deliveries([ordered(standin)])
    with pytest.raises(RefusedError, match=r"read shipments \(101\)"):
        source.deliveries([ordered(standin, shipped=True)])


def findings(http: DolibarrHttp) -> list[tuple[str, str]]:
    found = check(
        http,
        None,
        Requirements(),
        datetime.now(UTC),
        timezone="Europe/Paris",
        deliveries_by=["rest"],
    )
    return [(one.level, one.message) for one in found if one.topic == "deliveries"]


def test_check_says_which_right_the_key_lacks(standin: StandIn) -> None:
    waits = "and the program waits for deliveries"
    assert findings(with_rights(standin, "none")) == [
        ("error", f"the key may not read orders, {waits}"),
        ("warning", f"the key may not read shipments, {waits}"),
    ]
    some = with_rights(standin, "some", READ_ORDERS, READ_SHIPMENTS)
    assert [level for level, _ in findings(some)] == ["ok", "ok"]
    nobody = check(some, None, Requirements(), datetime.now(UTC), timezone="Europe/Paris")
    assert not [one for one in nobody if one.topic == "deliveries"], "nobody asked"
