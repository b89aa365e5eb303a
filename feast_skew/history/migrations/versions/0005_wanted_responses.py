"""When the incidents of features begin and end, and responses that are wanted before they are begun."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Take for begun what was bad in the newest run that could tell; responses that are there were begun."""
    op.create_table(
        "feast_skew_incidents",
        sa.Column("series", sa.Integer, sa.ForeignKey("feast_skew_series.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("verdict", sa.String(20), primary_key=True),
        sa.Column("seen", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.BigInteger),
    )
    for verdicts, passed in (("'fail', 'warn'", "'inconclusive', 'error'"), ("'error'", "'inconclusive'")):
        op.execute(
            "INSERT INTO feast_skew_incidents (series, verdict, seen) "  # noqa: S608  words of this file
            "SELECT r.series, r.verdict, MAX(newest.created) FROM feast_skew_results r "
            "JOIN feast_skew_runs ON feast_skew_runs.id = r.run "
            "JOIN (SELECT series, MAX(created) AS created FROM feast_skew_results "
            "JOIN feast_skew_runs ON feast_skew_runs.id = feast_skew_results.run "
            f"WHERE feast_skew_results.verdict NOT IN ({passed}) GROUP BY series) newest "
            "ON newest.series = r.series AND newest.created = feast_skew_runs.created "
            f"WHERE r.verdict IN ({verdicts}) GROUP BY r.series, r.verdict"
        )
    op.add_column("feast_skew_responses", sa.Column("state", sa.String(20), nullable=False, server_default="done"))
    op.add_column("feast_skew_responses", sa.Column("verdict", sa.String(20), nullable=False, server_default=""))
    op.add_column("feast_skew_responses", sa.Column("features", sa.Text, nullable=False, server_default="[]"))
