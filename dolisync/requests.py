"""The fields on cards in which staff ask for something, and in which they are answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dolisync.answers import sentence
from dolisync.config import Source
from dolisync.ports import FieldSpec
from dolisync.program.terms import Program
from dolisync.program.wishes import ACTING, Part


@dataclass(frozen=True, slots=True)
class CardFields:
    """The names of one program's request fields on a card, by what they are for."""

    parts: Mapping[Part, str]
    answer: str

    @property
    def acting(self) -> tuple[str, ...]:
        """Those in which something is asked for."""
        return tuple(self.parts[part] for part in ACTING if part in self.parts)


def card_fields_of(program: Program, source: Source, *, with_claims: bool) -> CardFields:
    """Name the request fields that a program has on the cards of a source.

    ``with_claims`` tells that receipts bear codes which can be claimed.
    """
    asked = {
        Part.ADJUST: True,
        Part.REASON: True,
        Part.REDEEM: bool(program.rewards_on_card),
        Part.TIER: bool(program.tier),
        Part.JOIN: source.opt_out_field is not None,
        Part.CLAIM: with_claims,
        Part.REFER: program.referral is not None,
    }
    parts = {part: f"{program.field_prefix}{part}" for part, is_there in asked.items() if is_there}
    return CardFields(parts, f"{program.field_prefix}answer")


def draft_fields_of(program: Program, source: Source) -> CardFields | None:
    """Name the request fields on the invoices of a source; lines on drafts need the REST door."""
    if source.url is None or (program.value_of_point is None and not program.reward):
        return None
    return CardFields(
        {Part.USE: f"{program.field_prefix}{Part.USE}"}, f"{program.field_prefix}said"
    )


def request_specs(program: Program, source: Source, *, with_claims: bool) -> Iterator[FieldSpec]:
    """Say which fields must exist for the requests of a program."""
    fields = card_fields_of(program, source, with_claims=with_claims)
    for part, name in fields.parts.items():
        kind = "text"
        if part is Part.ADJUST:
            kind = "amount" if program.decimals else "integer"
        label = sentence(source.language, f"label_{part}")
        yield FieldSpec("customer", name, label, kind, editable=True)
    yield FieldSpec("customer", fields.answer, sentence(source.language, "label_answer"), "text")
    on_drafts = draft_fields_of(program, source)
    if on_drafts is not None:
        name = on_drafts.parts[Part.USE]
        label = sentence(source.language, "label_use")
        yield FieldSpec("sale", name, label, "text", editable=True)
        yield FieldSpec("sale", on_drafts.answer, sentence(source.language, "label_said"), "text")
