"""Suites in a run of the command: where they are found, what they add, and what is refused before anything is read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rides import AS_OF, ROOT, Repository, Run, run_process

RANGE = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "rate", "min_value": 0, "max_value": 100}}
ABOUT = {"table": "values", "view": "driver_stats"}


def write(
    repo: Repository, *entries: dict[str, Any], about: dict[str, str] = ABOUT, folder: str = "expectations"
) -> Path:
    place = repo.path / folder
    place.mkdir(exist_ok=True)
    file = place / "drivers.json"
    file.write_text(json.dumps({"name": "drivers", "meta": {"feast_skew": about}, "expectations": entries}))
    return file


def validate(run: Run, repo: Repository, *more: str) -> Any:
    return run("validate", "--repo", repo.path, "--as-of", AS_OF, "--output", "json=-", *more)


def test_rules_that_hold(run: Run, repo: Repository) -> None:
    write(repo, RANGE)
    outcome = validate(run, repo)
    assert outcome.code == 0
    assert not outcome.err
    entries = outcome.report["expectations"]
    assert [(entry["side"], entry["verdict"], entry["element_count"]) for entry in entries] == [
        ("offline", "pass", 300),
        ("online", "pass", 300),
    ]
    assert not outcome.report["findings"]


def test_a_rule_that_breaks_online_fails_a_run_whose_budgets_are_kept(run: Run, own_repo: Repository) -> None:
    """The 99 % quantile was below 50, and is above 40,000: with a budget of 1, only the rule says so."""
    write(own_repo, RANGE)
    own_repo.configure('features:\n  "driver_stats:rate":\n    mismatch_budget: 1\n')
    source = pd.read_parquet(own_repo.path / "data" / "drivers.parquet")
    store = own_repo.store()
    store.config.online_store.skip_dedup = True
    store.write_to_online_store("driver_stats", df=source.assign(rate=source["rate"] * 1000))
    outcome = validate(run, own_repo)
    assert outcome.code == 1
    assert outcome.feature("driver_stats:rate")["verdict"] != "fail"
    (finding,) = outcome.report["findings"]
    assert (finding["code"], finding["severity"], finding["view"]) == ("FS301", "fail", "driver_stats")
    assert outcome.report["verdict"] == "fail"
    told = run("validate", "--repo", own_repo.path, "--as-of", AS_OF)
    assert told.code == 1
    assert "FS301 fail: driver_stats: suite drivers: rate:" in told.out


def test_a_limit_on_the_metrics(run: Run, repo: Repository) -> None:
    limit = {"type": "expect_feature_psi_to_be_at_most", "kwargs": {"max_value": 0.1}}
    write(repo, limit, about={"table": "metrics"})
    outcome = validate(run, repo)
    assert outcome.code == 0
    (entry,) = outcome.report["expectations"]
    assert (entry["side"], entry["success"], entry["element_count"]) == ("metrics", True, 4)


def test_only_what_was_asked_for(run: Run, repo: Repository) -> None:
    write(repo, RANGE)
    assert not validate(run, repo, "--view", "rider_stats").report["expectations"]
    assert not validate(run, repo, "--feature", "driver_stats:city").report["expectations"]


def test_a_folder_by_setting(run: Run, repo: Repository) -> None:
    """Relative to the repository, from wherever the run is started; what is there by default is then not read."""
    write(repo, {**RANGE, "type": "expect_nothing"})
    write(repo, RANGE, folder="rules")
    repo.append("feast_skew:\n  expectations: rules\n")
    assert len(validate(run, repo).report["expectations"]) == 2
    assert "1 suites in" in run("validate", "--repo", repo.path, "--dry-run").out
    repo.configure("expectations: false\n")
    assert validate(run, repo).report["expectations"] == []


@pytest.mark.parametrize(
    ("setting", "parts"),
    [
        ("nowhere", ("nowhere", "is no directory", "or false")),
        ("data", ("data", "holds no suite")),
        ("''", ("expectations", "write a directory, or false")),
        ("true", ("expectations", "write a directory, or false")),
        ("[a]", ("expectations", "write a directory, or false")),
    ],
)
def test_settings_that_name_no_suites(run: Run, repo: Repository, setting: str, parts: tuple[str, ...]) -> None:
    repo.configure(f"expectations: {setting}\n")
    validate(run, repo).refused(2, *parts)


@pytest.mark.parametrize(
    ("entry", "about", "parts"),
    [
        (
            {**RANGE, "type": "expect_column_value_to_be_between"},
            ABOUT,
            ("did you mean expect_column_values_to_be_between",),
        ),
        ({**RANGE, "kwargs": {"column": "rat", "max_value": 1}}, ABOUT, ("no column 'rat'", "rate", "trips")),
        (RANGE, {**ABOUT, "view": "driver_stat"}, ("view 'driver_stat'", "did you mean driver_stats")),
        ({**RANGE, "kwargs": {"column": "city", "max_value": 1}}, ABOUT, ("cannot be evaluated", "city (object)")),
    ],
)
def test_suites_that_cannot_be_used(
    run: Run, repo: Repository, entry: dict[str, Any], about: dict[str, str], parts: tuple[str, ...]
) -> None:
    write(repo, entry, about=about)
    validate(run, repo).refused(2, "drivers", *parts)


def test_without_the_library(repo: Repository, tmp_path: Path) -> None:
    """Suites that nobody can run are never left out in silence."""
    write(repo, RANGE)
    missing = tmp_path / "missing"
    missing.mkdir()
    (missing / "great_expectations.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'great_expectations'\", name='great_expectations')"
    )
    paths = os.pathsep.join([str(missing), str(ROOT)])
    arguments = ("validate", "--repo", repo.path, "--as-of", AS_OF, "--quiet")
    run_process(*arguments, cwd=tmp_path, PYTHONPATH=paths).refused(
        2, "Great Expectations", "pip install 'feast-skew[gx]'"
    )
    (repo.path / "expectations" / "drivers.json").unlink()
    assert run_process(*arguments, cwd=tmp_path, PYTHONPATH=paths).code == 0
