"""Backfill as a tool: what it would post, doing it as one batch, and taking it back.

The plan is the deed itself, done on a copy of the ledger, so that its numbers cannot differ.
History is read in the order of the documents' ids, page by page, while the daemon goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, case, func, select

from dolisync.ledger import batches, rulesets, tables
from dolisync.ledger.batches import Batch, BatchKind, BatchState
from dolisync.ledger.engine import reading, write
from dolisync.ledger.scratch import copy_of
from dolisync.ledger.store import Transaction
from dolisync.model import SaleKey
from dolisync.ports import Clock
from dolisync.sync.intake import Intake, Progress, begin_again
from dolisync.sync.judge import Rules, Tally, judge_again
from dolisync.sync.pending import pending_of_batch

UNDO_PAGE = 200


@dataclass(slots=True)
class Month:
    """What a backfill brings for one month: new sales, and ledger units by program."""

    name: str
    sales: int = 0
    given: dict[str, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a backfill did, or would do. ``members`` are those whose points it moved.

    ``changed`` sales were known and differ from what was known; ``pending`` are the ledger units
    that new sales will earn once they are paid, by program.
    """

    months: tuple[Month, ...]
    members: int
    new_members: int
    changed: int
    pending: dict[str, int]
    tally: Tally
    batch: Batch

    @property
    def new_sales(self) -> int:
        """The sales that nobody knew before."""
        return sum(month.sales for month in self.months)


def plan(intake: Intake, start: date, end: date, progress: Progress | None = None) -> Outcome:
    """Say what a backfill of the days from ``start`` to before ``end`` would post."""
    with copy_of(intake.engine) as scratch:
        programs = intake.rules.book.current.programs
        book = rulesets.adopt(scratch, programs, intake.clock.now())
        trial = replace(intake, engine=scratch, rules=replace(intake.rules, book=book))
        return run(trial, start, end, token="B-PLAN", progress=progress)  # noqa: S106


def run(
    intake: Intake, start: date, end: date, *, token: str, progress: Progress | None = None
) -> Outcome:
    """Do it, as one batch; one that was stopped goes on. Raises ``UserError`` for no days at all.

    ``token`` names the batch, unless one of these days was begun before.
    """
    batch = write(intake.engine, lambda c: _begin(c, intake, start, end, token))
    tally = intake.backfill(start, end, progress, batch.id)
    write(intake.engine, lambda connection: batches.finish(connection, batch))
    with reading(intake.engine) as connection:
        return _outcome(connection, intake, tally, batch)


def _outcome(connection: Connection, intake: Intake, tally: Tally, batch: Batch) -> Outcome:
    now, rules = intake.clock.now(), intake.rules
    return Outcome(
        months := _months(connection, batch),
        _members(connection, batch),
        _members(connection, batch, tables.posting.c.sequence == 1),
        max(tally.changed - sum(month.sales for month in months), 0),
        pending_of_batch(connection, now, rules, batch.id),
        tally,
        batch,
    )


def _begin(connection: Connection, intake: Intake, start: date, end: date, token: str) -> Batch:
    details = {"stream": intake.stream, "from": str(start), "before": str(end)}
    for batch in batches.listed(connection, BatchKind.BACKFILL):
        if batch.state == BatchState.RUNNING and batch.details == details:
            return batch
    title = f"sales of {intake.source.name}, {start} to {end - timedelta(days=1)}"
    return batches.create(
        connection,
        BatchKind.BACKFILL,
        title,
        details,
        intake.clock.now(),
        token,
        BatchState.RUNNING,
    )


def _months(connection: Connection, batch: Batch) -> tuple[Month, ...]:
    months: dict[str, Month] = {}
    sale = tables.sale.c
    sales = select(sale.sale_date, func.count()).where(sale.batch_id == batch.id)
    for day, count in connection.execute(sales.group_by(sale.sale_date)):
        _month(months, day).sales += count
    for day, program, given, taken in connection.execute(_points(batch)):
        month = _month(months, day)
        month.given[program] = month.given.get(program, 0) + int(given)
        month.taken[program] = month.taken.get(program, 0) + int(taken)
    return tuple(months[name] for name in sorted(months))


