"""What a customer card in Dolibarr shows of the codes that are his: never a whole one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from dolisync.card import card_word
from dolisync.config import Settings, Source
from dolisync.ledger.vouchers import Voucher
from dolisync.phrases import day_text, money
from dolisync.ports import FieldSpec

LONGEST = 255
FIELD = "codes"


def codes_field(settings: Settings, source: Source) -> str | None:
    """Name the field of the customer card that shows codes, where there are any."""
    if settings.voucher is None and settings.gift_card is None:
        return None
    prefixes = [p.field_prefix for p in settings.program if p.takes(source.name)]
    return f"{prefixes[0]}{FIELD}" if prefixes else None


def codes_specs(settings: Settings, source: Source) -> Iterable[FieldSpec]:
    """Say which field must exist for them."""
    name = codes_field(settings, source)
    if name is not None:
        yield FieldSpec("customer", name, card_word(source.language, "codes"), "text")


def codes_text(language: str, found: Sequence[Voucher], today: date) -> str | None:
    """Say what can be used of a customer's codes, the soonest to end first."""
    usable = [one for one in found if one.usable(today)]
    usable.sort(key=lambda one: (one.valid_until or date.max, one.id))
    parts = [_one(language, one) for one in usable]
    text = ", ".join(parts)
    while len(text) > LONGEST:
        parts.pop()
        text = ", ".join(parts) + ", ..."
    return text or None


def _one(language: str, one: Voucher) -> str:
    amount = money(language, one.balance, one.currency)
    until = f" ({day_text(language, one.valid_until)})" if one.valid_until else ""
    return f"{card_word(language, one.kind)} {one.masked} {amount}{until}"
