"""What people do at the desk leaves the rows that Dolibarr leaves."""

from __future__ import annotations

from decimal import Decimal

import pytest
import sqlalchemy as sa

from connectors.standin import ShopError
from connectors.standin.testing import opened


@pytest.fixture
def shop():
    with opened() as (standin, _clock):
        yield standin.shop


@pytest.fixture
def alice(shop):
    return shop.add_customer("Alice")


@pytest.fixture
def coffee(shop):
    return shop.add_product("P1", "Coffee", 10, 20)


def state(shop, invoice):
    row = shop.invoice(invoice)
    return row["fk_statut"], row["paye"]


def test_lines_are_rounded_one_by_one(shop, alice, coffee):
    invoice = shop.new_invoice(alice)
    shop.add_line(invoice, coffee, 2)
    shop.add_line(invoice, coffee, 4, 2, tva_tx="5.5", remise_percent=10)
    second = shop.lines(invoice)[1]
    assert (second["total_ht"], second["total_tva"]) == (Decimal("7.2"), Decimal("0.4"))
    row = shop.invoice(invoice)
    assert (row["total_ht"], row["total_tva"], row["total_ttc"]) == (
        Decimal("27.2"),
        Decimal("4.4"),
        Decimal("31.6"),
    )


def test_prices_with_tax_keep_the_price_on_the_label(shop, alice):
    bread = shop.add_product("B", "Bread", price_ttc="1.30", tva_tx="5.5")
    invoice = shop.sell(alice, [(bread, 3)])
    assert shop.invoice(invoice)["total_ttc"] == Decimal("3.9")


def test_a_draft_gets_its_number_at_validation(shop, alice, coffee):
    invoice = shop.new_invoice(alice)
    assert shop.invoice(invoice)["ref"] == f"(PROV{invoice})"
    shop.add_line(invoice, coffee)
    assert shop.validate(invoice) == "FA2611-0001"
    assert shop.validate(shop.replace(shop.sell(alice, [coffee], None))) == "FA2611-0003"


def test_only_drafts_change_and_only_with_lines_are_they_validated(shop, alice, coffee):
    invoice = shop.sell(alice, [coffee])
    with pytest.raises(ShopError, match="draft"):
        shop.add_line(invoice, coffee)
    with pytest.raises(ShopError, match="lines"):
        shop.validate(shop.new_invoice(alice))


def test_part_payments_close_only_when_nothing_is_left(shop, alice, coffee):
    invoice = shop.sell(alice, [coffee], mode=None)
    shop.pay(invoice, 5, "LIQ")
    assert state(shop, invoice) == (1, 0)
    assert shop.remaining(invoice) == 7
    shop.pay(invoice, mode="CB")
    assert state(shop, invoice) == (2, 1)
    refs = [row["ref"] for row in shop.store.rows(shop.tables.paiement.select())]
    assert refs == ["PAY2611-0001", "PAY2611-0002"]


def test_a_payment_of_a_closed_invoice_cannot_be_deleted(shop, alice, coffee):
    invoice = shop.sell(alice, [coffee], mode=None)
    payment = shop.pay(invoice)
    with pytest.raises(ShopError, match="closed"):
        shop.delete_payment(payment)
    shop.set_unpaid(invoice)
    shop.delete_payment(payment)
    assert shop.remaining(invoice) == 12


def test_closing_with_a_reason_is_not_being_paid(shop, alice, coffee):
    invoice = shop.sell(alice, [coffee], mode=None)
    shop.pay(invoice, 10)
    shop.close(invoice, "discount_vat", "esc")
    row = shop.invoice(invoice)
    assert (row["fk_statut"], row["paye"], row["close_code"]) == (2, 0, "discount_vat")


def test_back_to_draft_keeps_payments_number_and_paye(shop, alice, coffee):
    invoice = shop.sell(alice, [coffee])
    shop.set_draft(invoice)
    row = shop.invoice(invoice)
    assert (row["fk_statut"], row["paye"], row["ref"]) == (0, 1, "FA2611-0001")
    assert shop.paid(invoice) == 12
    shop.add_line(invoice, coffee)
    assert shop.validate(invoice) == "FA2611-0001"


def test_an_abandoned_invoice_keeps_its_discount(shop, alice, coffee):
    voucher = shop.add_discount(alice, 3, "voucher")
    invoice = shop.new_invoice(alice)
    shop.add_line(invoice, coffee)
    line = shop.use_discount(invoice, voucher)
    shop.validate(invoice)
    shop.abandon(invoice)
    assert shop.invoice(invoice)["close_code"] == "abandon"
    assert shop.discount(voucher)["fk_facture_line"] == line


def test_a_replacement_retires_its_source_when_validated(shop, alice, coffee):
    source = shop.sell(alice, [coffee], mode=None)
    replacement = shop.replace(source)
    assert state(shop, source) == (1, 0)
    shop.validate(replacement)
    assert shop.invoice(source)["close_code"] == "replaced"
    assert shop.invoice(source)["fk_statut"] == 3
    assert shop.invoice(replacement)["fk_facture_source"] == source


