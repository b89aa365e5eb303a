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
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feast_skew.core.meeting import declared_from_arrow, exact_timestamp, meet, wider_type
from feast_skew.core.types import NULL_TIMESTAMP_SECONDS, Kind, declared_type, floats, to_declared

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
        ("PdfBytes", Kind.BYTES, pa.binary()),
        ("ImageBytes", Kind.BYTES, pa.binary()),
        ("Uuid", Kind.UUID, pa.string()),
        ("TimeUuid", Kind.UUID, pa.string()),
        ("Decimal", Kind.DECIMAL, pa.decimal256(76, 38)),
        ("ZonedTimestamp", Kind.ZONED, pa.string()),
        ("Array(Decimal)", Kind.LIST, pa.list_(pa.decimal256(76, 38))),
        ("Set(Float32)", Kind.SET, pa.list_(pa.float32())),
        ("Set(Uuid)", Kind.SET, pa.list_(pa.string())),
        ("Map", Kind.NESTED, pa.string()),
        ("Json", Kind.NESTED, pa.string()),
        ("ScalarMap", Kind.NESTED, pa.string()),
        ("Struct({x: Int64, y: Array(String)})", Kind.NESTED, pa.string()),
        ("Array(Map)", Kind.NESTED, pa.string()),
        ("Set(Array(String))", Kind.NESTED, pa.string()),
        ("SomethingOfTomorrow", Kind.NESTED, pa.string()),
        ("Array(Array(Int64))", Kind.NESTED, pa.string()),
    ],
)
def test_every_feast_type_has_a_kind_and_an_arrow_type(name: str, kind: Kind, arrow: pa.DataType) -> None:
    found = declared_type(name)
    assert (found.name, found.kind, found.arrow) == (name, kind, arrow)
    assert (found.item is not None) == (kind in (Kind.LIST, Kind.SET))


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
    assert declare(structs, "Map").to_pylist() == ['{"a":1}', None]
    nested = pa.array([[[1], []], None])
    assert declare(nested, "Array(Array(Int64))").to_pylist() == ["[[1],[]]", None]


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
        (pa.decimal128(10, 2), "Decimal(10, 2)"),
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


def met(one: pa.Array, other: pa.Array) -> tuple[str, list[Any], list[Any]]:
    """Both columns as they are compared, with the name of their type."""
    declared, left, right = meet(one, other)
    return declared.name, to_declared(left, declared).to_pylist(), to_declared(right, declared).to_pylist()


def test_a_column_of_nulls_alone_follows_the_other_side() -> None:
    nothing, empties = pa.nulls(2), pa.array([[], None], pa.list_(pa.null()))
    assert met(nothing, pa.array([1, 2])) == ("Int64", [None, None], [1, 2])
    assert met(pa.array([1.5, 2], pa.float32()), nothing) == ("Float32", [1.5, 2.0], [None, None])
    assert met(nothing, nothing) == ("String", [None, None], [None, None])
    assert met(empties, pa.array([[1], [2]])) == ("Array(Int64)", [[], None], [[1], [2]])
    assert met(pa.array([[1.5], []]), empties) == ("Array(Float64)", [[1.5], []], [[], None])
    assert met(empties, nothing) == ("Array(String)", [[], None], [None, None])
    assert met(empties, pa.array([1, 2])) == ("String", ["[]", None], ["1", "2"])
    assert met(pa.array(["a"]).dictionary_encode(), pa.array(["b"], pa.large_string())) == ("String", ["a"], ["b"])
    assert declare(pa.array([[], None, [None]]), "Array(Int64)").to_pylist() == [[], None, [None]]


WHOLE = st.one_of(st.integers(-3, 3), st.integers(-(2**63), 2**64 - 1), st.sampled_from([2**53 + 1, 2**63, 2**63 - 1]))


