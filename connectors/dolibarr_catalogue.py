"""What Dolibarr's catalogue says of products: prices, extra fields, tags with those above them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connectors import dolibarr_values as values
from connectors.dolibarr_database import Database, Reader, Row, checked_name, number_list
from connectors.dolibarr_http import DolibarrHttp, Params
from connectors.dolibarr_rest_products import PAGE_SIZE, among
from connectors.dolibarr_sql_rows import chunks
from connectors.dolibarr_tags import PRODUCTS, TagTree, links_by_sql, tree_by_rest, tree_by_sql
from dolisync.model import Article

Fields = Mapping[str, Any]


# --- through the tables --------------------------------------------------------------------------


def articles_by_sql(
    database: Database, rowids: Sequence[int], fields: Sequence[str], *, with_tags: bool
) -> dict[int, Article]:
    """Read these products with two to four statements."""
    visible = database.columns("llx_product_extrafields") if fields else frozenset()
    names = [checked_name(name) for name in fields if name in visible]
    found: dict[int, Article] = {}
    with database.reading("products") as reader:
        tree = tree_by_sql(reader, PRODUCTS) if with_tags else TagTree()
        for chunk in chunks(rowids):
            listed = number_list(chunk)
            texts = _texts_by_sql(reader, listed, names)
            tags = links_by_sql(reader, PRODUCTS, listed) if with_tags else {}
            for row in _prices_by_sql(reader, listed):
                labels = tree.labels(tags.get(row[0], ()))
                prices = values.money(row[1]), values.money(row[2])
                found[row[0]] = Article(labels, *prices, texts.get(row[0], ()))
    return found


def tag_labels_by_sql(database: Database) -> frozenset[str]:
    """Return the labels of all product tags."""
    with database.reading("product tags") as reader:
        return tree_by_sql(reader, PRODUCTS).all_labels


def has_product_by_sql(database: Database, ref: str) -> bool:
    """Tell whether a product has this reference."""
    with database.reading("products") as reader:
        return bool(reader.rows("SELECT rowid FROM llx_product WHERE ref = %s", (ref,)))


def _prices_by_sql(reader: Reader, listed: str) -> Sequence[Row]:
    query = f"SELECT rowid, price, price_ttc FROM llx_product WHERE rowid IN ({listed})"  # noqa: S608
    return reader.rows(query)


def _texts_by_sql(
    reader: Reader, listed: str, names: Sequence[str]
) -> dict[int, tuple[tuple[str, str], ...]]:
    if not names:
        return {}
    query = (
        f"SELECT fk_object, {', '.join(names)} FROM llx_product_extrafields"  # noqa: S608
        f" WHERE fk_object IN ({listed})"
    )
    return {row[0]: _texts(zip(names, row[1:], strict=True)) for row in reader.rows(query)}


def _texts(pairs: Iterable[tuple[str, Any]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, values.text(value)) for name, value in pairs if value not in (None, ""))


# --- through the API -----------------------------------------------------------------------------


def articles_by_rest(
    http: DolibarrHttp, rowids: Sequence[int], fields: Sequence[str], *, with_tags: bool
) -> dict[int, Article]:
    """Read these products by the page; their tags one product at a time, for want of a better."""
    tree = tree_by_rest(http, PRODUCTS) if with_tags else TagTree()
    found: dict[int, Article] = {}
    for chunk in chunks(rowids, PAGE_SIZE):
        params: Params = {
            "sortfield": "t.rowid",
            "limit": len(chunk),
            "sqlfilters": f"({among(chunk)})",
        }
        for row in http.get_list("products", params):
            product = int(row["id"])
            tags = _tags_by_rest(http, product) if with_tags else ()
            prices = values.money(row["price"]), values.money(row["price_ttc"])
            found[product] = Article(tree.labels(tags), *prices, _texts(_options(row, fields)))
    return found


def tag_labels_by_rest(http: DolibarrHttp) -> frozenset[str]:
    """Return the labels of all product tags."""
    return tree_by_rest(http, PRODUCTS).all_labels


def has_product_by_rest(http: DolibarrHttp, ref: str) -> bool:
    """Tell whether a product has this reference."""
    # A quote in it is written twice, as in SQL.
    named = ref.replace("'", "''")
    params: Params = {"limit": 1, "sqlfilters": f"(t.ref:=:'{named}')"}
    return bool(http.get_list("products", params))


def _options(row: Fields, fields: Sequence[str]) -> Iterable[tuple[str, Any]]:
    options = row.get("array_options")
    # An empty list where no extra field has a value.
    known = options if isinstance(options, dict) else {}
    return ((name, known.get(f"options_{name}")) for name in fields)


def _tags_by_rest(http: DolibarrHttp, product: int) -> list[int]:
    # Without any, the versions say 404, 0 or []; categories/object/product breaks on 20.
    return [int(row["id"]) for row in http.get_list(f"products/{product}/categories")]
