"""Why a sale earned what it earned: every step of an assessment, as data and as a sentence."""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import NamedTuple, Protocol

ReasonValue = str | int | Decimal


class Why(enum.StrEnum):
    """The steps and verdicts of an assessment; the value is the sentence."""

    NOT_IN_PROGRAM = "source '{source}' takes no part in this program"
    PROFORMA = "a proforma is not a sale"
    DEPOSIT = "a deposit earns nothing; its final invoice earns once, on the whole"
    SITUATION = "progress (situation) invoices are not counted"
    DRAFT = "it is a draft"
    ABANDONED = "it was abandoned or replaced"
    POS_CUSTOMER = "the customer is the till's default customer: an anonymous sale"
    EXCLUDED_CUSTOMER = "the customer is excluded from the program"
    BEFORE_START = "its date {date} is before the program's start on {start}"
    OPTED_OUT = "the customer has opted out"
    CHANNEL_OUT = "the program counts no sales of this kind: {channel}"
    TERMINAL_OUT = "the program counts no sales at this terminal: {terminal}"
    WAREHOUSE_OUT = "the program counts no sales from these warehouses: {warehouses}"
    CUSTOMER_NOT_MEANT = "the program is for other customers, by {what}: {wanted}"
    CUSTOMER_LEFT_OUT = "the program leaves such customers out, by {what}: {wanted}"
    NOT_PAID = "not paid in full yet: {points} points are pending"
    NOT_DELIVERED = "not delivered yet: {points} points are pending"
    VANISHED = "it no longer exists in Dolibarr"
    ERASED = "its customer was erased: nothing is known of it any more, and it moves no points"
    SET_ASIDE = "the backfill that brought it was undone; another one may bring it again"
    PAID_SHARE = "closed with '{code}' before being fully paid: {paid} of {total} count"
    BASE = "counted amount, {basis}: {amount}"
    DEPOSIT_ADDED = "deposits and credit used on it are part of what was bought: {amount} added"
    GIFT_CARD_USED = "gift cards used on it paid for what was bought: {amount} added"
    GIFT_CARD_PAID = "a gift card paid all {amount} of it, so it earns nothing"
    GIFT_CARD_SOLD = "{amount} of gift cards that were sold earn nothing"
    REWARD_ADDED = "discounts bought with points do not lower it: {amount} added"
    ARTICLES_OUT = "{amount} of articles that earn nothing: {which}"
    DISCOUNT_SHARED = "discounts on the whole sale lower what counts by its share: {amount}"
    DISCOUNT_ADDED = "fixed discounts of the card do not lower it: {amount} added"
    DISCOUNT_PAID = "a fixed discount of {amount} paid all of it, so it earns nothing"
    MODE_PAID = "{amount} was paid by {mode} and earns nothing: {left} left"
    POINTS_PAID = "{amount} was paid with points and earns nothing: {left} left"
    AMOUNT = "{points} points: {rate} for {each} {per}{how}"
    BAND = "{points} points: {gives} in the band from {at_least}{how}"
    BAND_NONE = "no points by bands: {sold} {basis} is below the lowest, {at_least}"
    PRODUCT = "{points} points from product cards"
    VISIT = "{points} points for the visit"
    VISIT_TAKEN = "no points for the visit: another sale of this customer counts on {date}"
    TIER = "{points} points in the tier {title}: {how}"
    TIER_BY_HAND = "the tier {title} was set by hand on {day}"
    REFERRED = (
        "it brought a recommendation: {points} points for this customer, {given} for who "
        "recommended"
    )
    CAPPED = "capped at {cap} {span}: {given} of {points} points"
    CAMPAIGN = "{title}: {points} points more, times {times} on {base} for {amount}"
    CAMPAIGN_BONUS = "{title}: {points} points more, a bonus of {bonus}"
    CAMPAIGN_BOTH = (
        "{title}: {points} points more, times {times} on {base} for {amount}, and {bonus}"
    )
    CAMPAIGN_BEATEN = "{title}: it holds, but {other} counts instead"
    CAMPAIGN_BEFORE = "{title}: not before {day}"
    CAMPAIGN_AFTER = "{title}: not after {day}"
    CAMPAIGN_WEEKDAY = "{title}: not on a {weekday}"
    CAMPAIGN_HOURS = "{title}: not at {time}, it is from {hours}"
    CAMPAIGN_NO_TIME = "{title}: it is from {hours}, and the sale has no time of day"
    CAMPAIGN_CHANNEL = "{title}: not for sales of this kind ({channel})"
    CAMPAIGN_TERMINAL = "{title}: not at this terminal ({terminal})"
    CAMPAIGN_WAREHOUSE = "{title}: not from these warehouses ({warehouses})"
    CAMPAIGN_CUSTOMER = "{title}: for other customers, by {what}: {wanted}"
    CAMPAIGN_BIRTHDAY = "{title}: it is not the {when} of the customer's birthday"
    CAMPAIGN_NO_BIRTHDAY = "{title}: the customer's birthday is not known"
    CAMPAIGN_NOT_FIRST = "{title}: it is not the first purchase"
    CAMPAIGN_ARTICLES = "{title}: nothing of what it is for was bought"
    CAMPAIGN_MINIMUM = "{title}: {amount} of what it is for is below {minimum}"
    CAMPAIGN_BUDGET = "{title}: its budget of {limit} points {span} is used up"
    CAMPAIGN_BUDGET_CUT = "{title}: only {given} of them, the rest of its {limit} points {span}"
    CAMPAIGN_MEMBER_POINTS = "{title}: this customer had its {limit} points {span}"
    CAMPAIGN_MEMBER_CUT = (
        "{title}: only {given} of them, the rest of a customer's {limit} points {span}"
    )
    CAMPAIGN_MEMBER_TIMES = "{title}: this customer had it for {limit} sales {span}"
    CAMPAIGN_VISITS = "{title}: not yet {limit} visits {span}"
    CAMPAIGN_SPENT = "{title}: less than {amount} spent before it {span}"
    CAMPAIGN_KINDS = "{title}: bought in {done} of {limit} tags {span}, not yet in {missing}"
    CAMPAIGN_BADGE = "{title}: met; the badge is {badge}"
    EXPIRES = "usable until {date}"
    INACTIVE = "usable until {months} months without a sale, a redemption or a gift of points"
    WAITS = "pending until {date}, while its goods may be returned"
    NEGATIVE = "its amount is not above zero, so it earns nothing"
    NOTHING = "it earned nothing"
    RETURN_OF = "return of {ref}: {left} is left of it, worth {points} points"
    RETURN_ALONE = "a return judged by itself, because {because}"
    RETURN_OF_UNKNOWN = "the sale it returns is not there: it was deleted, or could not be read"
    RETURN_EARNED_NOTHING = "the sale it returns holds no points"
    SPENT_BACK = "{back} of {points} points spent on it come back: {share} % of {what} is returned"
    SPENT_KEPT = "{points} points spent on it stay spent: the program gives none back"
    SPENT_ABANDONED = "all {points} points spent on it come back: it was abandoned"
    SPENT_TWICE = (
        "its reward stands on several sales with {used}, and {worth} was paid for: {excess} less "
        "comes back"
    )
    PAID_BY_POINTS = "{paid} was paid with points: {points} points"
    PAID_BEYOND_SHARE = "more than points may pay: {amount} is {share} % of this sale"
    PAID_BESIDE_DISCOUNT = "points may not pay where something is reduced already"
    PAID_BACK = "{amount} of what was paid with points came back, {points} points remain spent"
    PAID_REWARDS = "{points} points are the price of what was given for points"
    PAID_OUT = "{amount} was refunded with points: {points} points"
    RETURNS_OFF = "the program takes nothing back on returns"

    # Rules of the program that changed nothing on a sale: see unmatched.py.
    CHANNEL_IN = "sales of this kind count: {channel}"
    TERMINAL_IN = "sales at this terminal count: {terminal}"
    WAREHOUSE_IN = "sales from these warehouses count: {warehouses}"
    CUSTOMER_MEANT = "the customer is one of those meant, by {what}: {wanted}"
    CUSTOMER_KEPT = "the customer is none of those left out, by {what}: {wanted}"
    ARTICLES_IN = "nothing that was bought is left out"
    MODES_UNUSED = "nothing was paid by what earns nothing: {modes}"
    PRODUCT_NONE = "no points from product cards: nothing bought has any"
    VISIT_NONE = "no points for a visit: nothing was bought"
    TIER_NONE = "in no tier"
    TIER_PLAIN = "in the tier {title}, which gives no more points"
    TIER_UNUSED = "in the tier {title}, but there are no points to raise"
    CAP_FREE = "the cap of {cap} {span} cuts nothing: there was room for {room} points"
    CAMPAIGNS_NONE = "campaigns add nothing, as nothing that was bought earns"


class Reason(NamedTuple):
    """One step: what kind, and the values of its sentence."""

    why: Why
    values: tuple[tuple[str, ReasonValue], ...] = ()

    def __str__(self) -> str:
        return self.why.value.format(**dict(self.values))

    def as_json(self) -> dict[str, object]:
        """Return it with stable keys: code, text, values."""
        values = {
            key: value if isinstance(value, int) else str(value) for key, value in self.values
        }
        return {"code": self.why.name.lower(), "text": str(self), "values": values}


class _Campaign(Protocol):
    """A campaign as far as reasons name it."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...


def of_campaign(why: Why, campaign: _Campaign, **values: ReasonValue) -> Reason:
    """Make a reason about a campaign: by its title for people, by its name for machines."""
    named = (("name", campaign.name), ("title", campaign.title))
    return Reason(why, (*named, *values.items()))


def because(why: Why, **values: ReasonValue) -> Reason:
    """Make a reason."""
    return Reason(why, tuple(values.items()))
