"""The sweep: write off lots past their last day. Until it runs they are unusable all the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from sqlalchemy import Connection, Engine, select

from dolisync.ledger import outbox, tables
from dolisync.ledger.book import Entry, Kind
from dolisync.ledger.engine import reading, write
from dolisync.ledger.store import Transaction
from dolisync.ports import Clock
from dolisync.program.terms import Program
from dolisync.sync.judge import Showing

BATCH = 500


def run_once(
    engine: Engine,
    clock: Clock,
    programs: Mapping[str, Program],
    showing: Mapping[str, Showing],
) -> int:
    """Expire every lot past its last day, member by member; return how many lots."""
    expired = 0
    for program in programs.values():
        today = clock.now().astimezone(program.zone).date()
        members = _members_with_old_lots(engine, program.name, today)
        for start in range(0, len(members), BATCH):
            batch = members[start : start + BATCH]
            expired += _expire(engine, clock, batch, today, showing)
    return expired


def _members_with_old_lots(engine: Engine, program: str, today: date) -> list[int]:
    lot, member = tables.lot.c, tables.member.c
    query = (
        select(lot.member_id)
        .join(tables.member, member.id == lot.member_id)
        .where(member.program == program, lot.remaining > 0, lot.expires_on < today)
        .distinct()
        .order_by(lot.member_id)
    )
    with reading(engine) as connection:
        return list(connection.execute(query).scalars())


def _expire(
    engine: Engine,
    clock: Clock,
    members: list[int],
    today: date,
    showing: Mapping[str, Showing],
) -> int:
    def work(connection: Connection) -> int:
        transaction = Transaction(connection, clock.now())
        transaction.load_books((), ids=members)
        return _sweep(transaction, today, showing)

    return write(engine, work)


def _sweep(transaction: Transaction, today: date, showing: Mapping[str, Showing]) -> int:
    count, targets = 0, []
    for key, book in transaction.books.items():
        old = [lot for lot in book.lots if lot.remaining > 0 and (lot.expires_on or today) < today]
        for lot in old:
            assert lot.expires_on is not None
            entry = Entry(
                f"expire:{lot.id}:{book.sequence + 1}",
                Kind.EXPIRE,
                lot.expires_on,
                transaction.now,
                f"expired after {lot.expires_on.isoformat()}",
                lot.sale_id,
            )
            book.expire(transaction.journal, entry, lot)
        shown = showing.get(key.customer.source)
        if old and shown is not None and shown.customers:
            targets.append(outbox.customer_target(key.customer))
        count += len(old)
    transaction.flush()
    outbox.wish(transaction.connection, targets, transaction.now)
    return count
