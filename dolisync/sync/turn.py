"""A turn: one look at one source, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Engine, select

from dolisync.errors import StopRequested, UserError
from dolisync.ledger import chain, outbox, requests, tables
from dolisync.ledger.engine import reading, write
from dolisync.ledger.store import known_sale
from dolisync.model import SaleKey
from dolisync.ports import Clock, SaleSource
from dolisync.program.terms import Program
from dolisync.sync import expire, redeem, tiers
from dolisync.sync.bonuses import Bonuses
from dolisync.sync.code_lines import CodeLines
from dolisync.sync.events import Events
from dolisync.sync.intake import Intake, Progress
from dolisync.sync.judge import Showing, Tally
from dolisync.sync.publish import Publisher
from dolisync.sync.publish import Report as Published
from dolisync.sync.recommend import Recommendations
from dolisync.sync.requests import Clerk
from dolisync.sync.standing import StandingDiscounts
from dolisync.sync.ticket_wishes import TicketWishes
from dolisync.sync.tier_tags import TierTags
from dolisync.sync.till_line import TillLine
from dolisync.sync.vouchers import Automatic

log = structlog.get_logger()

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
    events: Events | None = None
    wishes: TicketWishes | None = None
    recommendations: Recommendations | None = None
    # So long at most it writes what waits, where it has to look again soon; all of it otherwise.
    longest_publishing: timedelta | None = None
    _rewards_at: datetime | None = None
    _failing: frozenset[str] = frozenset()

    @property
    def source(self) -> SaleSource:
        """The source, through its first door."""
        return self.intakes[0].source

    def run_once(self, progress: Progress | None = None) -> TurnReport:
        """Read what changed, obey staff, issue automatic rewards, publish.

        What fails does not keep the parts after it from their work; the first error is raised when
        all have had their turn.
        """
        report = TurnReport()
        for intake in self.intakes:
            report.tally.add(intake.run_once(progress))
        errors: dict[str, Exception] = {}
        for name, part in self._parts(report).items():
            try:
                part()
            except StopRequested:
                raise
            except Exception as error:
                errors[name] = error
        self._tell(errors)
        for first in errors.values():
            raise first
        return report

    def _parts(self, report: TurnReport) -> dict[str, Callable[[], None]]:
        """Return what follows from a look, in its order; each notes what it did."""
        return {
            "requests": lambda: self._serve(report),
            "tags": lambda: self._follow_tags(report),
            "bonuses": lambda: self._give_bonuses(report),
            "recommendations": self._follow_recommendations,
            "standing discounts": self._keep_standing,
            "wishes on tickets": lambda: self._obey_tickets(report),
            "open tickets": lambda: self._show_on_tickets(report),
            "codes": lambda: self._take_codes(report),
            "publishing": lambda: self._publish(report),
            "events": self._note_events,
        }

    def _tell(self, errors: Mapping[str, Exception]) -> None:
        """Log each part that begins to fail; the first of all is told by whoever runs the turn."""
        for name in list(errors)[1:]:
            if name not in self._failing:
                log.error("part of a turn failed", part=name, reason=repr(errors[name]))
        self._failing = frozenset(errors)

    def _serve(self, report: TurnReport) -> None:
        if self.clerk is not None:
            report.requests = self.clerk.run_once().answered

    def _follow_tags(self, report: TurnReport) -> None:
        if self.tags is not None:
            report.tiers_set = self.tags.run_once()

    def _give_bonuses(self, report: TurnReport) -> None:
        if self.bonuses is not None:
            report.bonuses = self.bonuses.run_once()

    def _follow_recommendations(self) -> None:
        if self.recommendations is not None:
            self.recommendations.run_once()

    def _keep_standing(self) -> None:
        if self.standing is not None:
            self.standing.run_once()

    def _show_on_tickets(self, report: TurnReport) -> None:
        if self.till_line is not None:
            report.till_lines = self.till_line.run_once()

    def _obey_tickets(self, report: TurnReport) -> None:
        if self.wishes is not None:
            report.requests += self.wishes.run_once()

    def _take_codes(self, report: TurnReport) -> None:
        if self.code_lines is not None:
            report.codes = self.code_lines.run_once()

    def _publish(self, report: TurnReport) -> None:
        if self.publisher is not None:
            report.issued = self._issue(changed=report.tally.changed > 0)
            report.published = self.publisher.run_once(self.longest_publishing)

    def _note_events(self) -> None:
        if self.events is not None:
            self.events.run_once()

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
