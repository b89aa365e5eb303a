"""An Airflow DAG: materialize each hour, then a task that fails when the online store is not what the offline store holds.

`check` is a task of its own: an error in an `on_success_callback` is only logged and fails nothing. `alarm` is one for that.
Set FEAST_REPO to the directory with feature_store.yaml.
"""

from __future__ import annotations

import os
from datetime import datetime, timezone
from importlib.util import find_spec
from typing import Any

REPO = os.environ.get("FEAST_REPO", "/opt/feast/feature_repo")
VIEWS = ["plane_stats"]


def materialize(start: str, end: str, repo: str = REPO, views: list[str] | None = None) -> None:
    """Have Feast write the rows between two moments."""
    from feast import FeatureStore

    store = FeatureStore(repo_path=repo)
    store.materialize(datetime.fromisoformat(start), datetime.fromisoformat(end), feature_views=views)


def check(start: str, end: str, repo: str = REPO, views: list[str] | None = None) -> str:
    """Validate what was written; a verdict that fails is an exception, so the task fails and its line names the features."""
    from feast_skew import materialized

    return materialized(repo=repo, views=views, start=start, end=end).verdict.value


def alarm(context: Any, repo: str = REPO) -> None:
    """Validate all that is online, as an `on_success_callback` of any task: skew is in the task's log."""
    from feast_skew import materialized

    materialized(context, repo=repo)


def hourly() -> Any:
    """Make the DAG."""
    from airflow.providers.standard.operators.python import PythonOperator
    from airflow.sdk import DAG
    from airflow.timetables.interval import CronDataIntervalTimetable

    between = {"start": "{{ data_interval_start }}", "end": "{{ data_interval_end }}", "repo": REPO, "views": VIEWS}
    first = datetime(2026, 1, 1, tzinfo=timezone.utc)
    # By itself `@hourly` has intervals of no length since Airflow 3, and nothing would be written.
    every_hour = CronDataIntervalTimetable("@hourly", timezone="UTC")
    with DAG("features", schedule=every_hour, start_date=first, catchup=False) as dag:
        write = PythonOperator(task_id="materialize", python_callable=materialize, op_kwargs=between)
        compare = PythonOperator(task_id="check", python_callable=check, op_kwargs=between)
        write >> compare
    return dag


if find_spec("airflow"):  # without it the functions can be used and tested all the same
    DAG_OF_FEATURES = hourly()
