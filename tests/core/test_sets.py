"""Sets have no order and no repetition, against Python's own."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feast_skew.core.equality import EXACT, Tolerance, equal
from feast_skew.core.sets import as_sets
from feast_skew.core.types import declared_type, to_declared

ELEMENTS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "Int64": (pa.int64(), st.integers(-3, 3)),
    "Float64": (pa.float64(), st.sampled_from([-0.0, 0.0, 1.5, -2.0, math.inf, -math.inf])),
    "Float32": (pa.float32(), st.sampled_from([0.5, -0.0, 0.0, math.inf])),
    "Bool": (pa.bool_(), st.booleans()),
    "String": (pa.string(), st.sampled_from(["", "a", "B", "ä", "b"])),
    "Bytes": (pa.binary(), st.sampled_from([b"", b"\x00", b"\xff"])),
    "UnixTimestamp": (
        pa.timestamp("s", "UTC"),
        st.sampled_from([datetime(y, 1, 1, tzinfo=timezone.utc) for y in (1, 1970, 2024)]),
    ),
    "Decimal": (pa.decimal256(76, 38), st.sampled_from([Decimal("1.10"), Decimal("1.1"), Decimal(-3)])),
}


@pytest.mark.parametrize("name", ELEMENTS)
@given(data=st.data())
def test_elements_are_those_of_the_set(name: str, data: st.DataObject) -> None:
    arrow, values = ELEMENTS[name]
    rows = data.draw(st.lists(st.one_of(st.none(), st.lists(st.one_of(st.none(), values), max_size=5)), max_size=5))
    start = data.draw(st.integers(0, 2))
    found = as_sets(pa.array(rows, pa.list_(arrow))[start:])
    for row, ours in zip(rows[start:], found.to_pylist(), strict=True):
        if row is None:
            assert ours is None
            continue
        known = sorted({value for value in row if value is not None})
        assert ours == known + [None] * (None in row)
        assert all(math.copysign(1, value) > 0 for value in ours if isinstance(value, float) and value == 0)


@given(st.lists(st.floats(-1e6, 1e6), max_size=6).flatmap(lambda row: st.tuples(st.just(row), st.permutations(row))))
def test_order_and_repetition_change_nothing(pair: tuple[list[float], list[float]]) -> None:
    one, other = ([*row, *row[:1]] for row in pair)
    declared = declared_type("Set(Float64)")
    sides = [to_declared(pa.array([row], pa.list_(pa.float64())), declared) for row in (one, other)]
    assert equal(*sides, EXACT).tolist() == [True]


@given(st.lists(st.integers(-1000, 1000), unique=True, max_size=6), st.floats(0, 0.9), st.data())
def test_numbers_of_sets_are_matched_within_the_tolerance(row: list[int], noise: float, data: st.DataObject) -> None:
    """Elements that lie further apart than twice the tolerance keep their order under noise, so each finds its own."""
    moved = data.draw(st.permutations([value + noise * data.draw(st.sampled_from([-0.4, 0.4])) for value in row]))
    declared = declared_type("Set(Float64)")
    sides = [to_declared(pa.array([values], pa.list_(pa.float64())), declared) for values in (row, moved)]
    tolerance = Tolerance(0.0, 0.4)
    assert equal(*sides, tolerance).tolist() == [True]
    assert equal(*reversed(sides), tolerance).tolist() == [True]
    further = to_declared(pa.array([[*row, 5000.0]], pa.list_(pa.float64())), declared)
    assert equal(further, sides[1], tolerance).tolist() == [False]


def test_empty_null_and_nan_are_three_things() -> None:
    declared = declared_type("Set(Float64)")
    rows = pa.array([[], None, [math.nan], [math.nan, None, 1.0]], pa.list_(pa.float64()))
    found = to_declared(rows, declared)
    assert found.to_pylist() == [[], None, [None], [1.0, None]]
    assert equal(found, found, EXACT).tolist() == [True, False, True, True]
    empty = to_declared(pa.array([[]], pa.list_(pa.float64())), declared)
    assert equal(empty, found[2:3], EXACT).tolist() == [False]
    assert to_declared(pa.nulls(2), declared).to_pylist() == [None, None]
    assert as_sets(pa.array([], pa.list_(pa.int64()))).to_pylist() == []
