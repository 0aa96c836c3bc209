"""Intake: read what changed, book it, move the cursor; all three in one ledger transaction.

Windows overlap: each look begins some minutes before the cursor, because a transaction that began
earlier may end later. Fingerprints make the overlap harmless. The cursor never enters the present
second. Payments leave no trace on the invoice and are followed by their own rowids; nor do
deliveries, which are followed by the changes of orders and shipments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import DataError

from dolisync.errors import DolisyncError, UserError
from dolisync.ledger import tables
from dolisync.ledger.batches import BatchEnded, require_running
from dolisync.ledger.engine import reading, write
from dolisync.ledger.store import Transaction, return_origin
from dolisync.model import CustomerKey, Sale, SaleKey
from dolisync.ports import Clock, CustomerSource, Position, Pulse, SaleSource, no_pulse
from dolisync.sync.buyers import Buyers
from dolisync.sync.catalogue import Catalogue
from dolisync.sync.deliveries import Deliveries
from dolisync.sync.judge import Rules, Tally, take_in
from dolisync.sync.merge import CustomersMoved, fate_of
from dolisync.sync.recommend import note_leavers
from dolisync.sync.warehouses import Warehouses

log = structlog.get_logger()

# Payment rowids are handed out at insert and seen at commit: look this far below the highest.
PAYMENT_OVERLAP = 200
SETTLE = timedelta(seconds=2)
IDLE_LAG = timedelta(seconds=60)
# History is read in larger pages than news: nobody waits for the first of its sales.
BACKFILL_PAGES = 5
BACKFILL_PAGE_MAX = 1000

# What one sale may raise, in the rules or in the database (a text or a number that fits no column).
_INDIGESTIBLE = (
    DolisyncError,
    ArithmeticError,
    ValueError,
    KeyError,
    AssertionError,
    DataError,
)

Progress = Callable[[Tally], None]


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a stream has been read. ``None``: it was never read.

    A backfill that was not finished has a stream of its own, and knows the last rowid it took in.
    """

    changed_at: datetime | None = None
    payment_rowid: int = 0
    backfill_rowid: int = 0
    stream: str = ""


