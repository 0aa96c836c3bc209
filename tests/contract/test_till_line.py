"""A line of text on an open ticket: written, changed, taken off, and no hindrance to the till."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connectors import dolibarr_setup
from connectors.dolibarr_till import DolibarrTill
from dolisync.errors import RefusedError
from dolisync.ports import FieldSpec, OpenTicket, Requirements
from dolisync.program.reward_products import marked, price_on
from tests.contract.site import Site
from tests.contract.till import Till

TEXT = 'Points: 1.250 - 5,00 € (100 Punkte) <jetzt> & "später"'


@pytest.fixture
def till(site: Site) -> Till:
    if site.till is None:
        pytest.skip("no till: DOLISYNC_LIVE_LOGIN and DOLISYNC_LIVE_PASSWORD not set")
    return site.till


@pytest.fixture
def screen(site: Site) -> DolibarrTill:
    return DolibarrTill(site.customer_key(1).source, site.database_url, site.http)


def seen(screen: DolibarrTill, ticket: int) -> OpenTicket | None:
    return {found.rowid: found for found in screen.open_tickets()}.get(ticket)


def test_the_right_to_write_is_looked_at_without_writing(site: Site, screen: DolibarrTill) -> None:
    assert screen.may_write()


def test_a_line_is_written_changed_and_taken_off(
    site: Site, till: Till, screen: DolibarrTill
) -> None:
    customer = site.customer()
    ticket = till.ring_up(site.product(), customer)
    before = site.one(ticket)
    found = seen(screen, ticket)
    assert found is not None
    assert (found.customer, found.has_goods, found.notes) == (site.customer_key(customer), True, ())

    screen.write_note(ticket, TEXT)
    (note,) = seen(screen, ticket).notes
    assert note.text == TEXT.replace("<jetzt> ", "") or note.text == TEXT
    screen.change_note(ticket, note.rowid, "Points: 7")
    (changed,) = seen(screen, ticket).notes
    assert (changed.rowid, changed.text) == (note.rowid, "Points: 7")
    with_line = site.one(ticket)
    assert with_line.total_incl == before.total_incl
    assert [line.total_incl for line in with_line.lines if line.product_rowid is None] == [0]

    screen.remove_note(ticket, note.rowid)
    assert seen(screen, ticket).notes == ()
    assert site.one(ticket).lines == before.lines
    till.discard(ticket)
    assert seen(screen, ticket) is None


def test_a_ticket_with_a_line_is_paid_as_ever(site: Site, till: Till, screen: DolibarrTill) -> None:
    ticket = till.ring_up(site.product(), site.customer())
    screen.write_note(ticket, "Points: 7")
    till.pay(ticket, "LIQ")
    assert seen(screen, ticket) is None
    sale = site.one(ticket)
    assert sale.total_incl == sum(paid.amount for paid in sale.payments)
    assert "Points: 7" in [line.text for line in sale.lines]


def test_a_ticket_that_is_paid_meanwhile_refuses(
    site: Site, till: Till, screen: DolibarrTill
) -> None:
    ticket = till.ring_up(site.product(), site.customer())
    screen.write_note(ticket, "Points: 7")
    (note,) = seen(screen, ticket).notes
    till.pay(ticket, "LIQ")
    lines = site.one(ticket).lines
    for act in (
        lambda: screen.write_note(ticket, "late"),
        lambda: screen.change_note(ticket, note.rowid, "late"),
        lambda: screen.remove_note(ticket, note.rowid),
        lambda: screen.release(ticket, 1),
    ):
        with pytest.raises(RefusedError):
            act()
    assert site.one(ticket).lines == lines


def test_an_empty_ticket_is_let_go(site: Site, till: Till, screen: DolibarrTill) -> None:
    customer, other = site.customer(), site.customer()
    ticket = till.ring_up(site.product(), customer)
    screen.write_note(ticket, "Points: 7")
    with pytest.raises(RefusedError):
        screen.release(ticket, other)
    (goods,) = [line for line in site.one(ticket).lines if line.product_rowid]
    till.delete_line(goods.rowid)
    left = seen(screen, ticket)
    assert (left.has_goods, len(left.notes)) == (False, 1)
    screen.remove_note(ticket, left.notes[0].rowid)
    screen.release(ticket, other)
    assert site.one(ticket).customer == site.customer_key(other)
    till.discard(ticket)


PRICE = Requirements((FieldSpec("product", "tlprice", "Price in points", "amount", editable=True),))


@pytest.fixture
def giving(site: Site) -> DolibarrTill:
    steps = dolibarr_setup.apply(PRICE, site.http, site.database_url)
    assert {step.state for step in steps} <= {"done", "present"}, steps
    name = site.customer_key(1).source
    return DolibarrTill(name, site.database_url, site.http, price_field="tlprice")


def test_a_product_with_a_price_in_points_becomes_free(
    site: Site, till: Till, giving: DolibarrTill
) -> None:
    product = site.product(array_options={"options_tlprice": 100})
    ticket = till.ring_up(product, site.customer())
    (line,) = seen(giving, ticket).rewards
    assert (line.price, line.quantity, line.percent) == (100, 1, 0)
    before = site.one(ticket)

    giving.reduce(ticket, line.rowid, Decimal(100), marked(line.text, "100 points", line.price))

    (free,) = seen(giving, ticket).rewards
    assert (free.rowid, free.percent) == (line.rowid, 100)
    given = site.one(ticket)
    assert given.total_incl == 0
    assert price_on(given.lines[0]) == 100
    assert (given.lines[0].unit_price_excl, given.lines[0].tax_rate) == (
        before.lines[0].unit_price_excl,
        before.lines[0].tax_rate,
    )

    giving.reduce(ticket, line.rowid, Decimal("33.333333"), line.text)
    (part,) = seen(giving, ticket).rewards
    assert (part.percent, part.text) == (Decimal("33.333333"), line.text)
    giving.reduce(ticket, line.rowid, Decimal(0), line.text)
    assert site.one(ticket).lines == before.lines
    till.pay(ticket, "LIQ")
    with pytest.raises(RefusedError):
        giving.reduce(ticket, line.rowid, Decimal(100), line.text)


def test_products_without_a_price_in_points_are_left_alone(
    site: Site, till: Till, giving: DolibarrTill
) -> None:
    ticket = till.ring_up(site.product(), site.customer())
    assert seen(giving, ticket).rewards == ()
    till.discard(ticket)


def test_articles_that_are_given_are_seen_at_their_full_price(site: Site, till: Till) -> None:
    product, other = site.product(), site.product()
    ((ref,),) = site.rows("SELECT ref FROM llx_product WHERE rowid = %s", product)
    name = site.customer_key(1).source
    screen = DolibarrTill(name, site.database_url, site.http, articles=[str(ref)])
    ticket = till.ring_up(product, site.customer())
    till.ring_up(other)
    found = seen(screen, ticket)
    assert found is not None
    (line,) = [one.rowid for one in site.one(ticket).lines if one.product_rowid == product]
    assert found.articles == (line,)
    screen.reduce(ticket, line, Decimal(100), "Mug [* 120 points DS-7KQ2M9XW4HTR *]")
    again = seen(screen, ticket)
    assert again is not None
    assert again.articles == ()
    till.discard(ticket)
