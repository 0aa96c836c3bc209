"""The calls below /products and /categories."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from connectors.standin import extrafields, present_cards
from connectors.standin.api_thirdparties import categories_of
from connectors.standin.calls import Call, Refusal, Route
from connectors.standin.catalog import CATEGORY_TYPES
from connectors.standin.lists import dressed, select_page
from connectors.standin.present import Object, batches
from connectors.standin.rights import (
    READ_CATEGORIES,
    READ_PRODUCTS,
    WRITE_CUSTOMERS,
    WRITE_PRODUCTS,
)


def list_products(call: Call) -> Any:
    """GET /products."""
    call.need(READ_PRODUCTS)
    conditions: list[Any] = []
    category = call.whole("category", 0)
    if category:
        tags = call.store.tables.categorie_product
        inside = sa.select(tags.c.fk_product).where(tags.c.fk_categorie == category)
        conditions.append(lambda t: t.c.rowid.in_(inside))
    tables = call.store.tables
    page = select_page(call, tables.product, conditions, extra=tables.product_extrafields)
    if not page.rowids and call.major == 16:
        raise Refusal(404, "No product found")
    return dressed(call, _shown(call, page.rowids), page)


def _shown(call: Call, rowids: list[int]) -> list[Object]:
    return [shown for some in batches(rowids) for shown in _some(call, some)]


def _some(call: Call, rowids: Sequence[int]) -> list[Object]:
    table = call.store.tables.product
    found = call.store.rows(sa.select(table).where(table.c.rowid.in_(rowids)))
    rows = {row["rowid"]: row for row in found}
    fields = extrafields.values_of(call.store, "product", rowids)
    return [present_cards.product(call.store, rows[key], fields.get(key)) for key in rowids]


def _one(call: Call, column: str, value: Any) -> Object:
    call.need(READ_PRODUCTS)
    table = call.store.tables.product
    found = call.store.scalar(sa.select(table.c.rowid).where(table.c[column] == value))
    if found is None:
        raise Refusal(404, "Product not found")
    return _shown(call, [int(found)])[0]


def get_product(call: Call) -> Object:
    """GET /products/{id}."""
    return _one(call, "rowid", call.number())


def product_by_ref(call: Call) -> Object:
    """GET /products/ref/{ref}."""
    return _one(call, "ref", call.path[0])


def product_by_barcode(call: Call) -> Object:
    """GET /products/barcode/{barcode}."""
    return _one(call, "barcode", call.path[0])


def post_product(call: Call) -> int:
    """POST /products: a price below zero becomes zero without a word."""
    call.need(WRITE_PRODUCTS)
    for name in ("ref", "label"):
        if not call.body.get(name):
            raise Refusal(400, f"{name} field missing")
    price = max(Decimal(0), Decimal(str(call.body.get("price") or 0)))
    included = call.body.get("price_base_type") == "TTC"
    rowid = call.shop.add_product(
        str(call.body["ref"]),
        str(call.body["label"]),
        price,
        Decimal(str(call.body.get("tva_tx") or 0)),
        price_ttc=price if included else None,
        service=str(call.body.get("type")) == "1",
        barcode=call.body.get("barcode"),
    )
    fields = _given_fields(call)
    if fields:
        extrafields.rewrite(call.store, "product", rowid, fields)
    return rowid


def _given_fields(call: Call) -> dict[str, Any]:
    options = call.body.get("array_options") or {}
    return {
        field["name"]: extrafields.parsed(call.store, field, options[f"options_{field['name']}"])
        for field in extrafields.definitions(call.store, "product")
        if f"options_{field['name']}" in options
    }


def list_categories(call: Call) -> Any:
    """GET /categories?type=customer."""
    call.need(READ_CATEGORIES)
    kind = call.params.get("type", "")
    conditions: list[Any] = []
    if kind in CATEGORY_TYPES:
        conditions.append(lambda t: t.c.type == CATEGORY_TYPES[kind])
    table = call.store.tables.categorie
    page = select_page(call, table, conditions)
    if not page.rowids and call.major == 16:
        raise Refusal(404, "No category found")
    found = call.store.rows(sa.select(table).where(table.c.rowid.in_(page.rowids)))
    rows = {row["rowid"]: row for row in found}
    shown = [present_cards.category(call.store, rows[rowid]) for rowid in page.rowids]
    return dressed(call, shown, page)


def _category(call: Call, rowid: int) -> sa.RowMapping:
    row = call.store.get(call.store.tables.categorie, rowid)
    if row is None:
        raise Refusal(404, "category not found")
    return row


def get_category(call: Call) -> Object:
    """GET /categories/{id}."""
    call.need(READ_CATEGORIES)
    return present_cards.category(call.store, _category(call, call.number()))


def post_category(call: Call) -> int:
    """POST /categories."""
    call.need(READ_CATEGORIES)
    if not call.body.get("label") or call.body.get("type") not in CATEGORY_TYPES:
        raise Refusal(400, "label field missing")
    table = call.store.tables.categorie
    parent = int(call.body.get("fk_parent") or 0)
    kind = str(call.body["type"])
    same = sa.select(table.c.rowid).where(
        table.c.label == call.body["label"],
        table.c.type == CATEGORY_TYPES[kind],
        table.c.fk_parent == parent,
    )
    if call.store.scalar(same) is not None:
        raise Refusal(500, "Error when creating category", "Category already exists")
    color = call.body.get("color")
    rowid = call.shop.add_category(str(call.body["label"]), kind, parent, color)
    call.store.update(table, rowid, description=call.body.get("description"))
    return rowid


def categories_of_object(call: Call) -> list[Object]:
    """GET /categories/object/{type}/{id}."""
    call.need(READ_CATEGORIES)
    kind, rowid = call.path[0], call.number(1)
    found = categories_of(call, rowid) if kind == "customer" else _tags_of_product(call, rowid)
    if not found and call.major == 16:
        raise Refusal(404, "No category found for this object")
    if not found and call.major == 20:
        raise Refusal(600, "Error when fetching object categories")
    return found


def categories_of_product(call: Call) -> list[Object] | int:
    """GET /products/{id}/categories; without any, each version says something else."""
    call.need(READ_CATEGORIES)
    found = _tags_of_product(call, call.number())
    if not found and call.major == 16:
        raise Refusal(404, "No category found")
    return 0 if not found and call.major == 20 else found


def _tags_of_product(call: Call, product: int) -> list[Object]:
    table, tags = call.store.tables.categorie, call.store.tables.categorie_product
    found = call.store.rows(
        sa.select(table)
        .join(tags, tags.c.fk_categorie == table.c.rowid)
        .where(tags.c.fk_product == product)
        .order_by(table.c.rowid)
    )
    return [present_cards.category(call.store, row) for row in found]


def _link_target(call: Call) -> tuple[int, int]:
    call.need(READ_CATEGORIES, WRITE_CUSTOMERS)
    _category(call, call.number())
    customer = call.number(1)
    if call.store.get(call.store.tables.societe, customer) is None:
        raise Refusal(404, "customer not found")
    return customer, call.number()


def link(call: Call) -> Object:
    """POST /categories/{id}/objects/customer/{customer}."""
    call.shop.tag_customer(*_link_target(call))
    well = "succefully" if call.major == 16 else "successfully"
    return {"success": {"code": 200, "message": f"Objects {well} linked to the category"}}


def unlink(call: Call) -> Object:
    """DELETE /categories/{id}/objects/customer/{customer}."""
    call.shop.untag_customer(*_link_target(call))
    well = "succefully" if call.major == 16 else "successfully"
    return {"success": {"code": 200, "message": f"Objects {well} unlinked from the category"}}


ROUTES = [
    Route("GET", "/products", list_products),
    Route("POST", "/products", post_product),
    Route("GET", "/products/{int}", get_product),
    Route("GET", "/products/{int}/categories", categories_of_product),
    Route("GET", "/products/ref/{}", product_by_ref),
    Route("GET", "/products/barcode/{}", product_by_barcode),
    Route("GET", "/categories", list_categories),
    Route("POST", "/categories", post_category),
    Route("GET", "/categories/{int}", get_category),
    Route("GET", "/categories/object/{}/{int}", categories_of_object),
    Route("POST", "/categories/{int}/objects/customer/{int}", link),
    Route("DELETE", "/categories/{int}/objects/customer/{int}", unlink),
]
