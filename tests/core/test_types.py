"""Values of either store in their declared types, against plain Python."""

from __future__ import annotations

import math
import struct
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feast_skew.core.types import (
    NULL_TIMESTAMP_SECONDS,
    Kind,
    declared_from_arrow,
    declared_type,
    floats,
    shared_type,
    to_declared,
    wider_type,
)

UTC = timezone.utc
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def as_float32(value: float) -> float:
    """Round the way a float32 holds it, by the standard library's own packing; too large is infinite."""
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def declare(values: Any, name: str) -> pa.Array:
    return to_declared(values, declared_type(name))


@pytest.mark.parametrize(
    ("name", "kind", "arrow"),
    [
        ("Int32", Kind.INTEGER, pa.int32()),
        ("Int64", Kind.INTEGER, pa.int64()),
        ("Float32", Kind.FLOAT32, pa.float32()),
        ("Float64", Kind.FLOAT64, pa.float64()),
        ("Bool", Kind.BOOLEAN, pa.bool_()),
        ("String", Kind.STRING, pa.string()),
        ("Bytes", Kind.BYTES, pa.binary()),
        ("UnixTimestamp", Kind.TIMESTAMP, pa.timestamp("s", tz="UTC")),
        ("Array(Int64)", Kind.LIST, pa.list_(pa.int64())),
        ("Array(UnixTimestamp)", Kind.LIST, pa.list_(pa.timestamp("s", tz="UTC"))),
        ("Map", Kind.TEXT, pa.string()),
        ("Array(Array(Int64))", Kind.TEXT, pa.string()),
    ],
)
def test_every_feast_type_has_a_kind_and_an_arrow_type(name: str, kind: Kind, arrow: pa.DataType) -> None:
    found = declared_type(name)
    assert (found.name, found.kind, found.arrow) == (name, kind, arrow)
    assert (found.item is not None) == (kind is Kind.LIST)


@pytest.mark.parametrize(
    ("given", "name", "expected"),
    [
        (pa.array([1, None, 3], pa.int8()), "Int32", [1, None, 3]),
        (pa.array([1.0, math.nan, None, -2.0]), "Int64", [1, None, None, -2]),
        (pa.array([2.0**53, -(2.0**62)]), "Int64", [2**53, -(2**62)]),
        (pa.array(["7", "-8", None]), "Int64", [7, -8, None]),
        (pa.array([True, None, False]), "Int64", [1, None, 0]),
        (pa.array([1, 0, None]), "Bool", [True, False, None]),
        (pa.array([1, None], pa.int64()), "Float64", [1.0, None]),
        (pa.array([True, None]), "Float64", [1.0, None]),
        (pa.array(["1.5", "nan", None]), "Float64", [1.5, None, None]),
        (pa.array([Decimal("1.25"), None], pa.decimal128(10, 2)), "Float64", [1.25, None]),
        (pa.array([Decimal("3.00"), None], pa.decimal256(40, 2)), "Int64", [3, None]),
        (pa.array([1.5, math.nan, None], pa.float32()), "Float64", [1.5, None, None]),
        (pa.array(np.array([1.5, np.nan, 65504], np.float16)), "Float32", [1.5, None, 65504.0]),
        (pa.array(np.array([0.25, np.nan], np.float16)), "Float64", [0.25, None]),
        (pa.array([math.inf, -math.inf, -0.0]), "Float64", [math.inf, -math.inf, -0.0]),
        (pa.array([1e300, 0.1, math.nan]), "Float32", [math.inf, as_float32(0.1), None]),
        (pa.array(["a", None, "ä"]).dictionary_encode(), "String", ["a", None, "ä"]),
        (pa.array([5, None, 5]).dictionary_encode(), "Int32", [5, None, 5]),
        (pa.array(["a", None], pa.large_string()), "String", ["a", None]),
        (pa.array([b"a", None], pa.large_binary()), "Bytes", [b"a", None]),
        (pa.array([b"ab", None], pa.binary(2)), "Bytes", [b"ab", None]),
        (pa.array([1, None]), "String", ["1", None]),
        (pa.nulls(2), "Float64", [None, None]),
        (pa.nulls(2), "Array(String)", [None, None]),
        (pa.array([], pa.string()), "Float64", []),
        (pa.chunked_array([[1], [], [None, 2]], pa.int64()), "Int32", [1, None, 2]),
        (pa.chunked_array([], pa.int64()), "Int32", []),
    ],
)
def test_values_arrive_as_feast_would_store_them(given: Any, name: str, expected: list[Any]) -> None:
    found = declare(given, name)
    assert found.to_pylist() == expected
    assert found.type == declared_type(name).arrow
    assert [math.copysign(1, v) for v in found.to_pylist() if isinstance(v, float)] == [
        math.copysign(1, v) for v in expected if isinstance(v, float)
    ]


