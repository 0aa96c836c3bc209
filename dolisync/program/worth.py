"""What lines of a sale are worth in ledger units: by amount, by bands, by product, by visit."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from dolisync.model import Sale, SaleLine
from dolisync.program.articles import earning_lines
from dolisync.program.bands import Totals, band_worth
from dolisync.program.goods import ZERO, is_visit, quantities
from dolisync.program.limits import Limited
from dolisync.program.paid import counted_lines, paid_share
from dolisync.program.reasons import Reason, Why, because
from dolisync.program.reward_products import is_given
from dolisync.program.rounding import round_units
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import AmountTerms, Basis, Counting, Program, Rounding, Scope

Lines = tuple[SaleLine, ...]


class Worth(NamedTuple):
    """A number of ledger units, and why; ``campaigns`` is the part of each campaign in it.

    ``limited`` says what campaigns with limits would give.
    """

    units: int
    reasons: tuple[Reason, ...] = ()
    campaigns: tuple[tuple[str, int], ...] = ()
    limited: tuple[Limited, ...] = ()


@dataclass(frozen=True, slots=True)
class Basket:
    """The lines of a sale that earn: as they were sold, and what is left of them.

    ``share`` is the share of what was bought that earns, given how it was paid; ``is_visit`` tells
    that it is the member's visit of the day.
    """

    program: Program
    sold: Lines
    left: Lines
    share: Decimal
    is_visit: bool
    reasons: tuple[Reason, ...] = ()


def basket_of(
    program: Program,
    around: Surroundings,
    sale: Sale,
    left: Lines,
    *,
    full: bool = False,
    with_visit: bool = False,
) -> Basket:
    """Find what earns of ``left`` under the conditions of ``sale``: how it was paid.

    ``full`` counts every line as it stands, without regard to payments (a return by itself).
    """
    counted, notes = counted_lines(program, around, left)
    share, share_notes = (Decimal(1), ()) if full else paid_share(program, around, sale)
    sold = counted if full else counted_lines(program, around, sale.lines)[0]
    earning, out = earning_lines(program.earn, sold, counted)
    if program.campaign or program.earn.band:
        first = earning_lines(program.earn, sold, sold)[0]
        # The same thing where nothing was returned, so that nothing is counted twice.
        sold = earning if first == earning else first
    reasons = (*notes, *share_notes, *(out if share > 0 else ()))
    return Basket(program, sold, earning, share, with_visit and is_visit(left), reasons)


def goods_units(basket: Basket, lines: Lines) -> int:
    """Count what some of a basket's lines earn, without saying why; some of it must earn."""
    program, share = basket.program, basket.share
    units = 0
    if program.earn.amount is not None:
        units += _amount_counted(program, program.earn.amount, lines, share)[1]
    if program.earn.band:
        units += _bands_worth(program, basket.sold, lines, share).units
    if program.earn.product is not None:
        units += _product_worth(program, lines).units
    return max(units, 0)


def goods_worth(basket: Basket, lines: Lines) -> Worth:
    """Count what some of a basket's lines earn; nothing where all was paid without earning."""
    program, share = basket.program, basket.share
    if share <= 0:
        return Worth(0)
    parts: list[Worth] = []
    if program.earn.amount is not None:
        parts.append(_amount_worth(program, lines, share))
    if program.earn.band:
        parts.append(_bands_worth(program, basket.sold, lines, share))
    if program.earn.product is not None:
        parts.append(_product_worth(program, lines))
    reasons = tuple(reason for part in parts for reason in part.reasons)
    return Worth(max(sum(part.units for part in parts), 0), reasons)


def visit_worth(basket: Basket) -> Worth:
    """Count what the visit earns."""
    program = basket.program
    if program.earn.visit is None or not basket.is_visit or basket.share <= 0:
        return Worth(0)
    units = program.units(program.earn.visit.points)
    return Worth(units, (because(Why.VISIT, points=program.points_of(units)),))


