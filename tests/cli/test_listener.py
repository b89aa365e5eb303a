"""What schedulers call after a materialization, and the examples of it, on a real Redis."""

from __future__ import annotations

import importlib.util
import inspect
import pickle
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from rides import AS_OF, DRIVERS, ROOT, Repository, make_repository
from servers.proxy import Proxy

import feast_skew
from feast_skew.embedded.redis_server import EmbeddedRedis
from feast_skew.errors import ConfigError, StoreUnavailable, UnknownName

START = "2026-02-01"


def recompute(repo: Repository) -> None:
    """Change the rates at the same event timestamps, which Redis passes over when they are materialized again."""
    frame = pd.read_parquet(repo.path / "data" / "drivers.parquet")
    frame["rate"] = [float((7919 * number) % 1009) for number in range(len(frame))]
    frame.to_parquet(repo.path / "data" / "drivers.parquet")


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_clean_one_gives_its_report(repo: Repository) -> None:
    report = feast_skew.materialized(repo=repo.path, views=["driver_stats"], start=START, end=AS_OF)
    assert report.verdict.value == "pass"
    assert report.as_of == f"{AS_OF}T00:00:00Z"
    assert {feature.view for feature in report.features} == {"driver_stats"}


def test_skew_is_raised_with_its_report(own_repo: Repository) -> None:
    recompute(own_repo)
    own_repo.materialize()
    with pytest.raises(feast_skew.SkewFound) as raised:
        feast_skew.materialized(repo=own_repo.path, views=["driver_stats"], start=START, end=AS_OF)
    assert "driver_stats:rate (frozen)" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 1
    rate = next(feature for feature in raised.value.report.features if feature.feature == "rate")
    assert (rate.counts["mismatch"], rate.causes[0].code) == (DRIVERS, "frozen")
    assert "a moment ago" in rate.causes[0].detail


def test_rows_that_were_written_once_are_not_said_to_be_passed_over(own_repo: Repository) -> None:
    """Where no earlier materialization holds the instant, what is online may be what was written just now."""
    recompute(own_repo)
    with pytest.raises(feast_skew.SkewFound) as raised:
        feast_skew.materialized(repo=own_repo.path, views=["driver_stats"], start=START, end=AS_OF)
    rate = next(feature for feature in raised.value.report.features if feature.feature == "rate")
    assert {cause.code: cause.confidence <= 0.5 for cause in rate.causes}["frozen"]


def test_the_exception_travels_between_processes(own_repo: Repository) -> None:
    recompute(own_repo)
    with pytest.raises(feast_skew.SkewFound) as raised:
        feast_skew.materialized(repo=own_repo.path, end=AS_OF)
    again = pickle.loads(pickle.dumps(raised.value))
    assert isinstance(again, feast_skew.SkewFound)
    assert str(again) == str(raised.value)
    assert again.report.to_dict() == raised.value.report.to_dict()


def test_a_warning_raises_when_it_shall(own_repo: Repository) -> None:
    frame = pd.read_parquet(own_repo.path / "data" / "drivers.parquet")
    frame["event_timestamp"] += timedelta(days=1)  # rows that were not materialized: stale, which warns
    pd.concat([pd.read_parquet(own_repo.path / "data" / "drivers.parquet"), frame]).to_parquet(
        own_repo.path / "data" / "drivers.parquet"
    )
    assert feast_skew.materialized(repo=own_repo.path, end=AS_OF).verdict.value == "warn"
    with pytest.raises(feast_skew.SkewFound):
        feast_skew.materialized(repo=own_repo.path, end=AS_OF, fail_on="warn")


def test_too_little_to_decide(repo: Repository) -> None:
    asked = {"repo": repo.path, "views": ["driver_stats"], "end": AS_OF, "sample": 5}
    with pytest.raises(feast_skew.NotMeasured, match="could not be decided: driver_stats") as raised:
        feast_skew.materialized(**asked)
    assert raised.value.exit_code == 3
    assert feast_skew.materialized(**asked, allow_inconclusive=True).verdict.value == "inconclusive"


