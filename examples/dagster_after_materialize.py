"""A Dagster job: an op that materializes, and one after it that fails when the stores differ.

Set FEAST_REPO to the directory with feature_store.yaml.
"""

from __future__ import annotations

import os
from datetime import datetime, timezone
from importlib.util import find_spec
from typing import Any

REPO = os.environ.get("FEAST_REPO", "/opt/feast/feature_repo")


def write(end: datetime, repo: str = REPO) -> datetime:
    """Have Feast write what came in since the last time."""
    from feast import FeatureStore

    FeatureStore(repo_path=repo).materialize_incremental(end)
    return end


def check(end: datetime, repo: str = REPO) -> str:
    """Validate all views that are online; a verdict that fails is an exception, so the op fails."""
    from feast_skew import materialized

    return materialized(repo=repo, end=end).verdict.value


def features_job() -> Any:
    """Make the job."""
    from dagster import job, op

    def materialize() -> datetime:
        return write(datetime.now(timezone.utc))

    def compare(end: datetime) -> str:
        return check(end)

    first, then = op(materialize), op(compare)

    def features() -> None:
        then(first())

    return job(features)


if find_spec("dagster"):  # without it the functions can be used and tested all the same
    FEATURES = features_job()
