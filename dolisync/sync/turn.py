"""A turn: one look at one source, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine, select

from dolisync.errors import UserError
from dolisync.ledger import chain, outbox, requests, tables
from dolisync.ledger.engine import reading, write
from dolisync.ledger.store import known_sale
from dolisync.model import SaleKey
from dolisync.ports import Clock, SaleSource
from dolisync.program.terms import Program
from dolisync.sync import expire, redeem, tiers
from dolisync.sync.bonuses import Bonuses
from dolisync.sync.code_lines import CodeLines
from dolisync.sync.intake import Intake, Progress
from dolisync.sync.judge import Showing, Tally
from dolisync.sync.publish import Publisher
from dolisync.sync.publish import Report as Published
from dolisync.sync.requests import Clerk
from dolisync.sync.standing import StandingDiscounts
from dolisync.sync.tier_tags import TierTags
from dolisync.sync.till_line import TillLine
from dolisync.sync.vouchers import Automatic

# Points also become available without a sale: by an adjustment, or with the days.
REWARDS_EVERY = timedelta(minutes=1)


@dataclass(slots=True)
class TurnReport:
    """What a turn did."""

    tally: Tally = field(default_factory=Tally)
    issued: int = 0
    requests: int = 0
    till_lines: int = 0
    codes: int = 0
    tiers_set: int = 0
    bonuses: int = 0
    published: Published = field(default_factory=Published)

    @property
    def is_quiet(self) -> bool:
        """Tell whether nothing happened."""
        moved = self.tally.changed or self.issued or self.published.moved
        return not (
            moved
            or self.requests
            or self.till_lines
            or self.codes
            or self.tiers_set
            or self.bonuses
            or self.published.failed
            or self.published.dead
        )


@dataclass(slots=True)
class Turn:
    """Everything that looks at one source: its doors, and the way back if there is one."""

    engine: Engine
    clock: Clock
    programs: Mapping[str, Program]
    showing: Mapping[str, Showing]
    intakes: Sequence[Intake]
    publisher: Publisher | None
    clerk: Clerk | None = None
    till_line: TillLine | None = None
    tags: TierTags | None = None
    vouchers: Automatic | None = None
    code_lines: CodeLines | None = None
    bonuses: Bonuses | None = None
    standing: StandingDiscounts | None = None
    # So long at most it writes what waits, where it has to look again soon; all of it otherwise.
    longest_publishing: timedelta | None = None
    _rewards_at: datetime | None = None

    @property
    def source(self) -> SaleSource:
        """The source, through its first door."""
        return self.intakes[0].source

    def run_once(self, progress: Progress | None = None) -> TurnReport:
        """Read what changed, obey staff, issue automatic rewards, publish."""
        report = TurnReport()
        for intake in self.intakes:
            report.tally.add(intake.run_once(progress))
        if self.clerk is not None:
            report.requests = self.clerk.run_once().answered
        if self.tags is not None:
            report.tiers_set = self.tags.run_once()
        if self.bonuses is not None:
            report.bonuses = self.bonuses.run_once()
        if self.standing is not None:
            self.standing.run_once()
        if self.till_line is not None:
            report.till_lines = self.till_line.run_once()
        if self.code_lines is not None:
            report.codes = self.code_lines.run_once()
        if self.publisher is not None:
            report.issued = self._issue(changed=report.tally.changed > 0)
            report.published = self.publisher.run_once(self.longest_publishing)
        return report

    def _issue(self, *, changed: bool) -> int:
        """Issue automatic rewards when sales moved points, else only now and then."""
        now = self.clock.now()
        recent = self._rewards_at is not None and now - self._rewards_at < REWARDS_EVERY
        if recent and not changed:
            return 0
        self._rewards_at = now
        mine = {self.source.name: self.showing[self.source.name]}
        issued = len(redeem.issue_automatic(self.engine, self.clock, self.programs, mine))
        return issued + (self.vouchers.issue() if self.vouchers else 0)

    def sweep(self) -> int:
        """Expire old lots, review tiers, anchor the day's chains, forget old rows of the outbox."""
        expired = expire.run_once(self.engine, self.clock, self.programs, self.showing)
        if self.vouchers is not None:
            self.vouchers.sweep()
        tiers.review(self.engine, self.clock, self.programs, self.showing)
        now = self.clock.now()
        write(self.engine, lambda connection: outbox.clean(connection, now))
        write(self.engine, lambda connection: requests.clean(connection, now))
        write(self.engine, lambda connection: chain.drop_anchor(connection, now.date(), now))
        return expired


# How many of the oldest known sales are looked at to recognise a source.
SAMPLE = 5


def recognise(engine: Engine, source: SaleSource) -> None:
    """Make sure that a source is still the one whose sales the ledger holds.

    Looks at some of the oldest known sales: the moment of their making never changes. Raises
    ``UserError`` when every one that is there was made at another time: this is another Dolibarr,
    and its rowids mean other sales.
    """
    known = _oldest_known(engine, source)
    found = source.get(sorted(key.rowid for key in known)) if known else ()
    if not found or any(sale.created_at == known[sale.key] for sale in found):
        return
    message = f"'{source.name}' is not the Dolibarr that this ledger knows by that name"
    raise UserError(
        message, "check url and database_url; a new Dolibarr needs a source name of its own"
    )


def _oldest_known(engine: Engine, source: SaleSource) -> dict[SaleKey, datetime]:
    sale = tables.sale.c
    query = (
        select(tables.sale)
        .where(
            sale.source == source.name,
            sale.entity == source.entity,
            sale.vanished_at.is_(None),
        )
        .order_by(sale.rowid)
        .limit(SAMPLE)
    )
    with reading(engine) as connection:
        sales = [known_sale(row).sale for row in connection.execute(query)]
    return {sale.key: sale.created_at for sale in sales if sale.created_at is not None}
