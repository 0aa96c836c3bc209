"""Tiers set by hand for many members at once, chosen by what they have in common: one batch.

Written in pages, each member's entry under a token of its own, so that a repeated transaction is
the same one. Undone, the entries go and what was bought since is judged again without them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, Engine, func, select

from dolisync.errors import UserError
from dolisync.ledger import batches, courses, outbox, tables
from dolisync.ledger.batches import Batch, BatchKind, BatchState
from dolisync.ledger.courses import TierSetting
from dolisync.ledger.engine import reading, write
from dolisync.ledger.store import Transaction, by_source
from dolisync.model import CustomerKey
from dolisync.ports import Clock
from dolisync.program.terms import Program
from dolisync.program.tiers import SetByHand, TierToday, in_force
from dolisync.sync import merge
from dolisync.sync.changes import Change
from dolisync.sync.judge import Rules, judge_again
from dolisync.sync.tiers import tiers_of

PAGE = 200


@dataclass(frozen=True, slots=True)
class Choice:
    """Who is meant: who fits each of these. ``held`` is a tier's name, empty for no tier.

    ``customers`` are the only ones meant, where given: these need no account. Balances are in
    ledger units.
    """

    source: str
    entity: int
    held: str | None = None
    balance_from: int | None = None
    no_sale_since: date | None = None
    customers: frozenset[CustomerKey] | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be set for them, by whom and why; without a tier, what was set before ends."""

    program: Program
    setting: SetByHand
    made_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Who gets it, with the tier held today, and how many of those meant need nothing."""

    wanted: Wanted
    chosen: tuple[tuple[CustomerKey, TierToday], ...]
    unchanged: int


def plan(engine: Engine, wanted: Wanted, choice: Choice, progress: Callable[[int], None]) -> Plan:
    """Say who would get it; nothing is written."""
    chosen: list[tuple[CustomerKey, TierToday]] = []
    unchanged = looked = 0
    for page in _pages(engine, wanted.program, choice):
        with reading(engine) as connection:
            meant = _meant(connection, wanted.program, choice, wanted.setting.day, page)
            settings = courses.set_by_hand(connection, wanted.program.name, meant)
        for customer, held in meant.items():
            if _changes(wanted, settings.get(customer, ()), held):
                chosen.append((customer, held))
            else:
                unchanged += 1
        looked += len(page)
        progress(looked)
    return Plan(wanted, tuple(chosen), unchanged)


def _pages(engine: Engine, program: Program, choice: Choice) -> Iterator[list[CustomerKey]]:
    """Walk over the customers who may be meant: those named, or all who have an account."""
    last = 0
    named = sorted(choice.customers) if choice.customers is not None else None
    while True:
        if named is not None:
            page, named = named[:PAGE], named[PAGE:]
        else:
            with reading(engine) as connection:
                page = _next_members(connection, program, choice, last)
        if not page:
            return
        last = page[-1].rowid
        yield page


def _next_members(
    connection: Connection, program: Program, choice: Choice, last: int
) -> list[CustomerKey]:
    member = tables.member.c
    query = (
        select(member.customer_rowid)
        .where(
            member.program == program.name,
            member.source == choice.source,
            member.entity == choice.entity,
            member.customer_rowid > last,
        )
        .order_by(member.customer_rowid)
        .limit(PAGE)
    )
    rowids = connection.execute(query).scalars()
    return [CustomerKey(choice.source, choice.entity, rowid) for rowid in rowids]


def _meant(
    connection: Connection,
    program: Program,
    choice: Choice,
    day: int,
    page: Sequence[CustomerKey],
) -> dict[CustomerKey, TierToday]:
    """Return who of a page is meant, with the tiers held."""
    found = tiers_of(connection, program, page, date.fromordinal(day))
    left = {customer.rowid for customer in page} - set(program.excluded_customers)
    if choice.balance_from is not None:
        left &= _with_balance(connection, program, choice, page)
    if choice.no_sale_since is not None:
        left -= _buyers_since(connection, program, choice, page)
    return {
        customer: held
        for customer, held in found.items()
        if customer.rowid in left and choice.held in {None, held.name}
    }


def _with_balance(
    connection: Connection, program: Program, choice: Choice, page: Collection[CustomerKey]
) -> set[int]:
    member = tables.member.c
    query = select(member.customer_rowid).where(
        member.program == program.name,
        member.source == choice.source,
        member.entity == choice.entity,
        member.customer_rowid.in_([customer.rowid for customer in page]),
        member.balance >= choice.balance_from,
    )
    return set(connection.execute(query).scalars())


def _buyers_since(
    connection: Connection, program: Program, choice: Choice, page: Collection[CustomerKey]
) -> set[int]:
    """Return who has a sale that counts since that day."""
    assert choice.no_sale_since is not None
    row = tables.counted.c
    query = (
        select(row.customer_rowid)
        .where(
            row.program == program.name,
            row.source == choice.source,
            row.entity == choice.entity,
            row.customer_rowid.in_([customer.rowid for customer in page]),
            row.day >= choice.no_sale_since.toordinal(),
        )
        .group_by(row.customer_rowid)
        .having(func.sum(row.sales) > 0)
    )
    return set(connection.execute(query).scalars())


def _changes(wanted: Wanted, settings: Sequence[SetByHand], held: TierToday) -> bool:
    """Tell whether a member's tier, or how it holds, would be another."""
    program, setting = wanted.program, wanted.setting
    now = in_force(program, settings, setting.day)
    if not setting.tier:
        return now is not None
    if setting.is_locked:
        there = (now.tier, now.is_locked, now.until) if now else None
        return there != (setting.tier, setting.is_locked, setting.until)
    # Not locked it is a floor: who holds as much by now does not need it.
    return program.places.get(held.name, -1) < program.places[setting.tier]


