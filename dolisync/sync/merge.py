"""Merged customers: seen from outside, because Dolibarr tells nobody.

A known sale comes back with another customer, the old customer is gone, and so is his name on all
his other sales: then the two were merged, and the account goes with them. If the old customer is
still there, one sale was merely given to another.

Customers without sales leave no such trace: people merge them by hand. Where a merge by hand, or
one undone, makes the ledger keep a sale with another customer than the source names, the sale
remembers the named one: it follows the source again once that names somebody else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import structlog
from sqlalchemy import Connection, and_, or_, select, update

from dolisync.errors import UserError
from dolisync.ledger import (
    batches,
    bonuses,
    courses,
    outbox,
    referrals,
    requests,
    standing_marks,
    tables,
    tier_marks,
    vouchers,
)
from dolisync.ledger.batches import Batch, BatchKind, BatchState
from dolisync.ledger.documents import fingerprint
from dolisync.ledger.rebook import rebook, unbook
from dolisync.ledger.store import MemberKey, Transaction, return_origin
from dolisync.model import CustomerKey, Sale, SaleKey
from dolisync.ports import CustomerSource, SaleSource
from dolisync.program.terms import Program, Shortfall
from dolisync.sync.changes import Change

log = structlog.get_logger()

PAGE = 500

# Into whom an old customer was merged; ``None`` where only sales were given to others.
Fates = Mapping[CustomerKey, CustomerKey | None]


class CustomersMoved(Exception):  # noqa: N818 - no error: a question to the source
    """Ask what became of customers whose sales are another's now, before these are booked."""

    def __init__(self, customers: Collection[CustomerKey]) -> None:
        super().__init__("sales have come back with other customers")
        self.customers = frozenset(customers)


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge moved: sales as they were and are, and cards that changed.

    ``places`` are the days from which on tiers hold that staff had set for the old customer.
    """

    sales: tuple[Sale, ...]
    customers: tuple[CustomerKey, ...]
    places: tuple[tuple[CustomerKey, int], ...] = ()


def fate_of(
    connection: Connection,
    sales: SaleSource,
    customers: CustomerSource,
    old: CustomerKey,
) -> CustomerKey | None:
    """Say into whom a customer was merged, ``None`` if he is there or his sales went apart."""
    if old.rowid in customers.customers([old.rowid]):
        return None
    known = _known_sales(connection, old)
    named: set[CustomerKey] = set()
    for start in range(0, len(known), PAGE):
        named |= {sale.customer for sale in sales.get(known[start : start + PAGE])}
    if len(named) != 1 or old in named:
        return None
    return named.pop()


def _known_sales(connection: Connection, customer: CustomerKey) -> list[int]:
    """Return the rowids of the sales on which the source named this customer when last read."""
    sale, named = tables.sale.c, tables.sale.c.seen_customer_rowid
    query = select(sale.rowid).where(
        sale.source == customer.source,
        sale.entity == customer.entity,
        or_(
            and_(sale.customer_rowid == customer.rowid, named.is_(None)),
            named == customer.rowid,
        ),
        sale.vanished_at.is_(None),
    )
    return list(connection.execute(query).scalars())


def as_kept(transaction: Transaction, sale: Sale, fates: Fates | None) -> tuple[Sale, int | None]:
    """Return a sale with the customer with whom the ledger keeps it, and whom the source names.

    The latter is ``None`` where both are the same. Its origin must be loaded, and itself where it
    is known. Raises ``CustomersMoved`` when it must be known what became of the named customer.
    """
    known = transaction.sales.get(sale.key)
    origin = return_origin(sale)
    if known is None and origin is not None:
        # A new return belongs where the sale is kept that it returns.
        known = transaction.sales.get(origin)
    if known is None or known.named_customer is None:
        return sale, None
    named = replace(sale.customer, rowid=known.named_customer)
    if sale.customer != named and not _became(named, sale.customer, fates):
        return sale, None
    home = known.sale.customer
    if home == sale.customer:
        return sale, None
    return replace(sale, customer=home), sale.customer.rowid


def _became(named: CustomerKey, now: CustomerKey, fates: Fates | None) -> bool:
    """Tell whether one customer was merged into the other since."""
    if fates is None:
        return False
    if named not in fates:
        raise CustomersMoved({named})
    return fates[named] == now


def merge(
    transaction: Transaction,
    programs: Mapping[str, Program],
    old: CustomerKey,
    into: CustomerKey,
    token: str,
    reason: str = "",
) -> Merged:
    """Give one customer's sales and accounts to another. All movements are one batch.

    With a ``reason`` it is done by hand, and the source still names the old customer.
    """
    sales = _move_sales(transaction, old, into, named=old.rowid if reason else None)
    title = f"customer {old.rowid} merged into {into.rowid}"
    carried = _standing(transaction.connection, old)
    codes = [one.id for one in vouchers.of_customer(transaction.connection, old)]
    details = {
        "source": old.source,
        "entity": old.entity,
        "from": old.rowid,
        "into": into.rowid,
        "sales": sorted({sale.key.rowid for sale in sales}),
        "redemptions": _redemptions_of(transaction.connection, old),
        "carried": carried,
        "vouchers": codes,
        "referrals": referrals.ids_of(transaction.connection, old),
        "reason": reason,
    }
    batch = batches.create(
        transaction.connection, BatchKind.MERGE, title, details, transaction.now, token
    )
    for name in _programs_of(transaction.connection, old):
        source_key, target_key = MemberKey(name, old), MemberKey(name, into)
        transaction.load_books([source_key, target_key])
        rebook(
            transaction,
            transaction.books[source_key],
            transaction.book(target_key),
            key=f"merge:{token}:{name}",
            reason=f"{title}: {reason}" if reason else title,
            today=_today(transaction, programs.get(name)),
            batch_id=batch.id,
            carried=carried,
        )
    days = courses.copy_settings(transaction.connection, old, into, token)
    requests.follow(transaction.connection, old, into)
    bonuses.unite(transaction.connection, old, into, batch.id)
    referrals.unite(transaction.connection, old, into, batch.id)
    vouchers.give_to(transaction.connection, codes, into)
    if not reason:
        tier_marks.unite(transaction.connection, old, into)
        standing_marks.forget(transaction.connection, old)
        log.warning("customers were merged in Dolibarr", old=str(old), into=str(into))
    return Merged(tuple(sales), (old, into), tuple((into, day) for day in days))


def _standing(connection: Connection, customer: CustomerKey) -> list[int]:
    """Return the merges that brought something onto a customer's accounts and still stand."""
    found: set[int] = set()
    for one in batches.listed(connection, BatchKind.MERGE):
        if one.state == BatchState.DONE and parties(one)[1] == customer:
            found |= {one.id, *one.details["carried"]}
    return sorted(found)


