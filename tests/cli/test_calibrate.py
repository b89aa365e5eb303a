"""`calibrate` on a real repository: from stored runs, and where there is none from what offline holds now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from rides import AS_OF, DAY, Repository, Run

from feast_skew.config import Settings


def calibrated(run: Run, repo: Repository, *options: str) -> dict[str, Any]:
    outcome = run("calibrate", "--repo", repo.path, *options, "--output", "json=-")
    assert outcome.code == 0, outcome.err
    found: dict[str, Any] = json.loads(outcome.out)
    return found


def days_of_rows(repo: Repository, days: int, moves: float) -> None:
    """Give every driver a row a day, of which the rates move."""
    random, file = np.random.default_rng(0), repo.path / "data" / "drivers.parquet"
    first = pd.read_parquet(file)
    parts = [
        first.assign(
            event_timestamp=pd.Timestamp(DAY) - pd.Timedelta(days=day),
            rate=first["rate"] + moves * day + random.normal(size=len(first)),
        )
        for day in range(days)
    ]
    pd.concat(parts).to_parquet(file)


def test_without_a_run_the_present_data_speak(run: Run, repo: Repository, tmp_path: Path) -> None:
    """Offline at eight moments a day apart, and in halves; nothing is remembered, and the settings can be used."""
    days_of_rows(repo, 12, 0.0)
    before = repo.files()
    config = tmp_path / "limits.yaml"
    found = calibrated(run, repo, "--output", f"config={config}")
    assert found["basis"].startswith("no stored run: ")
    assert "1 day apart" in found["basis"]
    rate = {one["metric"]: one for one in found["proposals"] if one["feature"] == "rate"}
    assert len(rate["psi"]["runs"]) == 4 + 7
    assert 0 < rate["mean"]["limit"] < 1
    trips = {one["metric"]: one for one in found["proposals"] if one["feature"] == "trips"}
    shifted = trips["mean"]["runs"][:7]
    assert {one["value"] for one in shifted} == {0.0}, "nobody's trips change from day to day"
    Settings().add_layer("calibrated", yaml.safe_load(config.read_text()))
    assert repo.files() == before


def test_what_moves_from_day_to_day_gets_wider_limits(run: Run, repo: Repository) -> None:
    def limit() -> float:
        found = calibrated(run, repo)["proposals"]
        return next(float(one["limit"]) for one in found if (one["feature"], one["metric"]) == ("rate", "mean"))

    days_of_rows(repo, 12, 0.0)
    still = limit()
    days_of_rows(repo, 12, 5.0)
    assert limit() > 2 * still


def test_moments_before_the_first_row_are_none(run: Run, repo: Repository) -> None:
    days_of_rows(repo, 3, 0.0)
    found = calibrated(run, repo, "--every", "365d")
    rate = next(one for one in found["proposals"] if one["feature"] == "rate")
    assert len(rate["runs"]) == 4


def test_stored_runs_come_first(run: Run, repo: Repository) -> None:
    for _ in range(2):
        assert run("validate", "--repo", repo.path, "--as-of", AS_OF).code == 0
    found = calibrated(run, repo)
    assert found["basis"].startswith("2 stored runs")
    assert {one["limit"] for one in found["proposals"]} == {None}


def test_nothing_to_propose_from(run: Run, repo: Repository, tmp_path: Path) -> None:
    incidents = tmp_path / "incidents.csv"
    incidents.write_text("feature,from,to\ndriver_stats:rate,2026-01-01,2026-01-02\n")
    run("calibrate", "--repo", repo.path, "--incidents", incidents).refused(2, "--incidents", "no run is stored")
    for name in ("drivers", "riders"):
        (repo.path / "data" / f"{name}.parquet").unlink()
    run("calibrate", "--repo", repo.path).refused(2, "no run is stored", "parquet")


@pytest.mark.parametrize("span", ["0d", "soon"])
def test_spans_that_are_none(run: Run, repo: Repository, span: str) -> None:
    run("calibrate", "--repo", repo.path, "--every", span).refused(2, "--every")
