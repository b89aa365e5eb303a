"""`compare()` of whatever two tables can hold: a report without NaN, or one clear line; never a warning or a traceback."""

from __future__ import annotations

import itertools
import json
import math
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reports import without_run

from feast_skew import SkewReport, compare
from feast_skew.errors import InputError, SkewError
from feast_skew.report import FeatureResult, Verdict

N = 8
NAN, INF = float("nan"), float("inf")
CLASSES = {
    *("match", "mismatch", "offline_only", "online_only", "null_offline", "null_online", "null_both", "absent_both"),
    *("unaligned", "corrupt"),
}


def walk(value: Any, path: str = "") -> None:
    """Nothing in a report is other than plain JSON: text, whole numbers, finite numbers, nothing."""
    if isinstance(value, dict):
        for name, part in value.items():
            assert isinstance(name, str), path
            walk(part, f"{path}/{name}")
    elif isinstance(value, (list, tuple)):
        for i, part in enumerate(value):
            walk(part, f"{path}[{i}]")
    elif isinstance(value, float):
        assert math.isfinite(value), (path, value)
    else:
        assert value is None or isinstance(value, (str, int)), (path, type(value))


def plain(report: SkewReport) -> dict[str, Any]:
    """The report as JSON, after what holds for every report was checked; without the run's name and moment."""
    shown = report.to_dict()
    walk(shown)
    json.dumps(shown, allow_nan=False)
    for found in report.features:
        assert sum(found.counts[name] for name in CLASSES) == found.counts["entities"]
        if found.verdict is Verdict.INCONCLUSIVE:
            assert found.reasons
    return without_run(report)


def outcome(offline: Any, online: Any, keys: Any = "id", config: Any = None) -> dict[str, Any] | str:
    """The report, or the one line that says why there is none."""
    try:
        return plain(compare(offline, online, keys, config))
    except SkewError as error:
        line = error.one_line()
    assert len(line.splitlines()) == 1
    return line


def feature(report: SkewReport, name: str = "x") -> FeatureResult:
    return next(found for found in report.features if found.feature == name)


