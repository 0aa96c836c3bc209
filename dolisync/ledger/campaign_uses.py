"""What campaigns with limits gave: rows beside those of ``courses``, kept and checked likewise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, delete, func, select

from dolisync.ledger import tables
from dolisync.ledger.bulk import insert_rows
from dolisync.ledger.store import by_source
from dolisync.model import CustomerKey


class UseRow(NamedTuple):
    """What one campaign gives for one sale (``units``, after its returns), and would give.

    ``wanted`` is without any limit, ``asked`` within those of its member, ``given`` within all.
    ``customer_rowid`` is 0 where the customer was erased.
    """

    sale_id: int
    campaign: str
    source: str
    entity: int
    customer_rowid: int
    day: int
    rowid: int
    rule_set_id: int
    wanted: int
    asked: int
    given: int
    units: int

    @property
    def customer(self) -> CustomerKey:
        """Whose sale it is."""
        return CustomerKey(self.source, self.entity, self.customer_rowid)


_FIELDS = tuple(tables.campaign_use.c[name] for name in UseRow._fields)
_ROW = tables.campaign_use.c
_ORDER = (_ROW.day, _ROW.rowid, _ROW.source, _ROW.entity)


def of_members(
    connection: Connection, program: str, customers: Collection[CustomerKey]
) -> dict[CustomerKey, list[UseRow]]:
    """Return what campaigns gave to these customers, in the order of their sales."""
    found: dict[CustomerKey, list[UseRow]] = defaultdict(list)
    for (source, entity), rowids in by_source(customers):
        mine = and_(_ROW.source == source, _ROW.entity == entity, _ROW.customer_rowid.in_(rowids))
        query = select(*_FIELDS).where(mine, _ROW.program == program).order_by(*_ORDER)
        for row in connection.execute(query):
            use = UseRow(*row)
            found[use.customer].append(use)
    return found


def of_sales(
    connection: Connection, program: str, sale_ids: Collection[int]
) -> dict[int, list[UseRow]]:
    """Return what campaigns gave for these sales, in the order of their names."""
    query = select(*_FIELDS).where(_ROW.sale_id.in_(sale_ids), _ROW.program == program)
    found: dict[int, list[UseRow]] = defaultdict(list)
    for row in connection.execute(query.order_by(_ROW.sale_id, _ROW.campaign)):
        found[row.sale_id].append(UseRow(*row))
    return found


def since(
    connection: Connection, program: str, campaigns: Collection[str], first: int, end: int | None
) -> list[UseRow]:
    """Return what campaigns gave from a day on (to ``end``), in the order of the sales."""
    query = select(*_FIELDS).where(_in(program, campaigns), _ROW.day >= first).order_by(*_ORDER)
    if end is not None:
        query = query.where(_ROW.day <= end)
    return [UseRow(*row) for row in connection.execute(query)]


def by_day(
    connection: Connection, program: str, campaigns: Collection[str], begin: int, end: int
) -> list[tuple[str, int, int]]:
    """Return campaign, day and ledger units given before ``end``.

    Everything before ``begin`` is one entry of each campaign, on the day before it.
    """
    early = select(_ROW.campaign, func.sum(_ROW.units)).where(
        _in(program, campaigns), _ROW.day < begin
    )
    found = [
        (name, begin - 1, int(units))
        for name, units in connection.execute(early.group_by(_ROW.campaign))
    ]
    days = select(_ROW.campaign, _ROW.day, func.sum(_ROW.units)).where(
        _in(program, campaigns), _ROW.day >= begin, _ROW.day < end
    )
    in_order = days.group_by(_ROW.campaign, _ROW.day).order_by(_ROW.day)
    return found + [(name, day, int(units)) for name, day, units in connection.execute(in_order)]


def _in(program: str, campaigns: Collection[str]) -> Any:
    return and_(_ROW.program == program, _ROW.campaign.in_(campaigns))


def rewrite(
    connection: Connection, program: str, sale_ids: Collection[int], rows: Iterable[UseRow]
) -> None:
    """Replace the rows of these sales; those of erased customers stay."""
    if sale_ids:
        old = delete(tables.campaign_use).where(
            _ROW.sale_id.in_(sale_ids), _ROW.program == program, _ROW.customer_rowid != 0
        )
        connection.execute(old)
    values = [{**row._asdict(), "program": program} for row in rows]
    insert_rows(connection, tables.campaign_use, values)


def hold(connection: Connection, program: str) -> None:
    """Let no other writer give from the same budgets until this transaction ends.

    SQLite has one writer anyway.
    """
    marker = tables.stream.c.name == f"counted:{program}"
    connection.execute(select(tables.stream.c.name).where(marker).with_for_update())


def last_days(
    connection: Connection,
    program: str,
    campaigns: Collection[str],
    customers: Collection[CustomerKey],
) -> dict[tuple[CustomerKey, str], int]:
    """Return when each of these customers last had something of each of these campaigns."""
    found: dict[tuple[CustomerKey, str], int] = {}
    for (source, entity), rowids in by_source(customers):
        query = (
            select(_ROW.customer_rowid, _ROW.campaign, func.max(_ROW.day))
            .where(
                _in(program, campaigns),
                _ROW.source == source,
                _ROW.entity == entity,
                _ROW.customer_rowid.in_(rowids),
                _ROW.units > 0,
            )
            .group_by(_ROW.customer_rowid, _ROW.campaign)
        )
        for rowid, campaign, day in connection.execute(query):
            found[CustomerKey(source, entity, rowid), campaign] = day
    return found


def given_on(connection: Connection, program: str, campaign: str, day: int) -> set[CustomerKey]:
    """Return who had something of a campaign on a day."""
    query = select(_ROW.source, _ROW.entity, _ROW.customer_rowid).where(
        _in(program, [campaign]), _ROW.day == day, _ROW.units > 0, _ROW.customer_rowid != 0
    )
    return {CustomerKey(*row) for row in connection.execute(query)}


def given_since(connection: Connection, program: str, campaign: str, begin: int) -> tuple[int, int]:
    """Return the ledger units that a campaign gave since a day, and for how many sales."""
    query = select(func.coalesce(func.sum(_ROW.units), 0), func.count()).where(
        _in(program, [campaign]), _ROW.units > 0, _ROW.day >= begin
    )
    units, sales = connection.execute(query).one()
    return int(units), int(sales)
