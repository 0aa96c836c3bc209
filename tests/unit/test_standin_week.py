"""The week that is played, and sales in bulk: on SQLite and on MariaDB the same."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from connectors.standin.testing import Caller, opened
from connectors.standin.week import CUSTOMERS, ean13, play_a_week

TODAY = date(2026, 11, 23)
PLACES = ["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)]


def played(url=None):
    with opened(database_url=url) as (standin, _clock):
        standin.shop.add_payment_mode("LOY", "Points", 2)
        week = play_a_week(standin.shop, TODAY)
        caller = Caller(standin)
        invoices = caller.get("/invoices", limit=0)
        for invoice in invoices:
            invoice["payments"] = caller.get(f"/invoices/{invoice['id']}/payments")
            invoice.pop("online_payment_url")
        return week, invoices, caller.get("/thirdparties", limit=0)


@pytest.fixture(scope="module")
def week():
    return played()


def spent(invoices, customer):
    return sum(
        Decimal(row["total_ttc"])
        for row in invoices
        if row["socid"] == str(customer) and row["paye"] == "1"
    )


def test_somebody_ends_with_enough_for_a_reward(week):
    names, invoices, _ = week
    assert spent(invoices, names.customers["alice"]) > 110


def test_the_week_has_every_kind_of_sale(week):
    names, invoices, _ = week
    rows = {
        name: row for row in invoices for name in names.sales if str(names.sales[name]) == row["id"]
    }
    state = {name: (row["type"], row["statut"], row["paye"]) for name, row in rows.items()}
    assert state["alice party"] == ("0", "2", "1")
    assert state["club half paid"] == ("0", "1", "0")
    assert state["daisy return"] == ("2", "1", "0")
    assert state["clara credit"] == ("2", "1", "0")
    assert state["given up"] == ("0", "3", "0")
    assert state["draft"] == ("0", "0", "0")
    assert [row["type"] for row in rows["split"]["payments"]] == ["LIQ", "CB"]
    assert [row["type"] for row in rows["points"]["payments"]] == ["LOY", "CB"]
    assert {line["tva_tx"] for row in invoices for line in row["lines"]} >= {
        "5.5000",
        "10.0000",
        "20.0000",
    }


def test_points_pay_only_where_there_is_a_mode_for_them():
    with opened() as (standin, _clock):
        assert "points" not in play_a_week(standin.shop, TODAY).sales


def test_the_sales_lie_in_the_seven_days_before(week):
    _, invoices, _ = week
    midnight = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
    ages = {int((midnight - row["date_creation"]) // 86400) for row in invoices}
    assert ages == set(range(7))
    assert len({row["date_modification"] for row in invoices}) == len(invoices)


def test_the_customers_have_cards_languages_and_hard_names(week):
    _, _, customers = week
    cards = [row["barcode"] for row in customers if row["barcode"]]
    assert len(set(cards)) == len(CUSTOMERS)
    assert all(ean13(card[:12]) == card for card in cards)
    assert {row["default_lang"] for row in customers if row["default_lang"]} == {
        "fr_FR",
        "it_IT",
        "de_DE",
        "en_GB",
        "es_ES",
    }
    names = " ".join(row["name"] for row in customers)
    assert "🌼" in names
    assert '"Chez" <html>' in names


def test_the_check_digit_is_that_of_the_standard():
    assert ean13("400638133393") == "4006381333931"


def test_the_week_is_always_the_same(week):
    assert played() == week


@pytest.mark.mariadb
def test_the_week_is_the_same_on_mariadb(week, mariadb_server):
    assert played(mariadb_server.new_database()) == week


@pytest.fixture(params=PLACES)
def place(request):
    url = None
    if request.param == "mariadb":
        url = request.getfixturevalue("mariadb_server").new_database()
    with opened(database_url=url) as found:
        yield found


def test_sales_in_bulk_are_like_single_ones(place):
    standin, _clock = place
    shop = standin.shop
    people = [shop.add_customer("Alice"), shop.add_customer("Bob")]
    coffee = shop.add_product("P1", "Coffee", 10, 20)
    shop.add_product("P2", "Bread", "1.23", "5.5")
    start = datetime(2026, 10, 31, 22, 30, tzinfo=UTC)
    with shop.statement_time(start):
        single = shop.pos_sell([coffee], people[0])
    made = shop.bulk_pos_sales(50, people, start, interval=timedelta(minutes=10))
    assert list(made) == list(range(single + 1, single + 51))
    refs = [shop.invoice(rowid)["ref"] for rowid in made]
    assert refs[:3] == ["TC1-2610-0002", "TC1-2610-0003", "TC1-2610-0004"]
    assert refs[3] == "TC1-2611-0001"  # midnight in Paris
    for rowid in (made[0], made[-1]):
        row, lines = shop.invoice(rowid), shop.lines(rowid)
        assert row["total_ttc"] == sum(line["total_ttc"] for line in lines) == shop.paid(rowid)
        assert (len(lines), row["fk_statut"], row["paye"]) == (3, 2, 1)
    assert shop.invoice(made[6])["tms"].isoformat() == "2026-10-31T23:30:00"
    shown = Caller(standin).get(f"/invoices/{made[-1]}")
    assert shown["socid"] == str(people[1])
    with shop.statement_time(start):
        assert shop.invoice(shop.pos_sell([coffee]))["ref"] == "TC1-2610-0005"


def test_returns_in_bulk_take_back_what_their_sale_held(place):
    standin, _clock = place
    shop = standin.shop
    people = [shop.add_customer(name) for name in ("Alice", "Bob", "Carl")]
    shop.add_product("P1", "Coffee", 10, 20)
    shop.add_product("P2", "Bread", "1.23", "5.5")
    start = datetime(2026, 11, 1, 9, tzinfo=UTC)
    made = shop.bulk_pos_sales(40, people, start, returned_every=10)
    credit, sale = shop.invoice(made[19]), shop.invoice(made[4])
    assert (credit["type"], credit["fk_statut"], credit["paye"]) == (2, 1, 0)
    assert (credit["fk_facture_source"], credit["fk_soc"]) == (made[4], sale["fk_soc"])
    assert credit["ref"] == "AV2611-0002"
    sold = {(line["fk_product"], line["total_ttc"]) for line in shop.lines(made[4])}
    back = {(line["fk_product"], -line["total_ttc"]) for line in shop.lines(made[19])}
    assert back <= sold
    assert -sale["total_ttc"] <= credit["total_ttc"] < 0
    assert shop.paid(made[19]) == 0


@pytest.mark.mariadb
def test_on_mariadb_tms_moves_by_itself_for_other_writers(mariadb_server):
    with opened(database_url=mariadb_server.new_database()) as (standin, _clock):
        alice = standin.shop.add_customer("Alice")
        standin.shop.add_extra_field("societe", "loypts")
        standin.shop.set_customer_fields(alice, loypts=1)
        table = standin.shop.tables.societe_extrafields
        before = standin.store.first(table.select())["tms"]
        with standin.store.engine.begin() as stranger:
            stranger.execute(sa.text("UPDATE llx_societe_extrafields SET loypts = 2"))
        assert standin.store.first(table.select())["tms"] != before
        assert Caller(standin).get(f"/thirdparties/{alice}")["array_options"] == {
            "options_loypts": "2"
        }


@pytest.fixture(scope="module")
def three_sales(mariadb_server):
    """Give a caller of a shop that is only read: its tables are made once."""
    with opened(database_url=mariadb_server.new_database()) as (standin, clock):
        alice = standin.shop.add_customer("Alice")
        coffee = standin.shop.add_product("P1", "Coffee", 10)
        for _ in range(3):
            standin.shop.sell(alice, [coffee])
            clock.move(seconds=2)
        yield Caller(standin)


@pytest.mark.mariadb
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(t.tms:>:'2026-11-22 07:00:02')", [3]),
        ("(t.tms:>:'20261122070002')", [3]),
        ("(t.tms:>:9995331000)", [1, 2, 3]),
        ("(t.datef:>=:'2026-11-22 00:00:00')", [1, 2, 3]),
        ("((t.rowid:in:1,2) and (t.ref:notlike:'%0001'))", [2]),
        ("(t.close_code:is:NULL)", [1, 2, 3]),
    ],
)
def test_filters_mean_the_same_on_mariadb(three_sales, text, expected):
    found = three_sales.get("/invoices", sqlfilters=text)
    assert [int(row["id"]) for row in found] == expected


def test_another_program_may_write_the_tables_meanwhile(place):
    standin, _clock = place
    alice = standin.shop.add_customer("Alice")
    insert = sa.text(
        "INSERT INTO llx_societe_remise_except"
        "(entity,datec,fk_soc,discount_type,fk_user,description,amount_ht,amount_tva,amount_ttc,tva_tx,vat_src_code,multicurrency_amount_ht,"
        "multicurrency_amount_tva,multicurrency_amount_ttc)"
        " VALUES (1,'2026-11-22 08:00:00',:soc,0,1,'Voucher',2.5,0.5,3.0,20,'',2.5,0.5,3.0)"
    )
    engine = sa.create_engine(standin.database_url)
    with engine.begin() as stranger:
        stranger.execute(insert, {"soc": alice})
    engine.dispose()
    draft = standin.shop.new_invoice(alice)
    standin.shop.add_line(draft, None, 1, 10)
    assert Caller(standin).post(f"/invoices/{draft}/usediscount/1") == 1
    assert standin.shop.invoice(draft)["total_ttc"] == 9
