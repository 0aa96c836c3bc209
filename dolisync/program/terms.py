"""The terms of a loyalty program: what an owner can set, and in which words.

These models and those they hold are the only place where a program's options are named. They
validate config.toml, explain themselves in config.example.toml, and are what the rules read.
Amounts are in the company's currency; points are whole, or have two decimals where ``decimals``
says so.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, NamedTuple, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from dolisync.model import Warehouse
from dolisync.program.article_terms import ArticleTerms
from dolisync.program.bonus_terms import BonusTerms
from dolisync.program.campaign_terms import (
    CampaignFacts,
    CampaignTerms,
    Channel,
    Combine,
    CustomerTerms,
    LeaveOutCustomersTerms,
    OnlyCustomersTerms,
    Terminal,
)
from dolisync.program.referral_terms import ReferralTerms
from dolisync.program.section import (
    FieldPrefix,
    Label,
    Name,
    PointCount,
    PositiveAmount,
    Section,
    TimezoneName,
)

# The place of no tier at all: below the first threshold, where the program names no default.
NO_TIER = -1

# A day, whether it was at a till, the till, and from where goods were taken.
Place = tuple[date, bool, str, tuple[Warehouse, ...]]


class Moment(enum.StrEnum):
    """When a sale earns."""

    VALIDATED = "validated"
    PAID = "paid"
    DELIVERED = "delivered"


# What a sale still waits for, as people read it.
WAITING_TO_BE = {
    Moment.VALIDATED: "validated",
    Moment.PAID: "paid in full",
    Moment.DELIVERED: "delivered",
}


class Basis(enum.StrEnum):
    """Which amounts are counted."""

    INCLUDING_TAX = "including_tax"
    EXCLUDING_TAX = "excluding_tax"


class Counting(enum.StrEnum):
    """Whether only whole steps of an amount earn, or every part of it."""

    STEPS = "steps"
    PROPORTIONAL = "proportional"


class Rounding(enum.StrEnum):
    """What happens to parts of a point; a return rounds as its sale did."""

    DOWN = "down"
    HALF_UP = "half_up"
    UP = "up"


class Scope(enum.StrEnum):
    """Whether points are counted on the sale's sum or on each line."""

    SALE = "sale"
    LINE = "line"


class SpentPoints(enum.StrEnum):
    """What returns do with points that were spent on the sale."""

    PROPORTIONAL = "proportional"
    REWARD_LINE = "reward_line"
    KEEP = "keep"


class Discounted(enum.StrEnum):
    """Which articles count as discounted."""

    NONE = "none"
    LINE_DISCOUNT = "line_discount"
    BELOW_PRICE = "below_price"
    ANY = "any"


class Shortfall(enum.StrEnum):
    """What happens when points must be taken back that were already spent."""

    DEBT = "debt"
    CLAMP = "clamp"


class AmountTerms(Section):
    """Points per amount spent."""

    points: PointCount = Field(Decimal(1), description="Points for each step of the amount.")
    per: PositiveAmount = Field(
        Decimal(1), description='The step, in the currency of the shop: "1", "10" or "0.50".'
    )
    basis: Basis = Field(
        Basis.INCLUDING_TAX, description="Count amounts including_tax or excluding_tax."
    )
    counting: Counting = Field(
        Counting.STEPS,
        description="steps: only full steps earn (1 point for each full 10); "
        "proportional: every part of a step earns its part.",
    )
    rounding: Rounding = Field(
        Rounding.DOWN, description="Parts of a point are rounded down, half_up or up."
    )
    scope: Scope = Field(
        Scope.SALE, description="Count and round on the whole sale, or on each line by itself."
    )


class OnlyTerms(ArticleTerms):
    """The articles that earn, all others do not: those that fit each list that is not empty."""


class LeaveOutTerms(ArticleTerms):
    """Articles that earn nothing: those that fit each list that is not empty."""


class BandTerms(Section):
    """Points by bands of the sale's total: each band gives a fixed number, a percentage, or both.

    Below the lowest band a sale earns nothing.
    """

    at_least: Annotated[Decimal, Field(ge=0, max_digits=15, decimal_places=2)] = Field(
        Decimal(0), description="The band holds from this total on, up to the next band."
    )
    points: Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)] = Field(
        Decimal(0), description="It gives this number of points."
    )
    percent: Annotated[Decimal, Field(ge=0, le=1000, max_digits=7, decimal_places=3)] = Field(
        Decimal(0), description="It gives so many points for each 100 of the total."
    )


class ProductTerms(Section):
    """Points per product, set by staff on the product card."""

    field: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")] = Field(
        "loypoints", description="The extra field of the product card that holds its points."
    )
    rounding: Rounding = Field(
        Rounding.DOWN,
        description="Rounding for weighed goods (0.350 kg of a product with 10 points).",
    )


