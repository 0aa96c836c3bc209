"""The drafts on which discounts bought with points are put."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0012"
down_revision: str | None = "0011"
branch_labels: str | None = None
depends_on: str | None = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LONG_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
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
    if "draft_use" in sa.inspect(op.get_bind()).get_table_names():
        return
    constraint = op.f("fk_draft_use_redemption_id_redemption")
    op.create_table(
        "draft_use",
        sa.Column("redemption_id", KEY, autoincrement=False, nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("entity", sa.Integer(), nullable=False),
        sa.Column("sale_rowid", KEY, nullable=False),
        sa.Column("shares", LONG_TEXT, nullable=False),
        sa.ForeignKeyConstraint(["redemption_id"], ["redemption.id"], name=constraint),
        sa.PrimaryKeyConstraint("redemption_id", name=op.f("pk_draft_use")),
        **OPTIONS,
    )
    columns = ["source", "entity", "sale_rowid"]
    op.create_index(op.f("ix_draft_use_source_entity_sale_rowid"), "draft_use", columns)


def downgrade() -> None:
    """Forget them."""
    op.drop_table("draft_use")
