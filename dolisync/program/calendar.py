"""Days: when points begin and stop to be usable, in the shop's own calendar."""

from __future__ import annotations

import calendar
from datetime import date, timedelta

from dolisync.program.terms import Until, ValidityTerms


def last_day_of_use(validity: ValidityTerms, earned_on: date) -> date | None:
    """Return the last day on which points can be used, whatever their member does.

    ``None`` when nothing but inactivity ends them.
    """
    if not validity.is_fixed:
        return None
    last = add_days(add_months(earned_on, validity.months or 0), validity.days or 0)
    if validity.until is Until.DAY:
        return last
    month = 12 if validity.until is Until.END_OF_YEAR else last.month
    return date(last.year, month, calendar.monthrange(last.year, month)[1])


def add_days(day: date, days: int) -> date:
    """Return a later day; days beyond the year 9999 become its last day."""
    return date.max if (date.max - day).days < days else day + timedelta(days=days)


def add_months(day: date, months: int) -> date:
    """Return the same day of a later month, or that month's last day where it has no such day.

    Days beyond the year 9999 become its last day.
    """
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    if year > date.max.year:
        return date.max
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
