"""An Airflow DAG: every night, hold what the models are served against what they are trained on."""

from __future__ import annotations

import os
import shlex
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

SUBMIT = os.environ.get("FEAST_SKEW_SUBMIT", "spark-submit --master yarn")
REPOSITORY = os.environ.get("FEAST_SKEW_REPO", "/srv/feature_repo")
REPORTS = os.environ.get("FEAST_SKEW_REPORTS", "/srv/skew_reports")


def command(day: str) -> tuple[list[str], Path]:
    """Give the command of one night, and the report that it writes."""
    job, report = Path(__file__).with_name("validate_skew.py"), Path(REPORTS) / f"skew-{day}.json"
    return [*shlex.split(SUBMIT), str(job), "--repo", REPOSITORY, "--as-of", day, "--output", f"json={report}"], report


try:
    from airflow.sdk import DAG, task
    from airflow.sdk.exceptions import AirflowFailException
except ModuleNotFoundError:  # the command can be had without Airflow
    pass
else:

    @task(retries=2, retry_delay=timedelta(minutes=10))  # type: ignore[untyped-decorator]
    def validate(ds: str | None = None) -> None:
        """Fail at once when skew was found; whatever else ends the command is worth another try, also without a report."""
        words, report = command(ds or f"{datetime.now(timezone.utc):%Y-%m-%d}")
        report.unlink(missing_ok=True)  # of an earlier try: it would speak for this one
        done = subprocess.run(words, check=False)
        if done.returncode == 1 and report.is_file():
            raise AirflowFailException(f"skew was found: {report}")
        done.check_returncode()

    with DAG("feast_skew", schedule="30 4 * * *", start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False):
        validate()
