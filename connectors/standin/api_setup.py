"""The calls below /status, /setup, /agendaevents, /users and /bankaccounts."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from connectors.standin import extrafields
from connectors.standin.calls import Call, Refusal, Route
from connectors.standin.lists import dressed, select_page
from connectors.standin.present import Object, words
from connectors.standin.rights import (
    READ_BANK,
    READ_CUSTOMERS,
    READ_EVENTS,
    READ_INVOICES,
    WRITE_EVENTS,
)

ELEMENTS = ("societe", "facture", "product")


def status(call: Call) -> Object:
    """GET /status."""
    shown: Object = {"code": 200, "dolibarr_version": call.version, "access_locked": "0"}
    if call.major > 16:
        now = call.store.now()
        shown |= {
            "environment": "non-production",
            "timestamp_now_utc": int(now.timestamp()),
            "timestamp_php_tz": call.store.zone.key,
            "date_tz": str(call.store.local(now)),
        }
    return {"success": shown}


def _administrators_only(call: Call) -> None:
    if not call.user.admin:
        raise call.denied()


def payment_types(call: Call) -> list[Object]:
    """GET /setup/dictionary/payment_types."""
    call.need(READ_INVOICES)
    modes = call.store.tables.c_paiement
    found = call.store.rows(sa.select(modes).where(modes.c.active == 1).order_by(modes.c.code))
    return [
        {
            "id": str(row["id"]),
            "code": row["code"],
            "type": str(row["type"]),
            "label": row["libelle"],
            "module": row["module"],
        }
        for row in found
    ]


def get_const(call: Call) -> str:
    """GET /setup/conf/{NAME}."""
    _administrators_only(call)
    value = call.shop.const(call.path[0])
    if value is None:
        raise Refusal(404, "Error Bad or unknown value for constname")
    return value


def list_extrafields(call: Call) -> Any:
    """GET /setup/extrafields."""
    _administrators_only(call)
    wanted = call.params.get("elementtype")
    elements = [wanted] if wanted and call.major > 16 else ELEMENTS
    return _definitions(call, elements) or call.nothing("No extrafield found")


def _definitions(call: Call, elements: Any) -> dict[str, Object]:
    shown = {
        element: {
            field["name"]: extrafields.described(field, call.major)
            for field in extrafields.definitions(call.store, element)
        }
        for element in elements
    }
    return {element: fields for element, fields in shown.items() if fields}


def get_extrafield(call: Call) -> Object:
    """GET /setup/extrafields/{element}/{name}."""
    _administrators_only(call)
    element, name = call.path
    fields = _definitions(call, [element]).get(element, {})
    if name not in fields:
        raise Refusal(404, "Extrafield not found from attrname and elementtype")
    return {element: {name: fields[name]}}


def post_extrafield(call: Call) -> int:
    """POST /setup/extrafields/{element}/{name}."""
    _administrators_only(call)
    element, name = call.path
    if element not in ELEMENTS or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise Refusal(500, "Error creating extrafield")
    if name in _definitions(call, [element]).get(element, {}):
        message = "Duplicate extrafield already found from attrname and elementtype"
        raise Refusal(409, message)
    options = (call.body.get("param") or {}).get("options")
    size = str(call.body.get("size") or "")
    return call.shop.add_extra_field(
        element,
        name,
        type=call.body.get("type", "int"),
        label=call.body.get("label", name),
        size=size,
        pos=int(call.body.get("pos") or 100),
        list=str(call.body.get("list", "1")),
        alwayseditable=int(call.body.get("alwayseditable") or 0),
        printable=int(call.body.get("printable") or 0),
        param=extrafields.choices(options) if options else None,
    )


def post_event(call: Call) -> int:
    """POST /agendaevents."""
    call.need(WRITE_EVENTS)
    body = call.body
    for name in ("userownerid", "type_code"):
        if not body.get(name):
            raise Refusal(400 if call.major == 22 else 500, f"{name} field missing")
    moment = datetime.fromtimestamp(int(body.get("datep") or call.store.now().timestamp()), UTC)
    automatic = body["type_code"] == "AC_OTH_AUTO"
    code = body.get("code") if automatic else None
    rowid = call.store.insert(
        call.store.tables.actioncomm,
        code=code or body["type_code"],
        fk_action=40 if automatic else 50,
        label=str(body.get("label") or ""),
        note=body.get("note"),
        fk_soc=int(body["socid"]) if body.get("socid") else None,
        datep=call.store.local(moment),
        datec=call.store.local(),
        fk_user_author=call.user.rowid,
        fk_user_action=int(body["userownerid"]),
        percent=int(body.get("percentage") or 0),
        fk_element=int(body["fk_element"]) if body.get("fk_element") else None,
        elementtype=body.get("elementtype"),
        ref_ext=body.get("ref_ext"),
    )
    call.store.update(call.store.tables.actioncomm, rowid, ref=str(rowid))
    return rowid


def _event(call: Call, row: Any) -> Object:
    return {
        "id": str(row["id"]),
        "ref": row["ref"],
        "ref_ext": row["ref_ext"],
        "entity": str(row["entity"]),
        "code": row["code"],
        "type_code": row["code"],
        "label": row["label"],
        "note": row["note"],
        "note_private": row["note"],
        "socid": words(row["fk_soc"]),
        "datep": call.store.epoch(row["datep"]),
        "datec": call.store.epoch(row["datec"]),
        "datem": call.store.epoch(row["tms"]),
        "percentage": str(row["percent"]),
        "userownerid": words(row["fk_user_action"]),
        "fk_element": words(row["fk_element"]),
        "elementtype": row["elementtype"],
        "array_options": [],
    }


def list_events(call: Call) -> Any:
    """GET /agendaevents."""
    call.need(READ_EVENTS)
    table = call.store.tables.actioncomm
    if not call.params.get("sortfield"):
        call.params["sortfield"] = "t.id"
    page = select_page(call, table, [])
    if not page.rowids and call.major == 16:
        raise Refusal(404, "No Agenda Event found")
    found = call.store.rows(sa.select(table).where(table.c.id.in_(page.rowids)))
    rows = {row["id"]: row for row in found}
    return dressed(call, [_event(call, rows[rowid]) for rowid in page.rowids], page)


def get_event(call: Call) -> Object:
    """GET /agendaevents/{id}."""
    call.need(READ_EVENTS)
    row = call.store.get(call.store.tables.actioncomm, call.number())
    if row is None:
        raise Refusal(404, "Agenda Events not found")
    return _event(call, row)


def user_info(call: Call) -> Object:
    """GET /users/info."""
    row = call.store.get(call.store.tables.user, call.user.rowid)
    if row is None:
        raise Refusal(404, "User not found")
    return {
        "id": str(row["rowid"]),
        "entity": str(row["entity"]),
        "login": row["login"],
        "lastname": row["lastname"],
        "firstname": row["firstname"],
        "email": row["email"],
        "admin": str(row["admin"]),
        "statut": str(row["statut"]),
        "array_options": [],
    }


def _account(row: Any) -> Object:
    return {
        "id": str(row["rowid"]),
        "ref": row["ref"],
        "label": row["label"],
        "type": str(row["courant"]),
        "courant": str(row["courant"]),
        "clos": str(row["clos"]),
        "currency_code": row["currency_code"],
        "entity": str(row["entity"]),
        "array_options": [],
    }


def list_accounts(call: Call) -> list[Object]:
    """GET /bankaccounts."""
    call.need(READ_BANK)
    found = call.store.rows(sa.select(call.store.tables.bank_account).order_by("rowid"))
    return [_account(row) for row in found]


def get_account(call: Call) -> Object:
    """GET /bankaccounts/{id}."""
    call.need(READ_BANK)
    row = call.store.get(call.store.tables.bank_account, call.number())
    if row is None:
        raise Refusal(404, "account not found")
    return _account(row)


def post_account(call: Call) -> int:
    """POST /bankaccounts."""
    call.need(READ_BANK, READ_CUSTOMERS)
    for name in ("ref", "label", "currency_code"):
        if not call.body.get(name):
            raise Refusal(400, f"{name} field missing")
    cash = str(call.body.get("courant", call.body.get("type"))) == "2"
    return call.shop.add_bank_account(call.body["ref"], call.body["label"], cash=cash)


ROUTES = [
    Route("GET", "/status", status),
    Route("GET", "/setup/dictionary/payment_types", payment_types),
    Route("GET", "/setup/conf/{}", get_const),
    Route("GET", "/setup/extrafields", list_extrafields),
    Route("GET", "/setup/extrafields/{}/{}", get_extrafield, (20, 22)),
    Route("POST", "/setup/extrafields/{}/{}", post_extrafield, (20, 22)),
    Route("GET", "/agendaevents", list_events),
    Route("POST", "/agendaevents", post_event),
    Route("GET", "/agendaevents/{int}", get_event),
    Route("GET", "/users/info", user_info),
    Route("GET", "/bankaccounts", list_accounts),
    Route("POST", "/bankaccounts", post_account),
    Route("GET", "/bankaccounts/{int}", get_account),
]
