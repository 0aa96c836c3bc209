"""What sales count for their members' later ones: rows that let rules look back without documents.

Derived data, written with what was judged; ``verify`` judges anew and compares. Sums over what lies
far back are the database's; only the sales of the days that a rule asks for are read one by one.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, case, delete, func, insert, select, update

from dolisync.ledger import tables
from dolisync.ledger.bulk import insert_rows, insert_values
from dolisync.ledger.pages import later_than
from dolisync.ledger.store import by_source
from dolisync.model import CustomerKey
from dolisync.program.course import Counted, Course
from dolisync.program.tiers import SetByHand

Settings = Mapping[CustomerKey, Sequence[SetByHand]]
# Customer, day, what a sale of that day counts, the tier after it, and its rowid.
_Earlier = Sequence[Any]
_ROWID = itemgetter(6)
# Of whom comes this often, the last sales lie close together.
_LATELY_DAYS = 100


class CountedSale(NamedTuple):
    """A sale's row: what it counts, and what it was judged with.

    ``tier`` is ``None`` where no other sale matters: a return that was judged by itself.
    """

    sale_id: int
    customer_rowid: int
    day: int
    rowid: int
    rule_set_id: int
    sales: int
    units: int
    spent_minor: int
    known_sales: int
    tier: str | None
    wanted: int
    given: int
    tier_after: str

    @property
    def counted(self) -> Counted:
        """What it counts."""
        return Counted(self.sales, self.units, self.spent_minor)


_FIELDS = tuple(tables.counted.c[name] for name in CountedSale._fields)
_COLUMNS = (*CountedSale._fields, "program", "source", "entity")


class _Totals(NamedTuple):
    """What a member's sales before a day come to, and the first and last day of them."""

    sales: int
    units: int
    spent_minor: int
    first_day: int | None
    last_day: int


@dataclass(slots=True)
class Begun:
    """A member's course up to the beginning of a day, and his known sales from that day on."""

    course: Course = field(default_factory=Course)
    later: list[CountedSale] = field(default_factory=list)


def begun(
    connection: Connection,
    program: str,
    starts: Mapping[CustomerKey, int],
    reach_days: int,
    end: int | None = None,
) -> dict[CustomerKey, Begun]:
    """Return the courses of these customers up to their first days in ``starts``.

    Sales of the ``reach_days`` before the last one are known one by one. ``end`` is the last day of
    those that follow.
    """
    found: dict[CustomerKey, Begun] = {}
    groups: dict[tuple[str, int], dict[int, CustomerKey]] = defaultdict(dict)
    for customer in starts:
        groups[customer.source, customer.entity][customer.rowid] = customer
    first = min(starts.values(), default=0)
    for (source, entity), mine in groups.items():
        scope = _scope(program, source, entity, list(mine))
        totals = {row[0]: _Totals(*row[1:]) for row in connection.execute(_totals(scope, first))}
        earlier = _earlier_of(connection, (program, source, entity), totals, first, reach_days)
        later: dict[int, list[CountedSale]] = defaultdict(list)
        for row in connection.execute(_since(scope, first, end)).all():
            later[row[1]].append(CountedSale(*row))
        for rowid, customer in mine.items():
            begun = _before(totals.get(rowid), earlier[rowid])
            _go_on(begun, later[rowid], starts[customer])
            found[customer] = begun
    return found


def _scope(program: str, source: str, entity: int, rowids: Collection[int]) -> Any:
    row = tables.counted.c
    return and_(
        row.source == source,
        row.entity == entity,
        row.customer_rowid.in_(rowids),
        row.program == program,
    )


def _totals(scope: Any, first: int) -> Select[Any]:
    row = tables.counted.c
    return (
        select(
            row.customer_rowid,
            func.sum(row.sales),
            func.sum(row.units),
            func.sum(row.spent_minor),
            func.min(case((row.sales > 0, row.day))),
            func.max(row.day),
        )
        .where(scope, row.day < first)
        .group_by(row.customer_rowid)
    )


def _earlier_of(
    connection: Connection,
    place: tuple[str, str, int],
    totals: Mapping[int, _Totals],
    first: int,
    reach_days: int,
) -> Mapping[int, Sequence[_Earlier]]:
    """Return the sales before a day that members' last ones reach back to, and perhaps some more.

    Those who bought lately are asked for together, the others too: so each gets about his own.
    """
    found: dict[int, list[_Earlier]] = defaultdict(list)
    lately = first - _LATELY_DAYS
    groups: dict[bool, list[int]] = defaultdict(list)
    for customer, total in totals.items():
        groups[total.last_day >= lately].append(customer)
    for customers in groups.values():
        last = min(totals[customer].last_day for customer in customers)
        query = _earlier(_scope(*place, customers), last - reach_days, first)
        for row in connection.execute(query).all():
            found[row[0]].append(row)
    return found


