"""Vouchers and gift cards as the ledger keeps them: codes, and movements of what is on them.

A movement is written once and never changed; it has a key of its own, so that a retry finds it. Of
two writers that move the same code at once, one takes the next number first and the other reads
again: no more can be used than there is.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from dolisync.codes import masked_code
from dolisync.errors import NotFound
from dolisync.ledger import outbox, tables
from dolisync.ledger.redemptions import MINOR
from dolisync.ledger.store import by_source
from dolisync.model import CustomerKey, SaleKey


class Kind(enum.StrEnum):
    """What a code is: taken off a price, or money that was paid before."""

    VOUCHER = "voucher"
    GIFT_CARD = "gift_card"


class State(enum.StrEnum):
    """Whether a code can be used at all; whether anything is on it its balance says."""

    OPEN = "open"
    BLOCKED = "blocked"
    # Another code holds now what was on it.
    REPLACED = "replaced"
    # Ended by the shop: its points came back, its money was paid out, or its sale was returned.
    REVOKED = "revoked"


class Move(enum.StrEnum):
    """What happened to a code; those without an amount only say so."""

    ISSUED = "issued"
    USED = "used"
    # A use that was undone: the document was dropped, changed, or its goods came back.
    RETURNED = "returned"
    # Taken off it: the sale of a gift card was returned, or the shop paid it out.
    REFUNDED = "refunded"
    # The points that it was made from are back.
    REVOKED = "revoked"
    EXPIRED = "expired"
    EXTENDED = "extended"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    # To another code, or from one.
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a code was made from; mostly one of these, at times none."""

    redemption_id: int | None = None
    batch_id: int | None = None
    sale_id: int | None = None
    replaces_id: int | None = None


@dataclass(frozen=True, slots=True)
class Voucher:
    """A code and what is on it. ``customer`` is whose it is, where that is known.

    ``place`` is the source and entity in which it was made; ``sequence`` counts its movements.
    """

    id: int
    code: str
    kind: Kind
    state: State
    sequence: int
    balance: Decimal
    currency: str
    tax_rate: Decimal
    valid_until: date | None
    place: tuple[str, int]
    customer: CustomerKey | None
    origin: Origin
    made_at: datetime

    @property
    def masked(self) -> str:
        """Name it where others may read it."""
        return masked_code(self.code)

    def has_ended(self, today: date) -> bool:
        """Tell whether its last day is past."""
        return self.valid_until is not None and self.valid_until < today

    def usable(self, today: date) -> Decimal:
        """Return what can be used of it today, whether or not the sweep ran."""
        if self.state is not State.OPEN or self.has_ended(today):
            return Decimal(0)
        return self.balance


@dataclass(frozen=True, slots=True)
class Change:
    """One movement to be written. ``amount`` is below zero for what is taken off a code."""

    key: str
    kind: Move
    amount: Decimal
    occurred_on: date
    recorded_at: datetime
    reason: str = ""
    use_id: int | None = None
    sale_id: int | None = None


@dataclass(frozen=True, slots=True)
class Movement:
    """One movement as it was written; ``ref`` is what its document is called now, if it has one."""

    kind: Move
    amount: Decimal
    balance_after: Decimal
    occurred_on: date
    recorded_at: datetime
    reason: str
    ref: str = ""


class NotOnIt(Exception):  # noqa: N818 - a condition: who takes from a code asks first what is on it
    """Say that more was to be taken off a code than is on it."""


# --- reading -------------------------------------------------------------------------------------


def by_code(connection: Connection, code: str) -> Voucher:
    """Return the one with this code, without dashes. Raises ``NotFound``."""
    found = find(connection, code)
    if found is None:
        message = f"no voucher or gift card has the code {masked_code(code)}"
        raise NotFound(message, "dolisync voucher list shows them all")
    return found


def find(connection: Connection, code: str) -> Voucher | None:
    """Return the one with this code, where there is one."""
    return next(iter(read(connection, tables.voucher.c.code == code)), None)


def by_id(connection: Connection, id_: int) -> Voucher:
    """Return the one with this number."""
    return read(connection, tables.voucher.c.id == id_)[0]


