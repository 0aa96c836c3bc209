"""The calls below /orders and /shipments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from connectors.standin import shapes
from connectors.standin.api_invoices import shown_invoice
from connectors.standin.calls import Call, Refusal, Route
from connectors.standin.lists import dressed, select_page
from connectors.standin.orders import ORDER, SHIPMENT
from connectors.standin.present import Object, money
from connectors.standin.rights import (
    READ_ORDERS,
    READ_SHIPMENTS,
    WRITE_INVOICES,
    WRITE_ORDERS,
    WRITE_SHIPMENTS,
)
from connectors.standin.store import Row, ShopError


def _order(call: Call, row: Row) -> Object:
    total = money(call.shop.order_total(row["rowid"]))
    return shapes.ORDER.blank(call.major) | {
        "id": str(row["rowid"]),
        "entity": str(row["entity"]),
        "ref": row["ref"],
        "socid": str(row["fk_soc"]),
        "statut": str(row["fk_statut"]),
        "status": str(row["fk_statut"]),
        "billed": str(row["facture"]),
        "total_ht": total,
        "date_creation": call.store.epoch(row["date_creation"]),
        "date_validation": call.store.epoch(row["date_valid"]) or "",
        "date_modification": call.store.epoch(row["tms"]),
        "lines": [_order_line(line) for line in call.shop.order_lines(row["rowid"])],
    }


def _order_line(row: Row) -> Object:
    return {
        "id": str(row["rowid"]),
        "fk_product": None if row["fk_product"] is None else str(row["fk_product"]),
        "desc": row["description"],
        "qty": str(row["qty"]),
        "subprice": money(row["subprice"]),
    }


def _shipment(call: Call, row: Row) -> Object:
    """Show a shipment: when it changed is not told, and 16 tells its status by one name only."""
    status = str(row["fk_statut"])
    return shapes.SHIPMENT.blank(call.major) | {
        "id": str(row["rowid"]),
        "entity": str(row["entity"]),
        "ref": row["ref"],
        "socid": str(row["fk_soc"]),
        "statut": status,
        "status": None if call.major == 16 else status,
        "billed": str(row["billed"]),
        "date_creation": call.store.epoch(row["date_creation"]),
        "date_valid": call.store.epoch(row["date_valid"]) or "",
    }


def _list(call: Call, table: sa.Table, show: Callable[[Call, Row], Object], empty: str) -> Any:
    conditions: list[Any] = [lambda _: sa.false()] if call.sees_nobody else []
    page = select_page(call, table, conditions)
    if not page.rowids and call.major == 16:
        raise Refusal(404, empty)
    found = call.store.rows(sa.select(table).where(table.c.rowid.in_(page.rowids)))
    rows = {row["rowid"]: row for row in found}
    return dressed(call, [show(call, rows[rowid]) for rowid in page.rowids], page)


def _row(call: Call, table: sa.Table, what: str) -> Row:
    row = call.store.get(table, call.number())
    if row is None:
        raise Refusal(404, f"{what} not found")
    call.need_sight()
    return row


def _linked(call: Call, shown: Object, kind: str) -> Object:
    return shown | {"linkedObjectsIds": call.shop.links_of(kind, int(shown["id"])) or []}


def list_orders(call: Call) -> Any:
    """GET /orders."""
    call.need(READ_ORDERS)
    return _list(call, call.store.tables.commande, _order, "No order found")


def get_order(call: Call) -> Object:
    """GET /orders/{id}."""
    call.need(READ_ORDERS)
    return _linked(call, _order(call, _row(call, call.store.tables.commande, "Order")), ORDER)


def post_order(call: Call) -> int:
    """POST /orders."""
    call.need(WRITE_ORDERS)
    if "socid" not in call.body:
        raise Refusal(400, "socid field missing")
    order = call.shop.new_order(int(call.body["socid"]))
    for line in call.body.get("lines") or []:
        product = int(line["fk_product"]) if line.get("fk_product") else None
        call.shop.add_order_line(
            order,
            product,
            line.get("qty") or 0,
            line.get("subprice") or 0,
            tva_tx=line.get("tva_tx") or 0,
            description=str(line.get("desc") or ""),
        )
    return order


def _act_on_order(call: Call, act: str, *more: int) -> None:
    call.need(WRITE_ORDERS)
    row = _row(call, call.store.tables.commande, "Order")
    try:
        getattr(call.shop, act)(row["rowid"], *more)
    except ShopError as error:
        raise Refusal(304, f"Error nothing done. {error}") from None


def validate_order(call: Call) -> Object:
    """POST /orders/{id}/validate."""
    _act_on_order(call, "validate_order", int(call.body.get("idwarehouse") or 0))
    return get_order(call)


def close_order(call: Call) -> Object:
    """POST /orders/{id}/close."""
    _act_on_order(call, "close_order")
    return get_order(call)


def reopen_order(call: Call) -> int:
    """POST /orders/{id}/reopen."""
    _act_on_order(call, "reopen_order")
    return 1


def post_invoice_of_order(call: Call) -> Object:
    """POST /invoices/createfromorder/{id}."""
    call.need(READ_ORDERS, WRITE_INVOICES)
    row = _row(call, call.store.tables.commande, "Order")
    return shown_invoice(call, call.shop.invoice_from_order(row["rowid"]))


def list_shipments(call: Call) -> Any:
    """GET /shipments."""
    call.need(READ_SHIPMENTS)
    return _list(call, call.store.tables.expedition, _shipment, "No shipment found")


def get_shipment(call: Call) -> Object:
    """GET /shipments/{id}."""
    call.need(READ_SHIPMENTS)
    row = _row(call, call.store.tables.expedition, "Shipment")
    return _linked(call, _shipment(call, row), SHIPMENT)


def post_shipment_of_order(call: Call) -> int:
    """POST /orders/{id}/shipment/{warehouse}: of all its lines; 16 and 20 make no useful link."""
    call.need(WRITE_SHIPMENTS)
    order = _row(call, call.store.tables.commande, "Order")["rowid"]
    shipment = call.shop.new_shipment(order, call.number(1))
    if call.major >= 22:
        call.shop.link(ORDER, order, SHIPMENT, shipment)
    return shipment


def _act_on_shipment(call: Call, act: str) -> Object:
    call.need(WRITE_SHIPMENTS)
    row = _row(call, call.store.tables.expedition, "Shipment")
    try:
        getattr(call.shop, act)(row["rowid"])
    except ShopError as error:
        raise Refusal(304, f"Error nothing done. {error}") from None
    return get_shipment(call)


def validate_shipment(call: Call) -> Object:
    """POST /shipments/{id}/validate."""
    return _act_on_shipment(call, "validate_shipment")


def close_shipment(call: Call) -> Object:
    """POST /shipments/{id}/close."""
    return _act_on_shipment(call, "close_shipment")


ROUTES = [
    Route("GET", "/orders", list_orders),
    Route("POST", "/orders", post_order),
    Route("GET", "/orders/{int}", get_order),
    Route("POST", "/orders/{int}/validate", validate_order),
    Route("POST", "/orders/{int}/close", close_order),
    Route("POST", "/orders/{int}/reopen", reopen_order),
    Route("POST", "/orders/{int}/shipment/{int}", post_shipment_of_order),
    Route("POST", "/invoices/createfromorder/{int}", post_invoice_of_order),
    Route("GET", "/shipments", list_shipments),
    Route("GET", "/shipments/{int}", get_shipment),
    Route("POST", "/shipments/{int}/validate", validate_shipment),
    Route("POST", "/shipments/{int}/close", close_shipment),
]
