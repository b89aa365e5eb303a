"""The class of a pair, against a table written by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.pairs import COMPARED, WRONG, FeaturePairs, PairClass, RowState, classify

AT = 1_000


def row_state(cases: list[tuple[bool, bool, bool]]) -> RowState:
    """Rows by (offline has one, online has one, they share an instant)."""
    size = len(cases)
    none = np.full(size, NO_INSTANT, dtype=np.int64)
    nowhere = np.zeros(size, dtype=bool)
    return RowState(
        online=np.array([AT if on else NO_INSTANT for _, on, _ in cases], np.int64),
        latest=none,
        before=none,
        after=none,
        aligned=np.array([AT if off and on and shared else NO_INSTANT for off, on, shared in cases], np.int64),
        has_offline=np.array([off for off, _, _ in cases], bool),
        stale=nowhere,
        ahead=nowhere,
        expired=nowhere,
    )


# offline row, online row, shared instant -> class; where both rows share an instant the values decide:
#   null offline, null online, same -> class
ROWS = {
    (False, False, False): "absent_both",
    (False, False, True): "absent_both",
    (False, True, False): "online_only",
    (False, True, True): "online_only",
    (True, False, False): "offline_only",
    (True, False, True): "offline_only",
    (True, True, False): "unaligned",
    (True, True, True): None,
}
VALUES = {
    (False, False, True): "match",
    (False, False, False): "mismatch",
    (True, False, False): "null_offline",
    (True, False, True): "null_offline",
    (False, True, False): "null_online",
    (False, True, True): "null_online",
    (True, True, False): "null_both",
    (True, True, True): "null_both",
}
# A value that cannot be read was there, so online has a row, whatever its timestamp says.
CORRUPT = {
    (True, True): "corrupt",
    (True, False): "corrupt",
    (False, True): "online_only",
    (False, False): "online_only",
}


def test_every_combination_is_in_the_class_of_the_table() -> None:
    cases = list(product(*[(False, True)] * 7))
    rows = row_state([case[:3] for case in cases])
    null_off, null_on, same, corrupt = (np.array([case[i] for case in cases]) for i in range(3, 7))
    found = classify(rows, same, null_off, null_on, corrupt)
    assert len(cases) == 128
    for case, seen in zip(cases, found, strict=True):
        sound = ROWS[case[:3]] or VALUES[case[3], case[4], case[5]]
        expected = CORRUPT[case[0], case[1]] if case[6] else sound
        assert PairClass(seen).key == expected, case


@given(st.lists(st.tuples(*[st.booleans()] * 7), max_size=30))
def test_counts_always_partition(cases: list[tuple[bool, ...]]) -> None:
    rows = row_state([case[:3] for case in cases])  # type: ignore[misc]
    columns = [np.array([case[i] for case in cases], dtype=bool) for i in range(3, 7)]
    nothing = pa.nulls(len(cases))
    pairs = FeaturePairs(nothing, nothing, classify(rows, columns[2], columns[0], columns[1], columns[3]))
    assert sum(pairs.count(kind) for kind in PairClass) == len(cases)
    assert pairs.wrong.sum() == sum(pairs.count(kind) for kind in WRONG)
    assert pairs.mask(*PairClass).all()
    assert not (
        set(COMPARED) & {PairClass.UNALIGNED, PairClass.ABSENT_BOTH, PairClass.OFFLINE_ONLY, PairClass.ONLINE_ONLY}
    )
    unaligned = pairs.mask(PairClass.UNALIGNED) | (pairs.mask(PairClass.CORRUPT) & rows.unaligned)
    assert np.array_equal(unaligned, rows.unaligned)


def test_lag_is_how_far_online_lies_behind() -> None:
    rows = row_state([(True, True, True)] * 3)
    rows.latest = np.array([AT + 5, AT, AT - 5])
    rows.stale = np.array([True, False, False])
    assert rows.lag.tolist() == [5, 0, 0]
    assert rows.has_online.tolist() == [True, True, True]
