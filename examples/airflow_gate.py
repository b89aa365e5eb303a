"""An Airflow DAG: a model is deployed only when the features that it is served are those that it was trained on."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

FEAST_SKEW = os.environ.get("FEAST_SKEW", "feast-skew")
REPOSITORY = os.environ.get("FEAST_SKEW_REPO", "/srv/feature_repo")
REPORTS = os.environ.get("FEAST_SKEW_REPORTS", "/srv/skew_reports")
SERVICE = os.environ.get("FEAST_SKEW_SERVICE", "departure_delay_model")
BASELINE = os.environ.get("FEAST_SKEW_BASELINE", "")

SKEW, USAGE = 1, 2


class SkewFound(Exception):
    """Another try would find the same; the message says what, or what is wrong with the call."""


def gate(service: str, run_id: str, baseline: str = BASELINE) -> str:
    """Validate the features of a service; give the path of the report when the gate is open.

    Raises
    ------
    SkewFound
        When there is skew (exit code 1), or the call is wrong (2).
    subprocess.CalledProcessError
        When it could not be measured (3, or another one): worth another try.
    """
    name = "".join(c if c.isalnum() or c in "-_" else "-" for c in run_id)
    report = Path(REPORTS) / f"skew-{service}-{name}.json"
    report.unlink(missing_ok=True)  # of an earlier try: it would speak for this one
    known = ["--baseline", baseline] if baseline else []
    words = [*shlex.split(FEAST_SKEW), "validate", "--repo", REPOSITORY, "--service", service, "--no-progress"]
    done = subprocess.run(
        [*words, *known, "--output", f"json={report}"], check=False, stderr=subprocess.PIPE, text=True
    )
    print(done.stderr, end="", file=sys.stderr)
    if done.returncode == SKEW and report.is_file():
        raise SkewFound(f"skew was found: {report}")
    if done.returncode == USAGE:
        raise SkewFound(done.stderr.strip())
    done.check_returncode()
    return str(report)


try:
    from airflow.sdk import DAG, task
    from airflow.sdk.exceptions import AirflowFailException
except ModuleNotFoundError:  # the gate can be had without Airflow
    pass
else:

    @task(retries=2, retry_delay=timedelta(minutes=5))  # type: ignore[untyped-decorator]
    def skew_gate(run_id: str | None = None) -> str:
        """Fail at once on skew; whatever else ends the command is worth another try."""
        try:
            return gate(SERVICE, run_id or f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S}")
        except SkewFound as found:
            raise AirflowFailException(str(found)) from found

    @task  # type: ignore[untyped-decorator]
    def deploy(report: str) -> None:
        """Yours: it is not started when the gate fails."""
        print(f"deploying; {report} says that serving agrees with training")

    with DAG("gated_deployment", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False):
        deploy(skew_gate())
