"""Which articles are meant: the lists by which earning and campaigns choose them."""

from __future__ import annotations

import enum
from functools import cached_property
from typing import Annotated

from pydantic import Field

from dolisync.program.section import Label, Section


class ArticleKind(enum.StrEnum):
    """What an article is."""

    PRODUCT = "product"
    SERVICE = "service"


FieldTest = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62} *= *\S.*$", max_length=200)]


class ArticleTerms(Section):
    """Some articles: those that fit each of the lists that are not empty."""

    tags: tuple[Label, ...] = Field(
        (), description="Product tags, as they are called in Dolibarr; tags below them count too."
    )
    references: tuple[Label, ...] = Field(
        (), description="References; * stands for any characters, as in CAFE-*."
    )
    kinds: tuple[ArticleKind, ...] = Field((), description="product, service or both.")
    fields: tuple[FieldTest, ...] = Field(
        (),
        description="Extra fields of the product card and their values, as in brand=Acme. Of "
        "several values of one field any will do.",
    )

    @cached_property
    def is_empty(self) -> bool:
        """Tell whether nothing is said."""
        return not (self.tags or self.references or self.kinds or self.fields)

    @cached_property
    def asks_catalogue(self) -> bool:
        """Tell whether more counts than what a line says itself: its reference and its kind."""
        return bool(self.tags or self.fields)

    @cached_property
    def remembered(self) -> dict[tuple[str, bool], bool]:
        """Where it is remembered which references, and whether of services, fit."""
        return {}

    @property
    def field_names(self) -> tuple[str, ...]:
        """The extra fields that must be read."""
        return tuple(sorted(self.field_values))

    @cached_property
    def folded_tags(self) -> frozenset[str]:
        """The tags in one case."""
        return frozenset(tag.casefold() for tag in self.tags)

    @cached_property
    def field_values(self) -> dict[str, set[str]]:
        """The values that fit, by field, in one case."""
        found: dict[str, set[str]] = {}
        for test in self.fields:
            name, _, value = test.partition("=")
            found.setdefault(name.strip(), set()).add(value.strip().casefold())
        return found
