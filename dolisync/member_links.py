"""The address of a member's own page: who holds it may read there, and nobody can guess one.

It names a member of the ledger, no customer of Dolibarr, and the day on which it was printed, both
signed with a key that never leaves the ledger.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import date, timedelta

from dolisync.ledger.tokens import ALPHABET

# Sixty bits: who tries a million addresses a second finds one in tens of thousands of years.
_SIGNATURE_LENGTH = 12
_DAY_LENGTH = 3
_MEMBER_LENGTH_MAX = 13
_EPOCH = date(2020, 1, 1)
_BASE = len(ALPHABET)


@dataclass(frozen=True, slots=True)
class Link:
    """What an address names: a member, and the day on which it was given."""

    member_id: int
    day: date


def make_token(key: bytes, link: Link) -> str:
    """Return the last part of an address."""
    days = (link.day - _EPOCH).days
    if not 0 <= days < _BASE**_DAY_LENGTH:
        message = f"no address can be of {link.day}"
        raise ValueError(message)
    letters = _written(link.member_id) + _written(days).rjust(_DAY_LENGTH, ALPHABET[0])
    return letters + _signature(key, letters)


def read_token(key: bytes, text: str) -> Link | None:
    """Read an address that was made with this key, ``None`` for any other."""
    text = text.upper()
    length = len(text) - _SIGNATURE_LENGTH - _DAY_LENGTH
    if not 1 <= length <= _MEMBER_LENGTH_MAX or set(text) - set(ALPHABET):
        return None
    letters, signature = text[:-_SIGNATURE_LENGTH], text[-_SIGNATURE_LENGTH:]
    if not hmac.compare_digest(signature, _signature(key, letters)):
        return None
    day = _EPOCH + timedelta(days=_read(letters[length:]))
    return Link(_read(letters[:length]), day)


def _signature(key: bytes, letters: str) -> str:
    digest = hmac.digest(key, f"page:{letters}".encode(), hashlib.sha256)
    number = int.from_bytes(digest[:8], "big") >> 4
    return _written(number).rjust(_SIGNATURE_LENGTH, ALPHABET[0])


def _written(number: int) -> str:
    letters = ""
    while number:
        number, digit = divmod(number, _BASE)
        letters = ALPHABET[digit] + letters
    return letters or ALPHABET[0]


def _read(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * _BASE + ALPHABET.index(letter)
    return number
