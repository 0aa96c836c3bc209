"""Reading and writing the ledger inside one transaction.

``Transaction`` loads what a batch of sales needs with a handful of set-wise queries, lets the books
be moved in memory, and writes all new rows at the end in bulk. Nothing is seen by others before
the commit, and nothing of it is left after a crash.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Table,
    and_,
    false,
    func,
    or_,
    select,
)

from dolisync.ledger import tables
from dolisync.ledger.book import PAYING_KINDS, SALE_KINDS, Book, Journal, Kind, Lot, Row
from dolisync.ledger.bulk import insert_rows, update_rows
from dolisync.ledger.documents import FINGERPRINT_VERSION, from_document, to_document
from dolisync.model import CustomerKey, Sale, SaleKey, SaleKind


@dataclass(slots=True)
class KnownSale:
    """A sale as the ledger knows it. ``dirty`` rows are written at the end of the transaction.

    ``named_customer`` is the customer (rowid) whom the source names, where the ledger keeps the
    sale with another one: two customers were merged by hand, or a merge was undone. ``batch_id`` is
    the backfill that took it in first; since ``set_aside_at`` that one is undone.
    """

    id: int
    sale: Sale
    fingerprint: str
    revision: int
    rule_set_id: int
    first_seen_at: datetime
    vanished_at: datetime | None = None
    is_new: bool = False
    is_dirty: bool = False
    version: int = FINGERPRINT_VERSION
    named_customer: int | None = None
    batch_id: int | None = None
    set_aside_at: datetime | None = None
    erased_at: datetime | None = None

    @property
    def counts(self) -> bool:
        """Tell whether it may hold points: it is there, and not set aside."""
        return self.vanished_at is None and self.set_aside_at is None

    @property
    def key(self) -> SaleKey:
        """The sale's identity."""
        return self.sale.key


@dataclass(frozen=True, slots=True)
class MemberKey:
    """Identify a member: a customer's account in one program."""

    program: str
    customer: CustomerKey


@dataclass(slots=True)
class Holding:
    """What a sale holds on one member's account, and how much of a take-back was forgiven.

    ``paid`` is what payments with points on it have cost.
    """

    units: int = 0
    forgiven: int = 0
    paid: int = 0