def _month(months: dict[str, Month], day: date) -> Month:
    return months.setdefault(f"{day:%Y-%m}", Month(f"{day:%Y-%m}"))


def _points(batch: Batch) -> Select[Any]:
    posting, member = tables.posting.c, tables.member.c
    given = func.sum(case((posting.points > 0, posting.points), else_=0))
    taken = func.sum(case((posting.points < 0, -posting.points), else_=0))
    return (
        select(posting.occurred_on, member.program, given, taken)
        .join(tables.member, member.id == posting.member_id)
        .where(posting.batch_id == batch.id)
        .group_by(posting.occurred_on, member.program)
    )


def _members(connection: Connection, batch: Batch, *more: ColumnElement[bool]) -> int:
    posting = tables.posting.c
    query = select(func.count(posting.member_id.distinct()))
    query = query.where(posting.batch_id == batch.id, *more)
    return int(connection.execute(query).scalar_one())


# --- undo ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SetAside:
    """What undoing a backfill did, or would do: sales that count nothing now, and points moved.

    ``debt`` is what members owe more than before, in ledger units, by program.
    """

    sales: int
    tally: Tally
    debt: dict[str, int]


def count_brought(connection: Connection, batch: Batch) -> int:
    """Count the sales that a backfill brought and that still count."""
    return int(connection.execute(_brought(batch, func.count())).scalar_one())


def plan_undo(
    engine: Engine, clock: Clock, rules: Rules, batch: Batch, progress: Callable[[int], None]
) -> SetAside:
    """Say what undoing a backfill would change; nothing is written."""
    with copy_of(engine) as scratch:
        return undo(scratch, clock, rules, batch, progress)


def undo(
    engine: Engine, clock: Clock, rules: Rules, batch: Batch, progress: Callable[[int], None]
) -> SetAside:
    """Set all sales of a backfill aside, page by page; stopped, it goes on when asked again.

    They count nothing until a backfill brings them again, whatever happens to them in Dolibarr.
    One that still runs stops before its next page; begun again, it reads all its days.
    """
    write(engine, lambda connection: _end(connection, batch))
    before, tally, sales = _debts(engine), Tally(), 0
    while True:
        page = write(engine, lambda connection: _set_aside(connection, clock, rules, batch))
        if page is None:
            break
        sales += page.changed
        tally.add(page)
        progress(sales)
    write(engine, lambda connection: batches.mark_undone(connection, batch, clock.now()))
    after = _debts(engine)
    grown = {name: after[name] - before.get(name, 0) for name in after}
    return SetAside(sales, tally, {name: units for name, units in grown.items() if units})


def _end(connection: Connection, batch: Batch) -> None:
    batches.finish(connection, batch)
    begin_again(connection, *(str(batch.details[name]) for name in ("stream", "from", "before")))


def _set_aside(connection: Connection, clock: Clock, rules: Rules, batch: Batch) -> Tally | None:
    sale = tables.sale.c
    query = _brought(batch, sale.source, sale.entity, sale.rowid).order_by(sale.id)
    keys = [SaleKey(*row) for row in connection.execute(query.limit(UNDO_PAGE))]
    if not keys:
        return None
    transaction = Transaction(connection, clock.now(), batch.id)
    transaction.load_sales(keys)
    for key in keys:
        transaction.set_aside(transaction.sales[key])
    tally = judge_again(transaction, rules, [transaction.sales[key].sale for key in keys])
    tally.changed = len(keys)
    return tally


def _brought(batch: Batch, *what: Any) -> Select[Any]:
    sale = tables.sale.c
    return select(*what).where(sale.batch_id == batch.id, sale.set_aside_at.is_(None))


def _debts(engine: Engine) -> dict[str, int]:
    member = tables.member.c
    query = select(member.program, func.sum(member.debt)).group_by(member.program)
    with reading(engine) as connection:
        return {name: int(debt) for name, debt in connection.execute(query)}
