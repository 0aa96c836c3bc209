"""Points by bands of a sale's total: a fixed number, a percentage of it, or both.

The band is chosen by the whole sale, also when some of it was returned: what is left then keeps its
share of the fixed number and its percentage. So no return moves a sale into another band, and any
row of returns ends at zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from dolisync.program.reasons import Reason, Why, because
from dolisync.program.rounding import round_units
from dolisync.program.terms import BandTerms, Program

_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Totals:
    """A sale's total as it was sold, and what is left of it; both in the bands' basis."""

    sold: Decimal
    left: Decimal

    @property
    def share(self) -> Decimal:
        """What is left of the sale, never more than all of it."""
        return min(self.left / self.sold, Decimal(1))


def band_worth(program: Program, totals: Totals) -> tuple[int, Reason]:
    """Return the ledger units that the bands give for what is left, and why."""
    if min(totals.left, totals.sold) <= 0:
        return 0, because(Why.NEGATIVE)
    band = program.earn.band_of(totals.sold)
    if band is None:
        return 0, _none_reason(program, totals)
    exact = band.points * totals.share + totals.left * band.percent / _HUNDRED
    units = round_units(exact * program.scale, program.earn.band_rounding)
    return units, _reason(program, band, totals, units)


def _none_reason(program: Program, totals: Totals) -> Reason:
    return because(
        Why.BAND_NONE,
        sold=_shown(totals.sold),
        basis=program.earn.band_basis.replace("_", " "),
        at_least=min(band.at_least for band in program.earn.band),
    )


def _reason(program: Program, band: BandTerms, totals: Totals, units: int) -> Reason:
    parts = [str(band.points)] if band.points or not band.percent else []
    if band.percent:
        parts.append(f"{band.percent} % of {_shown(totals.left)}")
    how = f", rounded {program.earn.band_rounding.replace('_', ' ')}" if band.percent else ""
    return because(
        Why.BAND,
        points=program.points_of(units),
        gives=" and ".join(parts),
        at_least=band.at_least,
        how=how,
    )


def _shown(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))
