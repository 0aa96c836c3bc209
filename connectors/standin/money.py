"""Line arithmetic as Dolibarr does it: rounded to the cent per line, half away from zero."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
UNIT = Decimal("0.00001")  # unit prices keep five decimals

Number = Decimal | int | float | str


@dataclass(frozen=True)
class Totals:
    """What a line or an invoice amounts to."""

    ht: Decimal
    tva: Decimal
    ttc: Decimal


def decimal(value: Number) -> Decimal:
    """Make a Decimal without the noise of binary fractions."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


def cents(value: Decimal) -> Decimal:
    """Round to the cent, half away from zero, as PHP does."""
    return value.quantize(CENT, rounding=ROUND_HALF_UP)


def price_without_tax(price_ttc: Decimal, tva_tx: Decimal) -> Decimal:
    """Give the unit price before tax of a price that includes it."""
    return (price_ttc / (1 + tva_tx / 100)).quantize(UNIT, rounding=ROUND_HALF_UP)


def line_totals(qty: Decimal, price: Decimal, remise_percent: Decimal, tva_tx: Decimal) -> Totals:
    """Compute a line from its price before tax; the tax is what lies between two roundings."""
    amount = qty * price * (1 - remise_percent / 100)
    ht = cents(amount)
    ttc = cents(amount * (1 + tva_tx / 100))
    return Totals(ht, ttc - ht, ttc)


def line_totals_from_ttc(
    qty: Decimal, price_ttc: Decimal, remise_percent: Decimal, tva_tx: Decimal
) -> Totals:
    """Compute a line from its price with tax, as shops that write prices with tax do."""
    amount = qty * price_ttc * (1 - remise_percent / 100)
    ttc = cents(amount)
    ht = cents(amount / (1 + tva_tx / 100))
    return Totals(ht, ttc - ht, ttc)


def php_number(value: Decimal | float) -> str:
    """Write a number as PHP does: no trailing zeros, no exponent."""
    text = format(decimal(value), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"", "-0"} else text
