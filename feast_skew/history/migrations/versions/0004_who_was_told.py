"""Who was told of a feature and where, whether also that it could not be read; and what an undecided result was before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Take for told the owner of the newest result; what was undecided before knows of no incident."""
    op.add_column("feast_skew_told", sa.Column("owner", sa.Text, nullable=False, server_default=""))
    op.add_column("feast_skew_told", sa.Column("channel", sa.Text, nullable=False, server_default=""))
    op.add_column("feast_skew_told", sa.Column("unread", sa.Boolean, nullable=False, server_default=sa.false()))
    op.execute(
        "UPDATE feast_skew_told SET owner = COALESCE((SELECT feast_skew_results.owner FROM feast_skew_results "
        "WHERE feast_skew_results.series = feast_skew_told.series ORDER BY feast_skew_results.run DESC LIMIT 1), '')"
    )
    op.add_column("feast_skew_results", sa.Column("held", sa.String(20)))
    op.add_column("feast_skew_results", sa.Column("held_since", sa.BigInteger))
