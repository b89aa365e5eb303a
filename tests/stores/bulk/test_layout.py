"""The layout is Feast's own: a Feast that changes it fails here first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feast_skew.core.keys import JoinKey, KeySet
from feast_skew.core.types import key_type
from feast_skew.errors import InputError
from feast_skew.stores.redis import layout

IDS: dict[str, pa.Array] = {
    "Int32": pa.array([0, -1, 2**31 - 1, -(2**31), 123], pa.int32()),
    "Int64": pa.array([0, -1, 2**63 - 1, -(2**63), 125]),
    "String": pa.array(["", "a", "Zürich \U0001f600", "x" * 300, "\x00{}*"]),
    "Bytes": pa.array([b"", b"\x00", b"\xff*?[", b"y" * 300, b"{}"]),
    "UnixTimestamp": pa.array([0, -1, 10**10, 1, 2]).cast(pa.timestamp("s", "UTC")),
}


def key_set(*types: str) -> KeySet:
    keys = [JoinKey(f"{name.lower()}_{i}", key_type(name)) for i, name in enumerate(types)]
    return KeySet(tuple(sorted(keys, key=lambda key: key.name)))


def by_feast(table: pa.Table, keys: KeySet, project: str, version: int) -> list[bytes]:
    from feast.infra.online_stores.helpers import _redis_key

    from feast_skew.core.model import ViewPlan
    from feast_skew.stores.feast_online import entity_keys

    plan = ViewPlan("v", keys, ())
    return [_redis_key(project, key, version) for key in entity_keys(plan, table)]


@pytest.mark.filterwarnings("ignore:Serialization of entity key")
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    "types", [("Int32",), ("Int64",), ("String",), ("Bytes",), ("UnixTimestamp",), ("String", "Int64"), (*IDS,), ()]
)
def test_keys_are_those_that_feast_builds(types: tuple[str, ...], version: int) -> None:
    keys = key_set(*types)
    table = pa.table({key.name: IDS[key.declared.name] for key in keys.keys}) if types else pa.table({"n": [1, 2]})
    for given in (table, table.slice(1, 1), table.slice(0, 0)):
        found = layout.Layout("projekt-ü", version).keys(given, keys)
        assert found.to_pylist() == by_feast(given, keys, "projekt-ü", version)


@pytest.mark.filterwarnings("ignore:Serialization of entity key")
@pytest.mark.parametrize("version", [0, 1])
def test_the_oldest_versions_keep_four_bytes_of_an_id(version: int) -> None:
    keys = key_set("Int64")
    small = pa.table({"int64_0": [1, -1, 2**31 - 1]})
    assert layout.Layout("p", version).keys(small, keys).to_pylist() == by_feast(small, keys, "p", version)
    with pytest.raises(InputError, match="do not fit the 4 bytes"):
        layout.Layout("p", version).keys(pa.table({"int64_0": [2**31]}), keys)


def test_chunked_columns_are_one() -> None:
    keys = key_set("String", "Int64")
    table = pa.table({"string_0": ["a", "b", "c"], "int64_1": [1, 2, 3]})
    chunked = pa.concat_tables([table.slice(0, 1), table.slice(1, 2)])
    assert layout.Layout("p").keys(chunked, keys).equals(layout.Layout("p").keys(table, keys))


def test_fields_are_those_that_feast_reads() -> None:
    from feast.infra.online_stores.redis import RedisOnlineStore

    names = ["trips", "", "größe", "a:b"]
    _, theirs = RedisOnlineStore()._generate_hset_keys_for_features(None, list(names), "view_v2")
    assert layout.fields("view_v2", names) == [one if isinstance(one, bytes) else one.encode() for one in theirs]


def test_versioned_views_have_the_names_that_feast_gives_them() -> None:
    class View:
        name = "stats"
        current_version_number = 3
        projection = type("P", (), {"version_tag": None})()

    assert layout.Layout("p", versioned=True).view_name(View()) == "stats_v3"
    assert layout.Layout("p").view_name(View()) == "stats"


def test_tags_are_those_of_feasts_messages() -> None:
    from feast.protos.feast.types.Value_pb2 import Value
    from google.protobuf.timestamp_pb2 import Timestamp

    samples: dict[str, tuple[int, Any]] = {
        "bytes_val": (layout.BYTES_TAG, b"a"),
        "string_val": (layout.STRING_TAG, "a"),
        "int32_val": (layout.INT32_TAG, 1),
        "int64_val": (layout.INT64_TAG, 1),
        "double_val": (layout.DOUBLE_TAG, 1.0),
        "float_val": (layout.FLOAT_TAG, 1.0),
        "bool_val": (layout.BOOL_TAG, True),
        "unix_timestamp_val": (layout.UNIX_TIMESTAMP_TAG, 1),
    }
    for name, (tag, value) in samples.items():
        assert Value(**{name: value}).SerializeToString()[0] == tag, name
    raw = Timestamp(seconds=1, nanos=1).SerializeToString()
    assert (raw[0], raw[2]) == (layout.SECONDS_TAG, layout.NANOS_TAG)


def test_the_row_of_a_view_without_entities() -> None:
    from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL

    assert layout.NO_ENTITY == (DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL)


def test_many_keys_at_once() -> None:
    keys = key_set("Int64")
    ids = np.arange(100_000)
    found = layout.Layout("p").keys(pa.table({"int64_0": ids}), keys)
    assert len(set(found.to_pylist())) == len(ids)
