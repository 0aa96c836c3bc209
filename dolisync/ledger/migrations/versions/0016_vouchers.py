"""Vouchers and gift cards: codes, what documents take from them, and their movements."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0016"
down_revision: str | None = "0014"
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
    """Make what is not there yet: MariaDB commits each statement, so half of it may be."""
    existing = sa.inspect(op.get_bind()).get_table_names()
    if "voucher" not in existing:
        _make_voucher()
    if "voucher_use" not in existing:
        _make_use()
    if "voucher_movement" not in existing:
        _make_movement()


def _make_voucher() -> None:
    redemption = op.f("fk_voucher_redemption_id_redemption")
    sale = op.f("fk_voucher_sale_id_sale")
    op.create_table(
        "voucher",
        sa.Column("id", KEY, autoincrement=False, nullable=False),
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("tax_rate", sa.String(length=12), nullable=False),
        sa.Column("valid_until", sa.Date()),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("entity", sa.Integer(), nullable=False),
        sa.Column("customer_rowid", KEY),
        sa.Column("redemption_id", KEY),
        sa.Column("batch_id", KEY),
        sa.Column("sale_id", KEY),
        sa.Column("replaces_id", KEY),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["redemption_id"], ["redemption.id"], name=redemption),
        sa.ForeignKeyConstraint(["sale_id"], ["sale.id"], name=sale),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voucher")),
        sa.UniqueConstraint("code", name=op.f("uq_voucher_code")),
        **OPTIONS,
    )
    columns = ["source", "entity", "customer_rowid"]
    op.create_index(op.f("ix_voucher_source_entity_customer_rowid"), "voucher", columns)
    for name in ("sale_id", "batch_id", "redemption_id", "valid_until"):
        op.create_index(op.f(f"ix_voucher_{name}"), "voucher", [name])


def _make_use() -> None:
    voucher = op.f("fk_voucher_use_voucher_id_voucher")
    op.create_table(
        "voucher_use",
        sa.Column("id", KEY, autoincrement=False, nullable=False),
        sa.Column("token", sa.String(length=40), nullable=False),
        sa.Column("voucher_id", KEY, nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("entity", sa.Integer(), nullable=False),
        sa.Column("sale_rowid", KEY, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("shares", LONG_TEXT, nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["voucher_id"], ["voucher.id"], name=voucher),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voucher_use")),
        sa.UniqueConstraint("token", name=op.f("uq_voucher_use_token")),
        **OPTIONS,
    )
    place = op.f("ix_voucher_use_source_entity_sale_rowid")
    op.create_index(place, "voucher_use", ["source", "entity", "sale_rowid"])
    for name in ("voucher_id", "state"):
        op.create_index(op.f(f"ix_voucher_use_{name}"), "voucher_use", [name])


def _make_movement() -> None:
    voucher = op.f("fk_voucher_movement_voucher_id_voucher")
    use = op.f("fk_voucher_movement_use_id_voucher_use")
    sale = op.f("fk_voucher_movement_sale_id_sale")
    number = op.f("uq_voucher_movement_voucher_id_sequence")
    op.create_table(
        "voucher_movement",
        sa.Column("id", KEY, autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.Column("voucher_id", KEY, nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("balance_after_minor", sa.BigInteger(), nullable=False),
        sa.Column("use_id", KEY),
        sa.Column("sale_id", KEY),
        sa.Column("occurred_on", sa.Date(), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["voucher_id"], ["voucher.id"], name=voucher),
        sa.ForeignKeyConstraint(["use_id"], ["voucher_use.id"], name=use),
        sa.ForeignKeyConstraint(["sale_id"], ["sale.id"], name=sale),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voucher_movement")),
        sa.UniqueConstraint("key", name=op.f("uq_voucher_movement_key")),
        sa.UniqueConstraint("voucher_id", "sequence", name=number),
        **OPTIONS,
    )
    for name in ("use_id", "sale_id"):
        op.create_index(op.f(f"ix_voucher_movement_{name}"), "voucher_movement", [name])


def downgrade() -> None:
    """Forget them."""
    op.drop_table("voucher_movement")
    op.drop_table("voucher_use")
    op.drop_table("voucher")