def plain_worth(basket: Basket) -> Worth:
    """Count what all that is left of a basket earns, without tier and campaigns."""
    goods, visit = goods_worth(basket, basket.left), visit_worth(basket)
    reasons = (*basket.reasons, *goods.reasons, *visit.reasons)
    return Worth(goods.units + visit.units, reasons)


def shown(amount: Decimal) -> Decimal:
    """Round an amount to cents, to be read."""
    return amount.quantize(Decimal("0.01"))


def _amount_worth(program: Program, lines: Lines, share: Decimal) -> Worth:
    terms = program.earn.amount
    assert terms is not None
    base, units = _amount_counted(program, terms, lines, share)
    note = because(Why.BASE, basis=terms.basis.replace("_", " "), amount=shown(base))
    if base <= 0:
        return Worth(0, (note, because(Why.NEGATIVE)))
    return Worth(
        units,
        (
            note,
            because(
                Why.AMOUNT,
                points=program.points_of(units),
                rate=terms.points,
                per=terms.per,
                each="each full" if terms.counting is Counting.STEPS else "each",
                how=_how(terms),
            ),
        ),
    )


def _amount_counted(
    program: Program, terms: AmountTerms, lines: Lines, share: Decimal
) -> tuple[Decimal, int]:
    """Return the amount of lines that counts, and the ledger units that it earns."""
    including = terms.basis is Basis.INCLUDING_TAX
    amounts = [line.total_incl if including else line.total_excl for line in lines]
    base = sum(amounts, ZERO) * share
    if base <= 0:
        return base, 0
    if terms.scope is Scope.SALE:
        return base, max(_amount_units(program, base), 0)
    # Line by line, a negative line may round to more than the others; other points stay whole.
    return base, max(sum(_amount_units(program, amount * share) for amount in amounts), 0)


def _bands_worth(program: Program, sold: Lines, left: Lines, share: Decimal) -> Worth:
    """Judge what is left by the band in which the whole sale lies."""
    basis = program.earn.band_basis
    totals = Totals(_total(basis, sold) * share, _total(basis, left) * share)
    units, reason = band_worth(program, totals)
    return Worth(units, (reason,))


def _total(basis: Basis, lines: Lines) -> Decimal:
    including = basis is Basis.INCLUDING_TAX
    return sum((line.total_incl if including else line.total_excl for line in lines), ZERO)


def _how(terms: AmountTerms) -> str:
    """Say how parts are rounded, where there can be any, and on what."""
    whole = terms.counting is Counting.STEPS and terms.points == terms.points.to_integral_value()
    rounded = "" if whole else f", rounded {terms.rounding.value.replace('_', ' ')}"
    return rounded + (", line by line" if terms.scope is Scope.LINE else "")


def _amount_units(program: Program, amount: Decimal) -> int:
    terms = program.earn.amount
    assert terms is not None
    steps = amount / terms.per
    if terms.counting is Counting.STEPS:
        steps = Decimal(round_units(steps, Rounding.DOWN))
    return round_units(steps * terms.points * program.scale, terms.rounding)


def _product_worth(program: Program, lines: Lines) -> Worth:
    terms = program.earn.product
    assert terms is not None
    # What was given for points earns none.
    bought = [line for line in lines if not is_given(line)]
    points = {
        line.product_rowid: line.product_points
        for line in bought
        if line.product_points and line.product_rowid is not None
    }
    sold = quantities(line for line in bought if line.product_points is not None)
    left = quantities(bought)
    units = 0
    for product, value in points.items():
        # A credit note takes back what was sold of a product and no more. Goods returned on the
        # ticket itself (an exchange) count against the others, or exchanging would earn for ever.
        quantity = max(left[product], ZERO) if sold[product] > 0 else left[product]
        units += round_units(quantity * value * program.scale, terms.rounding)
    units = max(units, 0)
    if units == 0:
        return Worth(0)
    return Worth(units, (because(Why.PRODUCT, points=program.points_of(units)),))
