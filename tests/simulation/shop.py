"""What the staff of the simulated shop do, each act one transaction drawn from the seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from simulation.world import (
    ANONYMOUS,
    DiscountRow,
    Fields,
    World,
    customer_key,
    is_return,
    key,
    origin_of,
    stamped,
)

from dolisync.model import (
    DiscountKind,
    Payment,
    Sale,
    SaleKind,
    SaleLine,
    SaleStatus,
)

ZONE = ZoneInfo("Europe/Paris")
PRICES = ("0.99", "3.35", "10", "12.50", "20", "49.90", "100")
PRODUCT_POINTS = {1: None, 2: Decimal(5), 3: Decimal("0.5"), 4: Decimal(2)}
COUNTED = {SaleStatus.VALIDATED, SaleStatus.PAID, SaleStatus.CLOSED}
ONE = Decimal(1)
TAX = Decimal("1.2")
CENT = Decimal("0.01")

Act = Callable[[], str]


@dataclass(slots=True)
class Shop:
    """The staff. ``latest_commit_s`` bounds how long a transaction stays open."""

    world: World
    rng: random.Random
    latest_commit_s: float = 0
    forms: list[tuple[int, Fields]] = field(default_factory=list)
    _line_rowid: int = 0
    _last_document: int = 0

    def acts(self) -> dict[str, Act]:
        """Name every act; each returns what it did, or nothing where it was not possible."""
        return {
            "sell": self.sell,
            "invoice": self.invoice,
            "burst": self.burst,
            "draft": self.draft,
            "validate": self.validate,
            "pay": self.pay,
            "reopen": self.reopen,
            "set_draft": self.set_draft,
            "edit": self.edit,
            "move": self.move,
            "redate": self.redate,
            "touch": self.touch,
            "abandon": self.abandon,
            "close": self.close,
            "replace": self.replace_sale,
            "credit": self.credit,
            "credit_again": self.credit,
            "rewrite_source": self.rewrite_source,
            "delete": self.delete,
            "delete_payment": self.delete_payment,
            "open_form": self.open_form,
            "save_form": self.save_form,
            "split": self.split_discount,
            "use": self.use_discount,
            "free": self.free_discount,
            "drop": self.drop_discount,
        }

    def upheavals(self) -> dict[str, Act]:
        """Name the acts after which little is as it was, with all the others."""
        return {
            **self.acts(),
            "merge": self.merge,
            "replace_with_reward": self.replace_with_reward,
            "abandon_reward": self.abandon_reward,
            "credit_reward": self.credit_reward,
        }

    # --- drawing ---------------------------------------------------------------------------------

    def _lag(self) -> float:
        if self.rng.random() < 0.6:
            return 0
        return self.rng.choice([1, self.latest_commit_s / 2, self.latest_commit_s])

    def _pick(self, *statuses: SaleStatus, returns: bool | None = False) -> Sale | None:
        """Draw a document that nobody has locked; ``returns=None`` takes credit notes too."""
        found = [
            sale
            for sale in self.world.free_sales()
            if sale.status in statuses and (returns is None or is_return(sale) is returns)
        ]
        return self.rng.choice(found) if found else None

    def _today(self) -> date:
        return self.world.clock().astimezone(ZONE).date()

    def _lines(self) -> tuple[SaleLine, ...]:
        return tuple(self._line() for _ in range(self.rng.choice([1, 1, 2, 3])))

    def _line(self) -> SaleLine:
        quantity = Decimal(self.rng.choice(["1", "1", "2", "3", "0.35"]))
        price = Decimal(self.rng.choice(PRICES))
        return self._priced((price * quantity).quantize(CENT), quantity)

    def _priced(self, including: Decimal, quantity: Decimal) -> SaleLine:
        self._line_rowid += 1
        product = self.rng.choice([1, 1, 2, 3, 4, None])
        excluding = (including / TAX).quantize(CENT)
        return SaleLine(
            rowid=self._line_rowid,
            product_rowid=product,
            product_ref=f"P{product}" if product else "",
            text="",
            quantity=quantity,
            unit_price_excl=excluding,
            discount_percent=Decimal(0),
            tax_rate=Decimal(20),
            total_excl=excluding,
            total_incl=including,
            product_points=PRODUCT_POINTS[product] if product else None,
        )

    def _document(self, kind: SaleKind, customer: int, lines: tuple[SaleLine, ...]) -> Sale:
        rowid = self._last_document = self.world.new_rowid()
        sale = Sale(
            key=key(rowid),
            ref=f"FA{rowid:04d}",
            kind=kind,
            status=SaleStatus.VALIDATED,
            customer=customer_key(customer),
            date=self._today(),
            created_at=self.world.clock(),
            changed_at=self.world.clock(),
            total_excl=Decimal(0),
            total_incl=Decimal(0),
            currency="EUR",
        )
        return _with_lines(sale, lines)

    def _customer(self) -> int:
        return self.rng.choice(sorted(self.world.customers))

    def _write(self, sale: Sale, **changes: object) -> None:
        """Change a row: its time of change moves."""
        now = stamped(self.world, replace(sale, **changes))  # type: ignore[arg-type]
        self.world.change(self._lag(), {sale.key.rowid: now})

    def _money(self, amount: Decimal) -> Payment:
        return Payment(self.rng.choice(["LIQ", "CB", "LOY"]), amount, self.world.clock())

    # --- documents -------------------------------------------------------------------------------

    def sell(self) -> str:
        """Ring up a ticket and take the money, all in one transaction."""
        sale = self._document(SaleKind.STANDARD, self._customer(), self._lines())
        payment = self._money(sale.total_incl)
        sale = replace(sale, status=SaleStatus.PAID, payments=(payment,), terminal="1")
        rowid, lag = sale.key.rowid, self._lag()
        self.world.change(lag, {rowid: sale}, {self.world.new_payment_rowid(): rowid})
        return f"{_what(sale)}, commits after {lag} s"

    def burst(self) -> str:
        """Sell many tickets within one second."""
        return "; ".join(self.sell() for _ in range(self.rng.randint(2, 6)))

    def invoice(self) -> str:
        """Validate an invoice that is not paid yet, sometimes dated back."""
        sale = self._document(SaleKind.STANDARD, self._customer(), self._lines())
        sale = replace(sale, date=sale.date - timedelta(days=self.rng.choice([0, 0, 1, 3])))
        self.world.change(self._lag(), {sale.key.rowid: sale})
        return _what(sale)

    def draft(self) -> str:
        """Open a draft: it has a rowid, but no number."""
        sale = self._document(SaleKind.STANDARD, self._customer(), self._lines())
        sale = replace(sale, ref=f"(PROV{sale.key.rowid})", status=SaleStatus.DRAFT)
        self.world.change(self._lag(), {sale.key.rowid: sale})
        return _what(sale)

    def validate(self) -> str:
        """Validate a draft; one that was validated before keeps its number."""
        sale = self._pick(SaleStatus.DRAFT, returns=None)
        if sale is None:
            return ""
        self._write(sale, ref=f"FA{sale.key.rowid:04d}", status=SaleStatus.VALIDATED)
        return _what(sale)

    def pay(self) -> str:
        """Take money for an invoice; a part of it leaves no trace on the invoice's row."""
        sale = self._pick(SaleStatus.VALIDATED)
        due = _due(sale) if sale else Decimal(0)
        if sale is None or due <= 0:
            return ""
        part = self.rng.random() < 0.7
        amount = (due / 3).quantize(CENT) if part and due > 1 else due
        money = self._money(amount)
        if part and self.rng.random() < 0.5:
            money = replace(money, mode="LOY")
        paid = replace(sale, payments=_in_order((*sale.payments, money)))
        if amount == due:
            paid = stamped(self.world, replace(paid, status=SaleStatus.PAID))
        rowid = sale.key.rowid
        self.world.change(self._lag(), {rowid: paid}, {self.world.new_payment_rowid(): rowid})
        return f"{amount} of {due} for {rowid}"

    def reopen(self) -> str:
        """Set a closed invoice back to validated."""
        sale = self._pick(SaleStatus.PAID, SaleStatus.CLOSED, SaleStatus.ABANDONED)
        if sale is None:
            return ""
        self._write(sale, status=SaleStatus.VALIDATED, close_code="")
        return _what(sale)

    def set_draft(self) -> str:
        """Set a document back to draft: it keeps its number and its payments."""
        sale = self._pick(*COUNTED, returns=None)
        if sale is None:
            return ""
        self._write(sale, status=SaleStatus.DRAFT)
        return _what(sale)

    def edit(self) -> str:
        """Change the lines of a document."""
        sale = self._pick(*COUNTED, SaleStatus.DRAFT)
        if sale is None:
            return ""
        lines = self._lines() if self.rng.random() < 0.5 else sale.lines[:1]
        self._write(_with_lines(sale, lines))
        return f"{_what(sale)} -> {sum(line.total_incl for line in lines)}"

    def move(self) -> str:
        """Move a document to another customer."""
        sale = self._pick(*COUNTED, returns=None)
        if sale is None:
            return ""
        customer = self._customer()
        self._muddle(sale.key.rowid)
        self._write(sale, customer=customer_key(customer))
        return f"{_what(sale)} -> customer {customer}"

    def redate(self) -> str:
        """Correct the date of an invoice."""
        sale = self._pick(*COUNTED)
        if sale is None:
            return ""
        self._write(sale, date=self._today() - timedelta(days=self.rng.choice([0, 1, 2])))
        return _what(sale)

    def touch(self) -> str:
        """Change something that no rule reads."""
        sale = self._pick(*COUNTED, SaleStatus.DRAFT, returns=None)
        if sale is None:
            return ""
        self._write(sale)
        return str(sale.key.rowid)

    def abandon(self) -> str:
        """Abandon an unpaid invoice."""
        sale = self._pick(SaleStatus.VALIDATED)
        if sale is None:
            return ""
        self._write(sale, status=SaleStatus.ABANDONED, close_code="abandon")
        return _what(sale)

    def close(self) -> str:
        """Close an invoice with what was paid so far."""
        sale = self._pick(SaleStatus.VALIDATED)
        if sale is None:
            return ""
        self._write(sale, status=SaleStatus.CLOSED, close_code="badcustomer")
        return _what(sale)

    def replace_sale(self) -> str:
        """Replace an unpaid invoice by another."""
        old = self._pick(SaleStatus.VALIDATED)
        return self._replace(old, self._lines()) if old else ""

    def replace_with_reward(self) -> str:
        """Replace an unpaid invoice by its copy: Dolibarr makes a second discount of its reward."""
        old = self._pick(SaleStatus.VALIDATED)
        if old is None:
            return ""
        done = self._replace(old, old.lines)
        for line in _reward_lines(old):
            self.world.add_discount(
                old.customer.rowid, line.text, -line.total_incl, self._last_document
            )
        return done

    def _replace(self, old: Sale, lines: tuple[SaleLine, ...]) -> str:
        new = self._document(SaleKind.REPLACEMENT, old.customer.rowid, lines)
        new = replace(new, origin=old.key)
        gone = replace(old, status=SaleStatus.ABANDONED, close_code="replaced")
        rows = {old.key.rowid: stamped(self.world, gone), new.key.rowid: new}
        self.world.change(self._lag(), rows)
        return f"{_what(old)} by {new.key.rowid}"

    # --- returns ---------------------------------------------------------------------------------

    def credit(self) -> str:
        """Credit a sale: all of it, some lines or an amount; nobody checks what was credited."""
        origin = self._pick(*COUNTED)
        if origin is None:
            return ""
        lines = self._returned_lines(origin)
        note = self._document(SaleKind.CREDIT_NOTE, origin.customer.rowid, lines)
        note = replace(note, origin=origin.key, terminal=origin.terminal)
        if not origin.terminal and self.rng.random() < 0.3:
            note = replace(note, status=SaleStatus.PAID)
        lag = self._lag()
        self.world.change(lag, {note.key.rowid: note}, also_locked=[origin.key.rowid])
        return f"{_what(note)} of {origin.key.rowid}, commits after {lag} s"

    def _returned_lines(self, origin: Sale) -> tuple[SaleLine, ...]:
        draw = self.rng.random()
        if draw < 0.3:
            amount = (origin.total_incl / 3).quantize(CENT)
            return (self._priced(-amount, ONE),)
        return _negative(origin.lines if draw < 0.7 else self.rng.sample(origin.lines, 1))

    def rewrite_source(self) -> str:
        """Press a payment button on a credit note: the till guesses its origin anew."""
        note = self._pick(*COUNTED, returns=True)
        if note is None:
            return ""
        others = [
            sale.key
            for sale in self.world.free_sales()
            if sale.customer == note.customer and sale.key != note.key
        ]
        origin = self.rng.choice([*others, None])
        locked = [origin.rowid] if origin else []
        row = stamped(self.world, replace(note, origin=origin))
        self.world.change(self._lag(), {note.key.rowid: row}, also_locked=locked)
        return f"{note.key.rowid}: {origin_of(note)} -> {origin.rowid if origin else None}"

    def credit_reward(self) -> str:
        """Credit a sale on which a reward was used: all of it, or its first line."""
        sales = [sale for sale in self.world.free_sales() if _reward_lines(sale)]
        counted = [sale for sale in sales if sale.status in COUNTED]
        if not counted:
            return ""
        origin = self.rng.choice(counted)
        lines = origin.lines if self.rng.random() < 0.5 else origin.lines[:1]
        note = self._document(SaleKind.CREDIT_NOTE, origin.customer.rowid, _negative(lines))
        note = replace(note, origin=origin.key)
        self.world.change(self._lag(), {note.key.rowid: note}, also_locked=[origin.key.rowid])
        return f"{_what(note)} of {origin.key.rowid}"

    def abandon_reward(self) -> str:
        """Abandon an invoice on which a reward was used: Dolibarr keeps it consumed."""
        unpaid = [s for s in self.world.free_sales() if s.status is SaleStatus.VALIDATED]
        sales = [sale for sale in unpaid if _reward_lines(sale)]
        if not sales:
            return ""
        sale = self.rng.choice(sales)
        self._write(sale, status=SaleStatus.ABANDONED, close_code="abandon")
        return _what(sale)

    # --- customers -------------------------------------------------------------------------------

    def merge(self) -> str:
        """Pour one customer into another; a new one comes, so that it never gets lonely."""
        people = sorted(self.world.customers - {ANONYMOUS})
        old, into = self.rng.sample(people, 2)
        if self.world.is_busy(old):
            return ""
        self.world.merge(old, into)
        self.forms = [form for form in self.forms if form[0] != old]
        self.world.add_customer()
        return f"{old} into {into}"

    def _muddle(self, rowid: int) -> None:
        """Note whose merge cannot be told any more, should nobody have looked yet."""
        sale = self.world.sales[rowid]
        self.world.untraceable.add(sale.customer.rowid)
        self.world.untraceable |= {one.old for one in self.world.merges if rowid in one.rowids}

    # --- what leaves no trace --------------------------------------------------------------------

    def delete(self) -> str:
        """Delete a document that no other points at."""
        pointed_at = {origin_of(sale) for sale in self.world.sales.values()}
        free = [
            sale.key.rowid for sale in self.world.free_sales() if sale.key.rowid not in pointed_at
        ]
        if not free:
            return ""
        rowid = self.rng.choice(free)
        self._muddle(rowid)
        self.world.has_hidden_changes = True
        self.world.change(self._lag(), {rowid: None})
        return str(rowid)

    def delete_payment(self) -> str:
        """Delete a part payment: the invoice's row stays as it was."""
        sale = self._pick(SaleStatus.VALIDATED)
        if sale is None or not sale.payments:
            return ""
        self.world.has_hidden_changes = True
        left = sale.payments[1:]
        self.world.change(self._lag(), {sale.key.rowid: replace(sale, payments=left)})
        return str(sale.key.rowid)

    # --- customer cards and discounts ------------------------------------------------------------

    def open_form(self) -> str:
        """Open a customer's form: it holds the values of now."""
        customer = self._customer()
        self.forms.append((customer, dict(self.world.cards.get(customer, {}))))
        return f"customer {customer}"

    def save_form(self) -> str:
        """Save a form: every field is written as it was when the form was opened."""
        if not self.forms:
            return ""
        customer, values = self.forms.pop(0)
        if customer not in self.world.customers:
            return ""
        self.world.cards[customer] = values
        self.world.has_overwritten_cards = True
        return f"customer {customer}"

    def split_discount(self) -> str:
        """Cut an unused discount in two."""
        row = self._unused_discount()
        if row is None:
            return ""
        self.world.split_discount(row, (row.amount / 3).quantize(CENT))
        return row.text

    def use_discount(self) -> str:
        """Use a discount on a new sale."""
        row = self._unused_discount()
        if row is None:
            return ""
        cut = replace(self._priced(-row.amount, ONE), product_rowid=None, product_points=None)
        cut = replace(cut, discount=DiscountKind.FIXED, text=row.text)
        sale = self._document(SaleKind.STANDARD, row.customer, (*self._lines(), cut))
        self.world.discounts[row.rowid] = replace(row, used_on=sale.key.rowid)
        self.world.change(self._lag(), {sale.key.rowid: sale})
        return f"{row.text} on {_what(sale)}"

    def free_discount(self) -> str:
        """Take a discount's line off its sale again."""
        sales = [sale for sale in self.world.free_sales() if _reward_lines(sale)]
        if not sales:
            return ""
        sale = self.rng.choice(sales)
        self._write(_with_lines(sale, tuple(x for x in sale.lines if x not in _reward_lines(sale))))
        return _what(sale)

    def drop_discount(self) -> str:
        """Delete an unused discount from the customer's card."""
        row = self._unused_discount()
        if row is None:
            return ""
        del self.world.discounts[row.rowid]
        return row.text

    def _unused_discount(self) -> DiscountRow | None:
        free = [row for row in self.world.discounts.values() if not row.is_used]
        return self.rng.choice(free) if free else None


