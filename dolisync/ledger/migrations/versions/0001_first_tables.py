"""The first tables of the ledger."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None

# Written out here once more: a migration must not change when the models do.
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
    """Make the tables."""
    op.create_table(
        "anchor",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("posting_id", KEY, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_anchor")),
        **OPTIONS,
    )
    op.create_table(
        "member",
        sa.Column("id", KEY, autoincrement=False, nullable=False),
        sa.Column("program", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("entity", sa.Integer(), nullable=False),
        sa.Column("customer_rowid", KEY, nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("debt", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.String(length=64), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member")),
        sa.UniqueConstraint(
            "source",
            "entity",
            "customer_rowid",
            "program",
            name=op.f("uq_member_source_entity_customer_rowid_program"),
        ),
        **OPTIONS,
    )
    op.create_table(
        "outbox",
        sa.Column("id", KEY, autoincrement=False, nullable=False),
        sa.Column("open_key", sa.String(length=120), nullable=True),
        sa.Column("target", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("entity", sa.Integer(), nullable=False),
        sa.Column("object_rowid", KEY, nullable=False),
        sa.Column("token", sa.String(length=40), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", MOMENT, nullable=False),
        sa.Column("last_error", sa.String(length=500), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("open_key", name=op.f("uq_outbox_open_key")),
        **OPTIONS,
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_outbox_state_not_before"), ["state", "not_before"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_outbox_target"), ["target"], unique=False)

    op.create_table(
        "parked",
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("entity", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rowid", KEY, autoincrement=False, nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("source", "entity", "rowid", name=op.f("pk_parked")),
        **OPTIONS,
    )
    op.create_table(
        "rule_set",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("effective_from", MOMENT, nullable=False),
        sa.Column("content", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_set")),
        sa.UniqueConstraint("hash", name=op.f("uq_rule_set_hash")),
        **OPTIONS,
    )
    op.create_table(
        "stream",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=True),
        sa.Column("payment_rowid", KEY, nullable=False),
        sa.Column("backfill_rowid", KEY, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_stream")),
        **OPTIONS,
    )
    op.create_table(
        "redemption",
        sa.Column("id", KEY, autoincrement=False, nullable=False),
        sa.Column("token", sa.String(length=40), nullable=False),
        sa.Column("member_id", KEY, nullable=False),
        sa.Column("reward", sa.String(length=40), nullable=False),
        sa.Column("title", sa.String(length=190), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_rate", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.id"], name=op.f("fk_redemption_member_id_member")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_redemption")),
        sa.UniqueConstraint("token", name=op.f("uq_redemption_token")),
        **OPTIONS,
    )
    with op.batch_alter_table("redemption", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_redemption_member_id"), ["member_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_redemption_state"), ["state"], unique=False)

    op.create_table(
        "sale",
        sa.Column("id", KEY, autoincrement=False, nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("entity", sa.Integer(), nullable=False),
        sa.Column("rowid", KEY, nullable=False),
        sa.Column("ref", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("customer_rowid", KEY, nullable=False),
        sa.Column("sale_date", sa.Date(), nullable=False),
        sa.Column("origin_rowid", KEY, nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("fingerprint_version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("rule_set_id", KEY, nullable=False),
        sa.Column("document", LONG_TEXT, nullable=False),
        sa.Column("first_seen_at", MOMENT, nullable=False),
        sa.Column("vanished_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["rule_set_id"], ["rule_set.id"], name=op.f("fk_sale_rule_set_id_rule_set")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sale")),
        sa.UniqueConstraint("source", "entity", "rowid", name=op.f("uq_sale_source_entity_rowid")),
        **OPTIONS,
    )
    with op.batch_alter_table("sale", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sale_ref"), ["ref"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_sale_source_entity_customer_rowid_sale_date"),
            ["source", "entity", "customer_rowid", "sale_date"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_sale_source_entity_origin_rowid"),
            ["source", "entity", "origin_rowid"],
            unique=False,
        )

    op.create_table(
        "posting",
        sa.Column("id", KEY, autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.Column("member_id", KEY, nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("balance_after", sa.BigInteger(), nullable=False),
        sa.Column("sale_id", KEY, nullable=True),
        sa.Column("redemption_id", KEY, nullable=True),
        sa.Column("rule_set_id", KEY, nullable=True),
        sa.Column("occurred_on", sa.Date(), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.id"], name=op.f("fk_posting_member_id_member")
        ),
        sa.ForeignKeyConstraint(
            ["redemption_id"], ["redemption.id"], name=op.f("fk_posting_redemption_id_redemption")
        ),
        sa.ForeignKeyConstraint(
            ["rule_set_id"], ["rule_set.id"], name=op.f("fk_posting_rule_set_id_rule_set")
        ),
        sa.ForeignKeyConstraint(["sale_id"], ["sale.id"], name=op.f("fk_posting_sale_id_sale")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posting")),
        sa.UniqueConstraint("key", name=op.f("uq_posting_key")),
        sa.UniqueConstraint("member_id", "sequence", name=op.f("uq_posting_member_id_sequence")),
        **OPTIONS,
    )
    with op.batch_alter_table("posting", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_posting_sale_id"), ["sale_id"], unique=False)

    op.create_table(
        "lot",
        sa.Column("id", KEY, autoincrement=False, nullable=False),
        sa.Column("posting_id", KEY, nullable=False),
        sa.Column("member_id", KEY, nullable=False),
        sa.Column("sale_id", KEY, nullable=True),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("available_from", sa.Date(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_lot_member_id_member")),
        sa.ForeignKeyConstraint(
            ["posting_id"], ["posting.id"], name=op.f("fk_lot_posting_id_posting")
        ),
        sa.ForeignKeyConstraint(["sale_id"], ["sale.id"], name=op.f("fk_lot_sale_id_sale")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lot")),
        sa.UniqueConstraint("posting_id", name=op.f("uq_lot_posting_id")),
        **OPTIONS,
    )
    with op.batch_alter_table("lot", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_lot_expires_on"), ["expires_on"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_lot_member_id_remaining"), ["member_id", "remaining"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_lot_sale_id"), ["sale_id"], unique=False)

    op.create_table(
        "allocation",
        sa.Column("id", KEY, autoincrement=False, nullable=False),
        sa.Column("posting_id", KEY, nullable=False),
        sa.Column("member_id", KEY, nullable=False),
        sa.Column("lot_id", KEY, nullable=True),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["lot_id"], ["lot.id"], name=op.f("fk_allocation_lot_id_lot")),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.id"], name=op.f("fk_allocation_member_id_member")
        ),
        sa.ForeignKeyConstraint(
            ["posting_id"], ["posting.id"], name=op.f("fk_allocation_posting_id_posting")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_allocation")),
        **OPTIONS,
    )
    with op.batch_alter_table("allocation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_allocation_lot_id"), ["lot_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_allocation_member_id"), ["member_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_allocation_posting_id"), ["posting_id"], unique=False)


def downgrade() -> None:
    """Drop the tables, those that others point at last; their indexes go with them."""
    op.drop_table("allocation")
    op.drop_table("lot")
    op.drop_table("posting")
    op.drop_table("sale")
    op.drop_table("redemption")
    op.drop_table("stream")
    op.drop_table("rule_set")
    op.drop_table("parked")
    op.drop_table("outbox")
    op.drop_table("member")
    op.drop_table("anchor")
