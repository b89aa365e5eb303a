"""Which offline row belongs to which online row, against a loop over all rows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feast_skew.core.alignment import FAR_FUTURE, NO_INSTANT, EarlierSteps, Timeline, microseconds

ENTITIES = 4
NANOSECONDS = st.one_of(
    st.integers(-6_000, 6_000),
    st.integers(-6, 6).map(lambda n: n * 10**9),
    st.sampled_from([-(2**63) + 1, -(2**63) + 500, 2**63 - 2, 2**62]),
)
ROWS = st.lists(st.tuples(st.integers(-1, ENTITIES - 1), NANOSECONDS), max_size=20)
ONLINE = st.lists(st.one_of(st.just(NO_INSTANT), NANOSECONDS), min_size=ENTITIES, max_size=ENTITIES)
LEAST = -(2**63 // 1000) * 1000


def cut(instant: int) -> int:
    """Whole microseconds in nanoseconds, not below what 64 bits hold."""
    return max(instant // 1000 * 1000, LEAST)


def filled(online: list[int], as_of: int, rows: list[tuple[int, int]], cuts: list[int]) -> Timeline:
    timeline = Timeline(np.array(online, dtype=np.int64), as_of)
    edges = [0, *sorted(min(c, len(rows)) for c in cuts), len(rows)]
    for start, end in pairwise(edges):
        part = rows[start:end]
        timeline.add(np.array([r[0] for r in part], np.int64), np.array([r[1] for r in part], np.int64))
    return timeline


def test_instants_are_cut_to_microseconds_downwards() -> None:
    given_instants = np.array([1999, -1, 0, NO_INSTANT, NO_INSTANT + 1, FAR_FUTURE], np.int64)
    assert microseconds(given_instants).tolist() == [1000, -1000, 0, NO_INSTANT, LEAST, FAR_FUTURE // 1000 * 1000]


@given(
    ONLINE,
    NANOSECONDS,
    ROWS,
    st.lists(st.integers(0, 20), max_size=3),
    st.randoms(),
    st.sampled_from([0, 999, 3000, 10**9]),
)
def test_a_timeline_is_what_a_loop_finds(
    online: list[int], as_of: int, rows: list[tuple[int, int]], cuts: list[int], random: Any, within: int
) -> None:
    """Rows come in any order and in any parts."""
    shuffled = list(rows)
    random.shuffle(shuffled)
    timeline = filled(online, as_of, shuffled, cuts)
    aligned = timeline.aligned(within)
    for entity, raw in enumerate(online):
        instants = [cut(instant) for place, instant in rows if place == entity]
        at = None if raw == NO_INSTANT else cut(raw)
        latest = max((i for i in instants if i <= as_of), default=None)
        before = max((i for i in instants if at is not None and i <= at), default=None)
        after = min((i for i in instants if at is not None and i > at), default=None)
        assert timeline.latest[entity] == (NO_INSTANT if latest is None else latest)
        assert timeline.before[entity] == (NO_INSTANT if before is None else before)
        assert timeline.after[entity] == (FAR_FUTURE if after is None else after)
        assert timeline.has_offline[entity] == any(i is not None for i in (latest, before, after))
        near = [i for i in (before, after) if i is not None and at is not None and abs(i - at) <= within]
        # The nearest one; at equal distance the earlier.
        expected = min(near, key=lambda i: (abs(i - at), i)) if near else NO_INSTANT
        assert aligned[entity] == expected


@pytest.mark.parametrize(
    ("offline", "within", "expected"),
    [
        ([100_000], 0, 100_000),
        ([100_999], 0, 100_000),
        ([101_000], 0, NO_INSTANT),
        ([101_000], 1_000, 101_000),
        ([99_000, 101_000], 1_000, 99_000),
        ([98_000, 101_000], 5_000, 101_000),
        ([98_000, 103_000], 5_000, 98_000),
        ([], 5_000, NO_INSTANT),
    ],
)
def test_align_within_by_hand(offline: list[int], within: int, expected: int) -> None:
    """Online stands at 100 microseconds."""
    timeline = filled([100_500], FAR_FUTURE, [(0, i) for i in offline], [])
    assert timeline.aligned(within).tolist() == [expected]


@given(
    st.lists(st.tuples(st.integers(-1, ENTITIES - 1), st.integers(0, 60).map(lambda n: n * 1000)), max_size=40),
    st.sets(st.integers(0, ENTITIES - 1)),
    st.lists(st.one_of(st.just(NO_INSTANT), st.integers(0, 60).map(lambda n: n * 1000)), min_size=4, max_size=4),
    st.lists(st.integers(0, 20_000), min_size=ENTITIES, max_size=ENTITIES),
    st.integers(1, 4),
    st.integers(0, 40),
)
def test_earlier_steps_are_what_a_loop_finds(
    rows: list[tuple[int, int]], wanted: set[int], start: list[int], gap: list[int], count: int, split: int
) -> None:
    """Each step is the last row at least one gap before the one before it; a gap of nothing still goes back."""
    steps = EarlierSteps(np.array(sorted(wanted), np.int64), ENTITIES)
    for part in (rows[:split], rows[split:]):
        steps.add(np.array([r[0] for r in part], np.int64), np.array([r[1] for r in part], np.int64))
    found = steps.steps(np.array(start, np.int64), np.array(gap, np.int64), count)
    assert len(found) == count
    for entity in range(ENTITIES):
        current = start[entity]
        for step in found:
            expected = NO_INSTANT
            if entity in wanted and current != NO_INSTANT:
                reach = current - max(gap[entity], 1000)
                expected = max((i for e, i in rows if e == entity and i <= reach), default=NO_INSTANT)
            assert step[entity] == expected
            current = expected


def test_earlier_steps_of_nothing() -> None:
    empty = EarlierSteps(np.arange(2), 2).steps(np.array([0, NO_INSTANT]), np.array([5, 5]), 2)
    assert [step.tolist() for step in empty] == [[NO_INSTANT, NO_INSTANT]] * 2
