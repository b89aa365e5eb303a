"""The suite in expectations/ accepts a clean run, refuses a skewed one, and passes nothing without a look."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

# Not importorskip: an environment without the library must not look as if the suite had passed.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
import great_expectations as gx

SUITE = json.loads((Path(__file__).resolve().parents[2] / "expectations" / "skew_metrics.json").read_text())
CLEAN = {
    "view": ["plane_delays", "plane_delays", "plane_profile"],
    "feature": ["avg_dep_delay", "flights", "manufacturer"],
    "n": [3113, 3113, 3113],
    "mismatch_rate": [0.0, 0.0, 0.0005],
    "presence_rate": [0.0, 0.0, 0.0],
    "psi": [0.0, 0.001, 0.0],
    "mean_difference": [0.0, 0.01, None],  # a category has no mean
    "variance_ratio": [1.0, 1.02, None],
    "null_rate_difference": [0.0, 0.0, 0.0],
    "verdict": ["pass", "pass", "pass"],
}


def load(raw: Mapping[str, Any]) -> gx.ExpectationSuite:
    """Make the suite of a file, whole: GX leaves out what it does not know, and takes an empty suite for a success."""
    suite = gx.ExpectationSuite(name=raw["name"], expectations=list(raw["expectations"]), meta=raw.get("meta"))
    if not len(suite.expectations) == len(raw["expectations"]) > 0:
        raise ValueError(
            f"{raw['name']}: {len(suite.expectations)} of {len(raw['expectations'])} expectations are known"
        )
    return suite


@pytest.fixture(scope="module")
def validate() -> Any:
    """Give a function that holds a table against a suite."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    definition = (
        context.data_sources.add_pandas("pandas")
        .add_dataframe_asset("metrics")
        .add_batch_definition_whole_dataframe("all")
    )

    def run(table: pd.DataFrame, raw: Mapping[str, Any] = SUITE) -> Any:
        return definition.get_batch({"dataframe": table}).validate(load(raw))

    return run


def metrics(**changed: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({**CLEAN, **changed})


def failed(result: Any) -> set[tuple[str, str | None]]:
    """Give type and column of every expectation that was not met."""
    configurations = [found.expectation_config for found in result.results if not found.success]
    return {(configuration.type, configuration.kwargs.get("column")) for configuration in configurations}


def test_a_clean_run_is_accepted(validate: Any) -> None:
    """All expectations hold, and every one of them was looked at."""
    result = validate(metrics())
    assert result.success, failed(result)
    assert len(result.results) == len(SUITE["expectations"])
    checked = [found.result["element_count"] for found in result.results if "element_count" in found.result]
    assert min(checked) == 3


def test_the_verdict_of_one_feature_is_enough(validate: Any) -> None:
    """The suite follows the verdict, and points at the feature."""
    result = validate(metrics(verdict=["pass", "fail", "pass"]))
    assert failed(result) == {("expect_column_values_to_be_in_set", "verdict")}
    assert not validate(metrics(verdict=["pass", "inconclusive", "pass"])).success
    assert not validate(metrics(verdict=["pass", "error", "pass"])).success
    assert validate(metrics(verdict=["pass", "warn", "pass"])).success


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("mismatch_rate", [0.95, 0.0, 0.0]),
        ("mismatch_rate", [-0.1, 0.0, 0.0]),
        ("presence_rate", [0.0, 0.002, 0.0]),
        ("psi", [0.31, 0.0, 0.0]),
        ("mean_difference", [0.0, float("inf"), None]),
        ("variance_ratio", [1.0, 3.0, None]),
        ("null_rate_difference", [0.0, 0.0, -0.2]),
        ("n", [0, 3113, 3113]),
    ],
)
def test_a_value_beyond_its_limit_fails_alone(validate: Any, column: str, values: list[float]) -> None:
    """Each limit stands on its own, also when the verdict says pass."""
    assert failed(validate(metrics(**{column: values}))) == {("expect_column_values_to_be_between", column)}


def test_a_pass_without_a_rate_fails(validate: Any) -> None:
    """GX takes NaN for null, and null for a value inside any range."""
    for rate in (None, float("nan")):
        for column in ("mismatch_rate", "presence_rate"):
            result = validate(metrics(**{column: [0.0, rate, 0.0]}))
            assert failed(result) == {("expect_column_values_to_not_be_null", column)}


def test_rows_judged_without_a_rate_may_warn(validate: Any) -> None:
    """Where two pipelines never share a timestamp there is no mismatch rate, and the verdict is never a pass."""
    assert validate(metrics(mismatch_rate=[0.0, None, 0.0], verdict=["pass", "warn", "pass"])).success


def test_an_empty_table_fails(validate: Any) -> None:
    """Nothing measured is not agreement."""
    assert ("expect_table_row_count_to_be_between", None) in failed(validate(metrics().head(0)))


def test_a_feature_twice_fails(validate: Any) -> None:
    """A feature that is there twice stands in for one that is not."""
    result = validate(metrics(feature=["flights", "flights", "manufacturer"]))
    assert failed(result) == {("expect_compound_columns_to_be_unique", None)}


def test_a_missing_column_is_an_error_not_a_pass(validate: Any) -> None:
    """The result says that the expectation could not be computed."""
    result = validate(metrics().drop(columns="psi"))
    assert failed(result) == {
        ("expect_table_columns_to_match_set", None),
        ("expect_column_values_to_be_between", "psi"),
    }
    broken = next(found for found in result.results if found.expectation_config.kwargs.get("column") == "psi")
    assert broken.exception_info


def test_a_misspelled_expectation_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    """GX drops what it does not know; the loader refuses the rest."""
    misspelled = {**SUITE, "expectations": [*SUITE["expectations"], {"type": "expect_colum_to_exist", "kwargs": {}}]}
    with caplog.at_level(logging.CRITICAL), pytest.raises(ValueError, match="17 of 18 expectations are known"):
        load(misspelled)


def test_a_suite_without_expectations_is_refused() -> None:
    """For GX it would be a success."""
    with pytest.raises(ValueError, match="0 of 0"):
        load({"name": "empty", "expectations": []})


def test_a_condition_that_no_row_meets_shows_in_its_count(validate: Any) -> None:
    """A limit on a feature whose name is misspelled passes; its element count tells."""
    limit = {
        "type": "expect_column_values_to_be_between",
        "kwargs": {
            "column": "psi",
            "max_value": 0,
            "row_condition": {
                "type": "comparison",
                "column": {"name": "feature"},
                "operator": "==",
                "parameter": "avg_dep_dealy",
            },
        },
    }
    (found,) = validate(metrics(), {"name": "typo", "expectations": [limit]}).results
    assert found.success
    assert found.result["element_count"] == 0
