"""Example entities: the worst ones, one of each class, masked unless asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.pairs import FeaturePairs, PairClass, RowState
from feast_skew.core.plain import instant_text, plain
from feast_skew.core.types import Kind
from feast_skew.judging.examples import MASK, SHOWN, worst_examples
from feast_skew.report import Example

CANDIDATES = [
    PairClass.MISMATCH,
    PairClass.NULL_ONLINE,
    PairClass.NULL_OFFLINE,
    PairClass.CORRUPT,
    PairClass.OFFLINE_ONLY,
    PairClass.ONLINE_ONLY,
]
QUIET = [PairClass.MATCH, PairClass.NULL_BOTH, PairClass.ABSENT_BOTH]


def states(size: int, stale: Sequence[int] = ()) -> RowState:
    at = np.arange(size, dtype=np.int64) * 1_000_000_000
    none = np.zeros(size, dtype=bool)
    late = none.copy()
    late[list(stale)] = True
    return RowState(at, at + 5, at, np.full(size, NO_INSTANT), at, ~none, late, none, none)


def examples(
    classes: Sequence[PairClass],
    offline: Any = None,
    online: Any = None,
    kind: Kind = Kind.FLOAT64,
    *,
    show: bool = True,
    stale: Sequence[int] = (),
    wanted: np.ndarray | None = None,
) -> tuple[Example, ...]:
    size = len(classes)
    offline = pa.array(np.zeros(size)) if offline is None else offline
    online = pa.array(np.arange(size, dtype=float)) if online is None else online
    pairs = FeaturePairs(offline, online, np.array(classes, dtype=np.uint8))
    entities = pa.table({"id": np.arange(size), "name": [f"n{i}" for i in range(size)]})
    return worst_examples(kind, pairs, states(size, stale), entities, show, wanted)


@given(st.lists(st.sampled_from([*CANDIDATES, *QUIET]), max_size=40))
def test_every_wrong_class_is_represented_and_nothing_else(classes: list[PairClass]) -> None:
    found = examples(classes)
    wrong = {kind.key for kind in classes if kind in CANDIDATES}
    assert {example.kind for example in found} == wrong
    available = sum(min(classes.count(kind), 5 if kind is PairClass.MISMATCH else 2) for kind in CANDIDATES)
    assert len(found) == min(available, max(SHOWN, len(wrong)))
    assert len({example.key["id"] for example in found}) == len(found)
    order = [CANDIDATES.index(PairClass[example.kind.upper()]) for example in found]
    assert order == sorted(order)


def test_the_largest_differences_come_first() -> None:
    offline = pa.array([0.0, 1e308, 5.0, 1.0, 0.0, 2.0, 0.0])
    online = pa.array([1.0, -1e308, 5.5, float("inf"), -30.0, 2.25, 3.0])
    found = examples([PairClass.MISMATCH] * 7, offline, online)
    assert [example.key["id"] for example in found] == [1, 3, 4, 6, 0]
    assert [example.online for example in found] == [-1e308, "inf", -30.0, 3.0, 1.0]
    times = pa.array([0, 0, 0], pa.int64()).cast(pa.timestamp("s", tz="UTC"))
    later = pa.array([60, 7200, -3600], pa.int64()).cast(pa.timestamp("s", tz="UTC"))
    found = examples([PairClass.MISMATCH] * 3, times, later, Kind.TIMESTAMP)
    assert [example.key["id"] for example in found] == [1, 2, 0]
    assert found[0].online == "1970-01-01T02:00:00+00:00"


def test_keys_are_masked_by_default_and_values_are_not() -> None:
    (found,) = examples([PairClass.MISMATCH], show=False)
    assert found.key == {"id": MASK, "name": MASK}
    (shown,) = examples([PairClass.MISMATCH], show=True)
    assert shown.key == {"id": 0, "name": "n0"}
    assert shown.online_timestamp == "1970-01-01T00:00:00Z"


def test_without_anything_wrong_stale_rows_are_shown() -> None:
    assert examples([PairClass.MATCH] * 5) == ()
    found = examples([PairClass.MATCH] * 5, stale=[2, 3, 4])
    assert [example.key["id"] for example in found] == [2, 3]
    found = examples([PairClass.UNALIGNED] * 5, wanted=np.array([False, True, False, True, False]))
    assert [(example.key["id"], example.kind) for example in found] == [(3, "unaligned"), (1, "unaligned")]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (2**63 - 1, 2**63 - 1),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (b"\x00\xff", "00ff"),
        ("x" * 201, "x" * 200 + "..."),
        ([1, None, [b"a"]], [1, None, ["61"]]),
        (list(range(30)), list(range(20))),
        (datetime(2024, 1, 1, tzinfo=timezone.utc), "2024-01-01T00:00:00+00:00"),
    ],
)
def test_values_are_plain_json(value: Any, shown: Any) -> None:
    assert plain(value) == shown


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_500_000_000, "1970-01-01T00:00:01.5Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (1_356_998_400_000_001_000, "2013-01-01T00:00:00.000001Z"),
        (NO_INSTANT, None),
    ],
)
def test_instants_are_iso_texts(instant: int, text: str | None) -> None:
    assert instant_text(instant) == text
