"""Reasons and movements in the languages of shops: German, English, Spanish, French, Italian.

Reasons are data; their English sentence stands with them (``Why``). Here is one file of sentences
per language: ``[reasons]`` by the name of the Why, ``[texts]`` by the English of what stands inside
a reason or in a movement, ``[explain]`` for what explanations say besides. What a file lacks is
said in English; a test finds that it lacks nothing.
"""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from importlib import resources

from dolisync.phrases import day_text, money, number, points_text
from dolisync.program.reasons import Reason, ReasonValue, Why

# What the values of reasons are, by their names. All others are numbers, or texts as they stand:
# titles, references, codes, tags.
MONEY = frozenset(
    "amount at_least excess left minimum paid per sold total used worth".split()  # noqa: SIM905
)
DAYS = frozenset({"date", "day", "start"})
TEXTS = frozenset(
    "basis because channel each gives how span terminal warehouses weekday what when".split()  # noqa: SIM905
)

# Within a text, these are numbers or one word; others may be several.
_NUMBERS = frozenset({"amount", "bonus", "count", "percent", "times"})
_ONE_WORD = frozenset({"customer", "day", "giver", "into", "old", "ref", "taker", "token"})

_SECTIONS = ("reasons", "texts", "explain")


@lru_cache(maxsize=8)
def catalogue(language: str) -> Mapping[str, Mapping[str, str]]:
    """Read the sentences of a language, none for one that there is no file for."""
    file = resources.files("dolisync.sentences") / f"{language}.toml"
    found = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return {section: found.get(section, {}) for section in _SECTIONS}


@dataclass(frozen=True, slots=True)
class Tongue:
    """How a shop is spoken to: its language, and the currency of its amounts."""

    language: str
    currency: str

    def say(self, reason: Reason) -> str:
        """Write a reason as a sentence."""
        english = reason.why.value.replace("{points} points", "{points:points}")
        sentence = catalogue(self.language)["reasons"].get(reason.why.name.lower(), english)
        values = {name: self._value(name, value) for name, value in reason.values}
        return sentence.format(**values)

    def as_json(self, reason: Reason) -> dict[str, object]:
        """Write a reason with stable keys, its text in this language."""
        return {**reason.as_json(), "text": self.say(reason)}

    def tell(self, name: str, **values: ReasonValue | date) -> str:
        """Write a line of an explanation."""
        lines = catalogue(self.language)["explain"] or catalogue("en")["explain"]
        return lines[name].format(**{key: self._value(key, it) for key, it in values.items()})

    def text(self, english: str) -> str:
        """Write what stands inside a reason, or why a movement was made; others' words stay."""
        texts = catalogue(self.language)["texts"]
        if english in texts or not texts:
            return texts.get(english, english)
        for pattern, translated in _patterns(self.language):
            found = pattern.fullmatch(english)
            if found:
                inner = {name: self._inner(name, it) for name, it in found.groupdict().items()}
                return translated.format(**inner)
        if ", " in english:
            return ", ".join(self.text(part) for part in english.split(", "))
        return english

    def _inner(self, name: str, value: str) -> object:
        """Write what stood in a text; staff's own words, titles and numbers of documents stay."""
        if name == "why":
            return self.text(value)
        return self._value(name, Decimal(value) if name in _NUMBERS else value)

    def _value(self, name: str, value: ReasonValue | date) -> object:
        if isinstance(value, date):
            return day_text(self.language, value)
        if isinstance(value, str):
            return self._words(name, value)
        if name in MONEY:
            return money(self.language, Decimal(value), self.currency)
        return _Number(self.language, Decimal(value))

    def _words(self, name: str, value: str) -> str:
        if name in DAYS:
            return day_text(self.language, date.fromisoformat(value))
        return self.text(value) if name in TEXTS else value


@dataclass(frozen=True, slots=True)
class _Number:
    """A number to be written: by itself, or as {points:points} with its word."""

    language: str
    value: Decimal

    def __format__(self, spec: str) -> str:
        write = points_text if spec == "points" else number
        return write(self.language, self.value)

    def __str__(self) -> str:
        return format(self)


@lru_cache(maxsize=8)
def _patterns(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Turn texts with values in them around, to find what was said; the most telling first."""
    texts = catalogue(language)["texts"]
    with_values = sorted((english for english in texts if "{" in english), key=_telling)
    return tuple((_pattern(english), texts[english]) for english in with_values)


def _telling(english: str) -> tuple[bool, int, str]:
    """Order texts: what is added to another one first, then those with most words of their own."""
    return not english.startswith("{why}"), -len(re.sub(r"\{\w+\}", "", english)), english


def _pattern(english: str) -> re.Pattern[str]:
    found = ""
    for literal, name, _, _ in string.Formatter().parse(english):
        found += re.escape(literal)
        if name:
            what = r"-?[\d.]+" if name in _NUMBERS else r"\S+" if name in _ONE_WORD else ".+?"
            found += f"(?P<{name}>{what})"
    return re.compile(found)


def names_in(sentence: str) -> set[str]:
    """Return the names of the values in a sentence."""
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def missing_in(language: str) -> list[str]:
    """Name the reasons for which a language has no sentence, or one with other values."""
    known = catalogue(language)["reasons"]
    return [
        why.name
        for why in Why
        if why.name.lower() not in known or names_in(known[why.name.lower()]) != names_in(why.value)
    ]
