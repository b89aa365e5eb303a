"""When two values are the same, against exact arithmetic."""

from __future__ import annotations

import math
import struct
from datetime import datetime, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feast_skew.core.equality import EXACT, Tolerance, default_tolerance, equal
from feast_skew.core.types import declared_type

FLOATS = st.one_of(
    st.none(),
    st.floats(allow_nan=False),
    st.sampled_from([0.0, -0.0, 1.0, 1 + 1e-9, 1 + 2e-9, 1 - 1e-12, 1e308, -1e308, 5e-324, math.inf, -math.inf]),
)
TOLERANCES = st.sampled_from([EXACT, Tolerance(1e-9, 1e-12), Tolerance(1e-6), Tolerance(0, 0.5), Tolerance(1.0, 0)])
EDGE = Fraction(1, 10**12)


def same(a: float | None, b: float | None, tolerance: Tolerance) -> bool | None:
    """|a - b| <= atol + rtol * max(|a|, |b|) in exact fractions; None where rounding of the bound may decide."""
    if a is None or b is None:
        return False
    if a == b:
        return True
    if not (math.isfinite(a) and math.isfinite(b)):
        return False
    distance = abs(Fraction(a) - Fraction(b))
    bound = Fraction(tolerance.atol) + Fraction(tolerance.rtol) * max(abs(Fraction(a)), abs(Fraction(b)))
    if bound and abs(distance / bound - 1) < EDGE:
        return None
    return distance <= bound


@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=1), TOLERANCES)
def test_doubles_are_compared_as_the_contract_says(pairs: list[tuple[Any, Any]], tolerance: Tolerance) -> None:
    offline, online = pa.array([p[0] for p in pairs], pa.float64()), pa.array([p[1] for p in pairs], pa.float64())
    found = equal(offline, online, tolerance)
    assert found.dtype == bool
    for (a, b), seen, back in zip(pairs, found, equal(online, offline, tolerance), strict=True):
        expected = same(a, b, tolerance)
        assert seen == back
        if expected is not None and not (a is not None and b is not None and max(abs(a), abs(b)) < 1e-300):
            assert bool(seen) is expected, (a, b)


def float32(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]


def test_float32_is_compared_as_float32() -> None:
    """One unit in the last place is 6e-8 to 1.2e-7 of the value: below 1e-6, which is about ten units."""
    tolerance = default_tolerance(declared_type("Float32"))
    base = float32(0.1)
    neighbour = float(np.nextafter(np.float32(base), np.float32(1)))
    far = float32(0.1 * (1 + 2e-6))
    offline = pa.array([base, base, base, 16777216.0, 0.0, math.inf], pa.float32())
    online = pa.array([base, neighbour, far, 16777218.0, 1e-45, math.inf], pa.float32())
    assert equal(offline, online, tolerance).tolist() == [True, True, False, True, False, True]
    assert equal(offline, online, EXACT).tolist() == [True, False, False, False, False, True]


INT64 = st.one_of(st.integers(-3, 3), st.sampled_from([2**63 - 1, 2**63 - 2, -(2**63), -(2**63) + 1, 2**53, 2**53 + 1]))


@given(st.lists(st.tuples(st.one_of(st.none(), INT64), st.one_of(st.none(), INT64)), min_size=1))
def test_whole_numbers_are_exact_to_the_last_bit(pairs: list[tuple[Any, Any]]) -> None:
    expected = [a is not None and a == b for a, b in pairs]
    offline, online = pa.array([p[0] for p in pairs], pa.int64()), pa.array([p[1] for p in pairs], pa.int64())
    assert equal(offline, online, EXACT).tolist() == expected


@given(st.lists(st.tuples(INT64, INT64), min_size=1), st.sampled_from([(0, 1.0), (0, 2.0), (0.0, 0.5), (0.5, 0.0)]))
def test_whole_numbers_with_a_tolerance(pairs: list[tuple[int, int]], given_tolerance: tuple[float, float]) -> None:
    """Large neighbours differ by their true distance, not by what doubles make of it."""
    tolerance = Tolerance(*given_tolerance)
    offline, online = pa.array([p[0] for p in pairs], pa.int64()), pa.array([p[1] for p in pairs], pa.int64())
    expected = [
        abs(a - b) <= Fraction(tolerance.atol) + Fraction(tolerance.rtol) * max(abs(a), abs(b)) for a, b in pairs
    ]
    assert equal(offline, online, tolerance).tolist() == expected


CENTS = st.one_of(st.none(), st.integers(-(10**22), 10**22))


