"""What every sale source promises, and that both doors of a Dolibarr say the same."""

from __future__ import annotations

import html
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import pytest

from connectors import dolibarr_setup
from dolisync.model import Article, DiscountKind, PaymentKind, Sale, SaleKind, SaleStatus
from dolisync.ports import ArticleSource, Discount, FieldSpec, Position, Requirements, SaleSource
from tests.contract.site import CARD, Site, line, unique


class Reader(SaleSource, ArticleSource, Protocol):
    """A door through which sales and articles are read."""


Door = Callable[[Site], Reader]


@pytest.fixture(params=["sql", "rest"])
def door(request: pytest.FixtureRequest) -> Door:
    return lambda site: getattr(site, request.param)()


def walk(source: SaleSource, since: datetime, limit: int) -> list[Sale]:
    """Read all pages from a moment on."""
    sales: list[Sale] = []
    after: Position | None = None
    while True:
        page = source.changed(since, after, limit)
        sales += page.sales
        if page.next_position is None:
            return sales
        assert after is None or page.next_position > after
        after = page.next_position


def days(site: Site) -> tuple[datetime, datetime]:
    now = site.now()
    return now - timedelta(days=2), now + timedelta(days=2)


class TestSale:
    """What a document looks like."""

    def test_paid_with_its_lines(self, site: Site) -> None:
        customer, product = site.customer(), site.product()
        rowid = site.paid(
            customer,
            line(fk_product=product, qty=3, subprice="1.23223", tva_tx="5.5"),
            line(desc="Gâteau d'Alice & fils", subprice=20, remise_percent=10, product_type=1),
        )
        sale = site.one(rowid)
        assert sale.key == site.sale_key(rowid)
        assert (sale.kind, sale.status) == (SaleKind.STANDARD, SaleStatus.PAID)
        assert sale.customer == site.customer_key(customer)
        assert sale.total_excl == Decimal("21.7")
        assert sale.total_incl == Decimal("25.5")
        assert not sale.is_pos
        good, free = sale.lines
        assert (good.product_rowid, good.quantity, good.tax_rate) == (product, 3, Decimal("5.5"))
        assert good.product_ref.startswith("P")
        assert not good.is_service
        # 22 stores what REST brings with HTML's names for some letters.
        assert html.unescape(free.text) == "Gâteau d'Alice & fils"
        assert free.discount_percent == 10
        assert free.is_service
        assert free.product_rowid is None
        assert sum(one.total_incl for one in sale.lines) == sale.total_incl
        (payment,) = sale.payments
        assert (payment.mode, payment.amount) == ("LIQ", Decimal("25.5"))
        assert payment.kind is PaymentKind.MONEY

    def test_times_are_utc_whatever_zones_php_and_database_are_in(self, site: Site) -> None:
        before = site.now()
        sale = site.one(site.paid(site.customer()))
        after = site.now() + timedelta(seconds=1)
        assert before <= sale.changed_at <= after
        assert sale.created_at is not None
        assert before - timedelta(seconds=2) <= sale.created_at <= after
        (payment,) = sale.payments
        assert payment.paid_at is not None
        assert before - timedelta(seconds=2) <= payment.paid_at <= after

    def test_paid_in_parts(self, site: Site) -> None:
        rowid = site.invoice(site.customer())
        site.pay_part(rowid, "5")
        assert site.one(rowid).status is SaleStatus.VALIDATED
        site.pay(rowid)
        sale = site.one(rowid)
        assert sale.status is SaleStatus.PAID
        assert sorted((one.mode, one.amount) for one in sale.payments) == [("CB", 5), ("LIQ", 7)]

    def test_credit_note_and_its_use(self, site: Site) -> None:
        customer = site.customer()
        source = site.paid(customer)
        note = site.credit_note(customer, source, line(subprice=-5))
        other = site.invoice(customer)
        site.use_credit_note(other, customer, note)
        credit = site.one(note)
        assert credit.kind is SaleKind.CREDIT_NOTE
        assert credit.origin == site.sale_key(source)
        assert credit.total_incl == -6
        (used,) = site.one(other).payments
        assert (used.kind, used.amount) == (PaymentKind.CREDIT_NOTE, 6)

    def test_line_that_consumes_a_discount(self, site: Site) -> None:
        customer, token = site.customer(), unique("T")
        wanted = Discount(site.customer_key(customer), token, "Voucher", Decimal(3), Decimal(20))
        placed = site.sql_sink().create_discount(wanted)
        rowid = site.draft(customer)
        site.act(rowid, f"usediscount/{placed.rowids[0]}")
        consuming = [one for one in site.one(rowid).lines if one.discount is not None]
        assert [(one.discount, one.total_incl) for one in consuming] == [(DiscountKind.FIXED, -3)]

    def test_deposit_taken_off_later(self, site: Site) -> None:
        customer = site.customer()
        # REST turns only unpaid ones into a credit.
        deposit = site.invoice(customer, type=3)
        assert site.one(deposit).kind is SaleKind.DEPOSIT
        site.act(deposit, "markAsCreditAvailable")
        (found,) = site.http.get_list(f"thirdparties/{customer}/fixedamountdiscounts")
        rowid = site.draft(customer, line(subprice=50))
        site.act(rowid, f"usediscount/{found['rowid']}")
        kinds = [one.discount for one in site.one(rowid).lines if one.discount is not None]
        assert kinds == [DiscountKind.DEPOSIT]

    def test_closed_without_being_paid_in_full(self, site: Site) -> None:
        rowid = site.invoice(site.customer())
        site.pay_part(rowid, "5")
        site.act(rowid, "settopaid", close_code="discount_vat", close_note="")
        sale = site.one(rowid)
        assert (sale.status, sale.close_code) == (SaleStatus.CLOSED, "discount_vat")

    def test_replaced(self, site: Site) -> None:
        customer = site.customer()
        source = site.invoice(customer)
        site.invoice(customer, type=1, fk_facture_source=source)
        assert site.one(source).status is SaleStatus.ABANDONED

    def test_negative_and_empty_amounts(self, site: Site) -> None:
        rowid = site.invoice(site.customer(), line(subprice=-2), line(subprice=0), line(subprice=2))
        assert site.one(rowid).total_incl == 0

    def test_product_points(self, site: Site) -> None:
        name = unique("pp")
        needed = Requirements((FieldSpec("product", name, "Points", "amount", editable=True),))
        dolibarr_setup.apply(needed, site.http, site.database_url)
        with_points = site.product()
        site.execute(
            f"INSERT INTO llx_product_extrafields (fk_object, {name}) VALUES (%s, 7.5)", with_points
        )
        without = site.product()
        rowid = site.invoice(
            site.customer(), line(fk_product=with_points), line(fk_product=without), line()
        )
        (by_sql,) = site.sql(with_product_points=name).get([rowid])
        (by_rest,) = site.rest(with_product_points=name).get([rowid])
        assert by_sql == by_rest
        assert [one.product_points for one in by_sql.lines] == [Decimal("7.5"), None, None]


