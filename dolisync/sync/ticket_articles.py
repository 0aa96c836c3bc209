"""Articles of the catalogue that are rung up: free for who has the points, and may have them.

What is given is reserved in the ledger like any reward, so that stock, days, tiers and the number
for each member hold; the draft's own machinery puts it on the ticket and follows it there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from dolisync.model import Sale, SaleLine
from dolisync.ports import OpenTicket
from dolisync.program.terms import Program
from dolisync.sync.drafts import Drafts

# What was refused is not asked for again at each look; with other pieces or for another customer it
# is another question.
REST_AFTER_REFUSAL = timedelta(seconds=60)

Asked = tuple[int, int, Decimal]


@dataclass(slots=True)
class TicketArticles:
    """Gives what was rung up on the open tickets of one source."""

    drafts: Drafts
    programs: Mapping[str, Program]
    _refused: dict[Asked, datetime] = field(default_factory=dict)

    def offer(self, tickets: Sequence[OpenTicket]) -> int:
        """Give what can be given on these tickets; return how many lines."""
        source, now = self.drafts.source, self.drafts.clock.now()
        self._refused = {asked: until for asked, until in self._refused.items() if until > now}
        mine = [
            ticket
            for ticket in tickets
            if ticket.articles and ticket.customer.rowid not in source.pos_customers
        ]
        if not mine:
            return 0
        lines = {line for ticket in mine for line in ticket.articles}
        sales = self.drafts.reader.get([ticket.rowid for ticket in mine])
        rung_up = [(sale, line) for sale in sales for line in sale.lines if line.rowid in lines]
        return sum(self._give(sale, line, now) for sale, line in rung_up)

    def _give(self, sale: Sale, line: SaleLine, now: datetime) -> bool:
        asked = (line.rowid, sale.customer.rowid, line.quantity)
        if asked in self._refused:
            return False
        taking = (p for p in self.programs.values() if p.takes(sale.key.source))
        program = next((p for p in taking if line.product_ref in p.given_articles), None)
        if program is None or sale.customer.rowid in program.excluded_customers:
            return False
        if self.drafts.offer(program, sale, line):
            return True
        self._refused[asked] = now + REST_AFTER_REFUSAL
        return False
