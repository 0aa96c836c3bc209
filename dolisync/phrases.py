"""The few sentences that dolisync writes into Dolibarr's own pages, in the shop's language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal

_PHRASES = {
    "en": {
        "next": "{points} to go until {amount}",
        "ready": "{amount} can be redeemed now ({points})",
        "also": "also: {names}",
        "expiring": "{points} on {day}",
        "last": "{points} on {day} ({reason})",
        "debt": "{points} owed",
        "balance": "Loyalty points",
        "value": "Value of the points",
        "next_label": "Next reward",
        "expiring_label": "Next points to expire",
        "last_label": "Last movement of points",
        "earned": "Points earned",
        "used": "Points used",
        "after": "Points after it",
        "product": "Loyalty points of the product",
        "product_price": "Price in points",
        "reward_part": "{points} of {price}",
        "tier_label": "Loyalty tier",
        "badges_label": "Badges",
        "payment": "Loyalty points",
    },
    "fr": {
        "next": "encore {points} avant {amount}",
        "ready": "{amount} utilisables maintenant ({points})",
        "also": "aussi : {names}",
        "expiring": "{points} le {day}",
        "last": "{points} le {day} ({reason})",
        "debt": "en dette : {points}",
        "balance": "Points de fidélité",
        "value": "Valeur des points",
        "next_label": "Prochaine récompense",
        "expiring_label": "Prochains points à expirer",
        "last_label": "Dernier mouvement de points",
        "earned": "Points gagnés",
        "used": "Points utilisés",
        "after": "Points après cette vente",
        "product": "Points de fidélité du produit",
        "product_price": "Prix en points",
        "reward_part": "{points} sur {price}",
        "tier_label": "Niveau de fidélité",
        "badges_label": "Badges",
        "payment": "Points de fidélité",
    },
    "it": {
        "next": "ancora {points} per {amount}",
        "ready": "{amount} utilizzabili ora ({points})",
        "also": "anche: {names}",
        "expiring": "{points} il {day}",
        "last": "{points} il {day} ({reason})",
        "debt": "a debito: {points}",
        "balance": "Punti fedeltà",
        "value": "Valore dei punti",
        "next_label": "Prossimo premio",
        "expiring_label": "Prossimi punti in scadenza",
        "last_label": "Ultimo movimento di punti",
        "earned": "Punti guadagnati",
        "used": "Punti usati",
        "after": "Punti dopo la vendita",
        "product": "Punti fedeltà del prodotto",
        "product_price": "Prezzo in punti",
        "reward_part": "{points} su {price}",
        "tier_label": "Livello fedeltà",
        "badges_label": "Badge",
        "payment": "Punti fedeltà",
    },
    "de": {
        "next": "noch {points} bis {amount}",
        "ready": "{amount} jetzt einlösbar ({points})",
        "also": "auch: {names}",
        "expiring": "{points} am {day}",
        "last": "{points} am {day} ({reason})",
        "debt": "offen: {points}",
        "balance": "Treuepunkte",
        "value": "Wert der Punkte",
        "next_label": "Nächste Prämie",
        "expiring_label": "Nächste verfallende Punkte",
        "last_label": "Letzte Punktebewegung",
        "earned": "Punkte erhalten",
        "used": "Punkte eingelöst",
        "after": "Punkte danach",
        "product": "Treuepunkte des Produkts",
        "product_price": "Preis in Punkten",
        "reward_part": "{points} von {price}",
        "tier_label": "Treuestufe",
        "badges_label": "Abzeichen",
        "payment": "Treuepunkte",
    },
    "es": {
        "next": "aún {points} para {amount}",
        "ready": "{amount} canjeables ahora ({points})",
        "also": "también: {names}",
        "expiring": "{points} el {day}",
        "last": "{points} el {day} ({reason})",
        "debt": "en deuda: {points}",
        "balance": "Puntos de fidelidad",
        "value": "Valor de los puntos",
        "next_label": "Próxima recompensa",
        "expiring_label": "Próximos puntos que caducan",
        "last_label": "Último movimiento de puntos",
        "earned": "Puntos ganados",
        "used": "Puntos usados",
        "after": "Puntos después de la venta",
        "product": "Puntos de fidelidad del producto",
        "product_price": "Precio en puntos",
        "reward_part": "{points} de {price}",
        "tier_label": "Nivel de fidelidad",
        "badges_label": "Insignias",
        "payment": "Puntos de fidelidad",
    },
}

# One point and several, as the languages count.
_POINTS = {
    "en": ("point", "points"),
    "fr": ("point", "points"),
    "it": ("punto", "punti"),
    "de": ("Punkt", "Punkte"),
    "es": ("punto", "puntos"),
}

_VISITS = {
    "en": ("purchase", "purchases"),
    "fr": ("achat", "achats"),
    "it": ("acquisto", "acquisti"),
    "de": ("Einkauf", "Einkäufe"),
    "es": ("compra", "compras"),
}
_MONTHS = {
    "en": ("month", "months"),
    "fr": ("mois", "mois"),
    "it": ("mese", "mesi"),
    "de": ("Monat", "Monate"),
    "es": ("mes", "meses"),
}

LANGUAGES = tuple(sorted(_PHRASES))


def phrase(language: str, name: str, **values: object) -> str:
    """Return a sentence in a language, English where there is none."""
    return _PHRASES.get(language, _PHRASES["en"])[name].format(**values)


def money(language: str, amount: Decimal, currency: str) -> str:
    """Write an amount as the language does."""
    return format_currency(amount, currency, locale=language)


def number(language: str, points: Decimal, *, signed: bool = False) -> str:
    """Write a number of points; with its sign where it is a movement."""
    text = format_decimal(points, locale=language)
    return f"+{text}" if signed and points > 0 else text


def day_text(language: str, day: date) -> str:
    """Write a day as the language does, with a year of four digits."""
    return format_date(day, "dd/MM/yyyy" if language != "de" else "dd.MM.yyyy", locale=language)


def points_text(language: str, points: Decimal) -> str:
    """Write a number of points with its word, singular where the language has it."""
    return _with_word(language, points, _POINTS)


def visits_text(language: str, visits: Decimal) -> str:
    """Write a number of purchases with its word."""
    return _with_word(language, visits, _VISITS)


def months_text(language: str, months: Decimal) -> str:
    """Write a number of months with its word."""
    return _with_word(language, months, _MONTHS)


def _with_word(language: str, count: Decimal, words: Mapping[str, tuple[str, str]]) -> str:
    one, many = words.get(language, words["en"])
    is_one = Locale.parse(language).plural_form(count) == "one"
    return f"{number(language, count)} {one if is_one else many}"