def _earlier(scope: Any, begin: int, end: int) -> Select[Any]:
    row = tables.counted.c
    fields = (row.day, row.sales, row.units, row.spent_minor, row.tier_after, row.rowid)
    # In the order of the index: nothing is sorted.
    order = (row.customer_rowid, row.day)
    return (
        select(row.customer_rowid, *fields)
        .where(scope, row.day >= begin, row.day < end)
        .order_by(*order)
    )


def _since(scope: Any, first: int, end: int | None) -> Select[Any]:
    row = tables.counted.c
    query = select(*_FIELDS).where(scope, row.day >= first)
    return query if end is None else query.where(row.day <= end)


def _before(totals: _Totals | None, rows: Sequence[_Earlier]) -> Begun:
    """Put together what a member did; ``totals`` are of all those days, ``rows`` of the last."""
    begun = Begun()
    if totals is None:
        return begun
    course = begun.course
    course.first_day = totals.first_day
    # MariaDB adds up to decimals.
    sales, units, spent = int(totals.sales), int(totals.units), int(totals.spent_minor)
    course.total = Counted(sales, units, spent)
    # From the end back: what all sales before each of them came to is what it leaves of the sum.
    for _, _, its_sales, its_units, its_spent, *_ in reversed(rows):
        sales, units, spent = sales - its_sales, units - its_units, spent - its_spent
        course.totals.append(Counted(sales, units, spent))
    course.totals.reverse()
    course.days += [row[1] for row in rows]
    course.last_day = totals.last_day
    of_last_day = (row for row in rows if row[1] == totals.last_day)
    course.tier = max(of_last_day, key=_ROWID)[5]
    return begun


def _go_on(begun: Begun, rows: Sequence[CountedSale], start: int) -> None:
    for row in sorted(rows, key=attrgetter("day", "rowid")):
        if row.day < start:
            begun.course.add(row.day, row.counted)
            begun.course.tier = row.tier_after
        else:
            begun.later.append(row)


def rewrite(
    connection: Connection,
    program: str,
    sale_ids: Collection[int],
    rows: Iterable[tuple[CustomerKey, CountedSale]],
    known: int | None = None,
) -> int | None:
    """Replace the rows of these sales; return the version that the program's rows have now.

    ``None`` where they had another one than ``known`` before: somebody else wrote meanwhile.
    """
    row = tables.counted.c
    if sale_ids:
        old = delete(tables.counted).where(row.sale_id.in_(sale_ids), row.program == program)
        connection.execute(old)
    values = [(*counted, program, customer.source, customer.entity) for customer, counted in rows]
    insert_values(connection, tables.counted, _COLUMNS, values)
    return _renew(connection, program, known) if sale_ids or values else known


def version(connection: Connection, program: str) -> int | None:
    """Return the version of a program's rows: another one after each transaction that wrote any.

    ``None`` before all of them were written for the first time.
    """
    query = select(tables.stream.c.backfill_rowid).where(tables.stream.c.name == _marker(program))
    return connection.execute(query).scalar()


def _renew(connection: Connection, program: str, known: int | None) -> int | None:
    row, new = tables.stream.c, _new_version()
    renewal = update(tables.stream).where(row.name == _marker(program)).values(backfill_rowid=new)
    if known is not None:
        done = connection.execute(renewal.where(row.backfill_rowid == known))
        if done.rowcount == 1:
            return new
    connection.execute(renewal)
    return None


def _new_version() -> int:
    # By chance, not by counting: what was rolled back is never taken for what came after it.
    return secrets.randbits(62)


def renew_all(connection: Connection) -> None:
    """Note that rows were written past ``rewrite``: what is remembered of them is not true."""
    row = tables.stream.c
    of_courses = row.name.startswith(_marker(""), autoescape=True)
    change = update(tables.stream).where(of_courses).values(backfill_rowid=_new_version())
    connection.execute(change)


def of_sales(
    connection: Connection, program: str, sale_ids: Collection[int]
) -> dict[int, CountedSale]:
    """Return the rows of these sales."""
    row = tables.counted.c
    query = select(*_FIELDS).where(row.sale_id.in_(sale_ids), row.program == program)
    return {found.sale_id: CountedSale(*found) for found in connection.execute(query)}


def customers_after(
    connection: Connection, program: str, last: CustomerKey | None, size: int
) -> list[CustomerKey]:
    """Return the next customers whose sales count, or for whom staff set a tier."""
    found: set[CustomerKey] = set()
    for table in (tables.counted, tables.tier_setting):
        order = (table.c.source, table.c.entity, table.c.customer_rowid)
        query = select(*order).distinct().where(table.c.program == program).order_by(*order)
        if last is not None:
            query = query.where(later_than(order, (last.source, last.entity, last.rowid)))
        found |= {CustomerKey(*row) for row in connection.execute(query.limit(size))}
    return sorted(found)[:size]


def is_prepared(connection: Connection, program: str) -> bool:
    """Tell whether the rows of all known sales were written since the program looks back."""
    return version(connection, program) is not None


