"""Codes on drafts: found where they are typed, answered, and turned into lines that hold."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connectors.dolibarr_codes import DolibarrCodes
from dolisync.codes import new_code, shown_code
from dolisync.errors import RefusedError
from dolisync.model import DiscountKind, SaleStatus
from dolisync.ports import TypedLine
from tests.contract.site import NAME, Site, line, unique
from tests.contract.till import Till

TOKEN = "DG-7KQ2M9XW4HTR"


@pytest.fixture
def till(site: Site) -> Till:
    if site.till is None:
        pytest.skip("no till: DOLISYNC_LIVE_LOGIN and DOLISYNC_LIVE_PASSWORD not set")
    return site.till


@pytest.fixture
def door(site: Site) -> DolibarrCodes:
    return DolibarrCodes(NAME, site.database_url, site.http)


def typed_on(door: DolibarrCodes, rowid: int) -> list[TypedLine]:
    return [found for found in door.typed() if found.sale.rowid == rowid]


def test_a_code_typed_in_the_office_is_found_answered_and_taken_off(
    site: Site, door: DolibarrCodes
) -> None:
    code = shown_code(new_code())
    draft = site.draft(site.customer(), line(subprice=50), line(desc=code, subprice=0))
    before = site.one(draft)
    (found,) = typed_on(door, draft)
    assert (found.text, found.sale) == (code, site.sale_key(draft))
    door.answer(found, "...4HTR: il n'y reste rien & <rien>, 5,00 €")
    after = site.one(draft)
    assert code not in " ".join(part.text for part in after.lines)
    assert "il n'y reste rien" in " ".join(part.text for part in after.lines).replace("&#039;", "'")
    assert (after.total_incl, len(after.lines)) == (before.total_incl, 2)
    door.remove_line(found.sale, found.rowid)
    assert len(site.one(draft).lines) == 1


def test_a_code_from_the_office_s_editor_is_read_without_its_marks(
    site: Site, door: DolibarrCodes
) -> None:
    code = shown_code(new_code())
    draft = site.draft(site.customer(), line(subprice=50), line(desc=code, subprice=0))
    site.execute(
        "UPDATE llx_facturedet SET description = %s WHERE fk_facture = %s AND total_ttc = 0",
        f"<p>{code}</p>\r\n",
        draft,
    )
    assert [found.text for found in typed_on(door, draft)] == [code]
    assert door.may_write()


def test_a_code_scanned_at_the_till_is_found_on_the_open_ticket(
    site: Site, till: Till, door: DolibarrCodes
) -> None:
    code = new_code()
    ticket = till.ring_up(site.product(), site.customer())
    till.free_line(ticket, code)
    (found,) = typed_on(door, ticket)
    assert found.text == code
    door.add_line(found.sale, f"Gift card ...4HTR ({TOKEN})", Decimal(-5), Decimal(0))
    door.remove_line(found.sale, found.rowid)
    before = site.one(ticket)
    assert before.total_incl == 7
    till.pay(ticket, "LIQ")
    paid = site.one(ticket)
    assert (paid.status, paid.total_incl) == (SaleStatus.PAID, 7)
    (used,) = [part for part in paid.lines if TOKEN in part.text]
    assert (used.discount, used.total_incl) == (DiscountKind.GIFT_CARD, -5)
    assert typed_on(door, ticket) == []


def test_what_is_validated_takes_no_answer_and_no_line(site: Site, door: DolibarrCodes) -> None:
    code = shown_code(new_code())
    invoice = site.draft(site.customer(), line(subprice=50), line(desc=code, subprice=0))
    (found,) = typed_on(door, invoice)
    site.act(invoice, "validate", idwarehouse=0, notrigger=0)
    assert typed_on(door, invoice) == []
    with pytest.raises(RefusedError):
        door.answer(found, "too late")
    with pytest.raises(RefusedError):
        door.add_line(found.sale, "too late", Decimal(-5), Decimal(0))
    assert site.one(invoice).total_incl == 60


@pytest.mark.parametrize("way", ["sql", "rest"])
def test_both_doors_know_gift_cards_sold_and_used(site: Site, way: str) -> None:
    ref = unique("GIFT")
    product = site.product(ref=ref, price=50, tva_tx=0)
    sold = {"fk_product": product, "subprice": 50, "tva_tx": 0, "qty": 2}
    used = {"desc": f"Gift card ...4HTR ({TOKEN})", "subprice": -20, "tva_tx": 0}
    bon = {"desc": "Voucher ...4HTR (DV-7KQ2M9XW4HTR)", "subprice": -5}
    rowid = site.paid(site.customer(), line(**sold), line(subprice=50), line(**used), line(**bon))
    (sale,) = getattr(site, way)(gift_card=ref).get([rowid])
    kinds = [part.discount for part in sale.lines]
    card = DiscountKind.GIFT_CARD
    assert kinds == [card, None, card, DiscountKind.FIXED]
    assert sale.lines[0].product_ref == ref
    (plain,) = getattr(site, way)().get([rowid])
    assert plain.lines[0].discount is None


@pytest.mark.parametrize("way", ["sql", "rest"])
def test_a_product_is_known_by_its_reference(site: Site, way: str) -> None:
    ref = unique("GIFT")
    site.product(ref=ref)
    source = getattr(site, way)()
    assert source.has_product(ref)
    assert not source.has_product(f"{ref}X")


def test_what_is_typed_behind_an_asterisk_is_found_on_open_tickets_only(
    site: Site, till: Till, door: DolibarrCodes
) -> None:
    ticket = till.ring_up(site.product(), site.customer())
    till.free_line(ticket, "*10 % réduction")
    draft = site.draft(site.customer(), line(subprice=50), line(desc="*10 % off", subprice=0))
    asked = [one for one in door.asked() if one.sale.rowid in {ticket, draft}]
    (found,) = asked
    assert (found.sale, found.text) == (site.sale_key(ticket), "*10 % réduction")
    before = site.one(ticket)
    door.answer(found, "10 % réduction: 200 points wanted")
    assert [one for one in door.asked() if one.sale.rowid == ticket] == []
    assert site.one(ticket).total_incl == before.total_incl
    door.remove_line(found.sale, found.rowid)
    assert len(site.one(ticket).lines) == len(before.lines) - 1
    till.discard(ticket)
