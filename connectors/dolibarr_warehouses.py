"""From which of Dolibarr's warehouses the goods of documents were taken: by its stock movements.

A movement names the document that made it, where stock changes when invoices are validated (or at
the till). There is no index on that, but one on the product: so the products of the documents are
asked for too. What went out and came back, as with a document that was a draft again, counts not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal

from connectors import dolibarr_values as values
from connectors.dolibarr_database import Database, number_list
from connectors.dolibarr_http import DolibarrHttp, Params
from connectors.dolibarr_rest_products import PAGE_SIZE, Fields
from connectors.dolibarr_sql_rows import chunks
from dolisync.errors import RefusedError
from dolisync.model import Warehouse

Goods = Mapping[int, Collection[int]]

# What an account must be able to read.
COLUMNS_NEEDED: dict[str, tuple[str, ...]] = {
    "llx_stock_mouvement": ("fk_product", "fk_entrepot", "value", "fk_origin", "origintype"),
    "llx_entrepot": ("rowid", "ref"),
}
RIGHT = "read stocks (1001)"
_LEAST = Decimal("0.00001")
_Moved = dict[int, dict[int, Decimal]]


# --- through the tables --------------------------------------------------------------------------


def warehouses_by_sql(database: Database, goods: Goods) -> dict[int, tuple[Warehouse, ...]]:
    """Read the warehouses of these documents with one statement for each few hundred."""
    moved: _Moved = defaultdict(lambda: defaultdict(Decimal))
    names: dict[int, str] = {}
    with database.reading("stock movements") as reader:
        for chunk, products in _parts(goods, 500):
            query = (
                "SELECT m.fk_origin, m.fk_entrepot, w.ref, SUM(m.value) FROM llx_stock_mouvement m"  # noqa: S608
                " LEFT JOIN llx_entrepot w ON w.rowid = m.fk_entrepot"
                f" WHERE m.fk_product IN ({products}) AND m.origintype = 'facture'"
                f" AND m.fk_origin IN ({chunk}) GROUP BY m.fk_origin, m.fk_entrepot, w.ref"
            )
            for document, rowid, name, sum_ in reader.rows(query):
                moved[int(document)][int(rowid)] += values.money(sum_)
                names[int(rowid)] = values.person_name(name)
    return _named(moved, names)


def warehouse_names_by_sql(database: Database) -> frozenset[str]:
    """Return the names of all warehouses."""
    with database.reading("warehouses") as reader:
        rows = reader.rows("SELECT ref FROM llx_entrepot")
    return frozenset(values.person_name(row[0]) for row in rows)


# --- through the API -----------------------------------------------------------------------------


def warehouses_by_rest(http: DolibarrHttp, goods: Goods) -> dict[int, tuple[Warehouse, ...]]:
    """Read the warehouses of these documents: a call or more for each fifty."""
    moved: _Moved = defaultdict(lambda: defaultdict(Decimal))
    for documents, products in _parts(goods, 50):
        for row in _movements(http, documents, products):
            document = values.whole(row.get("origin_id"))
            moved[document][values.whole(row["warehouse_id"])] += values.money(row["qty"])
    return _named(moved, _names(http)) if moved else {}


def _movements(http: DolibarrHttp, documents: str, products: str) -> Iterator[Fields]:
    last = 0
    while True:
        params: Params = {
            "sortfield": "t.rowid",
            "sortorder": "ASC",
            "limit": PAGE_SIZE,
            "sqlfilters": f"((t.fk_product:in:{products}) and (t.origintype:=:'facture')"
            f" and (t.fk_origin:in:{documents}) and (t.rowid:>:'{last}'))",
            "properties": "id,warehouse_id,qty,origin_id",
        }
        rows = http.get_list("stockmovements", params)
        yield from rows
        if len(rows) < PAGE_SIZE:
            return
        last = int(rows[-1]["id"])


def _names(http: DolibarrHttp) -> dict[int, str]:
    params: Params = {"sortfield": "t.rowid", "limit": 1000}
    rows = http.get_list("warehouses", params)
    return {int(row["id"]): values.person_name(row.get("ref") or row.get("label")) for row in rows}


def warehouse_names_by_rest(http: DolibarrHttp) -> frozenset[str]:
    """Return the names of all warehouses."""
    return frozenset(_names(http).values())


def may_read_stock(http: DolibarrHttp) -> bool:
    """Tell whether the key's user may read stock movements."""
    try:
        http.get_list("stockmovements", {"limit": 1})
    except RefusedError:
        return False
    return True


def _parts(goods: Goods, size: int) -> Iterator[tuple[str, str]]:
    """Cut documents into pieces: their rowids, and those of their products, as lists."""
    for chunk in chunks(goods, size):
        products = sorted({product for document in chunk for product in goods[document]})
        yield number_list(chunk), number_list(products)


def _named(moved: _Moved, names: Mapping[int, str]) -> dict[int, tuple[Warehouse, ...]]:
    found = {
        document: tuple(
            Warehouse(rowid, names.get(rowid, ""))
            for rowid, sum_ in sorted(sums.items())
            if abs(sum_) >= _LEAST
        )
        for document, sums in moved.items()
    }
    return {document: warehouses for document, warehouses in found.items() if warehouses}
