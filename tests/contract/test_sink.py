"""What every sink promises, and what each door of a Dolibarr can keep of it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from connectors import dolibarr_setup
from connectors.dolibarr_sql_sink import SqlSink
from dolisync.errors import RefusedError
from dolisync.ports import Discount, FieldSpec, Requirements, Sink
from tests.contract.site import Site, line, unique

FIELDS = Requirements(
    (
        FieldSpec("customer", "ctpoints", "Points", "integer"),
        FieldSpec("customer", "ctvalue", "Value", "amount"),
        FieldSpec("customer", "cttier", "Tier", "text"),
        FieldSpec("sale", "ctearned", "Earned", "text"),
    )
)
GONE = 987654321


@pytest.fixture(scope="module", autouse=True)
def _fields(site: Site) -> None:
    steps = dolibarr_setup.apply(FIELDS, site.http, site.database_url)
    assert {step.state for step in steps} <= {"done", "present"}, steps


@pytest.fixture(params=["sql_sink", "rest_sink"])
def customer_sink(site: Site, request: pytest.FixtureRequest) -> Sink:
    sink: Sink = getattr(site, request.param)()
    if not sink.abilities().customer_fields:
        pytest.skip(f"rightly refused: {sink.abilities().reasons[0]}")
    return sink


def discount(site: Site, customer: int, **changes: Any) -> Discount:
    plain: dict[str, Any] = {
        "token": unique("L"),
        "text": "Loyalty voucher",
        "amount_incl": Decimal("3.00"),
        "tax_rate": Decimal(20),
    }
    return Discount(customer=site.customer_key(customer), **{**plain, **changes})


class TestCustomerFields:
    def test_written_and_read_back(self, site: Site, customer_sink: Sink) -> None:
        key = site.customer_key(site.customer())
        values = {"ctpoints": 120, "ctvalue": Decimal("5.50"), "cttier": "Gold & more"}
        customer_sink.write_customer(key, values)
        assert customer_sink.read_customer(key, list(values)) == values

    def test_others_are_kept(self, site: Site, customer_sink: Sink) -> None:
        key = site.customer_key(site.customer())
        customer_sink.write_customer(key, {"ctpoints": 1, "cttier": "Silver"})
        customer_sink.write_customer(key, {"ctpoints": 2})
        assert customer_sink.read_customer(key, ["ctpoints", "cttier"]) == {
            "ctpoints": 2,
            "cttier": "Silver",
        }

    def test_may_be_repeated_and_emptied(self, site: Site, customer_sink: Sink) -> None:
        key = site.customer_key(site.customer())
        for value in (7, 7, -3, 0, None, None):
            customer_sink.write_customer(key, {"ctpoints": value})
            assert customer_sink.read_customer(key, ["ctpoints"]) in (
                {"ctpoints": value},
                # A PUT cannot tell "none" from "nothing" in every version.
                {"ctpoints": value or None},
            )

    def test_never_written(self, site: Site, customer_sink: Sink) -> None:
        key = site.customer_key(site.customer())
        assert customer_sink.read_customer(key, ["ctpoints"]) == {"ctpoints": None}
        assert customer_sink.read_customer(key, []) == {}
        customer_sink.write_customer(key, {})

    def test_customer_gone(self, site: Site, customer_sink: Sink) -> None:
        key = site.customer_key(GONE)
        assert customer_sink.read_customer(key, ["ctpoints"]) is None
        with pytest.raises(RefusedError, match="gone"):
            customer_sink.write_customer(key, {"ctpoints": 1})

    def test_many_are_read_at_once_and_those_gone_left_out(
        self, site: Site, customer_sink: Sink
    ) -> None:
        written, bare, gone = (
            site.customer_key(rowid) for rowid in (site.customer(), site.customer(), GONE)
        )
        customer_sink.write_customer(written, {"ctpoints": 12, "cttier": "Gold"})
        found = customer_sink.read_customers([written, bare, gone], ["ctpoints", "cttier"])
        assert found == {
            written: {"ctpoints": 12, "cttier": "Gold"},
            bare: {"ctpoints": None, "cttier": None},
        }
        assert customer_sink.read_customers([], ["ctpoints"]) == {}

    def test_both_doors_read_the_same(self, site: Site) -> None:
        key = site.customer_key(site.customer())
        values = {"ctpoints": 12, "ctvalue": Decimal("0.05"), "cttier": "007"}
        site.sql_sink().write_customer(key, values)
        assert site.rest_sink().read_customer(key, list(values)) == values

    def test_unchanged_value_makes_no_put(self, site: Site, monkeypatch: Any) -> None:
        sink = site.rest_sink()
        if not sink.abilities().customer_fields:
            pytest.skip("rightly refused")
        key = site.customer_key(site.customer())
        sink.write_customer(key, {"ctpoints": 5, "ctvalue": Decimal("1.20"), "cttier": "Gold"})
        puts: list[str] = []
        monkeypatch.setattr(site.http, "put", lambda path, _body: puts.append(path))
        sink.write_customer(key, {"ctpoints": 5, "ctvalue": Decimal("1.2"), "cttier": "Gold"})
        assert puts == []

    def test_a_name_that_is_none(self, site: Site) -> None:
        key = site.customer_key(site.customer())
        with pytest.raises(RefusedError, match="no name"):
            site.sql_sink().write_customer(key, {"a; DROP TABLE llx_facture": 1})


class TestSaleFields:
    def test_written_without_touching_the_document(self, site: Site) -> None:
        rowid = site.paid(site.customer())
        before = site.one(rowid)
        sink = site.sql_sink()
        for text in ("12 points", "13 points"):
            sink.write_sale(site.sale_key(rowid), {"ctearned": text})
            assert sink.read_sale(site.sale_key(rowid), ["ctearned"]) == {"ctearned": text}
        assert site.rest_sink().read_sale(site.sale_key(rowid), ["ctearned"]) == {
            "ctearned": "13 points"
        }
        assert site.one(rowid) == before

    def test_document_gone(self, site: Site) -> None:
        key = site.sale_key(GONE)
        assert site.sql_sink().read_sale(key, ["ctearned"]) is None
        assert site.rest_sink().read_sale(key, ["ctearned"]) is None
        with pytest.raises(RefusedError, match="gone"):
            site.sql_sink().write_sale(key, {"ctearned": "x"})


class TestDiscounts:
    def test_created_and_found(self, site: Site) -> None:
        sink, customer = site.sql_sink(), site.customer()
        wanted = discount(site, customer)
        placed = sink.create_discount(wanted)
        assert (placed.token, placed.amount_incl, placed.used) == (wanted.token, 3, False)
        assert len(placed.rowids) == 1
        for owner in (None, wanted.customer, site.customer_key(site.customer())):
            assert sink.find_discount(owner, wanted.token) == placed

    @pytest.mark.parametrize(
        ("amount", "rate"),
        [("3.00", "20"), ("0.01", "20"), ("9.99", "5.5"), ("10", "0"), ("7.77", "8.875")],
    )
    def test_what_it_takes_off(self, site: Site, amount: str, rate: str) -> None:
        wanted = discount(
            site, site.customer(), amount_incl=Decimal(amount), tax_rate=Decimal(rate)
        )
        placed = site.sql_sink().create_discount(wanted)
        rowid = site.draft(wanted.customer.rowid, line(subprice=50))
        site.act(rowid, f"usediscount/{placed.rowids[0]}")
        (taken,) = [one for one in site.one(rowid).lines if one.discount]
        assert taken.total_incl == -Decimal(amount)
        assert taken.tax_rate == Decimal(rate)
        assert site.sql_sink().find_discount(None, wanted.token).used

    def test_used_one_is_not_revoked_and_a_released_one_is(self, site: Site) -> None:
        sink, customer = site.sql_sink(), site.customer()
        wanted = discount(site, customer)
        placed = sink.create_discount(wanted)
        rowid = site.draft(customer)
        site.act(rowid, f"usediscount/{placed.rowids[0]}")
        assert not sink.revoke_discount(wanted.token)
        site.http.delete(f"invoices/{rowid}")
        assert sink.find_discount(None, wanted.token) == placed
        assert sink.revoke_discount(wanted.token)
        assert sink.find_discount(None, wanted.token) is None
        assert not sink.revoke_discount(wanted.token)

    def test_one_that_a_user_split(self, site: Site) -> None:
        sink, customer = site.sql_sink(), site.customer()
        wanted = discount(site, customer)
        (rowid,) = sink.create_discount(wanted).rowids
        split(site, rowid)
        found = sink.find_discount(wanted.customer, wanted.token)
        assert (len(found.rowids), found.amount_incl, found.used) == (2, 3, False)
        invoice = site.draft(customer)
        site.act(invoice, f"usediscount/{found.rowids[0]}")
        assert sink.find_discount(None, wanted.token).used
        assert not sink.revoke_discount(wanted.token)
        assert len(sink.find_discount(None, wanted.token).rowids) == 2
        site.http.delete(f"invoices/{invoice}")
        assert sink.revoke_discount(wanted.token)

    @pytest.mark.parametrize("sign", ["%", "_", "!", "5%_!"])
    def test_tokens_are_taken_by_the_letter(self, site: Site, sign: str) -> None:
        sink, customer = site.sql_sink(), site.customer()
        token = f"{unique('L')}{sign}x"
        sink.create_discount(discount(site, customer, token=f"{token.replace(sign, 'ab')}"))
        assert sink.find_discount(None, token) is None
        sink.create_discount(discount(site, customer, token=token))
        assert len(sink.find_discount(None, token).rowids) == 1

    def test_a_token_is_not_the_beginning_of_another(self, site: Site) -> None:
        sink, customer, token = site.sql_sink(), site.customer(), unique("L")
        sink.create_discount(discount(site, customer, token=f"{token}0"))
        assert sink.find_discount(None, token) is None
        assert not sink.revoke_discount(token)

    def test_token_in_the_text_already(self, site: Site) -> None:
        token = unique("L")
        wanted = discount(site, site.customer(), token=token, text=f"Voucher {token} of today")
        assert site.sql_sink().create_discount(wanted).token == token

    def test_all_are_listed_by_their_prefix(self, site: Site) -> None:
        sink, customer, prefix = site.sql_sink(), site.customer(), f"{unique('L')}-"
        wanted = [discount(site, customer, token=f"{prefix}{n}") for n in (1, 2)]
        placed = [sink.create_discount(one) for one in wanted]
        sink.create_discount(discount(site, customer, token=f"X{prefix}3"))
        assert sink.list_discounts(prefix) == {one.token: one for one in placed}
        other_company = SqlSink(site.database_url, entity=2, timezone=site.timezone, fk_user=1)
        assert other_company.list_discounts(prefix) == {}
        other_company.close()
        assert (placed[0].owner, placed[0].free_amount) == (customer, 3)
        assert wanted[0].token in placed[0].text

    def test_of_a_split_one_no_more_is_removed_than_is_surplus(self, site: Site) -> None:
        sink, customer = site.sql_sink(), site.customer()
        wanted = discount(site, customer)
        split(site, sink.create_discount(wanted).rowids[0])
        assert not sink.remove_surplus(wanted.token, Decimal(3))
        # No part is cut: 1.80 goes, and 0.20 too much stays.
        assert sink.remove_surplus(wanted.token, Decimal(1))
        assert sink.find_discount(None, wanted.token).amount_incl == Decimal("1.2")
        assert sink.remove_surplus(wanted.token, Decimal(0))
        assert sink.find_discount(None, wanted.token) is None

    @pytest.mark.parametrize("amount", ["0", "-1"])
    def test_no_discount_at_all(self, site: Site, amount: str) -> None:
        with pytest.raises(RefusedError):
            site.sql_sink().create_discount(
                discount(site, site.customer(), amount_incl=Decimal(amount))
            )

    def test_customer_gone(self, site: Site) -> None:
        wanted = discount(site, GONE)
        with pytest.raises(RefusedError):
            site.sql_sink().create_discount(wanted)
        assert site.sql_sink().find_discount(None, wanted.token) is None


class TestAbilities:
    def test_sql_does_it_all(self, site: Site) -> None:
        able = site.sql_sink().abilities()
        assert (able.customer_fields, able.sale_fields, able.discounts) == (True, True, True)
        assert able.reasons == ()

    def test_no_discounts_without_a_user(self, site: Site) -> None:
        sink = site.sql_sink(fk_user=None)
        assert not sink.abilities().discounts
        with pytest.raises(RefusedError, match="no Dolibarr user"):
            sink.create_discount(discount(site, site.customer()))

    def test_rest_refuses_what_would_harm(self, site: Site) -> None:
        sink, customer = site.rest_sink(), site.customer()
        able = sink.abilities()
        assert (able.sale_fields, able.discounts) == (False, False)
        assert able.customer_fields == (site.release >= (20,))
        wanted = discount(site, customer)
        refused: list[Callable[[], object]] = [
            lambda: sink.write_sale(site.sale_key(1), {"ctearned": "x"}),
            lambda: sink.create_discount(wanted),
            lambda: sink.find_discount(None, wanted.token),
            lambda: sink.revoke_discount(wanted.token),
            lambda: sink.list_discounts("L"),
            lambda: sink.remove_surplus(wanted.token, Decimal(0)),
        ]
        if not able.customer_fields:
            key = site.customer_key(customer)
            refused.append(lambda: sink.write_customer(key, {"ctpoints": 1}))
        for ask in refused:
            with pytest.raises(RefusedError, match="need a database account"):
                ask()


def split(site: Site, rowid: int) -> None:
    """Do as the page of discounts does when somebody splits one of 3.00 into 1.20 and 1.80."""
    same = "entity, datec, fk_soc, discount_type, fk_user, tva_tx, vat_src_code"
    amounts = "amount_ht, amount_tva, amount_ttc"
    foreign = ", ".join(f"multicurrency_{name.strip()}" for name in amounts.split(","))
    for part, (excl, tax, incl) in (("1", (1, 0.2, 1.2)), ("2", (1.5, 0.3, 1.8))):
        site.execute(
            f"INSERT INTO llx_societe_remise_except ({same}, description, {amounts}, {foreign})"
            f" SELECT {same}, {joined(site)}, {excl}, {tax}, {incl}, {excl}, {tax}, {incl}"
            " FROM llx_societe_remise_except WHERE rowid = %s",
            f" ({part})",
            rowid,
        )
    site.execute("DELETE FROM llx_societe_remise_except WHERE rowid = %s", rowid)


def joined(site: Site) -> str:
    is_sqlite = site.database_url.startswith("sqlite")
    return "description || %s" if is_sqlite else "CONCAT(description, %s)"
