"""Skew as expectations: limits on the table of metrics, in pandas and in Spark, in anybody's own suite."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import great_expectations as gx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import METRICS, feature, report, rule, runner, write

import feast_skew.expectations as skew
from feast_skew import compare
from feast_skew.report import FeatureResult, Metric, Verdict

OWN = [name for name in skew.__all__ if name.startswith("Expect")]
# Rows: view, feature, verdict, and every column that an expectation is about.
TABLE = pd.DataFrame(
    {
        "view": ["a", "a", "b"],
        "feature": ["x", "y", "x"],
        "verdict": ["pass", "fail", "inconclusive"],
        "mismatch_rate": [0.0, 0.4, math.nan],
        "presence_rate": [0.0, 0.0, 0.5],
        "psi": [0.05, math.nan, 0.3],
        "mean_difference_standardized": [-0.2, 0.1, math.inf],
        "variance_ratio": [0.5, 1.0, 0.0],
        "null_rate_difference": [-0.1, 0.0, 0.2],
    }
)
CASES: list[tuple[str, dict[str, Any], bool, int]] = [
    ("MismatchRateToBeAtMost", {"max_value": 0.4}, False, 1),
    ("MismatchRateToBeAtMost", {"max_value": 0.4, "allow_missing": True}, True, 0),
    ("MismatchRateToBeAtMost", {"max_value": 0.39, "allow_missing": True}, False, 1),
    ("MismatchRateToBeAtMost", {"max_value": 1, "view": "b"}, False, 1),
    ("MismatchRateToBeAtMost", {"max_value": 1, "view": "b", "allow_missing": True}, False, 0),
    ("MismatchRateToBeAtMost", {"max_value": 0, "view": "a", "feature": "x"}, True, 0),
    ("MismatchRateToBeAtMost", {"max_value": 0, "view": "c"}, False, 0),
    ("PresenceRateToBeAtMost", {"max_value": 0.5}, True, 0),
    ("PresenceRateToBeAtMost", {"max_value": 0.1, "feature": "x"}, False, 1),
    ("PsiToBeAtMost", {"max_value": 0.1, "allow_missing": True}, False, 1),
    ("PsiToBeAtMost", {"max_value": 0.3, "feature": "x"}, True, 0),
    ("MeanDifferenceToBeWithin", {"max_value": 0.2, "view": "a"}, True, 0),
    ("MeanDifferenceToBeWithin", {"max_value": 0.15, "view": "a"}, False, 1),
    ("MeanDifferenceToBeWithin", {"max_value": 1e300, "view": "b"}, False, 1),
    ("VarianceRatioToBeWithin", {"max_value": 2, "view": "a"}, True, 0),
    ("VarianceRatioToBeWithin", {"max_value": 1.9, "view": "a"}, False, 1),
    ("VarianceRatioToBeWithin", {"max_value": 1e300, "view": "b"}, False, 1),
    ("NullRateDifferenceToBeWithin", {"max_value": 0.1}, False, 1),
    ("NullRateDifferenceToBeWithin", {"max_value": 0.2}, True, 0),
    ("MetricToBeBetween", {"metric": "variance_ratio", "min_value": 0.4, "view": "a"}, True, 0),
    ("MetricToBeBetween", {"metric": "variance_ratio", "min_value": 0.4, "max_value": 0.9}, False, 2),
    ("VerdictToBeInSet", {}, False, 2),
    ("VerdictToBeInSet", {"feature": "x", "view": "a"}, True, 0),
    ("VerdictToBeInSet", {"value_set": ["pass", "fail", "inconclusive"]}, True, 0),
]
each_case = pytest.mark.parametrize(("name", "kwargs", "success", "unmet"), CASES)


def batch(frame: Any, kind: str = "pandas") -> Any:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = getattr(context.data_sources, f"add_{kind}")(kind)
    definition = source.add_dataframe_asset("metrics").add_batch_definition_whole_dataframe("all")
    return definition.get_batch({"dataframe": frame})


@pytest.fixture(scope="module")
def in_pandas() -> Any:
    return batch(TABLE)


@pytest.fixture(scope="module")
def in_spark(spark: Any) -> Any:
    """The same table; NaN stays NaN in the first column, and is null in the others."""
    frame = TABLE.astype(object).where(TABLE.notna() | (np.arange(TABLE.shape[1]) == 3), None)
    rows = [tuple(float(v) if isinstance(v, float) else v for v in row) for row in frame.itertuples(index=False)]
    types = ", ".join(f"{name} {'string' if i < 3 else 'double'}" for i, name in enumerate(TABLE.columns))
    return batch(spark.createDataFrame(rows, types), "spark")


def check(found: Any, success: bool, unmet: int) -> None:
    assert not found.exception_info["raised_exception"]
    assert found.success is success
    assert found.result["unexpected_count"] == unmet
    assert bool(found.result["details"]["reason"]) is not success


@each_case
def test_pandas(in_pandas: Any, name: str, kwargs: dict[str, Any], success: bool, unmet: int) -> None:
    check(in_pandas.validate(getattr(skew, f"ExpectFeature{name}")(**kwargs)), success, unmet)


@each_case
def test_spark(in_spark: Any, name: str, kwargs: dict[str, Any], success: bool, unmet: int) -> None:
    check(in_spark.validate(getattr(skew, f"ExpectFeature{name}")(**kwargs)), success, unmet)


def test_an_empty_table_in_spark(spark: Any) -> None:
    empty = spark.createDataFrame([], "view string, feature string, psi double")
    check(batch(empty, "spark").validate(skew.ExpectFeaturePsiToBeAtMost(max_value=1)), False, 0)


def test_an_empty_table() -> None:
    check(batch(TABLE.head(0)).validate(skew.ExpectFeaturePsiToBeAtMost(max_value=1)), False, 0)


def test_a_missing_column_is_an_error() -> None:
    found = batch(TABLE.drop(columns="psi")).validate(skew.ExpectFeaturePsiToBeAtMost(max_value=1))
    assert not found.success
    assert "has no column" in str(found.exception_info)


@given(
    values=st.lists(st.none() | st.floats(allow_nan=False) | st.just(0.1), min_size=0, max_size=8),
    limit=st.sampled_from([0.0, 0.1, 1.0]),
    lenient=st.booleans(),
)
def test_any_table_agrees_with_a_loop(values: list[float | None], limit: float, lenient: bool) -> None:
    """The rule by hand: a row at least, no value beyond the limit, none missing, or with leave not all."""
    rows = [("v", f"f{i}", value) for i, value in enumerate(values)]
    expectation = skew.ExpectFeaturePsiToBeAtMost(max_value=limit, allow_missing=lenient)
    found = expectation._validate({"feast_skew.metric_of_features": rows})
    beyond = missing = 0
    for value in values:
        if value is None:
            missing += 1
        elif value > limit or value < -limit:
            beyond += 1
    wanted = bool(values) and not beyond and (missing == 0 or (lenient and missing < len(values)))
    assert found["success"] is wanted
    assert found["result"]["unexpected_count"] == beyond + (0 if lenient else missing)


@pytest.mark.parametrize("name", OWN)
def test_every_expectation_is_registered_and_says_what_it_expects(name: str) -> None:
    """In Data Docs it is a sentence with its numbers, not the name of a function."""
    needed = {"Metric": {"metric": "psi", "min_value": 0.25}, "Verdict": {}}
    kwargs = next((given for part, given in needed.items() if f"Feature{part}To" in name), {"max_value": 1.25})
    expectation = getattr(skew, name)(view="a", feature="x", **kwargs)
    configuration = expectation.configuration
    assert configuration.to_domain_obj() == expectation
    assert configuration.type.startswith("expect_feature_")
    (rendered,) = type(expectation)._prescriptive_renderer(configuration=configuration)
    text = str(rendered)
    assert " of a:x " in text
    assert "None" not in text
    assert "$" not in text
    assert any(str(value) in text for value in expectation.dict().values() if isinstance(value, (float, list)))
    expectation.render()
    (atomic,) = expectation.rendered_content
    parameters = {
        part.lstrip("$").rstrip(".,") for part in atomic.value.template.replace(":", " ").split() if "$" in part
    }
    assert parameters <= set(atomic.value.params)


def test_data_docs(tmp_path: Path) -> None:
    """A team's own project: suite, checkpoint and pages, with the limit, the worst value and the feature that has it."""
    context = gx.get_context(mode="file", project_root_dir=tmp_path)
    context.variables.progress_bars = {"globally": False}
    definition = (
        context.data_sources.add_pandas("skew")
        .add_dataframe_asset("metrics")
        .add_batch_definition_whole_dataframe("all")
    )
    suite = context.suites.add(
        gx.ExpectationSuite(
            name="skew",
            expectations=[
                skew.ExpectFeaturePsiToBeAtMost(max_value=0.1, allow_missing=True, severity="warning"),
                skew.ExpectFeaturePresenceRateToBeAtMost(max_value=0.75),
            ],
        )
    )
    validation = context.validation_definitions.add(gx.ValidationDefinition(name="skew", data=definition, suite=suite))
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(
            name="skew",
            validation_definitions=[validation],
            actions=[gx.checkpoint.UpdateDataDocsAction(name="docs")],
            result_format="COMPLETE",
        )
    )
    result = checkpoint.run({"dataframe": TABLE})
    assert not result.success
    pages = "".join(page.read_text() for page in tmp_path.rglob("*.html"))
    assert "Rendering failed" not in pages
    assert "beyond the limit: b:x 0.3" in pages
    assert "at worst 0.5 (b:x)" in pages
    assert "The PSI of every feature must be at most" in pages


