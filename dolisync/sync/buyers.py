"""The customers beside the sales: what their cards say is read with the sale, and kept.

Only what the programs ask for is read, and remembered for a while: a customer of the morning may
come again, and a backfill meets the same ones on each page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from dolisync.model import Buyer, CustomerKey, Sale
from dolisync.ports import BuyerFact, BuyerQuestion, BuyerSource, Clock
from dolisync.program.campaign_terms import Birthday
from dolisync.program.terms import Program

# Long enough for the pages of a backfill, short enough for a tag given at the till.
REMEMBERED = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class CardFields:
    """The extra fields of a source's customer card that hold more facts, where there are any."""

    birthday: str | None = None
    opt_out: str | None = None


def buyer_question_of(programs: Iterable[Program], fields: CardFields) -> BuyerQuestion:
    """Return what these programs want to know of customers."""
    facts: set[BuyerFact] = set()
    with_birthday = False
    for program in programs:
        for selection in program.customer_selections:
            facts |= {fact for fact in BuyerFact if getattr(selection, _OPTIONS[fact])}
        birthdays = (campaign.birthday for campaign in program.campaign)
        with_birthday |= any(when is not Birthday.NONE for when in birthdays)
    birthday = fields.birthday if with_birthday else None
    return BuyerQuestion(frozenset(facts), birthday, fields.opt_out)


_OPTIONS = {
    BuyerFact.KIND: "types",
    BuyerFact.TAGS: "tags",
    BuyerFact.TOWN: "towns",
    BuyerFact.DEPARTMENT: "departments",
    BuyerFact.REGION: "regions",
    BuyerFact.COUNTRY: "countries",
}


@dataclass(slots=True)
class Buyers:
    """Put onto each sale what the card of its customer says."""

    source: BuyerSource
    clock: Clock
    question: BuyerQuestion
    _known: dict[int, Buyer | None] = field(default_factory=dict)
    _until: datetime | None = None

    def complete(self, sales: Sequence[Sale]) -> list[Sale]:
        """Return the sales with their buyers."""
        if self.question.is_empty:
            return list(sales)
        self._learn({sale.customer.rowid for sale in sales})
        return [sale.bought_by(self._known.get(sale.customer.rowid)) for sale in sales]

    def of(self, customer: CustomerKey) -> Buyer | None:
        """Return what a customer's card says, ``None`` where nothing is asked."""
        if self.question.is_empty:
            return None
        self._learn({customer.rowid})
        return self._known.get(customer.rowid)

    def _learn(self, customers: set[int]) -> None:
        now = self.clock.now()
        if self._until is None or now >= self._until:
            self._known.clear()
            self._until = now + REMEMBERED
        unknown = sorted(customers - self._known.keys())
        if unknown:
            found = self.source.buyers(unknown, self.question)
            self._known.update({rowid: found.get(rowid) for rowid in unknown})


def with_first_buyer(before: Sale, now: Sale, became: CustomerKey | None) -> Sale:
    """Let a sale keep what the card of its customer said when the sale was first read.

    Also where he was merged into another since (``became``); a sale given to another has a new
    buyer. Of a sale read before anybody asked, what the card says now is taken, but for opting out
    since.
    """
    if now.customer not in {before.customer, became}:
        return now
    later = None if now.buyer is None else replace(now.buyer, opted_out=False)
    return replace(now, buyer=before.buyer or later)
