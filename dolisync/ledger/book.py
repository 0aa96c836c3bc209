"""A member's account while it is being written: lots, debt, balance, and the rows that change them.

Pure bookkeeping, no database: ``Journal`` hands out ids and collects rows, ``Book`` moves points.
Every movement is a posting. Its points are its own lot's, or the sum of its allocations to other
lots and to debt; so the balance is at all times the sum of the lots less the debt.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from dolisync.errors import LedgerError, UserError
from dolisync.ledger.chain import GENESIS, link, new_salt, seal
from dolisync.program.terms import Shortfall

Row = dict[str, Any]


class Kind:
    """The kinds of postings."""

    EARN = "earn"
    REVERSAL = "reversal"
    REDEEM = "redeem"
    RETURN = "return"
    EXPIRE = "expire"
    ADJUST = "adjust"
    TRANSFER = "transfer"
    OPENING = "opening"


# What a sale holds is the sum of these; redemptions and adjustments are not the sale's.
SALE_KINDS = (Kind.EARN, Kind.REVERSAL)
# What payments with points on a sale cost, and what came back of that.
PAYING_KINDS = (Kind.REDEEM, Kind.RETURN)


class NotEnoughPoints(UserError):  # noqa: N818
    """Say that a redemption asks for more points than are available."""


@dataclass(slots=True)
class Lot:
    """Points earned together. ``lapsed`` is how many of them the sweep has expired."""

    id: int
    sale_id: int | None
    points: int
    remaining: int
    available_from: date
    expires_on: date | None
    lapsed: int = 0
    # The last day that no activity of the member puts off.
    fixed_until: date | None = None
    is_new: bool = False

    def is_usable(self, day: date) -> bool:
        """Tell whether its points can be spent on this day of the shop."""
        return self.available_from <= day and (self.expires_on is None or day <= self.expires_on)

    def is_past(self, day: date) -> bool:
        """Tell whether its last day of use lies before this day."""
        return self.expires_on is not None and self.expires_on < day

    @property
    def spending_order(self) -> tuple[date, date, int]:
        """Soonest expiry first, then oldest."""
        return (self.expires_on or date.max, self.available_from, self.id)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a posting says besides its points."""

    key: str
    kind: str
    occurred_on: date
    recorded_at: datetime
    reason: str
    sale_id: int | None = None
    redemption_id: int | None = None
    rule_set_id: int | None = None
    batch_id: int | None = None


@dataclass(slots=True)
class Journal:
    """Hand out ids and collect the rows of one transaction."""

    next_posting: int
    next_lot: int
    next_allocation: int
    postings: list[Row] = field(default_factory=list)
    lots: list[Lot] = field(default_factory=list)
    lot_rows: list[Row] = field(default_factory=list)
    allocations: list[Row] = field(default_factory=list)
    touched_lots: dict[int, Lot] = field(default_factory=dict)

    def post(self, book: Book, entry: Entry, points: int) -> int:
        """Write a posting and move the balance; return its id."""
        book.sequence += 1
        book.balance += points
        posting_id = self.next_posting
        self.next_posting += 1
        row = {
            "id": posting_id,
            "key": entry.key,
            "member_id": book.member_id,
            "sequence": book.sequence,
            "kind": entry.kind,
            "points": points,
            "balance_after": book.balance,
            "sale_id": entry.sale_id,
            "redemption_id": entry.redemption_id,
            "rule_set_id": entry.rule_set_id,
            "occurred_on": entry.occurred_on,
            "recorded_at": entry.recorded_at,
            "reason": entry.reason[:255],
            "batch_id": entry.batch_id,
            "seal": None,
        }
        row["hash"] = book.head = link(book.head, row, seal(book.salt, row))
        self.postings.append(row)
        return posting_id

    def open_lot(
        self, book: Book, posting_id: int, entry: Entry, points: int, expires_on: date | None
    ) -> Lot:
        """Open a lot for a posting."""
        lot = Lot(
            self.next_lot, entry.sale_id, points, points, entry.occurred_on, expires_on, is_new=True
        )
        lot.fixed_until = expires_on
        self.next_lot += 1
        book.lots.append(lot)
        self.lots.append(lot)
        self.lot_rows.append({"posting_id": posting_id, "member_id": book.member_id})
        return lot

    def allocate(self, book: Book, posting_id: int, lot: Lot | None, points: int) -> None:
        """Move points of a lot (or of the debt, without a lot) in the name of a posting."""
        if lot is None:
            book.debt -= points
        else:
            lot.remaining += points
            self.touched_lots[lot.id] = lot
            if not 0 <= lot.remaining <= lot.points:
                message = f"lot {lot.id} would hold {lot.remaining} of {lot.points} points"
                raise LedgerError(message)
        self.allocations.append(
            {
                "id": self.next_allocation,
                "posting_id": posting_id,
                "member_id": book.member_id,
                "lot_id": lot.id if lot else None,
                "points": points,
            }
        )
        self.next_allocation += 1