class TestSource:
    """What a source gives, through either door."""

    def test_changed_in_any_page_size(self, site: Site, door: Door) -> None:
        since, customer = site.now(), site.customer()
        rowids = [site.invoice(customer) for _ in range(5)]
        source = door(site)
        for limit in (1, 2, 100):
            found = [sale for sale in walk(source, since, limit) if sale.customer.rowid == customer]
            assert [sale.key.rowid for sale in found] == rowids
            assert found == sorted(found, key=lambda sale: (sale.changed_at, sale.key.rowid))

    def test_both_doors_give_the_same_pages(self, site: Site) -> None:
        since, customer = site.now(), site.customer()
        site.paid(customer)
        site.credit_note(customer, site.invoice(customer), line(subprice=-1))
        by_sql = walk(site.sql(), since, 2)
        assert by_sql == walk(site.rest(), since, 2)
        assert len(by_sql) >= 3

    def test_nothing_changed(self, site: Site, door: Door) -> None:
        page = door(site).changed(site.now() + timedelta(hours=3), None, 10)
        assert (page.sales, page.next_position) == ((), None)

    def test_drafts_are_left_out_and_reopened_ones_are_not(self, site: Site, door: Door) -> None:
        since, customer = site.now(), site.customer()
        draft, reopened = site.draft(customer), site.invoice(customer)
        site.act(reopened, "settodraft", idwarehouse=-1)
        source = door(site)
        found = {sale.key.rowid: sale for sale in walk(source, since, 100)}
        assert draft not in found
        assert found[reopened].status is SaleStatus.DRAFT
        dated = source.between(*(moment.date() for moment in days(site)), draft - 1, 100)
        assert [sale.key.rowid for sale in dated.sales if sale.customer.rowid == customer] == [
            reopened
        ]
        assert {sale.key.rowid for sale in source.get([draft, reopened])} == {draft, reopened}

    def test_reopened_paid_document_is_a_draft(self, site: Site) -> None:
        rowid = site.paid(site.customer())
        site.act(rowid, "settodraft", idwarehouse=-1)
        assert site.one(rowid).status is SaleStatus.DRAFT

    def test_missing_ones_are_left_out(self, site: Site, door: Door) -> None:
        customer = site.customer()
        kept, gone = site.invoice(customer), site.draft(customer)
        site.http.delete(f"invoices/{gone}")
        found = door(site).get([gone, kept, kept, 987654321])
        assert [sale.key.rowid for sale in found] == [kept]
        assert door(site).get([]) == ()

    def test_find_by_number(self, site: Site, door: Door) -> None:
        rowid = site.invoice(site.customer())
        ref = site.one(rowid).ref
        source = door(site)
        assert [sale.key.rowid for sale in source.find(f" {ref} ")] == [rowid]
        assert source.find(f"{ref}x") == ()
        assert source.find("o'x(y):z") == ()

    def test_find_a_provisional_number(self, site: Site, door: Door) -> None:
        rowid = site.draft(site.customer())
        assert [sale.key.rowid for sale in door(site).find(f"(PROV{rowid})")] == [rowid]

    def test_between_pages_by_rowid(self, site: Site, door: Door) -> None:
        start, end = (moment.date() for moment in days(site))
        customer = site.customer()
        rowids = [site.invoice(customer) for _ in range(3)]
        source, after, found = door(site), rowids[0] - 1, []
        while after is not None:
            page = source.between(start, end, after, 2)
            found += [sale.key.rowid for sale in page.sales]
            after = page.next_rowid
        assert found == rowids
        assert source.between(start - timedelta(9), start, rowids[0] - 1, 9).sales == ()

    def test_count_between(self, site: Site) -> None:
        start, end = (moment.date() for moment in days(site))
        before = site.sql().count_between(start, end)
        site.invoice(site.customer())
        assert site.sql().count_between(start, end) == before + 1
        assert site.rest().count_between(start, end) is None

    def test_payments_by_rowid(self, site: Site) -> None:
        source = site.sql()
        last = source.last_payment_rowid()
        first, second = (site.paid(site.customer(), mode=CARD) for _ in range(2))
        pairs = source.paid_after(last, 10).pairs
        assert [sale for _, sale in pairs] == [first, second]
        assert pairs[-1][0] == source.last_payment_rowid()
        assert source.paid_after(last, 1).pairs == pairs[:1]
        assert source.paid_after(pairs[-1][0], 10).pairs == ()

    def test_rest_tells_no_payments_apart(self, site: Site) -> None:
        assert site.rest().last_payment_rowid() == 0
        assert site.rest().paid_after(0, 10).pairs == ()

    def test_partial_payment_is_found_though_the_document_looks_unchanged(self, site: Site) -> None:
        rowid = site.invoice(site.customer())
        last = site.sql().last_payment_rowid()
        site.pay_part(rowid, "1")
        assert [sale for _, sale in site.sql().paid_after(last, 10).pairs] == [rowid]

    def test_clock(self, site: Site, door: Door) -> None:
        rowid = site.invoice(site.customer())
        changed_at = door(site).get([rowid])[0].changed_at
        assert changed_at <= door(site).now() < changed_at + timedelta(seconds=30)

    def test_reassigned_to_another_customer(self, site: Site) -> None:
        customer, other = site.customer(), site.customer()
        rowid = site.invoice(customer)
        site.http.put(f"invoices/{rowid}", {"socid": other})
        assert site.one(rowid).customer == site.customer_key(other)


