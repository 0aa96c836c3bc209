"""What undoing a batch changes on the accounts."""

from __future__ import annotations

from dataclasses import dataclass

from dolisync.model import CustomerKey
from dolisync.program.terms import Program


@dataclass(frozen=True, slots=True)
class Change:
    """Points, in ledger units, that an account gains or loses.

    ``lacking`` of those it loses are spent already: they become debt, or are forgiven, as the
    program's shortfall says.
    """

    program: Program
    customer: CustomerKey
    units: int
    lacking: int
