"""Recompute: sales of past days judged again by the rules of today, as one batch.

Each sale is given the newest rule set and judged along the one path; the difference is posted. The
set that had judged it before is kept with the batch, so that undoing is to judge by that one again.
It goes page by page while the daemon goes on, and one that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from sqlalchemy import Connection, Engine, Select, and_, case, delete, func, or_, select

from dolisync.errors import UserError
from dolisync.ledger import batches, rulesets, tables
from dolisync.ledger.batches import Batch, BatchKind, BatchState
from dolisync.ledger.bulk import insert_rows
from dolisync.ledger.engine import reading, write
from dolisync.ledger.rulesets import RuleSet
from dolisync.ledger.scratch import copy_of
from dolisync.ledger.store import KnownSale, Transaction
from dolisync.model import CustomerKey, Sale, SaleKey, SaleKind
from dolisync.ports import Clock
from dolisync.sync.judge import Rules, judge_again, load_families

PAGE = 200

Complete = Callable[[Sequence[Sale]], Sequence[Sale]]
Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sales are judged again: those of some days, of one customer or of all."""

    since: date
    until: date
    customer: CustomerKey | None = None

    def title(self, rules_since: date) -> str:
        """Say what the batch does."""
        whose = f" of customer {self.customer.rowid}" if self.customer else ""
        days = f"{self.since} to {self.until}"
        return f"sales{whose} of {days} judged by the rules of {rules_since}"


