"""What became of the orders and shipments that Dolibarr's invoices are linked with.

An invoice is delivered when all its orders are (status 3, "delivered"), or all its shipments
(status 2, "closed": received by the customer); cancelled shipments count for nothing. Links go both
ways: an invoice made from an order is its target, one linked on the order's own page its source.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from connectors import dolibarr_values as values
from connectors.dolibarr_database import Database, Reader, number_list
from connectors.dolibarr_http import DolibarrHttp, Params
from connectors.dolibarr_rest_products import PAGE_SIZE, Fields, among
from connectors.dolibarr_sql_rows import chunks
from dolisync.errors import RefusedError
from dolisync.model import Delivery
from dolisync.ports import HandOver

# Their names in links between documents.
ORDER, SHIPMENT, INVOICE = "commande", "shipping", "facture"

_DONE = {ORDER: "3", SHIPMENT: "2"}
_CANCELLED_SHIPMENT = "-1"


@dataclass(slots=True)
class _Goods:
    """The states of the orders and shipments of one invoice; since when orders are closed."""

    orders: list[str] = field(default_factory=list)
    shipments: list[str] = field(default_factory=list)
    closed_at: list[datetime | None] = field(default_factory=list)

    def add(self, kind: str, state: str, closed_at: datetime | None) -> None:
        if kind == ORDER:
            self.orders.append(state)
            self.closed_at.append(closed_at)
        elif state != _CANCELLED_SHIPMENT:
            self.shipments.append(state)

    def delivery(self) -> Delivery | None:
        if not self.orders and not self.shipments:
            return None
        if _are_done(self.shipments, _DONE[SHIPMENT]):
            return Delivery(is_done=True)
        if not _are_done(self.orders, _DONE[ORDER]):
            return Delivery(is_done=False)
        known = [moment for moment in self.closed_at if moment is not None]
        is_known = len(known) == len(self.closed_at)
        return Delivery(is_done=True, done_at=max(known) if is_known else None)


def _are_done(states: Sequence[str], done: str) -> bool:
    return bool(states) and all(state == done for state in states)


# --- through the tables --------------------------------------------------------------------------


_TABLES = {ORDER: "llx_commande", SHIPMENT: "llx_expedition"}
# What an account must be able to read.
COLUMNS_NEEDED: dict[str, tuple[str, ...]] = {
    "llx_element_element": ("fk_source", "sourcetype", "fk_target", "targettype"),
    "llx_commande": ("rowid", "fk_statut", "date_cloture", "tms"),
    "llx_expedition": ("rowid", "fk_statut", "tms"),
}
_ENDS = (("target", "source"), ("source", "target"))


def deliveries_by_sql(
    database: Database, rowids: Sequence[int], zone: tzinfo
) -> dict[int, Delivery]:
    """Read the deliveries of these invoices with one statement for each few hundred."""
    found: dict[int, _Goods] = defaultdict(_Goods)
    with database.reading("orders and shipments") as reader:
        for chunk in chunks(rowids):
            listed = number_list(chunk)
            parts = [
                _states_of(kind, invoice, other, listed)
                for kind in _TABLES
                for invoice, other in _ENDS
            ]
            for rowid, kind, state, closed_at in reader.rows(" UNION ALL ".join(parts)):
                moment = values.utc_of_wall_time(closed_at, zone)
                found[int(rowid)].add(kind, values.text(state), moment)
    return _delivered(found)


def _states_of(kind: str, invoice: str, other: str, listed: str) -> str:
    closed_at = "d.date_cloture" if kind == ORDER else "NULL"
    return (
        f"SELECT e.fk_{invoice}, '{kind}', d.fk_statut, {closed_at} FROM llx_element_element e"  # noqa: S608
        f" JOIN {_TABLES[kind]} d ON d.rowid = e.fk_{other} WHERE e.{invoice}type = '{INVOICE}'"
        f" AND e.{other}type = '{kind}' AND e.fk_{invoice} IN ({listed})"
    )


def moved_by_sql(database: Database, since: str) -> frozenset[HandOver]:
    """Find orders and shipments changed since, a moment as the database stores it."""
    found: set[HandOver] = set()
    with database.reading("orders and shipments") as reader:
        for kind, table in _TABLES.items():
            query = f"SELECT rowid, fk_statut FROM {table} WHERE tms >= %s"  # noqa: S608
            for rowid, state in reader.rows(query, (since,)):
                found.add(HandOver(kind, int(rowid), values.text(state)))
    return frozenset(found)


def documents_by_sql(database: Database, moved: Collection[HandOver]) -> frozenset[int]:
    """Find the invoices that these are linked with."""
    found: set[int] = set()
    with database.reading("orders and shipments") as reader:
        for kind in _TABLES:
            rowids = [one.rowid for one in moved if one.kind == kind]
            for links in linked_by_sql(reader, kind, rowids, INVOICE).values():
                found |= links[INVOICE]
    return frozenset(found)


def linked_by_sql(
    reader: Reader, kind: str, rowids: Iterable[int], *others: str
) -> dict[int, dict[str, set[int]]]:
    """Find the documents of other kinds with which these of a kind are linked."""
    found: dict[int, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    wanted = ", ".join(f"'{other}'" for other in others)
    for chunk in chunks(rowids):
        parts = [
            f"SELECT fk_{mine}, {other}type, fk_{other} FROM llx_element_element"  # noqa: S608
            f" WHERE {mine}type = %s AND {other}type IN ({wanted})"
            f" AND fk_{mine} IN ({number_list(chunk)})"
            for mine, other in _ENDS
        ]
        for rowid, other_kind, other in reader.rows(" UNION ALL ".join(parts), (kind, kind)):
            found[int(rowid)][values.text(other_kind)].add(int(other))
    return found


# --- through the API -----------------------------------------------------------------------------


_PATHS = {ORDER: "orders", SHIPMENT: "shipments"}
NAMES = {ORDER: "orders", SHIPMENT: "shipments"}
RIGHTS = {ORDER: "read sales orders (81)", SHIPMENT: "read shipments (101)"}


def deliveries_by_rest(http: DolibarrHttp, rowids: Iterable[int]) -> dict[int, Delivery]:
    """Read the deliveries of these invoices: one call for each, and some for each hundred orders.

    Only the single call tells the links, and it tells none with a module that is switched off.
    """
    links = {rowid: links_of(http.get_object(f"invoices/{rowid}")) for rowid in sorted(set(rowids))}
    found: dict[int, _Goods] = defaultdict(_Goods)
    for kind in _PATHS:
        asked = {other for linked in links.values() for other in linked.get(kind, ())}
        states = _states_by_rest(http, kind, asked) if asked else {}
        for rowid, linked in links.items():
            for other in linked.get(kind, ()):
                if other in states:
                    found[rowid].add(kind, states[other], None)
    return _delivered(found)


def links_of(row: Fields | None) -> dict[str, list[int]]:
    """Return what a document that was read by itself is linked with: rowids by kind."""
    linked = (row or {}).get("linkedObjectsIds")
    # An empty list where there are none.
    kinds = linked if isinstance(linked, dict) else {}
    return {kind: [int(rowid) for rowid in _listed(rowids)] for kind, rowids in kinds.items()}


def _listed(rowids: Any) -> Iterable[Any]:
    return rowids.values() if isinstance(rowids, dict) else rowids or ()


def _states_by_rest(http: DolibarrHttp, kind: str, rowids: set[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for chunk in chunks(rowids, PAGE_SIZE):
        try:
            rows = _page(http, kind, among(chunk), len(chunk))
        except RefusedError as error:
            message = f"{error}; the program waits for deliveries: give the right to {RIGHTS[kind]}"
            raise RefusedError(message) from None
        found |= {int(row["id"]): _state(row) for row in rows}
    return found


def _page(http: DolibarrHttp, kind: str, sqlfilter: str, limit: int) -> list[Fields]:
    params: Params = {
        "sortfield": "t.rowid",
        "sortorder": "ASC",
        "limit": limit,
        "sqlfilters": f"({sqlfilter})",
        "properties": "id,status,statut",
    }
    return http.get_list(_PATHS[kind], params)


def _state(row: Fields) -> str:
    # Shipments of 16 have no status.
    state = row.get("statut")
    return values.text(row.get("status") if state is None else state)


def moved_by_rest(http: DolibarrHttp, since: str) -> frozenset[HandOver]:
    """Find orders and shipments changed since, a moment as the database shows it to Dolibarr."""
    found: set[HandOver] = set()
    for kind in _PATHS:
        try:
            found |= set(_moved(http, kind, since))
        except RefusedError:
            # Not used in this shop; where an invoice has any, reading it says what is missing.
            continue
    return frozenset(found)


def _moved(http: DolibarrHttp, kind: str, since: str) -> Iterable[HandOver]:
    last = 0
    while True:
        changed = f"(t.tms:>=:'{since}') and (t.rowid:>:'{last}')"
        rows = _page(http, kind, changed, PAGE_SIZE)
        for row in rows:
            last = int(row["id"])
            yield HandOver(kind, last, _state(row))
        if len(rows) < PAGE_SIZE:
            return


def documents_by_rest(http: DolibarrHttp, moved: Iterable[HandOver]) -> frozenset[int]:
    """Find the invoices that these are linked with, one call for each."""
    found: set[int] = set()
    for one in moved:
        links = links_of(http.get_object(f"{_PATHS[one.kind]}/{one.rowid}"))
        found.update(links.get(INVOICE, ()))
    return frozenset(found)


def may_read(http: DolibarrHttp, kind: str) -> bool:
    """Tell whether the key's user may read orders, or shipments."""
    try:
        http.get_list(_PATHS[kind], {"limit": 1})
    except RefusedError:
        return False
    return True


def _delivered(found: dict[int, _Goods]) -> dict[int, Delivery]:
    told = {rowid: goods.delivery() for rowid, goods in found.items()}
    return {rowid: delivery for rowid, delivery in told.items() if delivery is not None}
