"""Drift: what customer cards show, compared with the ledger; only what differs is written again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import select

from dolisync.ledger import outbox, tables
from dolisync.ledger.engine import reading, write
from dolisync.model import CustomerKey
from dolisync.ports import FieldValue
from dolisync.sync.publish import Publisher, same_values

log = structlog.get_logger()

PAGE = 500


@dataclass(frozen=True, slots=True)
class Drift:
    """A field of a customer card that shows something else than the ledger says."""

    customer: CustomerKey
    name: str
    shown: FieldValue
    wanted: FieldValue

    def __str__(self) -> str:
        """Say it in words."""
        return (
            f"customer {self.customer.rowid} showed {_word(self.shown)} in {self.name}, "
            f"the ledger says {_word(self.wanted)}"
        )


def _word(value: FieldValue) -> str:
    return "nothing" if value in (None, "") else str(value)


def compare_cards(
    publisher: Publisher, progress: Callable[[int], None] | None = None
) -> list[Drift]:
    """Read every member's card and have those written again that differ; return the differences.

    Raises what the sink raises when the cards cannot be read.
    """
    found: list[Drift] = []
    compared = 0
    for page in _pages(publisher):
        suspects = {drift.customer for drift in _look(publisher, page)}
        if suspects:
            # A turn may have come in between; and what waits to be written is no drift.
            found += _look(publisher, _not_waiting(publisher, suspects))
        compared += len(page)
        if progress:
            progress(compared)
    _repair(publisher, found)
    return found


def _look(publisher: Publisher, customers: Sequence[CustomerKey]) -> list[Drift]:
    wanted = publisher.card_values(customers)
    names = sorted({name for values in wanted.values() for name in values})
    shown = publisher.sink.read_customers(customers, names)
    return [
        drift
        for customer in customers
        if customer in shown
        for drift in _differences(customer, wanted[customer], shown[customer])
    ]


def _not_waiting(publisher: Publisher, customers: Collection[CustomerKey]) -> list[CustomerKey]:
    targets = {outbox.customer_target(customer).key: customer for customer in customers}
    with reading(publisher.engine) as connection:
        waiting = outbox.unsent(connection, targets)
    return sorted(customer for key, customer in targets.items() if key not in waiting)


def _differences(
    customer: CustomerKey, wanted: dict[str, FieldValue], shown: dict[str, FieldValue]
) -> Iterator[Drift]:
    for name, value in wanted.items():
        if not same_values({name: value}, shown):
            yield Drift(customer, name, shown.get(name), value)


def _repair(publisher: Publisher, found: list[Drift]) -> None:
    customers = sorted({drift.customer for drift in found})
    now = publisher.clock.now()
    for start in range(0, len(customers), PAGE):
        targets = [outbox.customer_target(key) for key in customers[start : start + PAGE]]
        write(publisher.engine, lambda c, t=targets: outbox.wish(c, t, now))  # type: ignore[misc]
    if customers:
        log.warning("cards differed from the ledger", cards=len(customers), first=str(found[0]))


def _pages(publisher: Publisher) -> Iterator[list[CustomerKey]]:
    """Walk over the customers of this source who have an account."""
    member, last = tables.member.c, 0
    while True:
        query = (
            select(member.customer_rowid, member.entity)
            .where(member.source == publisher.source.name, member.customer_rowid > last)
            .distinct()
            .order_by(member.customer_rowid)
            .limit(PAGE)
        )
        with reading(publisher.engine) as connection:
            rows = connection.execute(query).all()
        if not rows:
            return
        last = rows[-1].customer_rowid
        yield [CustomerKey(publisher.source.name, row.entity, row.customer_rowid) for row in rows]
