"""Adjustments: points given or taken by a person, with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, Engine, select

from dolisync.ledger import outbox, tables
from dolisync.ledger.book import Book, Entry, Kind, NotEnoughPoints
from dolisync.ledger.engine import write
from dolisync.ledger.store import MemberKey, Transaction
from dolisync.model import CustomerKey
from dolisync.ports import Clock
from dolisync.program.calendar import last_day_of_use
from dolisync.program.terms import Program
from dolisync.sync.activity import follow_activity
from dolisync.sync.judge import Showing


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What an adjustment did, in ledger units. ``expires_on`` is of the points given."""

    key: str
    units: int
    balance_before: int
    balance_after: int
    debt_after: int
    expires_on: date | None


def adjust(
    engine: Engine,
    clock: Clock,
    program: Program,
    customer: CustomerKey,
    units: int,
    reason: str,
    *,
    token: str,
    showing: Showing,
    into_debt: bool = False,
) -> Adjustment:
    """Give points (a lot of their own) or take some away, and wish for the customer card.

    ``token`` is made before the first attempt, so that a repeated transaction is the same one.
    Raises ``NotEnoughPoints`` when more is to be taken than is available, unless ``into_debt``.
    """

    def work(connection: Connection) -> Adjustment:
        transaction = Transaction(connection, clock.now())
        key = MemberKey(program.name, customer)
        transaction.load_books([key])
        book = transaction.book(key)
        done = _adjust(transaction, program, book, units, reason, token, into_debt=into_debt)
        if showing.customers:
            outbox.wish(connection, [outbox.customer_target(customer)], transaction.now)
        return done

    return write(engine, work)


def _adjust(
    transaction: Transaction,
    program: Program,
    book: Book,
    units: int,
    reason: str,
    token: str,
    *,
    into_debt: bool,
) -> Adjustment:
    key = f"adjust:{token}"
    today = transaction.now.astimezone(program.zone).date()
    expires_on = last_day_of_use(program.validity, today) if units > 0 else None
    if _is_booked(transaction.connection, key):
        # The commit of an earlier attempt went through, and its answer was lost.
        before = book.balance - units
        return Adjustment(key, units, before, book.balance, book.debt, expires_on)
    if not into_debt:
        _refuse_shortage(program, book.available(today), -units)
    before = book.balance
    entry = Entry(key, Kind.ADJUST, today, transaction.now, reason)
    book.adjust(transaction.journal, entry, units, expires_on, today)
    transaction.flush()
    follow_activity(transaction, [program], list(transaction.books))
    return Adjustment(key, units, before, book.balance, book.debt, expires_on)


def _is_booked(connection: Connection, key: str) -> bool:
    query = select(tables.posting.c.id).where(tables.posting.c.key == key)
    return connection.execute(query).first() is not None


def _refuse_shortage(program: Program, available: int, wanted: int) -> None:
    if wanted > available:
        message = (
            f"{program.points_of(wanted)} points cannot be taken: "
            f"{program.points_of(available)} are available"
        )
        raise NotEnoughPoints(message, "take fewer, or let the rest become debt with --into-debt")