def of_batch(connection: Connection, batch_id: int) -> list[Voucher]:
    """Return those that a batch made."""
    return read(connection, tables.voucher.c.batch_id == batch_id)


def of_customer(connection: Connection, customer: CustomerKey) -> list[Voucher]:
    """Return a customer's."""
    return read(connection, owned_by(customer))


def of_customers(
    connection: Connection, customers: Collection[CustomerKey]
) -> dict[CustomerKey, list[Voucher]]:
    """Return the codes of many customers; who has none is there with none."""
    found: dict[CustomerKey, list[Voucher]] = {customer: [] for customer in customers}
    voucher = tables.voucher.c
    for (source, entity), rowids in by_source(customers):
        mine = (voucher.source == source) & (voucher.entity == entity)
        for one in read(connection, mine & voucher.customer_rowid.in_(rowids)):
            if one.customer is not None:
                found[one.customer].append(one)
    return found


def show(connection: Connection, vouchers: Iterable[Voucher], now: datetime) -> None:
    """Wish for the cards of those whose codes changed."""
    owners = {one.customer for one in vouchers if one.customer is not None}
    outbox.wish(connection, [outbox.customer_target(owner) for owner in sorted(owners)], now)


def owned_by(customer: CustomerKey) -> ColumnElement[bool]:
    """Choose those of a customer."""
    voucher = tables.voucher.c
    return (
        (voucher.source == customer.source)
        & (voucher.entity == customer.entity)
        & (voucher.customer_rowid == customer.rowid)
    )


def read(connection: Connection, condition: ColumnElement[bool]) -> list[Voucher]:
    """Return those that fulfil a condition, the oldest first."""
    query = select(tables.voucher).where(condition).order_by(tables.voucher.c.id)
    return [_voucher(row) for row in connection.execute(query)]


def _voucher(row: Any) -> Voucher:
    place = (row.source, row.entity)
    owner = None if row.customer_rowid is None else CustomerKey(*place, row.customer_rowid)
    return Voucher(
        row.id,
        row.code,
        Kind(row.kind),
        State(row.state),
        row.sequence,
        _money(row.balance_minor),
        row.currency,
        Decimal(row.tax_rate),
        row.valid_until,
        place,
        owner,
        Origin(row.redemption_id, row.batch_id, row.sale_id, row.replaces_id),
        row.made_at,
    )


def movements(connection: Connection, voucher_id: int) -> list[Movement]:
    """Return a code's movements in their order."""
    movement, use = tables.voucher_movement, tables.voucher_use.c
    using, selling = tables.sale.alias("of_use"), tables.sale.alias("of_card")
    named = (
        (using.c.source == use.source)
        & (using.c.entity == use.entity)
        & (using.c.rowid == use.sale_rowid)
    )
    query = (
        select(movement, func.coalesce(using.c.ref, selling.c.ref).label("ref"))
        .outerjoin(tables.voucher_use, use.id == movement.c.use_id)
        .outerjoin(using, named)
        .outerjoin(selling, selling.c.id == movement.c.sale_id)
        .where(movement.c.voucher_id == voucher_id)
        .order_by(movement.c.sequence)
    )
    return [
        Movement(
            Move(row.kind),
            _money(row.amount_minor),
            _money(row.balance_after_minor),
            row.occurred_on,
            row.recorded_at,
            row.reason,
            row.ref or "",
        )
        for row in connection.execute(query)
    ]


def is_booked(connection: Connection, key: str) -> bool:
    """Tell whether a movement was written by an earlier attempt."""
    column = tables.voucher_movement.c.key
    return connection.execute(select(column).where(column == key)).first() is not None


def of_sales(connection: Connection, sale_ids: Collection[int]) -> dict[int, list[Voucher]]:
    """Return the gift cards that these sales made, by sale, the oldest first."""
    found: dict[int, list[Voucher]] = {}
    for one in read(connection, tables.voucher.c.sale_id.in_(sale_ids)):
        found.setdefault(int(one.origin.sale_id or 0), []).append(one)
    return found


