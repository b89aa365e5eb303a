"""Files of suites that cannot be used: one line that names the file and what to write instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from worlds import METRICS, VALUES, VIEWS, rule, write

from feast_skew.errors import EXIT_USAGE, ConfigError
from feast_skew.expectations.suites import read_suites

GOOD = rule("expect_column_values_to_not_be_null", column="rate")


def refusal(folder: Path, *parts: str) -> str:
    with pytest.raises(ConfigError) as refused:
        read_suites(folder, VIEWS)
    assert refused.value.exit_code == EXIT_USAGE
    line = refused.value.one_line()
    for part in parts:
        assert part in line, line
    return line


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("{", ("is no JSON", "Expecting")),
        ('{"name": "a", "name": "b"}', ("is no JSON", "'name' is written twice")),
        ('{"name": NaN}', ("is no JSON", "NaN is no number")),
        ("[]", ("must be a JSON object",)),
        ("{}", ("has no name",)),
        ('{"name": "a", "expectation": []}', ("unknown key 'expectation'", "did you mean expectations?")),
        ('{"name": "a"}', ("does not say which table",)),
        ('{"name": "a", "meta": {"feast_skew": "values"}}', ("meta.feast_skew must be a JSON object",)),
        ("[" * 100_000, ("is no JSON",)),
    ],
)
def test_files_that_are_no_suite(folder: Path, text: str, parts: tuple[str, ...]) -> None:
    (folder / "suite.json").write_text(text)
    refusal(folder, str(folder / "suite.json"), *parts)


def test_text_that_is_no_utf8(folder: Path) -> None:
    (folder / "suite.json").write_bytes(b'{"name": "\xff"}')
    refusal(folder, "suite.json is no JSON")


@pytest.mark.parametrize(
    ("about", "parts"),
    [
        ({"table": "values", "view": "driver_stat"}, ("view 'driver_stat'", "did you mean driver_stats")),
        ({"table": "values"}, ("does not say which table",)),
        ({"table": "metrics", "view": "driver_stats"}, ("does not say which table",)),
        ({"table": "value", "view": "driver_stats"}, ("does not say which table",)),
        ({"tabel": "metrics"}, ("unknown key 'tabel'", "did you mean table?")),
    ],
)
def test_suites_about_nothing_that_exists(folder: Path, about: Any, parts: tuple[str, ...]) -> None:
    write(folder, "suite", about, GOOD)
    refusal(folder, "suite.json", *parts)


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        ("expect", ("must be a JSON object",)),
        ({"kwargs": {}}, ("has no type",)),
        ({**GOOD, "serverity": "info"}, ("unknown key 'serverity'", "did you mean severity?")),
        ({**GOOD, "severity": "fatal"}, ("severity 'fatal'", "critical, warning, info")),
        ({**GOOD, "kwargs": []}, ("kwargs must be",)),
        (rule("expect_column_values_to_not_be_null", colum="rate"), ("unknown key 'colum'", "did you mean column?")),
        (rule("expect_column_values_to_not_be_null"), ("cannot be used", "column", "required")),
        (rule("expect_table_row_count_to_be_between", min_value=2, max_value=1), ("cannot be used", "less than")),
        (rule("expect_column_values_to_be_between", column="rate"), ("min_value", "max_value", "always pass")),
        (rule("expect_column_values_to_not_be_null", column="rates"), ("has no column 'rates'", "rate", "trips")),
        (rule("expect_column_pair_values_to_be_equal", column_A="rate", column_B="trip"), ("no column 'trip'",)),
        (rule("expect_compound_columns_to_be_unique", column_list=["driver_id", "day"]), ("no column 'day'",)),
    ],
)
def test_rules_that_cannot_be_used(folder: Path, entry: Any, parts: tuple[str, ...]) -> None:
    write(folder, "suite", VALUES, GOOD, entry)
    refusal(folder, "suite.json", *parts)


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        (rule("expect_feature_psi_to_be_at_most"), ("max_value", "required")),
        (rule("expect_feature_psi_to_be_at_most", max_value=-1), ("at least 0",)),
        (rule("expect_feature_variance_ratio_to_be_within", max_value=0.9), ("at least 1",)),
        (rule("expect_feature_psi_to_be_at_most", max_value=1, view="driver"), ("no view 'driver'", "driver_stats")),
        (rule("expect_feature_psi_to_be_at_most", max_value=1, feature="rat"), ("no feature 'rat'", "rate")),
        (
            rule("expect_feature_psi_to_be_at_most", max_value=1, view="rider_stats", feature="rate"),
            ("no feature 'rate'", "score"),
        ),
        (rule("expect_feature_metric_to_be_between", metric="psi"), ("would always pass",)),
        (rule("expect_feature_metric_to_be_between", metric="psi", min_value=2, max_value=1), ("above",)),
        (rule("expect_feature_verdict_to_be_in_set", value_set=["passed"]), ("pass, warn",)),
        (rule("expect_feature_psi_to_be_at_most", max_value=1, row_condition="x"), ("unknown key 'row_condition'",)),
    ],
)
def test_limits_that_cannot_be_used(folder: Path, entry: Any, parts: tuple[str, ...]) -> None:
    write(folder, "suite", METRICS, entry)
    refusal(folder, "suite.json", *parts)


def test_two_suites_of_one_name(folder: Path) -> None:
    write(folder, "suite", VALUES, GOOD)
    (folder / "deeper").mkdir()
    (folder / "other.json").write_text((folder / "suite.json").read_text())
    refusal(folder, "suite.json", "other.json", "both named 'suite'")


def test_suites_in_folders_are_read_and_hidden_ones_are_not(folder: Path) -> None:
    (folder / "deeper").mkdir()
    (folder / ".history").mkdir()
    write(folder / "deeper", "suite", VALUES, GOOD)
    (folder / ".history" / "broken.json").write_text("{")
    assert [suite.name for suite in read_suites(folder, VIEWS)] == ["suite"]
    assert read_suites(folder / ".history" / "none", VIEWS) == ()
