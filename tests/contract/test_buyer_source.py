"""What the cards of customers say, through either door."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from connectors import dolibarr_setup
from dolisync.model import Buyer
from dolisync.ports import BuyerFact, BuyerQuestion, BuyerSource, FieldSpec, Requirements
from tests.contract.site import Site, line, unique

Door = Callable[[Site], BuyerSource]
AIN = 303  # by its key in a French installation
ALL = frozenset(BuyerFact)


@pytest.fixture(params=["sql", "rest"])
def door(request: pytest.FixtureRequest) -> Door:
    return lambda site: getattr(site, request.param)()


def department_of(site: Site) -> tuple[str, str, str]:
    """Read the code, name and region that this Dolibarr gives the department of the tests."""
    (row,) = site.rows(
        "SELECT d.code_departement, d.nom, r.nom FROM llx_c_departements d"
        " JOIN llx_c_regions r ON r.code_region = d.fk_region WHERE d.rowid = %s",
        AIN,
    )
    return str(row[0]), str(row[1]), str(row[2])


def placed(site: Site, **more: Any) -> int:
    return site.customer(town="Saint-Étienne d'Ain", typent_id=8, state_id=AIN, **more)


def test_type_and_place(site: Site, door: Door) -> None:
    code, name, region = department_of(site)
    rowid, plain = placed(site), site.customer()
    source = door(site)
    question = BuyerQuestion(ALL)
    found = source.buyers([rowid, plain, 10**8], question)
    told = "" if source.buyer_gaps(question) else region
    assert found == {
        rowid: Buyer("TE_PRIVATE", (), "Saint-Étienne d'Ain", code, name, told, "FR"),
        plain: Buyer(country="FR"),
    }


def test_regions_lack_only_where_the_door_says_so(site: Site) -> None:
    question = BuyerQuestion(frozenset({BuyerFact.REGION}))
    assert site.sql().buyer_gaps(question) == ()
    assert bool(site.rest().buyer_gaps(question)) is (site.release[0] < 20)
    assert site.rest().buyer_gaps(BuyerQuestion(ALL - {BuyerFact.REGION})) == ()


def test_only_what_is_asked_is_read(site: Site, door: Door) -> None:
    rowid = placed(site)
    source = door(site)
    for fact in (BuyerFact.KIND, BuyerFact.TOWN, BuyerFact.COUNTRY):
        (buyer,) = source.buyers([rowid], BuyerQuestion(frozenset({fact}))).values()
        told = {
            BuyerFact.KIND: buyer.kind,
            BuyerFact.TOWN: buyer.town,
            BuyerFact.COUNTRY: buyer.country,
        }
        assert [one for one, value in told.items() if value] == [fact]


def test_tags_with_those_above(site: Site, door: Door) -> None:
    rowid, plain = site.customer(), site.customer()
    above, below = unique("Members "), unique("Gold é & more ")
    parent = int(site.http.post("categories", {"label": above, "type": "customer"}))
    child = {"label": below, "type": "customer", "fk_parent": parent}
    tag = int(site.http.post("categories", child))
    site.http.post(f"categories/{tag}/objects/customer/{rowid}")
    source = door(site)
    found = source.buyers([rowid, plain], BuyerQuestion(frozenset({BuyerFact.TAGS})))
    assert found == {rowid: Buyer(tags=tuple(sorted((above, below)))), plain: Buyer()}
    assert {above, below} <= source.customer_tags()


def test_birthday_and_opting_out(site: Site, door: Door) -> None:
    born, out = unique("born"), unique("out")
    fields = [FieldSpec("customer", name, name, "integer", editable=True) for name in (born, out)]
    dolibarr_setup.apply(Requirements(tuple(fields)), site.http, site.database_url)
    # A shop makes them in Dolibarr's own pages, with types that setup does not know.
    for name, kind, column in ((born, "date", "DATE"), (out, "boolean", "INT")):
        site.execute("UPDATE llx_extrafields SET type = %s WHERE name = %s", kind, name)
        if not site.is_sqlite:
            site.execute(f"ALTER TABLE llx_societe_extrafields MODIFY {name} {column} NULL")
    rowid, plain = site.customer(), site.customer()
    site.execute(f"DELETE FROM llx_societe_extrafields WHERE fk_object IN ({rowid}, {plain})")
    site.execute(
        f"INSERT INTO llx_societe_extrafields (fk_object, {born}, {out}) VALUES (%s, %s, %s)",
        rowid,
        "1972-02-29",
        1,
    )
    question = BuyerQuestion(birthday_field=born, opt_out_field=out)
    source = door(site)
    found = source.buyers([rowid, plain], question)
    assert found[plain] == Buyer()
    assert found[rowid] == Buyer(birthday=date(1972, 2, 29), opted_out=True)
    missing = BuyerQuestion(birthday_field="nosuchfield")
    assert source.buyers([rowid], missing) == {rowid: Buyer()}


def test_a_missing_field_is_named(site: Site) -> None:
    (gap,) = site.sql().buyer_gaps(BuyerQuestion(opt_out_field="nosuchfield"))
    assert "nosuchfield" in gap


def test_amounts_are_in_the_companys_currency_whatever_stands_on_the_document(
    site: Site,
) -> None:
    rowid = site.paid(site.customer(), line(subprice=10, tva_tx=20))
    plain = site.one(rowid)
    # What Dolibarr writes of an invoice of 24 dollars at two dollars for a euro.
    site.execute(
        "UPDATE llx_facture SET multicurrency_code = 'USD', multicurrency_tx = 2,"
        " multicurrency_total_ht = 20, multicurrency_total_tva = 4, multicurrency_total_ttc = 24"
        " WHERE rowid = %s",
        rowid,
    )
    sale = site.one(rowid)
    assert (sale.currency, sale.total_incl) == ("USD", Decimal(12))
    assert sale.lines == plain.lines
    assert [payment.amount for payment in sale.payments] == [Decimal(12)]
