"""Which of several tied rows a value is taken from, where training gets all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feast_skew.core.equality import default_tolerance
from feast_skew.core.model import FeaturePlan, Limits
from feast_skew.core.types import declared_type
from feast_skew.measuring.ties import TiedRows


def settle(kind: str, rows: list[tuple[int, Any]], held: list[Any], online: list[Any] | None = None) -> list[Any]:
    declared = declared_type(kind)
    feature = FeaturePlan("v", "x", declared, default_tolerance(declared), Limits())
    column = pa.array([value for _, value in rows], declared.arrow)
    columns = {"x": pa.array(held, declared.arrow)}
    tied = TiedRows(np.array([position for position, _ in rows], dtype=np.int64), {"x": column})
    if online is None:
        tied.settle(columns, [feature])
    else:
        everybody = np.ones(len(held), dtype=bool)
        tied.settle(columns, [feature], {"x": pa.array(online, declared.arrow)}, everybody)
    return columns["x"].to_pylist()


@pytest.mark.parametrize(
    ("kind", "one", "two"),
    [
        ("Int64", 1, 2),
        ("Float64", -1.5, 2.5),
        ("String", "a", "b"),
        ("Bytes", b"a", b"b"),
        ("Bool", False, True),
        ("Array(Int64)", [1, 2], [1, 3]),
        ("Map", '{"a": 1}', '{"a": 2}'),
        ("Int64", 1, None),
        ("Array(String)", ["a"], None),
    ],
)
def test_the_smallest_unless_online_has_another(kind: str, one: Any, two: Any) -> None:
    for rows in ([(1, two), (1, one)], [(1, one), (1, two)]):
        assert settle(kind, rows, [None, two]) == [None, one]
        assert settle(kind, rows, [None, None], [two, two]) == [None, two]
        assert settle(kind, rows, [None, None], [two, one]) == [None, one]


def test_online_may_be_near_within_the_tolerance() -> None:
    assert settle("Float64", [(0, 1.0), (0, 2.0)], [None], [2.0 + 1e-12]) == [2.0]


@given(st.permutations([(0, 3), (0, 1), (0, None), (2, 5), (2, 4), (2, 4)]))
def test_the_order_does_not_matter(rows: list[tuple[int, Any]]) -> None:
    assert settle("Int64", rows, [9, 9, 9]) == [1, 9, 4]
    assert settle("Int64", rows, [9, 9, 9], [3, 3, 5]) == [3, 9, 5]
    assert settle("Int64", rows, [9, 9, 9], [None, 3, 7]) == [None, 9, 4]
