"""Points as money in the simulated shop: points are taken off drafts, and paid with at two tills.

Staff ask on a draft once; who serves them asks again with the same token until there is an answer,
as the clerk does whose requests are kept in the ledger.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

from simulation.shop import CENT, ONE, Shop, _what, _with_lines
from simulation.world import ANONYMOUS, ENTITY, SOURCE, Door, World, stamped

from dolisync.errors import RefusedError, TransientError
from dolisync.ledger.requests import Place, Request, State
from dolisync.model import (
    CustomerKey,
    DiscountKind,
    Payment,
    Sale,
    SaleKey,
    SaleKind,
    SaleLine,
    SaleStatus,
)
from dolisync.ports import OpenTicket, RewardLine, TicketNote
from dolisync.program.wishes import Part

HUNDRED = Decimal(100)
# Lines that we put on documents have numbers from here on.
FIRST_LINE = 1_000_000
RATES = (Decimal(20), Decimal(10), Decimal("5.5"))
# Products with a price in points.
REWARD_PRICES = {3: Decimal(60), 4: Decimal(150)}
WISHES = ("max", "max", "5 EUR", "2.37 EUR", "20", "off")


def is_ticket(sale: Sale) -> bool:
    """Tell whether it is an open ticket at a till."""
    return sale.status is SaleStatus.DRAFT and bool(sale.terminal) and _is_new(sale)


def _is_new(sale: Sale) -> bool:
    return sale.ref.startswith("(PROV")


def _rated(line: SaleLine, rate: Decimal) -> SaleLine:
    excluding = _net(line.total_incl, rate)
    return replace(line, tax_rate=rate, total_excl=excluding, unit_price_excl=excluding)


def _net(including: Decimal, rate: Decimal) -> Decimal:
    return (including / (1 + rate / HUNDRED)).quantize(CENT, rounding=ROUND_HALF_UP)


@dataclass(slots=True)
class MemoryDrafts(Door):
    """Lines on drafts; what is validated refuses them, and nobody waits for a locked row."""

    _line_rowids: itertools.count[int] = field(
        default_factory=lambda: itertools.count(FIRST_LINE + 1)
    )

    def lines_with(self, mark: str) -> tuple[tuple[int, str], ...]:
        self.trouble.call("lines_with")
        return tuple(
            (rowid, line.text)
            for rowid, sale in sorted(self.world.sales.items())
            for line in sale.lines
            if sale.kind is not SaleKind.CREDIT_NOTE
            and mark in line.text
            and line.rowid > FIRST_LINE
        )

    def add_line(self, sale: SaleKey, text: str, amount_incl: Decimal, tax_rate: Decimal) -> None:
        excluding = _net(amount_incl, tax_rate)
        rowid = next(self._line_rowids)
        line = SaleLine(
            rowid, None, "", text, ONE, excluding, Decimal(0), tax_rate, excluding, amount_incl
        )
        cut = replace(line, discount=DiscountKind.FIXED)
        self._write("add_line", lambda: self._add(sale.rowid, cut))

    def remove_line(self, sale: SaleKey, line_rowid: int) -> None:
        self._write("remove_line", lambda: self._remove(sale.rowid, line_rowid))

    def _draft(self, rowid: int) -> Sale:
        if rowid in self.world.locked:
            raise TransientError("lock wait timeout")
        sale = self.world.sales.get(rowid)
        if sale is None or sale.status is not SaleStatus.DRAFT:
            raise RefusedError(f"{rowid} is no draft")
        return sale

    def _add(self, rowid: int, line: SaleLine) -> None:
        sale = self._draft(rowid)
        if any(one.text == line.text and one.tax_rate == line.tax_rate for one in sale.lines):
            self.world.violations.append(f"a second line '{line.text}' on {rowid}")
        self._put(sale, (*sale.lines, line))

    def _remove(self, rowid: int, line_rowid: int) -> None:
        sale = self._draft(rowid)
        left = tuple(line for line in sale.lines if line.rowid != line_rowid)
        if left == sale.lines:
            raise RefusedError(f"{rowid} has no line {line_rowid}")
        self._put(sale, left)

    def _put(self, sale: Sale, lines: tuple[SaleLine, ...]) -> None:
        self.world.sales[sale.key.rowid] = stamped(self.world, _with_lines(sale, lines))


@dataclass(slots=True)
class MemoryTill(MemoryDrafts):
    """Open tickets as the core's port demands; notes are no lines here."""

    notes: dict[int, tuple[TicketNote, ...]] = field(default_factory=dict)

    def open_tickets(self) -> tuple[OpenTicket, ...]:
        self.trouble.call("open_tickets")
        return tuple(self._ticket(sale) for sale in self.world.sales.values() if is_ticket(sale))

    def _ticket(self, sale: Sale) -> OpenTicket:
        rewards = tuple(
            RewardLine(
                line.rowid,
                REWARD_PRICES[line.product_rowid or 0],
                line.quantity,
                line.discount_percent,
                line.text,
            )
            for line in sale.lines
            if line.product_rowid in REWARD_PRICES
        )
        rowid, changed = sale.key.rowid, sale.changed_at
        assert changed is not None
        notes = self.notes.get(rowid, ())
        return OpenTicket(rowid, sale.customer, changed, bool(sale.lines), notes, rewards)

    def write_note(self, ticket: int, text: str) -> None:
        note = TicketNote(next(self._line_rowids), text)
        self._note("write_note", ticket, lambda old: (*old, note))

    def change_note(self, ticket: int, note: int, text: str) -> None:
        self._note("change_note", ticket, lambda _old: (TicketNote(note, text),))

    def remove_note(self, ticket: int, note: int) -> None:
        self._note(
            "remove_note", ticket, lambda old: tuple(one for one in old if one.rowid != note)
        )

    def _note(
        self,
        name: str,
        ticket: int,
        change: Callable[[tuple[TicketNote, ...]], tuple[TicketNote, ...]],
    ) -> None:
        def effect() -> None:
            self._draft(ticket)
            self.notes[ticket] = change(self.notes.get(ticket, ()))

        self._write(name, effect)

    def reduce(self, ticket: int, line: int, percent: Decimal, text: str) -> None:
        self._write("reduce", lambda: self._reduce(ticket, line, percent, text))

    def _reduce(self, ticket: int, line: int, percent: Decimal, text: str) -> None:
        sale = self._draft(ticket)
        lines = tuple(
            _reduced(one, percent, text) if one.rowid == line else one for one in sale.lines
        )
        self._put(sale, lines)

    def release(self, ticket: int, customer: int) -> None:
        raise RefusedError(f"the ticket {ticket} is not given to {customer}: it has goods")


