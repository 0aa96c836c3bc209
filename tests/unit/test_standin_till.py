"""What the cash desk does leaves the rows that TakePOS leaves."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connectors.standin import ShopError
from connectors.standin.testing import opened


@pytest.fixture
def standin():
    with opened() as (standin, _clock):
        yield standin


@pytest.fixture
def shop(standin):
    return standin.shop


@pytest.fixture
def alice(shop):
    return shop.add_customer("Alice", barcode="2000000000015")


@pytest.fixture
def coffee(shop):
    return shop.add_product("P1", "Coffee", 10, 20)


def open_ticket(shop, product, qty=1):
    ticket = shop.pos_open()
    shop.pos_add(ticket, product, qty)
    return ticket


def payments(shop):
    return shop.store.rows(shop.tables.paiement.select())


def test_the_open_ticket_is_a_draft_of_the_generic_customer(standin, shop, coffee):
    row = shop.invoice(open_ticket(shop, coffee))
    assert (row["ref"], row["fk_statut"]) == ("(PROV-POS1-0)", 0)
    assert (row["module_source"], row["pos_source"]) == ("takepos", "1")
    assert row["fk_soc"] == standin.pos_customer


def test_a_card_chooses_the_customer(shop, alice, coffee):
    ticket = open_ticket(shop, coffee)
    assert shop.pos_scan(ticket, "2000000000015") == alice
    assert shop.invoice(ticket)["fk_soc"] == alice
    with pytest.raises(ShopError, match="nobody"):
        shop.pos_scan(ticket, "999")


def test_cash_gives_change_and_the_payment_is_the_due_part(shop, alice, coffee):
    ticket = shop.pos_sell([coffee], alice, "LIQ", given=20)
    row = shop.invoice(ticket)
    assert (row["ref"], row["fk_statut"], row["paye"]) == ("TC1-2611-0001", 2, 1)
    assert row["last_main_doc"] == "facture/TC1-2611-0001/TC1-2611-0001.pdf"
    (payment,) = payments(shop)
    assert (payment["amount"], payment["pos_change"]) == (12, 8)
    assert payment["num_paiement"] == "TC1-2611-0001"


def test_a_split_payment_is_open_until_the_second_part(shop, coffee):
    ticket = open_ticket(shop, coffee)
    shop.pos_pay(ticket, "LIQ", 5)
    assert shop.invoice(ticket)["fk_statut"] == 1
    shop.pos_pay(ticket, "CB")
    row = shop.invoice(ticket)
    assert (row["fk_statut"], row["fk_mode_reglement"]) == (2, shop.payment_mode("CB"))
    assert [payment["amount"] for payment in payments(shop)] == [5, 7]


def test_delayed_is_validated_and_unpaid(shop, coffee):
    ticket = open_ticket(shop, coffee)
    shop.pos_pay(ticket, "delayed")
    assert (shop.invoice(ticket)["fk_statut"], payments(shop)) == (1, [])


def test_a_sale_of_nothing_is_paid_without_a_payment(shop):
    ticket = open_ticket(shop, shop.add_product("Z", "Gift", 0))
    shop.pos_pay(ticket)
    row = shop.invoice(ticket)
    assert (row["fk_statut"], row["paye"], payments(shop)) == (2, 1, [])


def test_a_discarded_row_is_the_next_ticket(standin, shop, alice, coffee):
    ticket = open_ticket(shop, coffee)
    shop.pos_choose(ticket, alice)
    voucher = shop.add_discount(alice, 3, "voucher")
    shop.force_discount(ticket, voucher)
    shop.pos_discard(ticket)
    row = shop.invoice(ticket)
    assert (row["fk_soc"], row["total_ttc"]) == (standin.pos_customer, 0)
    assert shop.discount(voucher)["fk_facture_line"] is None
    assert shop.pos_open() == ticket


def test_the_last_line_takes_the_row_with_it(shop, coffee):
    ticket = open_ticket(shop, coffee)
    shop.pos_delete_line(shop.lines(ticket)[0]["rowid"])
    with pytest.raises(ShopError, match="no invoice"):
        shop.invoice(ticket)
    assert shop.pos_open() > ticket


def test_a_percentage_cuts_the_voucher_line_too(shop, alice, coffee):
    ticket = open_ticket(shop, coffee)
    shop.pos_choose(ticket, alice)
    shop.use_discount(ticket, shop.add_discount(alice, "1.20", "voucher"))
    shop.pos_reduce(ticket, 50)
    assert [line["total_ttc"] for line in shop.lines(ticket)] == [Decimal("-0.6"), 6]


def test_another_customer_keeps_the_first_ones_voucher(shop, alice, coffee):
    ticket = open_ticket(shop, coffee)
    shop.pos_choose(ticket, alice)
    voucher = shop.add_discount(alice, 3, "voucher")
    shop.use_discount(ticket, voucher)
    shop.pos_choose(ticket, shop.add_customer("Bob"))
    assert shop.lines(ticket)[0]["fk_remise_except"] == voucher


def test_a_reduction_by_amount_is_a_free_line_below_zero(shop, coffee):
    ticket = open_ticket(shop, coffee)
    shop.pos_free_line(ticket, -3)
    line = shop.lines(ticket)[1]
    assert (line["fk_product"], line["description"]) == (None, "Reduction")
    assert shop.invoice(ticket)["total_ttc"] == 9


def test_the_customers_percentage_holds_for_lines_added_later(shop, alice, coffee):
    shop.change_customer(alice, remise_client=10)
    ticket = open_ticket(shop, coffee)
    shop.pos_choose(ticket, alice)
    shop.pos_add(ticket, coffee)
    assert [line["remise_percent"] for line in shop.lines(ticket)] == [0, 10]


def test_a_return_guesses_its_source_and_is_never_paid(shop, alice, coffee):
    shop.pos_sell([coffee], alice)
    newest = shop.pos_sell([(coffee, 2)], alice)
    ticket = open_ticket(shop, coffee, -1)
    shop.pos_choose(ticket, alice)
    shop.pos_pay(ticket)
    row = shop.invoice(ticket)
    assert (row["type"], row["fk_facture_source"], row["ref"]) == (2, newest, "TC1-2611-0003")
    assert (row["fk_statut"], row["paye"], row["total_ttc"]) == (1, 0, -12)
    assert shop.paid(ticket) == 0


def test_a_mixed_sale_above_zero_stays_a_sale(shop, coffee):
    ticket = open_ticket(shop, coffee, 2)
    shop.pos_add(ticket, coffee, -1)
    shop.pos_pay(ticket)
    assert (shop.invoice(ticket)["type"], shop.invoice(ticket)["fk_statut"]) == (0, 2)


def test_the_credit_note_button_copies_and_a_payment_button_rewrites_the_source(
    shop, alice, coffee
):
    source = shop.pos_sell([coffee], alice)
    note = shop.pos_credit_note(source)
    row = shop.invoice(note)
    assert (row["type"], row["fk_facture_source"], row["total_ttc"]) == (2, source, -12)
    assert (row["fk_statut"], row["paye"], row["module_source"]) == (1, 0, "takepos")
    shop.pos_pay(note)
    assert shop.invoice(note)["fk_facture_source"] == source
    other = shop.pos_sell([coffee], alice)
    shop.pos_pay(note)
    assert shop.invoice(note)["fk_facture_source"] == other
    assert shop.invoice(note)["fk_statut"] == 1


def test_terminals_have_series_of_their_own(shop, coffee):
    shop.set_const("CASHDESK_ID_BANKACCOUNT_CASH2", "1")
    refs = [shop.invoice(shop.pos_sell([coffee], terminal=n))["ref"] for n in (1, 2, 1)]
    assert refs == ["TC1-2611-0001", "TC2-2611-0001", "TC1-2611-0002"]


@pytest.mark.parametrize(
    ("version", "account", "error"),
    [
        ("20.0.2", None, "bank account required"),
        ("20.0.2", 1, "ErrorCashAccount"),
        ("20.0.2", 2, None),
        ("16.0.3", 1, None),
    ],
)
def test_a_mode_of_ones_own_needs_a_bank_account(version, account, error):
    with opened(version) as (standin, _clock):
        shop = standin.shop
        shop.add_payment_mode("LOY", "Points", account)
        ticket = open_ticket(shop, shop.add_product("P1", "Coffee", 10))
        if error is None:
            shop.pos_pay(ticket, "LOY")
            assert shop.invoice(ticket)["paye"] == 1
            return
        with pytest.raises(ShopError, match=error):
            shop.pos_pay(ticket, "LOY")
        assert shop.invoice(ticket)["ref"] == "(PROV-POS1-0)"


def test_the_till_is_counted_without_tms(shop):
    fence = shop.close_cash(1, cash=150, card=40)
    row = shop.store.get(shop.tables.pos_cash_fence, fence)
    assert (row["cash"], row["status"], row["tms"]) == (150, 1, None)
    assert (row["day_close"], row["month_close"], row["year_close"]) == (22, 11, 2026)


def test_a_customer_without_country_pays_no_tax(standin, shop, coffee):
    shop.change_customer(standin.pos_customer, fk_pays=None)
    line = shop.line(shop.pos_add(shop.pos_open(), coffee))
    assert (line["tva_tx"], line["total_ttc"]) == (0, 10)
