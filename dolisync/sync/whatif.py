"""What if: the history that the ledger knows, judged by other rules, beside what it holds today.

The sales are booked into an empty scratch ledger as a backfill would book them, so that every rule
is the real one. Nothing of the real ledger is changed, and nobody is written to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, Select, and_, case, func, insert, or_, select

from dolisync.ledger import rulesets, tables
from dolisync.ledger.book import SALE_KINDS
from dolisync.ledger.engine import reading, write
from dolisync.ledger.scratch import empty_copy
from dolisync.ledger.store import Transaction, known_sale
from dolisync.model import CustomerKey, Sale
from dolisync.ports import Clock
from dolisync.program.terms import Program
from dolisync.sync.judge import Rules, Showing, take_in
from dolisync.sync.tiers import tiers_of

PAGE = 1000
TIERS_PAGE = 500
HIDDEN = Showing(customers=False, sales=False, discounts=False)

Complete = Callable[[Sequence[Sale]], Sequence[Sale]]
Member = tuple[str, CustomerKey]


@dataclass(slots=True)
class Month:
    """What sales of one month hold in one program, in ledger units."""

    given: int = 0
    taken: int = 0


@dataclass(slots=True)
class Figures:
    """What sales of some days hold, after returns, by program; in ledger units.

    ``valid`` is what of it could still be spent if nothing had been spent: its last day is not
    over. ``earned`` counts by member; ``recommended`` is what both sides hold for the sales that
    recommendations brought; ``tiers`` are those that members hold today.
    """

    months: dict[tuple[str, str], Month] = field(default_factory=dict)
    valid: Counter[str] = field(default_factory=Counter)
    earned: Counter[Member] = field(default_factory=Counter)
    recommended: Counter[str] = field(default_factory=Counter)
    tiers: dict[Member, str] = field(default_factory=dict)

    def total(self, program: str) -> Month:
        """Add up the months of a program."""
        found = [month for (name, _), month in self.months.items() if name == program]
        return Month(sum(one.given for one in found), sum(one.taken for one in found))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Today's figures beside those under other rules, over so many sales."""

    sales: int
    today: Figures
    then: Figures

    def differences(self, program: str) -> list[tuple[CustomerKey, int]]:
        """Return by how much each member would have earned more or less, most first."""
        members = {key for key in (*self.today.earned, *self.then.earned) if key[0] == program}
        found = [(key[1], self.then.earned[key] - self.today.earned[key]) for key in members]
        return sorted(found, key=lambda one: (-one[1], one[0]))

    def tier_moves(self, program: str) -> Counter[tuple[str, str]]:
        """Count from which tier into which members would have moved, today's first."""
        members = {key for key in (*self.today.tiers, *self.then.tiers) if key[0] == program}
        moves = Counter(
            (self.today.tiers.get(key, ""), self.then.tiers.get(key, "")) for key in members
        )
        return Counter({move: count for move, count in moves.items() if move[0] != move[1]})


def simulate(
    engine: Engine,
    clock: Clock,
    rules: Rules,
    programs: Sequence[Program],
    since: date | None,
    until: date | None,
    complete: Complete,
    progress: Callable[[int], None],
) -> Comparison:
    """Judge all known sales by these programs; compare those from ``since`` to ``until``.

    All sales are judged, because caps and tiers look back; only these days are counted. ``rules``
    are today's. ``complete`` adds what the new rules ask of articles and customers and nobody
    asked before.
    """
    with empty_copy() as scratch:
        book = rulesets.adopt(scratch, programs, clock.now())
        trial = Rules(book, rules.around, dict.fromkeys(rules.around, HIDDEN))
        _copy_settings(engine, scratch)
        _copy_referrals(engine, scratch)
        sales = _judge_all(engine, scratch, clock, trial, complete, progress)
        today = _figures(engine, clock, rules.book.current.programs, since, until)
        return Comparison(sales, today, _figures(scratch, clock, programs, since, until))


def count_known(engine: Engine) -> int:
    """Count the sales that would be judged."""
    with reading(engine) as connection:
        query = select(func.count()).select_from(tables.sale).where(_counts())
        return int(connection.execute(query).scalar_one())


def _counts() -> Any:
    sale = tables.sale.c
    return and_(sale.vanished_at.is_(None), sale.set_aside_at.is_(None), sale.erased_at.is_(None))


def _judge_all(
    engine: Engine,
    scratch: Engine,
    clock: Clock,
    trial: Rules,
    complete: Complete,
    progress: Callable[[int], None],
) -> int:
    count = 0
    for page in _pages(engine):
        mine = complete([sale for sale in page if sale.key.source in trial.around])
        write(scratch, partial(_take_in, clock, trial, mine))
        count += len(mine)
        progress(count)
    return count


def _take_in(clock: Clock, trial: Rules, sales: Sequence[Sale], connection: Connection) -> None:
    take_in(Transaction(connection, clock.now()), trial, sales)


def _copy_settings(engine: Engine, scratch: Engine) -> None:
    """Let tiers that staff set hold there too."""
    with reading(engine) as connection:
        rows = [dict(row) for row in connection.execute(select(tables.tier_setting)).mappings()]
    if rows:
        write(scratch, lambda connection: connection.execute(insert(tables.tier_setting), rows))


def _copy_referrals(engine: Engine, scratch: Engine) -> None:
    """Let the same customers be recommended there; what it brings is judged with their sales."""
    with reading(engine) as connection:
        rows = connection.execute(select(tables.referral)).mappings()
        fresh = [{**row, **_NOTHING_BROUGHT} for row in rows]
    if fresh:
        write(scratch, lambda connection: connection.execute(insert(tables.referral), fresh))


