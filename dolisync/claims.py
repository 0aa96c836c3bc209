"""The code on the receipt of an unknown customer, with which his points can be claimed later.

It names the sale and is signed: nobody can make one for a sale whose receipt he does not hold.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

from dolisync.errors import UserError
from dolisync.ledger.tokens import ALPHABET
from dolisync.model import SaleKey

# Forty bits: who guesses a thousand codes a second finds one in seventeen years.
_SIGNATURE_LENGTH = 8
_GROUP = 4
_ROWID_LENGTH_MAX = 13
_REMEDY = "type it as it is printed: letters without I and O, digits without 0 and 1"


@dataclass(frozen=True, slots=True)
class ReadCode:
    """What a code says: a sale's rowid, of a source that only the signature tells."""

    rowid: int
    signature: str

    def names(self, key: bytes, sale: SaleKey) -> bool:
        """Tell whether it was made for this sale."""
        return self.rowid == sale.rowid and hmac.compare_digest(
            self.signature, _signature(key, sale)
        )


def make_code(key: bytes, sale: SaleKey) -> str:
    """Return the code of a sale, in groups of four as it is printed."""
    letters = _number(sale.rowid) + _signature(key, sale)
    groups = (letters[start : start + _GROUP] for start in range(0, len(letters), _GROUP))
    return "-".join(groups)


def read_code(text: str) -> ReadCode:
    """Read a code as somebody typed it. Raises ``UserError`` for what cannot be one."""
    letters = re.sub(r"[\s-]", "", text).upper()
    length = len(letters) - _SIGNATURE_LENGTH
    if not 1 <= length <= _ROWID_LENGTH_MAX or set(letters) - set(ALPHABET):
        message = "this is no code of a receipt"
        raise UserError(message, _REMEDY)
    rowid = 0
    for letter in letters[:length]:
        rowid = rowid * len(ALPHABET) + ALPHABET.index(letter)
    return ReadCode(rowid, letters[length:])


def _number(number: int) -> str:
    letters = ""
    while number:
        number, digit = divmod(number, len(ALPHABET))
        letters = ALPHABET[digit] + letters
    return letters or ALPHABET[0]


def _signature(key: bytes, sale: SaleKey) -> str:
    message = f"claim:{sale.source}:{sale.entity}:{sale.rowid}".encode()
    bits = int.from_bytes(hmac.digest(key, message, hashlib.sha256)[:5], "big")
    return _number(bits).rjust(_SIGNATURE_LENGTH, ALPHABET[0])
