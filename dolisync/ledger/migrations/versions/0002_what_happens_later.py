"""Columns and tables for what happens to accounts later: batches, merges, erasure, used rewards.

No foreign keys on new columns: SQLite could add them only by rebuilding tables that others name.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
LONG_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}

COLUMNS: tuple[tuple[str, str, Any], ...] = (
    ("sale", "batch_id", KEY),
    ("sale", "set_aside_at", MOMENT),
    ("sale", "seen_customer_rowid", KEY),
    ("sale", "erased_at", MOMENT),
    ("member", "salt", sa.String(length=32)),
    ("member", "erased_at", MOMENT),
    ("posting", "batch_id", KEY),
    ("posting", "seal", sa.String(length=64)),
    ("lot", "fixed_until", sa.Date()),
)
INDEXES = (("posting", "batch_id"), ("posting", "redemption_id"))
# MariaDB makes an index for a foreign key by itself, and drops it when there is a better one.
OWN_INDEX = "fk_posting_redemption_id_redemption"


def upgrade() -> None:
    """Add what is not there yet: MariaDB commits each statement, so half of it may be."""
    for table, name, type_ in COLUMNS:
        if name not in _columns(table):
            op.add_column(table, sa.Column(name, type_))
    for table, column in INDEXES:
        if f"ix_{table}_{column}" not in _indexes(table):
            op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
    if OWN_INDEX in _indexes("posting"):
        op.drop_index(OWN_INDEX, "posting")
    existing = sa.inspect(op.get_bind()).get_table_names()
    if "reward_use" not in existing:
        _make_reward_use()
    if "batch" not in existing:
        _make_batch()


def _columns(table: str) -> set[str]:
    return {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}


def _indexes(table: str) -> set[str]:
    return {str(index["name"]) for index in sa.inspect(op.get_bind()).get_indexes(table)}


def _make_reward_use() -> None:
    op.create_table(
        "reward_use",
        sa.Column("redemption_id", KEY, autoincrement=False, nullable=False),
        sa.Column("sale_id", KEY, autoincrement=False, nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["redemption_id"],
            ["redemption.id"],
            name=op.f("fk_reward_use_redemption_id_redemption"),
        ),
        sa.ForeignKeyConstraint(["sale_id"], ["sale.id"], name=op.f("fk_reward_use_sale_id_sale")),
        sa.PrimaryKeyConstraint("redemption_id", "sale_id", name=op.f("pk_reward_use")),
        **OPTIONS,
    )
    op.create_index(op.f("ix_reward_use_sale_id"), "reward_use", ["sale_id"])


def _make_batch() -> None:
    op.create_table(
        "batch",
        sa.Column("id", KEY, autoincrement=False, nullable=False),
        sa.Column("token", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("details", LONG_TEXT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("undone_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
        sa.UniqueConstraint("token", name=op.f("uq_batch_token")),
        **OPTIONS,
    )


def downgrade() -> None:
    """Take it all away again."""
    op.drop_table("batch")
    op.drop_table("reward_use")
    if op.get_bind().dialect.name in {"mysql", "mariadb"}:
        op.create_index(OWN_INDEX, "posting", ["redemption_id"])
    for table, column in INDEXES:
        op.drop_index(op.f(f"ix_{table}_{column}"), table)
    for table, name, _ in reversed(COLUMNS):
        op.drop_column(table, name)
