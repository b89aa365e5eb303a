"""Angles and lengths of vectors, against plain loops in exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feast_skew.core.embeddings import EmbeddingPairs, EmbeddingSummary, embedding_pairs, embedding_summary

ELEMENT = st.one_of(
    st.none(),
    st.floats(-1e6, 1e6),
    st.sampled_from([0.0, 1.0, -1.0, 1e300, -1e300, 1e-300, 5e-324, math.inf, math.nan]),
)
VECTOR = st.one_of(st.none(), st.lists(ELEMENT, max_size=4))


def root(value: Fraction) -> float:
    """The square root of a fraction of any size, by integers."""
    if value == 0:
        return 0.0
    shift = max(0, 256 - value.numerator.bit_length() + value.denominator.bit_length())
    shift += shift % 2
    whole = math.isqrt((value.numerator << shift) // value.denominator)
    found = Fraction(whole, 1 << (shift // 2))
    return float(found) if found < Fraction(2) ** 1024 else math.inf


def oracle(a: list[Any] | None, b: list[Any] | None) -> tuple[float, float, float] | None:
    if a is None or b is None or len(a) != len(b) or not a:
        return None
    if not all(x is not None and math.isfinite(x) for x in [*a, *b]):
        return None
    one, other = [Fraction(x) for x in a], [Fraction(x) for x in b]
    squares = sum(x * x for x in one), sum(x * x for x in other)
    norms = root(squares[0]), root(squares[1])
    if not all(0 < norm < math.inf for norm in norms):
        return None
    dot = sum(x * y for x, y in zip(one, other, strict=True))
    return math.copysign(root(dot * dot / (squares[0] * squares[1])), 1 if dot >= 0 else -1), norms[0], norms[1]


@given(st.lists(st.tuples(VECTOR, VECTOR), max_size=6), st.integers(0, 2), st.booleans())
def test_pairs_are_those_of_plain_loops(rows: list[tuple[Any, Any]], start: int, large: bool) -> None:
    arrow = (pa.large_list if large else pa.list_)(pa.float64())
    offline, online = (pa.array([row[side] for row in rows], arrow)[start:] for side in (0, 1))
    found = embedding_pairs(offline, online)
    for i, (a, b) in enumerate(rows[start:]):
        expected = oracle(a, b)
        assert bool(found.defined[i]) == (expected is not None), (a, b)
        measured = (found.cosine[i], found.norm_offline[i], found.norm_online[i])
        assert measured == pytest.approx(
            expected or (0.0, 0.0, 0.0), rel=1e-12, abs=1e-12 if expected is None else 1e-15
        )
        assert -1 <= found.cosine[i] <= 1


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8), st.floats(1e-3, 1e3))
def test_the_angle_does_not_change_with_the_length(vector: list[float], factor: float) -> None:
    pairs = embedding_pairs(pa.array([vector]), pa.array([[factor * x for x in vector]]))
    if pairs.defined[0]:
        assert pairs.cosine[0] == pytest.approx(1.0, abs=1e-9)


def test_by_hand() -> None:
    offline = pa.array([[3.0, 4.0], [1.0, 0.0], [1.0, 0.0], None, [], [0.0], [1.0, 2.0]])
    online = pa.array([[6.0, 8.0], [0.0, 2.0], [-1.0, 0.0], [1.0], [], [1.0], [1.0]])
    pairs = embedding_pairs(offline, online)
    assert pairs.defined.tolist() == [True] * 3 + [False] * 4
    assert pairs.cosine[:3].tolist() == pytest.approx([1.0, 0.0, -1.0], abs=1e-15)
    assert pairs.norm_offline[:3].tolist() == pytest.approx([5.0, 1.0, 1.0])
    assert pairs.norm_online[:3].tolist() == pytest.approx([10.0, 2.0, 1.0])
    summary = embedding_summary(pairs)
    assert (summary.n, summary.least_cosine, summary.cosine_p50) == (3, -1.0, 0.0)
    assert summary.mean_cosine == pytest.approx(0.0, abs=1e-15)
    # Type 7: at 2 * 0.01 and 2 * 0.05 between the order statistics -1 and 0.
    assert (summary.cosine_p1, summary.cosine_p5) == pytest.approx((-0.98, -0.9))
    assert summary.largest_norm_difference == pytest.approx(0.5)


def test_norms_beyond_doubles_are_not_defined_and_large_ones_are() -> None:
    pairs = embedding_pairs(pa.array([[1e300] * 4, [1.7e308] * 4]), pa.array([[1e300] * 4, [1.0] * 4]))
    assert pairs.defined.tolist() == [True, False]
    assert pairs.cosine[0] == pytest.approx(1.0)
    assert pairs.norm_offline[0] == pytest.approx(2e300)


def test_nothing_defined_is_none() -> None:
    empty = embedding_pairs(pa.array([], pa.list_(pa.float32())), pa.array([], pa.list_(pa.float32())))
    assert len(empty.cosine) == len(empty.defined) == 0
    nothing = EmbeddingSummary(0, None, None, None, None, None, None)
    assert embedding_summary(empty) == nothing
    nulls = pa.nulls(2, pa.list_(pa.float64()))
    assert embedding_summary(embedding_pairs(nulls, nulls)) == nothing


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0.1, 10), st.floats(0.1, 10), st.booleans()), max_size=30))
def test_a_summary_is_of_the_defined_pairs(rows: list[tuple[float, float, float, bool]]) -> None:
    columns = [np.array([row[i] for row in rows], dtype=float) for i in range(3)]
    found = embedding_summary(EmbeddingPairs(*columns, np.array([row[3] for row in rows], dtype=bool)))
    known = [row for row in rows if row[3]]
    assert found.n == len(known)
    if known:
        assert found.least_cosine == min(row[0] for row in known)
        assert found.mean_cosine == pytest.approx(math.fsum(row[0] for row in known) / len(known), abs=1e-12)
        assert found.largest_norm_difference == pytest.approx(max(abs(r[1] - r[2]) / max(r[1], r[2]) for r in known))
        cosines = sorted(row[0] for row in known)
        for share, value in ((0.01, found.cosine_p1), (0.05, found.cosine_p5), (0.5, found.cosine_p50)):
            place = share * (len(known) - 1)
            low = math.floor(place)
            high = min(low + 1, len(known) - 1)
            assert value == pytest.approx(cosines[low] + (place - low) * (cosines[high] - cosines[low]), abs=1e-12)
