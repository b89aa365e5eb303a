"""The order in which definitions were seen, for those of one moment."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Give each definition a place; those that are here already have that of their moment."""
    op.add_column("feast_skew_definitions", sa.Column("place", sa.BigInteger, nullable=False, server_default="0"))