class VisitTerms(Section):
    """Points per visit."""

    points: PointCount = Field(Decimal(1), description="Points for each sale that counts.")
    once_a_day: bool = Field(
        default=True, description="Only the first sale of a customer on a day counts as a visit."
    )


class CapTerms(Section):
    """The most that can be earned; sales count by their dates, and with what returns left of them.

    When a return makes room, later sales of the same day, month or member earn what was cut off.
    """

    per_sale: PointCount | None = Field(None, description="The most points of one sale.")
    per_day: PointCount | None = Field(None, description="The most points of a member on a day.")
    per_month: PointCount | None = Field(
        None, description="The most points of a member in a calendar month."
    )
    per_member: PointCount | None = Field(
        None, description="The most points that a member earns by sales, ever."
    )

    @property
    def all(self) -> tuple[Decimal, ...]:
        """The caps that are set."""
        given = (self.per_sale, self.per_day, self.per_month, self.per_member)
        return tuple(cap for cap in given if cap is not None)

    @cached_property
    def look_back(self) -> bool:
        """Tell whether what a sale earns depends on those before it."""
        return self.all != (() if self.per_sale is None else (self.per_sale,))


PaymentModeCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,6}$")]


class EarnTerms(Section):
    """How sales earn; the parts add up."""

    wait_days: Annotated[int, Field(ge=0, le=366)] = Field(
        0,
        description="Points can be used so many days after they were earned, when goods can no "
        "longer be returned; until then they are pending. Their validity counts from the day they "
        "were earned.",
    )

    moment: Moment = Field(
        Moment.PAID,
        description="A sale earns when it is validated, when it is paid in full, or when what was "
        "ordered is delivered; until then its points are pending. See docs/moments.md.",
    )
    leave_out_paid_with_points: bool = Field(
        default=True,
        description="What was paid with points, or a discount bought with points, earns nothing.",
    )
    leave_out_fixed_discounts: bool = Field(
        default=True,
        description="What a fixed discount of the customer card paid that was not bought with "
        "points (a voucher, a gesture) earns nothing.",
    )
    leave_out_gift_cards: bool = Field(
        default=False,
        description="What was paid with a gift card earns nothing. Buying one never earns.",
    )
    leave_out_paid_by: tuple[PaymentModeCode, ...] = Field(
        (),
        description="What was paid by these modes earns nothing: their codes, as of vouchers and "
        "gift cards.",
    )
    channels: tuple[Channel, ...] = Field(
        (), description="Only sales at the till (pos) earn, or only invoices of the office."
    )
    terminals: tuple[Terminal, ...] = Field(
        (), description="Only sales at these terminals of TakePOS earn, by their numbers."
    )
    leave_out_terminals: tuple[Terminal, ...] = Field(
        (), description="Sales at these terminals of TakePOS earn nothing."
    )
    warehouses: tuple[Label, ...] = Field(
        (),
        description="Only sales of which goods were taken from these warehouses earn, by their "
        "names in Dolibarr; see docs/shops.md.",
    )
    leave_out_warehouses: tuple[Label, ...] = Field(
        (), description="Sales of which goods were taken from these warehouses earn nothing."
    )
    amount: AmountTerms | None = Field(None, description="Points per amount spent.")
    band_basis: Basis = Field(
        Basis.INCLUDING_TAX,
        description="Bands count totals including_tax or excluding_tax.",
    )
    band_rounding: Rounding = Field(
        Rounding.DOWN, description="Parts of a point from a band are rounded down, half_up or up."
    )
    product: ProductTerms | None = Field(
        None, description="Points per product, set by staff on the product card."
    )
    visit: VisitTerms | None = Field(None, description="Points per visit.")
    band: tuple[BandTerms, ...] = Field((), description="Points by bands of the sale's total.")
    leave_out_discounted: Discounted = Field(
        Discounted.NONE,
        description="Articles that earn nothing because they are discounted: none, those with a "
        "line_discount, those sold below_price (the first price on the product card), or any.",
    )
    only: OnlyTerms | None = Field(None, description="Only these articles earn.")
    leave_out: tuple[LeaveOutTerms, ...] = Field((), description="These articles earn nothing.")
    only_customers: OnlyCustomersTerms | None = Field(
        None, description="Only sales to these customers earn."
    )
    leave_out_customers: tuple[LeaveOutCustomersTerms, ...] = Field(
        (), description="Sales to these customers earn nothing."
    )
    caps: CapTerms = Field(default_factory=CapTerms, description="The most that can be earned.")

    @cached_property
    def modes_without(self) -> frozenset[str]:
        """The payment modes that earn nothing, in one case."""
        return frozenset(mode.casefold() for mode in self.leave_out_paid_by)

    @property
    def selections(self) -> tuple[ArticleTerms, ...]:
        """Everything that chooses articles."""
        given = (*((self.only,) if self.only else ()), *self.leave_out)
        return tuple(selection for selection in given if not selection.is_empty)

    @model_validator(mode="after")
    def _distinct_bands(self) -> Self:
        starts = [band.at_least for band in self.band]
        for start in starts:
            if starts.count(start) > 1:
                message = f"two bands begin at {start}; write other amounts under at_least"
                raise ValueError(message)
        return self

    def band_of(self, total: Decimal) -> BandTerms | None:
        """Return the band in which a total lies, ``None`` below the lowest."""
        below = [band for band in self.band if band.at_least <= total]
        return max(below, key=lambda band: band.at_least, default=None)


