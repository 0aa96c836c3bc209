"""Tickets at the moment they are printed: which sale it is, and what its customer has now.

The sale is booked there and then, not when its turn comes: so the points on the paper are those
that the ledger holds. Booking it again a second later changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Engine

from dolisync.config import Settings
from dolisync.errors import RefusedError
from dolisync.ledger.rulesets import RuleBook, in_force
from dolisync.ledger.signing import CLAIMS, ensure_signing_key
from dolisync.model import Sale, SaleStatus
from dolisync.ports import Clock, SaleSource
from dolisync.receipt import Receipt
from dolisync.sync.intake import Intake, is_provisional
from dolisync.sync.judge import Rules
from dolisync.sync.receipts import build_receipt

# A ticket says many numbers; so many of them are looked up.
LOOKED_UP_MAX = 10
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9/_.\-]*[A-Za-z0-9]")
# How Dolibarr numbers by itself: letters, the month, a count. Looked up before all others.
_USUAL = re.compile(r"[A-Za-z]{1,10}\d{0,4}[-/]?\d{2,6}[-/]\d{2,}")
_DIGITS_MIN = 3


@dataclass(frozen=True, slots=True)
class PrintedSale:
    """A sale as its ticket says it, and the amounts that may stand there."""

    receipt: Receipt
    amounts: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class TicketDesk:
    """Find the sale of a ticket, book it, and say what stands in its loyalty block."""

    engine: Engine
    clock: Clock
    settings: Settings
    sources: Sequence[SaleSource]
    make_rules: Callable[[RuleBook], Rules]
    make_intake: Callable[[SaleSource, Rules], Intake]

    def look_up(self, text: str) -> PrintedSale | None:
        """Return what is known of the sale whose number stands on a ticket, if it is one.

        Raises what reading a source and writing the ledger raise. Two shops may both have a sale
        of this number: ``RefusedError``.
        """
        found = [(source, sale) for source in self.sources if (sale := _find(source, text))]
        if not found:
            return None
        if len(found) > 1:
            names = ", ".join(source.name for source, _ in found)
            message = f"{found[0][1].ref} is a sale of several sources: {names}"
            raise RefusedError(message)
        return self._printed(*found[0])

    def _printed(self, source: SaleSource, sale: Sale) -> PrintedSale:
        book = in_force(self.engine)
        if book is None:
            message = "no rules are in force yet: the daemon has not run"
            raise RefusedError(message)
        if self.settings.claims is not None:
            ensure_signing_key(self.engine, CLAIMS, self.clock.now())
        rules = self.make_rules(book)
        intake = self.make_intake(source, rules)
        intake.take([sale])
        customers = intake.customers.customers([sale.customer.rowid]) if intake.customers else {}
        receipt = build_receipt(
            self.engine,
            rules,
            self.settings,
            self.clock,
            sale.key,
            customers.get(sale.customer.rowid),
        )
        return PrintedSale(receipt, amounts_of(sale))


def _find(source: SaleSource, text: str) -> Sale | None:
    for number in numbers_in(text):
        for sale in source.find(number):
            if not is_provisional(sale) and sale.status is not SaleStatus.DRAFT:
                return sale
    return None


def numbers_in(text: str) -> list[str]:
    """Return what may be the number of a sale, the likeliest first; else as it stands there."""
    words = dict.fromkeys(
        word for word in _WORD.findall(text) if sum(map(str.isdigit, word)) >= _DIGITS_MIN
    )
    return sorted(words, key=lambda word: _USUAL.fullmatch(word) is None)[:LOOKED_UP_MAX]


def amounts_of(sale: Sale) -> tuple[Decimal, ...]:
    """Return the sums that a ticket shows: without tax, with it, and the tax, also by rate."""
    by_rate: dict[Decimal, Decimal] = {}
    for line in sale.lines:
        tax = line.total_incl - line.total_excl
        by_rate[line.tax_rate] = by_rate.get(line.tax_rate, Decimal(0)) + tax
    taxes = (sale.total_incl - sale.total_excl, *by_rate.values())
    return (sale.total_excl, sale.total_incl, *taxes)
