"""Which rules had judged the sales that were judged again."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision: str | None = "0017"
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


def upgrade() -> None:
    """Make it unless it is there: MariaDB commits each statement."""
    inspector = sa.inspect(op.get_bind())
    if "recomputed" not in inspector.get_table_names():
        _make_table()
        known: set[Any] = set()
    else:
        known = {index["name"] for index in inspector.get_indexes("recomputed")}
    if "ix_recomputed_sale_id" not in known:
        op.create_index(op.f("ix_recomputed_sale_id"), "recomputed", ["sale_id"])


def _make_table() -> None:
    op.create_table(
        "recomputed",
        sa.Column("batch_id", KEY, autoincrement=False, nullable=False),
        sa.Column("sale_id", KEY, autoincrement=False, nullable=False),
        sa.Column("rule_set_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name="fk_recomputed_batch_id_batch"),
        sa.ForeignKeyConstraint(["sale_id"], ["sale.id"], name="fk_recomputed_sale_id_sale"),
        sa.PrimaryKeyConstraint("batch_id", "sale_id", name=op.f("pk_recomputed")),
        **OPTIONS,
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table("recomputed")