class Until(enum.StrEnum):
    """To which day a validity is rounded up."""

    DAY = "day"
    END_OF_MONTH = "end_of_month"
    END_OF_YEAR = "end_of_year"


class ValidityTerms(Section):
    """How long points live; without any of these they never expire."""

    months: Annotated[int, Field(ge=1, le=1200)] | None = Field(
        None,
        description="Points can be used for this many months after the day they were earned, "
        "that day of the month included.",
    )
    days: Annotated[int, Field(ge=1, le=36_600)] | None = Field(
        None,
        description="Points can be used for this many days after the day they were earned; with "
        "months, after these.",
    )
    until: Until = Field(
        Until.DAY,
        description="Their last day: day, or the end_of_month or end_of_year in which that day "
        "lies. Alone, the end of the month or year in which they were earned.",
    )
    inactive_months: Annotated[int, Field(ge=1, le=1200)] | None = Field(
        None,
        description="All points of a member end this many months after the last sale that earned, "
        "redemption or gift of points; with the others, whatever ends first.",
    )

    @property
    def is_fixed(self) -> bool:
        """Tell whether anything but inactivity ends points."""
        return not (self.months is None and self.days is None and self.until is Until.DAY)


class ReturnTerms(Section):
    """What returns do."""

    take_back: bool = Field(
        default=True, description="A credit note takes back the points that its goods had earned."
    )
    shortfall: Shortfall = Field(
        Shortfall.DEBT,
        description="When points to take back are already spent: debt (settled by later earnings) "
        "or clamp (forgiven, the balance stays at zero).",
    )
    spent_points: SpentPoints = Field(
        SpentPoints.PROPORTIONAL,
        description="Points spent on a sale come back when it is returned: proportional (the share "
        "of the goods that is returned), reward_line (the share of the reward's own line that "
        "credit notes undo) or keep (they stay spent).",
    )
    past_lots_days: Annotated[int, Field(ge=0, le=3660)] = Field(
        0,
        description="Points that come back after their last day of use: 0, they have expired; "
        "or so many more days in which they can be used.",
    )


class RedeemTerms(Section):
    """Spending points: from how many on, how much at once, and by which ways.

    A payment at a till has happened when it is seen. It stands, and what of these terms it broke
    is told by `dolisync explain` and the log.
    """

    minimum: PointCount | None = Field(
        None, description="Points can be spent by who has so many of them, at the least."
    )
    step: PointCount | None = Field(
        None,
        description="They are spent so many at a time, where staff ask for points or max. Rewards "
        "have prices of their own.",
    )
    max_share: Annotated[Decimal | None, Field(gt=0, le=100, max_digits=5, decimal_places=2)] = (
        Field(None, description="Points pay at most this percentage of a bill, including tax.")
    )
    partial: bool = Field(
        default=True,
        description="Points that are left over stay on the account. false: whoever spends any "
        "spends all, whatever the reward costs; needs payments = false and no product_field.",
    )
    with_discounts: bool = Field(
        default=True,
        description="They can be spent on a bill on which anything else is reduced already.",
    )
    payments: bool = Field(
        default=True,
        description="Payments with points are taken from the account; needs point_value. A till "
        "asks nobody: what was paid beyond the balance is debt, settled by later earnings.",
    )
    product_field: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")] | None = Field(
        None,
        description="Reward products: the extra field of the product card with their price in "
        "points. On an open ticket they are free for who has the points, else cheaper; see "
        "docs/till.md.",
    )
    rounding: Rounding = Field(
        Rounding.UP,
        description="Parts of a point of such a payment are rounded down, half_up or up.",
    )

    @model_validator(mode="after")
    def _possible_together(self) -> Self:
        if not self.partial and self.product_field is not None:
            message = "partial = false does not go with reward products: leave product_field out"
            raise ValueError(message)
        return self


class TierBasis(enum.StrEnum):
    """What a tier is reached by."""

    POINTS_EARNED = "points_earned"
    AMOUNT_SPENT = "amount_spent"
    VISITS = "visits"
    SENIORITY = "seniority"


class Window(enum.StrEnum):
    """Which sales count for a tier."""

    ROLLING = "rolling"
    CALENDAR_YEAR = "calendar_year"
    LIFETIME = "lifetime"


