"""What people ask the ledger: a member's points split up, movements, what a sale moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Select, false, func, select

from dolisync.ledger import tables
from dolisync.ledger.batches import BatchKind
from dolisync.ledger.book import PAYING_KINDS, SALE_KINDS, Kind
from dolisync.ledger.store import by_source
from dolisync.model import CustomerKey, SaleKey
from dolisync.program.tiers import TierToday

ROWID_DIGITS = 18


@dataclass(frozen=True, slots=True)
class LotView:
    """Points earned together, and what is left of them."""

    points: int
    remaining: int
    available_from: date
    expires_on: date | None
    ref: str


@dataclass(frozen=True, slots=True)
class PostingView:
    """One movement, as a bank statement shows it."""

    key: str
    kind: str
    points: int
    balance_after: int
    occurred_on: date
    recorded_at: datetime
    reason: str
    ref: str


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member's account on one day, in ledger units.

    ``balance`` counts all lots less debt, ``available`` what can be spent on that day.
    ``waiting`` points are earned and cannot be spent yet: their goods may still come back.
    ``expiring`` are the points of the next day on which any expire. ``tier`` is there where it was
    asked for, and the program has tiers; so are ``badges``. ``used_up`` are rewards of which
    nothing is left for this member.
    """

    member_id: int | None
    program: str
    customer: CustomerKey
    balance: int = 0
    debt: int = 0
    available: int = 0
    earned: int = 0
    redeemed: int = 0
    expired: int = 0
    expiring: int = 0
    expires_on: date | None = None
    lots: tuple[LotView, ...] = ()
    last: PostingView | None = None
    waiting: int = 0
    tier: TierToday | None = None
    badges: tuple[str, ...] = ()
    used_up: frozenset[str] = frozenset()

    @property
    def tier_name(self) -> str:
        """The name of the tier held, empty for none."""
        return self.tier.name if self.tier else ""


@dataclass(frozen=True, slots=True)
class SaleMovement:
    """What a sale earned in one program, and the balance after it and its payments with points.

    ``is_owner`` tells that the sale is still this customer's; it may have been moved to another.
    """

    sale: SaleKey
    program: str
    customer: CustomerKey
    units: int
    balance_after: int
    is_owner: bool = True


def member_views(
    connection: Connection, program: str, customers: Collection[CustomerKey], today: date
) -> dict[CustomerKey, MemberView]:
    """Return these customers' accounts in a program; customers without one have an empty view."""
    views = {customer: MemberView(None, program, customer) for customer in customers}
    rows = _member_rows(connection, program, customers)
    ids = [row.id for row in rows.values()]
    lots, sums, last = _lots(connection, ids), _sums(connection, ids), _last(connection, ids)
    for key, row in rows.items():
        mine = lots[row.id]
        expiring, expires_on = _next_expiry(mine, today)
        views[key] = MemberView(
            row.id,
            program,
            key,
            row.balance,
            row.debt,
            max(sum(_usable(lot, today) for lot in mine) - row.debt, 0),
            sums[row.id][Kind.EARN] + sums[row.id][Kind.REVERSAL],
            -sums[row.id][Kind.REDEEM] - sums[row.id][Kind.RETURN],
            -sums[row.id][Kind.EXPIRE],
            expiring,
            expires_on,
            tuple(mine),
            last.get(row.id),
            sum(lot.remaining for lot in mine if lot.available_from > today),
        )
    return views


def _member_rows(
    connection: Connection, program: str, customers: Collection[CustomerKey]
) -> dict[CustomerKey, Any]:
    member, rows = tables.member.c, {}
    for (source, entity), rowids in by_source(customers):
        query = select(tables.member).where(
            member.source == source,
            member.entity == entity,
            member.customer_rowid.in_(rowids),
            member.program == program,
        )
        for row in connection.execute(query):
            rows[CustomerKey(source, entity, row.customer_rowid)] = row
    return rows


def member_view(
    connection: Connection, program: str, customer: CustomerKey, today: date
) -> MemberView:
    """Return one customer's account."""
    return member_views(connection, program, [customer], today)[customer]


