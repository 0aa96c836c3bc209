"""Deliveries: goods that were ordered earn once they are with the customer, where programs say so.

A delivery leaves no trace on the invoice: orders and shipments are followed by their own changes,
and the documents that they belong to are read again. What was delivered when its document was first
read earns on the document's day; what is delivered later, on the day when that was seen, unless the
source tells the day itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from dolisync.model import Delivery, Sale, SaleKind
from dolisync.ports import Clock, DeliverySource, HandOver
from dolisync.program.terms import Moment, Program
from dolisync.sync.remembered import Remembered

# No customer waits for it, and what tells it has no index in the source.
LOOK_EVERY = timedelta(seconds=30)

_KINDS = {SaleKind.STANDARD, SaleKind.REPLACEMENT}


def are_followed(programs: Iterable[Program], source: str) -> bool:
    """Tell whether any of these programs waits for deliveries of a source."""
    mine = (program for program in programs if program.takes(source))
    return any(program.earn.moment is Moment.DELIVERED for program in mine)


@dataclass(slots=True)
class Deliveries:
    """Put onto each sale what became of its goods, and find those of which that changed."""

    source: DeliverySource
    clock: Clock
    _known: Remembered[Delivery] = field(init=False)
    _seen: frozenset[HandOver] = frozenset()
    _looked_at: datetime | None = None

    def __post_init__(self) -> None:
        self._known = Remembered(self.clock)

    def complete(self, sales: Sequence[Sale]) -> list[Sale]:
        """Return the sales with their deliveries."""
        asked = [sale for sale in sales if _may_be_ordered(sale)]
        found = self._known.ask(asked, self._ask)
        return [
            replace(sale, delivery=found[sale.key.rowid]) if sale.key.rowid in found else sale
            for sale in sales
        ]

    def _ask(self, sales: Sequence[Sale]) -> Mapping[int, Delivery]:
        return self.source.deliveries([sale.key.rowid for sale in sales])

    def is_due(self) -> bool:
        """Tell whether it is time to look again."""
        now = self.clock.now()
        return self._looked_at is None or not 0 <= (now - self._looked_at) / LOOK_EVERY < 1

    def moved(self, since: datetime) -> frozenset[HandOver]:
        """Return the orders and shipments that changed since, as they are now."""
        return self.source.moved_deliveries(since)

    def documents(self, moved: frozenset[HandOver]) -> list[int]:
        """Return the documents (rowids) of those of them that were not seen so before."""
        fresh = moved - self._seen
        documents = sorted(self.source.documents_of(fresh)) if fresh else []
        self._known.forget(documents)
        return documents

    def note(self, moved: frozenset[HandOver]) -> None:
        """Take note of what was seen, now that it is booked."""
        self._seen, self._looked_at = moved, self.clock.now()


def _may_be_ordered(sale: Sale) -> bool:
    """Tell whether a document may have an order; a till hands its goods over at once."""
    return sale.kind in _KINDS and not sale.is_pos


def with_first_delivery(before: Sale, now: Sale, at: datetime) -> Sale:
    """Let a sale keep since when it is delivered, as that was first seen.

    What was seen waiting, and is delivered now, is so since ``at``, unless the source says when.
    """
    then, found = before.delivery, now.delivery
    if then is None or found is None or not found.is_done:
        return now
    if then.is_done:
        return replace(now, delivery=then)
    return replace(now, delivery=Delivery(is_done=True, done_at=found.done_at or at))