@pytest.mark.parametrize("name", ["Int32", "Int64"])
@pytest.mark.parametrize("odd", [1.5, 1e300, -1e19])
def test_integers_that_arrive_with_fractions_or_too_large_stay_doubles(name: str, odd: float) -> None:
    """Rounded they might match, and the difference would never be seen."""
    found = declare(pa.array([1.0, odd, math.nan]), name)
    assert found.type == pa.float64()
    assert found.to_pylist() == [1.0, odd, None]


@pytest.mark.parametrize(("values", "name"), [(["x"], "Int64"), (["x"], "Float64"), ([2**40], "Int32")])
def test_values_without_a_meaning_in_the_type_are_refused(values: list[Any], name: str) -> None:
    with pytest.raises((pa.ArrowInvalid, pa.ArrowNotImplementedError)):
        declare(pa.array(values), name)


@given(
    unit=st.sampled_from(sorted(PER_SECOND)),
    ticks=st.lists(st.one_of(st.none(), st.integers(-(2**62), 2**62))),
    zone=st.sampled_from([None, "UTC", "America/New_York", "+05:30"]),
)
def test_timestamps_are_cut_down_to_whole_seconds_utc(unit: str, ticks: list[int | None], zone: str | None) -> None:
    """Also before 1970: half a second before it is second -1, not 0."""
    array = pa.array(ticks, pa.int64()).cast(pa.timestamp(unit, tz=zone))
    expected = [None if tick is None else math.floor(Fraction(tick, PER_SECOND[unit])) for tick in ticks]
    found = declare(array, "UnixTimestamp")
    assert found.type == pa.timestamp("s", tz="UTC")
    assert found.cast(pa.int64()).to_pylist() == expected


def test_timestamps_come_as_dates_numbers_and_the_online_null() -> None:
    noon = datetime(1969, 12, 31, 12, 30, tzinfo=UTC)
    seconds = -11.5 * 3600
    assert declare(pa.array([noon]), "UnixTimestamp").cast(pa.int64()).to_pylist() == [seconds]
    assert declare(pa.array([date(1970, 1, 2), None]), "UnixTimestamp").cast(pa.int64()).to_pylist() == [86400, None]
    numbers = pa.array([-5, NULL_TIMESTAMP_SECONDS, None], pa.int64())
    assert declare(numbers, "UnixTimestamp").cast(pa.int64()).to_pylist() == [-5, None, None]
    assert declare(pa.array([7.0, math.nan]), "UnixTimestamp").cast(pa.int64()).to_pylist() == [7, None]
    eastern = datetime(2013, 1, 1, tzinfo=timezone(timedelta(hours=-5)))
    aware = pa.array(pd.Series([pd.Timestamp(eastern)]))
    assert declare(aware, "UnixTimestamp").to_pylist() == [datetime(2013, 1, 1, 5, tzinfo=UTC)]
    with pytest.raises(pa.ArrowInvalid, match="holds no timestamps"):
        declare(pa.array([True]), "UnixTimestamp")


NUMBERS = st.lists(st.one_of(st.none(), st.lists(st.one_of(st.none(), st.integers(-1000, 1000)), max_size=4)))


@given(rows=NUMBERS, item=st.sampled_from(["Int32", "Int64", "Float32", "Float64"]), start=st.integers(0, 3))
def test_lists_keep_their_lengths_nulls_and_empties(rows: list[Any], item: str, start: int) -> None:
    """Also when they are a slice of a longer column, large, or come as doubles."""
    want = rows[start:]
    for arrow in (pa.list_(pa.int64()), pa.large_list(pa.int16()), pa.list_(pa.float64())):
        found = declare(pa.array(rows, arrow)[start:], f"Array({item})")
        assert found.type == declared_type(f"Array({item})").arrow
        assert found.to_pylist() == want


def test_lists_of_other_makes() -> None:
    assert declare(pa.array([[1.0, math.nan], None, []]), "Array(Float64)").to_pylist() == [[1.0, None], None, []]
    fixed = pa.array([[1, 2], None, [3, None]], pa.list_(pa.int64(), 2))
    assert declare(fixed, "Array(Int64)").to_pylist() == [[1, 2], None, [3, None]]
    strings = pa.array([["a", None], []], pa.large_list(pa.large_string()))
    assert declare(strings, "Array(String)").to_pylist() == [["a", None], []]
    times = pa.array([[datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC)]], pa.list_(pa.timestamp("us")))
    assert declare(times, "Array(UnixTimestamp)").to_pylist() == [[datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)]]


def test_fractions_in_a_list_of_integers_are_not_cut_away() -> None:
    """[1.5] declared as a list of integers is not [1]."""
    found = declare(pa.array([[1.5, 2.0], None]), "Array(Int64)")
    assert found.to_pylist() == [[1.5, 2.0], None]


