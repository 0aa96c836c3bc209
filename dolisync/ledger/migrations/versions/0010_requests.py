"""What staff ask for on cards in Dolibarr, and what came of it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0010"
down_revision: str | None = "0004"
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


def upgrade() -> None:
    """Make what is not there yet: MariaDB commits each statement, so half of it may be."""
    existing = sa.inspect(op.get_bind()).get_table_names()
    if "request" not in existing:
        _make_request()
    if "request_watch" not in existing:
        op.create_table(
            "request_watch",
            sa.Column("source", sa.String(length=40), nullable=False),
            sa.Column("content", LONG_TEXT, nullable=False),
            sa.PrimaryKeyConstraint("source", name=op.f("pk_request_watch")),
            **OPTIONS,
        )


def _make_request() -> None:
    columns = ["source", "entity", "customer_rowid"]
    op.create_table(
        "request",
        sa.Column("id", KEY, autoincrement=False, nullable=False),
        sa.Column("open_key", sa.String(length=190)),
        sa.Column("token", sa.String(length=40), nullable=False),
        sa.Column("program", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("entity", sa.Integer(), nullable=False),
        sa.Column("element", sa.String(length=12), nullable=False),
        sa.Column("object_rowid", KEY, nullable=False),
        sa.Column("customer_rowid", KEY, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("content", LONG_TEXT, nullable=False),
        sa.Column("asked_by", sa.String(length=190), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("answer", sa.String(length=255), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("answered_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request")),
        sa.UniqueConstraint("open_key", name=op.f("uq_request_open_key")),
        sa.UniqueConstraint("token", name=op.f("uq_request_token")),
        **OPTIONS,
    )
    name = op.f("ix_request_source_entity_customer_rowid")
    op.create_index(name, "request", columns)


def downgrade() -> None:
    """Forget them."""
    op.drop_table("request_watch")
    op.drop_table("request")
