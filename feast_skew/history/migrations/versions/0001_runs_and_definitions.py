"""Runs with what they found of each feature, and the definitions that were seen and applied."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "feast_skew_runs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.String(64), nullable=False, unique=True),
        sa.Column("project", sa.String(255), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("as_of", sa.String(40), nullable=False),
        sa.Column("engine", sa.String(20), nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("verdict", sa.String(20), nullable=False),
        sa.Column("entities", sa.BigInteger, nullable=False),
        sa.Column("features", sa.Integer, nullable=False),
        sa.Column("failing", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("feast_skew_runs_by_time", "feast_skew_runs", ["project", "created"])
    op.create_table(
        "feast_skew_series",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("project", sa.String(255), nullable=False),
        sa.Column("view", sa.String(255), nullable=False),
        sa.Column("feature", sa.String(255), nullable=False),
        sa.UniqueConstraint("project", "view", "feature"),
    )
    op.create_table(
        "feast_skew_results",
        sa.Column("series", sa.Integer, sa.ForeignKey("feast_skew_series.id"), primary_key=True, autoincrement=False),
        sa.Column(
            "run",
            sa.Integer,
            sa.ForeignKey("feast_skew_runs.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("verdict", sa.String(20), nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("entities", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Float),
        sa.Column("low", sa.Float),
        sa.Column("high", sa.Float),
        sa.Column("psi", sa.Float),
        sa.Column("cause", sa.String(40), nullable=False),
    )
    op.create_index("feast_skew_results_by_run", "feast_skew_results", ["run"])
    op.create_table(
        "feast_skew_details",
        sa.Column("series", sa.Integer, sa.ForeignKey("feast_skew_series.id"), primary_key=True, autoincrement=False),
        sa.Column(
            "run",
            sa.Integer,
            sa.ForeignKey("feast_skew_runs.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("profile", sa.LargeBinary),
    )
    op.create_index("feast_skew_details_by_run", "feast_skew_details", ["run"])
    op.create_table(
        "feast_skew_definitions",
        sa.Column("project", sa.String(255), primary_key=True),
        sa.Column("view", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), primary_key=True),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("last_seen", sa.String(40), nullable=False),
    )
    op.create_table(
        "feast_skew_applied",
        sa.Column("project", sa.String(255), primary_key=True),
        sa.Column("view", sa.String(255), primary_key=True),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("parts", sa.Text, nullable=False),
    )
    op.create_table("feast_skew_taken_over", sa.Column("file", sa.Text, primary_key=True))
