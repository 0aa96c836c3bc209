"""Re-booking an account onto another: what merging two customers means for their points.

Nothing is changed in the past. Every sum of the old account, by kind, sale and redemption, is
posted back there and posted anew on the other one, with a lot of the same dates for each lot. So
the other account looks in every respect as if all had happened there, and the old one is empty.

What belongs to no sale and no redemption is kept apart by the merge that brought it, also when it
is carried on into a third account and comes back: so each merge can be undone after those that
followed it.

Undoing it is the same the other way, for what the merge brought and what has become of it since.
What was spent of that meanwhile is paid by the points of the one who was kept, or stays his debt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update

from dolisync.errors import LedgerError
from dolisync.ledger import tables
from dolisync.ledger.book import Book, Entry, Journal, Kind, Lot
from dolisync.ledger.store import Transaction
from dolisync.program.terms import Shortfall

_SETTLED = ":settled"

# Lots by id, debt under ``None``.
Moves = dict[int | None, int]
# A posting's id, a lot's id or ``None`` for debt, and points.
_Move = tuple[int, int | None, int]


@dataclass(frozen=True, slots=True, order=True)
class _Group:
    """What postings are summed up by.

    ``origin`` is the merge that brought them, where neither sale nor redemption tells whose they
    are, and 0 where they are the account's own.
    """

    kind: str
    sale_id: int
    redemption_id: int
    origin: int


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
    carried: Collection[int],
) -> None:
    """Move everything of one account onto another of the same program.

    ``carried`` are the earlier merges whose points go along. Flushes the transaction. ``key``
    begins the keys of all its postings.
    """
    transaction.flush()
    _load_all_lots(transaction, source)
    open_sums = _open_sums(transaction, source, carried)
    template = Entry(key, "", today, transaction.now, reason, batch_id=batch_id)
    _post_back(transaction.journal, source, open_sums, template)
    _post_anew(transaction.journal, source, target, open_sums, template, {0: batch_id})
    target.settle_debt(transaction.journal, _settling(template), today)
    transaction.flush()
    redemption = tables.redemption
    transaction.connection.execute(
        update(redemption)
        .where(redemption.c.member_id == source.member_id)
        .values(member_id=target.member_id)
    )


def unbook(
    transaction: Transaction,
    source: Book,
    target: Book,
    *,
    batch_id: int,
    carried: Collection[int],
    shortfall: Shortfall,
    key: str,
    reason: str,
    today: date,
) -> int:
    """Move back what a merge brought onto an account, with all that became of it since.

    Its sales and redemptions must belong to the other account again. Returns how many of its points
    were spent on the account meanwhile and are in none of its usable lots: they become debt there,
    or are forgiven. Flushes the transaction.
    """
    transaction.flush()
    _load_all_lots(transaction, source)
    chosen = _brought_by(batch_id, carried, source, target)
    origins = {batch_id, *carried}
    open_sums = _open_sums(transaction, source, origins, chosen)
    # Debts of the one settled by points of the other are not the other's to settle again.
    own = and_(chosen, tables.posting.c.key.not_like(f"%{_SETTLED}%"))
    own_sums = _open_sums(transaction, source, origins, own)
    template = Entry(key, "", today, transaction.now, reason, batch_id=batch_id)
    lacking = _return_all(transaction.journal, source, open_sums, template, shortfall)
    _post_anew(transaction.journal, source, target, own_sums, template, {batch_id: None})
    for book in (source, target):
        book.settle_debt(transaction.journal, _settling(template, str(book.member_id)), today)
    transaction.flush()
    return lacking


def _settling(template: Entry, suffix: str = "") -> Entry:
    key = f"{template.key}{_SETTLED}{suffix}"
    return replace(template, key=key, kind=Kind.TRANSFER, reason=f"{template.reason}: debt settled")


def _brought_by(
    batch_id: int, carried: Collection[int], source: Book, target: Book
) -> ColumnElement[bool]:
    """Choose what a merge brought: its own postings, and all of its sales, rewards and lots."""
    posting, lot, allocation = tables.posting.c, tables.lot.c, tables.allocation.c
    rewards = select(tables.redemption.c.id).where(
        tables.redemption.c.member_id == target.member_id
    )
    of_nothing = and_(posting.sale_id.is_(None), posting.redemption_id.is_(None))
    brought = or_(
        posting.batch_id == batch_id,
        and_(posting.batch_id.in_(carried), of_nothing),
        posting.sale_id.in_(_sales_of(target)),
        posting.redemption_id.in_(rewards),
    )
    lots = (
        select(lot.id)
        .join(tables.posting, posting.id == lot.posting_id)
        .where(brought, lot.member_id == source.member_id)
    )
    lapsed = select(allocation.posting_id).where(allocation.lot_id.in_(lots))
    return or_(brought, and_(posting.kind == Kind.EXPIRE, of_nothing, posting.id.in_(lapsed)))


def _sales_of(book: Book) -> Select[tuple[int]]:
    sale, member = tables.sale.c, tables.member.c
    same = (
        member.source == sale.source,
        member.entity == sale.entity,
        member.customer_rowid == sale.customer_rowid,
    )
    return select(sale.id).join(tables.member, and_(*same)).where(member.id == book.member_id)


def _return_all(
    journal: Journal,
    book: Book,
    sums: Mapping[_Group, _Sums],
    template: Entry,
    shortfall: Shortfall,
) -> int:
    """Post everything back; what its own lots lack is drawn from others, then becomes debt."""
    moves = _post_all_back(journal, book, sums, template)
    lots = {lot.id: lot for lot in book.lots}
    by_lot, debt = _by_lot(moves)
    lacking: list[tuple[int, int]] = []
    for lot_id, waiting in by_lot.items():
        for posting_id, points in _in_order(lots[lot_id], waiting):
            fitting = max(points, -lots[lot_id].remaining)
            if fitting:
                journal.allocate(book, posting_id, lots[lot_id], fitting)
            if fitting != points:
                lacking.append((posting_id, fitting - points))
    missing = sum(book.draw_from_others(journal, *one, template.occurred_on) for one in lacking)
    _move_debt(journal, book, debt)
    if missing and shortfall is Shortfall.CLAMP:
        book.forgive(journal, template, missing)
    return missing


def _move_debt(journal: Journal, book: Book, moves: Iterable[tuple[int, int]]) -> None:
    """Write what postings do to the debt: it is given before it is settled.

    What settled a debt that is none of this account's goes back to lots that have room for it.
    """
    for posting_id, points in sorted(moves, key=lambda move: move[1]):
        settled = min(points, book.debt)
        if settled:
            journal.allocate(book, posting_id, None, settled)
        _refill(journal, book, posting_id, points - settled)


def _refill(journal: Journal, book: Book, posting_id: int, units: int) -> None:
    for lot in reversed(book.lots):
        fitting = min(units, lot.points - lot.remaining)
        if fitting:
            journal.allocate(book, posting_id, lot, fitting)
            units -= fitting
    if units:
        message = f"{units} points of posting {posting_id} fit in no lot"
        raise LedgerError(message)


def _load_all_lots(transaction: Transaction, book: Book) -> None:
    lots = select(tables.lot.c.id).where(tables.lot.c.member_id == book.member_id)
    transaction.load_lots(book, list(transaction.connection.execute(lots).scalars()))


def _open_sums(
    transaction: Transaction,
    book: Book,
    origins: Collection[int],
    chosen: ColumnElement[bool] | None = None,
) -> dict[_Group, _Sums]:
    """Sum up an account by kind, sale and redemption: all of it, or the chosen postings."""
    mine = tables.posting.c.member_id == book.member_id
    sums = _sums(transaction, mine if chosen is None else and_(mine, chosen), origins)
    return {group: found for group, found in sorted(sums.items()) if not found.is_empty}


def _sums(
    transaction: Transaction, mine: ColumnElement[bool], origins: Collection[int]
) -> dict[_Group, _Sums]:
    posting, lot, allocation = tables.posting.c, tables.lot.c, tables.allocation.c
    sums: dict[_Group, _Sums] = defaultdict(_Sums)
    columns = (posting.kind, posting.sale_id, posting.redemption_id, posting.batch_id)
    opened = select(*columns, lot.id, lot.points).join(tables.posting, posting.id == lot.posting_id)
    for *what, lot_id, points in transaction.connection.execute(
        opened.where(mine).order_by(lot.id)
    ):
        sums[_group(origins, *what)].opened[lot_id] = points
    opener = tables.posting.alias()
    moved = (
        select(*columns, opener.c.batch_id, allocation.lot_id, func.sum(allocation.points))
        .join(tables.posting, posting.id == allocation.posting_id)
        .outerjoin(tables.lot, lot.id == allocation.lot_id)
        .outerjoin(opener, opener.c.id == lot.posting_id)
        .where(mine)
        .group_by(*columns, opener.c.batch_id, allocation.lot_id)
    )
    for row in transaction.connection.execute(moved):
        kind, sale, redemption, batch, lot_from, lot_id, points = row
        # What has expired belongs where its lot does.
        whose = lot_from if kind == Kind.EXPIRE else batch
        sums[_group(origins, kind, sale, redemption, whose)].moved[lot_id] += int(points)
    return sums


def _group(
    origins: Collection[int],
    kind: str,
    sale_id: int | None,
    redemption_id: int | None,
    batch_id: int | None,
) -> _Group:
    is_brought = sale_id is None and redemption_id is None and batch_id in origins
    return _Group(kind, sale_id or 0, redemption_id or 0, (is_brought and batch_id) or 0)


def _entry(template: Entry, group: _Group, suffix: str, origins: Mapping[int, int | None]) -> Entry:
    """Write a group's posting; ``origins`` are batches by which some origins are replaced."""
    batch_id = template.batch_id
    if not group.sale_id and not group.redemption_id:
        batch_id = origins.get(group.origin, group.origin) or None
    return replace(
        template,
        batch_id=batch_id,
        key=f"{template.key}:{suffix}",
        kind=group.kind,
        sale_id=group.sale_id or None,
        redemption_id=group.redemption_id or None,
    )


