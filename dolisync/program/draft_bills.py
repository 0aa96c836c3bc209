"""A draft as a bill on which points are spent: what can be taken off it, and at which VAT rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from dolisync.model import Sale
from dolisync.program.draft_shares import Share, bought_by_rate, rooms, shared
from dolisync.program.gift_cards import is_sold
from dolisync.program.spending import Bill, by_points, is_reduced, percent_of
from dolisync.program.spent import tokens_in
from dolisync.program.surroundings import Surroundings

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class DraftBill:
    """A draft without some lines of ours: the bill, and the room there is at each rate."""

    bill: Bill
    room: Mapping[Decimal, Decimal]

    def shares(self, amount: Decimal) -> tuple[Share, ...]:
        """Share an amount over the rates; nothing where it is nothing."""
        return shared(amount, self.room) if amount > 0 else ()

    def percent_shares(self, percent: Decimal, at_most: Decimal | None) -> tuple[Share, ...]:
        """Share a percentage of the goods over the rates."""
        return self.shares(percent_of(percent, at_most, self.bill))


def bill_of(around: Surroundings, sale: Sale, without: str | None = None) -> DraftBill:
    """Read a draft as a bill, as if the lines of one token did not stand there."""
    kept = [line for line in sale.lines if without is None or without not in line.text]
    # Points buy no gift cards: that would be money with no last day.
    bought = [line for line in kept if not is_sold(line)]
    goods = (line for line in bought if line.discount is None and not tokens_in(around, line.text))
    by_rate = bought_by_rate(goods).values()
    room = rooms(bought)
    bill = Bill(
        sum((line.total_incl for line in kept), ZERO),
        sum(room.values(), ZERO),
        any(is_reduced(around, line) for line in kept),
        by_points(around, kept),
        sum((max(sums.incl, ZERO) for sums in by_rate), ZERO),
    )
    return DraftBill(bill, room)
