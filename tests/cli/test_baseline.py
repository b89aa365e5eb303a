"""`--baseline` on a real Redis: old failures pass the gate, new and worse ones do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rides import AS_OF, DAY, DRIVERS, Outcome, Repository, Run, make_repository

from feast_skew import validate
from feast_skew.embedded.redis_server import EmbeddedRedis

Change = Callable[[pd.DataFrame], None]


def skew(repo: Repository, change: Change) -> None:
    file = repo.path / "data" / "drivers.parquet"
    frame = pd.read_parquet(file)
    change(frame)
    frame.to_parquet(file)


def a_third_by_60(frame: pd.DataFrame) -> None:
    frame.loc[frame.driver_id % 3 == 0, "rate"] *= 60


def trips_off_by_one(frame: pd.DataFrame) -> None:
    frame["trips"] += 1


@pytest.fixture
def gate(run: Run, repo: Repository, tmp_path: Path) -> Callable[..., Outcome]:
    """Run on the repository whose `rate` is wrong for a third since the baseline, against that baseline."""
    skew(repo, a_third_by_60)
    report = tmp_path / "baseline.json"
    assert run("validate", "--repo", repo.path, "--as-of", AS_OF, "--output", f"json={report}").code == 1

    def again(*more: str | Path) -> Outcome:
        return run("validate", "--repo", repo.path, "--as-of", AS_OF, "--baseline", report, *more)

    return again


def test_old_failures_pass_and_a_new_one_does_not(
    gate: Callable[..., Outcome], repo: Repository, tmp_path: Path
) -> None:
    created = json.loads((tmp_path / "baseline.json").read_text())["created_at"]
    told = gate("--output", f"json={tmp_path}/now.json")
    assert told.code == 0, told.out
    assert told.out.startswith("WARN")
    assert f"against the baseline of {created}: 1 known and not worse; without it FAIL" in told.out
    assert f"known since {created}: not worse" in told.out
    now = json.loads((tmp_path / "now.json").read_text())
    assert now["verdict"] == "warn"
    assert now["baseline"]["verdict_without"] == "fail"
    assert now["baseline"]["known"] == ["driver_stats:rate"]
    rate = next(feature for feature in now["features"] if feature["feature"] == "rate")
    assert (rate["verdict"], rate["known"]["verdict"], rate["known"]["state"]) == ("warn", "fail", "known")

    skew(repo, trips_off_by_one)
    outcome = gate("--output", "json=-")
    assert outcome.code == 1
    assert outcome.feature("driver_stats:trips")["known"]["state"] == "new"
    assert outcome.feature("driver_stats:trips")["reasons"][0] == f"new: passed in the baseline of {created}"
    assert outcome.feature("driver_stats:rate")["verdict"] == "warn"
    assert outcome.report["features"][0]["feature"] == "trips"


def test_a_failure_that_grew_fails(gate: Callable[..., Outcome], repo: Repository) -> None:
    skew(repo, lambda frame: frame.loc.__setitem__((frame.driver_id % 3 == 1, "rate"), frame["rate"] * 60))
    outcome = gate("--output", "json=-")
    assert outcome.code == 1
    rate = outcome.feature("driver_stats:rate")
    assert rate["known"]["state"] == "worse"
    assert "wrong values: at least 66.667%, at most 33.333% then" in rate["reasons"][0]


def test_one_more_wrong_row_is_no_news(gate: Callable[..., Outcome], repo: Repository) -> None:
    """All entities are read, so the share did rise; that much it does from day to day."""
    skew(repo, lambda frame: frame.loc.__setitem__((frame.driver_id == 1, "rate"), frame["rate"] * 60))
    outcome = gate("--output", "json=-")
    assert outcome.code == 0
    assert outcome.feature("driver_stats:rate")["counts"]["mismatch"] == DRIVERS // 3 + 1


def test_another_cause_fails(gate: Callable[..., Outcome], repo: Repository) -> None:
    skew(repo, lambda frame: frame.loc.__setitem__((frame.driver_id % 3 == 0, "rate"), frame["rate"] / 60 + 5))
    outcome = gate("--output", "json=-")
    assert outcome.code == 1
    rate = outcome.feature("driver_stats:rate")
    assert rate["known"]["state"] == "other_cause"
    assert rate["reasons"][0].endswith(": offset, then scale")


def test_a_recovered_feature_is_told(gate: Callable[..., Outcome], repo: Repository) -> None:
    skew(repo, lambda frame: frame.loc.__setitem__((frame.driver_id % 3 == 0, "rate"), frame["rate"] / 60))
    outcome = gate("--output", "json=-")
    assert outcome.code == 0
    assert outcome.report["baseline"]["recovered"] == ["driver_stats:rate"]


def test_a_part_of_the_features_names_those_left_out(gate: Callable[..., Outcome]) -> None:
    outcome = gate("--view", "rider_stats")
    assert outcome.code == 0
    assert "not compared now, but in the baseline: driver_stats:rate, driver_stats:city" in outcome.out


def test_a_warning_that_is_known_does_not_end_a_strict_run(gate: Callable[..., Outcome]) -> None:
    """`--fail-on warn` with a baseline: a known failure is a warning that ends nothing."""
    assert gate("--fail-on", "warn").code == 0


@pytest.mark.usefixtures("gate")
def test_the_python_function(repo: Repository, tmp_path: Path) -> None:
    from datetime import datetime

    report = validate(repo.path, as_of=datetime.fromisoformat(AS_OF), baseline=tmp_path / "baseline.json")
    assert report.verdict.value == "warn"
    assert report.baseline is not None


def edited(**changes: Any) -> Callable[[dict[str, Any]], str]:
    return lambda content: json.dumps({**content, **changes})


@pytest.mark.parametrize(
    ("damage", "parts"),
    [
        (edited(project="flights"), ("'flights'", "this repository is")),
        (edited(schema_version="2"), ("schema version '2'", "reads '1'")),
        (edited(features=[{"view": "x"}]), ("damaged",)),
        (edited(features=None), ("damaged",)),
        (edited(created_at=5), ("damaged",)),
        (lambda content: json.dumps(content)[:500], ("damaged, or no JSON",)),
        (lambda _: "", ("damaged, or no JSON",)),
        (lambda _: "[" * 100_000, ("damaged, or no JSON",)),
        (lambda _: "[1]", ("no report",)),
        (lambda _: '{"verdict": "pass"}', ("no report",)),
    ],
)
def test_what_is_no_baseline_is_refused(
    gate: Callable[..., Outcome], tmp_path: Path, damage: Callable[[dict[str, Any]], str], parts: tuple[str, ...]
) -> None:
    file = tmp_path / "baseline.json"
    file.write_text(damage(json.loads(file.read_text())))
    report = tmp_path / "r.json"
    gate("--output", f"json={report}").refused(2, str(file), *parts)
    assert not report.exists()


def test_a_missing_file_and_a_folder(run: Run, repo: Repository, tmp_path: Path) -> None:
    asked = ("validate", "--repo", repo.path, "--baseline")
    run(*asked, tmp_path / "none.json").refused(2, "none.json", "No such file")
    run(*asked, tmp_path).refused(2, str(tmp_path), "directory")
    run(*asked, tmp_path / "none.json", "--dry-run").refused(2, "--dry-run")


def test_two_hundred_old_failures(run: Run, tmp_path: Path, redis: EmbeddedRedis) -> None:
    """A store that nobody has looked at: the gate opens for what is old, and shuts for the one that is new."""
    from feast import Entity, FeatureView, Field, FileSource, ValueType
    from feast.types import Float64

    repo = make_repository(tmp_path / "wide", redis.connection_string, apply=False)
    names = [f"f{number:03d}" for number in range(205)]
    file = repo.path / "data" / "wide.parquet"
    frame = pd.DataFrame({name: [at + row / 7 for row in range(100)] for at, name in enumerate(names)})
    frame.assign(driver_id=range(100), event_timestamp=pd.Timestamp(DAY)).to_parquet(file)
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    view = FeatureView(
        name="wide", entities=[driver], ttl=timedelta(0), schema=[Field(name=name, dtype=Float64) for name in names],
        source=FileSource(name="wide", path="data/wide.parquet", timestamp_field="event_timestamp"),
    )  # fmt: skip
    repo.store().apply([driver, view])
    repo.materialize()
    stored = pd.read_parquet(file)
    stored[names[:200]] *= 60
    stored.to_parquet(file)

    baseline, page = tmp_path / "old.json", tmp_path / "page.md"
    asked = ("validate", "--repo", repo.path, "--as-of", AS_OF)
    assert run(*asked, "--quiet", "--output", f"json={baseline}").code == 1
    opened = run(*asked, "--baseline", baseline, "--output", f"markdown={page}", "--output", "json=-")
    assert opened.code == 0
    assert len(opened.report["baseline"]["known"]) == 200
    assert "<details><summary>200 known and not worse</summary>" in page.read_text()
    assert "Left out" not in page.read_text()

    stored["f204"] += 1
    stored.to_parquet(file)
    shut = run(*asked, "--baseline", baseline, "--output", "github=-")
    assert shut.code == 1
    lines = shut.out.splitlines()
    assert [line for line in lines if line.startswith("::error")] == [lines[1]]
    assert lines[1].startswith("::error title=fail wide%3Af204::new: passed in the baseline")
    assert "200 warnings, of which GitHub shows 10 each" in lines[0]
