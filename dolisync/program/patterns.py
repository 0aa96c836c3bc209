"""Texts that an owner writes with * for any characters, held against texts from Dolibarr."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase


def fits_any(patterns: Iterable[str], text: str) -> bool:
    """Tell whether a text fits one of the patterns, in any case of letters."""
    folded = text.casefold()
    # Square brackets are characters like others: Dolibarr allows them in a reference.
    return any(fnmatchcase(folded, pattern.casefold().replace("[", "[[]")) for pattern in patterns)
