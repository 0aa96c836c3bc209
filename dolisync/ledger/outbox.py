"""The outbox: what is still to be written into the world outside, by desired state.

There is at most one open row per target. A row says *that* a target must be brought up to date, not
to what: the value is computed when it is sent. Rows are written in the transaction of their cause.

States: ``new`` (to be sent) → ``written`` (to be read again later) → ``done``; ``sending`` (a
discount is being created: look before sending again); ``dead`` (refused, needs a person).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, select, update

from dolisync.ledger import tables
from dolisync.ledger.bulk import insert_rows
from dolisync.model import CustomerKey, SaleKey

KEEP_DONE = timedelta(days=90)
# What is written as it is now: it may be sent again at any time.
ABSOLUTE = ("customer", "sale", "tags", "standing")
OPEN_STATES = ("new", "sending", "written")
# Longer than any remote call may take: after it another worker may look and go on.
LEASE = timedelta(seconds=120)


@dataclass(frozen=True, slots=True)
class Target:
    """Something outside that must follow the ledger."""

    kind: str  # customer, tags, standing, sale, discount, draft or revoke
    source: str
    entity: int
    rowid: int
    token: str | None = None

    @property
    def key(self) -> str:
        """The target's name: one open row may bear it."""
        if self.token:
            return f"{self.kind}:{self.token}"
        return f"{self.kind}:{self.source}:{self.entity}:{self.rowid}"

    @property
    def customer(self) -> CustomerKey:
        """The customer it concerns (not for sales and drafts)."""
        return CustomerKey(self.source, self.entity, self.rowid)

    @property
    def sale(self) -> SaleKey:
        """The sale it concerns."""
        return SaleKey(self.source, self.entity, self.rowid)


def customer_target(customer: CustomerKey) -> Target:
    """Name a customer card."""
    return Target("customer", customer.source, customer.entity, customer.rowid)


def tags_target(customer: CustomerKey) -> Target:
    """Name the tier tags of a customer card."""
    return Target("tags", customer.source, customer.entity, customer.rowid)


def standing_target(customer: CustomerKey) -> Target:
    """Name the standing discount on a customer card."""
    return Target("standing", customer.source, customer.entity, customer.rowid)


def sale_target(sale: SaleKey) -> Target:
    """Name an invoice's display fields."""
    return Target("sale", sale.source, sale.entity, sale.rowid)


@dataclass(frozen=True, slots=True)
class Item:
    """An outbox row."""

    id: int
    target: Target
    state: str
    version: int
    attempts: int
    not_before: datetime
    last_error: str
    created_at: datetime
    updated_at: datetime


def wish(connection: Connection, targets: Iterable[Target], now: datetime) -> int:
    """Ask for these targets to be brought up to date; return how many rows were new."""
    wanted = {target.key: target for target in targets}
    if not wanted:
        return 0
    box = tables.outbox
    open_keys = set(
        connection.execute(select(box.c.open_key).where(box.c.open_key.in_(wanted))).scalars()
    )
    if open_keys:
        # A card that waits for its second look is sent again; one being sent is sent once more.
        connection.execute(
            update(box)
            .where(box.c.open_key.in_(open_keys), box.c.kind.in_(ABSOLUTE))
            .values(version=box.c.version + 1, state="new", not_before=now, updated_at=now)
        )
    next_id = int(connection.execute(select(func.max(box.c.id))).scalar() or 0) + 1
    new = [(key, target) for key, target in wanted.items() if key not in open_keys]
    rows = [_new_row(id_, key, target, now) for id_, (key, target) in enumerate(new, next_id)]
    insert_rows(connection, box, rows)
    return len(rows)


def _new_row(id_: int, key: str, target: Target, now: datetime) -> dict[str, Any]:
    return {
        "id": id_,
        "open_key": key,
        "target": key,
        "kind": target.kind,
        "source": target.source,
        "entity": target.entity,
        "object_rowid": target.rowid,
        "token": target.token,
        "state": "new",
        "version": 1,
        "attempts": 0,
        "not_before": now,
        "last_error": "",
        "created_at": now,
        "updated_at": now,
    }


def due(
    connection: Connection, source: str, now: datetime, limit: int, after_id: int = 0
) -> list[Item]:
    """Return open rows of a source whose time has come, oldest first."""
    box = tables.outbox.c
    query = (
        select(tables.outbox)
        .where(
            box.source == source,
            box.id > after_id,
            box.not_before <= now,
            box.state.in_(OPEN_STATES),
        )
        .order_by(box.id)
        .limit(limit)
    )
    return [_item(row) for row in connection.execute(query)]


def due_of(connection: Connection, keys: Iterable[str], now: datetime) -> list[Item]:
    """Return the open rows of these targets whose time has come, oldest first."""
    box = tables.outbox.c
    query = (
        select(tables.outbox)
        .where(box.open_key.in_(tuple(keys)), box.not_before <= now, box.state.in_(OPEN_STATES))
        .order_by(box.id)
    )
    return [_item(row) for row in connection.execute(query)]


