"""Five things that Great Expectations passes without having compared anything; each is refused, for both tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from worlds import METRICS, VALUES, feature, held, only, report, rows, rule, runner, write

from feast_skew.errors import ConfigError
from feast_skew.expectations import metrics_table
from feast_skew.report import SkewReport, Verdict

RATE = rule("expect_column_values_to_be_between", column="rate", min_value=0, max_value=1)
PSI = rule("expect_column_values_to_be_between", column="psi", min_value=0, max_value=0.1)


def codes(found: SkewReport) -> list[tuple[str, str]]:
    return [(finding.code, finding.severity) for finding in found.findings]


def not_checked(found: SkewReport, *words: str) -> None:
    """Check that nothing passed, and that the finding says why."""
    assert codes(found)
    assert set(codes(found)) == {("FS305", "warn")}
    assert all(entry["success"] is None and entry["verdict"] == "inconclusive" for entry in found.expectations)
    for word in words:
        assert any(word in finding.detail for finding in found.findings), [f.detail for f in found.findings]


@pytest.mark.parametrize("about", [VALUES, METRICS], ids=["values", "metrics"])
def test_unknown_expectation(plain: Any, folder: Path, about: Any) -> None:
    unknown = rule("expect_column_value_to_be_betwen", column="rate", min_value=5)
    result = plain(pd.DataFrame({"rate": [0.5]}), unknown)
    assert result.success
    assert not result.results  # dropped
    file = write(folder, "typo", about, unknown)
    with pytest.raises(ConfigError) as refused:
        runner(folder)
    assert str(file) in refused.value.one_line()
    assert "did you mean expect_column_values_to_be_between" in refused.value.one_line()


@pytest.mark.parametrize("about", [VALUES, METRICS], ids=["values", "metrics"])
def test_empty_suite(plain: Any, folder: Path, about: Any) -> None:
    assert plain(pd.DataFrame({"rate": [0.5]})).success
    file = write(folder, "empty", about)
    with pytest.raises(ConfigError, match="no expectations") as refused:
        runner(folder)
    assert str(file) in refused.value.message


def test_nan_among_values(plain: Any, folder: Path) -> None:
    assert plain(pd.DataFrame({"rate": [0.5, float("nan")]}), RATE).success
    write(folder, "rates", VALUES, RATE)
    wrong = rows(2, rate=pa.array([0.5, float("nan")]))
    found = held(folder, rows(2), wrong)
    assert codes(found) == [("FS305", "warn")]
    assert "online" in found.findings[0].detail
    assert [entry["success"] for entry in found.expectations] == [True, None]
    null = held(folder, rows(2), rows(2, rate=pa.array([0.5, None])))
    assert not null.findings  # a null is no number that was passed over


def test_nan_among_metrics(plain: Any, folder: Path) -> None:
    unmeasured = feature("rate", psi=None), feature("trips", psi=0.01)
    assert plain(metrics_table(report(*unmeasured)), PSI).success
    write(folder, "limits", METRICS, PSI)
    not_checked(runner(folder).finish(report(*unmeasured)), "psi")
    highest = rule("expect_column_max_to_be_between", column="psi", max_value=0.1)
    assert plain(metrics_table(report(*unmeasured)), highest).success
    write(folder, "limits", METRICS, highest)
    not_checked(runner(folder).finish(report(*unmeasured)), "psi")
    assert not runner(folder).finish(report(feature("rate"), feature("trips"))).findings


@pytest.mark.parametrize("side", ["offline", "online", "both"])
def test_empty_table_of_values(plain: Any, folder: Path, side: str) -> None:
    assert plain(pd.DataFrame({"rate": pd.Series([], dtype="float64")}), RATE).success
    write(folder, "rates", VALUES, RATE)
    found = held(folder, rows(0) if side != "online" else rows(), rows(0) if side != "offline" else rows())
    assert set(codes(found)) == {("FS305", "warn")}
    empty = [entry for entry in found.expectations if side in ("both", entry["side"])]
    assert all(entry["success"] is None for entry in empty)
    assert all("no rows" in entry["reason"] for entry in empty)


@pytest.mark.parametrize("limit", [PSI, rule("expect_feature_psi_to_be_at_most", max_value=0.1)], ids=["gx", "own"])
def test_empty_table_of_metrics(plain: Any, folder: Path, limit: Any) -> None:
    assert plain(metrics_table(report()), limit).success is (limit is PSI)
    write(folder, "limits", METRICS, limit)
    not_checked(runner(folder).finish(report()), "no rows")


@pytest.mark.parametrize(
    "limit",
    [
        RATE,
        rule("expect_column_values_to_be_in_set", column="rate", value_set=[]),
        rule("expect_column_values_to_not_be_null", column="rate"),
    ],
    ids=["between", "set", "null"],
)
def test_condition_that_no_row_meets_among_values(plain: Any, folder: Path, limit: Any) -> None:
    nowhere = {**limit, "kwargs": {**limit["kwargs"], "row_condition": only("city", "Bazel")}}
    assert plain(rows().to_pandas(), nowhere).success
    write(folder, "rates", VALUES, nowhere)
    not_checked(held(folder, rows(), rows()), "row condition")
    somewhere = {**RATE, "kwargs": {**RATE["kwargs"], "row_condition": only("city", "Basel")}}
    write(folder, "rates", VALUES, somewhere)
    found = held(folder, rows(), rows())
    assert not found.findings
    assert {entry["element_count"] for entry in found.expectations} == {67}


def test_condition_that_no_row_meets_among_metrics(plain: Any, folder: Path) -> None:
    nowhere = rule(
        "expect_column_values_to_be_between", column="psi", max_value=0, row_condition=only("feature", "rat")
    )
    wrong = report(feature("rate", psi=9.0))
    assert plain(metrics_table(wrong), nowhere).success
    write(folder, "limits", METRICS, nowhere)
    not_checked(runner(folder).finish(wrong), "row condition")


def test_column_without_any_value(plain: Any, folder: Path) -> None:
    """A sixth one: every value is null, so every value that there is lies in the range."""
    assert plain(pd.DataFrame({"rate": [None, None]}), RATE).success
    write(folder, "rates", VALUES, RATE)
    found = held(folder, rows(), rows(rate=pa.nulls(200, pa.float64())))
    assert codes(found) == [("FS305", "warn")]
    assert "column rate has no value" in found.findings[0].detail


def test_features_that_were_not_measured_neither_pass_nor_break(folder: Path) -> None:
    """An error is told by its verdict: a limit that had nothing to compare must not turn exit code 3 into 1."""
    write(folder, "limits", METRICS, rule("expect_feature_psi_to_be_at_most", max_value=0.1))
    lost = feature("rate", verdict=Verdict.ERROR, psi=None)
    found = runner(folder).finish(report(lost))
    not_checked(found, "no psi of driver_stats:rate")
    assert found.verdict is Verdict.ERROR