def on_sale(connection: Connection, key: SaleKey) -> tuple[list[Voucher], list[Voucher]]:
    """Return the codes that a document made, and those of which it takes something now."""
    voucher, use, sale = tables.voucher.c, tables.voucher_use.c, tables.sale.c
    of_sale = select(sale.id).where(
        sale.source == key.source, sale.entity == key.entity, sale.rowid == key.rowid
    )
    taking = select(use.voucher_id).where(
        use.source == key.source,
        use.entity == key.entity,
        use.sale_rowid == key.rowid,
        use.amount_minor > 0,
    )
    made = read(connection, voucher.sale_id.in_(of_sale.scalar_subquery()))
    return made, read(connection, voucher.id.in_(taking.scalar_subquery()))


@dataclass(frozen=True, slots=True)
class Sold:
    """What a sale gave to its cards: together, what it issued on each, and in how many moves.

    ``taken`` is what its returns took off each code and did not give back since, by number;
    ``blocked`` are codes that they blocked, because some of it was used.
    """

    total: Decimal
    issued: tuple[Decimal, ...]
    taken: Mapping[int, Decimal]
    blocked: frozenset[int]
    moves: int


def sold_by(connection: Connection, sale_id: int) -> Sold:
    """Return what a sale gave to its cards so far, less what its returns took back."""
    movement = tables.voucher_movement.c
    query = (
        select(movement.voucher_id, movement.kind, movement.amount_minor)
        .where(movement.sale_id == sale_id)
        .order_by(movement.id)
    )
    total, count, issued, blocked = Decimal(0), 0, [], set()
    taken: defaultdict[int, Decimal] = defaultdict(Decimal)
    for voucher_id, kind, minor in connection.execute(query):
        count, total = count + 1, total + _money(minor)
        if kind == Move.ISSUED:
            issued.append(_money(minor))
        elif kind == Move.BLOCKED:
            blocked.add(voucher_id)
        elif kind == Move.UNBLOCKED:
            blocked.discard(voucher_id)
        else:
            taken[voucher_id] -= _money(minor)
    return Sold(total, tuple(issued), taken, frozenset(blocked), count)


def sold_since(connection: Connection, product: str) -> date | None:
    """Return since when a product is sold as a gift card, ``None`` where it never was."""
    table = tables.stream.c
    moment = connection.execute(
        select(table.changed_at).where(table.name == _marker(product))
    ).scalar()
    return moment.date() if moment else None


def begin_to_sell(connection: Connection, product: str, now: datetime) -> date:
    """Note that a product is sold as a gift card from today on, unless it was noted before."""
    known = sold_since(connection, product)
    if known is not None:
        return known
    row = {"name": _marker(product), "changed_at": now, "payment_rowid": 0, "backfill_rowid": 0}
    connection.execute(insert(tables.stream), row)
    return now.date()


def _marker(product: str) -> str:
    return f"gift card {product}"[:80]


# --- writing -------------------------------------------------------------------------------------


def issue(connection: Connection, new: Voucher, change: Change) -> Voucher:
    """Make a code with an amount on it; its number and its balance are given here."""
    table = tables.voucher
    id_ = _next_id(connection, table)
    connection.execute(
        insert(table),
        {
            "id": id_,
            "code": new.code,
            "kind": new.kind,
            "state": State.OPEN,
            "sequence": 0,
            "balance_minor": 0,
            "currency": new.currency,
            "tax_rate": str(new.tax_rate),
            "valid_until": new.valid_until,
            "source": new.place[0],
            "entity": new.place[1],
            "customer_rowid": new.customer and new.customer.rowid,
            "redemption_id": new.origin.redemption_id,
            "batch_id": new.origin.batch_id,
            "sale_id": new.origin.sale_id,
            "replaces_id": new.origin.replaces_id,
            "made_at": new.made_at,
        },
    )
    return move(connection, replace(new, id=id_, sequence=0, balance=Decimal(0)), change)


