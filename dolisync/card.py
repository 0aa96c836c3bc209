"""What stands on the card that a customer is given: all of it in words, in his language."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from dolisync.codes import shown_code
from dolisync.phrases import day_text, money

_WORDS = {
    "en": {
        "voucher": "Voucher",
        "gift_card": "Gift card",
        "codes": "Vouchers and gift cards",
        "until": "Valid until",
        "for_ever": "No last day",
        "how": "Show this code at the till. What is left stays on it.",
    },
    "fr": {
        "voucher": "Bon d'achat",
        "gift_card": "Carte cadeau",
        "codes": "Bons et cartes cadeaux",
        "until": "Valable jusqu'au",
        "for_ever": "Sans date limite",
        "how": "Présentez ce code en caisse. Le solde reste utilisable.",
    },
    "it": {
        "voucher": "Buono acquisto",
        "gift_card": "Carta regalo",
        "codes": "Buoni e carte regalo",
        "until": "Valido fino al",
        "for_ever": "Senza scadenza",
        "how": "Mostri questo codice alla cassa. Il resto rimane disponibile.",
    },
    "de": {
        "voucher": "Gutschein",
        "gift_card": "Geschenkkarte",
        "codes": "Gutscheine und Geschenkkarten",
        "until": "Gültig bis",
        "for_ever": "Unbegrenzt gültig",
        "how": "Zeigen Sie diesen Code an der Kasse. Der Rest bleibt darauf.",
    },
    "es": {
        "voucher": "Vale de compra",
        "gift_card": "Tarjeta regalo",
        "codes": "Vales y tarjetas regalo",
        "until": "Válido hasta el",
        "for_ever": "Sin fecha límite",
        "how": "Muestre este código en caja. Lo que sobre queda en él.",
    },
}


def card_word(language: str, name: str) -> str:
    """Return a word about cards in a language, English where there is none."""
    return _WORDS.get(language, _WORDS["en"])[name]


@dataclass(frozen=True, slots=True)
class Look:
    """How a shop's cards look: heading (empty for the usual one), a line at the foot, a colour."""

    shop_name: str = ""
    title: str = ""
    note: str = ""
    color: str = "#1f5f5b"


@dataclass(frozen=True, slots=True)
class CardFace:
    """A card in words. ``content`` is what the QR code and the bars hold: the code without dashes.

    ``until`` is the label of the last day, or what is said where there is none; then ``last_day``
    is empty.
    """

    title: str
    shop_name: str
    amount: str
    code: str
    content: str
    until: str
    last_day: str
    how: str
    note: str
    name: str
    color: str


def card_face(
    language: str,
    look: Look,
    *,
    kind: str,
    code: str,
    amount: Decimal,
    currency: str,
    last_day: date | None,
    name: str = "",
) -> CardFace:
    """Say what stands on a card. ``kind`` is voucher or gift_card, ``name`` whose it is."""
    words = _WORDS.get(language, _WORDS["en"])
    return CardFace(
        title=look.title or words[kind],
        shop_name=look.shop_name,
        amount=money(language, amount, currency),
        code=shown_code(code),
        content=code,
        until=words["until"] if last_day else words["for_ever"],
        last_day=day_text(language, last_day) if last_day else "",
        how=words["how"],
        note=look.note,
        name=name,
        color=look.color,
    )
