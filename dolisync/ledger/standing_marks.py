"""What dolisync last put on customers' cards as the standing discounts of their tiers."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select

from dolisync.ledger import tables
from dolisync.ledger.store import by_source
from dolisync.ledger.tier_marks import Place
from dolisync.model import CustomerKey
from dolisync.program.standing import StandingMark

HUNDRED = 100


def exist(connection: Connection, source: str) -> bool:
    """Tell whether anything was ever put on cards of a source."""
    row = tables.standing_mark.c
    query = select(row.customer_rowid).where(row.source == source).limit(1)
    return connection.execute(query).first() is not None


def of(connection: Connection, customers: Collection[CustomerKey]) -> dict[Place, StandingMark]:
    """Return the marks of these customers."""
    found: dict[Place, StandingMark] = {}
    row = tables.standing_mark.c
    for (source, entity), rowids in by_source(customers):
        query = select(tables.standing_mark).where(
            row.source == source, row.entity == entity, row.customer_rowid.in_(rowids)
        )
        for entry in connection.execute(query):
            customer = CustomerKey(source, entity, entry.customer_rowid)
            sending = None if entry.sending is None else _percent(entry.sending)
            mark = StandingMark(_percent(entry.percent), bool(entry.is_ours), sending)
            found[Place(entry.program, customer)] = mark
    return found


def forget(connection: Connection, old: CustomerKey) -> None:
    """Forget the card of a customer who is gone; the one that is left keeps its percentage."""
    for place in of(connection, [old]):
        put(connection, place, StandingMark())


def put(connection: Connection, place: Place, mark: StandingMark) -> None:
    """Replace a mark; one that says nothing is not kept."""
    connection.execute(delete(tables.standing_mark).where(_at(place)))
    if mark.says_nothing:
        return
    values = {
        "program": place.program,
        "source": place.customer.source,
        "entity": place.customer.entity,
        "customer_rowid": place.customer.rowid,
        "percent": _hundredths(mark.percent),
        "is_ours": int(mark.is_ours),
        "sending": None if mark.sending is None else _hundredths(mark.sending),
    }
    connection.execute(insert(tables.standing_mark).values(values))


def _at(place: Place) -> Any:
    row, customer = tables.standing_mark.c, place.customer
    return and_(
        row.program == place.program,
        row.source == customer.source,
        row.entity == customer.entity,
        row.customer_rowid == customer.rowid,
    )


def _percent(hundredths: int) -> Decimal:
    return Decimal(hundredths) / HUNDRED


def _hundredths(percent: Decimal) -> int:
    return int(percent * HUNDRED)