class TestCatalogue:
    """What the catalogue says of products, through either door."""

    def test_prices_fields_and_tags_with_those_above(self, site: Site, door: Door) -> None:
        name = unique("cat")
        needed = Requirements((FieldSpec("product", name, "Brand", "text", editable=True),))
        dolibarr_setup.apply(needed, site.http, site.database_url)
        above, below = unique("Bakery "), unique("Bread & more é ")
        plain, tagged = site.product(), site.product(price=5, tva_tx=20)
        parent = site.http.post("categories", {"label": above, "type": "product"})
        child = {"label": below, "type": "product", "fk_parent": int(parent)}
        tag = int(site.http.post("categories", child))
        site.execute(
            "INSERT INTO llx_categorie_product (fk_categorie, fk_product) VALUES (%s, %s)",
            tag,
            tagged,
        )
        site.execute(
            f"INSERT INTO llx_product_extrafields (fk_object, {name}) VALUES (%s, 'Acmé')", tagged
        )
        source = door(site)
        found = source.articles([tagged, plain, 10**8], [name, "nosuchfield"], with_tags=True)
        assert set(found) == {plain, tagged}
        assert found[tagged] == Article(
            tuple(sorted((above, below))), Decimal(5), Decimal(6), ((name, "Acmé"),)
        )
        assert found[plain] == Article((), Decimal(10), Decimal(12), ())
        assert source.articles([tagged], [], with_tags=False)[tagged].tags == ()
        assert {above, below} <= source.product_tags()