@given(st.lists(st.one_of(st.none(), WHOLE)), st.lists(st.one_of(st.none(), WHOLE.map(float))))
def test_whole_numbers_meet_to_the_last_digit(whole: list[int | None], doubles: list[float | None]) -> None:
    """Whatever the width of the integers, and as decimals, text or doubles on the other side."""
    known = [value for value in whole if value is not None]
    arrow = pa.uint64() if min(known, default=0) >= 0 else pa.int64()
    if max(known, default=0) >= 2**63 and arrow == pa.int64():
        arrow = pa.decimal128(20, 0)
    column = pa.array([Decimal(v) if v is not None else None for v in whole], pa.decimal128(20, 0)).cast(arrow)
    in_range = [v for v in doubles if v is None or v < 2.0**64]
    both_signs = any(v and v < 0 for v in in_range) and any(v and v >= 2.0**63 for v in in_range)
    others = [pa.array([None if v is None else str(v) for v in whole], pa.string())]
    others.append(pa.array([None if v is None else Decimal(v).scaleb(-2) for v in whole], pa.decimal128(22, 2)))
    if not both_signs:
        others.append(pa.array([v if v is not None else math.nan for v in in_range], pa.float64()))
    expected = [whole, [None if v is None else Decimal(v).scaleb(-2) for v in whole]]
    expected.append([None if v is None else int(v) for v in in_range])
    for other, values in zip(others, expected, strict=False):
        _, left, right = met(column, other)
        assert left == whole
        assert right == values


@pytest.mark.parametrize(
    ("one", "other", "name"),
    [
        (pa.array([1]), pa.array([1.5]), "Float64"),
        (pa.array([1]), pa.array([math.inf]), "Float64"),
        (pa.array([2**63], pa.uint64()), pa.array([0.5]), "Float64"),
        (pa.array([2**63 - 1], pa.uint64()), pa.array([-1]), "Int64"),
        (pa.array([2**63], pa.uint64()), pa.array([-1]), "Decimal(20, 0)"),
        (pa.array([Decimal("1.25")]), pa.array([1.5]), "Float64"),
        (pa.array([Decimal("1.25")]), pa.array([1.0]), "Decimal(22, 2)"),
        (pa.array([Decimal("1.25")]), pa.array([True]), "Decimal(22, 2)"),
        (pa.array([Decimal("1.25")]), pa.array([b"1"]), "String"),
        (pa.array([Decimal("1.25")]), pa.array([Decimal(10)]), "Decimal(4, 2)"),
        (
            pa.array([Decimal(1)], pa.decimal128(38, 0)),
            pa.array([Decimal(0)], pa.decimal128(38, 38)),
            "Decimal(76, 38)",
        ),
        (pa.array([Decimal(1)], pa.decimal256(76, 0)), pa.array([Decimal(0)], pa.decimal128(38, 38)), "String"),
        (pa.array([[Decimal("1.25")]]), pa.array([[Decimal(10)]]), "Array(Decimal(4, 2))"),
        (pa.array([Decimal(100)], pa.decimal128(3, -2)), pa.array([Decimal("0.5")]), "Decimal(6, 1)"),
    ],
)
def test_the_type_in_which_numbers_meet(one: pa.Array, other: pa.Array, name: str) -> None:
    assert met(one, other)[0] == met(other, one)[0] == name


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (pa.array([0.5, 1.0]), pa.array(["0.5", "1.0"]), ("Float64", [0.5, 1.0], [0.5, 1.0])),
        (pa.array([0.1], pa.float32()), pa.array(["0.1"]), ("Float32", [as_float32(0.1)], [as_float32(0.1)])),
        (pa.array([True, None]), pa.array(["True", "false"]), ("Bool", [True, None], [True, False])),
        (pa.array([1, 2]), pa.array(["1.0", None]), ("Decimal(21, 1)", [1, 2], [1, None])),
        (pa.array([1, 2]), pa.array(["01", "-2"]), ("Int64", [1, 2], [1, -2])),
        (pa.array([[1], [2]]), pa.array([["1"], []]), ("Array(Int64)", [[1], [2]], [[1], []])),
        # Not all of it is such: then both are text.
        (pa.array([0.5, 1.0]), pa.array(["1.0", "n/a"]), ("String", ["0.5", "1.0"], ["1.0", "n/a"])),
        (pa.array([0.1, math.nan], pa.float32()), pa.array(["0.1", ""]), ("String", ["0.1", None], ["0.1", ""])),
        (pa.array([True, False]), pa.array(["true", "no"]), ("String", ["true", "false"], ["true", "no"])),
        (pa.array([1, 2]), pa.array(["1", "Infinity"]), ("String", ["1", "2"], ["1", "Infinity"])),
    ],
)
def test_text_is_read_as_numbers_where_all_of_it_is(one: pa.Array, other: pa.Array, expected: tuple[Any, ...]) -> None:
    assert met(one, other) == expected
    name, right, left = met(other, one)
    assert (name, left, right) == expected