def note_prepared(connection: Connection, program: str) -> None:
    """Note that the rows of all known sales are there."""
    values = {"name": _marker(program), "payment_rowid": 0, "backfill_rowid": _new_version()}
    connection.execute(insert(tables.stream), values)


def _marker(program: str) -> str:
    # Its ``backfill_rowid`` is the version of the rows.
    return f"counted:{program}"


# --- tiers set by hand -----------------------------------------------------------------------


def set_by_hand(
    connection: Connection, program: str, customers: Collection[CustomerKey]
) -> Settings:
    """Return what staff set for these customers, in the order in which it holds."""
    found: dict[CustomerKey, list[SetByHand]] = defaultdict(list)
    entry = tables.tier_setting.c
    for (source, entity), rowids in by_source(customers):
        query = (
            select(entry.customer_rowid, entry.day, entry.tier, entry.is_locked, entry.until)
            .where(
                entry.source == source,
                entry.entity == entity,
                entry.customer_rowid.in_(rowids),
                entry.program == program,
            )
            .order_by(entry.day, entry.id)
        )
        for rowid, day, tier, is_locked, until in connection.execute(query):
            setting = SetByHand(day, tier, bool(is_locked), until)
            found[CustomerKey(source, entity, rowid)].append(setting)
    return found


@dataclass(frozen=True, slots=True)
class TierSetting:
    """Who set which tier for whom, since when, and why."""

    customer: CustomerKey
    setting: SetByHand
    made_by: str
    reason: str


def add_setting(
    connection: Connection, program: str, token: str, entry: TierSetting, now: datetime
) -> bool:
    """Write down a tier set by hand; ``False`` when this token was written before."""
    table = tables.tier_setting
    if connection.execute(select(table.c.id).where(table.c.token == token)).first():
        return False
    id_ = int(connection.execute(select(func.max(table.c.id))).scalar() or 0) + 1
    values = {
        "id": id_,
        "token": token,
        "program": program,
        "source": entry.customer.source,
        "entity": entry.customer.entity,
        "customer_rowid": entry.customer.rowid,
        "day": entry.setting.day,
        "tier": entry.setting.tier,
        "is_locked": int(entry.setting.is_locked),
        "until": entry.setting.until,
        "made_by": entry.made_by[:80],
        "reason": entry.reason[:255],
        "recorded_at": now,
    }
    connection.execute(insert(table), values)
    return True


def settings_of(connection: Connection, program: str, customer: CustomerKey) -> list[TierSetting]:
    """Return what staff set for a customer, in the order in which it holds."""
    entry = tables.tier_setting.c
    query = (
        select(tables.tier_setting)
        .where(
            entry.source == customer.source,
            entry.entity == customer.entity,
            entry.customer_rowid == customer.rowid,
            entry.program == program,
        )
        .order_by(entry.day, entry.id)
    )
    return [
        TierSetting(
            customer,
            SetByHand(row.day, row.tier, bool(row.is_locked), row.until),
            row.made_by,
            row.reason,
        )
        for row in connection.execute(query)
    ]


def copy_settings(
    connection: Connection, old: CustomerKey, into: CustomerKey, batch_token: str
) -> list[int]:
    """Let what staff set for one customer hold for another too; return the days from which on.

    The copies bear the token of the batch with which they come and go.
    """
    table = tables.tier_setting
    query = (
        select(table)
        .where(
            table.c.source == old.source,
            table.c.entity == old.entity,
            table.c.customer_rowid == old.rowid,
        )
        .order_by(table.c.id)
    )
    rows = [dict(row) for row in connection.execute(query).mappings()]
    if rows:
        id_ = int(connection.execute(select(func.max(table.c.id))).scalar_one())
        for number, row in enumerate(rows, 1):
            token = f"{batch_token}:{number}"
            row |= {"id": id_ + number, "token": token, "customer_rowid": into.rowid}
        insert_rows(connection, table, rows)
    return [row["day"] for row in rows]


def drop_copies(connection: Connection, batch_token: str) -> list[int]:
    """Take back what a batch had copied; return the days from which on it held."""
    table = tables.tier_setting
    copied = table.c.token.startswith(f"{batch_token}:", autoescape=True)
    days = list(connection.execute(select(table.c.day).where(copied)).scalars())
    if days:
        connection.execute(delete(table).where(copied))
    return days


def drop_batch(connection: Connection, batch_token: str) -> list[tuple[CustomerKey, int]]:
    """Take back what was set for many at once; return for whom, and from which day on it held."""
    table = tables.tier_setting
    mine = table.c.token.startswith(f"{batch_token}:", autoescape=True)
    query = select(table.c.source, table.c.entity, table.c.customer_rowid, table.c.day)
    rows = connection.execute(query.where(mine).order_by(table.c.id)).all()
    connection.execute(delete(table).where(mine))
    return [(CustomerKey(*row[:3]), row.day) for row in rows]
