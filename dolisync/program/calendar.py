"""Days: when points begin and stop to be usable, in the shop's own calendar."""

from __future__ import annotations

import calendar
from datetime import date

from dolisync.program.terms import ValidityTerms


def last_day_of_use(validity: ValidityTerms, earned_on: date) -> date | None:
    """Return the last day on which points can be used, or ``None`` when they never expire."""
    return None if validity.months is None else add_months(earned_on, validity.months)


def add_months(day: date, months: int) -> date:
    """Return the same day of a later month, or that month's last day where it has no such day.

    Days beyond the year 9999 become its last day.
    """
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    if year > date.max.year:
        return date.max
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
