"""What dolisync last put on customers' cards for the tiers they hold, so that staff's acts show.

Kept by customer and program. Nobody who never had a tag has a mark.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, delete, insert, select

from dolisync.ledger import tables
from dolisync.ledger.store import by_source
from dolisync.model import CustomerKey
from dolisync.program.staff_tags import Mark


class Place(NamedTuple):
    """Whose mark it is, of which program."""

    program: str
    customer: CustomerKey


def of_source(connection: Connection, source: str, entity: int) -> dict[Place, Mark]:
    """Return all marks of a source."""
    row = tables.tier_mark.c
    query = select(tables.tier_mark).where(row.source == source, row.entity == entity)
    return dict(_read(found) for found in connection.execute(query))


def of(connection: Connection, customers: Collection[CustomerKey]) -> dict[Place, Mark]:
    """Return the marks of these customers."""
    found: dict[Place, Mark] = {}
    row = tables.tier_mark.c
    for (source, entity), rowids in by_source(customers):
        query = select(tables.tier_mark).where(
            row.source == source, row.entity == entity, row.customer_rowid.in_(rowids)
        )
        found |= dict(_read(entry) for entry in connection.execute(query))
    return found


def put(connection: Connection, place: Place, mark: Mark) -> None:
    """Replace a mark; one that says nothing is not kept."""
    drop(connection, [place])
    if not (mark.tier or mark.tags or mark.sending):
        return
    values = {
        "program": place.program,
        "source": place.customer.source,
        "entity": place.customer.entity,
        "customer_rowid": place.customer.rowid,
        "tier": mark.tier,
        "tags": json.dumps(sorted(mark.tags), ensure_ascii=False),
        "sending": mark.sending,
        "tier_before": mark.tier_before,
        "marked_at": mark.marked_at,
    }
    connection.execute(insert(tables.tier_mark).values(values))


def drop(connection: Connection, places: Iterable[Place]) -> None:
    """Forget these marks."""
    for place in places:
        connection.execute(
            delete(tables.tier_mark).where(
                _of_customer(place.customer), tables.tier_mark.c.program == place.program
            )
        )


def unite(connection: Connection, old: CustomerKey, into: CustomerKey) -> None:
    """Follow a merge in Dolibarr: the card that is left has the tags of both."""
    marks = of(connection, [old, into])
    for place, mark in marks.items():
        if place.customer == old:
            kept = marks.get(Place(place.program, into))
            tags = mark.tags | (kept.tags if kept else frozenset())
            tier = kept.tier if kept else ""
            united = Mark(tier, tags, mark.marked_at, kept.sending if kept else "")
            put(connection, Place(place.program, into), united)
            drop(connection, [place])


def _of_customer(customer: CustomerKey) -> Any:
    row = tables.tier_mark.c
    return and_(
        row.source == customer.source,
        row.entity == customer.entity,
        row.customer_rowid == customer.rowid,
    )


def _read(row: Any) -> tuple[Place, Mark]:
    customer = CustomerKey(row.source, row.entity, row.customer_rowid)
    tags = frozenset(json.loads(row.tags))
    mark = Mark(row.tier, tags, row.marked_at, row.sending, row.tier_before)
    return Place(row.program, customer), mark


# --- what was done once ----------------------------------------------------------------------


def is_noted(connection: Connection, name: str) -> bool:
    """Tell whether something was noted under this name."""
    row = tables.stream.c
    return connection.execute(select(row.name).where(row.name == name)).first() is not None


def note(connection: Connection, names: Iterable[str]) -> None:
    """Note that things were done, or are to be."""
    for name in names:
        if not is_noted(connection, name):
            values = {"name": name, "payment_rowid": 0, "backfill_rowid": 0}
            connection.execute(insert(tables.stream).values(values))


def unnote(connection: Connection, name: str) -> None:
    """Take a note back."""
    connection.execute(delete(tables.stream).where(tables.stream.c.name == name))


def distrust(connection: Connection, sources: Iterable[str]) -> None:
    """Note that an old copy came back: tags that it does not know may be our own."""
    note(connection, [unsure(source) for source in sources])


def unsure(source: str) -> str:
    """Name the note that the next look at a source's tags obeys nobody."""
    return f"tags unsure:{source}"


def begun(what: str, program: str, source: str) -> str:
    """Name the note that the cards of all members of a program were compared once."""
    return f"{what}:{program}:{source}"
