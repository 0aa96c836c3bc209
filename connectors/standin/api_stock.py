"""The calls below /warehouses and /stockmovements."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from connectors.standin.calls import Call, Refusal, Route
from connectors.standin.lists import dressed, select_page
from connectors.standin.present import Object, words
from connectors.standin.rights import READ_STOCK, WRITE_STOCK
from connectors.standin.store import Row


def _warehouse(row: Row) -> Object:
    return {
        "id": str(row["rowid"]),
        "entity": str(row["entity"]),
        "ref": row["ref"],
        "label": row["ref"],
        "lieu": row["lieu"],
        "statut": str(row["statut"]),
        "array_options": [],
    }


def _movement(call: Call, row: Row) -> Object:
    return {
        "id": str(row["rowid"]),
        "product_id": str(row["fk_product"]),
        "warehouse_id": str(row["fk_entrepot"]),
        "qty": words(row["value"]),
        "type": words(row["type_mouvement"]),
        "datem": call.store.epoch(row["datem"]),
        "tms": call.store.epoch(row["tms"]),
        "label": row["label"],
        "origin_id": words(row["fk_origin"]),
        "origin_type": row["origintype"],
        "fk_origin": words(row["fk_origin"]),
        "origintype": row["origintype"],
        "array_options": [],
    }


def _rows(call: Call, table: sa.Table, empty: str) -> tuple[Any, list[Row]]:
    call.need(READ_STOCK)
    page = select_page(call, table, [])
    if not page.rowids and call.major == 16:
        raise Refusal(404, empty)
    found = call.store.rows(sa.select(table).where(table.c.rowid.in_(page.rowids)))
    rows = {row["rowid"]: row for row in found}
    return page, [rows[rowid] for rowid in page.rowids]


def list_warehouses(call: Call) -> Any:
    """GET /warehouses."""
    page, rows = _rows(call, call.store.tables.entrepot, "No warehouse found")
    return dressed(call, [_warehouse(row) for row in rows], page)


def post_warehouse(call: Call) -> int:
    """POST /warehouses."""
    call.need(WRITE_STOCK)
    if not call.body.get("label"):
        raise Refusal(400, "label field missing")
    return call.shop.add_warehouse(str(call.body["label"]))


def list_movements(call: Call) -> Any:
    """GET /stockmovements."""
    page, rows = _rows(call, call.store.tables.stock_mouvement, "No stock movement found")
    return dressed(call, [_movement(call, row) for row in rows], page)


def post_movement(call: Call) -> int:
    """POST /stockmovements: by hand, for no document."""
    call.need(WRITE_STOCK)
    for name in ("product_id", "warehouse_id", "qty"):
        if not call.body.get(name):
            raise Refusal(400, f"{name} field missing")
    body = call.body
    return call.shop.move_stock(int(body["product_id"]), int(body["warehouse_id"]), body["qty"])


ROUTES = [
    Route("GET", "/warehouses", list_warehouses),
    Route("POST", "/warehouses", post_warehouse),
    Route("GET", "/stockmovements", list_movements),
    Route("POST", "/stockmovements", post_movement),
]