def move(
    connection: Connection,
    voucher: Voucher,
    change: Change,
    *,
    state: State | None = None,
    valid_until: date | None = None,
) -> Voucher:
    """Write a movement, and what it makes of the code. Raises ``NotOnIt``."""
    balance = voucher.balance + change.amount
    if balance < 0:
        raise NotOnIt(f"{-change.amount} of {voucher.balance}")
    after = replace(
        voucher,
        sequence=voucher.sequence + 1,
        balance=balance,
        state=state or voucher.state,
        valid_until=valid_until or voucher.valid_until,
    )
    table = tables.voucher_movement
    connection.execute(
        insert(table),
        {
            "id": _next_id(connection, table),
            "key": change.key,
            "voucher_id": voucher.id,
            # As it was read: who moved it meanwhile took this number, and all is done again.
            "sequence": after.sequence,
            "kind": change.kind,
            "amount_minor": _minor(change.amount),
            "balance_after_minor": _minor(balance),
            "use_id": change.use_id,
            "sale_id": change.sale_id,
            "occurred_on": change.occurred_on,
            "recorded_at": change.recorded_at,
            "reason": change.reason[:255],
        },
    )
    _keep(connection, after)
    return after


def _keep(connection: Connection, after: Voucher) -> None:
    table = tables.voucher
    values = {
        "sequence": after.sequence,
        "balance_minor": _minor(after.balance),
        "state": after.state,
        "valid_until": after.valid_until,
    }
    connection.execute(update(table).where(table.c.id == after.id).values(values))


def give_to(connection: Connection, ids: Collection[int], owner: CustomerKey | None) -> None:
    """Note whose these codes are now; without an owner they are of whoever holds them."""
    table = tables.voucher
    rowid = None if owner is None else owner.rowid
    connection.execute(update(table).where(table.c.id.in_(ids)).values(customer_rowid=rowid))


def ended(connection: Connection, place: tuple[str, int], today: date) -> list[Voucher]:
    """Return those of a place that are past their last day and on which something is left."""
    voucher = tables.voucher.c
    mine = (voucher.source == place[0]) & (voucher.entity == place[1])
    return read(connection, mine & (voucher.valid_until < today) & (voucher.balance_minor > 0))


def _next_id(connection: Connection, table: Any) -> int:
    return int(connection.execute(select(func.max(table.c.id))).scalar() or 0) + 1


def _minor(amount: Decimal) -> int:
    minor = amount * MINOR
    assert minor == int(minor), f"{amount} has parts of a cent"
    return int(minor)


def _money(minor: int) -> Decimal:
    return Decimal(minor).scaleb(-2)


# --- checking ------------------------------------------------------------------------------------


def broken(connection: Connection) -> Iterator[tuple[str, str]]:
    """Find codes whose movements do not add up: where, and what was found."""
    movement = tables.voucher_movement.c
    per_code = movement.voucher_id
    running = func.sum(movement.amount_minor).over(
        partition_by=per_code, order_by=movement.sequence
    )
    number = func.row_number().over(partition_by=per_code, order_by=movement.sequence)
    lines = select(
        movement.voucher_id,
        movement.sequence,
        movement.balance_after_minor.label("after"),
        running.label("running"),
        number.label("number"),
    ).subquery()
    wrong = select(lines).where(
        (lines.c.after != lines.c.running)
        | (lines.c.number != lines.c.sequence)
        | (lines.c.running < 0)
    )
    for row in connection.execute(wrong):
        found = f"movement {row.sequence} leaves {row.after}, the sum of them is {row.running}"
        yield f"voucher {row.voucher_id}", found
    yield from _wrong_balances(connection)


def _wrong_balances(connection: Connection) -> Iterator[tuple[str, str]]:
    voucher, movement = tables.voucher.c, tables.voucher_movement.c
    moved = func.coalesce(func.sum(movement.amount_minor), 0)
    query = (
        select(voucher.id, voucher.state, voucher.balance_minor, moved.label("moved"))
        .outerjoin(tables.voucher_movement, movement.voucher_id == voucher.id)
        .group_by(voucher.id, voucher.state, voucher.balance_minor)
    )
    for row in connection.execute(query):
        is_over = row.state in {State.REPLACED, State.REVOKED} and row.balance_minor
        if row.balance_minor != row.moved or is_over:
            found = f"{row.state}, {row.balance_minor} on it, movements {row.moved}"
            yield f"voucher {row.id}", found
