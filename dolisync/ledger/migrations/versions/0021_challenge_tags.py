"""Room for tags of challenges beside the names of campaigns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision: str | None = "0020"
branch_labels: str | None = None
depends_on: str | None = None

TABLE = "campaign_use"


def upgrade() -> None:
    """Let the names be longer; doing it twice does no harm."""
    _resize(40, 200)


def downgrade() -> None:
    """Let them be as short as before; what was bought in tags is forgotten."""
    op.execute(sa.text("DELETE FROM campaign_use WHERE campaign LIKE '%#%'"))
    _resize(200, 40)


def _resize(old: int, new: int) -> None:
    with op.batch_alter_table(TABLE) as batch:
        batch.alter_column(
            "campaign",
            existing_type=sa.String(length=old),
            type_=sa.String(length=new),
            existing_nullable=False,
        )
