"""Whose row ids in Feast's Spark store run into each other, held against plain Python."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feast_skew.stores.spark_row_ids import colliding, frames

MINUTE = 60 * 10**9


def pairs(*keys: tuple[Any, Any]) -> pa.Table:
    return pa.table({"a": [key[0] for key in keys], "b": [key[1] for key in keys]})


def test_texts_run_into_each_other_at_one_moment_only() -> None:
    keys = pairs((1, 12), (11, 2), (3, 4))
    assert colliding(keys).tolist() == [True, True, False]
    assert colliding(keys, np.array([0, 0, 0])).tolist() == [True, True, False]
    assert colliding(keys, np.array([0, MINUTE, 0])).tolist() == [False] * 3
    # A moment counts to the microsecond, as Spark writes it.
    assert colliding(keys, np.array([0, 999, 0])).tolist() == [True, True, False]
    assert colliding(keys, np.array([0, 1000, 0])).tolist() == [False] * 3


def test_the_order_of_the_keys_decides() -> None:
    keys = pairs((1, 12), (11, 2), (2, 11), (12, 1))
    assert colliding(keys).tolist() == [True, True, False, False]
    assert colliding(keys, order=["b", "a"]).tolist() == [False, False, True, True]


def test_one_key_never_collides_nor_does_an_entity_with_itself() -> None:
    assert not colliding(pa.table({"id": [1, 12, 1]})).any()
    assert not colliding(pairs((1, 12), (1, 12))).any()
    assert colliding(pairs((1, 12), (1, 12), (11, 2))).all()


def test_null_keys_are_nobodys() -> None:
    assert not colliding(pairs((1, None), (None, 1), (1, None))).any()


@pytest.mark.parametrize("size", [0, 1])
def test_no_company_no_collision(size: int) -> None:
    keys = pairs((1, 12)).slice(0, size)
    assert colliding(keys, np.zeros(size, dtype=np.int64)).tolist() == [False] * size
    assert [len(part) for part in frames(keys, np.zeros(size, dtype=np.int64))] == [size]


@given(
    st.lists(
        st.tuples(st.text("12", max_size=4), st.text("12", max_size=4), st.text("12", max_size=2), st.integers(0, 2)),
        max_size=40,
    )
)
def test_as_by_hand(rows: list[tuple[str, str, str, int]]) -> None:
    table = pa.table({name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate("abc")})
    instants = np.array([row[3] * MINUTE for row in rows], dtype=np.int64)
    owners: dict[Any, set[Any]] = defaultdict(set)
    for a, b, c, moment in rows:
        owners[a + b + c, moment].add((a, b, c))
    expected = [len(owners[a + b + c, moment]) > 1 for a, b, c, moment in rows]
    assert colliding(table, instants).tolist() == expected
    parts = frames(table, instants)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(rows)))
    assert len(parts) == max([len(found) for found in owners.values()], default=1)
    for part in parts:
        assert not colliding(table.take(pa.array(part, pa.int64())), instants[part]).any()
