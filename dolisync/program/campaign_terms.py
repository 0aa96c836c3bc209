"""What an owner can set about campaigns, and about whose sales earn at all."""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Mapping
from datetime import date, time
from decimal import Decimal
from functools import cached_property
from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from dolisync.program.article_terms import ArticleTerms
from dolisync.program.section import Label, Name, Section

_HOURS = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")


class Channel(enum.StrEnum):
    """Where a sale was made."""

    POS = "pos"
    OFFICE = "office"


class Weekday(enum.StrEnum):
    """The days of the week, Monday first."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


class Birthday(enum.StrEnum):
    """When a campaign holds for a customer's birthday."""

    NONE = "none"
    DAY = "day"
    MONTH = "month"


class Combine(enum.StrEnum):
    """What several campaigns that hold for one sale come to."""

    BEST = "best"
    ADD = "add"
    MULTIPLY = "multiply"


def _as_text(value: object) -> object:
    return str(value) if type(value) is int else value


def _as_hours(text: str) -> str:
    if text and not _HOURS.fullmatch(text):
        message = f"'{text}' are no hours; write them as in 14:00-17:00"
        raise ValueError(message)
    return text


def _as_country(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2}", text):
        message = f"'{text}' is no code of a country; write two letters such as FR"
        raise ValueError(message)
    return text


# TakePOS numbers its terminals; a number may be written as one.
Terminal = Annotated[str, BeforeValidator(_as_text), Field(min_length=1, max_length=32)]
Country = Annotated[str, AfterValidator(_as_country)]
Hours = Annotated[str, AfterValidator(_as_hours)]


class CustomerTerms(Section):
    """Some customers: those that fit each of the lists that are not empty."""

    types: tuple[Label, ...] = Field(
        (),
        description="Third-party types by their codes: TE_PRIVATE is a private person, TE_SMALL, "
        "TE_MEDIUM and TE_GROUP are companies, TE_ADMIN is an administration.",
    )
    tags: tuple[Label, ...] = Field(
        (), description="Customer tags, as they are called in Dolibarr; tags below them count too."
    )
    towns: tuple[Label, ...] = Field(
        (), description="Towns on the customer card; * stands for any characters."
    )
    departments: tuple[Label, ...] = Field(
        (), description="Departments, provinces or states, by code or name."
    )
    regions: tuple[Label, ...] = Field(
        (), description="Regions, by name. Read by rest, this needs Dolibarr 20 or later."
    )
    countries: tuple[Country, ...] = Field((), description="Countries, by two letters: FR.")

    @cached_property
    def asked(self) -> tuple[str, ...]:
        """The lists that are not empty."""
        lists = ("types", "tags", "towns", "departments", "regions", "countries")
        return tuple(name for name in lists if getattr(self, name))

    @cached_property
    def folded(self) -> Mapping[str, frozenset[str]]:
        """What is wanted, by list, in one case."""
        return {
            name: frozenset(text.strip().casefold() for text in getattr(self, name))
            for name in self.asked
        }

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is said."""
        places = self.towns or self.departments or self.regions or self.countries
        return not (self.types or self.tags or places)


class OnlyCustomersTerms(CustomerTerms):
    """The customers whose sales earn, all others do not: those that fit each list not empty."""


class LeaveOutCustomersTerms(CustomerTerms):
    """Customers whose sales earn nothing: those that fit each list that is not empty."""


class CampaignCustomersTerms(CustomerTerms):
    """The customers for whom the campaign is: those that fit each list that is not empty."""

    tiers: tuple[Name, ...] = Field(
        (), description="Tiers of the program; that in which the sale is judged counts."
    )

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is said."""
        return super().is_empty and not self.tiers


class CampaignArticlesTerms(ArticleTerms):
    """The articles for which the campaign is: those that fit each list that is not empty."""


class Each(enum.StrEnum):
    """How long a limit goes on before it counts anew."""

    CAMPAIGN = "campaign"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


LimitPoints = Annotated[Decimal | None, Field(gt=0, max_digits=12, decimal_places=2)]


class BudgetTerms(Section):
    """What the campaign can give to all members together; then it is over.

    Sales are served in the order of their days and rowids, whenever they arrive. What a return
    takes back of a campaign is free again.
    """

    points: LimitPoints = Field(None, description="At most so many points.")
    money: Annotated[Decimal | None, Field(gt=0, max_digits=12, decimal_places=2)] = Field(
        None,
        description="Points worth at most this amount, as point_value or the first reward says.",
    )
    each: Each = Field(
        Each.CAMPAIGN,
        description="In the whole campaign, or anew each day, week (from Monday), month or year.",
    )

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is limited."""
        return self.points is None and self.money is None


class PerMemberTerms(Section):
    """What the campaign can give to one member."""

    points: LimitPoints = Field(None, description="At most so many points.")
    times: Annotated[int | None, Field(ge=1, le=1_000_000)] = Field(
        None, description="For at most so many sales."
    )
    each: Each = Field(
        Each.CAMPAIGN,
        description="In the whole campaign, or anew each day, week (from Monday), month or year.",
    )

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is limited."""
        return self.points is None and self.times is None


