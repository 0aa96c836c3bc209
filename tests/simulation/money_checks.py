"""What must hold where points are money: nothing is spent twice, and no point is lost.

Computed from the documents as they stand at the end, and from the ledger's postings alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

from simulation.benches import Bench
from simulation.checks import WorldClock, _believed_returns, fail
from simulation.money import MemoryTill, is_ticket
from simulation.world import ANONYMOUS, SOURCE, World, is_return
from sqlalchemy import Connection, func, select

from dolisync.ledger import drafts, redemptions, tables
from dolisync.ledger.book import PAYING_KINDS
from dolisync.ledger.engine import reading
from dolisync.ledger.redemptions import Redemption, State
from dolisync.ledger.views import member_views
from dolisync.model import Sale, SaleLine, SaleStatus
from dolisync.program.reward_products import price_on
from dolisync.program.terms import Program

HUNDRED = Decimal(100)
VOID = (State.REVOKED, State.REFUSED)


def money_holds(bench: Bench, world: World, till: MemoryTill) -> None:
    """Check all of it."""
    program = bench.programs[0]
    with reading(bench.engine) as connection:
        problems = [
            *_payments(connection, program, world),
            *_drafts(connection, world),
            *_offers(connection, bench, world, till),
        ]
    if problems:
        fail("; ".join(problems))


def _payments(connection: Connection, program: Program, world: World) -> Iterator[str]:
    """A sale without returns has cost its customer what was paid with points, and nobody else."""
    posting, sale, member = tables.posting.c, tables.sale.c, tables.member.c
    query = (
        select(sale.rowid, member.customer_rowid, func.sum(-posting.points))
        .join(tables.sale, sale.id == posting.sale_id)
        .join(tables.member, member.id == posting.member_id)
        .where(posting.kind.in_(PAYING_KINDS))
        .group_by(sale.rowid, member.customer_rowid)
    )
    taken = {(rowid, who): int(units) for rowid, who, units in connection.execute(query) if units}
    returned = {rowid for rowid, notes in _believed_returns(world).items() if notes}
    for (rowid, who), units in taken.items():
        if rowid not in world.sales or world.sales[rowid].customer.rowid != who:
            yield f"customer {who} has paid {units} for {rowid}, which is not his"
    for rowid, one in world.sales.items():
        if is_return(one):
            continue
        found = taken.get((rowid, one.customer.rowid), 0)
        cost = _cost(program, one)
        if rowid in returned and not 0 <= found <= cost:
            yield f"sale {rowid} with returns costs {found} of {cost}"
        if rowid not in returned and found != cost:
            yield f"sale {rowid} has cost {found}, not {cost}"


def _cost(program: Program, sale: Sale) -> int:
    if sale.customer.rowid == ANONYMOUS or sale.status is SaleStatus.ABANDONED:
        return 0
    if sale.ref.startswith("(PROV"):
        return 0
    assert program.point_value is not None
    paid = sum((one.amount for one in sale.payments if one.mode == "LOY"), Decimal(0))
    by_mode = _whole(paid / program.point_value * program.scale, ROUND_CEILING)
    return by_mode + _whole(_on_lines(sale.lines) * program.scale, ROUND_HALF_UP)


def _on_lines(lines: tuple[SaleLine, ...]) -> Decimal:
    priced = ((line, price_on(line)) for line in lines)
    shares = (p * line.quantity * line.discount_percent / HUNDRED for line, p in priced if p)
    return sum(shares, Decimal(0))


def _whole(value: Decimal, rounding: str) -> int:
    return int(value.to_integral_value(rounding))


def _drafts(connection: Connection, world: World) -> Iterator[str]:
    """Points are gone for what stands on documents, all others are back."""
    posting = tables.posting.c
    sums = select(posting.redemption_id, func.sum(-posting.points)).group_by(posting.redemption_id)
    spent = {
        id_: int(units)
        for id_, units in connection.execute(
            sums.where(posting.redemption_id.is_not(None), posting.kind.in_(PAYING_KINDS))
        )
    }
    returned = {rowid for rowid, notes in _believed_returns(world).items() if notes}
    for one in redemptions.of_source(connection, SOURCE).values():
        if one.draft is not None:
            yield from _draft(connection, world, one, spent.get(one.id, 0), returned)
    yield from _strange(connection, world)


def _draft(
    connection: Connection, world: World, one: Redemption, spent: int, returned: set[int]
) -> Iterator[str]:
    assert one.draft is not None
    sale = world.sales.get(one.draft.rowid)
    lines = [line for line in sale.lines if one.token in line.text] if sale else []
    used = _used(one, lines)
    if one.state in VOID:
        if spent or lines:
            yield f"{one.token} is {one.state}, but {spent} points are gone for {used}"
        return
    if one.state == State.WANTED:
        yield f"{one.token} waits for ever"
    if one.state == State.DRAFTED and one.pieces is None:
        wanted = sorted((s.tax_rate, s.amount) for s in drafts.use_of(connection, one.id).shares)
        if wanted != sorted((line.tax_rate, -line.total_incl) for line in lines):
            yield f"{one.token} stands on {one.draft.rowid} with {used}, not {one.amount}"
    if sale is not None and sale.status is SaleStatus.ABANDONED:
        used = Decimal(0)
    if sale is not None and sale.key.rowid in returned:
        if not 0 <= spent <= one.points:
            yield f"{one.token} costs {spent} of {one.points} after returns"
        return
    back = _whole(one.points * max(one.amount - used, Decimal(0)) / one.amount, ROUND_FLOOR)
    if spent != one.points - back:
        yield f"{one.token} takes off {used} of {one.amount}, but {spent} of {one.points} are gone"


def _used(one: Redemption, lines: list[SaleLine]) -> Decimal:
    if one.pieces is None:
        return -sum((line.total_incl for line in lines), Decimal(0))
    # An article that is given takes nothing off: it has its worth by its pieces.
    given = (line.quantity * line.discount_percent / HUNDRED for line in lines)
    return one.amount * min(sum(given, Decimal(0)) / one.pieces, Decimal(1))


def _strange(connection: Connection, world: World) -> Iterator[str]:
    """No line that takes something off is unknown to the ledger."""
    known = redemptions.of_source(connection, SOURCE)
    for sale in world.sales.values():
        for line in sale.lines:
            tokens = [word for word in line.text.split() if word.startswith("DS-")]
            yield from (f"{t} on {sale.key.rowid} is unknown" for t in tokens if t not in known)


def _offers(connection: Connection, bench: Bench, world: World, till: MemoryTill) -> Iterator[str]:
    """Open tickets give no more for points than their customer has, each ticket once."""
    offered: dict[int, Decimal] = defaultdict(Decimal)
    tickets = [sale for sale in world.sales.values() if is_ticket(sale)]
    for sale in tickets:
        offered[sale.customer.rowid] += _on_lines(sale.lines)
        notes = till.notes.get(sale.key.rowid, ())
        wanted = sale.customer.rowid != ANONYMOUS
        if len(notes) != wanted:
            yield f"ticket {sale.key.rowid} shows {len(notes)} notes"
    program = bench.programs[0]
    today = WorldClock(world).now().astimezone(program.zone).date()
    customers = sorted({sale.customer for sale in tickets})
    for customer, view in member_views(connection, program.name, customers, today).items():
        most = max(program.points_of(view.available), Decimal(0))
        given = offered[customer.rowid]
        if given.quantize(Decimal("0.001")) > most:
            yield f"tickets of customer {customer.rowid} give {given} points, he has {most}"
