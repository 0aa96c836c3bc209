"""Rounding, named and symmetric: what a sale rounds, its return rounds the same way."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, ROUND_UP, Context, Decimal

from dolisync.program.terms import Rounding

# Enough digits that a product of two money amounts and a quotient lose nothing that matters.
EXACT = Context(prec=50)

_TWELVE_PLACES, _WHOLE = Decimal("1e-12"), Decimal(1)
_MODES = {Rounding.DOWN: ROUND_DOWN, Rounding.HALF_UP: ROUND_HALF_UP, Rounding.UP: ROUND_UP}


def round_units(value: Decimal, rounding: Rounding) -> int:
    """Round to a whole number of ledger units, towards or away from zero alike on both sides.

    ``ROUND_DOWN`` and ``ROUND_UP`` work on the magnitude, so the rounding of -x is minus the
    rounding of x. A quotient is first brought to 12 decimals, so that 3 times a third is one.
    """
    whole = int(value)
    if value == whole:
        return whole
    steady = value.quantize(_TWELVE_PLACES, ROUND_HALF_UP, EXACT)
    return int(steady.quantize(_WHOLE, _MODES[rounding], EXACT))
