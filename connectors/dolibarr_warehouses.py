"""From which of Dolibarr's warehouses the goods of documents were taken: by its stock movements.

A movement names the document that made it. Where stock changes when invoices are validated, or at
the till, that is the document itself; else it is the shipments that an invoice is linked with or,
where there are none, its orders and their shipments. There is no index on that, but one on the
product: so the products of the documents are asked for too, and count for those alone that have
them. What went out and came back, as with a document that was a draft again, counts not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from connectors import dolibarr_values as values
from connectors.dolibarr_database import Database, Reader, number_list
from connectors.dolibarr_deliveries import INVOICE, ORDER, RIGHTS, SHIPMENT, linked_by_sql, links_of
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
    "llx_element_element": ("fk_source", "sourcetype", "fk_target", "targettype"),
}
RIGHT = "read stocks (1001)"
# With what stock changes: in the office one of these is on.
ON_INVOICE = "STOCK_CALCULATE_ON_BILL"
OTHERWISE = (
    "STOCK_CALCULATE_ON_VALIDATE_ORDER",
    "STOCK_CALCULATE_ON_SHIPMENT",
    "STOCK_CALCULATE_ON_SHIPMENT_CLOSE",
)
_LEAST = Decimal("0.00001")
_Moved = dict[int, dict[int, Decimal]]
# For each kind of document, and each of them: the invoices whose goods it moved.
_Movers = Mapping[str, Mapping[int, Collection[int]]]
# The rowids of documents that others are linked with: by these, and by kind.
_Links = Mapping[int, Mapping[str, Collection[int]]]


@dataclass(frozen=True, slots=True)
class _Movement:
    """So much of a product, moved by a document (by its rowid) into a warehouse or out of it."""

    mover: int
    product: int
    warehouse: int
    quantity: Decimal


class _Stock(Protocol):
    """What either door knows of stock; ``size`` is for how many documents it is asked at once."""

    @property
    def size(self) -> int: ...

    def movements(self, kind: str, movers: str, products: str) -> Iterable[_Movement]: ...

    def are_moved_otherwise(self, products: Collection[int]) -> bool:
        """Tell whether orders or shipments can have moved any of these products."""

    def links(self, kind: str, rowids: Collection[int]) -> _Links:
        """Return the orders and shipments that these documents are linked with."""

    def names(self) -> Mapping[int, str]: ...


def _warehouses(stock: _Stock, goods: Goods) -> dict[int, tuple[Warehouse, ...]]:
    found = _moved(stock, goods, {INVOICE: {invoice: {invoice} for invoice in goods}})
    others = {invoice: goods[invoice] for invoice in goods if invoice not in found}
    if stock.are_moved_otherwise({product for mine in others.values() for product in mine}):
        found |= _moved(stock, others, _movers(stock, others))
    names = stock.names() if found else {}
    return {
        invoice: tuple(Warehouse(rowid, names.get(rowid, "")) for rowid in sorted(warehouses))
        for invoice, warehouses in found.items()
    }


def _moved(stock: _Stock, goods: Goods, movers: _Movers) -> dict[int, list[int]]:
    """Return the warehouses from which goods of these invoices were moved and stayed away."""
    sums: _Moved = defaultdict(lambda: defaultdict(Decimal))
    for kind, invoices in movers.items():
        for chunk in chunks(invoices, stock.size):
            mine = {invoice for mover in chunk for invoice in invoices[mover]}
            products = sorted({product for invoice in mine for product in goods[invoice]})
            for one in stock.movements(kind, number_list(chunk), number_list(products)):
                for invoice in invoices[one.mover]:
                    if one.product in goods[invoice]:
                        sums[invoice][one.warehouse] += one.quantity
    found = {
        invoice: [warehouse for warehouse, sum_ in of_it.items() if abs(sum_) >= _LEAST]
        for invoice, of_it in sums.items()
    }
    return {invoice: warehouses for invoice, warehouses in found.items() if warehouses}


def _movers(stock: _Stock, goods: Goods) -> _Movers:
    """Find the shipments of these invoices, or else their orders and the shipments of these."""
    movers: dict[str, dict[int, set[int]]] = {ORDER: defaultdict(set), SHIPMENT: defaultdict(set)}
    for invoice, links in stock.links(INVOICE, goods).items():
        kind = SHIPMENT if links.get(SHIPMENT) else ORDER
        for rowid in links.get(kind, ()):
            movers[kind][rowid].add(invoice)
    orders = movers[ORDER]
    for order, links in stock.links(ORDER, orders).items():
        for shipment in links.get(SHIPMENT, ()):
            movers[SHIPMENT][shipment] |= orders[order]
    return movers


# --- through the tables --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _SqlStock:
    reader: Reader
    size: int = 500

    def movements(self, kind: str, movers: str, products: str) -> Iterator[_Movement]:
        query = (
            "SELECT fk_origin, fk_product, fk_entrepot, SUM(value) FROM llx_stock_mouvement"  # noqa: S608
            f" WHERE fk_product IN ({products}) AND origintype = %s AND fk_origin IN ({movers})"
            " GROUP BY fk_origin, fk_product, fk_entrepot"
        )
        for mover, product, warehouse, sum_ in self.reader.rows(query, (kind,)):
            yield _Movement(int(mover), int(product), int(warehouse), values.money(sum_))

    def are_moved_otherwise(self, products: Collection[int]) -> bool:
        # The links tell it at once.
        return bool(products)

    def links(self, kind: str, rowids: Collection[int]) -> _Links:
        return linked_by_sql(self.reader, kind, rowids, ORDER, SHIPMENT)

    def names(self) -> Mapping[int, str]:
        return _names_by_sql(self.reader)


def warehouses_by_sql(database: Database, goods: Goods) -> dict[int, tuple[Warehouse, ...]]:
    """Read the warehouses of these documents with one statement for each few hundred.

    Two more, and one for the movements of each kind, where stock moves with orders or shipments.
    """
    with database.reading("stock movements") as reader:
        return _warehouses(_SqlStock(reader), goods)


def warehouse_names_by_sql(database: Database) -> frozenset[str]:
    """Return the names of all warehouses."""
    with database.reading("warehouses") as reader:
        return frozenset(_names_by_sql(reader).values())


def _names_by_sql(reader: Reader) -> dict[int, str]:
    rows = reader.rows("SELECT rowid, ref FROM llx_entrepot")
    return {int(rowid): values.person_name(name) for rowid, name in rows}


# --- through the API -----------------------------------------------------------------------------


_PATHS = {INVOICE: "invoices", ORDER: "orders"}


@dataclass(frozen=True, slots=True)
class _RestStock:
    http: DolibarrHttp
    size: int = 50

    def movements(self, kind: str, movers: str, products: str) -> Iterator[_Movement]:
        wanted = _and(_among(products), f"t.origintype:=:'{kind}'", f"t.fk_origin:in:{movers}")
        for row in _movements(self.http, wanted):
            yield _Movement(
                values.whole(row.get("origin_id")),
                values.whole(row["product_id"]),
                values.whole(row["warehouse_id"]),
                values.money(row["qty"]),
            )

    def are_moved_otherwise(self, products: Collection[int]) -> bool:
        # Links cost a call for each invoice: most shops need not ask for them.
        return any(
            _page(self.http, _and(_among(number_list(chunk)), f"t.origintype:=:'{kind}'"), 1)
            for chunk in chunks(products, self.size)
            for kind in (SHIPMENT, ORDER)
        )

    def links(self, kind: str, rowids: Collection[int]) -> _Links:
        return {one: links_of(self._document(kind, one)) for one in sorted(rowids)}

    def _document(self, kind: str, rowid: int) -> Fields | None:
        try:
            return self.http.get_object(f"{_PATHS[kind]}/{rowid}")
        except RefusedError as error:
            if kind != ORDER:
                raise
            message = f"{error}; stock moves with orders: give the right to {RIGHTS[ORDER]}"
            raise RefusedError(message) from None

    def names(self) -> Mapping[int, str]:
        return _names(self.http)


def warehouses_by_rest(http: DolibarrHttp, goods: Goods) -> dict[int, tuple[Warehouse, ...]]:
    """Read the warehouses of these documents: a call or more for each fifty.

    Where stock moves with orders or shipments, one more for each document and each order.
    """
    return _warehouses(_RestStock(http), goods)


def _movements(http: DolibarrHttp, wanted: str) -> Iterator[Fields]:
    last = 0
    while True:
        rows = _page(http, _and(wanted, f"t.rowid:>:'{last}'"), PAGE_SIZE)
        yield from rows
        if len(rows) < PAGE_SIZE:
            return
        last = int(rows[-1]["id"])


def _page(http: DolibarrHttp, wanted: str, limit: int) -> list[Fields]:
    params: Params = {
        "sortfield": "t.rowid",
        "sortorder": "ASC",
        "limit": limit,
        "sqlfilters": f"({wanted})",
        "properties": "id,product_id,warehouse_id,qty,origin_id",
    }
    return http.get_list("stockmovements", params)


def _among(products: str) -> str:
    return f"t.fk_product:in:{products}"


def _and(*filters: str) -> str:
    return " and ".join(one if one.startswith("(") else f"({one})" for one in filters)


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
