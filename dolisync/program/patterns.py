"""Texts that an owner writes with * for any characters, held against texts from Dolibarr."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache


def fits_any(patterns: Iterable[str], text: str) -> bool:
    """Tell whether a text fits one of the patterns, in any case of letters."""
    folded = text.casefold()
    return any(_compiled(pattern).match(folded) for pattern in patterns)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    # Square brackets are characters like others: Dolibarr allows them in a reference.
    return re.compile(translate(pattern.casefold().replace("[", "[[]")))