@dataclass(slots=True)
class Transaction:
    """One ledger transaction. ``now`` is the moment of all its rows.

    With ``batch_id`` it is part of a backfill: sales that it sees first belong to that batch, and
    so do those that an undone backfill had set aside.
    """

    connection: Connection
    now: datetime
    batch_id: int | None = None
    erased: set[SaleKey] = field(default_factory=set)
    sales: dict[SaleKey, KnownSale] = field(default_factory=dict)
    returns: dict[SaleKey | None, set[SaleKey]] = field(default_factory=lambda: defaultdict(set))
    days: dict[tuple[CustomerKey, date], set[SaleKey]] = field(
        default_factory=lambda: defaultdict(set)
    )
    books: dict[MemberKey, Book] = field(default_factory=dict)
    member_keys: dict[int, MemberKey] = field(default_factory=dict)
    wanted: dict[str, Row] = field(default_factory=dict)
    _with_lots: set[int] = field(default_factory=set)
    _journal: Journal | None = None
    _next_sale: int = 0
    _next_member: int = 0
    _new_members: list[Row] = field(default_factory=list)

    @property
    def journal(self) -> Journal:
        """Collect this transaction's postings; ids go on from the highest in the ledger.

        Two writers may take the same ids: the second one fails on the primary key, and its whole
        transaction is run again.
        """
        if self._journal is None:
            self._journal = Journal(
                self._next_id(tables.posting),
                self._next_id(tables.lot),
                self._next_id(tables.allocation),
            )
        return self._journal

    def _next_id(self, table: Table) -> int:
        highest = self.connection.execute(select(func.max(table.c.id))).scalar()
        return int(highest or 0) + 1

    # --- sales -----------------------------------------------------------------------------------

    def marks(self, keys: Collection[SaleKey]) -> dict[SaleKey, str | None]:
        """Return the fingerprints of those of these sales that the ledger knows.

        ``None`` stands for one that says nothing: of an older version, of a vanished sale, or of
        one set aside that a backfill is to take in again. Those of erased persons are noted.
        """
        sale, found = tables.sale.c, {}
        again = sale.set_aside_at.is_not(None) if self.batch_id is not None else false()
        void = or_(sale.vanished_at.is_not(None), again)
        for group, rowids in by_source(keys):
            query = select(
                sale.rowid,
                sale.fingerprint,
                sale.fingerprint_version,
                void.label("is_void"),
                sale.erased_at,
            ).where(_of_source(group), sale.rowid.in_(rowids))
            for rowid, mark, version, is_void, erased_at in self.connection.execute(query):
                if erased_at is not None:
                    self.erased.add(SaleKey(*group, rowid))
                counts = not is_void and version == FINGERPRINT_VERSION
                found[SaleKey(*group, rowid)] = mark if counts else None
        return found

    def load_sales(self, keys: Collection[SaleKey]) -> None:
        """Load these sales, where the ledger knows them."""
        for group, rowids in by_source(key for key in keys if key not in self.sales):
            column = tables.sale.c.rowid
            self._load_sales(and_(_of_source(group), column.in_(rowids)))

    def load_returns(self, origins: Collection[SaleKey]) -> None:
        """Load the returns of these sales."""
        for group, rowids in by_source(origins):
            column = tables.sale.c.origin_rowid
            self._load_sales(and_(_of_source(group), column.in_(rowids)))

    def load_days(self, days: Collection[tuple[CustomerKey, date]]) -> None:
        """Load all sales of these customers on these days (and perhaps some more)."""
        dates = {day for _, day in days}
        for group, customers in by_source({customer for customer, _ in days}):
            column = tables.sale.c.customer_rowid
            same_days = tables.sale.c.sale_date.in_(dates)
            self._load_sales(and_(_of_source(group), column.in_(customers), same_days))

    def load_customer(self, customer: CustomerKey) -> None:
        """Load all sales of a customer, vanished ones too."""
        group = (customer.source, customer.entity)
        self._load_sales(and_(_of_source(group), tables.sale.c.customer_rowid == customer.rowid))

    def _load_sales(self, condition: Any) -> None:
        for row in self.connection.execute(select(tables.sale).where(condition)):
            key = SaleKey(row.source, row.entity, row.rowid)
            if key not in self.sales:
                self._keep(known_sale(row))

    def _keep(self, known: KnownSale) -> None:
        self.sales[known.key] = known
        origin = return_origin(known.sale)
        if origin is not None:
            self.returns[origin].add(known.key)
        self.days[known.sale.customer, known.sale.date].add(known.key)

    def record(self, sale: Sale, mark: str, rule_set_id: int) -> KnownSale:
        """Take in what a sale looks like now; ``rule_set_id`` counts only for a new one."""
        known = self.sales.get(sale.key)
        if known is None:
            self._next_sale = self._next_sale or self._next_id(tables.sale)
            known = KnownSale(self._next_sale, sale, mark, 0, rule_set_id, self.now, is_new=True)
            known.batch_id = self.batch_id
            self._next_sale += 1
        else:
            self.returns[return_origin(known.sale)].discard(known.key)
            self.days[known.sale.customer, known.sale.date].discard(known.key)
        known.sale, known.fingerprint = sale, mark
        self._keep(known)
        known.version = FINGERPRINT_VERSION
        known.vanished_at, known.is_dirty = None, True
        if known.set_aside_at is not None and self.batch_id is not None:
            known.set_aside_at, known.batch_id = None, self.batch_id
        return known

    def set_aside(self, known: KnownSale) -> None:
        """Let a sale count nothing: the backfill that brought it is undone."""
        known.set_aside_at, known.is_dirty = self.now, True

    def mark_vanished(self, key: SaleKey) -> None:
        """Note that a sale is gone from its source."""
        known = self.sales[key]
        known.vanished_at, known.is_dirty = self.now, True

    def returns_of(self, origin: SaleKey) -> list[KnownSale]:
        """Return the loaded returns of a sale, in the order of their rowids."""
        return [self.sales[key] for key in sorted(self.returns.get(origin, ()))]

    def on_day(self, customer: CustomerKey, day: date) -> list[KnownSale]:
        """Return the loaded sales of a customer on a day, in the order of their rowids."""
        return [self.sales[key] for key in sorted(self.days[customer, day])]

    def holdings(self, sale_ids: Collection[int]) -> dict[int, dict[int, Holding]]:
        """Return what these sales hold, per member."""
        held: dict[int, dict[int, Holding]] = defaultdict(lambda: defaultdict(Holding))
        posting = tables.posting.c
        query = (
            select(posting.sale_id, posting.member_id, posting.kind, func.sum(posting.points))
            .where(posting.sale_id.in_(sale_ids), posting.redemption_id.is_(None))
            .group_by(posting.sale_id, posting.member_id, posting.kind)
        )
        for sale_id, member_id, kind, points in self.connection.execute(query):
            holding = held[sale_id][member_id]
            if kind in SALE_KINDS:
                holding.units += int(points)
            elif kind == Kind.ADJUST:
                holding.forgiven += int(points)
            elif kind in PAYING_KINDS:
                holding.paid -= int(points)
        return held

    # --- members ---------------------------------------------------------------------------------

    def load_books(
        self, keys: Collection[MemberKey], sale_ids: Collection[int] = (), ids: Collection[int] = ()
    ) -> None:
        """Load these members' accounts with their open lots, and all lots of the given sales."""
        self.load_members(keys, ids)
        wanted = {*keys, *(self.member_keys[id_] for id_ in ids if id_ in self.member_keys)}
        books = [self.books[key] for key in wanted if key in self.books]
        old = {book.member_id: book for book in books if not book.is_new}
        bare = {id_: book for id_, book in old.items() if id_ not in self._with_lots}
        self._load_lots(bare, tables.lot.c.remaining > 0)
        self._with_lots.update(bare)
        if sale_ids:
            self._load_lots(old, tables.lot.c.sale_id.in_(sale_ids))

    def load_members(self, keys: Collection[MemberKey], ids: Collection[int] = ()) -> None:
        """Load these members' accounts without their lots: enough for what they earn."""
        missing = {key for key in keys if key not in self.books}
        unknown_ids = {id_ for id_ in ids if id_ not in self.member_keys}
        if missing or unknown_ids:
            self._load_members(missing, unknown_ids)

    def _load_members(self, keys: set[MemberKey], ids: set[int]) -> None:
        member = tables.member
        conditions = [
            and_(
                member.c.source == source,
                member.c.entity == entity,
                member.c.customer_rowid.in_(rowids),
            )
            for (source, entity), rowids in by_source({key.customer for key in keys})
        ]
        if ids:
            conditions.append(member.c.id.in_(ids))
        for row in self.connection.execute(select(member).where(or_(*conditions))):
            key = MemberKey(row.program, CustomerKey(row.source, row.entity, row.customer_rowid))
            if key not in self.books:
                book = Book(row.id, row.program, row.sequence, row.balance, row.debt, row.head)
                book.salt = row.salt
                self.books[key] = book
                self.member_keys[row.id] = key

    def _load_lots(self, books: dict[int, Book], condition: Any) -> None:
        if not books:
            return
        lot, fresh = tables.lot.c, []
        known = {entry.id for book in books.values() for entry in book.lots}
        query = select(tables.lot).where(lot.member_id.in_(books), condition).order_by(lot.id)
        for row in self.connection.execute(query):
            if row.id not in known:
                entry = Lot(
                    row.id,
                    row.sale_id,
                    row.points,
                    row.remaining,
                    row.available_from,
                    row.expires_on,
                    fixed_until=row.fixed_until,
                )
                books[row.member_id].lots.append(entry)
                fresh.append(entry)
        self._load_lapsed([entry for entry in fresh if entry.remaining < entry.points])

    def _load_lapsed(self, lots: list[Lot]) -> None:
        if not lots:
            return
        allocation, posting = tables.allocation.c, tables.posting.c
        query = (
            select(allocation.lot_id, func.sum(allocation.points))
            .join(tables.posting, posting.id == allocation.posting_id)
            .where(allocation.lot_id.in_([lot.id for lot in lots]), posting.kind == Kind.EXPIRE)
            .group_by(allocation.lot_id)
        )
        lapsed = {lot_id: -int(points) for lot_id, points in self.connection.execute(query)}
        for lot in lots:
            lot.lapsed = lapsed.get(lot.id, 0)

    def load_lots(self, book: Book, lot_ids: Collection[int]) -> None:
        """Load particular lots of a member, spent or expired ones too."""
        self._load_lots({book.member_id: book}, tables.lot.c.id.in_(lot_ids))

    def load_lots_of(self, members: Collection[int], lot_ids: Collection[int]) -> None:
        """Load particular lots of several loaded members, spent or expired ones too."""
        books = {id_: self.books[self.member_keys[id_]] for id_ in members}
        self._load_lots(books, tables.lot.c.id.in_(lot_ids))

    def taken_by(self, sale_id: int, book: Book) -> list[tuple[int, int]]:
        """Return what a sale took from which lots of a member, the last first; load these lots."""
        allocation, posting = tables.allocation.c, tables.posting.c
        points = func.sum(allocation.points)
        query = (
            select(allocation.lot_id, points)
            .join(tables.posting, posting.id == allocation.posting_id)
            .where(
                posting.sale_id == sale_id,
                posting.kind.in_(SALE_KINDS),
                allocation.member_id == book.member_id,
                allocation.lot_id.is_not(None),
            )
            .group_by(allocation.lot_id)
            .having(points < 0)
            .order_by(func.max(allocation.id).desc())
        )
        taken = [(lot_id, -int(sum_)) for lot_id, sum_ in self.connection.execute(query)]
        self.load_lots(book, [lot_id for lot_id, _ in taken])
        return taken

    def book(self, key: MemberKey) -> Book:
        """Return a loaded member's account; open one for a new member."""
        book = self.books.get(key)
        if book is None:
            self._next_member = self._next_member or self._next_id(tables.member)
            book = Book(self._next_member, key.program, 0, 0, 0, is_new=True)
            self._next_member += 1
            self.books[key] = book
            self.member_keys[book.member_id] = key
        return book

    # --- writing ---------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write everything that was collected, set-wise."""
        self._flush_sales()
        self._flush_members()
        if self._journal is not None:
            self._flush_journal(self._journal)

    def _flush_sales(self) -> None:
        dirty = [known for known in self.sales.values() if known.is_dirty]
        new = [_sale_row(known) for known in dirty if known.is_new]
        changed = [_sale_row(known) for known in dirty if not known.is_new]
        insert_rows(self.connection, tables.sale, new)
        update_rows(self.connection, tables.sale, changed)
        for known in dirty:
            known.is_new = known.is_dirty = False

    def _flush_members(self) -> None:
        moved = {row["member_id"] for row in self._journal.postings} if self._journal else set()
        new = [self._member_row(book) for book in self.books.values() if book.is_new]
        old = [
            {"id": book.member_id, **_member_state(book)}
            for book in self.books.values()
            if not book.is_new and book.member_id in moved
        ]
        insert_rows(self.connection, tables.member, new)
        update_rows(self.connection, tables.member, old)
        for book in self.books.values():
            book.is_new = False

    def _member_row(self, book: Book) -> Row:
        key = self.member_keys[book.member_id]
        return {
            "id": book.member_id,
            "program": key.program,
            "source": key.customer.source,
            "entity": key.customer.entity,
            "customer_rowid": key.customer.rowid,
            "opened_at": self.now,
            "salt": book.salt,
            **_member_state(book),
        }

    def _flush_journal(self, journal: Journal) -> None:
        insert_rows(self.connection, tables.posting, journal.postings)
        rows = zip(journal.lots, journal.lot_rows, strict=True)
        insert_rows(self.connection, tables.lot, [{**_lot_row(lot), **row} for lot, row in rows])
        insert_rows(self.connection, tables.allocation, journal.allocations)
        new = {lot.id for lot in journal.lots}
        update_rows(
            self.connection,
            tables.lot,
            [
                {"id": lot.id, "remaining": lot.remaining}
                for lot in journal.touched_lots.values()
                if lot.id not in new
            ],
        )
        journal.postings, journal.lots, journal.lot_rows = [], [], []
        journal.allocations, journal.touched_lots = [], {}


