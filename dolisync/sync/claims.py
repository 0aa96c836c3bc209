"""Claims: an unknown customer comes back with his receipt, and its sale becomes his.

The ledger then keeps the sale, and its returns, with him, while Dolibarr goes on naming the till's
default customer: so its points remain a function of the sale. Should Dolibarr name somebody else
one day, the ledger follows it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from sqlalchemy import Connection, Engine

from dolisync.claims import ReadCode, make_code, read_code
from dolisync.config import ClaimSettings
from dolisync.errors import NotFound, UserError
from dolisync.ledger import batches, outbox
from dolisync.ledger.batches import Batch, BatchKind
from dolisync.ledger.engine import reading, write
from dolisync.ledger.signing import CLAIMS, signing_key
from dolisync.ledger.store import KnownSale, MemberKey, Transaction
from dolisync.model import Buyer, CustomerKey, Sale, SaleKey, SaleKind, SaleStatus
from dolisync.ports import Clock
from dolisync.receipt import ReceiptClaim
from dolisync.sync.changes import Change
from dolisync.sync.judge import Rules, judge_again

_CLAIMED_KINDS = {SaleKind.STANDARD, SaleKind.REPLACEMENT}
_COUNTING = {SaleStatus.VALIDATED, SaleStatus.PAID}


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims, and what his card says, as far as the programs ask."""

    customer: CustomerKey
    buyer: Buyer | None = None


class Bar(enum.StrEnum):
    """Why a receipt cannot be claimed; each has a sentence for the card."""

    GONE = "claim_gone"
    TAKEN = "claim_taken"
    OWN = "claim_own"
    LATE = "claim_late"


class ClaimRefused(UserError):  # noqa: N818
    """Say why a receipt cannot be claimed: of which sale, and until when it could be."""

    def __init__(
        self, bar: Bar, message: str, remedy: str, sale: str = "", last_day: date | None = None
    ) -> None:
        super().__init__(message, remedy)
        self.bar = bar
        self.sale = sale
        self.last_day = last_day


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim gave."""

    batch: Batch
    sale: Sale
    changes: tuple[Change, ...]


def printed_claim(
    connection: Connection, rules: Rules, terms: ClaimSettings | None, sale: Sale, today: date
) -> ReceiptClaim | None:
    """Return the code for a receipt, ``None`` where its sale is somebody's, or it is too late."""
    key = signing_key(connection, CLAIMS) if terms else None
    if terms is None or key is None or not _is_anonymous(rules, sale):
        return None
    last_day = sale.date + timedelta(days=terms.days)
    if sale.kind not in _CLAIMED_KINDS or sale.status not in _COUNTING or today > last_day:
        return None
    return ReceiptClaim(make_code(key, sale.key), last_day)


def _is_anonymous(rules: Rules, sale: Sale) -> bool:
    around = rules.around.get(sale.key.source)
    return around is not None and sale.customer.rowid in around.pos_customers


def named_sale(engine: Engine, code: ReadCode, sources: Mapping[str, int], rules: Rules) -> SaleKey:
    """Say which sale a code names. ``sources`` are their names with their entities.

    Raises ``NotFound`` for a code that this ledger did not make.
    """
    with reading(engine) as connection:
        key = signing_key(connection, CLAIMS)
    for name, entity in sources.items():
        sale = SaleKey(name, entity, code.rowid)
        if name in rules.around and key is not None and code.names(key, sale):
            return sale
    message = "no receipt has this code"
    raise NotFound(message, "compare it with the paper, letter by letter")


@dataclass(frozen=True, slots=True)
class Claiming:
    """Where receipts are claimed, by the command line or on a card.

    ``sources`` are the names of the sources that may be meant, with their entities; ``book`` brings
    the ledger up to date with one sale, ``buyer_of`` reads a customer's card.
    """

    engine: Engine
    clock: Clock
    rules: Rules
    terms: ClaimSettings
    sources: Mapping[str, int]
    book: Callable[[SaleKey], None]
    buyer_of: Callable[[CustomerKey], Buyer | None]

    def sale_of(self, code: str) -> SaleKey:
        """Say which sale a code names. Raises ``UserError`` for a code that was never printed."""
        return named_sale(self.engine, read_code(code), self.sources, self.rules)

    def claim(self, sale: SaleKey, customer: CustomerKey, token: str) -> Claimed:
        """Give a sale to the customer who holds its receipt. Raises ``ClaimRefused``.

        Its ticket may be younger than the last look, so it is booked as it is now.
        """
        self.book(sale)
        claimant = Claimant(customer, self.buyer_of(customer))
        return claim(self.engine, self.clock, self.rules, self.terms, sale, claimant, token=token)


def claim(
    engine: Engine,
    clock: Clock,
    rules: Rules,
    terms: ClaimSettings,
    key: SaleKey,
    claimant: Claimant,
    *,
    token: str,
) -> Claimed:
    """Give an unknown customer's sale to the one who holds its receipt.

    ``token`` is made before the first attempt. Raises ``ClaimRefused`` for a sale that is
    somebody's, that is gone, or whose days are over.
    """
    return write(
        engine, lambda connection: _claim(connection, clock, rules, terms, key, claimant, token)
    )


