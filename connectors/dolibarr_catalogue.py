"""What Dolibarr's catalogue says of products: prices, extra fields, tags with those above them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors import dolibarr_values as values
from connectors.dolibarr_database import Database, Reader, Row, checked_name, number_list
from connectors.dolibarr_http import DolibarrHttp, Params
from connectors.dolibarr_rest_products import PAGE_SIZE, among
from connectors.dolibarr_sql_rows import chunks
from dolisync.model import Article

_PRODUCT_TAG = 0
Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TagTree:
    """All product tags: label and the tag above, by id."""

    tags: dict[int, tuple[str, int]] = field(default_factory=dict)

    def labels(self, own: Iterable[int]) -> tuple[str, ...]:
        """Return the labels of these tags and of all above them, each once, in order."""
        found: set[str] = set()
        seen: set[int] = set()
        waiting = list(own)
        while waiting:
            tag = waiting.pop()
            if tag in self.tags and tag not in seen:
                # A tag that stands above itself must not keep us here for ever.
                seen.add(tag)
                label, above = self.tags[tag]
                found.add(label)
                waiting.append(above)
        return tuple(sorted(found))

    @property
    def all_labels(self) -> frozenset[str]:
        """The labels of all tags."""
        return frozenset(label for label, _ in self.tags.values())


# --- through the tables --------------------------------------------------------------------------


def articles_by_sql(
    database: Database, rowids: Sequence[int], fields: Sequence[str], *, with_tags: bool
) -> dict[int, Article]:
    """Read these products with two to four statements."""
    visible = database.columns("llx_product_extrafields") if fields else frozenset()
    names = [checked_name(name) for name in fields if name in visible]
    found: dict[int, Article] = {}
    with database.reading("products") as reader:
        tree = _tree_by_sql(reader) if with_tags else TagTree()
        for chunk in chunks(rowids):
            listed = number_list(chunk)
            texts = _texts_by_sql(reader, listed, names)
            tags = _tags_by_sql(reader, listed) if with_tags else {}
            for row in _prices_by_sql(reader, listed):
                labels = tree.labels(tags.get(row[0], ()))
                prices = values.money(row[1]), values.money(row[2])
                found[row[0]] = Article(labels, *prices, texts.get(row[0], ()))
    return found


def tag_labels_by_sql(database: Database) -> frozenset[str]:
    """Return the labels of all product tags."""
    with database.reading("product tags") as reader:
        return _tree_by_sql(reader).all_labels


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


def _tags_by_sql(reader: Reader, listed: str) -> dict[int, list[int]]:
    tags: dict[int, list[int]] = defaultdict(list)
    query = (
        "SELECT fk_product, fk_categorie FROM llx_categorie_product"  # noqa: S608
        f" WHERE fk_product IN ({listed})"
    )
    for product, tag in reader.rows(query):
        tags[product].append(tag)
    return tags


def _tree_by_sql(reader: Reader) -> TagTree:
    query = "SELECT rowid, label, fk_parent FROM llx_categorie WHERE type = %s"
    rows = reader.rows(query, (_PRODUCT_TAG,))
    return TagTree({row[0]: (values.text(row[1]), int(row[2] or 0)) for row in rows})


# --- through the API -----------------------------------------------------------------------------


def articles_by_rest(
    http: DolibarrHttp, rowids: Sequence[int], fields: Sequence[str], *, with_tags: bool
) -> dict[int, Article]:
    """Read these products by the page; their tags one product at a time, for want of a better."""
    tree = _tree_by_rest(http) if with_tags else TagTree()
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
    return _tree_by_rest(http).all_labels


def _options(row: Fields, fields: Sequence[str]) -> Iterable[tuple[str, Any]]:
    options = row.get("array_options")
    # An empty list where no extra field has a value.
    known = options if isinstance(options, dict) else {}
    return ((name, known.get(f"options_{name}")) for name in fields)


def _tags_by_rest(http: DolibarrHttp, product: int) -> list[int]:
    # Without any, the versions say 404, 0 or []; categories/object/product breaks on 20.
    return [int(row["id"]) for row in http.get_list(f"products/{product}/categories")]


def _tree_by_rest(http: DolibarrHttp) -> TagTree:
    tags: dict[int, tuple[str, int]] = {}
    page = 0
    while True:
        params: Params = {
            "type": "product",
            "sortfield": "t.rowid",
            "limit": PAGE_SIZE,
            "page": page,
        }
        rows = http.get_list("categories", params)
        for row in rows:
            tags[int(row["id"])] = (values.text(row["label"]), int(row["fk_parent"] or 0))
        if len(rows) < PAGE_SIZE:
            return TagTree(tags)
        page += 1
