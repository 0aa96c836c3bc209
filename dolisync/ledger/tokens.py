"""Tokens: names that nobody can guess, and that can be read aloud."""

from __future__ import annotations

import secrets

# No letters or digits that are taken for one another when read aloud.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def random_token(prefix: str, length: int) -> str:
    """Return the prefix and so many random letters and digits."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(length))
