"""The calls below /invoices."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import sqlalchemy as sa

from connectors.standin import extrafields, present
from connectors.standin.calls import Call, Refusal, Route
from connectors.standin.lines import ABANDONED, CLOSED, DRAFT, VALIDATED
from connectors.standin.lists import dressed, select_page
from connectors.standin.present import Object
from connectors.standin.present_cards import discount as discount_object
from connectors.standin.rights import READ_INVOICES, WRITE_INVOICES
from connectors.standin.store import ShopError

STATUSES = {
    "draft": (DRAFT,),
    "unpaid": (VALIDATED,),
    "paid": (CLOSED,),
    "cancelled": (ABANDONED,),
}
LINE_NAMES = {
    "desc": "description",
    "qty": "qty",
    "subprice": "subprice",
    "tva_tx": "tva_tx",
    "remise_percent": "remise_percent",
    "product_type": "product_type",
    "rang": "rang",
    "special_code": "special_code",
}


def list_invoices(call: Call) -> Any:
    """GET /invoices."""
    call.need(READ_INVOICES)
    customers = call.params.get("thirdparty_ids", "")
    if not re.fullmatch(r"[0-9,]*", customers):
        raise Refusal(400, "Invalid value specified for `thirdparty_ids`")
    conditions: list[Any] = []
    if customers:
        chosen = [int(part) for part in customers.split(",") if part]
        conditions.append(lambda t: t.c.fk_soc.in_(chosen))
    statuses = STATUSES.get(call.params.get("status", ""))
    if statuses:
        conditions.append(lambda t: t.c.fk_statut.in_(statuses))
    if call.sees_nobody:
        conditions.append(lambda _: sa.false())
    tables = call.store.tables
    page = select_page(call, tables.facture, conditions, extra=tables.facture_extrafields)
    if not page.rowids and call.major == 16:
        raise Refusal(404, "No invoice found")
    shown = present.invoices(call.store, page.rowids, call.url)
    for invoice in shown:
        invoice["linkedObjectsIds"] = None
    return dressed(call, shown, page)


def invoice_row(call: Call, *rights: int) -> sa.RowMapping:
    """Read the invoice of the path, or refuse."""
    call.need(*rights)
    row = call.store.get(call.store.tables.facture, call.number())
    if row is None:
        raise Refusal(404, "Invoice not found")
    call.need_sight()
    return row


def shown_invoice(call: Call, rowid: int) -> Object:
    """Show one invoice as the single call does."""
    (shown,) = present.invoices(call.store, [rowid], call.url)
    shown["linkedObjectsIds"] = call.shop.links_of("facture", rowid) or []
    if call.major == 16:
        shown["linkedObjectsFullLoaded"] = {str(rowid): True}
    return shown


def get_invoice(call: Call) -> Object:
    """GET /invoices/{id}."""
    return shown_invoice(call, invoice_row(call, READ_INVOICES)["rowid"])


def get_payments(call: Call) -> list[Object]:
    """GET /invoices/{id}/payments."""
    return present.payments(call.store, invoice_row(call, READ_INVOICES)["rowid"])


def get_discount(call: Call) -> Object:
    """GET /invoices/{id}/discount."""
    row = invoice_row(call, READ_INVOICES)
    discount, facture = call.store.tables.societe_remise_except, call.store.tables.facture
    found = call.store.first(
        sa.select(discount, facture.c.ref, facture.c.type)
        .join(facture, facture.c.rowid == discount.c.fk_facture_source)
        .where(discount.c.fk_facture_source == row["rowid"])
    )
    if found is None:
        raise Refusal(404, "Discount not found")
    return discount_object(call.store, found)


def _day(call: Call, value: Any) -> date | None:
    """Read a date: an epoch, or a text taken for midnight UTC; west of it, the day before."""
    if value in {None, ""}:
        return None
    if re.fullmatch(r"\d+", str(value)):
        moment = datetime.fromtimestamp(int(value), UTC)
    else:
        moment = datetime.fromisoformat(str(value)[:10]).replace(tzinfo=UTC)
    return moment.astimezone(call.store.zone).date()


def post_invoice(call: Call) -> int:
    """POST /invoices."""
    call.need(WRITE_INVOICES)
    body = call.body
    if "socid" not in body:
        raise Refusal(400, "socid field missing")
    columns = {name: body[name] for name in ("note_public", "note_private") if name in body}
    source = body.get("fk_facture_source")
    try:
        rowid = call.shop.new_invoice(
            int(body["socid"]),
            int(body.get("type", 0)),
            source=int(source) if source else None,
            date=_day(call, body.get("date")),
            **columns,
        )
    except ShopError:
        detail = "Cannot add or update a child row: a foreign key constraint fails"
        raise Refusal(500, "Error creating invoice", detail) from None
    for line in body.get("lines") or []:
        _add_line(call, rowid, line)
    _write_fields(call, rowid)
    return rowid


def _write_fields(call: Call, rowid: int) -> None:
    options = call.body.get("array_options") or {}
    values = {name.removeprefix("options_"): value for name, value in options.items()}
    if not values:
        return
    known = extrafields.definitions(call.store, "facture")
    parsed = {
        field["name"]: extrafields.parsed(call.store, field, values[field["name"]])
        for field in known
        if field["name"] in values
    }
    if call.major == 16:  # what is not in the request is wiped
        extrafields.rewrite(call.store, "facture", rowid, parsed)
    else:
        extrafields.write(call.store, "facture", rowid, parsed)


def _decimal(value: Any, default: int) -> Decimal:
    try:
        return Decimal(str(default if value in {None, ""} else value))
    except InvalidOperation:
        return Decimal(default)


def _add_line(call: Call, rowid: int, body: dict[str, Any]) -> int:
    product = int(body["fk_product"]) if body.get("fk_product") else None
    price = _decimal(body.get("subprice"), 0)
    with_tax = body.get("price_base_type") == "TTC"
    return call.shop.add_line(
        rowid,
        product,
        _decimal(body.get("qty"), 0),
        None if with_tax else price,
        price_ttc=price if with_tax else None,
        tva_tx=_decimal(body.get("tva_tx"), 0),
        remise_percent=_decimal(body.get("remise_percent"), 0),
        description=str(body.get("desc") or ""),
        product_type=int(body.get("product_type") or 0),
        rang=int(body.get("rang") or 0),
        special_code=int(body.get("special_code") or 0),
    )


def put_invoice(call: Call) -> Object:
    """PUT /invoices/{id}: writes back nearly the whole header that it read."""
    row = invoice_row(call, WRITE_INVOICES)
    call.faults.interrupt()
    columns = {
        name: row[name]
        for name in ("fk_statut", "paye", "fk_soc", "note_public", "revenuestamp", "date_closing")
    }
    if call.major == 20:
        columns["revenuestamp"] = Decimal(int(columns["revenuestamp"] or 0))
    columns |= {name: call.body[name] for name in ("note_public",) if name in call.body}
    if call.body.get("socid"):
        columns["fk_soc"] = int(call.body["socid"])
    call.shop.change_invoice(row["rowid"], **columns)
    _write_fields(call, row["rowid"])
    return present.tracked(shown_invoice(call, row["rowid"]))


def delete_invoice(call: Call) -> Object:
    """DELETE /invoices/{id}: 16 says so even when it did nothing."""
    row = invoice_row(call, WRITE_INVOICES)
    try:
        call.shop.delete_invoice(row["rowid"])
    except ShopError:
        if call.major > 16:
            raise Refusal(403, "Invoice not erasable") from None
    return {"success": {"code": 200, "message": "Invoice deleted"}}


def post_line(call: Call) -> int:
    """POST /invoices/{id}/lines."""
    row = invoice_row(call, WRITE_INVOICES)
    try:
        return _add_line(call, row["rowid"], call.body)
    except ShopError:
        raise Refusal(400, "Unable to insert the new line. Check your inputs. ") from None


def _line(call: Call) -> int:
    rows = call.shop.lines(call.number())
    if call.number(1) not in {row["rowid"] for row in rows}:
        raise Refusal(404, "Line not found")
    return call.number(1)


def put_line(call: Call) -> Object:
    """PUT /invoices/{id}/lines/{line}."""
    row = invoice_row(call, WRITE_INVOICES)
    changes = {new: call.body[old] for old, new in LINE_NAMES.items() if old in call.body}
    try:
        call.shop.change_line(_line(call), **changes)
    except ShopError:
        raise Refusal(304) from None
    dropped = {"line", "totalpaid"} if call.major == 22 else {"line"}
    shown = shown_invoice(call, row["rowid"])
    return {name: value for name, value in shown.items() if name not in dropped}


def delete_line(call: Call) -> Object:
    """DELETE /invoices/{id}/lines/{line}."""
    row = invoice_row(call, WRITE_INVOICES)
    try:
        call.shop.delete_line(_line(call))
    except ShopError as error:
        raise Refusal(405, str(error)) from None
    return shown_invoice(call, row["rowid"])


ROUTES = [
    Route("GET", "/invoices", list_invoices),
    Route("POST", "/invoices", post_invoice),
    Route("GET", "/invoices/{int}", get_invoice),
    Route("PUT", "/invoices/{int}", put_invoice),
    Route("DELETE", "/invoices/{int}", delete_invoice),
    Route("GET", "/invoices/{int}/payments", get_payments),
    Route("GET", "/invoices/{int}/discount", get_discount),
    Route("POST", "/invoices/{int}/lines", post_line),
    Route("PUT", "/invoices/{int}/lines/{int}", put_line),
    Route("DELETE", "/invoices/{int}/lines/{int}", delete_line),
]
