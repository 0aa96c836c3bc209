"""Merged customers: seen from outside, because Dolibarr tells nobody.

A known sale comes back with another customer, the old customer is gone, and so is his name on all
his other sales: then the two were merged, and the account goes with them. If the old customer is
still there, one sale was merely given to another.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import Connection, select

from dolisync.ledger import batches, courses, outbox, tables
from dolisync.ledger.batches import BatchKind
from dolisync.ledger.documents import fingerprint
from dolisync.ledger.rebook import rebook
from dolisync.ledger.store import MemberKey, Transaction
from dolisync.model import CustomerKey, Sale
from dolisync.ports import CustomerSource, SaleSource
from dolisync.program.terms import Program

log = structlog.get_logger()

PAGE = 500

# Into whom an old customer was merged; ``None`` where only sales were given to others.
Fates = Mapping[CustomerKey, CustomerKey | None]


class CustomersMoved(Exception):  # noqa: N818 - no error: a question to the source
    """Ask what became of customers whose sales are another's now, before these are booked."""

    def __init__(self, customers: Collection[CustomerKey]) -> None:
        super().__init__("sales have come back with other customers")
        self.customers = frozenset(customers)


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge moved: sales as they were and are, and cards that changed.

    ``places`` are the days from which on tiers hold that staff had set for the old customer.
    """

    sales: tuple[Sale, ...]
    customers: tuple[CustomerKey, ...]
    places: tuple[tuple[CustomerKey, int], ...] = ()


def fate_of(
    connection: Connection,
    sales: SaleSource,
    customers: CustomerSource,
    old: CustomerKey,
) -> CustomerKey | None:
    """Say into whom a customer was merged, ``None`` if he is there or his sales went apart."""
    if old.rowid in customers.customers([old.rowid]):
        return None
    known = _known_sales(connection, old)
    named: set[CustomerKey] = set()
    for start in range(0, len(known), PAGE):
        named |= {sale.customer for sale in sales.get(known[start : start + PAGE])}
    if len(named) != 1 or old in named:
        return None
    return named.pop()


def _known_sales(connection: Connection, customer: CustomerKey) -> list[int]:
    sale = tables.sale.c
    query = select(sale.rowid).where(
        sale.source == customer.source,
        sale.entity == customer.entity,
        sale.customer_rowid == customer.rowid,
        sale.vanished_at.is_(None),
    )
    return list(connection.execute(query).scalars())


def merge(
    transaction: Transaction,
    programs: Mapping[str, Program],
    old: CustomerKey,
    into: CustomerKey,
    token: str,
) -> Merged:
    """Give one customer's sales and accounts to another. All movements are one batch."""
    sales = _move_sales(transaction, old, into)
    title = f"customer {old.rowid} merged into {into.rowid}"
    details = {"source": old.source, "entity": old.entity, "from": old.rowid, "into": into.rowid}
    batch = batches.create(
        transaction.connection, BatchKind.MERGE, title, details, transaction.now, token
    )
    for name in _programs_of(transaction.connection, old):
        terms = programs.get(name)
        source_key, target_key = MemberKey(name, old), MemberKey(name, into)
        transaction.load_books([source_key, target_key])
        zone = terms.zone if terms else None
        rebook(
            transaction,
            transaction.books[source_key],
            transaction.book(target_key),
            key=f"merge:{token}:{name}",
            reason=title,
            today=transaction.now.astimezone(zone).date(),
            batch_id=batch.id,
        )
    days = courses.copy_settings(transaction.connection, old, into)
    log.warning("customers were merged in Dolibarr", old=str(old), into=str(into))
    return Merged(tuple(sales), (old, into), tuple((into, day) for day in days))


def _move_sales(transaction: Transaction, old: CustomerKey, into: CustomerKey) -> list[Sale]:
    """Do to the known sales what Dolibarr did: they are the other customer's now."""
    transaction.load_customer(old)
    both: list[Sale] = []
    for known in [k for k in transaction.sales.values() if k.sale.customer == old]:
        vanished_at, moved = known.vanished_at, replace(known.sale, customer=into)
        both += [known.sale, moved]
        transaction.record(moved, fingerprint(moved), known.rule_set_id)
        known.vanished_at = vanished_at
    return both


def _programs_of(connection: Connection, customer: CustomerKey) -> list[str]:
    member = tables.member.c
    query = select(member.program).where(
        member.source == customer.source,
        member.entity == customer.entity,
        member.customer_rowid == customer.rowid,
    )
    return sorted(connection.execute(query).scalars())


def cards(merged: Sequence[Merged]) -> list[outbox.Target]:
    """Return the cards that show something else after these merges."""
    return [outbox.customer_target(customer) for one in merged for customer in one.customers]