def _claim(
    connection: Connection,
    clock: Clock,
    rules: Rules,
    terms: ClaimSettings,
    key: SaleKey,
    claimant: Claimant,
    token: str,
) -> Claimed:
    transaction = Transaction(connection, clock.now())
    transaction.load_sales([key])
    known = transaction.sales.get(key)
    done = batches.find(connection, token)
    if known is not None and done is not None:
        return Claimed(done, known.sale, ())
    today = transaction.now.astimezone(rules.book.current.programs[0].zone).date()
    sale = _checked(known, rules, terms, claimant, today).sale
    title = f"{sale.ref} claimed by customer {claimant.customer.rowid}"
    details = {
        "source": key.source,
        "entity": key.entity,
        "sale": key.rowid,
        "from": sale.customer.rowid,
        "into": claimant.customer.rowid,
    }
    batch = batches.create(connection, BatchKind.CLAIM, title, details, transaction.now, token)
    changes = _move(transaction, rules, key, claimant)
    return Claimed(batch, sale, tuple(changes))


def _checked(
    known: KnownSale | None, rules: Rules, terms: ClaimSettings, claimant: Claimant, today: date
) -> KnownSale:
    if known is None or known.vanished_at or known.sale.status not in _COUNTING:
        message = "the sale of this receipt is not in Dolibarr any more"
        remedy = "look for it in Dolibarr: it was deleted or reopened"
        raise ClaimRefused(Bar.GONE, message, remedy)
    sale = known.sale
    if known.erased_at or not _is_anonymous(rules, sale):
        bar, message = (
            Bar.TAKEN,
            f"{sale.ref} is somebody's already: customer {sale.customer.rowid}",
        )
        remedy = f"dolisync explain {sale.ref} says since when"
        if sale.customer == claimant.customer:
            bar, message = Bar.OWN, f"{sale.ref} is his already"
            remedy = "its points are on his account"
        raise ClaimRefused(bar, message, remedy, sale.ref)
    last_day = sale.date + timedelta(days=terms.days)
    if today > last_day:
        message = f"{sale.ref} could be claimed until {last_day}"
        remedy = "[claims] days says how long; dolisync adjust gives points anyway"
        raise ClaimRefused(Bar.LATE, message, remedy, sale.ref, last_day)
    return known


def _move(transaction: Transaction, rules: Rules, key: SaleKey, claimant: Claimant) -> list[Change]:
    """Keep a sale and its returns with somebody else, and post what that comes to."""
    transaction.load_sales([key])
    transaction.load_returns([key])
    known = transaction.sales[key]
    owner, home = known.sale.customer, claimant.customer
    before = _balances(transaction, rules, (owner, home))
    both: list[Sale] = []
    for one in [known, *transaction.returns_of(key)]:
        if one.sale.customer == owner:
            both += [one.sale, _keep(transaction, one, claimant).sale]
    judge_again(transaction, rules, both)
    after = _balances(transaction, rules, (owner, home))
    touched = [outbox.customer_target(one) for one in (owner, home) if rules.shows(one.source)]
    outbox.wish(transaction.connection, touched, transaction.now)
    programs = {terms.name: terms for terms in rules.book.current.programs}
    return [
        Change(programs[one.program], one.customer, units - before.get(one, 0), 0)
        for one, units in after.items()
        if units != before.get(one, 0)
    ]


def _keep(transaction: Transaction, known: KnownSale, claimant: Claimant) -> KnownSale:
    """Keep a sale with another customer than Dolibarr names; its fingerprint is of Dolibarr's."""
    vanished_at, named = known.vanished_at, known.named_customer
    seen = known.sale.customer.rowid if named is None else named
    moved = replace(known.sale, customer=claimant.customer, buyer=claimant.buyer)
    transaction.record(moved, known.fingerprint, known.rule_set_id)
    known.vanished_at = vanished_at
    known.named_customer = None if seen == claimant.customer.rowid else seen
    return known


def _balances(
    transaction: Transaction, rules: Rules, customers: tuple[CustomerKey, ...]
) -> dict[MemberKey, int]:
    names = [terms.name for terms in rules.book.current.programs]
    keys = [MemberKey(name, customer) for name in names for customer in customers]
    transaction.load_members(keys)
    return {key: transaction.books[key].balance for key in keys if key in transaction.books}


def undo(transaction: Transaction, rules: Rules, batch: Batch) -> list[Change]:
    """Give a claimed sale back to nobody. Raises ``UserError`` where Dolibarr names somebody."""
    details = batch.details
    key = SaleKey(details["source"], details["entity"], details["sale"])
    transaction.load_sales([key])
    known = transaction.sales.get(key)
    if known is None or known.named_customer != details["from"]:
        message = f"{batch.token} cannot be undone: Dolibarr names a customer on that sale now"
        raise UserError(message, "correct the customer on the invoice in Dolibarr")
    nobody = CustomerKey(key.source, key.entity, details["from"])
    return _move(transaction, rules, key, Claimant(nobody))
