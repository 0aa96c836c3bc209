"""What all sections of config.toml have in common, and the kinds of values that they hold."""

from __future__ import annotations

import difflib
from decimal import Decimal
from functools import cache
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

PositiveAmount = Annotated[Decimal, Field(gt=0, max_digits=15, decimal_places=4)]
PointCount = Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=2)]
Label = Annotated[str, Field(min_length=1, max_length=60)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
FieldPrefix = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{1,15}$")]


@cache
def _timezones() -> frozenset[str]:
    """Return the names of all time zones: looking through the system's files takes a while."""
    return frozenset(available_timezones())


def _known_timezone(name: str) -> str:
    known = _timezones()
    if name not in known:
        near = difflib.get_close_matches(name, sorted(known), n=1)
        remedy = f"did you mean {near[0]}?" if near else "write a name such as Europe/Rome"
        message = f"'{name}' is not a time zone; {remedy}"
        raise ValueError(message)
    return name


TimezoneName = Annotated[str, AfterValidator(_known_timezone)]


class Section(BaseModel):
    """A section of config.toml: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
