"""What must hold after a history: the invariants, against the ledger and against the world."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from simulation import benches
from simulation.benches import SOURCE_SETTINGS, Bench
from simulation.world import MemorySource, World, calm, customer_key, is_return, key
from sqlalchemy import Connection, func, select

from dolisync.display import customer_values, field_names
from dolisync.ledger import outbox, redemptions, tables
from dolisync.ledger.batches import BatchKind
from dolisync.ledger.book import PAYING_KINDS, SALE_KINDS, Kind
from dolisync.ledger.engine import reading
from dolisync.ledger.views import member_view, points_used
from dolisync.ports import Clock
from dolisync.program.calendar import last_day_of_use
from dolisync.program.terms import Shortfall
from dolisync.sync.audit import verify
from dolisync.sync.intake import Intake
from dolisync.sync.judge import distrust
from dolisync.sync.publish import same_values
from dolisync.sync.tiers import with_standing

# (rowid of the sale, program, rowid of the customer): units
Holdings = dict[tuple[int, str, int], int]

_OWN_ERROR = re.compile(r"^[A-Z]\w+: ")


class Broken(AssertionError):  # noqa: N818 - reads as a sentence where it is raised
    """Say which invariant does not hold."""


def fail(message: str) -> None:
    """Report a broken invariant."""
    raise Broken(message)


def no_violation(world: World) -> None:
    """Check that nothing happened in the world that must never happen."""
    if world.violations:
        fail("; ".join(world.violations))


def no_own_error(problem: str) -> None:
    """Check that publishing failed for no reason of our own."""
    if _OWN_ERROR.match(problem):
        fail(f"an error of our own: {problem}")


def everything(
    bench: Bench, clock: Clock, world: World, variant: int, *, is_plain: bool = True
) -> None:
    """Check all invariants of a drained history; some say nothing after a copy was restored."""
    no_violation(world)
    breaches = verify(bench.engine, clock, bench.rules)
    if breaches:
        fail("verify: " + "; ".join(str(breach) for breach in breaches))
    holdings_match(bench, world, variant)
    with reading(bench.engine) as connection:
        problems = [
            *_leftovers(connection),
            *_families(connection, bench, world),
            *(_members(connection, bench, world) if is_plain else ()),
            *_merged(connection, world),
            *_lot_dates(connection, bench),
            *_cards(connection, bench, clock, world),
            # Nobody writes on invoices again what they showed before an older copy came.
            *(() if world.was_restored else _sale_fields(connection, bench, world)),
            *_discounts(connection, world),
        ]
    if problems:
        fail("; ".join(problems))


def holdings_match(bench: Bench, world: World, variant: int) -> None:
    """Compare what each sale holds with a replay of the whole world into an empty ledger."""
    with reading(bench.engine) as connection:
        played = _holdings(connection)
    fresh = benches.bench(variant, "replayed")
    source = MemorySource(world, calm())
    Intake(fresh.engine, WorldClock(world), fresh.rules, source, "sql", page_size=500).run_once()
    with reading(fresh.engine) as connection:
        replayed = _holdings(connection)
    if played != replayed:
        differing = sorted(
            place
            for place in played.keys() | replayed.keys()
            if played.get(place, 0) != replayed.get(place, 0)
        )
        found = [
            f"sale {place[0]} in '{place[1]}' for customer {place[2]} holds "
            f"{played.get(place, 0)}, a replay gives {replayed.get(place, 0)}"
            for place in differing
        ]
        fail("; ".join(found))


@dataclass(frozen=True)
class WorldClock:
    """A clock that shows the world's own time."""

    world: World

    def now(self) -> datetime:
        return self.world.moment


def _holdings(connection: Connection) -> Holdings:
    posting, sale, member = tables.posting.c, tables.sale.c, tables.member.c
    query = (
        select(sale.rowid, member.program, member.customer_rowid, func.sum(posting.points))
        .join(tables.sale, sale.id == posting.sale_id)
        .join(tables.member, member.id == posting.member_id)
        .where(posting.kind.in_(SALE_KINDS))
        .group_by(sale.rowid, member.program, member.customer_rowid)
    )
    return {(row[0], row[1], row[2]): int(row[3]) for row in connection.execute(query) if row[3]}


def _leftovers(connection: Connection) -> Iterator[str]:
    """No sale is parked, and no row of the outbox waits for a person."""
    for row in connection.execute(select(tables.parked)):
        yield f"sale {row.rowid} is parked: {row.reason}"
    for item in outbox.listed(connection, ("dead", *outbox.OPEN_STATES), 100):
        yield f"outbox row {item.target.key} is {item.state}: {item.last_error}"