def _reduced(line: SaleLine, percent: Decimal, text: str) -> SaleLine:
    excluding = (line.unit_price_excl * (1 - percent / HUNDRED)).quantize(CENT)
    including = (excluding * (1 + line.tax_rate / HUNDRED)).quantize(CENT)
    return replace(
        line, discount_percent=percent, text=text, total_excl=excluding, total_incl=including
    )


@dataclass(slots=True)
class Counter:
    """What staff do with points as money, at two tills and in the office."""

    world: World
    rng: random.Random
    shop: Shop
    asked: list[Request] = field(default_factory=list)

    def acts(self) -> dict[str, Callable[[], str]]:
        """Name every act; each returns what it did, or nothing where it was not possible."""
        return {
            "bill": self.bill,
            "ring": self.ring,
            "ring_more": self.ring_more,
            "choose": self.choose,
            "checkout": self.checkout,
            "cut_line": self.cut_line,
            "drop_line": self.drop_line,
            "delete_draft": self.delete_draft,
            "refund": self.refund,
        }

    def open_shop(self) -> str:
        """Let everybody have bought something before: who has no points spends none."""
        sold = []
        for customer in sorted(self.world.customers - {ANONYMOUS}):
            line = self.shop._priced(Decimal(self.rng.choice([60, 150, 400])), ONE)
            sale = self.shop._document(SaleKind.STANDARD, customer, (line,))
            money = Payment("CB", sale.total_incl, self.world.clock())
            sale = replace(sale, status=SaleStatus.PAID, payments=(money,))
            rowid = sale.key.rowid
            self.world.change(0, {rowid: sale}, {self.world.new_payment_rowid(): rowid})
            sold.append(_what(sale))
        return "; ".join(sold)

    def ask(self, program: str, token: str) -> str:
        """Let staff ask for points on a draft."""
        sale = self._any(lambda one: one.status is SaleStatus.DRAFT and not one.terminal)
        if sale is None:
            return ""
        place = Place(program, SOURCE, ENTITY, "sale", sale.key.rowid)
        content = {**dict.fromkeys(Part, ""), Part.USE: self.rng.choice(WISHES)}
        now = datetime.now(UTC)
        made = Request(0, token, place, sale.customer, content, "", State.TAKEN, "", now)
        self.asked.append(made)
        return f"{content[Part.USE]} on {_what(sale)} as {token}"

    def bill(self) -> str:
        """Open a draft with goods at several VAT rates."""
        lines = tuple(_rated(line, self.rng.choice(RATES)) for line in self._lines(2))
        return self._open(lines, "")

    def ring(self) -> str:
        """Open a ticket at one of two tills."""
        return self._open(self._lines(1), self.rng.choice("12"))

    def ring_more(self) -> str:
        """Add an article to an open ticket."""
        sale = self._any(is_ticket)
        if sale is None:
            return ""
        self._save(_with_lines(sale, (*sale.lines, *self._lines(1)[:1])))
        return _what(sale)

    def choose(self) -> str:
        """Choose another customer on an open ticket."""
        sale = self._any(is_ticket)
        if sale is None:
            return ""
        customer = self.shop._customer()
        self._save(replace(sale, customer=CustomerKey(SOURCE, ENTITY, customer)))
        return f"{_what(sale)} -> customer {customer}"

    def checkout(self) -> str:
        """Validate an open ticket or a draft and take the money: points, others or both."""
        sale = self._any(lambda one: one.status is SaleStatus.DRAFT and not one.payments)
        if sale is None or sale.total_incl < 0:
            return ""
        parts = [sale.total_incl]
        if self.rng.random() < 0.5:
            first = (sale.total_incl / 3).quantize(CENT)
            parts = [first, sale.total_incl - first]
        now = self.world.clock()
        paid = tuple(
            Payment(self.rng.choice(["LOY", "LOY", "CB"]), part, now) for part in parts if part
        )
        rowid = sale.key.rowid
        done = replace(sale, ref=f"FA{rowid:04d}", status=SaleStatus.PAID, payments=paid)
        rows = {self.world.new_payment_rowid(): rowid for _ in paid}
        self.world.change(self.shop._lag(), {rowid: stamped(self.world, done)}, rows)
        return f"{_what(done)} with {', '.join(f'{one.mode} {one.amount}' for one in paid)}"

    def cut_line(self) -> str:
        """Make a line of ours on a draft half as large."""
        return self._change_ours(lambda line: (_halved(line),))

    def drop_line(self) -> str:
        """Take a line of ours off a draft."""
        return self._change_ours(lambda _line: ())

    def _change_ours(self, change: Callable[[SaleLine], tuple[SaleLine, ...]]) -> str:
        sale = self._any(lambda one: one.status is SaleStatus.DRAFT and bool(_ours(one)))
        if sale is None:
            return ""
        chosen = self.rng.choice(_ours(sale))
        lines = [
            changed
            for line in sale.lines
            for changed in (change(line) if line is chosen else (line,))
        ]
        self._save(_with_lines(sale, tuple(lines)))
        return f"'{chosen.text}' on {_what(sale)}"

    def delete_draft(self) -> str:
        """Delete a draft that was never validated: polling never knew of it."""
        sale = self._any(lambda one: one.status is SaleStatus.DRAFT and _is_new(one))
        if sale is None:
            return ""
        self.world.change(self.shop._lag(), {sale.key.rowid: None})
        return _what(sale)

    def refund(self) -> str:
        """Credit a sale that was paid with points, and pay a part of it back in points."""
        origin = self._any(
            lambda one: (
                one.kind is SaleKind.STANDARD
                and one.status is SaleStatus.PAID
                and any(paid.mode == "LOY" for paid in one.payments)
            )
        )
        if origin is None:
            return ""
        lines = tuple(
            replace(line, total_excl=-line.total_excl, total_incl=-line.total_incl)
            for line in origin.lines[: self.rng.choice([1, 5])]
        )
        note = self.shop._document(SaleKind.CREDIT_NOTE, origin.customer.rowid, lines)
        note = replace(note, origin=origin.key, terminal=origin.terminal)
        payments = {}
        if self.rng.random() < 0.5 and note.total_incl < 0:
            back = Payment("LOY", note.total_incl, self.world.clock())
            note = replace(note, status=SaleStatus.PAID, payments=(back,))
            payments = {self.world.new_payment_rowid(): note.key.rowid}
        locked = [origin.key.rowid]
        self.world.change(self.shop._lag(), {note.key.rowid: note}, payments, locked)
        return f"{_what(note)} of {origin.key.rowid}"

    def _lines(self, least: int) -> tuple[SaleLine, ...]:
        count = self.rng.randint(least, 3)
        return tuple(replace(self.shop._line(), quantity=ONE) for _ in range(count))

    def _open(self, lines: tuple[SaleLine, ...], terminal: str) -> str:
        customer = self.rng.choice(sorted(self.world.customers - {ANONYMOUS}))
        sale = self.shop._document(SaleKind.STANDARD, customer, lines)
        ref = f"(PROV{sale.key.rowid})"
        sale = replace(sale, ref=ref, status=SaleStatus.DRAFT, terminal=terminal)
        self.world.change(0, {sale.key.rowid: sale})
        return _what(sale)

    def _save(self, sale: Sale) -> None:
        self.world.change(self.shop._lag(), {sale.key.rowid: stamped(self.world, sale)})

    def _any(self, fits: Callable[[Sale], bool]) -> Sale | None:
        found = [sale for sale in self.world.free_sales() if fits(sale)]
        return self.rng.choice(found) if found else None


def _halved(line: SaleLine) -> SaleLine:
    including = (line.total_incl / 2).quantize(CENT)
    return replace(line, total_excl=_net(including, line.tax_rate), total_incl=including)


def _ours(sale: Sale) -> list[SaleLine]:
    return [line for line in sale.lines if line.discount is DiscountKind.FIXED]