def test_the_table_of_metrics() -> None:
    """Every metric of the report, a row per feature; what was not measured is missing, never zero."""
    table = skew.metrics_table(
        report(
            feature("rate", psi=0.25, later_one=3.0, mean_difference=float("nan")),
            feature("trips", verdict=Verdict.FAIL, psi=None),
        )
    )
    assert table["psi"].tolist()[0] == 0.25
    assert table["later_one"].tolist()[0] == 3.0
    assert table[["psi", "later_one"]].iloc[1].isna().all()
    assert table["mean_difference"].isna().all()
    assert table["verdict"].tolist() == ["pass", "fail"]
    assert table["n"].tolist() == [200, 200]
    empty = skew.metrics_table(report())
    assert len(empty) == 0
    assert list(empty.columns) == [name for name in table.columns if name != "later_one"]


@pytest.mark.parametrize(
    ("difference", "online", "standardized", "ratio"),
    [(0.0, 0.0, 0.0, 1.0), (2.0, 0.0, math.inf, 1.0), (-2.0, 1.0, -math.inf, math.inf), (0.0, 1.0, 0.0, math.inf)],
)
def test_a_feature_that_does_not_vary_offline(
    difference: float, online: float, standardized: float, ratio: float
) -> None:
    extra = {"sd_offline": 0.0, "sd_online": online, "standardized": None}
    moved = Metric(difference, extra=extra)
    result = FeatureResult("v", "f", "Float64", "", "", Verdict.PASS, {}, {"mean_difference": moved})
    table = skew.metrics_table(report(result))
    assert table["mean_difference_standardized"].tolist() == [standardized]
    assert table["variance_ratio"].tolist() == [ratio]


