"""What all list calls share: filter, order, page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from connectors.standin.calls import Call, Refusal
from connectors.standin.filters import FilterSqlError, FilterSyntaxError, parse


@dataclass(frozen=True)
class Page:
    """The keys of one page, and how many there are in all."""

    rowids: list[int]
    total: int


def select_page(
    call: Call, table: sa.Table, conditions: list[Any], *, extra: sa.Table | None = None
) -> Page:
    """Run the query of a list as Dolibarr builds it; what the database refuses is a 503."""
    listed = table.alias("t")
    key = listed.c[next(iter(table.primary_key.columns)).name]
    source: sa.FromClause = listed
    if extra is not None and call.major > 16:  # this join makes a bare `tms` ambiguous
        fields = extra.alias("ef")
        source = listed.outerjoin(fields, fields.c.fk_object == key)
    query = sa.select(key).select_from(source)
    for condition in conditions:
        query = query.where(condition(listed))
    query = _filtered(call, query, table)
    limit, page = call.whole("limit", 100), max(0, call.whole("page", 0))
    ordered = query.order_by(*_order(call))
    if limit > 0:
        ordered = ordered.limit(limit).offset(limit * page)
    try:
        rowids = [int(row[key.name]) for row in call.store.rows(ordered)]
        count = sa.select(sa.func.count()).select_from(query.subquery())
        total = int(call.store.scalar(count)) if "pagination_data" in call.params else 0
    except SQLAlchemyError as error:
        text = str(getattr(error, "orig", error))
        raise Refusal(503, f"Error when retrieving list : {text}") from None
    return Page(rowids, total)


def _filtered(call: Call, query: sa.Select[Any], table: sa.Table) -> sa.Select[Any]:
    text = call.params.get("sqlfilters", "")
    if not text:
        return query
    try:
        return query.where(parse(text, call.store, table).clause())
    except FilterSyntaxError as error:
        raise Refusal(503 if call.major == 16 else 400, str(error)) from None
    except FilterSqlError as error:
        raise Refusal(503, f"Error when retrieving list : {error}") from None


def _order(call: Call) -> list[Any]:
    fields = call.params.get("sortfield") or "t.rowid"
    orders = (call.params.get("sortorder") or "ASC").split(",")
    if not re.fullmatch(r"[\w.]+(,[\w.]+)*", fields):
        raise Refusal(503, "Error when retrieving list")
    return [
        sa.text(f"{name} {'DESC' if _nth(orders, place).strip().upper() == 'DESC' else 'ASC'}")
        for place, name in enumerate(fields.split(","))
    ]


def _nth(orders: list[str], place: int) -> str:
    return orders[min(place, len(orders) - 1)]


def dressed(call: Call, shown: list[dict[str, Any]], page: Page) -> Any:
    """Cut the objects to the properties asked for and, on 22, wrap them with the counts."""
    wanted = call.params.get("properties")
    if wanted and call.major > 16:
        names = set(wanted.split(","))
        shown = [{name: row[name] for name in row if name in names} for row in shown]
    if call.major < 22 or call.params.get("pagination_data") not in {"1", "true"}:
        return shown
    limit = call.whole("limit", 100)
    counts = {
        "total": page.total,
        "page": call.whole("page", 0),
        "page_count": -(-page.total // limit) if limit > 0 else 1,
        "limit": limit,
    }
    return {"data": shown, "pagination": counts}
