"""The options of vouchers and gift cards."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dolisync.program.section import Name, PointCount, Section

Color = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
CardTitle = Annotated[str, Field(max_length=24)]
CardNote = Annotated[str, Field(max_length=90)]
Months = Annotated[int, Field(ge=0, le=600)]


class VoucherSettings(Section):
    """Vouchers: codes that take an amount off a sale, made from points or given by the shop."""

    months: Months = Field(
        12, description="How many months one is good from the day it is made; 0 for ever."
    )
    title: CardTitle = Field(
        "", description="Heading of the card; left empty, Voucher in the customer's language."
    )
    note: CardNote = Field("", description="A line at the foot of the card: where it is taken.")
    color: Color = Field("#1f5f5b", description="Colour of the card.")
    automatic_points: PointCount | None = Field(
        None,
        description="Make one by itself, worth so many points, as soon as a member has them.",
    )
    program: Name | None = Field(None, description="From which program, where there are several.")


class GiftCardSettings(Section):
    """Gift cards: codes with money on them, sold as a product or made by the shop."""

    product: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None,
        description="Reference of the product that is sold as a gift card: each piece on a paid "
        "sale makes a card of its price, and earns no points.",
    )
    months: Months = Field(
        24, description="How many months one is good from the day it is made; 0 for ever."
    )
    title: CardTitle = Field(
        "", description="Heading of the card; left empty, Gift card in the customer's language."
    )
    note: CardNote = Field("", description="A line at the foot of the card: where it is taken.")
    color: Color = Field("#7a2e4d", description="Colour of the card.")