def _today(transaction: Transaction, terms: Program | None) -> date:
    return transaction.now.astimezone(terms.zone if terms else None).date()


def _redemptions_of(connection: Connection, customer: CustomerKey) -> list[int]:
    redemption, member = tables.redemption.c, tables.member.c
    query = (
        select(redemption.id)
        .join(tables.member, member.id == redemption.member_id)
        .where(
            member.source == customer.source,
            member.entity == customer.entity,
            member.customer_rowid == customer.rowid,
        )
        .order_by(redemption.id)
    )
    return list(connection.execute(query).scalars())


def _move_sales(
    transaction: Transaction, old: CustomerKey, into: CustomerKey, named: int | None
) -> list[Sale]:
    """Give the known sales to the other customer; return them as they were and are.

    Where the source does not name him, the sale keeps its fingerprint, which is of the source's.
    """
    transaction.load_customer(old)
    both: list[Sale] = []
    for known in [k for k in transaction.sales.values() if k.sale.customer == old]:
        vanished_at, moved = known.vanished_at, replace(known.sale, customer=into)
        both += [known.sale, moved]
        seen = known.named_customer if known.named_customer is not None else named
        mark = fingerprint(moved) if seen in {None, into.rowid} else known.fingerprint
        transaction.record(moved, mark, known.rule_set_id)
        known.vanished_at = vanished_at
        known.named_customer = None if seen == into.rowid else seen
    return both


