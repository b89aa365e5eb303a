"""Run by Alembic for every migration, on the connection and in the transaction that the history has open."""

from __future__ import annotations

from alembic import context

from feast_skew.history.schema import metadata, versions

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=versions.name,
    transactional_ddl=False,  # the transaction is the caller's, who takes it back as a whole
)
context.run_migrations()