class Review(enum.StrEnum):
    """On which days tiers are reviewed: the first of each month, or of each year."""

    MONTH = "month"
    YEAR = "year"


class Downgrade(enum.StrEnum):
    """What a review does to a member who does not reach his tier any more."""

    ONE_STEP = "one_step"
    TO_EARNED = "to_earned"
    NEVER = "never"


class StaffTags(enum.StrEnum):
    """What a tier's tag means that staff put on a customer's card."""

    LOCKED = "locked"
    UNTIL_REVIEW = "until_review"
    IGNORED = "ignored"


class TiersTerms(Section):
    """How members come into tiers and out of them.

    A tier is reached at once: the sale that crosses its threshold still earns in the old tier, the
    next one in the new. It is lost only on a day of review. A correction of an old sale corrects
    tiers too, and what later sales earned in them.
    """

    basis: TierBasis = Field(
        TierBasis.AMOUNT_SPENT,
        description="What counts: points_earned, amount_spent (including tax), visits (sales), "
        "each after returns; or seniority (whole months since the first sale).",
    )
    window: Window = Field(
        Window.ROLLING,
        description="Which sales count: those of the last months (rolling), of the calendar_year, "
        "or all (lifetime).",
    )
    months: Annotated[int, Field(ge=1, le=120)] = Field(
        12, description="With window = rolling: how many months."
    )
    review: Review = Field(
        Review.MONTH,
        description="When tiers are reviewed: on the first day of each month, or of each year. "
        "window = calendar_year needs year.",
    )
    grace_days: Annotated[int, Field(ge=0, le=180)] = Field(
        0,
        description="A tier is lost so many days after the review, unless sales until then suffice "
        "together with those of the window.",
    )
    downgrade: Downgrade = Field(
        Downgrade.TO_EARNED,
        description="Who does not reach the tier any more falls one_step at each review, at once "
        "to_earned (the tier reached), or never.",
    )
    default: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]{0,30})?$")] = Field(
        "",
        description="The tier of new members, below which nobody falls; left empty, members have "
        "no tier until they reach one.",
    )
    rounding: Rounding = Field(
        Rounding.DOWN,
        description="Parts of a point from a tier's multiplier are rounded down, half_up or up.",
    )
    tags: bool = Field(
        default=False,
        description="Each tier is a customer tag in Dolibarr, which `dolisync setup` makes: each "
        "member has that of the tier held, and no other of them.",
    )
    by_staff: StaffTags = Field(
        StaffTags.UNTIL_REVIEW,
        description="With tags: staff who put another tier's tag on a card set that tier, locked "
        "or until_review; or it is ignored and put right.",
    )


class TierTerms(Section):
    """A tier that members reach by what they buy."""

    name: Name = Field("silver", description="A short name that never changes.")
    title: Label = Field("Silver", description="What staff and customers read.")
    at_least: Annotated[Decimal, Field(ge=0, max_digits=15, decimal_places=2)] = Field(
        Decimal(500), description="It is reached from here on, in the measure of the basis."
    )
    multiplier: Annotated[Decimal, Field(gt=0, le=1000, max_digits=7, decimal_places=3)] = Field(
        Decimal(1), description="What sales earn is multiplied by this."
    )
    bonus: Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)] = Field(
        Decimal(0), description="So many points more for each sale that earns."
    )
    standing_discount: Annotated[Decimal, Field(ge=0, lt=100, max_digits=4, decimal_places=2)] = (
        Field(
            Decimal(0),
            description="The percentage that its members have off everything: the customer's "
            "discount in Dolibarr, kept equal. Needs database_url.",
        )
    )
    tag: Annotated[str, Field(max_length=60)] = Field(
        "", description="With tags: the label of its customer tag; left empty, the title."
    )

    @property
    def label(self) -> str:
        """The label of its customer tag."""
        return self.tag or self.title


class TierFacts(NamedTuple):
    """What is asked of tiers for each sale, worked out once: terms are slow to read.

    ``thresholds`` and ``names`` are in the order of the ranks, ``places`` are theirs by name,
    ``floor`` is the place of the tier below which nobody falls.
    """

    basis: TierBasis
    window: Window
    months: int
    thresholds: tuple[int, ...]
    names: tuple[str, ...]
    places: Mapping[str, int]
    floor: int


class CampaignsTerms(Section):
    """How campaigns that hold for the same sale come together.

    A tier multiplies first, then campaigns; bonuses are not multiplied.
    """

    combine: Combine = Field(
        Combine.BEST,
        description="best: only the one that gives most counts; add: what they give adds up "
        "(double and triple is four times); multiply: their factors multiply (six times).",
    )
    rounding: Rounding = Field(
        Rounding.DOWN,
        description="Parts of a point from campaigns are rounded down, half_up or up.",
    )


