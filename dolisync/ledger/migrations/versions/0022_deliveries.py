"""Sales remember that goods of them are still to be delivered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision: str | None = "0021"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add the column unless it is there: MariaDB commits each statement."""
    columns = sa.inspect(op.get_bind()).get_columns("sale")
    if "undelivered" not in {column["name"] for column in columns}:
        op.add_column("sale", sa.Column("undelivered", sa.Integer()))


def downgrade() -> None:
    """Forget it."""
    op.drop_column("sale", "undelivered")
