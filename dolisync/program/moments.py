"""When campaigns hold: days, days of the week, hours, birthdays, in the shop's own time.

The day of a sale is the one that stands on its document. Its time of day is when its ticket was
opened at the till, or its invoice made in the office, in the shop's time zone; a document that
bears another day than the one on which it was made has no time of day.
"""

from __future__ import annotations

import calendar
from datetime import date, time, timedelta

from dolisync.model import Sale
from dolisync.program.campaign_terms import Birthday, CampaignTerms, Weekday
from dolisync.program.reasons import Reason, Why, of_campaign
from dolisync.program.terms import Program

_WEEKDAYS = tuple(Weekday)


def time_of_day(program: Program, sale: Sale) -> time | None:
    """Return when on its day a sale was made, by the clock on the shop's wall, if that is known."""
    if sale.created_at is None:
        return None
    # The clock on the wall: the hour that comes twice in autumn is that hour both times.
    local = sale.created_at.astimezone(program.zone)
    return local.time() if local.date() == sale.date else None


def not_now(program: Program, campaign: CampaignTerms, sale: Sale) -> Reason | None:
    """Say why a campaign does not hold when a sale was made, ``None`` where it does."""
    day = sale.date
    if campaign.span is not None:
        clock = time_of_day(program, sale)
        if clock is None:
            return of_campaign(Why.CAMPAIGN_NO_TIME, campaign, hours=campaign.hours)
        if not _is_within(campaign.span, clock):
            shown = clock.strftime("%H:%M")
            return of_campaign(Why.CAMPAIGN_HOURS, campaign, time=shown, hours=campaign.hours)
        day = _day_of_hours(campaign.span, clock, day)
    return _not_on(campaign, day) or _not_birthday(campaign, sale, day)


def is_now(program: Program, campaign: CampaignTerms, sale: Sale) -> bool:
    """Tell whether a campaign holds when a sale was made; most are made at other hours."""
    if campaign.span is not None:
        clock = time_of_day(program, sale)
        if clock is None or not _is_within(campaign.span, clock):
            return False
    return not_now(program, campaign, sale) is None


def can_hold_on(campaign: CampaignTerms, day: date) -> bool:
    """Tell whether a campaign can hold at some hour of a day."""
    # After midnight the hours may still be those of the day before.
    days = (day, day - timedelta(days=1)) if campaign.span is not None else (day,)
    return any(_not_on(campaign, one) is None for one in days)


def _not_on(campaign: CampaignTerms, day: date) -> Reason | None:
    if campaign.first_day is not None and day < campaign.first_day:
        return of_campaign(Why.CAMPAIGN_BEFORE, campaign, day=campaign.first_day.isoformat())
    if campaign.last_day is not None and day > campaign.last_day:
        return of_campaign(Why.CAMPAIGN_AFTER, campaign, day=campaign.last_day.isoformat())
    weekday = _WEEKDAYS[day.weekday()]
    if campaign.weekdays and weekday not in campaign.weekdays:
        return of_campaign(Why.CAMPAIGN_WEEKDAY, campaign, weekday=weekday.value)
    return None


def _is_within(span: tuple[time, time], clock: time) -> bool:
    begin, end = span
    if begin < end:
        return begin <= clock < end
    return clock >= begin or clock < end


def _day_of_hours(span: tuple[time, time], clock: time, day: date) -> date:
    """Return the day on which the hours began: after midnight the day before."""
    begin, end = span
    return day - timedelta(days=1) if end < begin and clock < end else day


def _not_birthday(campaign: CampaignTerms, sale: Sale, day: date) -> Reason | None:
    if campaign.birthday is Birthday.NONE:
        return None
    born = sale.buyer.birthday if sale.buyer is not None else None
    if born is None:
        return of_campaign(Why.CAMPAIGN_NO_BIRTHDAY, campaign)
    by_day = campaign.birthday is Birthday.DAY
    if born.month == day.month and (not by_day or birthday_in(born, day.year).day == day.day):
        return None
    return of_campaign(Why.CAMPAIGN_BIRTHDAY, campaign, when=campaign.birthday.value)


def birthday_in(born: date, year: int) -> date:
    """Return the birthday in a year; of 29 February it is the 28th in years that have none."""
    is_short = (born.month, born.day) == (2, 29) and not calendar.isleap(year)
    return date(year, born.month, 28 if is_short else born.day)
