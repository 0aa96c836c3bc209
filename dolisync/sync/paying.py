"""Payments with points: the account follows the payments on a sale, and what returns undo of them.

As with what a sale earns, what it must have cost is computed anew and the difference is posted. A
payment at a till has happened when it is seen: more than there was becomes debt, which later
earnings settle, whatever the program says of returns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from dolisync.ledger import outbox, paid
from dolisync.ledger.book import Book, Entry, Kind
from dolisync.ledger.store import Holding, KnownSale, MemberKey, Transaction, return_origin
from dolisync.program.calendar import last_day_of_use
from dolisync.program.paying import (
    NOTHING_PAID,
    Paid,
    concerns_points,
    paid_on,
    paid_with_points,
)
from dolisync.program.spending import Bar, broken
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program
from dolisync.sync.forgiven import PutBack, take_forgiven
from dolisync.sync.spent import Distrust, put_back

log = structlog.get_logger()

_TERMS = {Bar.NO_ROOM: "max_share", Bar.OTHER_DISCOUNT: "with_discounts"}

Held = Mapping[int, Mapping[int, Holding]]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one document costs its member in a program."""

    program: Program
    known: KnownSale
    paid: Paid


def costs(
    transaction: Transaction,
    around: Surroundings,
    programs: Sequence[Program],
    family: Sequence[KnownSale],
    distrust: Distrust,
) -> Iterator[Cost]:
    """Say what the documents of a family cost: believed returns are part of their sale.

    A return of a sale that is not there costs nothing, as it takes nothing.
    """
    head = family[0]
    origin = return_origin(head.sale)
    is_void = not head.counts or (origin is not None and origin not in transaction.sales)
    believed = {
        known.key: known.sale
        for known in family[1:]
        if known.counts and distrust(head.sale, known.sale) is None
    }
    for program in programs:
        for known in family:
            if known.erased_at is not None:
                continue
            found = NOTHING_PAID
            if not is_void and known.counts and known.key not in believed:
                returns = tuple(believed.values()) if known is head else ()
                found = paid_with_points(program, around, known.sale, returns)
            yield Cost(program, known, found)


def are_concerned(around: Surroundings, family: Sequence[KnownSale], held: Held) -> bool:
    """Tell whether anything was or is paid with points in a family; of most sales, nothing is."""
    return any(
        concerns_points(around, known.sale)
        or any(holding.paid for holding in held.get(known.id, {}).values())
        for known in family
    )


@dataclass(frozen=True, slots=True)
class Due:
    """Points to be taken from an account for a sale, or (below zero) to be given back."""

    cost: Cost
    owner: MemberKey
    units: int


@dataclass(slots=True)
class Paying:
    """Brings what sales cost up to date; ``targets`` are the cards and sales that changed."""

    transaction: Transaction
    around: Mapping[str, Surroundings]
    due: Sequence[Due]
    targets: list[outbox.Target] = field(default_factory=list)
    returned: list[tuple[Book, Entry, PutBack]] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        transaction: Transaction,
        around: Mapping[str, Surroundings],
        found: Sequence[Cost],
        held: Held,
    ) -> Paying | None:
        """Find the differences; ``None``, as mostly, when there are none."""
        due = [one for cost in found for one in differences(transaction, cost, held)]
        transaction.load_books({one.owner for one in due})
        return cls(transaction, around, due) if due else None

    def give_back(self) -> None:
        """Give back what is not paid with points any more: before anything else is taken."""
        for due in self.due:
            if due.units < 0:
                self._give_back(due)

    def take(self) -> None:
        """Take what was paid with points."""
        for due in self.due:
            if due.units > 0:
                self._take(due)

    def take_forgiven(self) -> None:
        """Take what was forgiven while the points were spent; only once all else has moved."""
        for book, entry, returned in self.returned:
            take_forgiven(self.transaction, book, entry, returned)

    def _give_back(self, due: Due) -> None:
        transaction, program, known = self.transaction, due.cost.program, due.cost.known
        book = transaction.book(due.owner)
        taken = paid.lacking(transaction.connection, known.id, book.member_id)
        transaction.load_lots(book, [lot for lot, _ in taken])
        entry = self._entry(due, Kind.RETURN, f"sale {known.sale.ref}: points paid came back")
        came = paid.came_back(transaction.connection, known.id, book.member_id)
        if taken:
            given = put_back(transaction, book, entry, came, taken, -due.units, program)
            self.returned.append((book, entry, given))
        else:
            # Nothing lacks them: a refund with points for goods of which nothing is known.
            until = last_day_of_use(program.validity, entry.occurred_on)
            journal = transaction.journal
            book.give_back(journal, entry, (), None, -due.units, until)
        self._show(due)

    def _take(self, due: Due) -> None:
        sale, program = due.cost.known.sale, due.cost.program
        book = self.transaction.book(due.owner)
        entry = self._entry(due, Kind.REDEEM, f"sale {sale.ref} paid with points")
        debt = book.debt
        book.spend(self.transaction.journal, entry, due.units, entry.occurred_on)
        if book.debt > debt:
            log.warning(
                "paid with more points than there were",
                sale=sale.ref,
                customer=str(due.owner.customer),
                program=program.name,
                owed=str(program.points_of(book.debt)),
            )
        around = self.around[due.cost.known.key.source]
        for bar in broken(program, around, sale, due.cost.paid.amount):
            log.warning(
                "a payment with points broke the terms",
                sale=sale.ref,
                program=program.name,
                term=_TERMS[bar],
            )
        self._show(due)

    def _entry(self, due: Due, kind: str, reason: str) -> Entry:
        known, program = due.cost.known, due.cost.program
        # Shared with what it earns, so that each of its movements has a number of its own.
        known.revision += 1
        known.is_dirty = True
        today = self.transaction.now.astimezone(program.zone).date()
        is_taken = kind == Kind.REDEEM
        around = self.around[known.key.source]
        return Entry(
            f"paid:{known.key}:{program.name}:{known.revision}:{kind}",
            kind,
            min(paid_on(program, around, known.sale), today) if is_taken else today,
            self.transaction.now,
            reason,
            known.id,
            rule_set_id=known.rule_set_id,
            batch_id=self.transaction.batch_id,
        )

    def _show(self, due: Due) -> None:
        self.targets.append(outbox.customer_target(due.owner.customer))
        self.targets.append(outbox.sale_target(due.cost.known.key))


def differences(transaction: Transaction, cost: Cost, held: Held) -> Iterator[Due]:
    """Compare what a document must cost with what the ledger took for it, account by account."""
    owner = MemberKey(cost.program.name, cost.known.sale.customer)
    mine = 0
    for member_id, holding in held.get(cost.known.id, {}).items():
        key = transaction.member_keys[member_id]
        if key == owner:
            mine = holding.paid
        elif key.program == owner.program and holding.paid:
            yield Due(cost, key, -holding.paid)
    if cost.paid.units != mine:
        yield Due(cost, owner, cost.paid.units - mine)
