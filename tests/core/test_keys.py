"""Entity keys: finding rows, distinct entities and the sample, against dictionaries and sorted lists."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from datetime import datetime, timezone
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feast_skew.core.distinct import DistinctEntities
from feast_skew.core.keys import (
    JoinKey,
    KeyIndex,
    KeySet,
    canonical_key_bytes,
    cast_keys,
    key_hashes,
    render_key,
    smallest,
)
from feast_skew.core.types import declared_type

TEXT = st.sampled_from(["", "a", "b", "ab", "a|b", "ä", "日本", "a\x00", "\x00a", "A", "a "])
BYTES = st.sampled_from([b"", b"a", b"\x00", b"a\x00", b"\xff\xfe", b"ab"])
INTEGERS = st.one_of(st.integers(-3, 3), st.sampled_from([2**63 - 1, -(2**63), 2**62 + 1, 2**62]))
SECONDS = st.sampled_from([-1, 0, 1, 1356998400])
VALUES = {
    "String": TEXT,
    "Bytes": BYTES,
    "Int64": INTEGERS,
    "Int32": st.integers(-3, 3),
    "UnixTimestamp": SECONDS,
    "Bool": st.booleans(),
}


def key_set(types: Sequence[str]) -> KeySet:
    return KeySet(tuple(JoinKey(f"k{i}", declared_type(name)) for i, name in enumerate(types)))


def key_table(keys: KeySet, rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    columns = []
    for i, key in enumerate(keys.keys):
        values = [row[i] for row in rows]
        if key.declared.name == "UnixTimestamp":
            columns.append(pa.array(values, pa.int64()).cast(key.declared.arrow))
        else:
            columns.append(pa.array(values, key.declared.arrow))
    return pa.table(columns, schema=keys.schema)


@st.composite
def keyed_rows(draw: st.DrawFn, count: int, *, nulls: bool) -> tuple[KeySet, list[list[tuple[Any, ...]]]]:
    types = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=3))
    cells = [st.one_of(st.none(), VALUES[name]) if nulls else VALUES[name] for name in types]
    row = st.tuples(*cells)
    return key_set(types), [draw(st.lists(row, max_size=12)) for _ in range(count)]


@given(keyed_rows(2, nulls=True))
def test_positions_are_those_of_a_dictionary(drawn: tuple[KeySet, list[list[tuple[Any, ...]]]]) -> None:
    """Composite keys never run into each other, null is nobody's key, and the first of repeated ones keeps the place."""
    keys, (entities, looked_up) = drawn
    oracle: dict[tuple[Any, ...], int] = {}
    for i, row in enumerate(entities):
        if None not in row:
            oracle.setdefault(row, i)
    found = KeyIndex(key_table(keys, entities)).positions(key_table(keys, looked_up))
    assert found.tolist() == [oracle.get(row, -1) for row in looked_up]
    assert found.dtype == np.int64


@given(keyed_rows(3, nulls=False))
def test_positions_through_another_table_are_the_same(drawn: tuple[KeySet, list[list[tuple[Any, ...]]]]) -> None:
    keys, (entities, others, rows) = drawn
    others = list(dict.fromkeys(others))
    index, other = KeyIndex(key_table(keys, entities)), key_table(keys, others)
    places = np.array([others.index(row) if row in others else -1 for row in rows], dtype=np.int32)
    wanted = [
        at if place >= 0 else -1 for at, place in zip(index.positions(key_table(keys, rows)), places, strict=True)
    ]
    for _ in range(2):
        assert index.through(other, places).tolist() == wanted
    assert index.through(index.entities, places) is places


def test_positions_in_many_chunks_and_of_many_keys() -> None:
    rng = np.random.default_rng(0)
    entities = sorted({(int(a), f"n{b}") for a, b in rng.integers(0, 300, (4000, 2))})
    keys = key_set(["Int64", "String"])
    table = key_table(keys, entities)
    asked = [(int(a), f"n{b}") for a, b in rng.integers(0, 320, (5000, 2))]
    lookup = pa.concat_tables([key_table(keys, asked[i : i + 700]) for i in range(0, 5000, 700)])
    oracle = {row: i for i, row in enumerate(entities)}
    assert KeyIndex(table).positions(lookup).tolist() == [oracle.get(row, -1) for row in asked]


