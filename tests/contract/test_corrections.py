"""What Dolibarr makes of documents that are reopened, replaced and credited, and of discounts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dolisync.model import DiscountKind, Sale, SaleKind, SaleStatus
from dolisync.ports import Discount, PlacedDiscount
from tests.contract.office import Office
from tests.contract.site import Site, line, unique
from tests.contract.till import Till, TillBrokeError


@pytest.fixture
def till(site: Site) -> Till:
    if site.till is None:
        pytest.skip("no till: DOLISYNC_LIVE_LOGIN and DOLISYNC_LIVE_PASSWORD not set")
    return site.till


@pytest.fixture
def office(site: Site) -> Office:
    if site.office is None:
        pytest.skip("no office: DOLISYNC_LIVE_LOGIN and DOLISYNC_LIVE_PASSWORD not set")
    return site.office


def grant(site: Site, customer: int, amount: int = 6) -> str:
    token = unique("DS-K")
    owner = site.customer_key(customer)
    site.sql_sink().create_discount(
        Discount(owner, token, f"Reward {token}", Decimal(amount), Decimal(20))
    )
    return token


def placed(site: Site, token: str) -> PlacedDiscount:
    found = site.sql_sink().find_discount(None, token)
    assert found is not None
    return found


def use(site: Site, token: str, invoice: int) -> None:
    site.act(invoice, f"usediscount/{placed(site, token).rowids[0]}")


def discounted(site: Site, customer: int) -> tuple[int, str]:
    """Invoice 60, less a discount of 6."""
    token = grant(site, customer)
    rowid = site.draft(customer, line(subprice=50))
    use(site, token, rowid)
    site.act(rowid, "validate", idwarehouse=0, notrigger=0)
    return rowid, token


def taken_off(sale: Sale) -> list[Decimal]:
    return [one.total_incl for one in sale.lines if one.discount is DiscountKind.FIXED]


def credits_of(site: Site, customer: int) -> list[Sale]:
    """Read the numbered credit notes of a customer."""
    today = site.now().date()
    found = site.sql().between(today.replace(day=1), today.replace(year=today.year + 1), 0, 10**6)
    return [
        site.one(sale.key.rowid)
        for sale in found.sales
        if sale.customer.rowid == customer and sale.kind is SaleKind.CREDIT_NOTE
    ]


class TestReopened:
    def test_a_paid_invoice_validated_again_is_paid(self, site: Site) -> None:
        rowid = site.paid(site.customer())
        site.act(rowid, "settodraft", idwarehouse=-1)
        site.act(rowid, "validate", idwarehouse=0, notrigger=0)
        sale = site.one(rowid)
        assert sale.status is SaleStatus.PAID
        assert sum(paid.amount for paid in sale.payments) == sale.total_incl

    def test_an_unpaid_one_is_not(self, site: Site) -> None:
        rowid = site.invoice(site.customer())
        site.act(rowid, "settodraft", idwarehouse=-1)
        site.act(rowid, "validate", idwarehouse=0, notrigger=0)
        assert site.one(rowid).status is SaleStatus.VALIDATED

    def test_one_that_was_closed_for_a_reason_is_not(self, site: Site) -> None:
        rowid = site.invoice(site.customer())
        site.pay_part(rowid, "5")
        site.act(rowid, "settopaid", close_code="discount_vat", close_note="")
        site.act(rowid, "settounpaid")
        assert site.one(rowid).status is SaleStatus.VALIDATED


class TestReplaced:
    def test_a_discount_is_doubled_and_the_surplus_removed(
        self, site: Site, office: Office
    ) -> None:
        sink, customer = site.sql_sink(), site.customer()
        rowid, token = discounted(site, customer)
        draft = office.replace(rowid)
        assert taken_off(site.one(draft)) == [-6]
        found = placed(site, token)
        assert (found.amount_incl, found.free_amount, len(found.rowids)) == (12, 0, 2)
        assert not sink.remove_surplus(token, Decimal(6))
        site.http.delete(f"invoices/{draft}")
        found = placed(site, token)
        assert (found.amount_incl, found.free_amount, found.used) == (12, 6, True)
        assert sink.list_discounts("DS-")[token] == found
        assert sink.remove_surplus(token, Decimal(6))
        found = placed(site, token)
        assert (found.amount_incl, found.free_amount, found.used) == (6, 0, True)
        assert not sink.remove_surplus(token, Decimal(6))
        assert taken_off(site.one(rowid)) == [-6]

    def test_of_two_the_one_that_is_free_is_removed_old_or_new(
        self, site: Site, office: Office
    ) -> None:
        rowid, token = discounted(site, site.customer())
        draft = office.replace(rowid)
        old, new = placed(site, token).rowids
        site.act(rowid, "settodraft", idwarehouse=-1)
        (line_id,) = [one.rowid for one in site.one(rowid).lines if one.discount]
        site.http.delete(f"invoices/{rowid}/lines/{line_id}")
        assert placed(site, token).free_amount == 6
        assert site.sql_sink().remove_surplus(token, Decimal(6))
        assert placed(site, token).rowids == (new,)
        assert taken_off(site.one(draft)) == [-6]
        assert old < new

    def test_validated_the_old_one_is_given_up_and_keeps_its_discount(
        self, site: Site, office: Office
    ) -> None:
        rowid, token = discounted(site, site.customer())
        draft = office.replace(rowid)
        site.act(draft, "validate", idwarehouse=0, notrigger=0)
        old, new = site.one(rowid), site.one(draft)
        assert (old.status, old.close_code) == (SaleStatus.ABANDONED, "replaced")
        assert (new.kind, new.origin) == (SaleKind.REPLACEMENT, site.sale_key(rowid))
        assert taken_off(old) == taken_off(new) == [-6]
        assert placed(site, token).free_amount == 0

    def test_the_replacement_deleted_leaves_the_old_one_given_up(
        self, site: Site, office: Office
    ) -> None:
        rowid, token = discounted(site, site.customer())
        draft = office.replace(rowid)
        site.act(draft, "validate", idwarehouse=0, notrigger=0)
        site.http.delete(f"invoices/{draft}")
        assert site.sql().get([draft]) == ()
        assert site.one(rowid).status is SaleStatus.ABANDONED
        assert placed(site, token).free_amount == 6


class TestCredited:
    def test_the_same_lines_carry_the_discount_with_its_token(
        self, site: Site, office: Office
    ) -> None:
        customer = site.customer()
        rowid, token = discounted(site, customer)
        site.pay(rowid)
        note = office.credit_same_lines(rowid, customer)
        site.act(note, "validate", idwarehouse=0, notrigger=0)
        credit = site.one(note)
        assert (credit.kind, credit.origin) == (SaleKind.CREDIT_NOTE, site.sale_key(rowid))
        assert (credit.total_incl, taken_off(credit)) == (-54, [6])
        assert [one.text for one in credit.lines if one.discount] == [f"Reward {token}"]
        assert (placed(site, token).amount_incl, placed(site, token).free_amount) == (6, 0)

    def test_dropped_it_sets_nothing_free(self, site: Site, office: Office) -> None:
        customer = site.customer()
        rowid, token = discounted(site, customer)
        site.http.delete(f"invoices/{office.credit_same_lines(rowid, customer)}")
        assert placed(site, token).free_amount == 0

    def test_made_available_it_can_be_used_as_a_line(self, site: Site) -> None:
        customer = site.customer()
        note = site.credit_note(customer, site.paid(customer), line(subprice=-5))
        (row,) = site.http.get_list(f"thirdparties/{customer}/fixedamountdiscounts")
        rowid = site.draft(customer, line(subprice=50))
        site.act(rowid, f"usediscount/{row.get('rowid', row.get('id'))}")
        (used,) = [one for one in site.one(rowid).lines if one.discount]
        assert (used.discount, used.total_incl) == (DiscountKind.CREDIT_NOTE, -6)
        assert site.one(note).status is SaleStatus.PAID


class TestTill:
    def test_a_credit_note_is_validated_and_never_paid(self, site: Site, till: Till) -> None:
        customer = site.customer()
        ticket = till.ring_up(site.product(), customer)
        till.pay(ticket, "LIQ")
        till.credit_note(ticket)
        (credit,) = credits_of(site, customer)
        assert (credit.status, credit.origin) == (SaleStatus.VALIDATED, site.sale_key(ticket))
        assert credit.is_pos
        assert (credit.total_incl, credit.payments) == (-12, ())

    def test_a_payment_button_on_it_rewrites_its_source(self, site: Site, till: Till) -> None:
        customer, product = site.customer(), site.product()
        tickets = []
        for _ in range(2):
            tickets.append(till.ring_up(product, customer))
            till.pay(tickets[-1], "LIQ")
        till.credit_note(tickets[0])
        (credit,) = credits_of(site, customer)
        till.pay(credit.key.rowid, "LIQ")
        (rewritten,) = credits_of(site, customer)
        assert (rewritten.status, rewritten.origin) == (
            SaleStatus.VALIDATED,
            site.sale_key(tickets[1]),
        )

    def test_a_ticket_below_zero_guesses_its_source(self, site: Site, till: Till) -> None:
        customer, product = site.customer(), site.product()
        bought = till.ring_up(product, customer)
        till.pay(bought, "LIQ")
        ticket = till.ring_up(product, customer)
        till.change_quantity(site.one(ticket).lines[0].rowid, -1)
        till.pay(ticket, "LIQ")
        credit = site.one(ticket)
        assert (credit.kind, credit.status) == (SaleKind.CREDIT_NOTE, SaleStatus.VALIDATED)
        assert (credit.origin, credit.total_incl) == (site.sale_key(bought), -12)
        assert credit.lines[0].quantity == -1

    def test_an_exchange_stays_a_sale(self, site: Site, till: Till) -> None:
        customer = site.customer()
        ticket = till.ring_up(site.product(price=30), customer)
        till.ring_up(site.product())
        till.change_quantity(site.one(ticket).lines[-1].rowid, -1)
        till.pay(ticket, "LIQ")
        sale = site.one(ticket)
        assert (sale.kind, sale.status) == (SaleKind.STANDARD, SaleStatus.PAID)
        assert sorted(one.total_incl for one in sale.lines) == [-12, 36]

    def test_one_that_used_a_discount_cannot_be_credited(self, site: Site, till: Till) -> None:
        customer = site.customer()
        token = grant(site, customer, 3)
        ticket = till.ring_up(site.product(), customer)
        use(site, token, ticket)
        till.pay(ticket, "LIQ")
        with pytest.raises(TillBrokeError):
            till.credit_note(ticket)
        assert credits_of(site, customer) == []
        assert (placed(site, token).used, placed(site, token).free_amount) == (True, 0)
