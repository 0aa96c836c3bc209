"""Which bonuses without a purchase members had."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0017"
down_revision: str | None = "0016"
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
NAMES = ("program", "bonus", "source", "entity", "customer_rowid", "occasion")


def upgrade() -> None:
    """Make it unless it is there: MariaDB commits each statement."""
    if "bonus_given" in sa.inspect(op.get_bind()).get_table_names():
        return
    op.create_table(
        "bonus_given",
        sa.Column("program", sa.String(length=40), nullable=False),
        sa.Column("bonus", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("entity", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("customer_rowid", KEY, autoincrement=False, nullable=False),
        sa.Column("occasion", sa.String(length=40), nullable=False),
        sa.Column("batch_id", KEY),
        sa.Column("given_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint(*NAMES, name=op.f("pk_bonus_given")),
        **OPTIONS,
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table("bonus_given")