def test_a_view_without_entities_has_one_row() -> None:
    nobody = pa.table({"__rows": pa.nulls(1)}).select([])
    four = pa.table({"__rows": pa.nulls(4)}).select([])
    assert KeyIndex(nobody).positions(four).tolist() == [0, 0, 0, 0]
    assert KeyIndex(four.slice(0, 0)).positions(four).tolist() == [-1] * 4


@given(keyed_rows(1, nulls=False), st.lists(st.integers(0, 12), max_size=4))
def test_distinct_entities_do_not_depend_on_the_split(
    drawn: tuple[KeySet, list[list[tuple[Any, ...]]]], cuts: list[int]
) -> None:
    keys, (rows,) = drawn
    distinct = DistinctEntities(keys)
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    for start, end in pairwise(edges):
        distinct.add(key_table(keys, rows[start:end]))
    found = distinct.table()
    assert found.schema == keys.schema
    expected = key_table(keys, list(dict.fromkeys(rows)))
    assert found.num_rows == expected.num_rows
    assert sorted(canonical_key_bytes(found, keys)) == sorted(canonical_key_bytes(expected, keys))
    assert distinct.any_row == bool(rows)


def test_folding_the_distinct_entities_keeps_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = key_set(["Int64"])
    distinct = DistinctEntities(keys)
    folds = []
    fold = distinct._fold
    monkeypatch.setattr(distinct, "_fold", lambda: (folds.append(1), fold())[1])
    for start in range(0, 1_800_000, 600_000):
        distinct.add(pa.table({"k0": np.arange(start, start + 700_000)}))
    assert folds, "it never folded before the end"
    assert distinct.table().num_rows == 1_900_000


def test_keys_are_cast_to_the_registry_and_nulls_are_told() -> None:
    keys = key_set(["Int64", "String"])
    table = pa.table({"k0": [1.0, None, float("nan"), 4.0], "k1": [10, 20, 30, None], "more": [1, 2, 3, 4]})
    cast, complete = cast_keys(table, keys)
    assert cast.to_pydict() == {"k0": [1, None, None, 4], "k1": ["10", "20", "30", None]}
    assert complete.tolist() == [True, False, False, False]
    for bad in ({"k0": [1.5], "k1": ["a"]}, {"k0": ["x"], "k1": ["a"]}):
        with pytest.raises((pa.ArrowInvalid, pa.ArrowNotImplementedError)):
            cast_keys(pa.table(bad), keys)
    assert cast_keys(pa.table({"a": [1, 2]}), KeySet(()))[1].tolist() == [True, True]


FEAST_IDS = {
    "String": ("string_val", ["", "a", "ä", "日本", "a\x00b"]),
    "Bytes": ("bytes_val", [b"", b"\x00\xff", b"abc", b"x" * 300, b"\n"]),
    "Int32": ("int32_val", [0, 1, -1, 2**31 - 1, -(2**31)]),
    "Int64": ("int64_val", [0, 1, -1, 2**63 - 1, -(2**63)]),
    "UnixTimestamp": ("unix_timestamp_val", [0, 1, -1, 1356998400, -(2**40)]),
}


@pytest.mark.parametrize("types", [[name] for name in FEAST_IDS] + [list(FEAST_IDS), ["Int64", "String"]])
def test_canonical_bytes_are_those_of_feast(types: list[str]) -> None:
    """The same bytes as in Redis, whatever order the join keys are declared in."""
    from feast.infra.key_encoding_utils import serialize_entity_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    names = ["zeta", "alpha", "Beta", "ümlaut", "a_b"][: len(types)]
    keys = KeySet(tuple(JoinKey(name, declared_type(t)) for name, t in zip(names, types, strict=True)))
    columns = []
    for name in types:
        values = FEAST_IDS[name][1]
        arrow = declared_type(name).arrow
        columns.append(pa.array(values, pa.int64()).cast(arrow) if name == "UnixTimestamp" else pa.array(values, arrow))
    found = list(canonical_key_bytes(pa.table(columns, schema=keys.schema), keys))
    for i, serialized in enumerate(found):
        values = [Value(**{FEAST_IDS[name][0]: FEAST_IDS[name][1][i]}) for name in types]
        feast_key = EntityKey(join_keys=names, entity_values=values)
        assert serialized == serialize_entity_key(feast_key, entity_key_serialization_version=3)