@given(
    st.lists(st.tuples(CENTS, st.one_of(st.none(), st.integers(-3, 3))), min_size=1),
    st.sampled_from([EXACT, Tolerance(0, 0.01), Tolerance(0, 0.02), Tolerance(1e-3)]),
)
def test_decimals_are_exact_and_a_cent_is_a_cent(pairs: list[tuple[Any, Any]], tolerance: Tolerance) -> None:
    arrow = pa.decimal128(38, 2)
    rows = [(a, None if a is None or b is None else a + b) for a, b in pairs]
    sides = [pa.array([None if r[i] is None else Decimal(r[i]).scaleb(-2) for r in rows], arrow) for i in (0, 1)]
    atol, rtol = Fraction(str(tolerance.atol)) * 100, Fraction(str(tolerance.rtol))
    expected = [a is not None and b is not None and abs(a - b) <= atol + rtol * max(abs(a), abs(b)) for a, b in rows]
    assert equal(*sides, tolerance).tolist() == expected


MOMENT = datetime(2013, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("arrow", "offline", "online", "expected"),
    [
        (pa.bool_(), [True, True, None, None], [True, False, True, None], [True, False, False, False]),
        (pa.string(), ["a", "a", "", "é", None], ["a", "A", "", "e\u0301", "a"], [True, False, True, False, False]),
        (pa.binary(), [b"a\x00", b"a", None], [b"a\x00", b"a\x00", b""], [True, False, False]),
        (
            pa.timestamp("s", tz="UTC"),
            [MOMENT, MOMENT, None],
            [MOMENT, MOMENT.replace(second=1), MOMENT],
            [True, False, False],
        ),
        (
            pa.list_(pa.int64()),
            [[], [1], [1], [1, 2], None, [None]],
            [[], [1], [2], [1], [], [None]],
            [1, 1, 0, 0, 0, 1],
        ),
        (pa.list_(pa.float64()), [[1.0, 2.0], [1.0], [None, 1.0]], [[1.0, 2 + 1e-10], [None], [None, 1.0]], [1, 0, 1]),
        (pa.list_(pa.string()), [["a", None], ["a"], ["a", "b"]], [["a", None], ["A"], ["b", "a"]], [1, 0, 0]),
    ],
)
def test_every_other_type(arrow: pa.DataType, offline: list[Any], online: list[Any], expected: list[bool]) -> None:
    assert equal(pa.array(offline, arrow), pa.array(online, arrow), Tolerance(1e-9, 1e-12)).tolist() == expected


@given(
    st.lists(
        st.tuples(*[st.one_of(st.none(), st.lists(st.one_of(st.none(), st.integers(0, 2)), max_size=3))] * 2),
        min_size=1,
    ),
    st.integers(0, 2),
)
def test_lists_are_equal_when_all_of_them_is(pairs: list[tuple[Any, Any]], start: int) -> None:
    """Also as slices, whose values do not begin at the first one."""
    offline = pa.array([p[0] for p in pairs], pa.list_(pa.int64()))[start:]
    online = pa.array([p[1] for p in pairs], pa.list_(pa.int64()))[start:]
    expected = [a is not None and a == b for a, b in pairs[start:]]
    assert equal(offline, online, EXACT).tolist() == expected


def test_different_types_meet() -> None:
    whole, broken = pa.array([1, 2, 3], pa.int64()), pa.array([1.0, 2.5, None])
    assert equal(whole, broken, EXACT).tolist() == [True, False, False]
    assert equal(pa.array([1, 2], pa.int32()), pa.array([1, 3], pa.int64()), EXACT).tolist() == [True, False]
    assert equal(pa.array(["1", "x"]), pa.array([1, 2], pa.int64()), EXACT).tolist() == [True, False]
    assert equal(pa.array([True, False]), pa.array([1.0, 1.0]), EXACT).tolist() == [True, False]
    assert equal(pa.array([Decimal("1.5"), None]), pa.array([1.5, 1.5]), EXACT).tolist() == [True, False]
    lists = equal(pa.array([[1, 2], [1]]), pa.array([[1.0, 2.0], [1.5]]), EXACT)
    assert lists.tolist() == [True, False]
    assert equal(pa.array([], pa.string()), pa.array([], pa.string()), EXACT).tolist() == []


def test_tolerances_are_those_of_the_contract() -> None:
    assert default_tolerance(declared_type("Float64")) == Tolerance(1e-9, 1e-12)
    assert default_tolerance(declared_type("Float32")) == Tolerance(1e-6, 0.0)
    assert default_tolerance(declared_type("Array(Float32)")) == Tolerance(1e-6, 0.0)
    for name in ("Map", "Json", "Struct({x: Int64})", "Array(Array(Float64))"):
        assert default_tolerance(declared_type(name)) == Tolerance(1e-9, 1e-12, whole=False)
    for name in ("Struct({x: Int64, y: Float32})", "Array(Set(Float32))", "Array(Struct({x: Float32}))"):
        assert default_tolerance(declared_type(name)) == Tolerance(1e-6, 1e-12, whole=False)
    for name in ("Int64", "String", "Bool", "UnixTimestamp", "Array(Int64)", "Uuid", "Decimal", "ZonedTimestamp"):
        assert default_tolerance(declared_type(name)) == EXACT
