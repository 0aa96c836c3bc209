"""What an owner can set about customers who recommend the shop to new ones."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from dolisync.program.section import Label, Section

Points = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)]
Limit = Annotated[int | None, Field(ge=1, le=100_000)]
DAYS_MAX = 3660
# So late at most staff may say who recommended a new customer.
DAYS_LATE_MAX = 365


class ReferralTerms(Section):
    """Recommendations: points for the customer who recommends the shop, and for the new one.

    Staff write on the new customer's card who recommended the shop, or use `dolisync refer`. The
    points come with the first purchase that earns points and is large enough, and go if it goes.
    They are no sale's: they count for no tier, no campaign multiplies them and no cap cuts them.
    """

    points: Points = Field(Decimal(100), description="So many for who recommends.")
    new_points: Points = Field(Decimal(50), description="So many for the new customer.")
    title: Label = Field(
        "Thank you for recommending us", description="What who recommends reads in the history."
    )
    new_title: Label = Field(
        "Welcome, you were recommended", description="What the new customer reads there."
    )
    minimum: Annotated[Decimal, Field(ge=0, max_digits=15, decimal_places=2)] = Field(
        Decimal(0),
        description="What the purchase must come to, including tax, less what was returned of it.",
    )
    within_days: Annotated[int, Field(ge=0, le=DAYS_MAX)] = Field(
        90, description="So long after the day on which it is said, a purchase counts."
    )
    new_for_days: Annotated[int, Field(ge=0, le=DAYS_LATE_MAX)] = Field(
        7,
        description="Staff may say it so many days late: who bought before that is not new, and a "
        "purchase since then counts. 0: a purchase of the same day counts, earlier ones bar.",
    )
    only_new: bool = Field(
        True,  # noqa: FBT003 - this is how pydantic takes a default
        description="false: also who has long been a customer can be recommended; a purchase from "
        "the day on which it is said counts.",
    )
    max_a_year: Limit = Field(
        None,
        description="Who recommends is rewarded for so many new customers in a calendar year, by "
        "the days of their purchases; the new ones have their points all the same.",
    )
    max_ever: Limit = Field(None, description="The same, for so many in all.")
    wait_days: Annotated[int | None, Field(ge=0, le=365)] = Field(
        None,
        description="The points can be used so many days after the purchase, when it can no longer "
        "be returned; without it as earned ones can.",
    )
    valid_days: Annotated[int | None, Field(ge=1, le=DAYS_MAX)] = Field(
        None, description="They live so many days from the purchase; without it as earned ones do."
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not self.points and not self.new_points:
            message = "a recommendation gives nothing to either: set points or new_points"
            raise ValueError(message)
        if self.valid_days is not None and self.valid_days < (self.wait_days or 0):
            message = "the points would end before they can be used: raise valid_days"
            raise ValueError(message)
        return self