def test_what_has_no_arrow_form_becomes_text() -> None:
    structs = pa.array([{"a": 1}, None])
    assert declare(structs, "Map").to_pylist() == ["{'a': 1}", None]
    nested = pa.array([[[1], []], None])
    assert declare(nested, "Array(Array(Int64))").to_pylist() == ["[[1], []]", None]


@pytest.mark.parametrize(
    ("arrow", "name"),
    [
        (pa.bool_(), "Bool"),
        (pa.int8(), "Int32"),
        (pa.uint16(), "Int32"),
        (pa.int32(), "Int32"),
        (pa.uint32(), "Int64"),
        (pa.int64(), "Int64"),
        (pa.uint64(), "Int64"),
        (pa.float16(), "Float32"),
        (pa.float32(), "Float32"),
        (pa.float64(), "Float64"),
        (pa.decimal128(10, 2), "Float64"),
        (pa.timestamp("ns"), "UnixTimestamp"),
        (pa.date32(), "UnixTimestamp"),
        (pa.date64(), "UnixTimestamp"),
        (pa.binary(), "Bytes"),
        (pa.binary(3), "Bytes"),
        (pa.large_binary(), "Bytes"),
        (pa.string(), "String"),
        (pa.large_string(), "String"),
        (pa.null(), "String"),
        (pa.dictionary(pa.int8(), pa.string()), "String"),
        (pa.list_(pa.float64()), "Array(Float64)"),
        (pa.large_list(pa.large_string()), "Array(String)"),
        (pa.list_(pa.int16(), 3), "Array(Int32)"),
        (pa.list_(pa.list_(pa.int64())), "Other"),
        (pa.struct([("a", pa.int64())]), "Other"),
        (pa.duration("s"), "Other"),
    ],
)
def test_an_arrow_column_finds_its_type(arrow: pa.DataType, name: str) -> None:
    assert declared_from_arrow(arrow).name == name
    if arrow != pa.null():
        assert to_declared(pa.nulls(2).cast(arrow), declared_from_arrow(arrow)).null_count == 2


# By hand, row and column in the order of the names; "" stands for String.
ORDER = ["Bool", "Int32", "Int64", "Float32", "Float64", "String", "UnixTimestamp"]
WIDER = [
    ["Bool", "Int32", "Int64", "Float32", "Float64", "", ""],
    ["Int32", "Int32", "Int64", "Float64", "Float64", "", ""],
    ["Int64", "Int64", "Int64", "Float64", "Float64", "", ""],
    ["Float32", "Float64", "Float64", "Float32", "Float64", "", ""],
    ["Float64", "Float64", "Float64", "Float64", "Float64", "", ""],
    ["", "", "", "", "", "", ""],
    ["", "", "", "", "", "", "UnixTimestamp"],
]


def test_two_columns_meet_in_the_type_that_holds_both() -> None:
    found = [[wider_type(declared_type(a), declared_type(b)).name for b in ORDER] for a in ORDER]
    assert found == [[name or "String" for name in row] for row in WIDER]
    lists = [
        [wider_type(declared_type(f"Array({a})"), declared_type(f"Array({b})")).name for b in ORDER] for a in ORDER
    ]
    assert lists == [[f"Array({name or 'String'})" for name in row] for row in WIDER]


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))))
def test_floats_are_the_nearest_doubles_with_a_mask(values: list[int | None]) -> None:
    numbers, valid = floats(pa.array(values, pa.int64()))
    assert numbers.tolist() == [float(v or 0) for v in values]
    assert valid.tolist() == [v is not None for v in values]


def test_floats_of_booleans_and_timestamps() -> None:
    numbers, valid = floats(pa.array([True, None, False]))
    assert (numbers.tolist(), valid.tolist()) == ([1.0, 0.0, 0.0], [True, False, True])
    numbers, valid = floats(pa.array([-5, None], pa.int64()).cast(pa.timestamp("s", tz="UTC")))
    assert (numbers.tolist(), valid.tolist()) == ([-5.0, 0.0], [True, False])


def test_a_column_of_nulls_alone_follows_the_other_side() -> None:
    nothing, empties = pa.null(), pa.list_(pa.null())
    assert shared_type(nothing, pa.int64()).name == "Int64"
    assert shared_type(pa.float32(), nothing).name == "Float32"
    assert shared_type(nothing, nothing).name == "String"
    assert shared_type(empties, pa.list_(pa.int64())).name == "Array(Int64)"
    assert shared_type(pa.list_(pa.float64()), empties).name == "Array(Float64)"
    assert shared_type(pa.dictionary(pa.int8(), pa.string()), pa.large_string()).name == "String"
    assert declare(pa.array([[], None, [None]]), "Array(Int64)").to_pylist() == [[], None, [None]]
