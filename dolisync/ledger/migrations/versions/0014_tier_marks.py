"""What dolisync last put on customers' cards for the tiers they hold."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0014"
down_revision: str | None = "0013"
branch_labels: str | None = None
depends_on: str | None = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LONG_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
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
    """Make it unless it is there: MariaDB commits each statement."""
    if "tier_mark" in sa.inspect(op.get_bind()).get_table_names():
        return
    op.create_table(
        "tier_mark",
        sa.Column("program", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("entity", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("customer_rowid", KEY, autoincrement=False, nullable=False),
        sa.Column("tier", sa.String(length=40), nullable=False),
        sa.Column("tags", LONG_TEXT, nullable=False),
        sa.Column("sending", sa.String(length=60), nullable=False),
        sa.Column("tier_before", sa.String(length=40)),
        sa.Column("marked_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint(
            "program", "source", "entity", "customer_rowid", name=op.f("pk_tier_mark")
        ),
        **OPTIONS,
    )
    columns = ["source", "entity", "customer_rowid"]
    op.create_index(op.f("ix_tier_mark_source_entity_customer_rowid"), "tier_mark", columns)


def downgrade() -> None:
    """Forget them."""
    op.drop_table("tier_mark")