def sold_with(shop, alice, coffee, voucher):
    invoice = shop.new_invoice(alice)
    shop.add_line(invoice, coffee)
    shop.use_discount(invoice, voucher)
    shop.validate(invoice)
    return invoice


def parts(shop, text):
    table = shop.tables.societe_remise_except
    rows = shop.store.rows(sa.select(table).where(table.c.description == text))
    return [bool(row["fk_facture_line"]) for row in rows]


def test_a_replacement_consumes_a_second_discount(shop, alice, coffee):
    source = sold_with(shop, alice, coffee, shop.add_discount(alice, 3, "voucher"))
    replacement = shop.replace(source)
    assert parts(shop, "voucher") == [True, True]
    assert shop.invoice(replacement)["total_ttc"] == 9
    shop.delete_invoice(replacement)
    assert parts(shop, "voucher") == [True, False]


def test_a_credit_note_of_the_same_lines_names_the_discount_and_frees_nothing(shop, alice, coffee):
    voucher = shop.add_discount(alice, 3, "voucher")
    note = shop.credit_note(sold_with(shop, alice, coffee, voucher))
    assert [line["fk_remise_except"] for line in shop.lines(note)] == [voucher, None]
    shop.delete_invoice(note)
    assert parts(shop, "voucher") == [True]


def test_the_till_fails_to_return_a_ticket_with_a_discount(shop, alice, coffee):
    source = sold_with(shop, alice, coffee, shop.add_discount(alice, 3, "voucher"))
    with pytest.raises(ShopError, match="DiscountAbsolute"):
        shop.pos_credit_note(source)


def test_a_credit_note_is_negative_and_its_discounts_are_not(shop, alice, coffee):
    source = shop.new_invoice(alice)
    shop.add_line(source, coffee)
    shop.add_line(source, None, 1, 10, tva_tx="5.5")
    shop.validate(source)
    note = shop.credit_note(source)
    assert shop.validate(note) == "AV2611-0001"
    row = shop.invoice(note)
    assert (row["type"], row["fk_facture_source"]) == (2, source)
    assert row["total_ttc"] == Decimal("-22.55")
    made = [shop.discount(rowid) for rowid in shop.mark_credit_available(note)]
    assert sorted(row["amount_ttc"] for row in made) == [Decimal("10.55"), Decimal(12)]
    assert state(shop, note) == (2, 1)


def test_a_credit_note_used_as_payment_reduces_the_rest(shop, alice, coffee):
    note = shop.credit_note(shop.sell(alice, [coffee]))
    shop.validate(note)
    (credit,) = shop.mark_credit_available(note)
    invoice = shop.sell(alice, [(coffee, 2)], mode=None)
    shop.use_credit_note(invoice, credit)
    assert shop.remaining(invoice) == 12
    with pytest.raises(ShopError, match="used"):
        shop.use_credit_note(shop.sell(alice, [coffee], mode=None), credit)


def test_a_commercial_discount_used_as_payment_is_lost(shop, alice, coffee):
    voucher = shop.add_discount(alice, 3, "voucher")
    invoice = shop.sell(alice, [coffee], mode=None)
    shop.use_credit_note(invoice, voucher)
    assert shop.remaining(invoice) == 12


def test_a_deposit_becomes_a_line_of_the_final_invoice(shop, alice, coffee):
    deposit = shop.new_invoice(alice, 3)
    shop.add_line(deposit, None, 1, 5)
    assert shop.validate(deposit) == "AC2611-0001"
    shop.pay(deposit)
    (discount,) = shop.mark_credit_available(deposit)
    final = shop.new_invoice(alice)
    shop.add_line(final, coffee)
    shop.use_discount(final, discount)
    assert shop.invoice(final)["total_ttc"] == 6


def test_a_deleted_reference_is_used_again_by_another_row(shop, alice, coffee):
    first = shop.sell(alice, [coffee], mode=None)
    last = shop.sell(alice, [coffee], mode=None)
    with pytest.raises(ShopError, match="erasable"):
        shop.delete_invoice(first)
    ref = shop.invoice(last)["ref"]
    shop.delete_invoice(last)
    again = shop.sell(alice, [coffee], mode=None)
    assert shop.invoice(again)["ref"] == ref
    assert again > last


def test_a_paid_invoice_is_not_erasable(shop, alice, coffee):
    with pytest.raises(ShopError, match="erasable"):
        shop.delete_invoice(shop.sell(alice, [coffee]))


def test_deleting_a_line_or_a_draft_releases_the_discount(shop, alice, coffee):
    voucher = shop.add_discount(alice, 3, "voucher")
    invoice = shop.new_invoice(alice)
    shop.delete_line(shop.use_discount(invoice, voucher))
    assert shop.discount(voucher)["fk_facture_line"] is None
    shop.use_discount(invoice, voucher)
    shop.delete_invoice(invoice)
    assert shop.discount(voucher)["fk_facture_line"] is None


