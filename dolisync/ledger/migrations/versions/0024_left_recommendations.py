"""Recommendations remember that who recommended takes no part any more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dolisync.ledger.tables import UtcMoment

revision = "0024"
down_revision: str | None = "0023"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add the column unless it is there: MariaDB commits each statement."""
    columns = sa.inspect(op.get_bind()).get_columns("referral")
    if "by_left_at" not in {column["name"] for column in columns}:
        op.add_column("referral", sa.Column("by_left_at", UtcMoment()))


def downgrade() -> None:
    """Forget it."""
    op.drop_column("referral", "by_left_at")