class RewardTerms(Section):
    """A reward, paid with points: an amount off, a percentage off, or a free article.

    An amount is a fixed discount on the customer card, or is taken off a draft. A percentage is
    known only against a document, so it can be had on drafts and open tickets alone, as an article.
    """

    name: Name = Field("discount", description="A short name, used by `dolisync redeem`.")
    title: Label = Field("Loyalty discount", description="What staff and customers read.")
    points: PointCount = Field(Decimal(100), description="What it costs, in points.")
    amount: PositiveAmount | None = Field(
        Decimal(5), description="What it is worth, including tax, in the currency of the shop."
    )
    percent: Annotated[Decimal | None, Field(gt=0, le=100, max_digits=5, decimal_places=2)] = Field(
        None,
        description="In place of an amount: a percentage off the goods of a draft or an open "
        "ticket, which staff ask for there by its name.",
    )
    at_most: PositiveAmount | None = Field(
        None, description="With percent: it takes off no more than this, including tax."
    )
    product: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None,
        description="In place of an amount: the reference of an article, one piece of which is "
        "free. Staff ask for it on a draft by its name; at a till it is free when it is rung up.",
    )
    tax_rate: Annotated[Decimal, Field(ge=0, lt=100, max_digits=6, decimal_places=4)] = Field(
        Decimal(20),
        description="VAT rate in percent of an amount on the customer card: the rate of most of "
        "what you sell. Dolibarr refuses an invoice on which a rate falls below zero.",
    )
    automatic: bool = Field(
        default=False,
        description="Put it on the customer card by itself as soon as the points suffice.",
    )
    tiers: tuple[Name, ...] = Field(
        (), description="Only members in these tiers can have it; leave empty for all."
    )
    first_day: date | None = Field(None, description="The first day on which it can be had.")
    last_day: date | None = Field(None, description="The last day on which it can be had.")
    stock: Annotated[int | None, Field(ge=1, le=10_000_000)] = Field(
        None, description="So many of it there are; one that comes back unused can be had again."
    )
    per_member: Annotated[int | None, Field(ge=1, le=10_000)] = Field(
        None, description="So many of it one member can have."
    )

    def is_on(self, day: date) -> bool:
        """Tell whether it can be had on a day."""
        return (self.first_day or date.min) <= day <= (self.last_day or date.max)

    def is_for(self, tier: str) -> bool:
        """Tell whether members of a tier can have it; without a name, those in none."""
        return not self.tiers or tier in self.tiers

    @property
    def is_on_card(self) -> bool:
        """Tell whether it can be had as a discount on the customer card."""
        return self.percent is None and self.product is None

    @property
    def worth(self) -> Decimal:
        """What it is worth, including tax: of all but an amount, once a document says so."""
        assert self.amount is not None, "nothing says yet what this reward is worth"
        return self.amount

    @model_validator(mode="before")
    @classmethod
    def _without_amount(cls, value: Any) -> Any:
        """Leave the usual amount out where the reward is something else."""
        if isinstance(value, Mapping) and (value.get("percent") or value.get("product")):
            return {"amount": None, **value}
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        where = f"reward '{self.name}'"
        kinds = {"amount": self.amount, "percent": self.percent, "product": self.product}
        found = [name for name, value in kinds.items() if value is not None]
        if not found:
            message = f"{where} is worth nothing: write an amount, a percent or a product"
            raise ValueError(message)
        if len(found) > 1:
            message = f"{where} has {' and '.join(found)}: put a # before all but one of them"
            raise ValueError(message)
        if self.at_most is not None and self.percent is None:
            message = f"{where}: at_most limits a percent, and it has none"
            raise ValueError(message)
        if self.automatic and not self.is_on_card:
            what = "a percentage is known only against a" if self.percent else "an article is on a"
            message = (
                f"{where} cannot be automatic: {what} document, so staff write its name on a "
                "draft; leave automatic out"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _cents(self) -> Self:
        for key, amount in (("amount", self.amount), ("at_most", self.at_most)):
            if amount is not None and amount != amount.quantize(Decimal("0.01")):
                message = f"{key} has more than two decimals; write whole cents"
                raise ValueError(message)
        if self.first_day and self.last_day and self.last_day < self.first_day:
            message = f"reward '{self.name}' ends before it begins: look at its days"
            raise ValueError(message)
        return self


def _all_distinct(what: str, found: Sequence[str]) -> None:
    for entry in found:
        if found.count(entry) > 1:
            message = f"two tiers have the same {what}: '{entry}'"
            raise ValueError(message)


def _all_known(where: str, wanted: Iterable[str], names: Sequence[str]) -> None:
    for name in wanted:
        if name not in names:
            known = ", ".join(names) or "none"
            message = f"{where} names the tier '{name}', which is not there; tiers: {known}"
            raise ValueError(message)


class Program(Section):
    """One loyalty program."""

    name: Name = Field("loyalty", description="A short name that never changes: the ledger's key.")
    title: Label = Field("Loyalty points", description="What customers read on receipts.")
    sources: tuple[Name, ...] = Field(
        (), description="Which sources take part; leave empty for all of them."
    )
    start: date = Field(
        date(2026, 1, 1),
        description="Sales dated before this day earn nothing, also in a backfill.",
    )
    timezone: TimezoneName = Field(
        "Europe/Paris", description="Time zone of the shop: it decides what a day is."
    )
    decimals: Annotated[int, Field(ge=0, le=2)] = Field(
        0, description="0 for whole points, 2 for points with two decimals."
    )
    field_prefix: FieldPrefix = Field(
        "loy", description="Extra fields in Dolibarr begin with it; each program needs its own."
    )
    point_value: PositiveAmount | None = Field(
        None,
        description="What a point is worth in currency, shown on the customer card; "
        "left out, the first reward of an amount decides.",
    )
    excluded_customers: tuple[int, ...] = Field(
        (), description="Customers (Dolibarr ids) who take no part: staff, opted out, resellers."
    )
    earn: EarnTerms = Field(default_factory=EarnTerms, description="How sales earn.")
    validity: ValidityTerms = Field(
        default_factory=ValidityTerms, description="How long points live."
    )
    returns: ReturnTerms = Field(default_factory=ReturnTerms, description="What returns do.")
    redeem: RedeemTerms = Field(default_factory=RedeemTerms, description="Paying with points.")
    tiers: TiersTerms = Field(default_factory=TiersTerms, description="How tiers are reached.")
    tier: tuple[TierTerms, ...] = Field((), description="The tiers.")
    campaigns: CampaignsTerms = Field(
        default_factory=CampaignsTerms, description="How campaigns come together."
    )
    campaign: tuple[CampaignTerms, ...] = Field((), description="Campaigns.")
    reward: tuple[RewardTerms, ...] = Field((), description="What points buy.")
    bonus: tuple[BonusTerms, ...] = Field((), description="Points without a purchase.")
    referral: ReferralTerms | None = Field(
        None, description="Points for recommending the shop; left out, there are none."
    )

    @model_validator(mode="after")
    def _tiers_consistent(self) -> Self:
        names = [tier.name for tier in self.tier]
        _all_distinct("name", names)
        _all_distinct("threshold", [f"{tier.at_least:f}" for tier in self.tier])
        if self.tiers.tags:
            _all_distinct("tag", [tier.label for tier in self.tier])
        _all_known("tiers.default", [self.tiers.default] if self.tiers.default else [], names)
        for reward in self.reward:
            _all_known(f"reward '{reward.name}'", reward.tiers, names)
        by_year = self.tiers.window is Window.CALENDAR_YEAR
        if self.tier and by_year and self.tiers.review is not Review.YEAR:
            message = 'tiers by calendar_year are reviewed once a year: set review = "year"'
            raise ValueError(message)
        if not all(self._is_whole(tier.bonus) for tier in self.tier):
            message = "a tier gives parts of a point, which would be cut off; set decimals = 2"
            raise ValueError(message)
        if not all(self._is_whole(cap) for cap in self.earn.caps.all):
            message = "a cap has parts of a point, which would be cut off; set decimals = 2"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.decimals == 1:
            message = "decimals is 0 or 2"
            raise ValueError(message)
        redeem = self.redeem
        if not all(self._is_whole(n) for n in (redeem.minimum, redeem.step) if n is not None):
            message = "minimum or step has parts of a point; set decimals = 2"
            raise ValueError(message)
        if not redeem.partial and redeem.payments and self.point_value is not None:
            message = "partial = false does not go with payments at a till: set payments = false"
            raise ValueError(message)
        days, wait = self.validity.days, self.earn.wait_days
        if days is not None and self.validity.months is None and wait > days:
            message = f"points would end after {days} days, before they can be used after {wait}"
            raise ValueError(message)
        if not all(self._is_whole(band.points) for band in self.earn.band):
            message = "a band gives parts of a point, which would be cut off; set decimals = 2"
            raise ValueError(message)
        if self.earn.visit is not None and not self._is_whole(self.earn.visit.points):
            message = "a visit earns parts of a point, which would be cut off; set decimals = 2"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _rewards_consistent(self) -> Self:
        rewards = [reward.name for reward in self.reward]
        for reward in self.reward:
            if reward.name in {"points", "draft"}:
                message = f"a reward cannot be named '{reward.name}': so points are noted by staff"
                raise ValueError(message)
            if rewards.count(reward.name) > 1:
                message = f"two rewards have the name '{reward.name}'; each needs its own"
                raise ValueError(message)
            if not self._is_whole(reward.points):
                message = f"reward '{reward.name}' costs parts of a point; set decimals = 2"
                raise ValueError(message)
            if reward.product is not None and not self.redeem.partial:
                message = (
                    f"reward '{reward.name}' is a product: partial = false does not go with it"
                )
                raise ValueError(message)
            share = self.redeem.max_share
            if share is not None and (reward.percent or 0) > share:
                message = (
                    f"reward '{reward.name}' takes {reward.percent} % off, and redeem.max_share "
                    f"allows {share} %: raise one or lower the other"
                )
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _bonuses_consistent(self) -> Self:
        names = [bonus.name for bonus in self.bonus]
        for bonus in self.bonus:
            if names.count(bonus.name) > 1:
                message = f"two bonuses have the name '{bonus.name}'; each needs its own"
                raise ValueError(message)
            if not self._is_whole(bonus.points):
                message = f"bonus '{bonus.name}' gives parts of a point; set decimals = 2"
                raise ValueError(message)
        referral = self.referral
        if referral and not all(map(self._is_whole, (referral.points, referral.new_points))):
            message = "a recommendation gives parts of a point; set decimals = 2"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _campaigns_consistent(self) -> Self:
        names = [campaign.name for campaign in self.campaign]
        for campaign in self.campaign:
            where = f"campaign '{campaign.name}'"
            if names.count(campaign.name) > 1:
                message = f"two campaigns have the name '{campaign.name}'; each needs its own"
                raise ValueError(message)
            if not self._is_whole(campaign.bonus):
                message = (
                    f"{where} gives parts of a point, which would be cut off; set decimals = 2"
                )
                raise ValueError(message)
            self._check_limits(where, campaign)
            if campaign.customers is not None:
                tiers = [tier.name for tier in self.tier]
                _all_known(where, campaign.customers.tiers, tiers)
        return self

    def _check_limits(self, where: str, campaign: CampaignTerms) -> None:
        budget, to_one = campaign.in_all, campaign.to_one
        points = [limits.points for limits in (budget, to_one) if limits and limits.points]
        if not all(map(self._is_whole, points)):
            message = f"{where} is limited to parts of a point; set decimals = 2"
            raise ValueError(message)
        if budget is not None and budget.money is not None and self.value_of_point is None:
            message = f"{where} has a budget in money, and a point has no value: set point_value"
            raise ValueError(message)

    def _is_whole(self, points: Decimal) -> bool:
        return self.units(points) * self.points_of(1) == points

    @cached_property
    def ranks(self) -> tuple[TierTerms, ...]:
        """The tiers, the lowest threshold first."""
        return tuple(sorted(self.tier, key=lambda tier: tier.at_least))

    @property
    def gives_standing_discounts(self) -> bool:
        """Tell whether any tier has a percentage off everything."""
        return any(tier.standing_discount for tier in self.tier)

    @cached_property
    def thresholds(self) -> tuple[int, ...]:
        """Where the tiers begin: in ledger units, cents, sales or months, as their basis says."""
        basis = self.tiers.basis
        scale = self.scale if basis is TierBasis.POINTS_EARNED else 1
        scale = 100 if basis is TierBasis.AMOUNT_SPENT else scale
        return tuple(math.ceil(tier.at_least * scale) for tier in self.ranks)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The places of the tiers among their ranks, by name."""
        return {tier.name: place for place, tier in enumerate(self.ranks)}

    @cached_property
    def tier_facts(self) -> TierFacts:
        """What is asked of the tiers for each sale."""
        terms = self.tiers
        return TierFacts(
            terms.basis,
            terms.window,
            terms.months,
            self.thresholds,
            tuple(tier.name for tier in self.ranks),
            self.places,
            self.places.get(terms.default, NO_TIER),
        )

    def tier_named(self, name: str) -> TierTerms | None:
        """Return a tier by its name."""
        return self.ranks[self.places[name]] if name in self.places else None

    @cached_property
    def looks_back(self) -> bool:
        """Tell whether what a sale earns depends on a member's other sales."""
        by_first = any(campaign.first_purchase for campaign in self.campaign)
        by_itself = bool(self.tier) or self.earn.caps.look_back or by_first
        return by_itself or bool(self.limited_campaigns)

    @cached_property
    def limited_campaigns(self) -> tuple[CampaignTerms, ...]:
        """The campaigns that can give so much and no more."""
        return tuple(campaign for campaign in self.campaign if campaign.is_limited)

    @cached_property
    def tag_challenges(self) -> tuple[CampaignTerms, ...]:
        """The campaigns whose challenges ask for something bought in tags."""
        return tuple(campaign for campaign in self.campaign if campaign.tags_asked)

    @cached_property
    def badges(self) -> tuple[tuple[str, str, int | None], ...]:
        """The campaigns that give a badge: their names, what stands on the card, for how long."""
        asking = ((one.name, one.asks) for one in self.campaigns_in_order)
        return tuple(
            (name, asked.badge, asked.badge_days)
            for name, asked in asking
            if asked is not None and asked.badge is not None
        )

    @cached_property
    def badge_only(self) -> frozenset[str]:
        """The campaigns that give a badge and no points."""
        return frozenset(campaign.name for campaign in self.campaign if campaign.is_badge_only)

    @cached_property
    def has_budgets(self) -> bool:
        """Tell whether what a sale earns depends on the sales of other members."""
        return any(campaign.in_all for campaign in self.campaign)

    @cached_property
    def campaigns_in_order(self) -> tuple[CampaignTerms, ...]:
        """The campaigns in an order that does not depend on the file: by priority, then name."""
        return tuple(sorted(self.campaign, key=lambda entry: (-entry.priority, entry.name)))

    @cached_property
    def campaign_facts(self) -> tuple[CampaignFacts, ...]:
        """What is asked of campaigns for each sale, in their order."""
        return tuple(
            CampaignFacts.of(one, self.units(one.bonus)) for one in self.campaigns_in_order
        )

    @cached_property
    def caps_units(self) -> tuple[int | None, int | None, int | None, int | None]:
        """The caps of a sale, a day, a month and a member, in ledger units."""
        caps = self.earn.caps
        sale, day, month, member = (
            None if cap is None else self.units(cap)
            for cap in (caps.per_sale, caps.per_day, caps.per_month, caps.per_member)
        )
        return sale, day, month, member

    def selections_of(self, key: frozenset[str]) -> Sequence[ArticleTerms]:
        """Return what chooses the articles that are of all of these campaigns."""
        if key not in self._selections:
            of_campaigns = ((one.name, one.chosen_articles) for one in self.campaigns_in_order)
            self._selections[key] = [
                chosen for name, chosen in of_campaigns if chosen is not None and name in key
            ]
        return self._selections[key]

    @cached_property
    def _selections(self) -> dict[frozenset[str], Sequence[ArticleTerms]]:
        return {}

    @cached_property
    def campaigns_by_article(self) -> dict[tuple[str, bool], frozenset[str]]:
        """Where it is remembered what campaigns a reference, and whether of a service, is of."""
        return {}

    @cached_property
    def campaigns_by_place(self) -> dict[Place, tuple[CampaignFacts, ...]]:
        """Where it is remembered which campaigns can hold on a day, at a till, from warehouses."""
        return {}

    @property
    def article_selections(self) -> tuple[ArticleTerms, ...]:
        """Everything that chooses articles."""
        of_campaigns = (campaign.articles for campaign in self.campaign)
        chosen = (terms for terms in of_campaigns if terms is not None and not terms.is_empty)
        asked = (terms for campaign in self.tag_challenges for _, terms in campaign.tags_asked)
        return (*self.earn.selections, *chosen, *asked)

    @property
    def customer_selections(self) -> tuple[CustomerTerms, ...]:
        """Everything that chooses customers."""
        only = self.earn.only_customers
        of_campaigns = (campaign.customers for campaign in self.campaign)
        given = (only, *self.earn.leave_out_customers, *of_campaigns)
        return tuple(terms for terms in given if terms is not None and not terms.is_empty)

    @property
    def warehouses_named(self) -> frozenset[str]:
        """The warehouses by which sales are chosen."""
        of_campaigns = (name for campaign in self.campaign for name in campaign.warehouses)
        return frozenset((*self.earn.warehouses, *self.earn.leave_out_warehouses, *of_campaigns))

    @cached_property
    def zone(self) -> ZoneInfo:
        """The shop's time zone."""
        return ZoneInfo(self.timezone)

    @cached_property
    def scale(self) -> int:
        """How many ledger units make one point: 1, or 100 with decimals."""
        return int(10**self.decimals)

    def units(self, points: Decimal | int) -> int:
        """Turn points as people write them into ledger units, parts below a unit cut off."""
        return int(Decimal(points) * self.scale)

    def points_of(self, units: int) -> Decimal:
        """Turn ledger units into points as people read them."""
        return Decimal(units) / self.scale if self.decimals else Decimal(units)

    def takes(self, source: str) -> bool:
        """Tell whether sales of this source take part."""
        return not self.sources or source in self.sources

    @property
    def value_of_point(self) -> Decimal | None:
        """What one point is worth in currency, or ``None`` where nothing says so."""
        if self.point_value is not None:
            return self.point_value
        first = next(iter(self.rewards_on_card), None)
        return None if first is None else first.worth / first.points

    @cached_property
    def rewards_on_card(self) -> tuple[RewardTerms, ...]:
        """The rewards that can be had as a discount on the customer card, in their order."""
        return tuple(reward for reward in self.reward if reward.is_on_card)

    @cached_property
    def given_articles(self) -> Mapping[str, RewardTerms]:
        """The rewards that are articles, by their references; of several the cheapest."""
        found = [reward for reward in self.reward if reward.product is not None]
        by_price = sorted(found, key=lambda reward: reward.points, reverse=True)
        return {reward.product: reward for reward in by_price if reward.product is not None}