_NOTHING_BROUGHT: Mapping[str, int | None] = {
    "sale_id": None,
    "new_units": 0,
    "new_sale_id": None,
    "new_batch_id": None,
    "by_units": 0,
    "by_sale_id": None,
    "by_batch_id": None,
    "revision": 0,
    "is_due": 0,
}


def _pages(engine: Engine) -> Iterator[list[Sale]]:
    """Walk over the known sales in the order in which they were first seen."""
    last = 0
    while True:
        query = select(tables.sale).where(tables.sale.c.id > last, _counts())
        with reading(engine) as connection:
            rows = connection.execute(query.order_by(tables.sale.c.id).limit(PAGE)).all()
        if not rows:
            return
        last = rows[-1].id
        yield [known_sale(row).sale for row in rows]


# --- figures -------------------------------------------------------------------------------------


def _figures(
    engine: Engine,
    clock: Clock,
    programs: Sequence[Program],
    since: date | None,
    until: date | None,
) -> Figures:
    found = Figures()
    with reading(engine) as connection:
        for program in programs:
            today = clock.now().astimezone(program.zone).date()
            _count_months(connection, program.name, since, until, found)
            _count_members(connection, program.name, since, until, found)
            found.valid[program.name] = _valid(connection, program.name, since, until, today)
            found.recommended[program.name] = _recommended(connection, program.name, since, until)
            _note_tiers(connection, program, today, found)
    return found


_ORIGIN = tables.sale.alias("origin")
_DAY = func.coalesce(_ORIGIN.c.sale_date, tables.sale.c.sale_date)


def _of_sales(program: str, since: date | None, until: date | None, *what: Any) -> Select[Any]:
    """Select from the movements of sales; a return counts on the day of the sale it returns."""
    posting, member, sale = tables.posting.c, tables.member.c, tables.sale.c
    returned = and_(
        _ORIGIN.c.source == sale.source,
        _ORIGIN.c.entity == sale.entity,
        _ORIGIN.c.rowid == sale.origin_rowid,
    )
    query = (
        select(*what)
        .select_from(tables.posting)
        .join(tables.member, member.id == posting.member_id)
        .join(tables.sale, sale.id == posting.sale_id)
        .outerjoin(_ORIGIN, returned)
        .where(member.program == program, posting.kind.in_(SALE_KINDS))
    )
    if since is not None:
        query = query.where(since <= _DAY)
    return query if until is None else query.where(until >= _DAY)


def _count_months(
    connection: Connection, program: str, since: date | None, until: date | None, found: Figures
) -> None:
    """Count by month what each document holds: what it was corrected by is no giving and taking."""
    posting = tables.posting.c
    what = (_DAY.label("day"), func.sum(posting.points).label("points"))
    held = _of_sales(program, since, until, *what).group_by(_DAY, posting.sale_id)
    per_sale = held.subquery().c
    given = func.sum(case((per_sale.points > 0, per_sale.points), else_=0))
    taken = func.sum(case((per_sale.points < 0, -per_sale.points), else_=0))
    for day, plus, minus in connection.execute(
        select(per_sale.day, given, taken).group_by(per_sale.day)
    ):
        month = found.months.setdefault((program, f"{day:%Y-%m}"), Month())
        month.given += int(plus)
        month.taken += int(minus)


def _count_members(
    connection: Connection, program: str, since: date | None, until: date | None, found: Figures
) -> None:
    member, posting = tables.member.c, tables.posting.c
    who = (member.source, member.entity, member.customer_rowid)
    query = _of_sales(program, since, until, *who, func.sum(posting.points)).group_by(*who)
    for *key, points in connection.execute(query):
        found.earned[program, CustomerKey(*key)] += int(points)


def _valid(
    connection: Connection, program: str, since: date | None, until: date | None, today: date
) -> int:
    """Add up what sales hold whose lots have not ended, with what their returns took off."""
    posting, lot = tables.posting.c, tables.lot.c
    living = select(lot.sale_id).where(or_(lot.expires_on.is_(None), lot.expires_on >= today))
    query = _of_sales(program, since, until, func.coalesce(func.sum(posting.points), 0))
    whose = func.coalesce(_ORIGIN.c.id, tables.sale.c.id)
    return int(connection.execute(query.where(whose.in_(living))).scalar_one())


def _recommended(
    connection: Connection, program: str, since: date | None, until: date | None
) -> int:
    """Add up what those who are known hold for recommendations of those who are."""
    row, sale = tables.referral.c, tables.sale.c
    by_units = case((row.by_rowid.is_not(None), row.by_units), else_=0)
    query = (
        select(func.coalesce(func.sum(row.new_units + by_units), 0))
        .join(tables.sale, sale.id == row.sale_id)
        .where(row.program == program, row.customer_rowid.is_not(None))
    )
    if since is not None:
        query = query.where(sale.sale_date >= since)
    if until is not None:
        query = query.where(sale.sale_date <= until)
    return int(connection.execute(query).scalar_one())


def _note_tiers(connection: Connection, program: Program, today: date, found: Figures) -> None:
    if not program.tier:
        return
    member = tables.member.c
    query = select(member.source, member.entity, member.customer_rowid).where(
        member.program == program.name
    )
    customers = [CustomerKey(*row) for row in connection.execute(query.order_by(member.id))]
    for start in range(0, len(customers), TIERS_PAGE):
        page = customers[start : start + TIERS_PAGE]
        for customer, held in tiers_of(connection, program, page, today).items():
            found.tiers[program.name, customer] = held.tier.title if held.tier else ""
