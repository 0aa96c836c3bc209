"""The calls below /thirdparties."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

from connectors.standin import extrafields, present_cards
from connectors.standin.calls import Call, PhpFatalError, Refusal, Route
from connectors.standin.lists import dressed, select_page
from connectors.standin.present import Object
from connectors.standin.rights import READ_CATEGORIES, READ_CUSTOMERS, WRITE_CUSTOMERS
from connectors.standin.store import ShopError

WRITABLE = (
    "name_alias",
    "address",
    "zip",
    "town",
    "phone",
    "phone_mobile",
    "fax",
    "email",
    "url",
    "barcode",
    "note_public",
    "note_private",
    "default_lang",
    "code_client",
    "client",
    "ref_ext",
)

LINKS = {"country_id": "fk_pays", "state_id": "fk_departement", "typent_id": "fk_typent"}


def list_thirdparties(call: Call) -> Any:
    """GET /thirdparties: an empty list is not found, whatever the version."""
    call.need(READ_CUSTOMERS)
    conditions: list[Any] = []
    mode, category = call.whole("mode", 0), call.whole("category", 0)
    if mode == 1:
        conditions.append(lambda t: t.c.client.in_((1, 3)))
    if category:
        conditions.append(lambda t: _tagged(call, t, category if mode else -1))
    if call.sees_nobody:
        conditions.append(lambda _: sa.false())
    tables = call.store.tables
    page = select_page(call, tables.societe, conditions, extra=tables.societe_extrafields)
    if not page.rowids:
        return call.nothing(_nobody(call), always=True)
    return dressed(call, present_cards.thirdparties(call.store, page.rowids), page)


def _nobody(call: Call) -> str:
    return "No third parties found" if call.major == 22 else "Thirdparties not found"


def _tagged(call: Call, listed: Any, category: int) -> Any:
    tags = call.store.tables.categorie_societe
    return listed.c.rowid.in_(sa.select(tags.c.fk_soc).where(tags.c.fk_categorie == category))


def _card(call: Call, *rights: int) -> sa.RowMapping:
    call.need(*rights)
    row = call.store.get(call.store.tables.societe, call.number())
    if row is None:
        raise Refusal(404, "Thirdparty not found")
    call.need_sight()
    return row


def get_thirdparty(call: Call) -> Object:
    """GET /thirdparties/{id}."""
    return present_cards.thirdparty(call.store, _card(call, READ_CUSTOMERS)["rowid"])


def _search(call: Call, name: str) -> list[int]:
    call.need(READ_CUSTOMERS)
    societe = call.store.tables.societe
    found = call.store.rows(sa.select(societe.c.rowid).where(societe.c[name] == call.path[0]))
    if not found:
        raise Refusal(404, "Thirdparty not found")
    call.need_sight()
    return [int(row["rowid"]) for row in found]


def by_barcode(call: Call) -> Object:
    """GET /thirdparties/barcode/{x}."""
    return present_cards.thirdparty(call.store, _search(call, "barcode")[0])


def by_email(call: Call) -> Object:
    """GET /thirdparties/email/{x}: two of the same address are answered with nobody."""
    found = _search(call, "email")
    if len(found) > 1:
        return present_cards.nobody(call.store)
    return present_cards.thirdparty(call.store, found[0])


def _columns(call: Call) -> dict[str, Any]:
    known = call.store.tables.societe.c
    columns = {name: call.body[name] for name in WRITABLE if name in call.body and name in known}
    if "name" in call.body:
        columns["nom"] = call.body["name"]
    for key, name in LINKS.items():
        if key in call.body:
            columns[name] = int(call.body[key])
    if "client" in columns:
        columns["client"] = int(columns["client"])
    return columns


def post_thirdparty(call: Call) -> int:
    """POST /thirdparties."""
    call.need(WRITE_CUSTOMERS)
    if not call.body.get("name"):
        raise Refusal(400, "name field missing")
    columns = _columns(call)
    name = columns.pop("nom")
    if columns.get("code_client") in {"auto", "-1"}:
        del columns["code_client"]
    columns.setdefault("client", 0)
    _require_free_barcode(call, columns.get("barcode"), 0)
    rowid = call.shop.add_customer(name, **columns)
    _write_fields(call, rowid, {})
    return rowid


def _barcode_is_taken(call: Call, barcode: str | None, mine: int) -> bool:
    societe = call.store.tables.societe
    query = sa.select(societe.c.rowid).where(societe.c.barcode == barcode, societe.c.rowid != mine)
    return bool(barcode) and call.store.scalar(query) is not None


def _require_free_barcode(call: Call, barcode: str | None, mine: int) -> None:
    if _barcode_is_taken(call, barcode, mine):
        raise Refusal(500, "Doublon dans un champ unique")


def _parsed_fields(call: Call) -> dict[str, Any]:
    options = call.body.get("array_options") or {}
    return {
        field["name"]: extrafields.parsed(call.store, field, options[f"options_{field['name']}"])
        for field in extrafields.definitions(call.store, "societe")
        if f"options_{field['name']}" in options
    }


def _write_fields(call: Call, rowid: int, held: dict[str, Any]) -> None:
    """Write the row anew: over what was read before, or on 16 over nothing."""
    base = {} if call.major == 16 else held
    fields = {**base, **_parsed_fields(call)}
    if fields:
        extrafields.rewrite(call.store, "societe", rowid, fields)


def put_thirdparty(call: Call) -> Object:
    """PUT /thirdparties/{id}: reads, then writes the whole row; 16 hides what went wrong."""
    row = _card(call, WRITE_CUSTOMERS)
    rowid = row["rowid"]
    held = call.shop.customer_fields(rowid)
    call.faults.interrupt()
    columns = {name: row[name] for name in row if name not in {"rowid", "tms"}} | _columns(call)
    columns["phone"] = re.sub(r"[\s.]", "", columns["phone"]) if columns["phone"] else None
    try:
        _require_free_barcode(call, columns["barcode"], rowid)
        _parsed_fields(call)
    except (Refusal, extrafields.BadValueError) as error:
        return _failed_put(call, rowid, error)
    call.store.update(call.store.tables.societe, rowid, **columns)
    if "array_options" in call.body:
        _write_fields(call, rowid, held)
    call.shop.note_event(rowid, "AC_COMPANY_MODIFY", f"Third party {columns['nom']} modified")
    echoed = {name: value for name, value in call.body.items() if name.startswith("remise_")}
    return {**present_cards.thirdparty(call.store, rowid), **echoed}


def _failed_put(call: Call, rowid: int, error: Exception) -> Object:
    if call.major == 16:
        return present_cards.thirdparty(call.store, rowid)
    raise Refusal(500, str(error))


def delete_thirdparty(call: Call) -> Any:
    """DELETE /thirdparties/{id}: with invoices a conflict, which 16 calls 0."""
    row = _card(call, WRITE_CUSTOMERS)
    try:
        call.shop.delete_customer(row["rowid"])
    except ShopError:
        if call.major == 16:
            return 0
        raise Refusal(409, "Can't delete, that product is probably used") from None
    return {"success": {"code": 200, "message": "Object deleted"}}


def merge(call: Call) -> Object:
    """PUT /thirdparties/{keep}/merge/{drop}: on 20.0.2 PHP dies."""
    row = _card(call, WRITE_CUSTOMERS)
    if call.major == 20:
        raise PhpFatalError
    if call.store.get(call.store.tables.societe, call.number(1)) is None:
        raise Refusal(404, "Thirdparty not found")
    keep = int(row["rowid"])
    call.shop.merge_customers(keep, call.number(1))
    shown = present_cards.thirdparty(call.store, keep)
    return {**shown, "socid": str(keep), "trackid": f"thi{keep}"}


def fixed_discounts(call: Call) -> list[Object]:
    """GET /thirdparties/{id}/fixedamountdiscounts: those without a source invoice are missing."""
    row = _card(call, READ_CUSTOMERS)
    discount, facture = call.store.tables.societe_remise_except, call.store.tables.facture
    query = (
        sa.select(discount, facture.c.ref, facture.c.type)
        .join(facture, facture.c.rowid == discount.c.fk_facture_source)
        .where(discount.c.fk_soc == row["rowid"])
        .order_by(discount.c.rowid)
    )
    if call.params.get("filter") == "available":
        query = query.where(discount.c.fk_facture.is_(None), discount.c.fk_facture_line.is_(None))
    return [present_cards.listed_discount(found) for found in call.store.rows(query)]


def customer_categories(call: Call) -> list[Object]:
    """GET /thirdparties/{id}/categories."""
    row = _card(call, READ_CUSTOMERS, READ_CATEGORIES)
    return categories_of(call, row["rowid"])


def categories_of(call: Call, customer: int) -> list[Object]:
    """Show the categories of a customer."""
    table = call.store.tables.categorie
    tags = call.shop.tags_of_customer(customer)
    found = call.store.rows(sa.select(table).where(table.c.rowid.in_(tags)).order_by("rowid"))
    return [present_cards.category(call.store, row) for row in found]


def add_category(call: Call) -> Object:
    """PUT (16: POST) /thirdparties/{id}/categories/{category}."""
    row = _card(call, WRITE_CUSTOMERS)
    call.shop.tag_customer(row["rowid"], call.number(1))
    return present_cards.thirdparties(call.store, [row["rowid"]])[0]


def remove_category(call: Call) -> Object:
    """DELETE /thirdparties/{id}/categories/{category}."""
    row = _card(call, WRITE_CUSTOMERS)
    call.shop.untag_customer(row["rowid"], call.number(1))
    return present_cards.thirdparties(call.store, [row["rowid"]])[0]


def price_level(call: Call) -> Object:
    """PUT /thirdparties/{id}/setpricelevel[/{level}]."""
    row = _card(call, WRITE_CUSTOMERS)
    if call.shop.const("PRODUIT_MULTIPRICES") != "1":
        raise Refusal(501, "Multiprices features activation needed for this request")
    level = int(call.body["priceLevel"]) if call.major == 16 else call.number(1)
    if not 1 <= level <= int(call.shop.const("PRODUIT_MULTIPRICES_LIMIT") or 5):
        raise Refusal(400, "Price level is out of range")
    call.store.update(call.store.tables.societe, row["rowid"], price_level=level)
    return present_cards.thirdparties(call.store, [row["rowid"]])[0]


ROUTES = [
    Route("GET", "/thirdparties", list_thirdparties),
    Route("POST", "/thirdparties", post_thirdparty),
    Route("GET", "/thirdparties/barcode/{}", by_barcode),
    Route("GET", "/thirdparties/email/{}", by_email),
    Route("GET", "/thirdparties/{int}", get_thirdparty),
    Route("PUT", "/thirdparties/{int}", put_thirdparty),
    Route("DELETE", "/thirdparties/{int}", delete_thirdparty),
    Route("PUT", "/thirdparties/{int}/merge/{int}", merge),
    Route("GET", "/thirdparties/{int}/fixedamountdiscounts", fixed_discounts),
    Route("GET", "/thirdparties/{int}/categories", customer_categories),
    Route("PUT", "/thirdparties/{int}/categories/{int}", add_category, (20, 22)),
    Route("POST", "/thirdparties/{int}/categories/{int}", add_category, (16,)),
    Route("DELETE", "/thirdparties/{int}/categories/{int}", remove_category),
    Route("PUT", "/thirdparties/{int}/setpricelevel/{int}", price_level, (20, 22)),
    Route("PUT", "/thirdparties/{int}/setpricelevel", price_level, (16,)),
]
