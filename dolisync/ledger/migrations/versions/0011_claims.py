"""The key that signs the codes on receipts of unknown customers."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0011"
down_revision: str | None = "0010"
branch_labels: str | None = None
depends_on: str | None = None

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
    if "signing_key" not in sa.inspect(op.get_bind()).get_table_names():
        op.create_table(
            "signing_key",
            sa.Column("name", sa.String(length=40), nullable=False),
            sa.Column("value", sa.String(length=64), nullable=False),
            sa.Column("made_at", MOMENT, nullable=False),
            sa.PrimaryKeyConstraint("name", name=op.f("pk_signing_key")),
            **OPTIONS,
        )


def downgrade() -> None:
    """Forget it: codes that were printed cannot be claimed any more."""
    op.drop_table("signing_key")
