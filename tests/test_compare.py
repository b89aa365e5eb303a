"""`compare()`: two tables to a report, against loops over their rows."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reports import without_run
from scipy.stats import beta, hypergeom

from feast_skew import SkewReport, compare
from feast_skew.errors import ConfigError, InputError
from feast_skew.report import FeatureResult, Verdict

MIDNIGHT = datetime(2024, 1, 1, tzinfo=timezone.utc)
CLASSES = (
    "match",
    "mismatch",
    "offline_only",
    "online_only",
    "null_offline",
    "null_online",
    "null_both",
    "absent_both",
    "unaligned",
    "corrupt",
)
UNION = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1]), pa.array(["a"])])
TABLES = {
    "arrow": pa.table,
    "chunked": lambda columns: pa.concat_tables([pa.table(columns).slice(i, 2) for i in range(0, 6, 2)]),
    "pandas": lambda columns: pd.DataFrame({name: list(column) for name, column in columns.items()}),
    "dict": dict,
}


def feature(report: SkewReport, name: str = "x") -> FeatureResult:
    return next(found for found in report.features if found.feature == name)


def counts(found: FeatureResult) -> dict[str, int]:
    """The counts that are not 0, the number of entities aside."""
    return {name: count for name, count in found.counts.items() if count and name != "entities"}


def at(hour: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hour)


@pytest.mark.parametrize("offline", TABLES)
@pytest.mark.parametrize("online", TABLES)
def test_every_kind_of_table_gives_the_same_answer(offline: str, online: str) -> None:
    left = {"id": [1, 2, 3, 4, 5], "x": [1.0, 2.0, None, 4.0, None], "s": ["a", "b", "c", None, "e"]}
    right = {"id": [5, 4, 3, 2, 6], "x": [None, 4.5, 3.0, 2.0, 6.0], "s": ["e", None, "C", "b", "f"]}
    report = compare(TABLES[offline](left), TABLES[online](right), ["id"])
    assert report.sample["entities"] == report.sample["population"] == 6
    assert counts(feature(report)) == {
        "match": 1,
        "mismatch": 1,
        "null_offline": 1,
        "null_both": 1,
        "offline_only": 1,
        "online_only": 1,
    }
    assert counts(feature(report, "s")) == {
        "match": 2,
        "mismatch": 1,
        "null_both": 1,
        "offline_only": 1,
        "online_only": 1,
    }
    rate = feature(report).metrics["mismatch_rate"]
    assert (rate.value, rate.low, rate.high) == (0.5, 0.5, 0.5)
    assert feature(report).metrics["presence_rate"].value == pytest.approx(2 / 6)
    assert report.verdict is Verdict.FAIL
    assert {found.view for found in report.features} == {"table"}


def test_with_timestamps_rows_meet_by_instant_and_freshness_is_told() -> None:
    """Entity by entity: aligned, stale, ahead, unaligned, absent, wrong, corrected."""
    history = [
        ("same", 10, 1.0),
        ("same", 12, 2.0),
        ("stale", 10, 1.0),
        ("stale", 12, 2.0),
        ("stale and wrong", 10, 1.0),
        ("stale and wrong", 12, 2.0),
        ("ahead", 10, 1.0),
        ("between", 10, 1.0),
        ("between", 12, 2.0),
        ("before all", 10, 1.0),
        ("wrong", 12, 2.0),
        ("missing", 12, 2.0),
    ]
    online = [
        ("same", 12, 2.0),
        ("stale", 10, 1.0),
        ("stale and wrong", 10, 7.0),
        ("ahead", 13, 9.0),
        ("between", 11, 5.0),
        ("before all", 9, 1.0),
        ("wrong", 12, 3.0),
        ("orphan", 12, 2.0),
    ]
    sides = [
        {"id": [row[0] for row in rows], "event_timestamp": [at(row[1]) for row in rows], "x": [row[2] for row in rows]}
        for rows in (history, online)
    ]
    found = feature(compare(*sides, ["id"]))
    assert found.counts["entities"] == 9
    assert counts(found) == {
        "match": 2,
        "mismatch": 2,
        "unaligned": 3,
        "offline_only": 1,
        "online_only": 1,
        "stale": 4,
        "ahead": 1,
    }
    # Without timestamps the older rows are no history any more: they contradict the newer ones.
    without = [{name: column for name, column in side.items() if name != "event_timestamp"} for side in sides]
    report = compare(*without, ["id"])
    assert (report.sample["entities"], report.sample["population"]) == (5, 9)
    assert [finding.code for finding in report.findings] == ["FS208"]
    # A timestamp on one side only aligns nothing.
    latest = {"id": ["a", "b"], "event_timestamp": [at(1), at(2)], "x": [1.0, 2.0]}
    plain = {"id": ["a", "b"], "x": [1.0, 2.0]}
    for report in (compare(latest, plain, ["id"]), compare(plain, latest, ["id"])):
        assert counts(feature(report)) == {"match": 2}
        assert [found.feature for found in report.features] == ["x"]


def test_rows_meet_across_time_zones_units_and_below_a_microsecond() -> None:
    zones = [timezone.utc, timezone(timedelta(hours=-5)), timezone(timedelta(hours=5, minutes=30))]
    offline = pa.table(
        {"id": [0, 1, 2], "event_timestamp": pa.array([at(1)] * 3, pa.timestamp("s", "UTC")), "x": [1, 2, 3]}
    )
    aware = [at(1).astimezone(zone) for zone in zones]
    online = pd.DataFrame({"id": [0, 1, 2], "event_timestamp": pd.to_datetime(aware, utc=True), "x": [1, 2, 3]})
    assert counts(feature(compare(offline, online, ["id"]))) == {"match": 3}
    naive = pd.DataFrame({"id": [0, 1, 2], "event_timestamp": [at(1).replace(tzinfo=None)] * 3, "x": [1, 2, 3]})
    assert counts(feature(compare(offline, naive, ["id"]))) == {"match": 3}
    ticks = int(at(1).timestamp()) * 10**9
    nanoseconds = pa.array([ticks + 999, ticks, ticks + 1000], pa.int64()).cast(pa.timestamp("ns", "UTC"))
    finer = pa.table({"id": [0, 1, 2], "event_timestamp": nanoseconds, "x": [1, 2, 3]})
    assert counts(feature(compare(offline, finer, ["id"]))) == {"match": 2, "unaligned": 1, "ahead": 1}


def test_align_within_takes_the_nearest_row() -> None:
    offline = {"id": ["a", "a", "b"], "event_timestamp": [at(1), at(2), at(1)], "x": [1, 2, 3]}
    online = {"id": ["a", "b"], "event_timestamp": [at(1.9), at(0.5)], "x": [2, 3]}
    assert counts(feature(compare(offline, online, ["id"]))) == {"unaligned": 2, "stale": 2}
    config = {"defaults": {"align_within": "10m"}}
    assert counts(feature(compare(offline, online, ["id"], config))) == {"match": 1, "unaligned": 1, "stale": 1}
    config = {"features": {"table:x": {"align_within": "30m"}}}
    assert counts(feature(compare(offline, online, ["id"], config))) == {"match": 2}


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_of_several_versions_the_last_created_counts(order: Sequence[int]) -> None:
    rows = [("a", 1, 5, 10.0), ("a", 1, 7, 11.0), ("b", 1, 5, 3.0)]
    picked = [rows[i] for i in order]
    offline = {
        "id": [row[0] for row in picked],
        "event_timestamp": [at(row[1]) for row in picked],
        "created_timestamp": [at(row[2]) for row in picked],
        "x": [row[3] for row in picked],
    }
    online = {"id": ["a", "b"], "event_timestamp": [at(1), at(1)], "x": [11.0, 3.0]}
    report = compare(offline, online, ["id"])
    assert counts(feature(report)) == {"match": 2}
    assert report.findings == ()
    outdated = {**online, "x": [10.0, 3.0]}
    assert [cause.code for cause in feature(compare(offline, outdated, ["id"])).causes] == ["restated"]
    # Without it the two rows of `a` contradict each other, and in no order of rows is one of them picked.
    del offline["created_timestamp"]
    tied = compare(offline, online, ["id"])
    assert [finding.code for finding in tied.findings] == ["FS208"]
    assert counts(feature(tied)) == {"match": 1}
    assert tied.sample["population"] == 2


def wrong_rows(wrong: int, size: int) -> tuple[dict[str, Any], dict[str, Any]]:
    ids, values = np.arange(size), np.arange(size, dtype=float)
    return {"id": ids, "x": values}, {"id": ids, "x": values + (ids < wrong)}


@pytest.mark.parametrize(
    ("wrong", "size", "population"), [(0, 100, 10**9), (3, 200, 10**9), (40, 400, 10**9), (2, 300, 500)]
)
def test_a_population_widens_the_share(wrong: int, size: int, population: int) -> None:
    """Bounds from their definition: the largest number of wrong ones for which seeing so few is not improbable."""
    tables = wrong_rows(wrong, size)
    census = feature(compare(*tables, ["id"])).metrics["mismatch_rate"]
    assert census.low == census.value == census.high == wrong / size
    report = compare(*tables, ["id"], population=population)
    rate = feature(report).metrics["mismatch_rate"]
    assert report.sample["population"] == population
    assert rate.value == census.value
    assert rate.low is not None
    assert rate.high is not None
    assert rate.low <= rate.value < rate.high
    if population > 10**6:
        assert rate.high == pytest.approx(beta.ppf(0.95, wrong + 1, size - wrong), rel=1e-5)
        assert rate.low == pytest.approx(beta.ppf(0.05, wrong, size - wrong + 1) if wrong else 0.0, rel=1e-5, abs=1e-9)
    else:
        possible = range(wrong, population - size + wrong + 1)
        assert rate.high == max(k for k in possible if hypergeom.cdf(wrong, population, k, size) > 0.05) / population
        assert rate.low == min(k for k in possible if hypergeom.sf(wrong - 1, population, k, size) > 0.05) / population
    with pytest.raises(InputError, match="smaller than"):
        compare(*tables, ["id"], population=size - 1)
    assert feature(compare(*tables, ["id"], population=size)).metrics["mismatch_rate"] == census


@pytest.mark.parametrize(
    ("config", "verdict"),
    [
        (None, "fail"),
        ({"defaults": {"mismatch_budget": 0.02}}, "pass"),
        ({"views": {"table": {"mismatch_budget": 0.02}}}, "pass"),
        ({"features": {"table:x": {"mismatch_budget": 0.02}}}, "pass"),
        ({"features": {"table:other": {"owner": "x"}}}, "fail"),
        ({"defaults": {"tolerance": {"atol": 1.0}}}, "pass"),
        ({"defaults": {"tolerance": {"atol": 0.5}}}, "fail"),
        ({"defaults": {"tolerance": {"rtol": 0.6}}}, "pass"),
        ({"defaults": {"ignore": {"until": "2999-01-01", "reason": "known"}}}, "warn"),
        ({"defaults": {"mismatch_budget": 0.02, "mean": 1e-9}}, "fail"),
    ],
)
def test_settings_decide(config: Mapping[str, Any] | None, verdict: str) -> None:
    """One of a hundred is off by 1: 1 against 2."""
    left = {"id": np.arange(100), "x": np.arange(1.0, 101.0), "other": np.arange(100)}
    right = {**left, "x": np.where(np.arange(100) == 0, 2.0, left["x"])}
    report = compare(left, right, ["id"], config)
    assert feature(report).verdict.value == verdict
    assert feature(report, "other").verdict is Verdict.PASS


def test_settings_come_from_a_file_too(tmp_path: Path) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text("show_entities: true\nfeatures: {'table:x': {owner: me, mismatch_budget: 1}}\n")
    tables = wrong_rows(1, 10)
    for config in (file, str(file)):
        found = feature(compare(*tables, ["id"], config))
        assert (found.owner, found.verdict) == ("me", Verdict.PASS)
        assert found.examples[0].key == {"id": 0}
    assert feature(compare(*tables, ["id"])).examples[0].key == {"id": "***"}
    for bad, message in (
        ({"sampel": 5}, "unknown key 'sampel'"),
        ({"features": {"table:y": {}}}, "table:y"),
        ({"views": {"tabel": {}}}, "tabel"),
        (tmp_path / "none.yaml", "does not exist"),
    ):
        with pytest.raises(ConfigError, match=message):
            compare(*tables, ["id"], bad)


@pytest.mark.parametrize(
    ("offline", "online", "keys", "message"),
    [
        ({"id": [1], "x": [1]}, {"id": [1], "x": [1]}, [], "no keys were given"),
        ({"id": [1], "x": [1]}, {"id": [1], "x": [1]}, ["no"], "the offline table has no key column 'no'"),
        ({"id": [1], "x": [1]}, {"no": [1], "x": [1]}, ["id"], "the online table has no key column 'id'"),
        ({"id": [1], "x": [1]}, {"id": [1], "y": [1]}, ["id"], "share no feature"),
        ({"id": [1], "x": [1]}, {"id": [1], "x": [1]}, ["id", "id"], "key 'id' is given twice"),
        ({"id": [1], "x": [1]}, {"id": [1], "x": [1, 2]}, ["id"], "the online table"),
        ([1, 2], {"id": [1], "x": [1]}, ["id"], "the offline table, a list"),
        ({"id": [1], "x": [object()]}, {"id": [1], "x": [1]}, ["id"], "the offline table"),
        (pa.table([[1], [1], [2]], names=["id", "x", "x"]), {"id": [1], "x": [1]}, ["id"], "column 'x' twice"),
        ({"id": [[1]], "x": [1]}, {"id": [1], "x": [1]}, ["id"], "keys of the offline table do not fit"),
        ({"id": [1], "x": [1]}, {"id": [[1]], "x": [1]}, ["id"], "keys of the online table do not fit"),
        ({"id": [[1]], "x": [1]}, {"id": [[1]], "x": [1]}, ["id"], "keys of the offline table do not fit"),
        ({"id": [1], "x": pa.nulls(1)}, {"id": [1], "x": UNION}, ["id"], "no type in common"),
        (
            {"id": [1], "x": [1], "event_timestamp": ["now"]},
            {"id": [1], "x": [1], "event_timestamp": [at(1)]},
            ["id"],
            "event_timestamp holds string, not timestamps",
        ),
        (
            {"id": [1], "x": [1], "event_timestamp": [at(1)]},
            {"id": [1, 2], "x": [1, 2], "event_timestamp": [at(1), None]},
            ["id"],
            "rows without an event timestamp",
        ),
    ],
)
def test_bad_input_is_one_clear_line(offline: Any, online: Any, keys: list[str], message: str) -> None:
    with pytest.raises((InputError, ConfigError), match=message) as caught:
        compare(offline, online, keys)
    assert "\n" not in caught.value.one_line()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (pa.array([1, 2, 3], pa.int32()), pa.array([3, 2, 1], pa.int64())),
        (pa.array([1, 2, 3], pa.int64()), pa.array([3.0, 2.0, 1.0], pa.float64())),
        (pa.array([1, 2, 3], pa.int64()), pa.array(["3", "2", "1"])),
        (pa.array(["1", "2", "3"]), pa.array(["3", "2", "1"], pa.large_string())),
        (pa.array(["1", "2", "3"]).dictionary_encode(), pa.array(["3", "2", "1"])),
        (pa.array([b"1", b"2", b"3"]), pa.array([b"3", b"2", b"1"], pa.large_binary())),
        (pa.array([1, 2, 3], pa.uint8()), pa.array([3, 2, 1], pa.int8())),
        (pa.array([1.0, 2.0, 3.0]), pa.array(["3.0", "2.0", "1.0"])),
        (pa.array([Decimal("1.0"), Decimal("2.0"), Decimal("3.0")]), pa.array([3, 2, 1])),
        (pa.array([2**64 - 3, 2**64 - 2, 1], pa.uint64()), pa.array([1, 2**64 - 2, 2**64 - 3], pa.uint64())),
        (pa.array([2**53, 2**53 + 1, 3]), pa.array(["3", str(2**53 + 1), str(2**53)]).cast(pa.string_view())),
        (
            pa.array([{"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 3, "b": 1}]),
            pa.array([{"b": 1, "a": i} for i in (3, 2, 1)]),
        ),
    ],
)
def test_ids_of_other_types_are_the_same_ids(left: pa.Array, right: pa.Array) -> None:
    found = feature(compare({"id": left, "x": [1, 2, 3]}, {"id": right, "x": [3, 2, 1]}, ["id"]))
    assert counts(found) == {"match": 3}


def money(*amounts: str) -> pa.Array:
    return pa.array([Decimal(amount) for amount in amounts])


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (pa.array([1, 2], pa.int32()), pa.array([1, 3], pa.int64()), {"match": 1, "mismatch": 1}),
        (pa.array([1, 2], pa.int64()), pa.array([1.0, 2.5]), {"match": 1, "mismatch": 1}),
        (pa.array([2**60 + 1, 5], pa.int64()), pa.array([2**60, 5], pa.int64()), {"match": 1, "mismatch": 1}),
        (pa.array([0.1, 0.2], pa.float32()), pa.array([0.1, 0.2], pa.float32()), {"match": 2}),
        (pa.array(["1", "b"]), pa.array([1, 2]), {"match": 1, "mismatch": 1}),
        (pa.array([True, False]), pa.array([1, 1]), {"match": 1, "mismatch": 1}),
        (pa.array([[1, 2], []]), pa.array([[1.0, 2.0], [0.0]]), {"match": 1, "mismatch": 1}),
        (pa.array([1.0, float("nan")]), pa.array([1.0, None]), {"match": 1, "null_both": 1}),
        (pa.array([1.0, float("inf")]), pa.array([1.0, float("inf")]), {"match": 2}),
        (pa.nulls(2), pa.array([1, 2]), {"null_offline": 2}),
        (pa.array([1, 2]), pa.nulls(2), {"null_online": 2}),
        (pa.nulls(2), pa.nulls(2), {"null_both": 2}),
        (pa.array([[1], []]), pa.array([[], []]), {"match": 1, "mismatch": 1}),
        (pa.array([{"a": 1}, {"a": 2}]), pa.array([{"a": 1}, {"a": 3}]), {"match": 1, "mismatch": 1}),
        (pa.array([at(1), at(2)]), pa.array([at(1), at(3)], pa.timestamp("s", "UTC")), {"match": 1, "mismatch": 1}),
        (pa.array([12345678901, 20]), pa.array([12345678901.0, 21.0]), {"match": 1, "mismatch": 1}),
        (pa.array([1_700_000_000, 5]), pa.array([1_700_000_001.0, None]), {"mismatch": 1, "null_online": 1}),
        (pa.array([2**60 + 400, 2**60]), pa.array([2.0**60, 2.0**60]), {"match": 1, "mismatch": 1}),
        (pa.array([2**60 + 256, 2**60]), pa.array([2.0**60 + 256, 2.0**60]), {"match": 2}),
        (money("12345678901.01", "1.10"), money("12345678901.02", "1.10"), {"match": 1, "mismatch": 1}),
        (money("12345678901234567890", "1.10"), money("12345678901234567891", "1.1"), {"match": 1, "mismatch": 1}),
        (pa.array([2**63 + 5, 1], pa.uint64()), pa.array([2**63 + 5, 2], pa.uint64()), {"match": 1, "mismatch": 1}),
        (pa.array([[], []]), pa.nulls(2), {"null_online": 2}),
        (pa.array([[], []]), pa.array([1, 2]), {"mismatch": 2}),
        (pa.array(["a", "b"]), pa.array(["a", "c"]).cast(pa.string_view()), {"match": 1, "mismatch": 1}),
        (pa.array([b"a", b"b"]), pa.array([b"a", b"c"]).cast(pa.binary_view()), {"match": 1, "mismatch": 1}),
        (pa.array([{"a": 1, "b": 2}] * 2), pa.array([{"b": 2, "a": 1}, {"b": 1, "a": 2}]), {"match": 1, "mismatch": 1}),
        (pa.array([0.5, 1.0]), pa.array(["0.5", "1.0"]), {"match": 2}),
        (pa.array([True, False]), pa.array(["True", "true"]), {"match": 1, "mismatch": 1}),
        (pa.array([timedelta(1), None]), pa.array([timedelta(1), None]), {"match": 1, "null_both": 1}),
    ],
)
def test_values_of_every_type(left: pa.Array, right: pa.Array, expected: dict[str, int]) -> None:
    for one, other in ((left, right), (right, left)):
        report = compare({"id": [1, 2], "x": one}, {"id": [1, 2], "x": other}, ["id"])
        seen = counts(feature(report))
        if one is not left:
            swap = {"null_offline": "null_online", "null_online": "null_offline"}
            seen = {swap.get(name, name): count for name, count in seen.items()}
        assert seen == expected
        json.dumps(report.to_dict(), allow_nan=False)


def test_decimals_are_numbers_in_every_other_way() -> None:
    amounts = [Decimal(i) / 100 for i in range(60)]
    left, right = (
        {"id": list(range(60)), "x": [amount + cents for amount in amounts]} for cents in (0, Decimal("0.01"))
    )
    found = feature(compare(left, right, ["id"]))
    assert counts(found) == {"mismatch": 60}
    assert found.metrics["mean_difference"].value == pytest.approx(0.01)
    assert counts(feature(compare(left, right, ["id"], {"defaults": {"tolerance": {"atol": 0.01}}}))) == {"match": 60}


def test_keys_that_are_times_differ_below_a_second() -> None:
    ticks = [1_700_000_000_000_000, 1_700_000_000_000_001, 1_700_000_000_500_000]
    offline = pa.array(ticks, pa.int64()).cast(pa.timestamp("us"))
    online = pa.array([tick * 1000 for tick in ticks], pa.int64()).cast(pa.timestamp("ns", "America/New_York"))
    report = compare({"id": offline, "x": [1, 2, 3]}, {"id": online, "x": [1, 2, 4]}, ["id"], {"show_entities": True})
    assert counts(feature(report)) == {"match": 2, "mismatch": 1}
    assert str(feature(report).examples[0].key["id"]).startswith("2023-11-14T22:13:20.5")
    whole = {"id": pa.array([1, 2], pa.timestamp("s")), "x": [1, 2]}
    assert counts(feature(compare(whole, {**whole, "id": whole["id"].cast(pa.timestamp("ns"))}, ["id"]))) == {
        "match": 2
    }


def test_rows_with_a_null_key_are_left_out_and_told() -> None:
    offline = {"id": [1, None, 3, None], "x": [1, 2, 3, 4]}
    online = {"id": [1, 3, None], "x": [1, 3, 9]}
    report = compare(offline, online, ["id"])
    assert feature(report).counts["entities"] == 2
    assert counts(feature(report)) == {"match": 2}
    told = [(finding.code, finding.severity, finding.detail) for finding in report.findings]
    assert told == [
        ("FS203", "info", "2 offline rows have a null join key and were left out"),
        ("FS203", "info", "1 online rows have a null join key and were left out"),
    ]
    # A composite key is null when any part is.
    part = {"a": [1, 1, None], "b": ["x", None, "x"], "v": [1, 2, 3]}
    report = compare(part, part, ["a", "b"])
    assert counts(feature(report, "v")) == {"match": 1}
    assert len(report.findings) == 2


def test_columns_on_one_side_only_are_no_features() -> None:
    report = compare({"id": [1], "x": [1], "mine": [1]}, {"id": [1], "yours": [1], "x": [1]}, ["id"])
    assert [found.feature for found in report.features] == ["x"]
    assert [(finding.code, finding.severity, finding.detail) for finding in report.findings] == [
        ("FS211", "info", "columns of one table were not compared (only offline: mine; only online: yours)")
    ]


def test_a_key_may_be_given_as_one_name() -> None:
    assert counts(feature(compare({"id": [1], "x": [1]}, {"id": [1], "x": [1]}, "id"))) == {"match": 1}


def test_empty_tables_decide_nothing_and_one_empty_side_fails() -> None:
    full, empty = pa.table({"id": [1, 2], "x": [1.0, 2.0]}), pa.table({"id": [1], "x": [1.0]}).slice(0, 0)
    report = compare(empty, empty, ["id"])
    assert report.verdict is Verdict.INCONCLUSIVE
    assert feature(report).counts["entities"] == 0
    assert counts(feature(compare(full, empty, ["id"]))) == {"offline_only": 2}
    assert counts(feature(compare(empty, full, ["id"]))) == {"online_only": 2}
    for report in (compare(full, empty, ["id"]), compare(empty, full, ["id"])):
        assert report.verdict is Verdict.FAIL
        json.dumps(report.to_dict(), allow_nan=False)
    bare = {"id": [], "x": [], "event_timestamp": []}
    stamped = {"id": [1], "x": [1], "event_timestamp": [at(1)]}
    assert compare(bare, bare, ["id"]).verdict is Verdict.INCONCLUSIVE
    assert counts(feature(compare(stamped, bare, ["id"]))) == {"offline_only": 1}
    assert counts(feature(compare(bare, stamped, ["id"]))) == {"online_only": 1}


Rows = list[tuple[Any, ...]]
IDS = st.tuples(st.one_of(st.none(), st.integers(0, 3)), st.sampled_from(["a", "b", ""]))
HOURS = st.integers(0, 4)
FLOAT = st.one_of(st.none(), st.sampled_from([0.0, 1.0, 1 + 1e-10, 2.0, float("nan"), float("inf"), 1e308]))
TEXT = st.one_of(st.none(), st.sampled_from(["", "a", "b"]))


def tables(rows: Rows, *, timed: bool) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "k": pa.array([row[0][0] for row in rows], pa.int64()),
        "l": pa.array([row[0][1] for row in rows], pa.string()),
        "x": pa.array([row[2] for row in rows], pa.float64(), from_pandas=False),
        "s": pa.array([row[3] for row in rows], pa.string()),
    }
    if timed:
        columns["event_timestamp"] = pa.array([at(row[1]) for row in rows], pa.timestamp("us", "UTC"))
    return columns


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or abs(one - other) <= 1e-12 + 1e-9 * max(abs(one), abs(other)) < float("inf")
    return bool(one == other)


def missing(value: Any) -> bool:
    return value is None or value != value  # noqa: PLR0124  NaN is not itself


def oracle(offline: Rows, online: Rows, place: int) -> dict[str, int]:
    """Every class and overlay counted row by row."""
    history: dict[Any, dict[int, Any]] = defaultdict(dict)
    for row in offline:
        if row[0][0] is not None:
            history[row[0]][row[1]] = row[place]
    now = {row[0]: (row[1], row[place]) for row in online if row[0][0] is not None}
    tally: dict[str, int] = defaultdict(int)
    for key in {*history, *now}:
        if key not in now:
            tally["offline_only"] += 1
            continue
        if key not in history:
            tally["online_only"] += 1
            continue
        instant, value = now[key]
        latest = max(history[key])
        tally["stale"] += instant < latest
        tally["ahead"] += instant > latest
        if instant not in history[key]:
            tally["unaligned"] += 1
            continue
        known = history[key][instant]
        if missing(known) or missing(value):
            name = (
                "null_both"
                if missing(known) and missing(value)
                else "null_offline"
                if missing(known)
                else "null_online"
            )
        else:
            name = "match" if same(known, value) else "mismatch"
        tally[name] += 1
    return {name: count for name, count in tally.items() if count}


@settings(max_examples=100)
@given(
    st.lists(st.tuples(IDS, HOURS, FLOAT, TEXT), max_size=15, unique_by=lambda row: (row[0], row[1])),
    st.lists(st.tuples(IDS, HOURS, FLOAT, TEXT), max_size=8, unique_by=lambda row: row[0]),
    st.randoms(use_true_random=False),
)
def test_all_counts_are_those_of_a_loop(offline: Rows, online: Rows, random: Any) -> None:
    """With timestamps, composite keys, null keys, nulls and NaN; in any order of rows."""
    report = compare(tables(offline, timed=True), tables(online, timed=True), ["l", "k"])
    for place, name in ((2, "x"), (3, "s")):
        found = feature(report, name)
        assert counts(found) == oracle(offline, online, place)
        assert sum(found.counts[kind] for kind in CLASSES) == found.counts["entities"]
    random.shuffle(offline)
    random.shuffle(online)
    again = compare(tables(offline, timed=True), tables(online, timed=True), ["k", "l"])
    assert_same(report, again)


@settings(max_examples=100)
@given(
    st.lists(st.tuples(IDS, st.just(0), FLOAT, TEXT), max_size=12, unique_by=lambda row: row[0]),
    st.lists(st.tuples(IDS, st.just(0), FLOAT, TEXT), max_size=12, unique_by=lambda row: row[0]),
)
def test_without_timestamps_as_well_and_the_report_is_json(offline: Rows, online: Rows) -> None:
    report = compare(tables(offline, timed=False), tables(online, timed=False), ["k", "l"])
    for place, name in ((2, "x"), (3, "s")):
        assert counts(feature(report, name)) == oracle(offline, online, place)
    shown = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert shown["verdict"] == report.verdict.value
    assert {entry["feature"] for entry in shown["features"]} == {"x", "s"}


def assert_same(one: SkewReport, other: SkewReport) -> None:
    """The same but for the run's name and moment, and which of equal entities is the example."""
    sides = [without_run(report) for report in (one, other)]
    for side in sides:
        for entry in side["features"]:
            entry.pop("examples")
    assert_close(*sides)


