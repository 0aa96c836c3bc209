"""Write all chains anew with sealed reasons, so that a reason can be erased and its chain holds.

Each chain is proved in its old form first: nothing that was tampered with becomes true by this.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None

GENESIS = "0" * 64
FIELDS = (
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
)
MOMENT = sa.DateTime()

member = sa.table("member", sa.column("id"), sa.column("head"), sa.column("salt"))
posting = sa.table(
    "posting",
    *(sa.column(name) for name in FIELDS if name != "occurred_on"),
    sa.column("id"),
    sa.column("occurred_on", sa.Date()),
    sa.column("recorded_at", MOMENT),
    sa.column("reason"),
    sa.column("hash"),
)
anchor = sa.table("anchor", sa.column("day"), sa.column("posting_id"), sa.column("hash"))


def upgrade() -> None:
    """Prove every chain, then write it anew with a salt of its own."""
    salts: dict[int, str | None] = {}
    for id_ in _members():
        salts[id_] = secrets.token_hex(16)
        _rewrite(id_, None, salts[id_])
    _write_anchors()


def downgrade() -> None:
    """Write every chain as it was: with its reasons in clear."""
    for id_, salt in _salts().items():
        _rewrite(id_, salt, None)
    _write_anchors()


def _members() -> list[int]:
    return list(op.get_bind().execute(sa.select(member.c.id).order_by(member.c.id)).scalars())


def _salts() -> dict[int, str | None]:
    rows = op.get_bind().execute(sa.select(member.c.id, member.c.salt)).all()
    return {row.id: row.salt for row in rows}


def _rewrite(member_id: int, old_salt: str | None, new_salt: str | None) -> None:
    """Prove one chain under its old salt, and write it anew under another."""
    connection = op.get_bind()
    old = new = GENESIS
    changes = []
    for row in _postings(member_id):
        old, new = _link(old, row, old_salt), _link(new, row, new_salt)
        if row["hash"] != old:
            message = f"posting {row['key']} was changed: restore a backup, then upgrade"
            raise ValueError(message)
        changes.append({"row_id": row["id"], "new_hash": new})
    if changes:
        change = sa.update(posting).where(posting.c.id == sa.bindparam("row_id"))
        connection.execute(change.values(hash=sa.bindparam("new_hash")), changes)
    connection.execute(
        sa.update(member).where(member.c.id == member_id).values(head=new, salt=new_salt)
    )


def _postings(member_id: int) -> Iterator[Any]:
    query = sa.select(posting).where(posting.c.member_id == member_id)
    yield from op.get_bind().execute(query.order_by(posting.c.sequence)).mappings()


def _link(before: str, row: Any, salt: str | None) -> str:
    moment: datetime = row["recorded_at"]
    written = f"{moment.isoformat(timespec='microseconds')}+00:00"
    facts = [before, *(str(row[name]) for name in FIELDS)]
    if salt is None:
        facts += [written, row["reason"]]
    else:
        sealed = f"{salt}\x1f{row['sequence']}\x1f{row['reason']}"
        facts += ["None", written, hashlib.sha256(sealed.encode()).hexdigest()]
    return hashlib.sha256("\x1f".join(facts).encode()).hexdigest()


def _write_anchors() -> None:
    connection = op.get_bind()
    for row in connection.execute(sa.select(anchor)).all():
        digest = hashlib.sha256()
        for member_id, head in _heads(row.posting_id):
            digest.update(f"{member_id}:{head}\n".encode())
        change = sa.update(anchor).where(anchor.c.day == row.day)
        connection.execute(change.values(hash=digest.hexdigest()))


def _heads(posting_id: int) -> list[tuple[int, str]]:
    last = (
        sa.select(posting.c.member_id, sa.func.max(posting.c.sequence).label("sequence"))
        .where(posting.c.id <= posting_id)
        .group_by(posting.c.member_id)
        .subquery()
    )
    query = (
        sa.select(posting.c.member_id, posting.c.hash)
        .join(
            last,
            (last.c.member_id == posting.c.member_id) & (last.c.sequence == posting.c.sequence),
        )
        .order_by(posting.c.member_id)
    )
    return [(row.member_id, row.hash) for row in op.get_bind().execute(query)]
