"""Alembic's entry: run the migrations on the connection that ``schema.upgrade`` hands over."""

from __future__ import annotations

from alembic import context

from dolisync.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