def _families(connection: Connection, bench: Bench, world: World) -> Iterator[str]:
    """A sale with its believed returns holds between nothing and what the sale alone earned."""
    held = _holdings(connection)
    for rowid, notes in _believed_returns(world).items():
        customer = world.sales[rowid].customer.rowid
        for program in bench.programs:
            earned = held.get((rowid, program.name, customer), 0)
            left = earned + sum(held.get((note, program.name, customer), 0) for note in notes)
            if not 0 <= left <= max(earned, 0):
                yield f"of sale {rowid}, which earned {earned}, returns {notes} leave {left}"


def _believed_returns(world: World) -> dict[int, list[int]]:
    returned: dict[int, list[int]] = defaultdict(list)
    for rowid, sale in world.sales.items():
        origin = world.sales.get(sale.origin.rowid) if is_return(sale) and sale.origin else None
        if origin is None or is_return(origin) or origin.ref.startswith("(PROV"):
            continue
        if distrust(origin, sale) is None:
            returned[origin.key.rowid].append(rowid)
    return returned


def _members(connection: Connection, bench: Bench, world: World) -> Iterator[str]:
    """Where debt is forgiven there is none, and nothing is forgiven that was not spent."""
    sums: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    posting = tables.posting.c
    query = select(posting.member_id, posting.kind, func.sum(posting.points))
    for row in connection.execute(query.group_by(posting.member_id, posting.kind)):
        sums[row[0]][row[1]] = int(row[2])
    owed = _owed_alone(connection, world)
    forgiving = {p.name for p in bench.programs if p.returns.shortfall is Shortfall.CLAMP}
    for row in connection.execute(select(tables.member)):
        if row.program not in forgiving:
            continue
        of = sums[row.id]
        spent = -(of[Kind.REDEEM] + of[Kind.RETURN] + of[Kind.EXPIRE])
        spent += owed[row.program, row.customer_rowid] + _taken_for_others(connection, row.id)
        if row.debt or row.balance < 0:
            yield f"customer {row.customer_rowid} has {row.balance}, owes {row.debt}"
        if of[Kind.ADJUST] > spent:
            yield (
                f"customer {row.customer_rowid} was forgiven {of[Kind.ADJUST]} points, "
                f"but has spent {spent}"
            )


def _merged(connection: Connection, world: World) -> Iterator[str]:
    """Nothing is left with a customer who was merged into another."""
    gone = {one.old for one in world.merges} - world.customers - world.untraceable
    lot, member = tables.lot.c, tables.member.c
    query = (
        select(member.customer_rowid, member.balance, member.debt, func.sum(lot.remaining))
        .outerjoin(tables.lot, lot.member_id == member.id)
        .where(member.customer_rowid.in_(gone))
        .group_by(member.id, member.customer_rowid, member.balance, member.debt)
    )
    for customer, balance, debt, remaining in connection.execute(query):
        if balance or debt or remaining:
            yield f"customer {customer} was merged, but holds {balance} and owes {debt}"


def _lot_dates(connection: Connection, bench: Bench) -> Iterator[str]:
    """A sale's lot ends so long after its beginning as the program says, wherever it is.

    What was paid with points and came back may have a lot of its own: it lives as the others do.
    """
    lot, member = tables.lot.c, tables.member.c
    query = (
        select(lot.id, lot.available_from, lot.expires_on, member.program)
        .join(tables.member, member.id == lot.member_id)
        .join(tables.posting, tables.posting.c.id == lot.posting_id)
        .where(lot.sale_id.is_not(None), tables.posting.c.kind != Kind.RETURN)
    )
    for row in connection.execute(query):
        program = bench.by_name[row.program]
        waits = {0, program.earn.wait_days}
        days = [row.available_from - timedelta(days=days) for days in waits]
        if row.expires_on not in {last_day_of_use(program.validity, day) for day in days}:
            yield f"lot {row.id} is usable from {row.available_from} to {row.expires_on}"


def _owed_alone(connection: Connection, world: World) -> dict[tuple[str, int], int]:
    """Return what is taken back beyond what its sale had given: returns judged by themselves."""
    head = {note: rowid for rowid, notes in _believed_returns(world).items() for note in notes}
    nets: dict[tuple[int, str, int], int] = defaultdict(int)
    for (rowid, program, customer), units in _holdings(connection).items():
        nets[head.get(rowid, rowid), program, customer] += units
    owed: dict[tuple[str, int], int] = defaultdict(int)
    for (_, program, customer), units in nets.items():
        owed[program, customer] -= min(units, 0)
    return owed


def _taken_for_others(connection: Connection, member_id: int) -> int:
    """Return how many points of a sale's lots were drawn to take back another one's."""
    allocation, posting, lot = tables.allocation.c, tables.posting.c, tables.lot.c
    query = (
        select(func.coalesce(func.sum(-allocation.points), 0))
        .join(tables.posting, posting.id == allocation.posting_id)
        .join(tables.lot, lot.id == allocation.lot_id)
        .where(
            allocation.member_id == member_id,
            posting.kind.in_((Kind.REVERSAL, Kind.ADJUST)),
            posting.sale_id != lot.sale_id,
        )
    )
    return int(connection.execute(query).scalar_one())


