"""The hash chain: each posting of a member carries a hash over itself and the one before it.

Chains run per member, so that writers to different members never wait for each other. A daily
anchor hashes the heads of all chains; kept elsewhere, it proves that nothing was changed since.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select

from dolisync.ledger import tables

GENESIS = "0" * 64
_FIELDS = (
    "key",
    "member_id",
    "sequence",
    "kind",
    "points",
    "balance_after",
    "sale_id",
    "redemption_id",
    "rule_set_id",
    "occurred_on",
    "batch_id",
)


def new_salt() -> str:
    """Return what seals the texts of a new member's chain."""
    return secrets.token_hex(16)


def seal(salt: str | None, posting: Mapping[str, Any]) -> str:
    """Return what stands for a posting's reason in its chain.

    It proves the reason as long as the salt is there, and tells nothing once the salt is gone: so
    a reason can be erased, and the chain still holds.
    """
    facts = f"{salt}\x1f{posting['sequence']}\x1f{posting['reason']}"
    return hashlib.sha256(facts.encode()).hexdigest()


def link(before: str, posting: Mapping[str, Any], sealed_reason: str) -> str:
    """Return the hash of a posting that follows the one with the hash ``before``."""
    moment: datetime = posting["recorded_at"]
    facts = [before, *(str(posting[name]) for name in _FIELDS)]
    facts += [moment.astimezone(UTC).isoformat(timespec="microseconds"), sealed_reason]
    return hashlib.sha256("\x1f".join(facts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class BrokenLink:
    """A place where a chain does not hold."""

    where: str
    found: str


def broken_links(connection: Connection) -> Iterator[BrokenLink]:
    """Walk every chain from its beginning and report what was changed, removed or put in."""
    heads: dict[int, str] = {}
    posting, member = tables.posting, tables.member.c
    salts = {row.id: row.salt for row in connection.execute(select(member.id, member.salt))}
    query = select(posting).order_by(posting.c.member_id, posting.c.sequence)
    for row in connection.execution_options(yield_per=1000).execute(query).mappings():
        before = heads.get(row["member_id"], GENESIS)
        sealed = row["seal"] or seal(salts.get(row["member_id"]), dict(row))
        if link(before, dict(row), sealed) != row["hash"]:
            yield BrokenLink(f"posting {row['key']}", "it or the one before it was changed")
        # Go on from what stands there, so that one change is reported once.
        heads[row["member_id"]] = row["hash"]
    yield from _lost_heads(connection, heads)


def _lost_heads(connection: Connection, heads: dict[int, str]) -> Iterator[BrokenLink]:
    member = tables.member.c
    for row in connection.execute(select(member.id, member.customer_rowid, member.head)):
        if heads.get(row.id, GENESIS) != row.head:
            where = f"customer {row.customer_rowid} (member {row.id})"
            yield BrokenLink(where, "its newest postings were removed, or its head was changed")


def drop_anchor(connection: Connection, day: date, now: datetime) -> None:
    """Write the anchor of a day, once: a hash over the heads of all chains as they stand."""
    table = tables.anchor
    if connection.execute(select(table.c.day).where(table.c.day == day)).first() is not None:
        return
    posting_id = int(connection.execute(select(func.max(tables.posting.c.id))).scalar() or 0)
    values = {
        "day": day,
        "posting_id": posting_id,
        "hash": _hash_of_heads(connection, posting_id),
        "made_at": now,
    }
    connection.execute(insert(table), values)


@dataclass(frozen=True, slots=True)
class Anchor:
    """A hash over the heads of all chains as they stood after a posting."""

    day: date
    posting_id: int
    hash: str


def anchors(connection: Connection, today: date) -> list[Anchor]:
    """Return all anchors, and last of all one of this moment, which is not written down."""
    table = tables.anchor
    found = [
        Anchor(row.day, row.posting_id, row.hash)
        for row in connection.execute(select(table).order_by(table.c.day))
    ]
    last = int(connection.execute(select(func.max(tables.posting.c.id))).scalar() or 0)
    return [*found, Anchor(today, last, _hash_of_heads(connection, last))]


def contradicted(connection: Connection, kept: Iterable[Anchor]) -> Iterator[BrokenLink]:
    """Compare the ledger with anchors that were kept elsewhere.

    Who rewrites a chain can write its head and the anchors of the ledger anew, but not these.
    """
    for one in kept:
        if _hash_of_heads(connection, one.posting_id) != one.hash:
            where = f"kept anchor of {one.day}, posting {one.posting_id}"
            yield BrokenLink(where, "something up to it was changed since it was kept")


def broken_anchors(connection: Connection) -> Iterator[BrokenLink]:
    """Recompute every anchor from the postings that it covered."""
    table = tables.anchor
    for row in connection.execute(select(table).order_by(table.c.day)).all():
        if _hash_of_heads(connection, row.posting_id) != row.hash:
            yield BrokenLink(f"anchor of {row.day}", "postings up to that day were changed")


def _hash_of_heads(connection: Connection, posting_id: int) -> str:
    posting = tables.posting.c
    last = (
        select(posting.member_id, func.max(posting.sequence).label("sequence"))
        .where(posting.id <= posting_id)
        .group_by(posting.member_id)
        .subquery()
    )
    query = (
        select(posting.member_id, posting.hash)
        .join(
            last,
            (last.c.member_id == posting.member_id) & (last.c.sequence == posting.sequence),
        )
        .order_by(posting.member_id)
    )
    digest = hashlib.sha256()
    for member_id, head in connection.execute(query):
        digest.update(f"{member_id}:{head}\n".encode())
    return digest.hexdigest()
