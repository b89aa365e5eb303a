"""Rules about the values of a view, held against both stores."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import great_expectations as gx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import VALUES, feature, held, report, rows, rule, runner, write

from feast_skew.errors import ConfigError
from feast_skew.expectations import engine
from feast_skew.expectations.values import to_frames
from feast_skew.report import SkewReport, Verdict

RANGE = "expect_column_values_to_be_between"
GOOD, BAD = rows(), rows(rate=pa.array(np.linspace(0.0, 1000.0, 200)))


def told(found: SkewReport) -> list[tuple[str, str, str]]:
    return [(finding.code, finding.severity, finding.view) for finding in found.findings]


@pytest.mark.parametrize(
    ("offline", "online", "code", "severity", "verdicts"),
    [
        (GOOD, GOOD, None, None, ("pass", "pass")),
        (GOOD, BAD, "FS301", "fail", ("pass", "fail")),
        (BAD, BAD, "FS302", "warn", ("warn", "warn")),
        (BAD, GOOD, "FS303", "warn", ("warn", "pass")),
    ],
)
def test_sides(
    folder: Path, offline: pa.Table, online: pa.Table, code: str | None, severity: str, verdicts: tuple[str, str]
) -> None:
    write(folder, "rates", VALUES, rule(RANGE, column="rate", min_value=0, max_value=1))
    found = held(folder, offline, online)
    assert told(found) == ([(code, severity, "driver_stats")] if code else [])
    assert tuple(entry["verdict"] for entry in found.expectations) == verdicts
    assert [entry["side"] for entry in found.expectations] == ["offline", "online"]
    assert found.verdict is (Verdict.FAIL if code == "FS301" else Verdict.PASS)
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize(("severity", "given"), [("fail", "critical"), ("warn", "warning"), ("info", "info")])
def test_severity_of_the_rule_is_that_of_the_finding(folder: Path, severity: str, given: str) -> None:
    write(folder, "rates", VALUES, rule(RANGE, given, column="rate", max_value=1))
    found = held(folder, GOOD, BAD)
    assert [finding.severity for finding in found.findings] == [severity]
    assert (found.verdict is Verdict.FAIL) is (severity == "fail")
    assert found.expectations[1]["verdict"] == ("fail" if severity == "fail" else "warn")


def test_percentile_that_was_1_and_is_1000(folder: Path) -> None:
    """The finding names rule, column, observed value and what was expected."""
    ranges = {"quantiles": [0.5, 0.99], "value_ranges": [[0, 600], [None, 10]]}
    write(
        folder,
        "rates",
        VALUES,
        rule("expect_column_quantile_values_to_be_between", column="rate", quantile_ranges=ranges),
    )
    found = held(folder, GOOD, BAD)
    assert told(found) == [("FS301", "fail", "driver_stats")]
    detail = found.findings[0].detail
    observed = found.expectations[1]["observed"]["values"][1]
    assert 980 < observed < 1000
    for part in (
        "suite rates",
        "rate:",
        "expect_column_quantile_values_to_be_between",
        "the 99 % quantile",
        "at most 10",
    ):
        assert part in detail
    assert f"{observed:,.6g}" in detail
    assert "50 %" not in detail


@given(wrong=st.integers(0, 200), nulls=st.integers(0, 50))
def test_counts_are_those_of_a_loop(tmp_path_factory: pytest.TempPathFactory, wrong: int, nulls: int) -> None:
    folder = tmp_path_factory.mktemp("suites")
    write(folder, "rates", VALUES, rule(RANGE, column="rate", min_value=0, max_value=1))
    values = [2.0 if i < wrong else 0.5 for i in range(200)]
    values = [None if i % 4 == 1 and i // 4 < nulls else value for i, value in enumerate(values)]
    entry = held(folder, rows(), rows(rate=pa.array(values, pa.float64()))).expectations[1]
    present = [value for value in values if value is not None]
    outside = sum(value > 1 for value in present)
    assert entry["element_count"] == 200
    assert entry["unexpected_count"] == outside
    assert entry["unexpected_share"] == pytest.approx(outside / len(present), abs=1e-12)
    assert entry["success"] is (outside == 0)


def test_column_that_exists_and_cannot_be_compared_is_a_configuration_error(folder: Path) -> None:
    write(folder, "rates", VALUES, rule(RANGE, column="city", max_value=1))
    with pytest.raises(ConfigError) as refused:
        held(folder, rows(), rows())
    line = refused.value.one_line()
    for part in (
        "suite rates",
        RANGE,
        "on city",
        "offline values of view driver_stats",
        "must either be None or of the same type",
        "trips (int64)",
    ):
        assert part in line
    assert "Basel" not in line


def test_column_that_went_missing_is_a_configuration_error(folder: Path) -> None:
    """Where the loader could not know: in a row condition."""
    condition = {"type": "comparison", "column": {"name": "town"}, "operator": "==", "parameter": "Bern"}
    write(folder, "rates", VALUES, rule(RANGE, column="rate", max_value=1, row_condition=condition))
    with pytest.raises(ConfigError) as refused:
        held(folder, rows(), rows())
    assert refused.value.exit_code == 2
    assert "city (object)" in refused.value.one_line()


def test_rules_about_columns_that_were_not_asked_for_are_left_out(folder: Path) -> None:
    write(folder, "rates", VALUES, rule(RANGE, column="rate", max_value=1), rule(RANGE, column="trips", max_value=100))
    part = rows().drop_columns(["rate", "city"])
    run = runner(folder)
    run.check_view("driver_stats", ["driver_id"], part, part)
    assert {entry["column"] for entry in run.finish(report(feature("trips"))).expectations} == {"trips"}


def test_views_that_were_to_be_measured_and_were_not_are_told(folder: Path) -> None:
    write(folder, "rates", VALUES, rule(RANGE, column="rate", max_value=1))
    lost = runner(folder, "driver_stats").finish(report(feature("rate", verdict=Verdict.ERROR)))
    assert [finding.code for finding in lost.findings] == ["FS305", "FS305"]
    skipped = runner(folder, "rider_stats", skipped=("driver_stats",)).finish(report(feature("score", "rider_stats")))
    assert "not online" in skipped.findings[0].detail
    elsewhere = runner(folder, "rider_stats").finish(report(feature("score", "rider_stats")))
    assert not elsewhere.findings
    assert not elsewhere.expectations


@pytest.mark.parametrize("show", [False, True])
def test_keys_are_masked_unless_shown(folder: Path, show: bool) -> None:
    write(folder, "keys", VALUES, rule("expect_column_max_to_be_between", column="driver_id", max_value=150))
    run = runner(folder, show_entities=show)
    run.check_view("driver_stats", ["driver_id"], rows(100), rows())
    found = run.finish(report(feature("rate")))
    assert ("199" in json.dumps(found.to_dict()["expectations"][1]["observed"])) is show
    assert ("199" in found.findings[0].detail) is show


def test_types_are_the_same_on_both_sides() -> None:
    """Whatever a side holds; nulls are nulls, and whole numbers lose no digit."""
    moment = pa.timestamp("s", tz="UTC")
    offline = pa.table(
        {
            "whole": pa.array([1, 2], pa.int64()),
            "long": pa.array([2**53 + 1, 5], pa.int64()),
            "clean": pa.array([1, 2], pa.int32()),
            "truth": pa.array([True, False]),
            "at": pa.array([0, 1], moment),
            "text": pa.array(["a", "b"]),
            "list": pa.array([[1], []], pa.list_(pa.int64())),
            "money": pa.array([Decimal("1.10"), None], pa.decimal128(5, 2)),
            "real": pa.array([1.5, 2.5], pa.float32()),
        }
    )
    online = pa.table({name: pa.nulls(2, offline.column(name).type) for name in offline.column_names})
    online = online.set_column(2, "clean", pa.array([3, 4], pa.int32()))
    (left, _), (right, holes) = to_frames(offline, online)
    assert left.dtypes.to_dict() == right.dtypes.to_dict()
    assert not holes
    assert left.dtypes.astype(str).to_dict() == {
        "whole": "float64",
        "long": "Int64",
        "clean": "int32",
        "truth": "object",
        "at": "datetime64[s, UTC]",
        "text": "object",
        "list": "object",
        "money": "object",
        "real": "float32",
    }
    assert int(left["long"].iloc[0]) == 2**53 + 1
    assert right.drop(columns="clean").isna().all().all()
    (empty, _), _ = to_frames(offline.slice(0, 0), offline.slice(0, 0))
    assert len(empty) == 0
    assert list(empty.columns) == offline.column_names


def test_context_of_the_caller_stays(folder: Path) -> None:
    """A run inside of somebody's own project leaves it the current one."""
    write(folder, "rates", VALUES, rule(RANGE, column="rate", max_value=1))
    from great_expectations.data_context.data_context.context_factory import project_manager

    mine = gx.get_context(mode="ephemeral")
    held(folder, rows(), rows())
    assert project_manager.get_current_project() is mine


def test_all_rules_of_a_suite_are_asked_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Great Expectations takes its time for each validation, whatever the rules in it."""
    write(folder, "rates", VALUES, *[rule(RANGE, column="rate", max_value=1 + i) for i in range(10)])
    asked = []

    def counted(batch: Any, expectations: Any) -> Any:
        asked.append(len(expectations))
        return validate(batch, expectations)

    validate = engine._validate
    monkeypatch.setattr(engine, "_validate", counted)
    held(folder, rows(), rows())
    assert [count for count in asked if count] == [10, 10]  # offline and online


def test_plain_pandas_types_are_what_people_write_rules_for() -> None:
    (left, _), _ = to_frames(rows(), rows())
    assert left.dtypes.astype(str).to_dict()["trips"] == "int64"
    assert isinstance(left["event_timestamp"].dtype, pd.DatetimeTZDtype)