def unmerge(
    transaction: Transaction,
    programs: Mapping[str, Program],
    batch: Batch,
    home: CustomerKey | None = None,
) -> tuple[Merged, list[Change]]:
    """Take a merge back: give the old customer, or ``home``, what it brought to the other one.

    What happened to it since goes along; what the kept one earned himself stays. His sales remember
    that the source names the other customer, if it does.
    """
    old, into = parties(batch)
    home = home or old
    sales = _move_sales_back(transaction, batch, into, home)
    transaction.flush()
    changes = []
    for name in _programs_of(transaction.connection, into):
        source_key, target_key = MemberKey(name, into), MemberKey(name, home)
        transaction.load_books([source_key, target_key])
        source, target = transaction.books[source_key], transaction.book(target_key)
        transaction.flush()
        _move_redemptions_back(transaction.connection, batch, source.member_id, target.member_id)
        terms = programs.get(name)
        before = (source.balance, target.balance)
        lacking = unbook(
            transaction,
            source,
            target,
            batch_id=batch.id,
            carried=batch.details["carried"],
            shortfall=terms.returns.shortfall if terms else Shortfall.DEBT,
            key=f"unmerge:{batch.token}:{name}",
            reason=f"{batch.token} undone: {batch.title}",
            today=_today(transaction, terms),
        )
        if terms is not None:
            changes += [
                Change(terms, into, source.balance - before[0], lacking),
                Change(terms, home, target.balance - before[1], 0),
            ]
    bonuses.forget_batch(transaction.connection, batch.id)
    days = courses.drop_copies(transaction.connection, batch.token)
    requests.follow_back(transaction.connection, home)
    # Merges from before there were any do not name them.
    recommended = batch.details.get("referrals", {})
    referrals.separate(transaction.connection, recommended, into, home, batch.id)
    named = batch.details.get("vouchers", ())
    held = {one.id for one in vouchers.of_customer(transaction.connection, into)}
    vouchers.give_to(transaction.connection, held.intersection(named), home)
    places = tuple((into, day) for day in days)
    return Merged(tuple(sales), (into, home), places), changes


def parties(batch: Batch) -> tuple[CustomerKey, CustomerKey]:
    """Return who was merged into whom."""
    details = batch.details
    old, into = (
        CustomerKey(details["source"], details["entity"], details[name])
        for name in ("from", "into")
    )
    return old, into


def followed(
    connection: Connection, batch: Batch, accounts: Collection[CustomerKey]
) -> dict[CustomerKey, CustomerKey]:
    """Say who has these accounts now that a batch moved: a merge undone since may have moved them.

    Raises ``UserError`` when one of them went into another in a merge that still stands.
    """
    now = {account: account for account in accounts}
    later = (m for m in reversed(batches.listed(connection, BatchKind.MERGE)) if m.id > batch.id)
    for one in later:
        old, _ = parties(one)
        if old not in now.values():
            continue
        if one.state == BatchState.DONE:
            message = f"points of {batch.token} went along when {one.title}"
            raise UserError(message, f"undo that first: dolisync undo {one.token}")
        home = replace(old, rowid=one.details.get("home", old.rowid))
        now = {was: home if owner == old else owner for was, owner in now.items()}
    return now


def _move_sales_back(
    transaction: Transaction, batch: Batch, into: CustomerKey, home: CustomerKey
) -> list[Sale]:
    """Give back the sales that a merge moved, and their returns since, where he still has them."""
    keys = {SaleKey(into.source, into.entity, rowid) for rowid in batch.details["sales"]}
    transaction.load_sales(keys)
    transaction.load_returns(keys)
    keys |= {known.key for key in keys for known in transaction.returns_of(key)}
    both: list[Sale] = []
    for known in [transaction.sales[key] for key in sorted(keys) if key in transaction.sales]:
        if known.sale.customer != into:
            continue
        vanished_at, moved = known.vanished_at, replace(known.sale, customer=home)
        both += [known.sale, moved]
        named = into.rowid if known.named_customer is None else known.named_customer
        transaction.record(moved, known.fingerprint, known.rule_set_id)
        known.vanished_at = vanished_at
        known.named_customer = None if named == home.rowid else named
    return both


def _move_redemptions_back(connection: Connection, batch: Batch, held_by: int, to: int) -> None:
    redemption = tables.redemption
    connection.execute(
        update(redemption)
        .where(redemption.c.member_id == held_by, redemption.c.id.in_(batch.details["redemptions"]))
        .values(member_id=to)
    )


def _programs_of(connection: Connection, customer: CustomerKey) -> list[str]:
    member = tables.member.c
    query = select(member.program).where(
        member.source == customer.source,
        member.entity == customer.entity,
        member.customer_rowid == customer.rowid,
    )
    return sorted(connection.execute(query).scalars())


def cards(merged: Sequence[Merged]) -> list[outbox.Target]:
    """Return the cards that show something else after these merges."""
    return [outbox.customer_target(customer) for one in merged for customer in one.customers]