def return_origin(sale: Sale) -> SaleKey | None:
    """Return the sale that a credit note returns; other kinds point at what they replace."""
    return sale.origin if sale.kind is SaleKind.CREDIT_NOTE else None


def known_sale(row: Any) -> KnownSale:
    """Read a row of the sale table."""
    key = SaleKey(row.source, row.entity, row.rowid)
    return KnownSale(
        row.id,
        from_document(key, row.document),
        row.fingerprint,
        row.revision,
        row.rule_set_id,
        row.first_seen_at,
        row.vanished_at,
        version=row.fingerprint_version,
        named_customer=row.seen_customer_rowid,
        batch_id=row.batch_id,
        set_aside_at=row.set_aside_at,
        erased_at=row.erased_at,
    )


def by_source(
    keys: Iterable[SaleKey | CustomerKey],
) -> Iterable[tuple[tuple[str, int], list[int]]]:
    """Group rowids by (source, entity): the form in which the indexes can be used."""
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for key in keys:
        groups[key.source, key.entity].append(key.rowid)
    return groups.items()


def _of_source(group: tuple[str, int]) -> Any:
    return and_(tables.sale.c.source == group[0], tables.sale.c.entity == group[1])


def _sale_row(known: KnownSale) -> Row:
    sale, origin = known.sale, return_origin(known.sale)
    return {
        "id": known.id,
        "source": sale.key.source,
        "entity": sale.key.entity,
        "rowid": sale.key.rowid,
        "ref": sale.ref,
        "kind": sale.kind,
        "status": sale.status,
        "undelivered": 1 if sale.is_undelivered else None,
        "customer_rowid": sale.customer.rowid,
        "sale_date": sale.date,
        "origin_rowid": origin.rowid if origin else None,
        "fingerprint": known.fingerprint,
        "fingerprint_version": known.version,
        "revision": known.revision,
        "rule_set_id": known.rule_set_id,
        "document": to_document(sale),
        "first_seen_at": known.first_seen_at,
        "vanished_at": known.vanished_at,
        "seen_customer_rowid": known.named_customer,
        "batch_id": known.batch_id,
        "set_aside_at": known.set_aside_at,
    }


def _member_state(book: Book) -> Row:
    return {
        "sequence": book.sequence,
        "balance": book.balance,
        "debt": book.debt,
        "head": book.head,
    }


def _lot_row(lot: Lot) -> Row:
    return {
        "id": lot.id,
        "sale_id": lot.sale_id,
        "points": lot.points,
        "remaining": lot.remaining,
        "available_from": lot.available_from,
        "expires_on": lot.expires_on,
        "fixed_until": lot.fixed_until,
    }
