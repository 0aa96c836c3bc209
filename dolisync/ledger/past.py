"""What stood on the accounts at the end of a day, today or long ago: by the days of the movements.

Lots whose last day is over count as expired, whether the sweep has written it down yet or not; the
last day of use is over at its own end, but for today, which is not over yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, case, func, select

from dolisync.ledger import tables

SOON_DAYS, LATER_DAYS = 30, 90


@dataclass(frozen=True, slots=True)
class Standing:
    """The accounts of a program, or one of them, at the end of a day; in ledger units.

    ``usable`` and ``waiting`` make up what is outstanding; ``debt`` is what members owe.
    """

    day: date
    members: int = 0
    usable: int = 0
    waiting: int = 0
    debt: int = 0
    expiring_soon: int = 0
    expiring_later: int = 0

    @property
    def outstanding(self) -> int:
        """All points that may still be spent some day."""
        return self.usable + self.waiting

    @property
    def balance(self) -> int:
        """What is outstanding less debt."""
        return self.outstanding - self.debt


@dataclass(frozen=True, slots=True)
class _Left:
    member_id: int
    points: int
    available_from: date
    expires_on: date | None

    def ends_within(self, day: date, days: int) -> bool:
        return self.expires_on is not None and self.expires_on <= day + timedelta(days=days)


def standing(
    connection: Connection, program: str, day: date, today: date, member_id: int | None = None
) -> Standing:
    """Return how a program's accounts stood at the end of a day, or one member's account."""
    begun = day if day >= today else day + timedelta(days=1)
    left = [
        lot
        for lot in _left(connection, program, day, member_id)
        if lot.expires_on is None or lot.expires_on >= begun
    ]
    owing = _debts(connection, program, day, member_id)
    return Standing(
        day,
        len({lot.member_id for lot in left} | {id_ for id_, debt in owing.items() if debt}),
        sum(lot.points for lot in left if lot.available_from <= day),
        sum(lot.points for lot in left if lot.available_from > day),
        sum(owing.values()),
        sum(lot.points for lot in left if lot.ends_within(day, SOON_DAYS)),
        sum(lot.points for lot in left if lot.ends_within(day, LATER_DAYS)),
    )


def _left(
    connection: Connection, program: str, day: date, member_id: int | None
) -> Iterator[_Left]:
    """Walk over the lots that held anything then."""
    lot, member = tables.lot.c, tables.member.c
    opening, moving = tables.posting.alias("opening"), tables.posting.alias("moving")
    allocation = tables.allocation.c
    moved = func.coalesce(
        func.sum(case((moving.c.occurred_on <= day, allocation.points), else_=0)), 0
    )
    remaining = lot.points + moved
    query = (
        select(lot.member_id, remaining.label("left"), lot.available_from, lot.expires_on)
        .join(tables.member, member.id == lot.member_id)
        .join(opening, opening.c.id == lot.posting_id)
        .outerjoin(tables.allocation, allocation.lot_id == lot.id)
        .outerjoin(moving, moving.c.id == allocation.posting_id)
        .where(member.program == program, opening.c.occurred_on <= day)
        .group_by(lot.id, lot.member_id, lot.points, lot.available_from, lot.expires_on)
        .having(remaining > 0)
    )
    if member_id is not None:
        query = query.where(lot.member_id == member_id)
    for row in connection.execute(query):
        yield _Left(row.member_id, int(row.left), row.available_from, row.expires_on)


def _debts(
    connection: Connection, program: str, day: date, member_id: int | None
) -> dict[int, int]:
    posting, allocation, member = tables.posting.c, tables.allocation.c, tables.member.c
    query: Any = (
        select(allocation.member_id, func.sum(-allocation.points))
        .join(tables.posting, posting.id == allocation.posting_id)
        .join(tables.member, member.id == allocation.member_id)
        .where(
            member.program == program,
            allocation.lot_id.is_(None),
            posting.occurred_on <= day,
        )
        .group_by(allocation.member_id)
    )
    if member_id is not None:
        query = query.where(allocation.member_id == member_id)
    return {id_: max(int(debt), 0) for id_, debt in connection.execute(query)}
