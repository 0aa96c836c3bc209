"""Percentages and free articles on drafts: of what, how much at most, which and how many."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision: str | None = "0022"
branch_labels: str | None = None
depends_on: str | None = None

TABLE = "draft_use"
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
COLUMNS: dict[str, Any] = {
    "percent": sa.String(length=12),
    "at_most_minor": sa.BigInteger(),
    "product": sa.String(length=128),
    "pieces": sa.Integer(),
    "line_rowid": KEY,
}


def upgrade() -> None:
    """Add them unless they are there: MariaDB commits each statement."""
    known = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(TABLE)}
    for name, kind in COLUMNS.items():
        if name not in known:
            op.add_column(TABLE, sa.Column(name, kind))


def downgrade() -> None:
    """Forget them."""
    with op.batch_alter_table(TABLE) as batch:
        for name in COLUMNS:
            batch.drop_column(name)