def test_what_schedulers_hand_over_is_passed_over(repo: Repository) -> None:
    airflow = {"ti": object(), "dag_run": object(), "data_interval_end": datetime(2026, 3, 1)}  # noqa: DTZ001
    assert feast_skew.materialized(airflow, repo=repo.path, end=AS_OF).verdict.value == "pass"
    assert feast_skew.materialized("flow", "run", "state", repo=repo.path, end=AS_OF).verdict.value == "pass"
    # Airflow hands its whole context to a callable that takes any keyword.
    kinds = {parameter.kind for parameter in inspect.signature(feast_skew.materialized).parameters.values()}
    assert inspect.Parameter.VAR_KEYWORD not in kinds


def test_moments_as_they_come(repo: Repository) -> None:
    naive = datetime.fromisoformat(AS_OF)
    for end in (naive, AS_OF, f"{AS_OF}T00:00:00+00:00", f"{AS_OF} 01:00:00+01:00"):
        assert feast_skew.materialized(repo=repo.path, start=START, end=end).as_of == f"{AS_OF}T00:00:00Z"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"start": AS_OF, "end": START}, f"end {START} is before start {AS_OF}"),
        ({"start": START}, f"start {START} has no end"),
        ({"end": "tonight"}, "end 'tonight' is no time"),
        ({"fail_on": "everything"}, "fail_on"),
    ],
)
def test_bad_input(repo: Repository, arguments: dict[str, str], part: str) -> None:
    with pytest.raises(ConfigError) as raised:
        feast_skew.materialized(repo=repo.path, **arguments)
    assert part in raised.value.one_line()


def test_names_that_are_not_there(repo: Repository, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="driver_stat"):
        feast_skew.materialized(repo=repo.path, views=["driver_stat"])
    with pytest.raises(ConfigError, match="does not exist"):
        feast_skew.materialized(repo=tmp_path / "nowhere")


def test_redis_that_is_down(repo: Repository, redis: EmbeddedRedis) -> None:
    gone = Proxy(redis.port)
    gone.close()
    repo.edit(redis.connection_string, f"127.0.0.1:{gone.port}")
    with pytest.raises(StoreUnavailable, match=str(gone.port)):
        feast_skew.materialized(repo=repo.path, end=AS_OF)


def test_the_example_for_airflow(tmp_path: Path, redis: EmbeddedRedis) -> None:
    new = make_repository(tmp_path / "repo", redis.connection_string, materialize=False)
    tasks = example("airflow_after_materialize")
    between = {"start": f"{START}T00:00:00+00:00", "end": f"{AS_OF}T00:00:00+00:00", "repo": str(new.path)}
    tasks.materialize(**between, views=["driver_stats"])
    assert tasks.check(**between, views=["driver_stats"]) == "pass"
    tasks.materialize(**between)
    tasks.alarm({"ti": object()}, repo=str(new.path))
    recompute(new)
    tasks.materialize(**between, views=["driver_stats"])
    with pytest.raises(feast_skew.SkewFound, match="frozen"):
        tasks.check(**between, views=["driver_stats"])


def test_the_example_for_dagster(tmp_path: Path, redis: EmbeddedRedis) -> None:
    new = make_repository(tmp_path / "repo", redis.connection_string, materialize=False)
    steps = example("dagster_after_materialize")
    end = datetime.fromisoformat(f"{AS_OF}T00:00:00+00:00")
    new.store().materialize(datetime.fromisoformat(f"{START}T00:00:00+00:00"), end - timedelta(days=1))
    assert steps.check(steps.write(end, repo=str(new.path)), repo=str(new.path)) == "pass"
    recompute(new)
    with pytest.raises(feast_skew.SkewFound, match="driver_stats:rate"):
        steps.check(end, repo=str(new.path))
