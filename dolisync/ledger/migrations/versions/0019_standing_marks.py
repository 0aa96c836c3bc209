"""What was last put on cards as the standing discounts of tiers."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision: str | None = "0018"
branch_labels: str | None = None
depends_on: str | None = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}
TABLE = "standing_mark"
INDEX = f"ix_{TABLE}_source_entity_customer_rowid"


def upgrade() -> None:
    """Make it unless it is there: MariaDB commits each statement."""
    inspector = sa.inspect(op.get_bind())
    known: set[Any] = set()
    if TABLE in inspector.get_table_names():
        known = {index["name"] for index in inspector.get_indexes(TABLE)}
    else:
        _make_table()
    if INDEX not in known:
        op.create_index(op.f(INDEX), TABLE, ["source", "entity", "customer_rowid"])


def _make_table() -> None:
    names = ("program", "source", "entity", "customer_rowid")
    op.create_table(
        TABLE,
        sa.Column("program", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("entity", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("customer_rowid", KEY, autoincrement=False, nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("is_ours", sa.Integer(), nullable=False),
        sa.Column("sending", sa.Integer()),
        sa.PrimaryKeyConstraint(*names, name=op.f(f"pk_{TABLE}")),
        **OPTIONS,
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table(TABLE)