@dataclass(slots=True)
class Book:
    """One member's account."""

    member_id: int
    program: str
    sequence: int
    balance: int
    debt: int
    head: str = GENESIS
    salt: str | None = field(default_factory=new_salt)
    lots: list[Lot] = field(default_factory=list)
    is_new: bool = False

    def lots_of(self, ids: Collection[int]) -> list[Lot]:
        """Return the loaded lots with these ids, in their order."""
        wanted = set(ids)
        return [lot for lot in self.lots if lot.id in wanted]

    def available(self, day: date) -> int:
        """Return what can be spent on this day: usable lots less debt, never below zero."""
        usable = sum(lot.remaining for lot in self.lots if lot.is_usable(day))
        return max(usable - self.debt, 0)

    def earn(
        self,
        journal: Journal,
        entry: Entry,
        units: int,
        expires_on: date | None,
        usable_from: date | None = None,
    ) -> None:
        """Open a lot with ``units`` and settle debt from it first."""
        posting_id = journal.post(self, entry, units)
        lot = journal.open_lot(self, posting_id, entry, units, expires_on)
        lot.available_from = usable_from or lot.available_from
        self._settle(journal, posting_id, lot, units)

    def _settle(self, journal: Journal, posting_id: int, lot: Lot, units: int) -> None:
        """Settle debt with points that have just come into a lot."""
        settled = min(self.debt, units)
        if settled:
            journal.allocate(self, posting_id, lot, -settled)
            journal.allocate(self, posting_id, None, settled)

    def take_back(
        self,
        journal: Journal,
        entry: Entry,
        units: int,
        own_sales: Iterable[int],
        shortfall: Shortfall,
        today: date,
    ) -> None:
        """Take ``units`` back: from the sale's own lots, from other usable ones, then as debt.

        Points of the own lots that have expired meanwhile are gone already: their expiry is undone
        first, so that they do not count twice. With ``clamp`` the missing rest is forgiven.
        """
        sales = set(own_sales)
        own = [lot for lot in self.lots if lot.sale_id in sales]
        self.take_lots_back(journal, entry, units, own, shortfall, today)

    def take_lots_back(
        self,
        journal: Journal,
        entry: Entry,
        units: int,
        own: Sequence[Lot],
        shortfall: Shortfall,
        today: date,
        settled: int = 0,
    ) -> int:
        """Take ``units`` back as ``take_back`` does, from these lots first.

        ``settled`` of them had settled debt when they came: that is debt again, whatever the
        shortfall says. Returns how many others were in no usable lot: they are debt now, or
        forgiven.
        """
        rest = units - settled
        missing = rest - sum(lot.remaining for lot in own)
        self._revive(journal, entry, own, missing)
        posting_id = journal.post(self, entry, -units)
        if settled:
            journal.allocate(self, posting_id, None, -settled)
        others = self._others(own, today)
        rest = self._draw(journal, posting_id, [*reversed(own), *others], rest)
        if rest:
            journal.allocate(self, posting_id, None, -rest)
            if shortfall is Shortfall.CLAMP:
                self.forgive(journal, entry, rest)
        return rest

    def _revive(self, journal: Journal, entry: Entry, lots: Sequence[Lot], missing: int) -> None:
        for lot in lots:
            revived = min(lot.lapsed, max(missing, 0))
            if revived:
                undo = _derived(entry, f"lapsed{lot.id}", Kind.EXPIRE, "expiry undone: taken back")
                journal.allocate(self, journal.post(self, undo, revived), lot, revived)
                lot.lapsed -= revived
                missing -= revived

    def forgive(self, journal: Journal, entry: Entry, units: int) -> None:
        """Forgive debt: what was to be taken back is spent already."""
        forgiven = _derived(
            entry, "forgiven", Kind.ADJUST, "forgiven: the points were already spent"
        )
        journal.allocate(self, journal.post(self, forgiven, units), None, units)

    def unforgive(self, journal: Journal, entry: Entry, units: int) -> None:
        """Take a forgiveness back, because what it forgave did not happen after all.

        The debt that it leaves is settled by what is given back right after.
        """
        again = _derived(entry, "unforgiven", Kind.ADJUST, "no longer forgiven: given back")
        journal.allocate(self, journal.post(self, again, -units), None, -units)

    def restore(
        self,
        journal: Journal,
        entry: Entry,
        units: int,
        taken: Sequence[tuple[int, int]],
        expires_on: date | None,
    ) -> None:
        """Undo a taking back that did not happen after all: settle debt, then refill the lots.

        ``taken`` are pairs of lot id and points, the last one taken first. What fits in none of
        them (the debt it left was settled by later points) opens a lot.
        """
        posting_id = journal.post(self, entry, units)
        rest = units - min(self.debt, units)
        if rest < units:
            journal.allocate(self, posting_id, None, units - rest)
        lots = {lot.id: lot for lot in self.lots}
        for lot_id, points in taken:
            back = min(points, rest)
            if back:
                journal.allocate(self, posting_id, lots[lot_id], back)
                rest -= back
        if rest:
            journal.open_lot(self, posting_id, entry, rest, expires_on)

    def redeem(self, journal: Journal, entry: Entry, units: int, today: date) -> None:
        """Spend available points, soonest expiry first. Raises ``NotEnoughPoints``."""
        if units > self.available(today):
            message = f"{units} asked for, {self.available(today)} available"
            raise NotEnoughPoints(message)
        self.spend(journal, entry, units, today)

    def spend(self, journal: Journal, entry: Entry, units: int, today: date) -> None:
        """Spend points, soonest expiry first; those that are not there become debt."""
        self._spend(journal, journal.post(self, entry, -units), units, today)

    def hand_over(
        self, journal: Journal, entry: Entry, units: int, today: date
    ) -> list[tuple[Lot, int]]:
        """Take available points away, soonest expiry first; return from which lots how many.

        Raises ``NotEnoughPoints``.
        """
        before = {lot.id: lot.remaining for lot in self.lots}
        self.redeem(journal, entry, units, today)
        taken = ((lot, before[lot.id] - lot.remaining) for lot in self._in_spending_order())
        return [(lot, points) for lot, points in taken if points]

    def _in_spending_order(self) -> list[Lot]:
        return sorted(self.lots, key=lambda lot: lot.spending_order)

    def adjust(
        self, journal: Journal, entry: Entry, units: int, expires_on: date | None, today: date
    ) -> None:
        """Add points in a lot of their own, or take available ones away; the rest becomes debt."""
        if units > 0:
            self.earn(journal, entry, units, expires_on)
        else:
            self._spend(journal, journal.post(self, entry, units), -units, today)

    def give_back(
        self,
        journal: Journal,
        entry: Entry,
        taken: Sequence[tuple[int, int]],
        usable_until: date | None = None,
        homeless: int = 0,
        homeless_until: date | None = None,
    ) -> None:
        """Put redeemed points back on the lots they came from, and settle debt from there.

        ``taken`` are pairs of lot id and points. With ``usable_until``, what comes from lots past
        their last day goes into a lot of its own that ends then. So do ``homeless`` points, which
        were last taken as debt and not from a lot; alone, they end on ``homeless_until``.
        """
        lots = {lot.id: lot for lot in self.lots}
        posting_id = journal.post(self, entry, sum(points for _, points in taken) + homeless)
        late = homeless
        for lot_id, points in taken:
            if usable_until is not None and lots[lot_id].is_past(entry.occurred_on):
                late += points
                continue
            journal.allocate(self, posting_id, lots[lot_id], points)
            self._settle(journal, posting_id, lots[lot_id], points)
        if late:
            until = usable_until if usable_until is not None else homeless_until
            fresh = journal.open_lot(self, posting_id, entry, late, until)
            self._settle(journal, posting_id, fresh, late)

    def spend_again(
        self,
        journal: Journal,
        entry: Entry,
        units: int,
        given_back: Sequence[int],
        shortfall: Shortfall,
        today: date,
    ) -> None:
        """Take points again that had come back: from these lots, other usable ones, then as debt.

        With ``clamp`` the missing rest is forgiven.
        """
        posting_id = journal.post(self, entry, -units)
        own = [lot for lot in self.lots if lot.id in given_back]
        rest = self._draw(journal, posting_id, [*own, *self._others(own, today)], units)
        if rest:
            journal.allocate(self, posting_id, None, -rest)
            if shortfall is Shortfall.CLAMP:
                self.forgive(journal, entry, rest)

    def _others(self, own: Sequence[Lot], today: date) -> list[Lot]:
        """Return the usable lots besides these, in the order in which they are spent."""
        usable = (lot for lot in self.lots if lot not in own and lot.is_usable(today))
        return sorted(usable, key=lambda lot: lot.spending_order)

    def unforgive_returned(
        self, journal: Journal, entry: Entry, lots: Sequence[Lot], units: int
    ) -> None:
        """Take a forgiveness back with points that came back to lots: they were not spent.

        The first lot is the one that they had come from. The lots must hold them.
        """
        mark = f"unforgiven{lots[0].id}:{entry.sale_id}"
        again = _derived(entry, mark, Kind.ADJUST, "no longer forgiven: unspent")
        self._draw(journal, journal.post(self, again, -units), lots, units)

    def settle_debt(self, journal: Journal, entry: Entry, today: date) -> None:
        """Settle debt with usable points that came another way: a movement of nothing."""
        usable = self._others((), today)
        units = min(self.debt, sum(lot.remaining for lot in usable))
        if units > 0:
            posting_id = journal.post(self, entry, 0)
            self._draw(journal, posting_id, usable, units)
            journal.allocate(self, posting_id, None, units)

    def expire(self, journal: Journal, entry: Entry, lot: Lot) -> None:
        """Write off what is left of a lot that is past its last day."""
        posting_id = journal.post(self, entry, -lot.remaining)
        lot.lapsed += lot.remaining
        journal.allocate(self, posting_id, lot, -lot.remaining)

    def write_off(self, journal: Journal, entry: Entry) -> None:
        """End the account: all lots are emptied and the debt is waived, by one posting."""
        posting_id = journal.post(self, entry, -self.balance)
        for lot in self.lots:
            if lot.remaining:
                journal.allocate(self, posting_id, lot, -lot.remaining)
        if self.debt:
            journal.allocate(self, posting_id, None, self.debt)

    def draw_from_others(self, journal: Journal, posting_id: int, units: int, today: date) -> int:
        """Take points from usable lots, then as debt; return how much of it is debt."""
        rest = self._draw(journal, posting_id, self._others((), today), units)
        if rest:
            journal.allocate(self, posting_id, None, -rest)
        return rest

    def _spend(self, journal: Journal, posting_id: int, units: int, today: date) -> None:
        self.draw_from_others(journal, posting_id, units, today)

    def _draw(self, journal: Journal, posting_id: int, lots: Iterable[Lot], units: int) -> int:
        for lot in lots:
            drawn = min(lot.remaining, units)
            if drawn:
                journal.allocate(self, posting_id, lot, -drawn)
                units -= drawn
        return units


def _derived(entry: Entry, suffix: str, kind: str, reason: str) -> Entry:
    return Entry(
        f"{entry.key}:{suffix}",
        kind,
        entry.occurred_on,
        entry.recorded_at,
        reason,
        entry.sale_id,
        entry.redemption_id,
        entry.rule_set_id,
        entry.batch_id,
    )
