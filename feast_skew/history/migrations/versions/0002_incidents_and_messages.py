"""What owners were told of each feature, the messages to them, and what was done by itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables of alerts and responses."""
    op.create_table(
        "feast_skew_told",
        sa.Column("series", sa.Integer, sa.ForeignKey("feast_skew_series.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("verdict", sa.String(20), nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Float),
        sa.Column("high", sa.Float),
        sa.Column("cause", sa.String(40), nullable=False),
    )
    op.create_table(
        "feast_skew_messages",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("project", sa.String(255), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("claimed", sa.BigInteger),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
    )
    op.create_index("feast_skew_messages_by_state", "feast_skew_messages", ["project", "state"])
    op.create_table(
        "feast_skew_responses",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("project", sa.String(255), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("begun", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.BigInteger),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.UniqueConstraint("project", "run_id", "name"),
    )
