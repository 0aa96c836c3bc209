"""Who holds which tier today, as far as cards show it: members, and for whom staff set one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, Engine, Table, select

from dolisync.config import Source
from dolisync.ledger import tables, tier_marks
from dolisync.ledger.engine import reading, write
from dolisync.ledger.tier_marks import Place
from dolisync.model import CustomerKey
from dolisync.ports import Clock, Pulse, no_pulse
from dolisync.program.terms import Program
from dolisync.sync.tiers import tiers_of

PAGE = 500
_WITH_CUSTOMERS = (
    tables.member,
    tables.tier_setting,
    tables.tier_mark,
    tables.standing_mark,
)


@dataclass(frozen=True, slots=True)
class Holders:
    """The holders of tiers among the customers of one source."""

    engine: Engine
    clock: Clock
    source: Source
    pulse: Pulse = no_pulse

    def today(self, program: Program) -> date:
        """Return the day in a program's time zone."""
        return self.clock.now().astimezone(program.zone).date()

    def leaves_out(self, program: Program, customer: CustomerKey) -> bool:
        """Tell whether this customer takes no part: what stands on that card is not ours."""
        return customer.rowid in {*self.source.pos_customers, *program.excluded_customers}

    def held(
        self, connection: Connection, program: Program, customers: Collection[CustomerKey]
    ) -> dict[CustomerKey, str]:
        """Return the tiers that these cards are to show; nobody's but a member's."""
        found = tiers_of(connection, program, customers, self.today(program))
        members = _members(connection, program.name, self.source, customers)
        shown = {c for c in members if not self.leaves_out(program, c)}
        return {c: found[c].name if c in shown else "" for c in customers}

    def held_by(self, connection: Connection, program: Program, customer: CustomerKey) -> str:
        """Return the tier that one card is to show."""
        return self.held(connection, program, [customer])[customer]

    def customer(self, rowid: int) -> CustomerKey:
        """Name a customer of the source."""
        return CustomerKey(self.source.name, self.source.entity, rowid)

    def pages(self) -> Iterator[list[CustomerKey]]:
        """Walk over all who may have something to show, or had."""
        last = 0
        while True:
            with reading(self.engine) as connection:
                found = {
                    rowid
                    for table in _WITH_CUSTOMERS
                    for rowid in self._next(connection, table, last)
                }
            page = sorted(found)[:PAGE]
            if not page:
                return
            last = page[-1]
            yield [self.customer(rowid) for rowid in page]
            self.pulse()

    def _next(self, connection: Connection, table: Table, last: int) -> Sequence[int]:
        row = table.c
        query = (
            select(row.customer_rowid)
            .where(
                row.source == self.source.name,
                row.entity == self.source.entity,
                row.customer_rowid > last,
            )
            .distinct()
            .order_by(row.customer_rowid)
            .limit(PAGE)
        )
        return connection.execute(query).scalars().all()

    def begin(self, what: str, programs: Collection[Program], compare: Callable[[], int]) -> None:
        """Compare all cards once, when something is first to be shown on them."""
        names = [tier_marks.begun(what, program.name, self.source.name) for program in programs]
        with reading(self.engine) as connection:
            new = [name for name in names if not tier_marks.is_noted(connection, name)]
        if new:
            compare()
            write(self.engine, lambda c: tier_marks.note(c, new))


def place_of(program: Program, customer: CustomerKey) -> Place:
    """Name a customer's account in a program."""
    return Place(program.name, customer)


def _members(
    connection: Connection, program: str, source: Source, customers: Collection[CustomerKey]
) -> set[CustomerKey]:
    """Return who of them has an account, or a tier that staff set."""
    rowids = [customer.rowid for customer in customers]
    found: set[int] = set()
    for table in (tables.member, tables.tier_setting):
        row = table.c
        query = select(row.customer_rowid).where(
            row.program == program,
            row.source == source.name,
            row.entity == source.entity,
            row.customer_rowid.in_(rowids),
        )
        found |= set(connection.execute(query).scalars())
    return {CustomerKey(source.name, source.entity, rowid) for rowid in found}
