"""Open tickets: what the customer has, on a line of text, and products given for points.

Looked at in each turn. What should stand on a ticket is computed from what is there and what the
ledger says, and only a difference is written: a lost answer, a crash or two daemons heal at the
next look. Whatever fails here stops nothing else, and no till waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from sqlalchemy import Engine

from dolisync.config import Source
from dolisync.display import till_text
from dolisync.errors import RefusedError, TransientError
from dolisync.ledger.engine import reading
from dolisync.ledger.views import MemberView, member_views
from dolisync.model import CustomerKey
from dolisync.phrases import number, phrase, points_text
from dolisync.ports import Clock, OpenTicket, Till
from dolisync.program.reward_products import Offer, Wanted, marked, offers, text_has_price
from dolisync.program.terms import Program
from dolisync.sync.ticket_articles import TicketArticles
from dolisync.sync.tiers import with_standing

log = structlog.get_logger()

# A ticket whose goods were all taken off goes on with the next one: only then is it let go.
EMPTY_FOR = timedelta(seconds=10)
# While Dolibarr does not answer, tills are left alone for so long, then twice as long, up to this.
REST_AFTER_FAILURE = timedelta(seconds=2)
LONGEST_REST = timedelta(seconds=60)
# A ticket that refused is not asked again at each look.
REST_AFTER_REFUSAL = timedelta(seconds=60)
CHANGES_AT_ONCE = 25
ZERO = Decimal(0)

Change = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Seen:
    """The accounts of the customers of open tickets, program by program.

    ``available`` is what each of them has left for products; what a ticket takes is not there for
    the next one of the same customer.
    """

    views: Mapping[CustomerKey, Sequence[tuple[Program, MemberView]]]
    available: dict[CustomerKey, Decimal]

    def text(self, customer: CustomerKey, source: Source, now: datetime) -> str:
        """Say what a customer has, of all programs in one line, less what tickets take of it."""
        parts = (
            till_text(
                program,
                self._with_what_is_left(program, view),
                source,
                now.astimezone(program.zone).date(),
            )
            for program, view in self.views.get(customer, ())
        )
        return " / ".join(parts)

    def _with_what_is_left(self, program: Program, view: MemberView) -> MemberView:
        if program.redeem.product_field is None:
            return view
        return replace(view, available=program.units(self.available[view.customer]))


@dataclass(slots=True)
class TillLine:
    """Keeps one line of text on each open ticket whose customer is known."""

    engine: Engine
    clock: Clock
    source: Source
    programs: Mapping[str, Program]
    till: Till
    articles: TicketArticles | None = None
    _failures: int = 0
    _resting_until: datetime | None = None
    _refused: dict[int, datetime] = field(default_factory=dict)

    def run_once(self) -> int:
        """Bring the lines on all open tickets up to date; return how many were changed."""
        now = self.clock.now()
        if self._resting_until is not None and now < self._resting_until:
            return 0
        self._refused = {k: until for k, until in self._refused.items() if until > now}
        try:
            done = self._look(now)
        except TransientError as error:
            self._rest(error)
            return 0
        self._failures = 0
        return done

    def _rest(self, error: TransientError) -> None:
        """Leave the tills alone for a while; asking took its time already."""
        rest = min(REST_AFTER_FAILURE * 2**self._failures, LONGEST_REST)
        self._failures = min(self._failures + 1, 10)
        self._resting_until = self.clock.now() + rest
        log.warning("no line on open tickets", source=self.source.name, reason=str(error))

    def _look(self, now: datetime) -> int:
        tickets = [t for t in self.till.open_tickets() if t.rowid not in self._refused]
        done = self.articles.offer(tickets) if self.articles is not None else 0
        seen = self._seen(tickets, now)
        for ticket in tickets:
            reductions = list(self._reductions(ticket, seen))
            text = seen.text(ticket.customer, self.source, now) if self.source.till_line else ""
            done += self._make(ticket, [*self._changes(ticket, text, now), *reductions])
            if done >= CHANGES_AT_ONCE:
                break
        return done

    def _seen(self, tickets: Sequence[OpenTicket], now: datetime) -> Seen:
        """Look at the accounts of the customers of these tickets."""
        customers = sorted({ticket.customer for ticket in tickets if self._is_known(ticket)})
        views: dict[CustomerKey, list[tuple[Program, MemberView]]] = {c: [] for c in customers}
        available: dict[CustomerKey, Decimal] = {}
        if not customers:
            return Seen({}, available)
        with reading(self.engine) as connection:
            for program in self.programs.values():
                if not program.takes(self.source.name):
                    continue
                today = now.astimezone(program.zone).date()
                found = member_views(connection, program.name, customers, today)
                for customer, view in with_standing(connection, program, found, today).items():
                    if customer.rowid in program.excluded_customers:
                        continue
                    views[customer].append((program, view))
                    if program.redeem.product_field is not None:
                        available[customer] = program.points_of(view.available)
        return Seen(views, available)

    def _reductions(self, ticket: OpenTicket, seen: Seen) -> Iterator[Change]:
        """Yield what makes reward products on a ticket as cheap as its customer's points allow.

        What one ticket takes is not there for the next one of the same customer.
        """
        # What the catalogue gives is given by it: its price in points counts.
        priced = [line for line in ticket.rewards if line.ref not in self._given]
        wanted = [Wanted(line.price, line.quantity) for line in priced]
        available = seen.available.get(ticket.customer)
        given = offers(wanted, available or ZERO, self._step())
        for line, cost, offer in zip(priced, wanted, given, strict=True):
            told = "" if available is None else self._told(cost, offer)
            text = marked(line.text, told, line.price if offer.points else None)
            # A discount of the shop's own stays, where nothing is given for points.
            was_given = text_has_price(line.text)
            percent = offer.percent if offer.points or was_given else line.percent
            if text != line.text or percent != line.percent:
                yield self._reduction(ticket.rowid, line.rowid, percent, text)
        if available is not None:
            seen.available[ticket.customer] = available - sum(one.points for one in given)

    @property
    def _given(self) -> set[str]:
        if self.articles is None:
            return set()
        return {ref for program in self._mine for ref in program.given_articles}

    @property
    def _mine(self) -> list[Program]:
        return [program for program in self.programs.values() if program.takes(self.source.name)]

    def _step(self) -> Decimal:
        """Return the least number of points of the program that gives products."""
        giving = [p for p in self.programs.values() if p.redeem.product_field is not None]
        return Decimal(1) / giving[0].scale if giving else Decimal(1)

    def _told(self, cost: Wanted, offer: Offer) -> str:
        language = self.source.language
        price = points_text(language, cost.points)
        if offer.points == cost.points:
            return price
        points = number(language, offer.points)
        return phrase(language, "reward_part", points=points, price=price)

    def _reduction(self, ticket: int, line: int, percent: Decimal, text: str) -> Change:
        return lambda: self.till.reduce(ticket, line, percent, text)

    def _is_known(self, ticket: OpenTicket) -> bool:
        return ticket.has_goods and ticket.customer.rowid not in self.source.pos_customers

    def _changes(self, ticket: OpenTicket, text: str, now: datetime) -> Iterator[Change]:
        """Yield what makes a ticket show this text once, or none where it is empty."""
        if not ticket.has_goods:
            yield from self._emptied(ticket, now)
            return
        if not ticket.notes:
            if text:
                yield lambda: self.till.write_note(ticket.rowid, text)
            return
        first, *others = ticket.notes
        if not text:
            yield self._removal(ticket, first.rowid)
        elif first.text != text:
            yield lambda: self.till.change_note(ticket.rowid, first.rowid, text)
        yield from (self._removal(ticket, note.rowid) for note in others)

    def _emptied(self, ticket: OpenTicket, now: datetime) -> Iterator[Change]:
        """Let a ticket go on which nothing is left but our line.

        The till throws a ticket away with its last line. Ours kept it alive, with its customer: he
        must not be the next one's.
        """
        if now - ticket.changed_at < EMPTY_FOR:
            return
        yield from (self._removal(ticket, note.rowid) for note in ticket.notes)
        anonymous = sorted(self.source.pos_customers)
        if anonymous and ticket.customer.rowid not in anonymous:
            yield lambda: self.till.release(ticket.rowid, anonymous[0])

    def _removal(self, ticket: OpenTicket, note: int) -> Change:
        return lambda: self.till.remove_note(ticket.rowid, note)

    def _make(self, ticket: OpenTicket, changes: Sequence[Change]) -> int:
        for done, change in enumerate(changes):
            try:
                change()
            except RefusedError as error:
                # Paid in this very moment, mostly: then it is gone at the next look.
                self._refused[ticket.rowid] = self.clock.now() + REST_AFTER_REFUSAL
                log.info("an open ticket took no line", ticket=ticket.rowid, reason=str(error))
                return done
            except TransientError:
                # Where only this one fails, the others go on after the rest.
                self._refused[ticket.rowid] = self.clock.now() + REST_AFTER_REFUSAL
                raise
        return len(changes)
