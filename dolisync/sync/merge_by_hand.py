"""Merges that people ask for: customers without sales, of whose merging Dolibarr shows nothing."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from dolisync.errors import NotFound, UserError
from dolisync.ledger import batches, outbox, referrals
from dolisync.ledger.batches import Batch
from dolisync.ledger.engine import rehearse, write
from dolisync.ledger.store import MemberKey, Transaction
from dolisync.model import CustomerKey
from dolisync.ports import Clock
from dolisync.sync.changes import Change
from dolisync.sync.judge import Rules, judge_again
from dolisync.sync.merge import cards, merge


def plan(
    engine: Engine, clock: Clock, rules: Rules, old: CustomerKey, into: CustomerKey
) -> list[Change]:
    """Say what a merge would change; nothing is written. Raises as ``merge_by_hand`` does."""

    def work(connection: Connection) -> list[Change]:
        before = _balances(Transaction(connection, clock.now()), rules, (old, into))
        _merge(connection, clock, rules, old, into, "B-PLAN", "plan")
        after = _balances(Transaction(connection, clock.now()), rules, (old, into))
        programs = {terms.name: terms for terms in rules.book.current.programs}
        return [
            Change(programs[key.program], key.customer, after[key] - before.get(key, 0), 0)
            for key in after
        ]

    return rehearse(engine, work)


def _balances(
    transaction: Transaction, rules: Rules, customers: tuple[CustomerKey, ...]
) -> dict[MemberKey, int]:
    names = [terms.name for terms in rules.book.current.programs]
    transaction.load_members({MemberKey(name, key) for name in names for key in customers})
    return {key: book.balance for key, book in transaction.books.items()}


def merge_by_hand(
    engine: Engine,
    clock: Clock,
    rules: Rules,
    old: CustomerKey,
    into: CustomerKey,
    *,
    token: str,
    reason: str,
) -> Batch:
    """Give a customer's accounts and known sales to another; return the batch.

    ``token`` is made before the first attempt, so that a repeated transaction is the same one.
    Raises ``NotFound`` when the ledger knows nothing of the old one, ``UserError`` for one customer
    named twice.
    """
    return write(
        engine, lambda connection: _merge(connection, clock, rules, old, into, token, reason)
    )


def _merge(
    connection: Connection,
    clock: Clock,
    rules: Rules,
    old: CustomerKey,
    into: CustomerKey,
    token: str,
    reason: str,
) -> Batch:
    found = batches.find(connection, token)
    if found is not None:
        return found
    if (old.source, old.entity) != (into.source, into.entity) or old == into:
        message = f"customer {old.rowid} cannot be merged into {into.rowid}"
        raise UserError(message, "name two customers of one Dolibarr")
    transaction = Transaction(connection, clock.now())
    if not (_balances(transaction, rules, (old,)) or _is_recommended(connection, old)):
        message = f"the ledger knows nothing of customer {old.rowid}"
        raise NotFound(message, "name first the one who goes, then the one who stays")
    programs = {terms.name: terms for terms in rules.book.current.programs}
    merged = merge(transaction, programs, old, into, token, reason)
    judge_again(transaction, rules, merged.sales, merged.places)
    targets = [target for target in cards([merged]) if rules.shows(target.source)]
    outbox.wish(connection, targets, transaction.now)
    return batches.by_token(connection, token)


def _is_recommended(connection: Connection, customer: CustomerKey) -> bool:
    """Tell whether a customer recommends somebody, or is, though nothing was bought yet."""
    return any(referrals.ids_of(connection, customer).values())