def _lots(connection: Connection, ids: Collection[int]) -> dict[int, list[LotView]]:
    found: dict[int, list[LotView]] = defaultdict(list)
    lot = tables.lot.c
    query = (
        select(tables.lot, tables.sale.c.ref)
        .outerjoin(tables.sale, tables.sale.c.id == lot.sale_id)
        .where(lot.member_id.in_(ids), lot.remaining > 0)
    )
    for row in connection.execute(query):
        view = LotView(row.points, row.remaining, row.available_from, row.expires_on, row.ref or "")
        found[row.member_id].append(view)
    for views in found.values():
        views.sort(key=lambda view: (view.expires_on or date.max, view.available_from))
    return found


def _sums(connection: Connection, ids: Collection[int]) -> dict[int, dict[str, int]]:
    sums: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    posting = tables.posting.c
    query = (
        select(posting.member_id, posting.kind, func.sum(posting.points))
        .where(posting.member_id.in_(ids))
        .group_by(posting.member_id, posting.kind)
    )
    for member_id, kind, points in connection.execute(query):
        sums[member_id][kind] = int(points)
    return sums


def _last(connection: Connection, ids: Collection[int]) -> dict[int, PostingView]:
    posting, member = tables.posting.c, tables.member.c
    query = (
        _postings()
        .join(tables.member, member.id == posting.member_id)
        .where(posting.member_id.in_(ids), posting.sequence == member.sequence)
    )
    return {row.member_id: _posting_view(row) for row in connection.execute(query)}


def _usable(lot: LotView, today: date) -> int:
    begun = lot.available_from <= today
    return lot.remaining if begun and today <= (lot.expires_on or date.max) else 0


def _next_expiry(lots: Sequence[LotView], today: date) -> tuple[int, date | None]:
    days = [lot.expires_on for lot in lots if lot.expires_on and lot.expires_on >= today]
    if not days:
        return 0, None
    soonest = min(days)
    return sum(lot.remaining for lot in lots if lot.expires_on == soonest), soonest


def _postings() -> Select[Any]:
    sale = tables.sale.c
    return select(tables.posting, sale.ref).outerjoin(
        tables.sale, sale.id == tables.posting.c.sale_id
    )


def _posting_view(row: Any) -> PostingView:
    return PostingView(
        row.key,
        row.kind,
        row.points,
        row.balance_after,
        row.occurred_on,
        row.recorded_at,
        row.reason,
        row.ref or "",
    )


def history(connection: Connection, member_id: int, limit: int) -> list[PostingView]:
    """Return a member's movements, newest first."""
    posting = tables.posting.c
    query = (
        _postings()
        .where(posting.member_id == member_id)
        .order_by(posting.sequence.desc())
        .limit(limit)
    )
    return [_posting_view(row) for row in connection.execute(query)]


def history_length(connection: Connection, member_id: int) -> int:
    """Count a member's movements."""
    posting = tables.posting.c
    query = select(func.count()).where(posting.member_id == member_id)
    return int(connection.execute(query).scalar() or 0)


def sale_movements(connection: Connection, sales: Collection[SaleKey]) -> list[SaleMovement]:
    """Return what these sales moved, per program and customer, as far as they moved anything.

    The balance after it is that of its own day: of accounts re-booked in a merge it keeps the one
    that its own postings left.
    """
    found: dict[tuple[SaleKey, str, CustomerKey], SaleMovement] = {}
    balances: dict[tuple[SaleKey, str], int] = {}
    for (source, entity), rowids in by_source(sales):
        for row in connection.execute(_movements_query(source, entity, rowids)):
            key, owner = (
                SaleKey(source, entity, row.rowid),
                CustomerKey(source, entity, row.customer_rowid),
            )
            before = found.get((key, row.program, owner))
            units = (row.points if row.kind in SALE_KINDS else 0) + (before.units if before else 0)
            if not row.is_rebooked:
                balances[key, row.program] = row.balance_after
            found[key, row.program, owner] = SaleMovement(
                key,
                row.program,
                owner,
                units,
                balances.get((key, row.program), row.balance_after),
                row.customer_rowid == row.owner_rowid,
            )
    return list(found.values())