@dataclass(slots=True)
class Intake:
    """Read one source through one door into the ledger."""

    engine: Engine
    clock: Clock
    rules: Rules
    source: SaleSource
    door: str
    overlap: timedelta = timedelta(seconds=300)
    page_size: int = 200
    pulse: Pulse = no_pulse
    catalogue: Catalogue | None = None
    customers: CustomerSource | None = None
    buyers: Buyers | None = None
    deliveries: Deliveries | None = None
    warehouses: Warehouses | None = None
    _fates: dict[CustomerKey, CustomerKey | None] = field(default_factory=dict)
    _seen_payments: set[int] = field(default_factory=set)

    @property
    def stream(self) -> str:
        """The name of the cursor: each door has its own."""
        return f"{self.source.name}:{self.source.entity}:{self.door}"

    def run_once(self, progress: Progress | None = None) -> Tally:
        """Read everything that changed since the last time; return what it came to."""
        cursor = self.load_cursor()
        if cursor is None:
            cursor = Cursor(None, self.source.last_payment_rowid())
        total = self._read_changes(cursor, progress)
        total.add(self._read_payments(cursor.payment_rowid))
        if self.deliveries is not None and self.deliveries.is_due():
            total.add(self._read_deliveries(self.deliveries))
        return total

    def _read_changes(self, cursor: Cursor, progress: Progress | None) -> Tally:
        total, now = Tally(), self.source.now()
        # A source whose clock was set back is read from its own present again.
        reached = min(cursor.changed_at or self._beginning(), now)
        since, after = reached - self.overlap, None
        while True:
            page = self.source.changed(since, after, self.page_size)
            reached = self._reached(reached, page.next_position, now)
            if page.sales or _lags(cursor, reached):
                total.add(self.take(page.sales, Cursor(reached, cursor.payment_rowid)))
            self.pulse()
            if progress:
                progress(total)
            after = page.next_position
            if after is None:
                return total

    def _reached(self, before: datetime, next_position: Position | None, now: datetime) -> datetime:
        """Say how far the stream is read after a page: up to its last row, at the end up to now."""
        last = now if next_position is None else next_position.changed_at
        return max(before, min(last, now) - SETTLE)

    def _beginning(self) -> datetime:
        programs = self.rules.book.current.programs
        starts = [
            datetime.combine(program.start, datetime.min.time(), program.zone)
            for program in programs
            if program.takes(self.source.name)
        ]
        return min(starts, default=self.clock.now()).astimezone(UTC)

    def _read_payments(self, last: int) -> Tally:
        total = Tally()
        page = self.source.paid_after(max(last - PAYMENT_OVERLAP, 0), self.page_size)
        while page.pairs:
            fresh = [pair for pair in page.pairs if pair[0] not in self._seen_payments]
            last = max(last, page.pairs[-1][0])
            if fresh:
                total.add(self._take_paid(sorted({sale for _, sale in fresh}), last))
            # What was seen counts as seen only now that it is booked.
            self._seen_payments.update(payment for payment, _ in fresh)
            page = self.source.paid_after(page.pairs[-1][0], self.page_size)
        self._seen_payments = {
            payment for payment in self._seen_payments if payment > last - PAYMENT_OVERLAP
        }
        return total

    def _take_paid(self, rowids: list[int], last: int) -> Tally:
        sales = [sale for sale in self.source.get(rowids) if not is_provisional(sale)]
        cursor = self.load_cursor() or Cursor()
        return self.take(sales, Cursor(cursor.changed_at, last))

    def _read_deliveries(self, deliveries: Deliveries) -> Tally:
        """Read the documents of orders and shipments that changed; they bear no trace of it."""
        total, now = Tally(), self.source.now()
        stream = f"{self.stream}:deliveries"
        cursor = self.load_cursor(stream) or Cursor(stream=stream)
        # What changed before the first look was seen, or will be, with its documents.
        since = min(cursor.changed_at or now, now) - self.overlap
        moved = deliveries.moved(since)
        documents = deliveries.documents(moved)
        for start in range(0, len(documents), self.page_size):
            page = self.source.get(documents[start : start + self.page_size])
            total.add(self.take([sale for sale in page if not is_provisional(sale)]))
            self.pulse()
        reached = now - SETTLE
        if documents or _lags(cursor, reached):
            self.take([], replace(cursor, changed_at=reached))
        deliveries.note(moved)
        return total

    def follow_payments_from_now(self) -> None:
        """Follow payments from the newest there is, where the source has gone back behind it.

        A Dolibarr restored from a backup gives rowids out again that were known before.
        """
        cursor, newest = self.load_cursor(), self.source.last_payment_rowid()
        if cursor is None or cursor.payment_rowid <= newest:
            return
        back = replace(cursor, payment_rowid=newest)
        self._seen_payments.clear()
        write(self.engine, lambda connection: self._save_cursor(connection, back))

    def take(
        self, sales: Sequence[Sale], cursor: Cursor | None = None, batch_id: int | None = None
    ) -> Tally:
        """Book these sales and the cursor in one transaction, perhaps as part of a batch.

        A sale that the rules cannot digest is parked with its reason; the others go on.
        """
        complete = self._with_origins(sales)
        if self.catalogue is not None:
            complete = self.catalogue.complete(complete)
        if self.buyers is not None:
            complete = self.buyers.complete(complete)
            now = self.clock.now()
            note_leavers(self.engine, self.rules.book, self.buyers, complete, now)
        if self.deliveries is not None:
            complete = self.deliveries.complete(complete)
        if self.warehouses is not None:
            complete = self.warehouses.complete(complete)
        self._fates.clear()
        while True:
            try:
                return self._take(complete, cursor, batch_id)
            except CustomersMoved as moved:
                self._fates |= {old: self._fate(old) for old in moved.customers}

    def _fate(self, old: CustomerKey) -> CustomerKey | None:
        """Ask the source what became of a customer whose sale is another's now."""
        if self.customers is None:
            return None
        with reading(self.engine) as connection:
            return fate_of(connection, self.source, self.customers, old)

    def _take(self, sales: Sequence[Sale], cursor: Cursor | None, batch_id: int | None) -> Tally:
        try:
            return write(
                self.engine, lambda connection: self._book(connection, sales, cursor, batch_id)
            )
        except BatchEnded:
            raise
        except _INDIGESTIBLE as error:
            if not sales:
                raise
            if len(sales) == 1:
                return self._park(sales, cursor, error)
            return self._one_by_one(sales, cursor, batch_id)

    def _one_by_one(
        self, sales: Sequence[Sale], cursor: Cursor | None, batch_id: int | None
    ) -> Tally:
        total = Tally()
        for sale in sales:
            total.add(self._take([sale], None, batch_id))
        total.add(self._take([], cursor, batch_id))
        return total

    def _book(
        self,
        connection: Connection,
        sales: Sequence[Sale],
        cursor: Cursor | None,
        batch_id: int | None,
    ) -> Tally:
        if batch_id is not None:
            require_running(connection, batch_id)
        transaction = Transaction(connection, self.clock.now(), batch_id)
        tally = take_in(transaction, self.rules, sales, self._fates)
        # Also one that is again what the ledger holds: it was digested.
        self._unpark(connection, [sale.key for sale in sales])
        if cursor is not None:
            self._save_cursor(connection, cursor)
        return tally

    def _with_origins(self, sales: Sequence[Sale]) -> list[Sale]:
        """Fetch the sales that credit notes return, where neither ledger nor batch has them."""
        given = {sale.key for sale in sales}
        wanted = {origin for sale in sales if (origin := return_origin(sale))} - given
        if not wanted:
            return list(sales)
        with reading(self.engine) as connection:
            transaction = Transaction(connection, self.clock.now())
            transaction.load_sales(wanted)
            unknown = [key.rowid for key in wanted if key not in transaction.sales]
        found = self.source.get(sorted(unknown)) if unknown else ()
        return [*(sale for sale in found if not is_provisional(sale)), *sales]

    # --- cursor ----------------------------------------------------------------------------------

    def load_cursor(self, stream: str = "") -> Cursor | None:
        """Return how far this stream was read, ``None`` when it never was."""
        table, name = tables.stream, stream or self.stream
        with reading(self.engine) as connection:
            row = connection.execute(select(table).where(table.c.name == name)).first()
        if row is None:
            return None
        return Cursor(row.changed_at, row.payment_rowid, row.backfill_rowid, stream)

    def _save_cursor(self, connection: Connection, cursor: Cursor) -> None:
        table, name = tables.stream, cursor.stream or self.stream
        values = {
            "changed_at": cursor.changed_at,
            "payment_rowid": cursor.payment_rowid,
            "backfill_rowid": cursor.backfill_rowid,
        }
        result = connection.execute(update(table).where(table.c.name == name).values(values))
        if result.rowcount == 0:
            connection.execute(insert(table), {"name": name, **values})

    # --- parking ---------------------------------------------------------------------------------

    def _park(self, sales: Sequence[Sale], cursor: Cursor | None, error: Exception) -> Tally:
        reason = f"{type(error).__name__}: {error}"[:500]
        for sale in sales:
            log.error("sale parked", sale=str(sale.key), ref=sale.ref, reason=reason)
        keys = [sale.key for sale in sales]
        write(self.engine, lambda connection: self._write_parked(connection, keys, reason, cursor))
        return Tally(read=len(sales))

    def _write_parked(
        self, connection: Connection, keys: list[SaleKey], reason: str, cursor: Cursor | None
    ) -> None:
        for key in keys:
            old = connection.execute(
                select(tables.parked.c.attempts).where(_is_parked(key))
            ).scalar()
            connection.execute(delete(tables.parked).where(_is_parked(key)))
            row = {
                "source": key.source,
                "entity": key.entity,
                "rowid": key.rowid,
                "reason": reason,
                "since": self.clock.now(),
                "attempts": int(old or 0) + 1,
            }
            connection.execute(insert(tables.parked), row)
        if cursor is not None:
            self._save_cursor(connection, cursor)

    def parked(self) -> list[SaleKey]:
        """Return the sales of this source that wait in the parking place."""
        name, entity, parked = self.source.name, self.source.entity, tables.parked.c
        query = select(parked.rowid).where(parked.source == name, parked.entity == entity)
        with reading(self.engine) as connection:
            return [SaleKey(name, entity, rowid) for rowid in connection.execute(query).scalars()]

    def forget_parked(self, keys: Sequence[SaleKey]) -> None:
        """Take sales that no longer exist from the parking place."""
        write(self.engine, lambda connection: self._unpark(connection, keys))

    def _unpark(self, connection: Connection, keys: Sequence[SaleKey]) -> None:
        if connection.execute(select(tables.parked.c.rowid).limit(1)).first() is None:
            return
        for key in keys:
            connection.execute(delete(tables.parked).where(_is_parked(key)))

    # --- backfill --------------------------------------------------------------------------------

    def backfill(
        self,
        start: date,
        end: date,
        progress: Progress | None = None,
        batch_id: int | None = None,
    ) -> Tally:
        """Take in all sales dated from ``start`` to before ``end``, without moving the cursor.

        May be stopped anywhere: asked for the same days again, it goes on where it was. What is
        booked already is recognised, so repeating a finished one changes nothing. With a batch,
        sales that were not known before belong to it, and those once set aside come back. Raises
        ``UserError`` for no days at all, and when the batch was undone meanwhile.
        """
        if end <= start:
            message = f"the range {start} to {end} is empty"
            raise UserError(message, "give a later day with --to")
        stream = f"{self.stream}:{start}:{end}"
        total, done = Tally(), self.unfinished(start, end)
        # A page once chosen larger than that stays as it is.
        size = max(self.page_size, min(BACKFILL_PAGES * self.page_size, BACKFILL_PAGE_MAX))
        while True:
            page = self.source.between(start, end, done, size)
            # A finished backfill begins at the beginning when it is asked for again.
            done = page.next_rowid or 0
            cursor = Cursor(backfill_rowid=done, stream=stream)
            total.add(self.take(page.sales, cursor, batch_id))
            self.pulse()
            if progress:
                progress(total)
            if page.next_rowid is None:
                return total

    def unfinished(self, start: date, end: date) -> int:
        """Return how far (rowid) a backfill of these days came before it was stopped, or 0."""
        cursor = self.load_cursor(f"{self.stream}:{start}:{end}")
        return cursor.backfill_rowid if cursor else 0


def begin_again(connection: Connection, stream: str, start: str, before: str) -> None:
    """Forget how far a backfill of these days came: the next one reads them all."""
    name = f"{stream}:{start}:{before}"
    connection.execute(delete(tables.stream).where(tables.stream.c.name == name))


def _lags(saved: Cursor, reached: datetime) -> bool:
    """Tell whether the saved cursor is so far behind that an idle turn should write it.

    A cursor that lags a little reads a little more; writing one every second wears disks out.
    """
    return saved.changed_at is None or reached - saved.changed_at > IDLE_LAG


def is_provisional(sale: Sale) -> bool:
    """Tell whether a document was never validated: it has no number of its own yet."""
    return sale.ref.startswith("(PROV")


def _is_parked(key: SaleKey) -> ColumnElement[bool]:
    table = tables.parked.c
    return (table.source == key.source) & (table.entity == key.entity) & (table.rowid == key.rowid)
