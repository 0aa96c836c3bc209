"""Codes of vouchers and gift cards: they cannot be guessed, and a slip of the hand is seen.

Eleven random letters and digits and one that checks them, in three groups: 7KQ2-M9XW-4HTR. The 31
characters are those that are not taken for one another; what is typed instead of them is understood
(O is 0, I and L are 1, S is 5, U is V, in any case, with or without dashes). 31 is a prime number:
every single wrong character is found, and any two that changed places.
"""

from __future__ import annotations

import re
import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRTVWXYZ"
RANDOM_LENGTH = 11
LENGTH = RANDOM_LENGTH + 1
GROUP = 4
_ALIKE = str.maketrans("OILSU", "0115V")
_BETWEEN = re.compile(r"[\s\-_.‐-―]+")
_VALUES = {character: value for value, character in enumerate(ALPHABET)}


def new_code() -> str:
    """Return a code that nobody can guess (some 54 bits), without its dashes."""
    random = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return random + check_character(random)


def check_character(random: str) -> str:
    """Return the character that makes the weighted sum a multiple of 31."""
    weighted = sum(_VALUES[character] * (place + 2) for place, character in enumerate(random))
    return ALPHABET[-weighted % len(ALPHABET)]


def read_code(text: str) -> str | None:
    """Return the code that was typed or scanned, ``None`` where it cannot be one."""
    bare = _BETWEEN.sub("", text).upper().translate(_ALIKE)
    if len(bare) != LENGTH or any(character not in _VALUES for character in bare):
        return None
    return bare if check_character(bare[:-1]) == bare[-1] else None


def shown_code(code: str) -> str:
    """Write a code in its groups, as it stands on the card."""
    return "-".join(code[start : start + GROUP] for start in range(0, LENGTH, GROUP))


def masked_code(code: str) -> str:
    """Name a code where others may read it: its last group alone opens nothing."""
    return f"...{code[-GROUP:]}"