def is_open(connection: Connection, key: str) -> bool:
    """Tell whether a target still waits to be brought up to date."""
    box = tables.outbox.c
    return connection.execute(select(box.id).where(box.open_key == key)).first() is not None


def unsent(connection: Connection, keys: Iterable[str]) -> set[str]:
    """Return which of these targets have a row that was not sent yet."""
    box = tables.outbox.c
    query = select(box.open_key).where(box.open_key.in_(tuple(keys)), box.state == "new")
    return set(connection.execute(query).scalars())


def listed(connection: Connection, states: Iterable[str], limit: int) -> list[Item]:
    """Return rows in these states, newest first."""
    box = tables.outbox.c
    query = (
        select(tables.outbox)
        .where(box.state.in_(tuple(states)))
        .order_by(box.id.desc())
        .limit(limit)
    )
    return [_item(row) for row in connection.execute(query)]


def counts(connection: Connection) -> dict[str, int]:
    """Count the rows per state."""
    box = tables.outbox.c
    query = select(box.state, func.count()).group_by(box.state)
    return {state: int(count) for state, count in connection.execute(query)}


def hold_creations(connection: Connection, now: datetime) -> int:
    """Let what creates something wait, after an old copy of the ledger came back; return how many.

    A call may be under way of which the copy knows nothing.
    """
    box = tables.outbox
    creating = box.c.kind.not_in(ABSOLUTE) & box.c.state.in_(OPEN_STATES)
    held = update(box).where(creating, box.c.not_before < now + LEASE)
    return connection.execute(held.values(not_before=now + LEASE)).rowcount


def claim(connection: Connection, item: Item, now: datetime) -> bool:
    """Take a creating row for this worker, durably, before the call goes out.

    Compare-and-set on what was seen: of two workers one gets it. Until ``not_before`` nobody else
    looks at it; after that whoever does must look for the effect first.
    """
    box = tables.outbox
    result = connection.execute(
        update(box)
        .where(
            box.c.id == item.id,
            box.c.state == item.state,
            box.c.version == item.version,
            box.c.attempts == item.attempts,
        )
        .values(
            state="sending",
            attempts=item.attempts + 1,
            not_before=now + LEASE,
            updated_at=now,
        )
    )
    return result.rowcount == 1


def settle(
    connection: Connection,
    items: Iterable[Item],
    state: str,
    now: datetime,
    *,
    not_before: datetime | None = None,
    error: str = "",
) -> None:
    """Move rows on, unless a newer wish has arrived meanwhile (then they stay as they are)."""
    rows = [
        # A claimed row counts this attempt already; it must not count twice.
        {"row_id": item.id, "seen": item.version, "tried": item.attempts + 1 if error else 0}
        for item in items
    ]
    if not rows:
        return
    values: dict[str, Any] = {
        "state": state,
        "not_before": not_before or now,
        "last_error": error[:500],
        "updated_at": now,
        "attempts": bindparam("tried"),
    }
    if state not in OPEN_STATES:
        values["open_key"] = None
    box = tables.outbox
    condition = and_(box.c.id == bindparam("row_id"), box.c.version == bindparam("seen"))
    connection.execute(update(box).where(condition).values(values), rows)


def retry_dead(connection: Connection, ids: Iterable[int] | None, now: datetime) -> int:
    """Open dead rows again, all or some; those whose target is open already stay closed."""
    box = tables.outbox
    query = select(box).where(box.c.state == "dead")
    if ids is not None:
        query = query.where(box.c.id.in_(list(ids)))
    revived = 0
    for item in [_item(row) for row in connection.execute(query)]:
        taken = connection.execute(
            select(box.c.id).where(box.c.open_key == item.target.key)
        ).first()
        if taken is None:
            connection.execute(
                update(box)
                .where(box.c.id == item.id)
                .values(
                    open_key=item.target.key,
                    # What may have been created must be looked for first.
                    state="sending" if item.target.kind in {"discount", "draft"} else "new",
                    attempts=0,
                    not_before=now,
                    last_error="",
                    updated_at=now,
                )
            )
            revived += 1
    return revived


def clean(connection: Connection, now: datetime) -> int:
    """Delete rows that were done long ago; the ledger's own keys are kept for ever."""
    box = tables.outbox
    old = and_(box.c.state == "done", box.c.updated_at < now - KEEP_DONE)
    result = connection.execute(delete(box).where(old))
    return int(result.rowcount)


def _item(row: Any) -> Item:
    return Item(
        row.id,
        Target(row.kind, row.source, row.entity, row.object_rowid, row.token),
        row.state,
        row.version,
        row.attempts,
        row.not_before,
        row.last_error,
        row.created_at,
        row.updated_at,
    )