def _post_back(journal: Journal, book: Book, sums: Mapping[_Group, _Sums], template: Entry) -> None:
    moves = _post_all_back(journal, book, sums, template)
    _allocate(journal, book, {lot.id: lot for lot in book.lots}, moves)


def _post_all_back(
    journal: Journal, book: Book, sums: Mapping[_Group, _Sums], template: Entry
) -> list[_Move]:
    """Post every sum back; return what that moves, by posting and lot."""
    moves: list[_Move] = []
    for number, (group, found) in enumerate(sums.items()):
        entry = _entry(template, group, f"out{number}", {})
        posting_id = journal.post(book, entry, -found.points)
        moves += [(posting_id, lot, -points) for lot, points in found.net.items() if points]
    return moves


def _post_anew(
    journal: Journal,
    source: Book,
    target: Book,
    sums: Mapping[_Group, _Sums],
    template: Entry,
    origins: Mapping[int, int | None],
) -> None:
    old = {lot.id: lot for lot in source.lots}
    successors: dict[int, Lot] = {}
    for group, found in sums.items():
        for lot_id, points in found.opened.items():
            entry = _entry(template, group, f"lot{lot_id}", origins)
            posting_id = journal.post(target, entry, points)
            lot = journal.open_lot(target, posting_id, entry, points, old[lot_id].expires_on)
            lot.fixed_until = old[lot_id].fixed_until
            lot.available_from = old[lot_id].available_from
            lot.sale_id = old[lot_id].sale_id
            successors[lot_id] = lot
    moves: list[_Move] = []
    for number, (group, found) in enumerate(sums.items()):
        moved = _moved_with(found, successors)
        if moved:
            entry = _entry(template, group, f"in{number}", origins)
            posting_id = journal.post(target, entry, sum(moved.values()))
            moves += [(posting_id, lot, points) for lot, points in moved.items()]
    _allocate(journal, target, successors, moves)


