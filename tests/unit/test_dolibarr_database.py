"""The SQL door without a Dolibarr: statements, names, errors, money."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pymysql
import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st

from connectors.dolibarr_database import Database, checked_name, open_engine, translated
from connectors.dolibarr_grants import Grants, Need, grant_statement
from connectors.dolibarr_sql_rows import chunks
from connectors.dolibarr_sql_sink import split_tax
from dolisync.errors import RefusedError, TransientError, UnknownOutcome


@pytest.fixture
def database(tmp_path: Any) -> Iterator[Database]:
    found = Database(f"sqlite:///{tmp_path}/x.sqlite")
    yield found
    found.close()


def raised(code: int, *, invalidated: bool = False) -> sqlalchemy.exc.DBAPIError:
    original = pymysql.err.OperationalError(code, "as the server\nputs it")
    return sqlalchemy.exc.OperationalError(
        "SELECT 1", {}, original, connection_invalidated=invalidated
    )


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1045, RefusedError),
        (1142, RefusedError),
        (1143, RefusedError),
        (1146, RefusedError),
        (1054, RefusedError),
        (1452, RefusedError),
        (1205, TransientError),
        (1213, TransientError),
        (1020, TransientError),
        (1047, TransientError),
        (2003, TransientError),
        (2006, TransientError),
        (2013, TransientError),
        (9999, TransientError),
    ],
)
def test_errors_of_the_database(code: int, kind: type[Exception]) -> None:
    with pytest.raises(kind) as error, translated("reading sales"):
        raise raised(code)
    assert "reading sales" in str(error.value)
    assert "\n" not in str(error.value)
    assert not isinstance(error.value, UnknownOutcome)


@pytest.mark.parametrize("code", [2006, 2013])
def test_connection_lost_while_creating(code: int) -> None:
    with pytest.raises(UnknownOutcome), translated("creating", creating=True):
        raise raised(code, invalidated=True)


def test_never_connected_while_creating() -> None:
    with pytest.raises(TransientError) as error, translated("creating", creating=True):
        raise raised(2003, invalidated=True)
    assert not isinstance(error.value, UnknownOutcome)


def test_other_trouble_of_the_driver() -> None:
    with pytest.raises(TransientError), translated("reading"):
        raise sqlalchemy.exc.TimeoutError("no connection is free")


def test_nobody_listens() -> None:
    found = Database("mysql://user:a-secret-word@127.0.0.1:1/dolibarr")
    with pytest.raises(TransientError) as error, found.reading("sales") as reader:
        reader.value("SELECT 1")
    assert "a-secret-word" not in f"{error.value} {found!r}"
    found.close()


def test_prefix_and_placeholders(database: Database) -> None:
    assert database.statement("SELECT %s FROM llx_facture") == "SELECT ? FROM llx_facture"
    other = Database("mysql://u@127.0.0.1/d", table_prefix="shop_")
    assert other.statement("SELECT %s FROM llx_facture") == "SELECT %s FROM shop_facture"
    for wrong in ("x; ", "a b", "llx-"):
        with pytest.raises(ValueError, match="prefix"):
            Database("sqlite://", table_prefix=wrong)


def test_writing_is_all_or_nothing(database: Database) -> None:
    with database.writing("making a table") as writer:
        writer.change("CREATE TABLE llx_x (rowid INTEGER PRIMARY KEY, a TEXT)")
    with pytest.raises(ZeroDivisionError), database.writing("a row") as writer:  # noqa: PT012
        assert writer.insert("INSERT INTO llx_x (a) VALUES (%s)", ("b",)) == 1
        raise ZeroDivisionError
    with database.reading("rows") as reader:
        assert reader.rows("SELECT a FROM llx_x") == []
        assert reader.value("SELECT a FROM llx_x") is None
    assert database.columns("llx_x") == {"rowid", "a"}
    assert database.columns("llx_y") == frozenset()


def test_columns_are_looked_up_once_and_again_when_told(database: Database) -> None:
    with database.writing("making a table") as writer:
        writer.change("CREATE TABLE llx_x (a TEXT)")
    assert database.columns("llx_x") == {"a"}
    with database.writing("adding a column") as writer:
        writer.change("ALTER TABLE llx_x ADD COLUMN b TEXT")
    assert database.columns("llx_x") == {"a"}
    database.forget_columns()
    assert database.columns("llx_x") == {"a", "b"}


def test_engine_may_be_shared(tmp_path: Any) -> None:
    ours = open_engine("mysql://u@127.0.0.1/d")
    assert Database(ours).engine is ours
    # One that others opened may have another time zone and isolation: only its address is taken.
    theirs = sqlalchemy.create_engine("mysql+pymysql://u@127.0.0.1/d")
    assert Database(theirs).engine is not theirs


@pytest.mark.parametrize("name", ["points", "a1_b", "x"])
def test_names_that_are_safe(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", "1a", "A", "a b", "a;b", "a`b", "é", "a" * 65])
def test_names_that_are_not(name: str) -> None:
    with pytest.raises(RefusedError):
        checked_name(name)


@given(
    st.decimals(min_value="0.01", max_value=100_000, places=2),
    st.decimals(min_value=0, max_value=50, places=3),
)
def test_net_and_tax_make_the_amount(amount: Decimal, rate: Decimal) -> None:
    net, tax = split_tax(amount, rate)
    assert net + tax == amount
    assert net == net.quantize(Decimal("0.01"))
    assert abs(net * (1 + rate / 100) - amount) <= Decimal("0.01")


def test_split_of_the_tax_as_dolibarr_does_it() -> None:
    assert split_tax(Decimal(3), Decimal(20)) == (Decimal("2.50"), Decimal("0.50"))


def test_chunks() -> None:
    assert list(chunks([3, 1, 2, 3], 2)) == [[1, 2], [3]]
    assert list(chunks([])) == []


class TestGrants:
    def test_on_the_whole_table_or_column_by_column(self) -> None:
        grants = Grants(
            "'u'@'h'",
            tables={"llx_a": {"SELECT"}},
            columns={("llx_b", "x"): {"SELECT"}},
        )
        assert grants.allows(Need("SELECT", "llx_a"))
        assert grants.allows(Need("SELECT", "llx_a", ("x",)))
        assert not grants.allows(Need("DELETE", "llx_a"))
        assert grants.allows(Need("SELECT", "llx_b", ("x",)))
        assert not grants.allows(Need("SELECT", "llx_b"))
        assert not grants.allows(Need("SELECT", "llx_b", ("x", "y")))

    def test_everything(self) -> None:
        assert Grants("", everything=True).allows(Need("DELETE", "llx_a"))
        assert Grants("", overall=frozenset({"DELETE"})).allows(Need("DELETE", "llx_a"))

    def test_statement_gives_what_is_missing_and_no_more(self) -> None:
        database = Database("mysql://u@127.0.0.1/shop")
        grants = Grants("'u'@'h'", columns={("llx_b", "x"): {"UPDATE"}})
        columns = Need("UPDATE", "llx_b", ("x", "y"))
        assert grant_statement(database, grants, columns) == (
            "GRANT UPDATE(y) ON `shop`.llx_b TO 'u'@'h';"
        )
        assert grant_statement(database, grants, Need("SELECT", "llx_c")) == (
            "GRANT SELECT ON `shop`.llx_c TO 'u'@'h';"
        )
