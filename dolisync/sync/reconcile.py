"""Reconcile: compare everything the ledger knows with what the source holds today.

A deleted document leaves no trace that polling could see, a deleted part payment none either. All
known sales are read again in pages; what differs is judged again, what is gone holds nothing any
more. What polling never showed (a clock that jumped, a transaction that stayed open too long, a
restored document) is found by counting the sales of all days. When too much is gone at once, the
database is likely the wrong one: stop and ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

import structlog
from sqlalchemy import func, select

from dolisync.config import ReconcileSettings
from dolisync.errors import UserError
from dolisync.ledger import tables
from dolisync.ledger.engine import reading, write
from dolisync.ledger.store import Transaction
from dolisync.model import SaleKey
from dolisync.sync.intake import Intake
from dolisync.sync.judge import Tally, vanish

log = structlog.get_logger()

PAGE = 500
# Where the source cannot count, only documents of these days are looked for that are not known.
MISSED_DAYS = 31
# Documents dated in advance count too.
DAYS_AHEAD = 366


class MassVanishing(UserError):  # noqa: N818
    """Say that so many sales are gone that the source itself is in doubt; nothing was reversed."""


class RestoredSource(MassVanishing):
    """Say that a source looks like an older copy of itself; nothing was reversed."""


# So many of the newest documents are not deleted by hand between two nights, one after another.
RESTORED_FROM = 3


@dataclass(slots=True)
class Reconciliation:
    """What a reconcile found and did."""

    compared: int = 0
    vanished: int = 0
    missed: int = 0
    tally: Tally = field(default_factory=Tally)


@dataclass(slots=True)
class Reconciler:
    """Compare one source with the ledger, through its intake's door."""

    intake: Intake
    settings: ReconcileSettings
    allow_mass_reversal: bool = False

    def run_once(self, progress: Callable[[int], None] | None = None) -> Reconciliation:
        """Compare all known sales, take in what changed, and reverse what is gone.

        Raises ``MassVanishing`` when more is gone than the settings allow, and ``RestoredSource``
        when just the newest are; what merely changed is taken in all the same.
        """
        result, gone = Reconciliation(), []
        newest = 0
        for keys in self._known_pages():
            found = self.intake.source.get([key.rowid for key in keys])
            result.tally.add(self.intake.take(found))
            present = {sale.key for sale in found}
            gone += [key for key in keys if key not in present]
            newest = max([newest, *(sale.key.rowid for sale in found)])
            result.compared += len(keys)
            if progress:
                progress(result.compared)
        self._retry_parked(result)
        self._refuse_restored(gone, newest)
        self._reverse(gone, result)
        self.intake.follow_payments_from_now()
        self._take_missed(result)
        return result

    def _take_missed(self, result: Reconciliation) -> None:
        """Read the source's days again when they hold another number of sales than the ledger."""
        source, today = self.intake.source, self.intake.clock.now().date()
        start, end = self._first_day(today), today + timedelta(days=DAYS_AHEAD)
        counted = source.count_between(start, end)
        if counted is None:
            start = max(start, today - timedelta(days=MISSED_DAYS))
        elif counted == self._count_known(start, end):
            return
        tally = self.intake.backfill(start, end)
        if tally.changed:
            log.warning("sales found that polling had missed", count=tally.changed)
        result.missed = tally.changed
        result.tally.add(tally)

    def _first_day(self, today: date) -> date:
        programs = self.intake.rules.book.current.programs
        mine = (terms.start for terms in programs if terms.takes(self.intake.source.name))
        return min(min(mine, default=today), today)

    def _count_known(self, start: date, end: date) -> int:
        sale = tables.sale.c
        query = select(func.count()).where(
            sale.source == self.intake.source.name,
            sale.entity == self.intake.source.entity,
            sale.vanished_at.is_(None),
            sale.sale_date >= start,
            sale.sale_date < end,
        )
        with reading(self.intake.engine) as connection:
            return int(connection.execute(query).scalar_one())

    def _known_pages(self) -> Iterator[list[SaleKey]]:
        sale, last = tables.sale.c, 0
        while True:
            query = (
                select(sale.id, sale.source, sale.entity, sale.rowid)
                .where(
                    sale.source == self.intake.source.name,
                    sale.entity == self.intake.source.entity,
                    sale.vanished_at.is_(None),
                    sale.erased_at.is_(None),
                    sale.id > last,
                )
                .order_by(sale.id)
                .limit(PAGE)
            )
            with reading(self.intake.engine) as connection:
                rows = connection.execute(query).all()
            if not rows:
                return
            last = rows[-1].id
            yield [SaleKey(row.source, row.entity, row.rowid) for row in rows]

    def _retry_parked(self, result: Reconciliation) -> None:
        parked = self.intake.parked()
        if not parked:
            return
        found = self.intake.source.get([key.rowid for key in parked])
        for sale in found:
            result.tally.add(self.intake.take([sale]))
        present = {sale.key for sale in found}
        self.intake.forget_parked([key for key in parked if key not in present])

    def _reverse(self, gone: list[SaleKey], result: Reconciliation) -> None:
        if not gone:
            return
        self._refuse_mass(len(gone), result.compared)
        for start in range(0, len(gone), PAGE):
            batch = gone[start : start + PAGE]
            result.tally.add(
                write(
                    self.intake.engine,
                    lambda c, batch=batch: vanish(  # type: ignore[misc]
                        Transaction(c, self.intake.clock.now()), self.intake.rules, batch
                    ),
                )
            )
        result.vanished = len(gone)
        log.warning("sales vanished from the source", count=len(gone))

    def _refuse_restored(self, gone: list[SaleKey], newest: int) -> None:
        """Stop when the documents that are gone are the newest ones, and no others."""
        is_tail = all(key.rowid > newest for key in gone)
        if self.allow_mass_reversal or len(gone) < RESTORED_FROM or not is_tail or not newest:
            return
        name = self.intake.source.name
        message = (
            f"the {len(gone)} newest sales that the ledger knows are gone from '{name}', and no "
            "others: it looks like an older copy, restored from a backup; nothing was reversed"
        )
        raise RestoredSource(
            message, "if it was restored on purpose: dolisync reconcile --allow-mass-reversal"
        )

    def _refuse_mass(self, gone: int, known: int) -> None:
        limit = max(self.settings.max_vanished, int(self.settings.max_vanished_share * known))
        is_empty = gone == known and known > 1
        if self.allow_mass_reversal or (gone <= limit and not is_empty):
            return
        message = f"{gone} of {known} known sales are gone from '{self.intake.source.name}'"
        raise MassVanishing(
            f"{message}; nothing was reversed",
            "check that it is the right database; if they were deleted on purpose: "
            "dolisync reconcile --allow-mass-reversal",
        )