@dataclass(slots=True)
class Month:
    """What judging again moved for the sales of one month, in ledger units by program."""

    name: str
    given: dict[str, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What judging again did, or would do.

    ``sales`` were judged by other rules before; ``gains`` is what each member won or lost, most
    first, by program; ``debt`` is what members owe more than before.
    """

    sales: int
    months: tuple[Month, ...]
    gains: Mapping[str, Sequence[tuple[CustomerKey, int]]]
    debt: Mapping[str, int]
    batch: Batch


@dataclass(frozen=True, slots=True)
class Recomputing:
    """What is needed to judge again. ``complete`` adds what rules ask that nobody asked before."""

    engine: Engine
    clock: Clock
    rules: Rules
    complete: Complete

    def plan(self, wanted: Wanted, tell: Tell) -> Outcome:
        """Say what judging again would move; the deed itself, done on a copy of the ledger."""
        with copy_of(self.engine) as scratch:
            current = self.rules.book.current
            # What stands in the file and was not read by the service yet is tried only here.
            now, since = self.clock.now(), current.first_day
            book = rulesets.adopt(scratch, current.programs, now, since)
            trial = replace(self, engine=scratch, rules=replace(self.rules, book=book))
            return trial.run(wanted, token="B-PLAN", tell=tell)  # noqa: S106

    def run(self, wanted: Wanted, *, token: str, tell: Tell) -> Outcome:
        """Do it, as one batch; one of the same days that was stopped goes on.

        ``token`` names the batch. Raises ``UserError`` where every sale of these days was judged
        by these rules already.
        """
        target = self._target
        details = _details(wanted, target.id)
        batch = write(self.engine, lambda c: self._begin(c, wanted, details, token))
        last, done = 0, 0
        while page := self._next(wanted, target.id, last):
            last = page[-1].id
            done += self._judge(page, batch)
            tell(done)
        with reading(self.engine) as connection:
            sales = _count_of(connection, batch)
        write(self.engine, lambda c: batches.finish(c, batch))
        return self._outcome(sales, batch, batch.details["debts"], 0)

    @property
    def _target(self) -> RuleSet:
        """The rules of today: those of a day to come judge nothing yet."""
        book = self.rules.book
        zone = book.current.programs[0].zone
        return book.on(self.clock.now().astimezone(zone).date())

    def count(self, wanted: Wanted) -> int:
        """Count the sales that other rules judged."""
        query = _sales(wanted, self._target.id, func.count())
        with reading(self.engine) as connection:
            return int(connection.execute(query).scalar_one())

    def _begin(
        self, connection: Connection, wanted: Wanted, details: dict[str, Any], token: str
    ) -> Batch:
        for batch in batches.listed(connection, BatchKind.RECOMPUTE):
            same = all(batch.details.get(name) == value for name, value in details.items())
            if batch.state == BatchState.RUNNING and same:
                return batch
        query = _sales(wanted, details["rule_set"], func.count())
        if not connection.execute(query).scalar_one():
            message = "every sale of these days was judged by the rules of today already"
            raise UserError(message, "dolisync rules shows which rules judged how many")
        title = wanted.title(self._target.first_day)
        begun = {**details, "debts": _debts(connection)}
        now, state = self.clock.now(), BatchState.RUNNING
        return batches.create(connection, BatchKind.RECOMPUTE, title, begun, now, token, state)

    def _next(self, wanted: Wanted, target: int, last: int) -> Sequence[Any]:
        sale = tables.sale.c
        what = (sale.id, sale.source, sale.entity, sale.rowid)
        query = _sales(wanted, target, *what).where(sale.id > last).order_by(sale.id).limit(PAGE)
        with reading(self.engine) as connection:
            return connection.execute(query).all()

    def _judge(self, page: Sequence[Any], batch: Batch) -> int:
        keys = [SaleKey(row.source, row.entity, row.rowid) for row in page]
        with reading(self.engine) as connection:
            families = load_families(Transaction(connection, self.clock.now()), keys)
        known = [one for family in families for one in family if _is_there(one)]
        whole = {sale.key: sale for sale in self.complete([one.sale for one in known])}
        marks = {one.key: one.fingerprint for one in known}

        def work(connection: Connection) -> int:
            batches.require_running(connection, batch.id)
            transaction = Transaction(connection, self.clock.now(), batch.id)
            return self._rejudge(transaction, keys, whole, marks)

        return write(self.engine, work)

    def _rejudge(
        self,
        transaction: Transaction,
        keys: list[SaleKey],
        whole: Mapping[SaleKey, Sale],
        marks: Mapping[SaleKey, str],
    ) -> int:
        target = self._target.id
        families = load_families(transaction, keys)
        changed = [
            one
            for family in families
            for one in family
            if one.rule_set_id != target and one.erased_at is None
        ]
        rows = [
            {"batch_id": transaction.batch_id, "sale_id": one.id, "rule_set_id": one.rule_set_id}
            for one in changed
        ]
        insert_rows(transaction.connection, tables.recomputed, rows)
        for one in changed:
            # A document that changed since it was read is completed when it is read the next time.
            if one.key in whole and one.fingerprint == marks[one.key]:
                one.sale = whole[one.key]
            one.rule_set_id, one.is_dirty = target, True
        judge_again(transaction, self.rules, [one.sale for one in changed])
        return len(changed)

    def _outcome(
        self, sales: int, batch: Batch, before: Mapping[str, int], last_posting: int
    ) -> Outcome:
        """Say what the batch moved after a posting."""
        with reading(self.engine) as connection:
            after = _debts(connection)
            months = _months(connection, batch, last_posting)
            gains = _gains(connection, batch, last_posting)
        grown = {name: after[name] - before.get(name, 0) for name in after}
        return Outcome(
            sales, months, gains, {n: units for n, units in grown.items() if units}, batch
        )

    # --- undo ------------------------------------------------------------------------------------

    def plan_undo(self, batch: Batch, tell: Tell) -> Outcome:
        """Say what undoing would move; nothing is written."""
        with copy_of(self.engine) as scratch:
            return replace(self, engine=scratch).undo(batch, tell)

    def undo(self, batch: Batch, tell: Tell) -> Outcome:
        """Judge the batch's sales by the rules of before again; stopped, it goes on.

        Raises ``UserError`` where a later batch judged some of them once more.
        """
        with reading(self.engine) as connection:
            _refuse_beneath(connection, batch)
        begun, done = write(self.engine, lambda c: _begin_undo(c, batch)), 0
        while count := write(self.engine, lambda c: self._take_back(c, batch)):
            done += count
            tell(done)
        write(self.engine, lambda c: batches.mark_undone(c, batch, self.clock.now()))
        return self._outcome(done, batch, begun["undo_debts"], begun["undo_after"])

    def _take_back(self, connection: Connection, batch: Batch) -> int:
        row, sale = tables.recomputed.c, tables.sale.c
        query = (
            select(row.sale_id, row.rule_set_id, sale.source, sale.entity, sale.rowid)
            .join(tables.sale, sale.id == row.sale_id)
            .where(row.batch_id == batch.id)
            .order_by(row.sale_id)
            .limit(PAGE)
        )
        page = connection.execute(query).all()
        transaction = Transaction(connection, self.clock.now(), batch.id)
        transaction.load_sales([SaleKey(one.source, one.entity, one.rowid) for one in page])
        known = {one.id: one for one in transaction.sales.values()}
        for one in page:
            known[one.sale_id].rule_set_id, known[one.sale_id].is_dirty = one.rule_set_id, True
        judge_again(transaction, self.rules, [known[one.sale_id].sale for one in page])
        transaction.flush()
        ids = [one.sale_id for one in page]
        gone = delete(tables.recomputed).where(row.batch_id == batch.id, row.sale_id.in_(ids))
        connection.execute(gone)
        return len(page)


def _begin_undo(connection: Connection, batch: Batch) -> Mapping[str, Any]:
    """Note how things stood when the undoing began; a batch that still runs stops by it."""
    known = batches.by_token(connection, batch.token).details
    if "undo_after" not in known:
        last = connection.execute(select(func.max(tables.posting.c.id))).scalar() or 0
        known = {**known, "undo_after": int(last), "undo_debts": _debts(connection)}
    batches.finish(connection, batch, known)
    return known


def _details(wanted: Wanted, target: int) -> dict[str, Any]:
    customer = wanted.customer
    return {
        "from": str(wanted.since),
        "to": str(wanted.until),
        "customer": [customer.source, customer.entity, customer.rowid] if customer else None,
        "rule_set": target,
    }


def _is_there(known: KnownSale) -> bool:
    return known.vanished_at is None and known.erased_at is None


def _sales(wanted: Wanted, target: int, *what: Any) -> Select[Any]:
    """Select from the sales that other rules judged; a return follows the sale that it returns."""
    sale, origin = tables.sale.c, tables.sale.alias("origin")
    of_origin = and_(
        origin.c.source == sale.source,
        origin.c.entity == sale.entity,
        origin.c.rowid == sale.origin_rowid,
    )
    query = (
        select(*what)
        .select_from(tables.sale)
        .outerjoin(origin, of_origin)
        .where(
            sale.sale_date.between(wanted.since, wanted.until),
            sale.rule_set_id != target,
            sale.erased_at.is_(None),
            # What returns a return is judged by itself.
            or_(origin.c.id.is_(None), origin.c.kind == SaleKind.CREDIT_NOTE),
        )
    )
    if wanted.customer is None:
        return query
    customer = wanted.customer
    return query.where(
        sale.source == customer.source,
        sale.entity == customer.entity,
        sale.customer_rowid == customer.rowid,
    )


def _count_of(connection: Connection, batch: Batch) -> int:
    row = tables.recomputed.c
    query = select(func.count()).where(row.batch_id == batch.id)
    return int(connection.execute(query).scalar_one())


def _refuse_beneath(connection: Connection, batch: Batch) -> None:
    mine, later = tables.recomputed.alias("mine"), tables.recomputed.alias("later")
    query = (
        select(tables.batch.c.token)
        .join(later, later.c.batch_id == tables.batch.c.id)
        .join(mine, and_(mine.c.sale_id == later.c.sale_id, mine.c.batch_id == batch.id))
        .where(later.c.batch_id > batch.id)
        .limit(1)
    )
    token = connection.execute(query).scalar()
    if token is not None:
        message = f"{token} judged some of these sales once more"
        raise UserError(message, f"dolisync undo {token} first")


def _months(connection: Connection, batch: Batch, last_posting: int) -> tuple[Month, ...]:
    """Add up by month; a return counts in that of the sale it returns."""
    posting, member, sale = tables.posting.c, tables.member.c, tables.sale.c
    origin = tables.sale.alias("origin")
    of_origin = and_(
        origin.c.source == sale.source,
        origin.c.entity == sale.entity,
        origin.c.rowid == sale.origin_rowid,
    )
    day = func.coalesce(origin.c.sale_date, sale.sale_date)
    given = func.sum(case((posting.points > 0, posting.points), else_=0))
    taken = func.sum(case((posting.points < 0, -posting.points), else_=0))
    query = (
        select(day, member.program, given, taken)
        .select_from(tables.posting)
        .join(tables.member, member.id == posting.member_id)
        .join(tables.sale, sale.id == posting.sale_id)
        .outerjoin(origin, of_origin)
        .where(posting.batch_id == batch.id, posting.id > last_posting)
        .group_by(day, member.program)
    )
    months: dict[str, Month] = {}
    for moved_on, program, plus, minus in connection.execute(query):
        month = months.setdefault(f"{moved_on:%Y-%m}", Month(f"{moved_on:%Y-%m}"))
        month.given[program] = month.given.get(program, 0) + int(plus)
        month.taken[program] = month.taken.get(program, 0) + int(minus)
    return tuple(months[name] for name in sorted(months))


def _gains(
    connection: Connection, batch: Batch, last_posting: int
) -> dict[str, Sequence[tuple[CustomerKey, int]]]:
    posting, member = tables.posting.c, tables.member.c
    who = (member.program, member.source, member.entity, member.customer_rowid)
    query = (
        select(*who, func.sum(posting.points))
        .join(tables.posting, posting.member_id == member.id)
        .where(posting.batch_id == batch.id, posting.id > last_posting)
        .group_by(*who)
    )
    found: dict[str, list[tuple[CustomerKey, int]]] = {}
    for program, *customer, units in connection.execute(query):
        if units:
            found.setdefault(program, []).append((CustomerKey(*customer), int(units)))
    return {name: sorted(gains, key=lambda one: (-one[1], one[0])) for name, gains in found.items()}


def _debts(connection: Connection) -> dict[str, int]:
    member = tables.member.c
    query = select(member.program, func.sum(member.debt)).group_by(member.program)
    return {name: int(debt) for name, debt in connection.execute(query)}