def _moved_with(found: _Sums, successors: Mapping[int, Lot]) -> Moves:
    """Return what a group moved on lots that come along; what it took from others is debt."""
    moved: Moves = defaultdict(int)
    for lot, points in found.moved.items():
        moved[lot if lot in successors else None] += points
    return {lot: points for lot, points in moved.items() if points}


def _allocate(
    journal: Journal,
    book: Book,
    lots: Mapping[int, Lot],
    moves: Iterable[_Move],
) -> None:
    """Write these allocations, in an order in which no lot ever holds too much or too little."""
    by_lot, debt = _by_lot(moves)
    for lot_id, waiting in by_lot.items():
        for posting_id, points in _in_order(lots[lot_id], waiting):
            journal.allocate(book, posting_id, lots[lot_id], points)
    _move_debt(journal, book, debt)


def _by_lot(
    moves: Iterable[_Move],
) -> tuple[dict[int, list[tuple[int, int]]], list[tuple[int, int]]]:
    """Sort moves by lot; those of the debt stand apart."""
    by_lot: dict[int, list[tuple[int, int]]] = defaultdict(list)
    debt: list[tuple[int, int]] = []
    for posting_id, lot_id, points in moves:
        where = debt if lot_id is None else by_lot[lot_id]
        where.append((posting_id, points))
    return by_lot, debt


def _in_order(lot: Lot, waiting: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Walk over the moves of a lot, the fitting ones first; the lot moves meanwhile.

    Where none fits whole, as after taking, giving back and taking again, the largest part that fits
    goes first.
    """
    waiting = list(waiting)
    while waiting:
        parts = [(posting_id, points, _fitting(lot, points)) for posting_id, points in waiting]
        posting_id, points, part = max(parts, key=lambda one: (one[1] == one[2], abs(one[2])))
        waiting.remove((posting_id, points))
        # Only sums that no lot can hold fit nowhere: the journal says so.
        part = part or points
        if part != points:
            waiting.append((posting_id, points - part))
        yield posting_id, part


def _fitting(lot: Lot, points: int) -> int:
    """Return how much of a move a lot can take now: it holds neither less than nothing nor more."""
    return max(points, -lot.remaining) if points < 0 else min(points, lot.points - lot.remaining)