def assert_close(one: Any, other: Any) -> None:
    """Equal, but for the order in which numbers were added up."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            assert_close(one[name], other[name])
    elif isinstance(one, (list, tuple)):
        for part, counterpart in zip(one, other, strict=True):
            assert_close(part, counterpart)
    else:
        assert one == (pytest.approx(other, rel=1e-9, abs=1e-12) if isinstance(other, float) else other)


def test_the_order_of_rows_changes_nothing_on_real_sizes() -> None:
    random = np.random.default_rng(0)
    size = 3000
    ids = random.permutation(size * 2)[:size]
    values = random.gamma(2, 3, size)
    left = pa.table({"id": ids, "x": values, "s": random.choice(["a", "b", "c"], size)})
    scaled = np.where(random.random(size) < 0.1, values * 60, values)
    right = pa.table({"id": ids, "x": scaled, "s": left.column("s")})
    right = right.filter(pa.array(random.random(size) < 0.99))
    first = compare(left, right, ["id"])
    shuffled = [table.take(pa.array(random.permutation(table.num_rows))) for table in (left, right)]
    second = compare(*shuffled, ["id"])
    for one, other in zip(first.features, second.features, strict=True):
        assert one.counts == other.counts
        assert [(c.code, c.share) for c in one.causes] == [(c.code, c.share) for c in other.causes]
        assert one.metrics["mismatch_rate"] == other.metrics["mismatch_rate"]
        assert one.metrics["psi"].value == pytest.approx(other.metrics["psi"].value, rel=1e-12)
