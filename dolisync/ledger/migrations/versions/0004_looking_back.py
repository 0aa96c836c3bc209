"""What each sale counts for its member's later ones, and tiers that staff set by hand."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}


def upgrade() -> None:
    """Make what is not there yet: MariaDB commits each statement, so half of it may be."""
    existing = sa.inspect(op.get_bind()).get_table_names()
    if "counted" not in existing:
        _make_counted()
    if "tier_setting" not in existing:
        _make_tier_setting()


def _make_counted() -> None:
    columns = ["source", "entity", "customer_rowid", "program", "day"]
    op.create_table(
        "counted",
        sa.Column("sale_id", KEY, autoincrement=False, nullable=False),
        sa.Column("program", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("entity", sa.Integer(), nullable=False),
        sa.Column("customer_rowid", KEY, nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("rowid", KEY, nullable=False),
        sa.Column("rule_set_id", KEY, nullable=False),
        sa.Column("sales", sa.Integer(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("spent_minor", sa.BigInteger(), nullable=False),
        sa.Column("known_sales", sa.Integer(), nullable=False),
        sa.Column("tier", sa.String(length=40)),
        sa.Column("wanted", sa.BigInteger(), nullable=False),
        sa.Column("given", sa.BigInteger(), nullable=False),
        sa.Column("tier_after", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["sale_id"], ["sale.id"], name=op.f("fk_counted_sale_id_sale")),
        sa.PrimaryKeyConstraint("sale_id", "program", name=op.f("pk_counted")),
        **OPTIONS,
    )
    op.create_index(op.f(f"ix_counted_{'_'.join(columns)}"), "counted", columns)


def _make_tier_setting() -> None:
    columns = ["source", "entity", "customer_rowid"]
    op.create_table(
        "tier_setting",
        sa.Column("id", KEY, autoincrement=False, nullable=False),
        sa.Column("token", sa.String(length=40), nullable=False),
        sa.Column("program", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("entity", sa.Integer(), nullable=False),
        sa.Column("customer_rowid", KEY, nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("tier", sa.String(length=40), nullable=False),
        sa.Column("is_locked", sa.Integer(), nullable=False),
        sa.Column("until", sa.Integer()),
        sa.Column("made_by", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tier_setting")),
        sa.UniqueConstraint("token", name=op.f("uq_tier_setting_token")),
        **OPTIONS,
    )
    op.create_index(op.f(f"ix_tier_setting_{'_'.join(columns)}"), "tier_setting", columns)


def downgrade() -> None:
    """Take both away again."""
    op.drop_table("tier_setting")
    op.drop_table("counted")