def test_the_table_of_a_comparison_meets_limits_by_hand() -> None:
    """From two tables to a limit: 2 of 100 differ, by 1,000."""
    offline = pd.DataFrame({"id": range(100), "x": np.arange(100.0)})
    online = offline.assign(x=offline["x"].where(offline["id"] < 98, offline["x"] * 1000))
    table = skew.metrics_table(compare(offline, online, ["id"]))
    (row,) = table.to_dict("records")
    assert (row["view"], row["feature"], row["mismatch_rate"], row["n"]) == ("table", "x", 0.02, 100)
    by_hand = (online["x"] - offline["x"]).mean() / offline["x"].std(ddof=1)
    assert row["mean_difference_standardized"] == pytest.approx(by_hand, rel=0.01)
    limit = skew.ExpectFeatureMismatchRateToBeAtMost
    assert batch(table).validate(limit(max_value=0.02)).success
    assert not batch(table).validate(limit(max_value=0.0199)).success


@pytest.mark.parametrize(("severity", "given"), [("fail", "critical"), ("warn", "warning"), ("info", "info")])
def test_a_limit_in_the_run(folder: Path, severity: str, given: str) -> None:
    write(folder, "limits", METRICS, rule("expect_feature_psi_to_be_at_most", given, max_value=0.1))
    found = runner(folder).finish(report(feature("rate", psi=0.31), feature("trips")))
    (finding,) = found.findings
    assert (finding.code, finding.severity, finding.view) == ("FS304", severity, "driver_stats")
    assert "driver_stats:rate 0.31" in finding.detail
    assert found.verdict is (Verdict.FAIL if severity == "fail" else Verdict.PASS)
    assert not runner(folder).finish(report(feature("rate"), feature("trips"))).findings


def test_a_missing_metric_of_a_measured_feature_breaks_its_limit(folder: Path) -> None:
    write(folder, "limits", METRICS, rule("expect_feature_psi_to_be_at_most", max_value=0.1))
    found = runner(folder).finish(report(feature("rate"), feature("city", psi=None)))
    assert [finding.code for finding in found.findings] == ["FS304"]
    assert "no psi of driver_stats:city" in found.findings[0].detail


def test_limits_on_what_was_not_asked_for_are_left_out(folder: Path) -> None:
    write(folder, "limits", METRICS, rule("expect_feature_psi_to_be_at_most", max_value=0, view="rider_stats"))
    assert not runner(folder).finish(report(feature("rate"))).findings
    skipped = runner(folder, skipped=("rider_stats",)).finish(report(feature("rate")))
    assert [finding.code for finding in skipped.findings] == ["FS305"]
