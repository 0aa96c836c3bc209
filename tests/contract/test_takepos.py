"""Tickets of a TakePOS till, through both doors."""

from __future__ import annotations

import pytest

from dolisync.model import SaleStatus
from tests.contract.site import Site
from tests.contract.till import Till


@pytest.fixture
def till(site: Site) -> Till:
    if site.till is None:
        pytest.skip("no till: DOLISYNC_LIVE_LOGIN and DOLISYNC_LIVE_PASSWORD not set")
    return site.till


@pytest.mark.parametrize("mode", ["LIQ", "CB"])
def test_paid_ticket(site: Site, till: Till, mode: str) -> None:
    since = site.now()
    customer, product = site.customer(), site.product()
    ticket = till.ring_up(product, customer)
    till.pay(ticket, mode)
    sale = site.one(ticket)
    assert sale.status is SaleStatus.PAID
    assert sale.is_pos
    assert sale.terminal == "1"
    assert sale.customer == site.customer_key(customer)
    assert not sale.ref.startswith("(PROV")
    assert [line.product_rowid for line in sale.lines] == [product]
    assert sale.lines[0].text.startswith("Product ")
    assert [paid.mode for paid in sale.payments] == [mode]
    assert sum(paid.amount for paid in sale.payments) == sale.total_incl
    for source in (site.sql(), site.rest()):
        assert sale in source.changed(since, None, 1000).sales


def test_open_ticket_is_read_when_asked_for_and_not_followed(site: Site, till: Till) -> None:
    since, customer = site.now(), site.customer()
    ticket = till.ring_up(site.product(), customer)
    sale = site.one(ticket)
    assert sale.status is SaleStatus.DRAFT
    assert sale.is_pos
    for source in (site.sql(), site.rest()):
        rowids = [one.key.rowid for one in source.changed(since, None, 1000).sales]
        assert ticket not in rowids
    till.discard(ticket)
    assert all(one.lines == () for one in site.sql().get([ticket]))
