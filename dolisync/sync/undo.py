"""Undoing a batch: everything that it moved goes back, by postings, in one transaction.

What was spent of it meanwhile is treated as the program's shortfall says: it becomes debt, or is
forgiven. Nothing is undone beneath something that was built on it: the later one is undone first.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from dolisync.errors import UserError
from dolisync.ledger import batches, bonuses, lineage, outbox, vouchers
from dolisync.ledger.batches import Batch, BatchKind
from dolisync.ledger.engine import rehearse, write
from dolisync.ledger.store import Transaction
from dolisync.ledger.vouchers import Voucher
from dolisync.model import CustomerKey
from dolisync.ports import Clock
from dolisync.program.terms import Program
from dolisync.sync import claims, merge, opening, tier_batches, transfer
from dolisync.sync.changes import Change
from dolisync.sync.judge import Rules, judge_again
from dolisync.sync.vouchers import undo_batch


@dataclass(frozen=True, slots=True)
class Undone:
    """What undoing a batch changes, or would change. ``vouchers`` are codes as they were before."""

    batch: Batch
    changes: tuple[Change, ...]
    vouchers: tuple[Voucher, ...] = ()


def plan(
    engine: Engine, clock: Clock, rules: Rules, token: str, home: CustomerKey | None = None
) -> Undone:
    """Say what undoing a batch would change; nothing is written. Raises as ``undo`` does."""
    return rehearse(engine, lambda connection: _undo(connection, clock, rules, token, home))


def undo(
    engine: Engine, clock: Clock, rules: Rules, token: str, home: CustomerKey | None = None
) -> Undone:
    """Undo a batch. ``home`` is the customer who gets a merged account back, if not the old one.

    Raises ``NotFound`` for an unknown batch, ``UserError`` for one that is undone already, or whose
    accounts were merged into others since.
    """
    return write(engine, lambda connection: _undo(connection, clock, rules, token, home))


def _undo(
    connection: Connection, clock: Clock, rules: Rules, token: str, home: CustomerKey | None
) -> Undone:
    batch = batches.by_token(connection, token)
    batches.require_undoable(batch)
    transaction = Transaction(connection, clock.now())
    _check_home(batch, home)
    ended: list[Voucher] = []
    changes: list[Change] = []
    if batch.kind == BatchKind.VOUCHERS:
        ended = undo_batch(transaction, batch)
    else:
        changes = _take_back(transaction, rules, batch, home)
    transaction.flush()
    batches.mark_undone(connection, batch, transaction.now, home)
    targets = [
        outbox.customer_target(change.customer)
        for change in changes
        if rules.shows(change.customer.source)
    ]
    outbox.wish(connection, targets, transaction.now)
    shown = [one for one in ended if rules.shows(one.place[0])]
    vouchers.show(connection, shown, transaction.now)
    return Undone(batch, tuple(changes), tuple(ended))


def _check_home(batch: Batch, home: CustomerKey | None) -> None:
    """Refuse a customer who cannot get a merged account back."""
    if home is None:
        return
    if batch.kind != BatchKind.MERGE:
        message = f"{batch.token} is no merge: its points go back to where they came from"
        raise UserError(message, "leave --to out")
    _, kept = merge.parties(batch)
    if home == kept or (home.source, home.entity) != (kept.source, kept.entity):
        message = f"what was merged into customer {kept.rowid} cannot go to {home.rowid}"
        raise UserError(message, "name another customer of the same Dolibarr")


def _take_back(
    transaction: Transaction, rules: Rules, batch: Batch, home: CustomerKey | None
) -> list[Change]:
    programs = {terms.name: terms for terms in rules.book.current.programs}
    connection = transaction.connection
    if batch.kind == BatchKind.MERGE:
        merge.followed(connection, batch, [merge.parties(batch)[1]])
        merged, changes = merge.unmerge(transaction, programs, batch, home)
        # Visits of a day, and what else sales have in common, are another's now.
        judge_again(transaction, rules, merged.sales, merged.places)
        return changes
    if batch.kind == BatchKind.CLAIM:
        return claims.undo(transaction, rules, batch)
    if batch.kind == BatchKind.TIERS:
        return tier_batches.undo(transaction, rules, batch, _program(programs, batch))
    accounts = merge.followed(connection, batch, lineage.accounts_of(connection, batch))
    if batch.kind == BatchKind.OPENING:
        return opening.undo(transaction, _program(programs, batch), batch)
    if batch.kind == BatchKind.BONUS:
        bonuses.forget_batch(connection, batch.id)
        return opening.undo(transaction, _program(programs, batch), batch)
    if batch.kind == BatchKind.TRANSFER:
        return transfer.undo(transaction, _program(programs, batch), batch, accounts)
    message = f"{batch.token} cannot be undone: {batch.title}"
    raise UserError(message, "dolisync batches says what each did")


def _program(programs: dict[str, Program], batch: Batch) -> Program:
    name = str(batch.details["program"])
    if name not in programs:
        message = f"the program '{name}' of {batch.token} is not in the configuration any more"
        raise UserError(message, "add its section [[program]] again to undo it")
    return programs[name]