COLUMNS: dict[str, pa.Array] = {
    "null": pa.nulls(N),
    "bool": pa.array([True, False, None, True, False, True, True, False]),
    "int8": pa.array([1, -128, 127, 0, None, 5, 6, 7], pa.int8()),
    "uint8": pa.array([1, 0, 255, 0, None, 5, 6, 7], pa.uint8()),
    "int32": pa.array([1, -(2**31), 2**31 - 1, 0, None, 5, 6, 7], pa.int32()),
    "int64": pa.array([1, -(2**63), 2**63 - 1, 0, None, 5, 6, 7], pa.int64()),
    "int64 greatest": pa.array([2**63 - 1] * N, pa.int64()),
    "uint64": pa.array([1, 0, 2**64 - 1, 0, None, 5, 6, 2**63], pa.uint64()),
    "half": pa.array(np.array([1, 0, 65504, -0.0, NAN, INF, -INF, 6e-8], np.float16)),
    "float": pa.array([1, 3.4e38, -3.4e38, 1e-45, NAN, INF, None, -0.0], pa.float32()),
    "double": pa.array([1e308, -1e308, 1.7976931348623157e308, 5e-324, -0.0, INF, -INF, NAN]),
    "double large": pa.array([1e308] * N),
    "double large negative": pa.array([-1e308] * N),
    "double whole": pa.array([1.0, 2.0, 3.0, None, 5.0, 6.0, 7.0, 8.0]),
    "double fractions": pa.array([1.5, 2.25, 3.0, None, 5.0, 6.0, 7.0, 8.0]),
    "double NaN": pa.array([NAN] * N),
    "double null": pa.nulls(N, pa.float64()),
    "double infinite": pa.array([INF] * N),
    "string": pa.array(["a", "", "1", None, "nan", "é\x00\u202e", "1e400", "x"]),
    "string of numbers": pa.array(["1.5", "2", "3", "nan", "inf", "-inf", "1e308", "8"]),
    "string of booleans": pa.array(["true", "false", "True", None, "0", "1", "true", "false"]),
    "string of decimals": pa.array(["1.50", "2", "3", "NaN", "Infinity", "sNaN", "1e999", "8"]),
    "string long": pa.array(["x" * 100_000] * N),
    "string large": pa.array(["a", "b", None, "d", "e", "f", "g", "h"], pa.large_string()),
    "string view": pa.array(["a", "b", None, "d", "e", "f", "g", "h"]).cast(pa.string_view()),
    "bytes": pa.array([b"a", b"", None, b"\xff\xfe", b"e", b"f", b"g", b"h"]),
    "bytes fixed": pa.array([b"ab", b"cd", None, b"\xff\xfe", b"ee", b"ff", b"gg", b"hh"], pa.binary(2)),
    "decimal": pa.array(
        [Decimal("1.10"), Decimal(-999999999999999999999), None, *map(Decimal, range(5))], pa.decimal128(38, 2)
    ),
    "decimal 256": pa.array(
        [Decimal(10) ** 70, -(Decimal(10) ** 70), None, *map(Decimal, range(5))], pa.decimal256(76, 2)
    ),
    "second": pa.array([0, -(2**63), None, 1, 2, 3, 4, 2**63 - 1], pa.timestamp("s", "UTC")),
    "microsecond": pa.array([0, -1, None, 1, 2, 3, 4, 2**60], pa.timestamp("us")),
    "nanosecond": pa.array([0, -(2**63), None, 1, 2, 3, 4, 2**63 - 1], pa.timestamp("ns", "Asia/Tokyo")),
    "date": pa.array([0, -(2**31), None, 1, 2, 3, 4, 2**31 - 1], pa.date32()),
    "time": pa.array([0, 1, None, 1, 2, 3, 4, 5], pa.time64("ns")),
    "duration": pa.array([0, -(2**63), None, 1, 2, 3, 4, 2**63 - 1], pa.duration("s")),
    "duration fine": pa.array([0, -(2**63), None, 1, 2, 3, 4, 2**63 - 1], pa.duration("ns")),
    "interval": pa.array([pa.MonthDayNano([1, 2, 3])] * N),
    "list of integers": pa.array([[1, 2], [], None, [None], [2**63 - 1, -(2**63)], [5], [6], [7]]),
    "list of doubles": pa.array([[1.0, NAN], [], None, [None], [1e308, 1e308], [INF], [-0.0], [7]]),
    "list of strings": pa.array([["a"], [], None, [None], [""], ["f"], ["g"], ["h"]]),
    "list of bytes": pa.array([[b"a"], [], None, [None], [b"\xff"], [b"f"], [b"g"], [b"h"]]),
    "list of nulls": pa.array([[None], [], None, [None], [], [], [], []]),
    "list of lists": pa.array([[[1.0, NAN]], [], None, [None], [[]], [], [], []]),
    "list of structs": pa.array([[{"a": 1}], [], None, [None], [{"a": None}], [], [], []]),
    "list fixed": pa.array(
        [[1, 2], [3, 4], None, [None, 1], [1, 1], [5, 5], [6, 6], [7, 7]], pa.list_(pa.float32(), 2)
    ),
    "struct": pa.array([{"a": NAN}, {"a": INF}, None, {"a": 1e308}, {"a": -0.0}, {"a": 5}, {"a": None}, {"a": 7}]),
    "struct empty": pa.array([{}] * N, pa.struct([])),
    "map": pa.array(
        [[("a", NAN)], [], None, [("b", None)], [("a", INF)], [], [], []], pa.map_(pa.string(), pa.float64())
    ),
    "dictionary": pa.array(["a", "b", None, "a", "b", "a", "b", "a"]).dictionary_encode(),
    "run ends": pa.RunEndEncodedArray.from_arrays(pa.array([4, 8], pa.int32()), pa.array([1, 2])),
    "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes([i]) * 16 for i in range(N)], pa.binary(16))),
    "union": pa.UnionArray.from_sparse(
        pa.array([0, 1] * 4, pa.int8()), [pa.array(range(N)), pa.array(list("abcdefgh"))]
    ),
}
HOUR = timedelta(hours=1)
MOMENT = datetime(2024, 1, 1, tzinfo=timezone.utc)
STAMPS = {
    "none": None,
    "the same": [MOMENT] * N,
    "another": [MOMENT + i % 3 * HOUR for i in range(N)],
    "ends": pa.array([0, -(2**63), 2**63 - 1, 1, 2, 3, -1, 2**62], pa.timestamp("ns")),
    "seconds": pa.array([0, -(2**63), 2**63 - 1, 1, 2, 3, -1, 2**62], pa.timestamp("s", "UTC")),
}


def reordered(column: Any, order: Any) -> Any:
    if isinstance(column, list):
        return [column[i] for i in order]
    # Slices, for Arrow takes no rows out of views.
    return pa.concat_arrays([column.slice(int(i), 1) for i in order]) if column.type.num_fields == 0 else column


