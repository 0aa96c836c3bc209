"""Redemptions as the ledger keeps them: what was bought with points, and where it stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from dolisync.ledger import tables
from dolisync.ledger.book import Kind
from dolisync.model import CustomerKey, SaleKey
from dolisync.program.terms import RewardTerms

MINOR = Decimal(100)


class State:
    """Where a redemption stands."""

    WANTED = "wanted"
    OPEN = "open"
    # Its lines stand on a draft that was never validated.
    DRAFTED = "drafted"
    USED = "used"
    # It became a code with money on it: what becomes of that, the code's movements say.
    VOUCHER = "voucher"
    REVOKED = "revoked"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Redemption:
    """A discount bought with points. ``points`` are ledger units.

    ``draft`` is the document on whose lines it was put; without one it is on the customer card.
    ``pieces`` are those of an article that is given, ``None`` where it is no article.
    """

    id: int
    token: str
    member_id: int
    program: str
    customer: CustomerKey
    reward: str
    title: str
    points: int
    amount: Decimal
    tax_rate: Decimal
    state: str
    reason: str
    created_at: datetime
    draft: SaleKey | None = None
    pieces: int | None = None


def in_state(connection: Connection, source: str, *states: str) -> list[Redemption]:
    """Return a source's redemptions in these states, oldest first."""
    condition = tables.redemption.c.state.in_(states) & (tables.member.c.source == source)
    return read(connection, condition)


def read(connection: Connection, condition: ColumnElement[bool]) -> list[Redemption]:
    member, redemption, draft = tables.member.c, tables.redemption.c, tables.draft_use.c
    query = (
        select(
            tables.redemption,
            member.program,
            member.source,
            member.entity,
            member.customer_rowid,
            draft.source.label("draft_source"),
            draft.entity.label("draft_entity"),
            draft.sale_rowid,
            draft.pieces,
        )
        .join(tables.member, member.id == redemption.member_id)
        .outerjoin(tables.draft_use, draft.redemption_id == redemption.id)
        .where(condition)
        .order_by(redemption.id)
    )
    return [
        Redemption(
            row.id,
            row.token,
            row.member_id,
            row.program,
            CustomerKey(row.source, row.entity, row.customer_rowid),
            row.reward,
            row.title,
            row.points,
            Decimal(row.amount_minor) / MINOR,
            Decimal(row.tax_rate),
            row.state,
            row.reason,
            row.created_at,
            _draft_of(row),
            row.pieces,
        )
        for row in connection.execute(query)
    ]


def _draft_of(row: Any) -> SaleKey | None:
    if row.sale_rowid is None:
        return None
    return SaleKey(row.draft_source, row.draft_entity, row.sale_rowid)


def of_source(connection: Connection, source: str) -> dict[str, Redemption]:
    """Return all redemptions of a source by their tokens."""
    return {entry.token: entry for entry in read(connection, tables.member.c.source == source)}


@dataclass(frozen=True, slots=True)
class Taken:
    """How many of a reward were taken and not given back: in all, and by member."""

    in_all: int
    by_member: Mapping[int, int]


def count_taken(connection: Connection, program: str, reward: str) -> Taken:
    """Count what was taken of a reward; one whose points came back unused counts no more.

    Of an article each piece counts.
    """
    member, redemption = tables.member.c, tables.redemption.c
    pieces = func.coalesce(tables.draft_use.c.pieces, 1)
    query = (
        select(redemption.member_id, func.sum(pieces))
        .join(tables.member, member.id == redemption.member_id)
        .outerjoin(tables.draft_use, tables.draft_use.c.redemption_id == redemption.id)
        .where(
            member.program == program,
            redemption.reward == reward,
            redemption.state.not_in((State.REVOKED, State.REFUSED)),
        )
        .group_by(redemption.member_id)
    )
    found = Counter({member_id: int(count) for member_id, count in connection.execute(query)})
    return Taken(found.total(), found)


def add(
    connection: Connection,
    member_id: int,
    reward: RewardTerms,
    units: int,
    token: str,
    now: datetime,
    state: str,
) -> int:
    """Note a redemption and return its number; its posting is written by the caller."""
    id_ = int(connection.execute(select(func.max(tables.redemption.c.id))).scalar() or 0) + 1
    connection.execute(
        insert(tables.redemption),
        {
            "id": id_,
            "token": token,
            "member_id": member_id,
            "reward": reward.name,
            "title": reward.title,
            "points": units,
            "amount_minor": int(reward.worth * MINOR),
            "tax_rate": str(reward.tax_rate),
            "state": state,
            "reason": "",
            "created_at": now,
        },
    )
    return id_


def unsettled(connection: Connection, source: str) -> list[Redemption]:
    """Return a source's redemptions whose fate only their discount tells.

    Open ones, and used ones on no sale that is known: used on a draft, which may be dropped.
    """
    redemption, use, sale = tables.redemption.c, tables.reward_use.c, tables.sale.c
    known = (
        select(use.redemption_id)
        .join(tables.sale, sale.id == use.sale_id)
        .where(sale.vanished_at.is_(None))
    )
    on_none = (redemption.state == State.USED) & redemption.id.not_in(known)
    mine = tables.member.c.source == source
    return read(connection, mine & ((redemption.state == State.OPEN) | on_none))


