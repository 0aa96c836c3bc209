"""A discount on a draft, shared over its VAT rates so that none of them falls below zero.

Dolibarr refuses an invoice on which a rate's net or tax is negative. Each rate gets a line of its
own, in proportion to what was bought at it; cents that are left over go where the most was cut off.
All amounts are whole cents including tax, as Dolibarr splits them: net rounded half up, tax the
rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from dolisync.model import SaleLine

CENT = Decimal("0.01")
ZERO = Decimal(0)
HUNDRED = Decimal(100)
# How far a line's tax may be from its rate by rounding; more is a tax of another kind.
ROUNDING = Decimal("0.02")


@dataclass(frozen=True, slots=True)
class Share:
    """What is taken off at one VAT rate, including tax."""

    tax_rate: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Bought:
    """What stands at one VAT rate: net and including tax."""

    excl: Decimal
    incl: Decimal

    @property
    def tax(self) -> Decimal:
        """The tax in it."""
        return self.incl - self.excl

    @property
    def is_below_zero(self) -> bool:
        """Tell whether Dolibarr would refuse it."""
        return min(self.excl, self.incl, self.tax) < 0


def bought_by_rate(lines: Iterable[SaleLine]) -> dict[Decimal, Bought]:
    """Add up lines by their VAT rates."""
    found: dict[Decimal, Bought] = {}
    for line in lines:
        sums = found.get(line.tax_rate, Bought(ZERO, ZERO))
        incl = sums.incl + line.total_incl
        found[line.tax_rate] = Bought(sums.excl + line.total_excl, incl)
    return found


def has_other_taxes(lines: Iterable[SaleLine]) -> bool:
    """Tell whether anything but VAT stands on a line: a second tax, or a fee of its own."""
    return any(
        abs(line.total_incl - line.total_excl * (1 + line.tax_rate / HUNDRED)) > ROUNDING
        for line in lines
    )


def rooms(lines: Iterable[SaleLine]) -> dict[Decimal, Decimal]:
    """Return by rate how much can be taken off at most, including tax; only what is above zero."""
    found = {rate: _room(rate, sums) for rate, sums in bought_by_rate(lines).items()}
    return {rate: room for rate, room in sorted(found.items()) if room > 0}


def _room(rate: Decimal, sums: Bought) -> Decimal:
    room = sums.incl.quantize(CENT, rounding=ROUND_DOWN)
    while room > 0:
        net = (room / (1 + rate / HUNDRED)).quantize(CENT, rounding=ROUND_HALF_UP)
        if net <= sums.excl and room - net <= sums.tax:
            return room
        room -= CENT
    return ZERO


def shared(amount: Decimal, room: Mapping[Decimal, Decimal]) -> tuple[Share, ...]:
    """Share an amount in proportion; it must not be more than there is room."""
    total = sum(room.values(), ZERO)
    assert ZERO < amount <= total, "more is to be taken off than there is room"
    exact = {rate: amount * most / total for rate, most in room.items()}
    shares = {rate: part.quantize(CENT, rounding=ROUND_DOWN) for rate, part in exact.items()}
    left = amount - sum(shares.values(), ZERO)
    by_loss = sorted(room, key=lambda rate: (shares[rate] - exact[rate], -room[rate], rate))
    # Each cent that is left was cut off some part, which so has room for it.
    for rate in by_loss:
        if left > 0:
            shares[rate] += CENT
            left -= CENT
    return tuple(Share(rate, part) for rate, part in sorted(shares.items()) if part > 0)