@pytest.mark.slow
def test_every_pair_of_types_has_an_outcome() -> None:
    ids = list(range(N))
    for one, other in itertools.product(COLUMNS.values(), repeat=2):
        outcome({"id": ids, "x": one}, {"id": ids, "x": other})


@settings(max_examples=150)
@given(
    st.sampled_from(sorted(COLUMNS)),
    st.sampled_from(sorted(COLUMNS)),
    st.sampled_from(sorted(STAMPS)),
    st.sampled_from(sorted(STAMPS)),
    st.permutations(range(N)),
)
def test_any_two_columns_have_an_outcome_that_no_order_of_rows_changes(
    one: str, other: str, stamps: str, online_stamps: str, order: list[int]
) -> None:
    sides: list[dict[str, Any]] = [{"id": list(range(N)), "x": COLUMNS[name]} for name in (one, other)]
    for side, name in zip(sides, (stamps, online_stamps), strict=True):
        if STAMPS[name] is not None:
            side["event_timestamp"] = STAMPS[name]
    found = outcome(*sides)
    if not any(
        COLUMNS[name].type.num_fields or pa.types.is_run_end_encoded(COLUMNS[name].type) for name in (one, other)
    ):
        moved = [{name: reordered(column, order) for name, column in side.items()} for side in sides]
        assert outcome(*moved) == found
    assert outcome(*sides) == found


@settings(max_examples=100)
@given(st.sampled_from(sorted(COLUMNS)), st.sampled_from(sorted(COLUMNS)))
def test_any_two_columns_as_keys_have_an_outcome(one: str, other: str) -> None:
    """Keys repeat in many of them, are null, NaN, infinite, nested or at the ends of time."""
    values = list(range(N))
    outcome({"id": COLUMNS[one], "x": values}, {"id": COLUMNS[other], "x": values})
    found = outcome(
        {"id": COLUMNS[one], "x": values}, {"id": COLUMNS[one], "x": values}, config={"show_entities": True}
    )
    if isinstance(found, dict):
        assert found["features"][0]["counts"]["mismatch"] == 0


EXTREMES: dict[str, Any] = {
    "sum overflows": np.full(64, 1e308),
    "difference overflows": np.where(np.arange(64) % 2, 1e308, -1e308),
    "ramp to the end": (np.arange(64) - 32) / 32 * 1.7e308,
    "largest": np.full(64, np.finfo(np.float64).max),
    "denormal": np.full(64, 5e-324),
    "denormal ramp": np.arange(64) * 5e-324,
    "negative zero": np.full(64, -0.0),
    "infinite": np.full(64, INF),
    "some infinite": np.where(np.arange(64) % 3 == 0, INF, np.arange(64)),
    "NaN": np.full(64, NAN),
    "all scales": 10.0 ** np.linspace(-300, 300, 64),
    "ramp": np.arange(64) * 1.0,
    "constant": np.ones(64),
    "int64 greatest": np.full(64, 2**63 - 1),
    "int64 least": np.full(64, -(2**63)),
    "int64 both ends": np.where(np.arange(64) % 2, 2**63 - 1, -(2**63)),
    "uint64 greatest": np.full(64, 2**64 - 1, np.uint64),
    "float greatest": np.full(64, np.finfo(np.float32).max),
    "booleans": np.arange(64) % 2 == 0,
    "few": np.arange(64) % 3,
    "half null": pa.array([None if i % 2 else float(i) for i in range(64)]),
    "null": pa.nulls(64, pa.float64()),
}


@pytest.mark.parametrize("one", EXTREMES)
def test_numbers_at_the_ends_give_no_warning_and_no_nan(one: str) -> None:
    """All columns against one, with limits on every metric and without."""
    ids = np.arange(64)
    offline = {"id": ids, **dict.fromkeys(EXTREMES, EXTREMES[one])}
    online = {"id": ids, **EXTREMES}
    for limit in (None, 0.1, "auto"):
        config = {"defaults": dict.fromkeys(("psi", "mean", "variance", "null_rate"), limit)} if limit else None
        report = compare(offline, online, ["id"], config)
        plain(report)
        assert len(report.features) == len(EXTREMES)
        same = feature(report, one)
        assert same.counts["match"] + same.counts["null_both"] == 64
    plain(compare(pa.table(offline).slice(0, 1), pa.table(online).slice(0, 1), ["id"]))