def test_a_voucher_is_a_line_below_zero_marked_as_discount(shop, alice, coffee):
    voucher = shop.add_discount(alice, 3, "voucher")
    invoice = shop.new_invoice(alice)
    shop.add_line(invoice, coffee)
    shop.use_discount(invoice, voucher)
    line = shop.lines(invoice)[0]
    assert (line["info_bits"], line["fk_remise_except"], line["rang"]) == (2, voucher, -1)
    assert (line["subprice"], line["total_ttc"]) == (Decimal("-2.5"), -3)
    assert shop.invoice(invoice)["total_ttc"] == 9


def test_a_voucher_goes_only_on_a_draft_of_its_owner(shop, alice, coffee):
    voucher = shop.add_discount(shop.add_customer("Bob"), 3, "voucher")
    with pytest.raises(ShopError, match="owner"):
        shop.use_discount(shop.new_invoice(alice), voucher)


def test_a_split_discount_has_two_new_keys_and_marked_texts(shop, alice):
    voucher = shop.add_discount(alice, 12, "voucher #1")
    parts = [shop.discount(part) for part in shop.split_discount(voucher, 5)]
    assert [(row["description"], row["amount_ttc"]) for row in parts] == [
        ("voucher #1 (1)", 5),
        ("voucher #1 (2)", 7),
    ]
    assert voucher not in {row["rowid"] for row in parts}
    with pytest.raises(ShopError):
        shop.discount(voucher)


def test_a_merge_pours_one_customer_into_the_other(shop, coffee):
    shop.add_extra_field("societe", "loypts")
    keep = shop.add_customer("Keep", email="keep@example.org")
    drop = shop.add_customer("Drop", email="drop@example.org", phone="0600", barcode="123")
    shop.set_customer_fields(keep, loypts=10)
    shop.set_customer_fields(drop, loypts=7)
    tag = shop.add_category("Gold", "customer")
    shop.tag_customer(drop, tag)
    voucher = shop.add_discount(drop, 3, "voucher")
    shop.merge_customers(keep, drop)
    card = shop.store.get(shop.tables.societe, keep)
    assert (card["email"], card["phone"], card["barcode"]) == ("keep@example.org", "0600", "123")
    assert shop.customer_fields(keep) == {"loypts": 10}
    assert shop.tags_of_customer(keep) == [tag]
    assert shop.discount(voucher)["fk_soc"] == keep
    assert shop.store.get(shop.tables.societe, drop) is None


def test_a_customer_with_invoices_stays(shop, alice, coffee):
    shop.sell(alice, [coffee])
    with pytest.raises(ShopError, match="invoices"):
        shop.delete_customer(alice)
    shop.delete_customer(shop.add_customer("Nobody"))


@pytest.mark.parametrize(
    ("version", "visibility", "survives"),
    [
        ("20.0.2", "5", True),
        ("20.0.2", "0", True),
        ("20.0.2", "2", True),
        ("20.0.2", "1", False),
        ("22.0.4", "5", True),
        ("16.0.3", "5", False),
        ("16.0.3", "0", True),
        ("16.0.3", "2", False),
        ("16.0.3", "1", False),
    ],
)
def test_what_a_save_of_the_card_does_to_a_value_written_meanwhile(version, visibility, survives):
    with opened(version) as (standin, _clock):
        shop = standin.shop
        shop.add_extra_field("societe", "loypts", list=visibility)
        alice = shop.add_customer("Alice")
        shop.set_customer_fields(alice, loypts=1)
        form = shop.customer_fields(alice)
        shop.set_customer_fields(alice, loypts=2)
        shop.save_customer_card(alice, form, phone="06")
        assert (shop.customer_fields(alice)["loypts"] == 2) is survives


def test_rowids_are_never_used_again(shop, alice):
    first = shop.new_invoice(alice)
    shop.delete_invoice(first)
    assert shop.new_invoice(alice) > first


def test_an_act_that_fails_leaves_no_trace(shop, alice, coffee):
    invoice = shop.new_invoice(alice)

    def two_lines():
        with shop.transaction():
            shop.add_line(invoice, coffee)
            shop.add_line(invoice, 999)

    with pytest.raises(ShopError, match="no product"):
        two_lines()
    assert shop.lines(invoice) == []


@pytest.mark.parametrize(
    ("version", "indexed", "unique"), [("16.0.3", False, False), ("20.0.2", True, True)]
)
def test_the_indexes_are_those_of_the_version(version, indexed, unique):
    with opened(version) as (standin, _clock):
        inspector = sa.inspect(standin.store.engine)
        names = {index["name"] for index in inspector.get_indexes("llx_facture")}
        assert ("idx_facture_tms" in names) is indexed
        (of_fields,) = inspector.get_indexes("llx_facture_extrafields")
        assert bool(of_fields["unique"]) is unique
