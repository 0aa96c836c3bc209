"""Standing discounts: the percentage of each member's tier on the customer's card in Dolibarr.

It comes and goes with the tier. What staff set there themselves is left alone and told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

import structlog
from sqlalchemy import Engine

from dolisync.config import Source
from dolisync.ledger import outbox, standing_marks
from dolisync.ledger.engine import reading, write
from dolisync.ledger.tier_marks import Place
from dolisync.model import CustomerKey
from dolisync.ports import Clock, Pulse, StandingDoor, no_pulse
from dolisync.program.standing import StandingMark, Step, marked, step_of, wanted_percent
from dolisync.program.terms import Program
from dolisync.sync.tier_holders import Holders, place_of

log = structlog.get_logger()


@dataclass(slots=True)
class StandingDiscounts:
    """The standing discounts of one source. ``note`` is what Dolibarr's history says of them."""

    engine: Engine
    clock: Clock
    source: Source
    programs: Mapping[str, Program]
    door: StandingDoor
    pulse: Pulse = no_pulse
    _mine: list[Program] = field(init=False)
    _holders: Holders = field(init=False)
    _is_begun: bool = False

    def __post_init__(self) -> None:
        mine = self.programs.values()
        self._mine = [p for p in mine if p.tier and p.takes(self.source.name)]
        self._holders = Holders(self.engine, self.clock, self.source, self.pulse)

    def run_once(self) -> None:
        """Give all who have a tier its discount, once, when discounts are first wanted."""
        if not self._is_begun:
            giving = [program for program in self._mine if program.gives_standing_discounts]
            self._holders.begin("standing", giving, self.compare)
            self._is_begun = True

    def wish(self, customers: Collection[CustomerKey]) -> int:
        """Wish for the discounts of those of these cards that are to change; return how many."""
        targets = set()
        with reading(self.engine) as connection:
            marks = standing_marks.of(connection, customers)
            for program in self._mine:
                held = self._holders.held(connection, program, customers)
                for customer, tier in held.items():
                    mark = marks.get(place_of(program, customer), StandingMark())
                    wanted = wanted_percent(program, tier)
                    if wanted != mark.percent or mark.sending is not None:
                        targets.add(outbox.standing_target(customer))
        if targets:
            now = self.clock.now()
            write(self.engine, lambda c: outbox.wish(c, targets, now))
        return len(targets)

    def compare(self) -> int:
        """Wish for all cards whose discount is to be another; return how many."""
        return sum(self.wish(page) for page in self._holders.pages())

    def publish(self, customer: CustomerKey) -> None:
        """Write the discount of one card. Raises what the door raises."""
        shown = self.door.percent_of(customer.rowid)
        if shown is None:
            return
        for program in self._mine:
            place = place_of(program, customer)
            with reading(self.engine) as connection:
                mark = standing_marks.of(connection, [customer]).get(place, StandingMark())
                tier = self._holders.held_by(connection, program, customer)
            wanted = wanted_percent(program, tier)
            if wanted != mark.percent or mark.sending is not None:
                self._publish(program, place, mark, shown, wanted)

    def _publish(
        self, program: Program, place: Place, mark: StandingMark, shown: Decimal, wanted: Decimal
    ) -> None:
        step = step_of(mark, shown, wanted)
        if step is Step.WRITE:
            self._note(place, replace(mark, sending=wanted))
            if not self.door.set_percent(place.customer.rowid, shown, wanted, program.title):
                # Somebody set it in this very moment: the next look says what stands there.
                step = Step.LEAVE
        if step is Step.LEAVE:
            log.warning(
                "standing discount left as staff set it",
                program=program.name,
                customer=place.customer.rowid,
                shown=str(shown),
                wanted=str(wanted),
            )
        self._note(place, marked(mark, step, wanted))

    def _note(self, place: Place, mark: StandingMark) -> None:
        write(self.engine, lambda c: standing_marks.put(c, place, mark))
