"""Texts that an owner writes with * for any characters, held against texts from Dolibarr."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache


@lru_cache(maxsize=65536)
def fits_any(patterns: tuple[str, ...], text: str) -> bool:
    """Tell whether a text fits one of the patterns, in any case of letters.

    The same few articles are asked for again and again, so it is remembered.
    """
    folded = text.casefold()
    return any(_compiled(pattern).match(folded) for pattern in patterns)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    # Square brackets are characters like others: Dolibarr allows them in a reference.
    return re.compile(translate(pattern.casefold().replace("[", "[[]")))