def balances_shown(bench: Bench, world: World) -> None:
    """Check that the cards show the balances, before any reconcile."""
    with reading(bench.engine) as connection:
        rows = connection.execute(select(tables.member)).all()
    for row in (row for row in rows if row.customer_rowid in world.customers):
        program = bench.by_name[row.program]
        name = field_names(program).balance
        shown = world.cards.get(row.customer_rowid, {})
        if not same_values({name: program.points_of(row.balance)}, shown):
            fail(f"the card of customer {row.customer_rowid} shows {shown}, not {row.balance}")


def _cards(connection: Connection, bench: Bench, clock: Clock, world: World) -> Iterator[str]:
    """A customer's card shows what the ledger says."""
    members = set(connection.execute(select(tables.member.c.customer_rowid)).scalars())
    customers = sorted(members & world.customers)
    for program in bench.programs:
        today = clock.now().astimezone(program.zone).date()
        for customer in customers:
            key_ = customer_key(customer)
            account = member_view(connection, program.name, key_, today)
            view = with_standing(connection, program, {key_: account}, today)[key_]
            wanted = customer_values(program, view, SOURCE_SETTINGS, today)
            shown = world.cards.get(customer, {})
            if not same_values(wanted, shown):
                yield f"the card of customer {customer} shows {shown}, it should show {wanted}"


def _sale_fields(connection: Connection, bench: Bench, world: World) -> Iterator[str]:
    """An invoice shows what it holds for its own customer, and nobody else's balance.

    What a merge re-books leaves the balance on it as it was.
    """
    held = _holdings(connection)
    posting, sale, member = tables.posting.c, tables.sale.c, tables.member.c
    moves = (
        select(
            sale.rowid,
            member.program,
            member.customer_rowid,
            posting.balance_after,
            tables.batch.c.kind,
        )
        .outerjoin(tables.batch, tables.batch.c.id == posting.batch_id)
        .join(tables.sale, sale.id == posting.sale_id)
        .join(tables.member, member.id == posting.member_id)
        .where(posting.kind.in_((*SALE_KINDS, *PAYING_KINDS)))
        .order_by(posting.id)
    )
    after: dict[tuple[int, str, int], int] = {}
    own: dict[tuple[int, str], int] = {}
    for rowid, name, customer, balance, kind in connection.execute(moves):
        if kind != BatchKind.MERGE:
            own[rowid, name] = balance
        after[rowid, name, customer] = own.get((rowid, name), balance)
    moved = {(rowid, program) for rowid, program, _ in after}
    used = points_used(connection, [key(rowid) for rowid in world.sales])
    for program in bench.programs:
        names = field_names(program)
        for rowid in sorted(rowid for rowid, name in moved if name == program.name):
            if rowid not in world.sales:
                continue
            place = (rowid, program.name, world.sales[rowid].customer.rowid)
            balance = program.points_of(after[place]) if place in after else None
            wanted = {
                names.earned: program.points_of(held.get(place, 0)),
                names.used: program.points_of(used.get((key(rowid), program.name), 0)),
                names.after: balance,
            }
            shown = world.sale_fields.get(rowid, {})
            if not same_values(wanted, shown):
                yield f"invoice {rowid} shows {shown}, it should show {wanted}"


def _tokens_on_cards(world: World) -> set[str]:
    free = (row for row in world.discounts.values() if not row.is_used)
    return {word for row in free for word in row.text.split() if word.startswith("DS-")}


def _discounts(connection: Connection, world: World) -> Iterator[str]:
    """A discount that was paid for is there, one that was given back is not."""
    states = ("wanted", "open", "used", "revoked", "refused")
    known = redemptions.in_state(connection, key(1).source, *states)
    strange = _tokens_on_cards(world) - {redemption.token for redemption in known}
    if strange:
        yield f"{sorted(strange)} can be used, but the ledger knows nothing of them"
    for redemption in known:
        pieces = world.pieces(redemption.token)
        total = sum((row.amount for row in pieces), Decimal(0))
        free = any(not row.is_used for row in pieces)
        is_void = redemption.state in {redemptions.State.REVOKED, redemptions.State.REFUSED}
        # After a restore a sale may use what had been given back: that is told, not undone.
        if is_void and pieces and (free or not world.was_restored):
            yield f"{redemption.token} is {redemption.state}, but {total} are on the card"
        if redemption.state == redemptions.State.OPEN and not pieces:
            yield f"{redemption.token} is open, but not on the card"
        if redemption.state == redemptions.State.WANTED:
            yield f"{redemption.token} was never placed"
        # What is used twice was doubled by a replacement: a person looks at it.
        if total > redemption.amount and free:
            yield f"{redemption.token} is worth {redemption.amount}, {total} are on the card"
