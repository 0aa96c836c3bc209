"""Give a ticket back what TakePOS took from it.

Before it posts a ticket, TakePOS's script removes each line break together with the character
before it. The totals end with one: ``7,50 €`` arrives as ``7,50``, ``£7.50`` as ``£7.5``. The sign
is put back where the number is whole; a digit only from what the sale is known to come to. A digit
that cannot be known is shown as lacking: an amount must not look like another one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from decimal import Decimal

from babel.numbers import get_currency_symbol

_LACKING = "..."
# Signs that Dolibarr writes and English does not.
_LOCAL_SIGNS = {
    "CZK": "Kč",
    "DKK": "kr",
    "HUF": "Ft",
    "NOK": "kr",
    "PLN": "zł",
    "RON": "lei",
    "SEK": "kr",
}
_CELL = re.compile(r"(<t[dh][^>]*>)([^<>]*)(?=</t[dh]>)", re.IGNORECASE)
_NUMBER = r"-?\d[\d.,'\s]*\d"
_SIGN_AFTER = re.compile(rf"({_NUMBER}) {{1,2}}(\S*)")
_SIGN_BEFORE = re.compile(r"([^\d\s-]{1,3} ?)(-?[\d.,'\s]*[.,]\d)")


def mended(page: str, currency: str, amounts: Sequence[Decimal] = ()) -> str:
    """Complete the totals of a ticket. ``amounts`` are those that the sale is known to have."""
    signs = [currency, _LOCAL_SIGNS.get(currency) or get_currency_symbol(currency, "en")]
    return _CELL.sub(lambda cell: cell[1] + _mended(cell[2], signs, amounts), page)


def _mended(cell: str, signs: Sequence[str], amounts: Sequence[Decimal]) -> str:
    # What ends with a space was cut there: nothing else in a ticket does.
    shown = html.unescape(cell).replace("\xa0", " ")
    after = _SIGN_AFTER.fullmatch(shown)
    if after:
        sign = next((sign for sign in signs if _is_cut(after[2], sign)), None)
        return cell if sign is None else f"{after[1]} {sign}"
    before = _SIGN_BEFORE.fullmatch(shown)
    if before and before[1].strip() in signs:
        return shown + _digit(before[2], amounts)
    return cell


def _is_cut(left: str, sign: str) -> bool:
    """Tell whether this is what is left of a sign that lost its last character."""
    return left == sign[:-1]


def _digit(number: str, amounts: Sequence[Decimal]) -> str:
    digits = re.sub(r"\D", "", number)
    written = {re.sub(r"\D", "", f"{abs(amount):.2f}") for amount in amounts}
    found = {one[-1] for one in written if one[:-1] == digits}
    return found.pop() if len(found) == 1 else _LACKING
