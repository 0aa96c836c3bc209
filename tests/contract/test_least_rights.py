"""The remedies that check prints are enough to work with, and give no more than is needed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.engine import Engine, make_url

from connectors import dolibarr_setup
from connectors.dolibarr_check import check
from connectors.dolibarr_database import Database, open_engine
from connectors.dolibarr_desk import SqlDesk
from connectors.dolibarr_sql import SqlSaleSource
from connectors.dolibarr_sql_sink import SqlSink
from connectors.standin import VERSIONS, StandIn
from dolisync.errors import RefusedError
from dolisync.model import Delivery
from dolisync.ports import BuyerFact, BuyerQuestion, Discount, FieldSpec, Requirements
from tests.contract.office import StandInOffice
from tests.contract.site import NAME, Site

pytestmark = pytest.mark.mariadb

REQUIREMENTS = Requirements(
    (
        FieldSpec("customer", "lrpoints", "Points", "integer"),
        FieldSpec("sale", "lrearned", "Earned", "text"),
        FieldSpec("product", "lrextra", "Extra", "amount"),
        FieldSpec("customer", "lrbirthday", "Born", "text"),
        FieldSpec("customer", "lrasked", "Asked", "integer", editable=True),
        FieldSpec("customer", "lranswer", "Answer", "text"),
    )
)
BUYERS = BuyerQuestion(frozenset(BuyerFact), "lrbirthday")


@pytest.fixture(scope="module", params=VERSIONS)
def shop(
    request: pytest.FixtureRequest, mariadb_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    url = mariadb_server.new_database()
    with StandIn(request.param, url, tmp_path_factory.mktemp("standin")) as standin:
        site = Site(standin.url, standin.api_key, standin.database_url, "Europe/Paris", "UTC")
        dolibarr_setup.apply(REQUIREMENTS, site.http, site.database_url)
        site.office = StandInOffice(standin.shop)
        yield site
        site.close()


@pytest.fixture(scope="module")
def least(shop: Site, mariadb_server: Any) -> Iterator[Engine]:
    """Give an account that has what check asks for, and was given nothing else."""
    address = make_url(shop.database_url)
    account = f"'least_{address.database}'@'127.0.0.1'"
    mariadb_server.execute(f"CREATE USER {account} IDENTIFIED BY 'least'")
    mariadb_server.execute(f"GRANT SELECT ON {address.database}.llx_facture TO {account}")
    engine = open_engine(address.set(username=f"least_{address.database}", password="least"))
    first = missing(shop, engine)
    assert len(first) > 10
    for remedy in first:
        assert remedy.startswith("GRANT ")
        mariadb_server.execute(remedy)
    assert missing(shop, engine) == []
    yield engine
    engine.dispose()


def missing(shop: Site, engine: Engine) -> list[str]:
    findings = check(
        shop.http,
        engine,
        REQUIREMENTS,
        datetime.now(UTC),
        timezone="Europe/Paris",
        database_timezone="UTC",
        pos_customers=range(1, 100),
        fk_user=1,
        product_fields=["lrextra"],
        buyers=BUYERS,
        request_groups=["Clerks"],
        deliveries_by=["sql"],
        warehouses_by=["sql"],
    )
    return [one.remedy for one in findings if one.topic == "grants" and one.level != "ok"]


def test_reads_all_that_the_owner_reads(shop: Site, least: Engine) -> None:
    customer, product = shop.customer(email="least@example.org"), shop.product()
    paid = shop.paid(customer, {"fk_product": product, "qty": 1, "subprice": 5, "tva_tx": 20})
    note = shop.credit_note(
        customer, paid, {"desc": "Back", "qty": 1, "subprice": -1, "tva_tx": 20}
    )
    other = shop.invoice(customer)
    shop.use_credit_note(other, customer, note)
    source = SqlSaleSource(least, NAME, timezone="Europe/Paris", with_product_points="lrextra")
    rowids = [paid, note, other]
    assert source.get(rowids) == shop.sql(with_product_points="lrextra").get(rowids)
    assert source.customers([customer]) == shop.sql().customers([customer])
    assert source.find_customer("least@example.org")
    assert source.buyers([customer], BUYERS) == shop.sql().buyers([customer], BUYERS)
    assert source.customer_tags() == shop.sql().customer_tags()
    assert source.paid_after(0, 10).pairs
    order = shop.order(customer)
    invoice, since = shop.invoice_of(order), shop.now() - timedelta(minutes=5)
    moved = source.moved_deliveries(since)
    assert moved == shop.sql().moved_deliveries(since)
    assert source.deliveries([invoice]) == {invoice: Delivery(is_done=False)}
    assert invoice in source.documents_of(moved)
    assert source.warehouses_of({paid: [product]}) == {}
    assert source.warehouse_names() == shop.sql().warehouse_names()


def test_writes_what_it_is_for(shop: Site, least: Engine) -> None:
    sink = SqlSink(least, timezone="Europe/Paris", fk_user=1)
    customer, sale = (
        shop.customer_key(shop.customer()),
        shop.sale_key(shop.invoice(shop.customer())),
    )
    assert sink.abilities().reasons == ()
    for points in (1, 2):
        sink.write_customer(customer, {"lrpoints": points})
        sink.write_sale(sale, {"lrearned": str(points)})
    assert sink.read_customer(customer, ["lrpoints"]) == {"lrpoints": 2}
    assert sink.read_sale(sale, ["lrearned"]) == {"lrearned": "2"}
    sink.create_discount(Discount(customer, "LEAST1", "Voucher", Decimal(3), Decimal(20)))
    assert sink.revoke_discount("LEAST1")


def test_obeys_staff(shop: Site, least: Engine) -> None:
    desk, customer = SqlDesk(least), shop.customer()
    assert shop.office is not None
    shop.office.user("clerk", "Clerks")
    before = desk.newest_save()
    shop.office.edit_field(customer, "lrasked", 3, "clerk")
    (card,) = desk.asked("customer", ["lrasked"], ["lranswer"])
    (save,) = desk.saves(before)
    assert desk.users([save.user or 0])[save.user or 0].groups == {"Clerks"}
    assert desk.answer("customer", customer, card.values, {"lrasked": None, "lranswer": "done"})


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE llx_facture SET total_ttc = 0",
        "DELETE FROM llx_facture",
        "UPDATE llx_societe SET nom = 'x'",
        "UPDATE llx_societe_remise_except SET amount_ttc = 9",
        "DELETE FROM llx_societe_extrafields",
        "ALTER TABLE llx_societe_extrafields ADD COLUMN x INT",
        "SELECT * FROM llx_const",
        "SELECT * FROM llx_user",
        "SELECT * FROM llx_societe",
        "SELECT * FROM llx_commande",
        "SELECT * FROM llx_stock_mouvement",
    ],
)
def test_may_nothing_else(least: Engine, statement: str) -> None:
    with pytest.raises(RefusedError, match="denied"), Database(least).writing("a trial") as writer:
        writer.rows(statement)