def test_canonical_bytes_by_hand() -> None:
    keys = KeySet((JoinKey("id", declared_type("Int32")),))
    head = b"\x01\0\0\0" + b"\x02\0\0\0" + b"\x02\0\0\0" + b"id"
    assert list(canonical_key_bytes(pa.table({"id": pa.array([258], pa.int32())}), keys)) == [
        head + b"\x03\0\0\0" + b"\x04\0\0\0" + b"\x02\x01\0\0"
    ]


def test_hashes_are_keyed_blake2b_of_the_canonical_bytes() -> None:
    keys = key_set(["Int64"])
    table = pa.table({"k0": [1, 2, 3]})
    expected = [
        int.from_bytes(hashlib.blake2b(raw, digest_size=8, key=struct.pack("<q", 7)).digest(), "little")
        for raw in canonical_key_bytes(table, keys)
    ]
    assert key_hashes(table, keys, 7).tolist() == expected
    assert key_hashes(table.slice(0, 0), keys, 7).tolist() == []


def people(numbers: Sequence[int]) -> pa.Table:
    return pa.table({"k0": pa.array(numbers, pa.int64())})


def sample(numbers: Sequence[int], wanted: int, seed: int) -> list[int]:
    keys = key_set(["Int64"])
    table = people(numbers)
    return table.take(pa.array(smallest(key_hashes(table, keys, seed), wanted))).column("k0").to_pylist()


@given(st.sets(st.integers(0, 10**6), max_size=60), st.integers(0, 20), st.integers(-(2**63), 2**63 - 1), st.randoms())
def test_the_sample_knows_no_order(numbers: set[int], wanted: int, seed: int, random: Any) -> None:
    shuffled = sorted(numbers)
    random.shuffle(shuffled)
    assert sample(shuffled, wanted, seed) == sample(sorted(numbers), wanted, seed)


@given(
    st.sets(st.integers(0, 200), max_size=80),
    st.sets(st.integers(0, 200), max_size=80),
    st.integers(1, 30),
    st.integers(0, 9),
)
def test_new_entities_only_displace_and_parts_can_be_sampled_apart(
    one: set[int], other: set[int], wanted: int, seed: int
) -> None:
    """The bottom-N law: the sample of a union is the sample of the samples of its parts."""
    whole = sample(sorted(one | other), wanted, seed)
    of_parts = {*sample(sorted(one), wanted, seed), *sample(sorted(other), wanted, seed)}
    assert whole == sample(sorted(of_parts), wanted, seed)
    kept = set(whole) & one
    assert kept <= set(sample(sorted(one), wanted, seed))


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(0, 45))
def test_smallest_is_a_sorted_head(hashes: list[int], wanted: int) -> None:
    given_hashes = np.array(hashes, dtype=np.uint64)
    found = smallest(given_hashes, wanted)
    assert given_hashes[found].tolist() == sorted(hashes)[:wanted]
    assert len(set(found.tolist())) == len(found)


def test_seeds_give_other_samples_and_every_entity_its_share() -> None:
    """Over 400 seeds each of 50 entities is among 10 drawn about 80 times: four standard deviations are 32."""
    drawn = [sample(range(50), 10, seed) for seed in range(400)]
    assert len({tuple(entry) for entry in drawn}) == 400
    times = np.bincount(np.concatenate(drawn), minlength=50)
    assert times.min() > 80 - 36
    assert times.max() < 80 + 36


def test_a_key_is_rendered_as_plain_values() -> None:
    keys = key_set(["UnixTimestamp", "Bytes"])
    table = key_table(keys, [(0, b"\x01"), (60, b"\x02")])
    assert render_key(table, 1) == {"k0": datetime(1970, 1, 1, 0, 1, tzinfo=timezone.utc), "k1": b"\x02"}
