"""What campaigns with limits gave."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision: str | None = "0012"
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
TABLE = "campaign_use"
INDEXES = (
    ("program", "campaign", "day"),
    ("source", "entity", "customer_rowid", "program"),
)


def upgrade() -> None:
    """Make it unless it is there: MariaDB commits each statement."""
    inspector = sa.inspect(op.get_bind())
    if TABLE not in inspector.get_table_names():
        _make_table()
        known = set()
    else:
        known = {index["name"] for index in inspector.get_indexes(TABLE)}
    for columns in INDEXES:
        name = f"ix_{TABLE}_{'_'.join(columns)}"
        if name not in known:
            op.create_index(op.f(name), TABLE, list(columns))


def _make_table() -> None:
    op.create_table(
        TABLE,
        sa.Column("sale_id", KEY, autoincrement=False, nullable=False),
        sa.Column("program", sa.String(length=40), nullable=False),
        sa.Column("campaign", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("entity", sa.Integer(), nullable=False),
        sa.Column("customer_rowid", KEY, nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("rowid", KEY, nullable=False),
        sa.Column("rule_set_id", KEY, nullable=False),
        sa.Column("wanted", sa.BigInteger(), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("given", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["sale_id"], ["sale.id"], name=op.f(f"fk_{TABLE}_sale_id_sale")),
        sa.PrimaryKeyConstraint("sale_id", "program", "campaign", name=op.f(f"pk_{TABLE}")),
        **OPTIONS,
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table(TABLE)
