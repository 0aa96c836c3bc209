"""The course of a member: what his sales came to, in the order of their days and rowids.

Rules that look back (caps, tiers, the first purchase) ask it. A sale counts there with what is left
of it after its returns, on its own day: so a return lowers what the sales after the returned one
looked back on. Days are ordinal numbers (``date.toordinal``), which the ledger can compare and sum.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from dolisync.program.calendar import add_months


class Counted(NamedTuple):
    """What sales count: how many they are, ledger units, and cents spent including tax."""

    sales: int = 0
    units: int = 0
    spent_minor: int = 0


NOTHING = Counted()


@dataclass(slots=True)
class Course:
    """A member's sales so far. ``tier`` is the one held after the last of them.

    ``totals`` holds, for each of the ``days`` on which sales are known one by one, what all sales
    before that sale came to; ``total`` is the sum of all.
    """

    total: Counted = NOTHING
    first_day: int | None = None
    last_day: int | None = None
    tier: str = ""
    days: list[int] = field(default_factory=list)
    totals: list[Counted] = field(default_factory=list)

    def add(self, day: int, counted: Counted) -> None:
        """Add a sale after all others."""
        total = self.total
        self.days.append(day)
        self.totals.append(total)
        self.total = Counted(
            total.sales + counted.sales,
            total.units + counted.units,
            total.spent_minor + counted.spent_minor,
        )
        if counted.sales and self.first_day is None:
            self.first_day = day
        self.last_day = day

    def copy(self) -> Course:
        """Return the same course, to go on with."""
        days, totals = self.days.copy(), self.totals.copy()
        return Course(self.total, self.first_day, self.last_day, self.tier, days, totals)

    def since(self, day: int) -> Counted:
        """Return what the sales since a day came to, that day included."""
        place = bisect_left(self.days, day)
        if place == len(self.days):
            return NOTHING
        before, total = self.totals[place], self.total
        return Counted(
            total.sales - before.sales,
            total.units - before.units,
            total.spent_minor - before.spent_minor,
        )


@lru_cache(maxsize=4096)
def month_begin(day: int) -> int:
    """Return the first day of a day's month."""
    return date.fromordinal(day).replace(day=1).toordinal()


@lru_cache(maxsize=4096)
def year_begin(day: int) -> int:
    """Return the first day of a day's year."""
    return date.fromordinal(day).replace(month=1, day=1).toordinal()


@lru_cache(maxsize=4096)
def months_back(day: int, months: int) -> int:
    """Return the same day some months earlier, the first of all days at the least."""
    moment = date.fromordinal(day)
    if moment.year * 12 + moment.month - 1 - months < 12:
        return 1
    return add_months(moment, -months).toordinal()