def set_state(connection: Connection, redemption: Redemption, state: str, reason: str = "") -> None:
    """Note where a redemption stands."""
    table = tables.redemption
    connection.execute(
        update(table).where(table.c.id == redemption.id).values(state=state, reason=reason[:255])
    )


def set_amount(
    connection: Connection, redemption: Redemption, amount: Decimal, tax_rate: Decimal
) -> None:
    """Note what a percentage comes to by now."""
    table = tables.redemption
    values = {"amount_minor": int(amount * MINOR), "tax_rate": str(tax_rate)}
    connection.execute(update(table).where(table.c.id == redemption.id).values(values))


def write_uses(
    connection: Connection, sale_ids: Collection[int], rows: Sequence[Mapping[str, int]]
) -> None:
    """Note which rewards these sales consume now, instead of what was noted for them before."""
    table = tables.reward_use
    connection.execute(delete(table).where(table.c.sale_id.in_(sale_ids)))
    if rows:
        connection.execute(insert(table), list(rows))


def used_by(connection: Connection, redemption_ids: Collection[int]) -> list[SaleKey]:
    """Return the sales on which these redemptions are noted, vanished ones too."""
    sale, use = tables.sale.c, tables.reward_use.c
    query = (
        select(sale.source, sale.entity, sale.rowid)
        .join(tables.reward_use, use.sale_id == sale.id)
        .where(use.redemption_id.in_(redemption_ids))
    )
    return [SaleKey(*row) for row in connection.execute(query)]


@dataclass(frozen=True, slots=True)
class CameBack:
    """What came back of a redemption: all of it, by lot, in lots of its own, and forgiven since.

    ``movements`` counts its postings.
    """

    units: int
    by_lot: Mapping[int, int]
    fresh_lots: tuple[int, ...]
    fresh_units: int
    forgiven: int
    movements: int


def _own_lots(redemption_id: int) -> ColumnElement[bool]:
    """Choose lots of the account that a redemption belongs to now.

    After a merge those of the other account are done with: what was re-booked emptied them.
    """
    redemption = tables.redemption.c
    holder = select(redemption.member_id).where(redemption.id == redemption_id).scalar_subquery()
    return tables.lot.c.member_id == holder


def came_back(connection: Connection, redemption_id: int) -> CameBack:
    """Return what came back of a redemption so far."""
    posting, allocation, lot = tables.posting.c, tables.allocation.c, tables.lot.c
    mine = posting.redemption_id == redemption_id
    sums = select(posting.kind, func.sum(posting.points), func.count()).where(mine)
    by_kind = {row[0]: row for row in connection.execute(sums.group_by(posting.kind))}
    returned = (mine, posting.kind == Kind.RETURN)
    lots = (
        select(allocation.lot_id, func.sum(allocation.points))
        .join(tables.posting, posting.id == allocation.posting_id)
        .join(tables.lot, lot.id == allocation.lot_id)
        .where(*returned, _own_lots(redemption_id))
        .group_by(allocation.lot_id)
    )
    opened = (select(lot.id, lot.points).join(tables.posting, posting.id == lot.posting_id)).where(
        *returned, _own_lots(redemption_id)
    )
    fresh = {row.id: row.points for row in connection.execute(opened)}
    by_lot = {id_: int(points) for id_, points in connection.execute(lots) if id_ not in fresh}
    return CameBack(
        int(by_kind[Kind.RETURN][1]) if Kind.RETURN in by_kind else 0,
        by_lot,
        tuple(fresh),
        sum(fresh.values()),
        int(by_kind[Kind.ADJUST][1]) if Kind.ADJUST in by_kind else 0,
        sum(int(row[2]) for row in by_kind.values()),
    )


def by_tokens(connection: Connection, tokens: Collection[str]) -> list[Redemption]:
    """Return the redemptions that bear these tokens, oldest first."""
    return read(connection, tables.redemption.c.token.in_(tokens)) if tokens else []


def allocations(connection: Connection, redemption_id: int) -> list[tuple[int, int]]:
    """Return which lots still lack how much for a redemption, in the order in which it took it.

    What came back counts no more; what was taken again, from other lots perhaps, counts there.
    """
    allocation, posting = tables.allocation.c, tables.posting.c
    points = func.sum(allocation.points)
    query = (
        select(allocation.lot_id, points)
        .join(tables.posting, posting.id == allocation.posting_id)
        .join(tables.lot, tables.lot.c.id == allocation.lot_id)
        .where(
            posting.redemption_id == redemption_id,
            posting.kind.in_((Kind.REDEEM, Kind.RETURN)),
            _own_lots(redemption_id),
        )
        .group_by(allocation.lot_id)
        .having(points < 0)
        .order_by(func.min(allocation.id))
    )
    return [(lot_id, -int(sum_)) for lot_id, sum_ in connection.execute(query)]
