"""Movements of points in the events of their customers.

What was posted is followed by its number, and each movement's key lets Dolibarr know it again: a
crash between the two writes nothing twice. What a backfill or judging again posts, for thousands at
once, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, func, insert, select, update

from dolisync.config import Source
from dolisync.errors import RefusedError, TransientError
from dolisync.ledger import tables
from dolisync.ledger.batches import BatchKind
from dolisync.ledger.engine import reading, write
from dolisync.phrases import number, phrase
from dolisync.ports import CardEvent, EventDoor
from dolisync.program.terms import Program
from dolisync.sentences import Tongue

log = structlog.get_logger()

PAGE = 100
LEFT_OUT = (BatchKind.BACKFILL, BatchKind.RECOMPUTE)


@dataclass(slots=True)
class Events:
    """Writes the movements of one source's members into its agenda."""

    engine: Engine
    source: Source
    programs: Mapping[str, Program]
    door: EventDoor
    _refused: set[str] = field(default_factory=set)

    def run_once(self) -> int:
        """Write what was posted since; return how many events were new.

        The first time nothing is: what was posted before is past.
        """
        with reading(self.engine) as connection:
            last = self._last(connection)
            rows = [] if last is None else self._page(connection, last)
            newest = _newest(connection)
        if last is None:
            self._save(newest)
            return 0
        added = 0
        for row in rows:
            try:
                added += self._write(row)
            except TransientError as error:
                log.warning("events wait", source=self.source.name, reason=str(error))
                return added
            except RefusedError as error:
                self._tell(str(error))
            self._save(row.id)
        if len(rows) < PAGE and newest > last:
            self._save(newest)
        return added

    def _page(self, connection: Connection, last: int) -> list[Any]:
        posting, member, sale = tables.posting.c, tables.member.c, tables.sale.c
        kind = tables.batch.c.kind
        query = (
            select(
                tables.posting,
                member.program,
                member.customer_rowid,
                sale.ref,
                sale.rowid.label("sale_rowid"),
            )
            .join(tables.member, member.id == posting.member_id)
            .outerjoin(tables.sale, sale.id == posting.sale_id)
            .outerjoin(tables.batch, tables.batch.c.id == posting.batch_id)
            .where(
                posting.id > last,
                member.source == self.source.name,
                member.entity == self.source.entity,
                member.erased_at.is_(None),
                kind.is_(None) | kind.not_in(LEFT_OUT),
            )
            .order_by(posting.id)
            .limit(PAGE)
        )
        return list(connection.execute(query))

    def _write(self, row: Any) -> bool:
        program = self.programs.get(row.program)
        if program is None:
            return False
        language = self.source.language
        points = number(language, program.points_of(row.points), signed=True)
        reason = row.ref or Tongue(language, self.source.currency).text(row.reason)
        balance = number(language, program.points_of(row.balance_after))
        event = CardEvent(
            row.customer_rowid,
            f"dolisync:{row.id}:{row.hash[:12]}",
            f"{program.title}: {points} ({reason})",
            f"{phrase(language, 'balance')}: {balance}",
            row.recorded_at,
            row.sale_rowid,
        )
        return self.door.add(event)

    def _tell(self, text: str) -> None:
        if text not in self._refused:
            log.warning("an event was refused", source=self.source.name, reason=text)
        self._refused.add(text)

    @property
    def _name(self) -> str:
        return f"events:{self.source.name}"

    def _last(self, connection: Connection) -> int | None:
        row = tables.stream.c
        query = select(row.payment_rowid).where(row.name == self._name)
        found = connection.execute(query).scalar()
        return None if found is None else int(found)

    def _save(self, posting: int) -> None:
        def work(connection: Connection) -> None:
            table = tables.stream
            there = update(table).where(table.c.name == self._name)
            if not connection.execute(there.values(payment_rowid=posting)).rowcount:
                values = {"name": self._name, "payment_rowid": posting, "backfill_rowid": 0}
                connection.execute(insert(table), values)

        write(self.engine, work)


def _newest(connection: Connection) -> int:
    return int(connection.execute(select(func.max(tables.posting.c.id))).scalar() or 0)