def points_used(
    connection: Connection, sales: Collection[SaleKey]
) -> dict[tuple[SaleKey, str], int]:
    """Return the ledger units with which these sales were paid, by program, where there are any.

    That are payments with points, and the part of each reward that a sale uses.
    """
    used: dict[tuple[SaleKey, str], int] = defaultdict(int)
    for (source, entity), rowids in by_source(sales):
        for row in connection.execute(_paid_query(source, entity, rowids)):
            used[SaleKey(source, entity, row.rowid), row.program] += int(row.units)
        for row in connection.execute(_rewards_query(source, entity, rowids)):
            units = Decimal(row.points * row.used_minor) / row.amount_minor
            used[SaleKey(source, entity, row.rowid), row.program] += round(units)
    return used


def _paid_query(source: str, entity: int, rowids: Collection[int]) -> Select[Any]:
    sale, posting, member = tables.sale.c, tables.posting.c, tables.member.c
    return (
        select(sale.rowid, member.program, func.sum(-posting.points).label("units"))
        .join(tables.posting, posting.sale_id == sale.id)
        .join(tables.member, member.id == posting.member_id)
        .where(sale.source == source, sale.entity == entity, sale.rowid.in_(rowids))
        .where(posting.kind.in_(PAYING_KINDS), posting.redemption_id.is_(None))
        .group_by(sale.rowid, member.program)
    )


def _rewards_query(source: str, entity: int, rowids: Collection[int]) -> Select[Any]:
    sale, use, member = tables.sale.c, tables.reward_use.c, tables.member.c
    redemption = tables.redemption.c
    return (
        select(
            sale.rowid,
            member.program,
            redemption.points,
            redemption.amount_minor,
            use.amount_minor.label("used_minor"),
        )
        .join(tables.reward_use, use.sale_id == sale.id)
        .join(tables.redemption, redemption.id == use.redemption_id)
        .join(tables.member, member.id == redemption.member_id)
        .where(sale.source == source, sale.entity == entity, sale.rowid.in_(rowids))
    )


def _movements_query(source: str, entity: int, rowids: Collection[int]) -> Select[Any]:
    sale, posting, member = tables.sale.c, tables.posting.c, tables.member.c
    return (
        select(
            sale.rowid,
            sale.customer_rowid.label("owner_rowid"),
            member.program,
            member.customer_rowid,
            posting.kind,
            posting.points,
            posting.balance_after,
            func.coalesce(tables.batch.c.kind == BatchKind.MERGE, false()).label("is_rebooked"),
        )
        .join(tables.posting, posting.sale_id == sale.id)
        .join(tables.member, member.id == posting.member_id)
        .outerjoin(tables.batch, tables.batch.c.id == posting.batch_id)
        .where(
            sale.source == source,
            sale.entity == entity,
            sale.rowid.in_(rowids),
            posting.kind.in_((*SALE_KINDS, *PAYING_KINDS)),
        )
        .order_by(posting.id)
    )


def sales_by_ref(connection: Connection, ref: str) -> list[SaleKey]:
    """Return the sales that bear this number (or had it), or whose rowid it is; live ones first."""
    sale = tables.sale.c
    query = select(sale.source, sale.entity, sale.rowid).order_by(
        sale.vanished_at.is_not(None), sale.id.desc()
    )
    rows = connection.execute(query.where(sale.ref == ref)).all()
    # A number of more digits fits no rowid, and no column either.
    if not rows and ref.isdecimal() and len(ref) <= ROWID_DIGITS:
        rows = connection.execute(query.where(sale.rowid == int(ref))).all()
    return [SaleKey(*row) for row in rows]


def count_rows(connection: Connection) -> dict[str, int]:
    """Count what the ledger holds, by table."""
    counted = (tables.sale, tables.member, tables.posting, tables.lot, tables.redemption)
    return {
        table.name: int(connection.execute(select(func.count()).select_from(table)).scalar() or 0)
        for table in (*counted, tables.outbox, tables.parked)
    }
