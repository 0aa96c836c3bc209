"""What a member's other sales came to before one: all that a rule may know of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Before:
    """A member's sales before one, in the order of their days and rowids.

    ``sales`` counts those that count, no farther than rules ask: 0 before the first purchase, then
    1. ``tier`` is the tier in which the sale is judged. The others are the ledger units that caps
    look at: of its day, of its month, and of all days.
    """

    sales: int = 0
    tier: str = ""
    day_units: int = 0
    month_units: int = 0
    all_units: int = 0


NOTHING_BEFORE = Before()