def _with_lines(sale: Sale, lines: tuple[SaleLine, ...]) -> Sale:
    return replace(
        sale,
        lines=lines,
        total_excl=sum((line.total_excl for line in lines), Decimal(0)),
        total_incl=sum((line.total_incl for line in lines), Decimal(0)),
    )


def _reward_lines(sale: Sale) -> tuple[SaleLine, ...]:
    if is_return(sale):
        return ()
    return tuple(line for line in sale.lines if line.discount is DiscountKind.FIXED)


def _negative(lines: Sequence[SaleLine]) -> tuple[SaleLine, ...]:
    return tuple(
        replace(line, total_excl=-line.total_excl, total_incl=-line.total_incl) for line in lines
    )


def _due(sale: Sale) -> Decimal:
    return sale.total_incl - sum((payment.amount for payment in sale.payments), Decimal(0))


def _in_order(payments: tuple[Payment, ...]) -> tuple[Payment, ...]:
    return tuple(sorted(payments, key=lambda paid: (paid.paid_at, paid.mode, paid.amount)))


def _what(sale: Sale) -> str:
    origin = f" of {sale.origin.rowid}" if sale.origin else ""
    return (
        f"{sale.kind} {sale.key.rowid}{origin}, customer {sale.customer.rowid}, "
        f"{sale.total_incl}, {sale.status}, {sale.date}"
    )