class ChallengeTerms(Section):
    """What a member must have done before the campaign holds: a challenge.

    It holds for the sale with which the challenge is met and for those after it while it is; with
    times = 1 under per_member it is met once, with each = "month" once a month.
    """

    visits: Annotated[int | None, Field(ge=1, le=10_000)] = Field(
        None, description="So many sales that count, this one among them."
    )
    spent: Annotated[Decimal | None, Field(gt=0, max_digits=15, decimal_places=2)] = Field(
        None, description="So much spent before this sale, including tax, after returns."
    )
    tags: tuple[Label, ...] = Field(
        (),
        description="Something bought in each of these product tags, as they are called in "
        "Dolibarr, in this sale or before it; tags below them count too.",
    )
    different: Annotated[int | None, Field(ge=1, le=100)] = Field(
        None, description="In so many of these tags will do; left out, in all of them."
    )
    days: Annotated[int | None, Field(ge=1, le=3660)] = Field(
        None, description="Within so many days, that of the sale among them; left out, ever."
    )
    badge: Label | None = Field(
        None,
        description="What stands on the customer card of who met it. setup makes its field.",
    )
    badge_days: Annotated[int | None, Field(ge=1, le=3660)] = Field(
        None, description="So many days the badge stays; left out, for ever."
    )

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is asked."""
        return self.visits is None and self.spent is None and not self.tags

    @property
    def tags_needed(self) -> int:
        """In how many of the tags something must have been bought."""
        return self.different or len(self.tags_asked)

    @cached_property
    def tags_asked(self) -> Mapping[str, ArticleTerms]:
        """The tags in one case, with the articles that they choose."""
        return {tag.casefold(): ArticleTerms(tags=(tag,)) for tag in self.tags}

    @model_validator(mode="after")
    def _enough_tags(self) -> Self:
        named = len(self.tags_asked)
        if named and self.tags_needed > named:
            message = f"a challenge asks for {self.different} different tags and names {named}"
            raise ValueError(message)
        return self


class CampaignTerms(Section):
    """A campaign: more points for sales that fit everything said here.

    What it gives for a sale, its returns take back in proportion to the articles it was for. All
    conditions are judged on the sale: no return makes it miss a minimum or another day.
    """

    name: Name = Field("thursdays", description="A short name, shown by `dolisync explain`.")
    title: Label = Field("Thursdays", description="What staff and customers read.")
    multiply: Annotated[Decimal, Field(ge=0, le=1000, max_digits=7, decimal_places=3)] = Field(
        Decimal(1), description="What its articles earn is multiplied by this."
    )
    bonus: Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)] = Field(
        Decimal(0), description="So many points more for the sale."
    )
    first_day: date | None = Field(None, description="The first day on which it holds.")
    last_day: date | None = Field(None, description="The last day on which it holds.")
    weekdays: tuple[Weekday, ...] = Field(
        (), description="Only on these days of the week: monday to sunday."
    )
    hours: Hours = Field(
        "",
        description="Only at these hours, in the time zone of the shop, as in 14:00-17:00 (at "
        "17:00 it is over). 22:00-02:00 goes on after midnight and belongs to the day on which it "
        "begins. A sale's time is when its ticket was opened or its invoice was made; an invoice "
        "dated to another day has none.",
    )
    channels: tuple[Channel, ...] = Field(
        (), description="Only sales at the till (pos), or only invoices of the office."
    )
    terminals: tuple[Terminal, ...] = Field(
        (), description="Only sales at these terminals of TakePOS, by their numbers."
    )
    warehouses: tuple[Label, ...] = Field(
        (),
        description="Only sales of which goods were taken from these warehouses, by their names.",
    )
    birthday: Birthday = Field(
        Birthday.NONE,
        description="Only on the day or in the month of the customer's birthday; the source names "
        "the field that holds it. Who was born on 29 February has it on the 28th in other years.",
    )
    first_purchase: bool = Field(
        default=False, description="Only the first sale of a member that counts."
    )
    minimum: Annotated[Decimal, Field(ge=0, max_digits=15, decimal_places=2)] = Field(
        Decimal(0),
        description="Only from this amount on, including tax, of the articles that earn and for "
        "which the campaign is.",
    )
    exclusive: bool = Field(
        default=False,
        description="Where it holds it counts alone; of several, the one with the highest "
        "priority, then the one that gives most.",
    )
    priority: Annotated[int, Field(ge=-1000, le=1000)] = Field(
        0, description="The higher one goes first where only one can count and both give alike."
    )
    articles: CampaignArticlesTerms | None = Field(
        None, description="The articles for which it is."
    )
    customers: CampaignCustomersTerms | None = Field(
        None, description="The customers for whom it is."
    )
    budget: BudgetTerms | None = Field(None, description="What it can give in all.")
    per_member: PerMemberTerms | None = Field(None, description="What it can give to one member.")
    challenge: ChallengeTerms | None = Field(
        None, description="What a member must have done before it holds."
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.first_day and self.last_day and self.last_day < self.first_day:
            message = f"campaign '{self.name}' ends before it begins: look at its days"
            raise ValueError(message)
        if self.span is not None and self.span[0] == self.span[1]:
            message = f"campaign '{self.name}': hours begin and end at once; leave them out"
            raise ValueError(message)
        return self

    @cached_property
    def span(self) -> tuple[time, time] | None:
        """The hours, ``None`` for the whole day."""
        if not self.hours:
            return None
        begin, _, end = self.hours.partition("-")
        return time.fromisoformat(begin), time.fromisoformat(end)

    @cached_property
    def chosen_articles(self) -> ArticleTerms | None:
        """The articles for which it is, ``None`` for all."""
        return None if self.articles is None or self.articles.is_empty else self.articles

    @cached_property
    def in_all(self) -> BudgetTerms | None:
        """The limits of what it gives in all, ``None`` where there are none.

        A badge takes nothing of a budget.
        """
        is_unlimited = self.budget is None or self.budget.is_empty or self.is_badge_only
        return None if is_unlimited else self.budget

    @cached_property
    def to_one(self) -> PerMemberTerms | None:
        """The limits of what it gives to one member, ``None`` where there are none."""
        return None if self.per_member is None or self.per_member.is_empty else self.per_member

    @cached_property
    def asks(self) -> ChallengeTerms | None:
        """The challenge to be met, ``None`` where there is none."""
        return None if self.challenge is None or self.challenge.is_empty else self.challenge

    @property
    def asks_when(self) -> bool:
        """Tell whether more counts than the day: the hour, or whose birthday it is."""
        return self.span is not None or self.birthday is not Birthday.NONE

    @property
    def asks_whose(self) -> bool:
        """Tell whether it matters whose sale it is."""
        return self.first_purchase or self.customers is not None

    @cached_property
    def is_badge_only(self) -> bool:
        """Tell whether it gives a badge and no points."""
        return self.badge is not None and not self.gives_anything

    @property
    def badge(self) -> str | None:
        """What stands on the card of who met its challenge, ``None`` where nothing does."""
        return None if self.asks is None else self.asks.badge

    @property
    def tags_asked(self) -> Collection[tuple[str, ArticleTerms]]:
        """The tags of its challenge in one case, with the articles that they choose."""
        return () if self.asks is None else self.asks.tags_asked.items()

    @property
    def is_limited(self) -> bool:
        """Tell whether what it gives for a sale depends on other sales."""
        limits = (self.in_all, self.to_one, self.asks)
        return any(limit is not None for limit in limits)

    @property
    def gives_anything(self) -> bool:
        """Tell whether it changes any points."""
        return self.multiply != 1 or self.bonus > 0


class CampaignFacts(NamedTuple):
    """What is asked of a campaign for each sale, worked out once.

    Terms are validated models, whose attributes are slow to read. ``article_key`` tells its
    articles from others': its name, nothing where it is for all; ``by_article`` is what chooses
    them where references and kinds suffice; ``raises_by`` is its factor less one.
    """

    terms: CampaignTerms
    name: str
    asks_when: bool
    asks_whose: bool
    by_article: ArticleTerms | None
    article_key: frozenset[str]
    minimum: Decimal
    raises_by: Decimal
    bonus_units: int
    is_exclusive: bool
    is_badge_only: bool
    is_limited: bool

    @classmethod
    def of(cls, terms: CampaignTerms, bonus_units: int) -> CampaignFacts:
        """Work out the facts of a campaign."""
        articles = terms.chosen_articles
        return cls(
            terms,
            terms.name,
            terms.asks_when,
            terms.asks_whose,
            None if articles is None or articles.asks_catalogue else articles,
            frozenset() if articles is None else frozenset({terms.name}),
            terms.minimum,
            terms.multiply - 1,
            bonus_units,
            terms.exclusive,
            terms.is_badge_only,
            terms.is_limited,
        )
