"""What an owner can set about points that are given without a purchase."""

from __future__ import annotations

import enum
from datetime import date
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from dolisync.program.section import Label, Name, PointCount, Section


class BonusWhen(enum.StrEnum):
    """What makes a bonus be given."""

    HAND = "hand"
    WELCOME = "welcome"
    TAG = "tag"


class BonusEach(enum.StrEnum):
    """How often one member can have a bonus."""

    EVER = "ever"
    YEAR = "year"
    TIME = "time"


class BonusTerms(Section):
    """A bonus: points without a purchase, for a review, an event, a newsletter, as a welcome.

    It is no sale: it counts for no tier, no campaign multiplies it and no cap cuts it.
    """

    name: Name = Field("review", description="A short name, used by `dolisync bonus`.")
    title: Label = Field("Thank you for your review", description="What staff and customers read.")
    points: PointCount = Field(Decimal(50), description="How many points.")
    when: BonusWhen = Field(
        BonusWhen.HAND,
        description="hand: given by `dolisync bonus`, to one or to a list; welcome: to each member "
        "whose first movement is on one of its days; tag: to each customer who bears a tag. By "
        "hand each of them can be given.",
    )
    tag: Label | None = Field(
        None, description="The customer tag that staff set in Dolibarr to give it; setup makes it."
    )
    each: BonusEach = Field(
        BonusEach.EVER,
        description="How often one member can have it: once for ever, once a year, or each time "
        "that it is given (time; only by hand).",
    )
    first_day: date | None = Field(
        None,
        description="The first day on which it is given. A welcome without one begins on the day "
        "on which it first stood in the configuration.",
    )
    last_day: date | None = Field(None, description="The last day on which it is given.")
    valid_days: Annotated[int | None, Field(ge=1, le=3660)] = Field(
        None, description="Its points live so many days; without it as earned ones do."
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.when is BonusWhen.TAG and self.tag is None:
            message = f"bonus '{self.name}' is given by a tag: name it under tag"
            raise ValueError(message)
        if self.each is BonusEach.TIME and self.when is not BonusWhen.HAND:
            message = f"bonus '{self.name}': each = \"time\" can only be given by hand"
            raise ValueError(message)
        if self.each is BonusEach.YEAR and self.when is BonusWhen.WELCOME:
            message = f"bonus '{self.name}' is a welcome, which is given once: leave each out"
            raise ValueError(message)
        if self.first_day and self.last_day and self.last_day < self.first_day:
            message = f"bonus '{self.name}' ends before it begins: look at its days"
            raise ValueError(message)
        return self

    @property
    def given_by(self) -> str | None:
        """The tag by which it is given, if it is."""
        return self.tag if self.when is BonusWhen.TAG else None

    def is_on(self, day: date) -> bool:
        """Tell whether it is given on a day."""
        return (self.first_day or date.min) <= day <= (self.last_day or date.max)

    def occasion(self, day: date, token: str) -> str:
        """Name what a member can have it for only once; ``token`` is of this giving."""
        match self.each:
            case BonusEach.EVER:
                return ""
            case BonusEach.YEAR:
                return f"{day:%Y}"
        return token