def test_views_and_other_encodings_are_what_they_hold() -> None:
    text, raw = pa.array(["a", None]), pa.array([b"a", None])
    assert met(text.cast(pa.string_view()), text) == ("String", ["a", None], ["a", None])
    assert met(raw.cast(pa.binary_view()), raw) == ("Bytes", [b"a", None], [b"a", None])
    lists = pa.array([["a"], None], pa.list_(pa.string_view()))
    assert met(lists, pa.array([["b"], []])) == ("Array(String)", [["a"], None], [["b"], []])
    runs = pc.run_end_encode(pa.array([1, 1, 2]))
    assert met(runs, pa.array([1, 2, 3])) == ("Int64", [1, 1, 2], [1, 2, 3])
    struct = pa.array([{"a": "x"}], pa.struct([("a", pa.string_view())]))
    assert met(struct, pa.array([{"a": "y"}])) == ("Other", ['{"a":"x"}'], ['{"a":"y"}'])


def test_nested_values_are_json_with_sorted_keys() -> None:
    one = pa.array([{"b": 1.0, "a": [Decimal("1.50"), None]}, {"b": None, "a": None}])
    other = pa.array([{"a": [Decimal("1.5"), None], "b": 1}, {"a": None, "b": None}])
    text = ['{"a":[1.5,null],"b":1}', "{}"]
    assert met(one, other) == ("Other", text, text)
    entries = pa.array([[("b", 2), ("a", None)], []], pa.map_(pa.string(), pa.int64()))
    assert declare(entries, "Other").to_pylist() == ['{"b":2}', "[]"]
    moments = pa.array(
        [{"t": datetime(2024, 1, 1, tzinfo=UTC), "d": timedelta(seconds=1.5), "x": b"\x01", "é": math.nan}]
    )
    assert declare(moments, "Other").to_pylist() == ['{"d":1.5,"t":"2024-01-01T00:00:00+00:00","x":"01"}']


def test_times_that_identify_are_held_to_their_last_digit() -> None:
    def column(ticks: int, unit: str) -> pa.Array:
        return pa.array([ticks], pa.int64()).cast(pa.timestamp(unit))

    nanoseconds = [("s", 5, "UnixTimestamp"), ("ms", 5, "Timestamp(ms)"), ("us", 5, "Timestamp(us)")]
    for unit, ticks, name in [*nanoseconds, ("ns", 5, "Timestamp(ns)"), ("ns", 5 * 10**9, "UnixTimestamp")]:
        declared = exact_timestamp(column(ticks, unit), column(10**9, "ns"))
        assert declared.name == name
        back = to_declared(column(ticks, unit), declared).cast(pa.timestamp(unit, "UTC"))
        assert back.cast(pa.int64()).to_pylist() == [ticks]
    end = pa.array([datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)])
    assert exact_timestamp(end, column(1, "us")).name == "Timestamp(us)"
    assert exact_timestamp(pa.array([date(1970, 1, 2)]), column(1, "s")).name == "UnixTimestamp"
