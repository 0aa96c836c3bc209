"""Re-booking an account onto another: what merging two customers means for their points.

Nothing is changed in the past. Every sum of the old account, by kind, sale and redemption, is
posted back there and posted anew on the other one, with a lot of the same dates for each lot. So
the other account looks in every respect as if all had happened there, and the old one is empty.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from sqlalchemy import func, select, update

from dolisync.ledger import tables
from dolisync.ledger.book import Book, Entry, Journal, Kind, Lot
from dolisync.ledger.store import Transaction

# Lots by id, debt under ``None``.
Moves = dict[int | None, int]


@dataclass(frozen=True, slots=True, order=True)
class _Group:
    """What postings are summed up by."""

    kind: str
    sale_id: int
    redemption_id: int


@dataclass(slots=True)
class _Sums:
    """What a group of postings came to: the lots it opened, and its allocations by lot."""

    opened: dict[int, int] = field(default_factory=dict)
    moved: Moves = field(default_factory=lambda: defaultdict(int))

    @property
    def points(self) -> int:
        """The points of all its postings."""
        return sum(self.opened.values()) + sum(self.moved.values())

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing of it is left: it was re-booked before."""
        return not any(self.net.values())

    @property
    def net(self) -> Moves:
        """What it left in each lot."""
        net: Moves = defaultdict(int, self.moved)
        for lot, points in self.opened.items():
            net[lot] += points
        return net


def rebook(
    transaction: Transaction,
    source: Book,
    target: Book,
    *,
    key: str,
    reason: str,
    today: date,
    batch_id: int,
) -> None:
    """Move everything of one account onto another of the same program.

    Flushes the transaction. ``key`` begins the keys of all its postings.
    """
    transaction.flush()
    _load_all_lots(transaction, source)
    sums = sorted(_sums(transaction, source).items())
    open_sums = {group: found for group, found in sums if not found.is_empty}
    template = Entry(key, "", today, transaction.now, reason, batch_id=batch_id)
    _post_back(transaction.journal, source, open_sums, template)
    _post_anew(transaction.journal, source, target, open_sums, template)
    settling = replace(
        template, key=f"{key}:settled", kind=Kind.TRANSFER, reason=f"{reason}: debt settled"
    )
    target.settle_debt(transaction.journal, settling, today)
    transaction.flush()
    redemption = tables.redemption
    transaction.connection.execute(
        update(redemption)
        .where(redemption.c.member_id == source.member_id)
        .values(member_id=target.member_id)
    )


def _load_all_lots(transaction: Transaction, book: Book) -> None:
    lots = select(tables.lot.c.id).where(tables.lot.c.member_id == book.member_id)
    transaction.load_lots(book, list(transaction.connection.execute(lots).scalars()))


def _sums(transaction: Transaction, book: Book) -> dict[_Group, _Sums]:
    posting, lot, allocation = tables.posting.c, tables.lot.c, tables.allocation.c
    sums: dict[_Group, _Sums] = defaultdict(_Sums)
    mine = posting.member_id == book.member_id
    columns = (posting.kind, posting.sale_id, posting.redemption_id)
    opened = select(*columns, lot.id, lot.points).join(tables.posting, posting.id == lot.posting_id)
    for kind, sale, redemption, lot_id, points in transaction.connection.execute(
        opened.where(mine).order_by(lot.id)
    ):
        sums[_Group(kind, sale or 0, redemption or 0)].opened[lot_id] = points
    moved = (
        select(*columns, allocation.lot_id, func.sum(allocation.points))
        .join(tables.posting, posting.id == allocation.posting_id)
        .where(mine)
        .group_by(*columns, allocation.lot_id)
    )
    for kind, sale, redemption, lot_id, points in transaction.connection.execute(moved):
        sums[_Group(kind, sale or 0, redemption or 0)].moved[lot_id] += int(points)
    return sums


def _entry(template: Entry, group: _Group, suffix: str) -> Entry:
    return replace(
        template,
        key=f"{template.key}:{suffix}",
        kind=group.kind,
        sale_id=group.sale_id or None,
        redemption_id=group.redemption_id or None,
    )


def _post_back(journal: Journal, book: Book, sums: Mapping[_Group, _Sums], template: Entry) -> None:
    moves: list[tuple[int, int | None, int]] = []
    for number, (group, found) in enumerate(sums.items()):
        posting_id = journal.post(book, _entry(template, group, f"out{number}"), -found.points)
        moves += [(posting_id, lot, -points) for lot, points in found.net.items() if points]
    _allocate(journal, book, {lot.id: lot for lot in book.lots}, moves)


def _post_anew(
    journal: Journal, source: Book, target: Book, sums: Mapping[_Group, _Sums], template: Entry
) -> None:
    old = {lot.id: lot for lot in source.lots}
    successors: dict[int, Lot] = {}
    for group, found in sums.items():
        for lot_id, points in found.opened.items():
            entry = _entry(template, group, f"lot{lot_id}")
            posting_id = journal.post(target, entry, points)
            lot = journal.open_lot(target, posting_id, entry, points, old[lot_id].expires_on)
            lot.available_from = old[lot_id].available_from
            lot.sale_id = old[lot_id].sale_id
            successors[lot_id] = lot
    moves: list[tuple[int, int | None, int]] = []
    for number, (group, found) in enumerate(sums.items()):
        moved = {lot: points for lot, points in found.moved.items() if points}
        if moved:
            entry = _entry(template, group, f"in{number}")
            posting_id = journal.post(target, entry, sum(moved.values()))
            moves += [(posting_id, lot, points) for lot, points in moved.items()]
    _allocate(journal, target, successors, moves)


def _allocate(
    journal: Journal,
    book: Book,
    lots: Mapping[int, Lot],
    moves: Iterable[tuple[int, int | None, int]],
) -> None:
    """Write these allocations, in an order in which no lot ever holds too much or too little."""
    by_lot: dict[int | None, list[tuple[int, int]]] = defaultdict(list)
    for posting_id, lot_id, points in moves:
        by_lot[lot_id].append((posting_id, points))
    for lot_id, waiting in by_lot.items():
        if lot_id is None:
            # Debt is given before it is settled.
            for posting_id, points in sorted(waiting, key=lambda move: move[1]):
                journal.allocate(book, posting_id, None, points)
            continue
        for posting_id, points in _in_order(lots[lot_id], waiting):
            journal.allocate(book, posting_id, lots[lot_id], points)


def _in_order(lot: Lot, waiting: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    waiting = list(waiting)
    while waiting:
        fitting = (move for move in waiting if 0 <= lot.remaining + move[1] <= lot.points)
        move = next(fitting, waiting[0])
        waiting.remove(move)
        yield move
