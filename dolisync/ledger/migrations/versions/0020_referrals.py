"""Who recommended whom, and what is booked for it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0020"
down_revision: str | None = "0019"
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
INDEXES = (
    ("source", "entity", "customer_rowid"),
    ("source", "entity", "by_rowid"),
    ("sale_id",),
    ("is_due",),
)


def upgrade() -> None:
    """Make it unless it is there: MariaDB commits each statement."""
    inspector = sa.inspect(op.get_bind())
    if "referral" not in inspector.get_table_names():
        op.create_table(
            "referral",
            sa.Column("id", KEY, autoincrement=False, nullable=False),
            sa.Column("token", sa.String(length=40), nullable=False),
            sa.Column("program", sa.String(length=40), nullable=False),
            sa.Column("source", sa.String(length=40), nullable=False),
            sa.Column("entity", sa.Integer(), nullable=False),
            sa.Column("customer_rowid", KEY),
            sa.Column("by_rowid", KEY),
            sa.Column("said_on", sa.Date(), nullable=False),
            sa.Column("made_by", sa.String(length=80), nullable=False),
            sa.Column("void", sa.String(length=12), nullable=False),
            sa.Column("withdrawn_at", MOMENT),
            sa.Column("sale_id", KEY),
            sa.Column("new_units", sa.BigInteger(), nullable=False),
            sa.Column("new_sale_id", KEY),
            sa.Column("new_batch_id", KEY),
            sa.Column("by_units", sa.BigInteger(), nullable=False),
            sa.Column("by_sale_id", KEY),
            sa.Column("by_batch_id", KEY),
            sa.Column("revision", sa.Integer(), nullable=False),
            sa.Column("is_due", sa.Integer(), nullable=False),
            sa.Column("recorded_at", MOMENT, nullable=False),
            sa.PrimaryKeyConstraint("id", name=op.f("pk_referral")),
            sa.UniqueConstraint("token", name=op.f("uq_referral_token")),
            sa.ForeignKeyConstraint(
                ["sale_id"], ["sale.id"], name=op.f("fk_referral_sale_id_sale")
            ),
            **OPTIONS,
        )
    made = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("referral")}
    for columns in INDEXES:
        name = f"ix_referral_{'_'.join(columns)}"
        if name not in made:
            op.create_index(op.f(name), "referral", list(columns))


def downgrade() -> None:
    """Forget them."""
    op.drop_table("referral")
