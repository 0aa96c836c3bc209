"""Extra fields: columns that a shop adds to customers, products and invoices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import sqlalchemy as sa

from connectors.standin.columns import Money
from connectors.standin.store import Row, Store

COLUMN_TYPES: dict[str, str] = {
    "int": "INTEGER",
    "double": "DOUBLE({size})",
    "price": "DOUBLE(24,8)",
    "varchar": "VARCHAR({size})",
    "date": "DATE",
    "html": "TEXT",
    "text": "TEXT",
    "select": "VARCHAR(255)",
    "boolean": "INTEGER",
}
PYTHON_TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "int": sa.Integer(),
    "double": Money(),
    "price": Money(),
    "date": sa.Date(),
    "boolean": sa.Integer(),
}


class BadValueError(Exception):
    """The database refuses the value of an extra field."""


def definitions(store: Store, element: str) -> Sequence[sa.RowMapping]:
    """List the fields defined for an element: societe, facture or product."""
    fields = store.tables.extrafields
    return store.rows(
        sa.select(fields).where(fields.c.elementtype == element).order_by(fields.c.rowid)
    )


def define(store: Store, element: str, name: str, **settings: Any) -> int:
    """Record a field and add its column, in one go as the administration page does."""
    kind = settings.get("type", "int")
    size = settings.get("size") or ("24,8" if kind == "double" else "255")
    column = COLUMN_TYPES[kind].format(size=size)
    rowid = store.insert(
        store.tables.extrafields,
        name=name,
        elementtype=element,
        enabled="1",
        fk_user_author=1,
        fk_user_modif=1,
        datec=store.local(),
        **settings,
    )
    store.run(sa.text(f"ALTER TABLE llx_{element}_extrafields ADD COLUMN {name} {column}"))
    return rowid


def table_of(store: Store, element: str) -> sa.TableClause:
    """Describe the table of an element with the columns that are defined at this moment."""
    known: sa.Table = getattr(store.tables, f"{element}_extrafields")
    columns: list[sa.ColumnClause[Any]] = [
        sa.column("rowid", sa.Integer),
        sa.column("tms", known.c.tms.type),
        sa.column("fk_object", sa.Integer),
    ]
    for field in definitions(store, element):
        kind = PYTHON_TYPES.get(field["type"], sa.String())
        columns.append(sa.column(field["name"], kind))
    return sa.table(known.name, *columns)


def values_of(store: Store, element: str, rowids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Read the values of some objects; objects without a row are absent."""
    table = table_of(store, element)
    found = store.rows(sa.select(table).where(table.c.fk_object.in_(rowids)).order_by("rowid"))
    hidden = {"rowid", "tms", "fk_object"}
    return {
        row["fk_object"]: {name: row[name] for name in row if name not in hidden} for row in found
    }


def write(store: Store, element: str, rowid: int, values: dict[str, Any]) -> None:
    """Set some values, creating the row if there is none; the object's own tms stays."""
    table = table_of(store, element)
    known = {name: value for name, value in values.items() if name in table.c}
    before = values_of(store, element, [rowid]).get(rowid)
    if before is None:
        store.insert(table, fk_object=rowid, **known)
        return
    changed = {name: value for name, value in known.items() if before.get(name) != value}
    if changed:
        store.run(
            sa.update(table).where(table.c.fk_object == rowid).values(**changed, tms=store.tms())
        )


def rewrite(store: Store, element: str, rowid: int, values: dict[str, Any]) -> None:
    """Delete the row and insert it anew, as a save of the card does."""
    table = table_of(store, element)
    store.run(sa.delete(table).where(table.c.fk_object == rowid))
    known = {name: value for name, value in values.items() if name in table.c}
    store.insert(table, fk_object=rowid, **known)


def remove(store: Store, element: str, rowid: int) -> None:
    """Delete the row of an object that is deleted."""
    table = table_of(store, element)
    store.run(sa.delete(table).where(table.c.fk_object == rowid))


def options(
    store: Store, element: str, values: dict[str, Any] | None
) -> dict[str, Any] | list[Any]:
    """Show values as `array_options`: an empty list where PHP has nothing to show."""
    fields = definitions(store, element)
    if not fields or (values is None and store.major == 16):
        return []
    held = values or {}
    return {f"options_{field['name']}": _shown(store, field, held) for field in fields}


def _shown(store: Store, field: Row, held: dict[str, Any]) -> Any:
    value = held.get(field["name"])
    if field["type"] == "date":
        return store.epoch(value) if value else ""
    if value is None:
        return None
    if field["type"] == "price":
        return f"{value:.8f}"
    if field["type"] == "double":
        return f"{value:.{_decimals(field)}f}"
    return str(value)


def _decimals(field: Row) -> int:
    return int((field["size"] or "24,8").partition(",")[2] or 0)


def parsed(store: Store, field: Row, value: Any) -> Any:
    """Turn a value that came by REST into what the column holds."""
    if value is None or value == "":
        return None
    kind = field["type"]
    if kind in {"int", "boolean", "double", "price"}:
        return _number(value, whole=kind in {"int", "boolean"})
    if kind == "date":
        return _day(store, value)
    return _writing(store, field, str(value))


def _number(value: Any, *, whole: bool) -> Any:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise BadValueError(f"Incorrect integer value: '{value}'") from None
    return int(number.quantize(Decimal(1), rounding=ROUND_HALF_UP)) if whole else number


def _day(store: Store, value: Any) -> date | None:
    if re.fullmatch(r"\d+", str(value)):
        return datetime.fromtimestamp(int(value), store.zone).date()
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def _writing(store: Store, field: Row, value: str) -> str:
    if store.major == 22:
        value = re.sub(r"<[^>]*>", "", value)
    if field["type"] == "varchar" and len(value) > int(field["size"] or 255):
        raise BadValueError(f"Data too long for column '{field['name']}'")
    return value


def choices(options: dict[str, str]) -> str:
    """Write the choices of a select field as PHP serializes them."""
    pairs = "".join(
        f's:{len(key.encode())}:"{key}";s:{len(text.encode())}:"{text}";'
        for key, text in options.items()
    )
    return f'a:1:{{s:7:"options";a:{len(options)}:{{{pairs}}}}}'


def _read_choices(param: str | None) -> Any:
    found = re.findall(r'(?:i:(\d+)|s:\d+:"([^"]*)");s:\d+:"([^"]*)";', param or "")
    return {"options": {number or text: label for number, text, label in found}} if found else ""


def described(field: Row, major: int) -> dict[str, Any]:
    """Show a definition as the list of extra fields does."""
    shown = {
        "type": field["type"],
        "label": field["label"],
        "size": field["size"],
        "elementtype": field["elementtype"],
        "default": field["fielddefault"],
        "computed": field["fieldcomputed"],
        "unique": str(field["fieldunique"]),
        "required": str(field["fieldrequired"]),
        "param": _read_choices(field["param"]),
        "pos": str(field["pos"]),
        "alwayseditable": str(field["alwayseditable"]),
        "perms": field["perms"],
        "list": field["list"],
    }
    if major == 16:
        return shown
    newer = {name: field[name] for name in ("langs", "help", "css", "cssview", "csslist")}
    return {
        "id": str(field["rowid"]),
        **shown,
        "printable": str(field["printable"]),
        "totalizable": str(field["totalizable"]),
        **newer,
        "fk_user_author": str(field["fk_user_author"] or ""),
        "fk_user_modif": str(field["fk_user_modif"] or ""),
        "datec": str(field["datec"] or ""),
        "tms": str(field["tms"]),
    }
