"""Entities of two tables numbered in the order of their keys, against a loop over the rows."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feast_skew.core.numbering import number_entities, number_rows

MOMENT = datetime(2024, 1, 1, tzinfo=timezone.utc)
VALUES: dict[str, tuple[pa.DataType, list[Any]]] = {
    "dense": (pa.int64(), [-3, 0, 1, 2, 5]),
    "int32": (pa.int32(), [-(2**31), 0, 2**31 - 1]),
    "far": (pa.int64(), [-(2**63), -1, 0, 10**12, 2**63 - 1]),
    "unsigned": (pa.decimal128(20, 0), [Decimal(0), Decimal(2**64 - 1)]),
    "string": (pa.string(), ["", "a", "A", "aa", "é", "\x00"]),
    "bytes": (pa.binary(), [b"", b"a", b"\xff"]),
    "bool": (pa.bool_(), [False, True]),
    "double": (pa.float64(), [-1.5, 0.0, float("inf")]),
    "time": (pa.timestamp("us", "UTC"), [MOMENT, MOMENT.replace(year=1950)]),
}


def numbered_by_loops(offline: list[Any], online: list[Any]) -> tuple[list[Any], list[int], list[int]]:
    """Every step in plain Python: the distinct whole keys, sorted, and the place of each row's key among them."""
    entities: list[Any] = []
    for row in offline + online:
        if None not in row and row not in entities:
            entities.append(row)
    entities.sort()
    return entities, *([entities.index(row) if row in entities else -1 for row in rows] for rows in (offline, online))


@st.composite
def key_tables(draw: st.DrawFn) -> tuple[pa.Schema, list[Any], list[Any]]:
    names = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=3))
    schema = pa.schema([(f"{name}{i}", VALUES[name][0]) for i, name in enumerate(names)])
    row = st.tuples(*(st.one_of(st.sampled_from(VALUES[name][1]), st.none()) for name in names))
    return schema, draw(st.lists(row, max_size=25)), draw(st.lists(row, max_size=25))


def table(schema: pa.Schema, rows: list[Any]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [() for _ in schema]
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema)


@given(key_tables())
def test_numbers_are_those_of_a_loop(drawn: tuple[pa.Schema, list[Any], list[Any]]) -> None:
    schema, offline, online = drawn
    found = number_entities(table(schema, offline), table(schema, online))
    entities, of_offline, of_online = numbered_by_loops(offline, online)
    assert [tuple(row.values()) for row in found.entities.to_pylist()] == entities
    assert found.offline.tolist() == of_offline
    assert found.online.tolist() == of_online


@pytest.mark.parametrize("step", [1, 7, 10**12])
def test_many_keys_dense_and_far_apart(step: int) -> None:
    """Dense ids are counted off, distant ones hashed; both give the same numbers."""
    random = np.random.default_rng(5)
    numbers = random.permutation(5000)
    offline, online = numbers[:3000], numbers[2000:]
    found = number_entities(pa.table({"id": offline * step}), pa.table({"id": online * step}))
    assert found.offline.tolist() == offline.tolist()
    assert found.online.tolist() == online.tolist()
    assert found.entities.column("id").to_pylist() == [i * step for i in range(5000)]


def test_composite_keys_never_run_into_each_other() -> None:
    keys = {"a": ["x", "xy", "x"], "b": ["yz", "z", "yz"]}
    found = number_entities(pa.table(keys), pa.table(keys))
    assert found.offline.tolist() == found.online.tolist() == [0, 1, 0]


@given(key_tables())
def test_rows_of_one_table_are_numbered_by_their_keys(drawn: tuple[pa.Schema, list[Any], list[Any]]) -> None:
    """In chunks and whole, of rows whose keys are whole; the order of the entities has no meaning."""
    schema, first, second = drawn
    rows = [row for row in first + second if None not in row]
    split = sum(None not in row for row in first)
    chunks = pa.concat_tables([table(schema, rows[:split]), table(schema, rows[split:])])
    entities, positions = number_rows(chunks)
    found = [tuple(row.values()) for row in entities.to_pylist()]
    assert [found[position] for position in positions] == rows
    assert len(found) == len(set(found)) == len(set(rows))