# --- doing ---------------------------------------------------------------------------------------


def assign(
    engine: Engine,
    clock: Clock,
    rules: Rules,
    planned: Plan,
    *,
    token: str,
    progress: Callable[[int], None],
) -> Batch:
    """Set it for all who were chosen. ``token`` names the batch, made before its first attempt.

    Raises ``UserError`` when somebody undoes it while it is still being done.
    """
    customers = [customer for customer, _ in planned.chosen]
    batch = write(engine, lambda c: _begin(c, clock, planned.wanted, len(customers), token))
    for start in range(0, len(customers), PAGE):
        page = customers[start : start + PAGE]
        write(engine, lambda c, page=page: _set(c, clock, rules, planned.wanted, batch, page))  # type: ignore[misc]
        progress(start + len(page))
    write(engine, lambda connection: _finish(connection, batch))
    return batch


def _begin(connection: Connection, clock: Clock, wanted: Wanted, members: int, token: str) -> Batch:
    found = batches.find(connection, token)
    if found is not None:
        return found
    tier = wanted.program.tier_named(wanted.setting.tier)
    what = f"tier {tier.name} for {members} members" if tier else f"{members} tiers released"
    details = {"program": wanted.program.name, "members": members}
    state, title = BatchState.RUNNING, f"{what}: {wanted.reason}"
    return batches.create(connection, BatchKind.TIERS, title, details, clock.now(), token, state)


def _set(
    connection: Connection,
    clock: Clock,
    rules: Rules,
    wanted: Wanted,
    batch: Batch,
    page: Sequence[CustomerKey],
) -> None:
    batches.require_running(connection, batch.id)
    transaction = Transaction(connection, clock.now())
    name, day = wanted.program.name, wanted.setting.day
    for customer in page:
        entry = TierSetting(customer, wanted.setting, wanted.made_by, wanted.reason)
        token = f"{batch.token}:{customer.rowid}"
        courses.add_setting(connection, name, token, entry, transaction.now)
    judge_again(transaction, rules, [], [(customer, day) for customer in page])
    cards = [outbox.customer_target(customer) for customer in page if rules.shows(customer.source)]
    outbox.wish(connection, cards, transaction.now)


def _finish(connection: Connection, batch: Batch) -> None:
    batches.require_running(connection, batch.id)
    batches.finish(connection, batch)


def undo(transaction: Transaction, rules: Rules, batch: Batch, program: Program) -> list[Change]:
    """Take all entries of a batch back; return what the accounts gain and lose by it.

    Raises ``UserError`` when somebody of them was merged into another since.
    """
    connection = transaction.connection
    places = courses.drop_batch(connection, batch.token)
    customers = [customer for customer, _ in places]
    if not customers:
        message = f"{batch.token} set no tier that is still there"
        raise UserError(message, "there is nothing to undo")
    merge.followed(connection, batch, customers)
    before = _balances(connection, program, customers)
    judge_again(transaction, rules, [], places)
    transaction.flush()
    after = _balances(connection, program, customers)
    return [
        Change(program, customer, after.get(customer, 0) - before.get(customer, 0), 0)
        for customer in customers
    ]


def _balances(
    connection: Connection, program: Program, customers: Collection[CustomerKey]
) -> Mapping[CustomerKey, int]:
    member, found = tables.member.c, dict[CustomerKey, int]()
    for (source, entity), rowids in by_source(customers):
        query = select(member.customer_rowid, member.balance).where(
            member.program == program.name,
            member.source == source,
            member.entity == entity,
            member.customer_rowid.in_(rowids),
        )
        for rowid, balance in connection.execute(query):
            found[CustomerKey(source, entity, rowid)] = int(balance)
    return found