@pytest.mark.parametrize(
    ("offline", "online", "verdict", "reason"),
    [
        ({"id": [], "x": []}, {"id": [], "x": []}, "inconclusive", "no entity"),
        ({"id": [None], "x": [1]}, {"id": [None], "x": [1]}, "inconclusive", "no entity"),
        ({"id": [1], "x": [1]}, {"id": [], "x": []}, "fail", "1 of 1 are in one store only"),
        ({"id": [], "x": []}, {"id": [1], "x": [1]}, "fail", "1 of 1 are in one store only"),
        ({"id": [1], "x": [1]}, {"id": [2], "x": [1]}, "fail", "2 of 2 are in one store only"),
        ({"id": [1], "x": [1]}, {"id": [1], "x": [1]}, "pass", ""),
        ({"id": [1], "x": [1]}, {"id": [1], "x": [2]}, "fail", "1 of 1 differ"),
        ({"id": [1, 2], "x": [None, None]}, {"id": [1, 2], "x": [None, None]}, "warn", "null on both sides"),
        ({"id": [1, 2], "x": [None, None]}, {"id": [1, 2], "x": [1, 2]}, "fail", "2 of 2 differ"),
        ({"id": [1, 2], "x": [5, 5]}, {"id": [1, 2], "x": [5, 5]}, "pass", ""),
        ({"id": [1, 1], "x": [1, 2]}, {"id": [1], "x": [1]}, "inconclusive", "rows that contradict each other"),
        ({"id": [1, 1], "x": [1, 1]}, {"id": [1], "x": [1]}, "pass", ""),
        ({"id": [NAN, 1.0], "x": [9, 1]}, {"id": [NAN, 1.0], "x": [8, 1]}, "pass", ""),
        ({"id": [0.0], "x": [1]}, {"id": [-0.0], "x": [1]}, "pass", ""),
        ({"id": [INF, -INF], "x": [1, 2]}, {"id": [INF, -INF], "x": [1, 2]}, "pass", ""),
        ({"": [1, 2], "x": [1, 2]}, {"": [1, 2], "x": [1, 2]}, "pass", ""),
        ({"id": [1], "": [1]}, {"id": [1], "": [1]}, "pass", ""),
        ({"id": ["x" * 10**6], "x": ["y" * 10**6]}, {"id": ["x" * 10**6], "x": ["z" * 10**6]}, "fail", "1 of 1 differ"),
        ({"id": [2**63 - 1, -(2**63)], "x": [1, 2]}, {"id": [2**63 - 1, -(2**63)], "x": [1, 2]}, "pass", ""),
    ],
)
def test_each_odd_table_has_a_stated_verdict(offline: Any, online: Any, verdict: str, reason: str) -> None:
    keys = [name for name in offline if name != "x"] if "" in offline and "x" in offline else ["id"]
    report = compare(offline, online, keys)
    plain(report)
    assert report.verdict.value == verdict
    assert reason in " ".join(report.features[0].reasons)


def test_a_column_that_cannot_be_read_beside_the_other_is_one_line() -> None:
    ids = [1, 2]
    for one, other in ((COLUMNS["null"], COLUMNS["union"]), (COLUMNS["bool"], COLUMNS["bytes"])):
        with pytest.raises(InputError, match="column 'x'"):
            compare({"id": ids, "x": one.slice(2, 2)}, {"id": ids, "x": other.slice(2, 2)}, ["id"])


ITEMS = st.sampled_from(
    ["bool", "int8", "uint64", "half", "double", "string", "decimal", "second", "list of doubles", "struct"]
)


@settings(max_examples=100)
@given(
    ITEMS,
    ITEMS,
    st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 6)), st.integers(0, N - 1)), max_size=12),
    st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 6)), st.integers(0, N - 1)), max_size=12),
    st.randoms(use_true_random=False),
)
def test_random_tables_with_repeats_nulls_and_gaps(
    one: str, other: str, offline: Any, online: Any, random: Any
) -> None:
    def table(rows: Any, name: str) -> pa.Table:
        places = pa.array([row[1] for row in rows], pa.int64())
        return pa.table({"id": pa.array([row[0] for row in rows], pa.int64()), "x": COLUMNS[name].take(places)})

    found = outcome(table(offline, one), table(online, other))
    random.shuffle(offline)
    random.shuffle(online)
    again = outcome(table(offline, one), table(online, other))
    assert again == found
    if isinstance(found, dict):
        whole = {row[0] for row in (*offline, *online) if row[0] is not None}
        assert found["sample"]["population"] == len(whole)
