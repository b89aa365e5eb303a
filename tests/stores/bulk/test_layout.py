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


@pytest.mark.parametrize("types", [("Int32",), ("Int64",), ("String",), ("Bytes",), ("UnixTimestamp",), (*IDS,)])
def test_keys_are_read_back(types: tuple[str, ...]) -> None:
    keys = key_set(*types)
    table = pa.table({key.name: IDS[key.declared.name] for key in keys.keys})
    ours = layout.Layout("p1").keys(table, keys).to_pylist()
    rest = [b"", b"p1", ours[0][:-2], ours[1] + b"p1", ours[2][:-1], b"x" + ours[3], ours[4][:-2] + b"q1", ours[0] * 2]
    others = layout.Layout("q").keys(table, keys).to_pylist()
    mixed = [*rest, *ours[:2], *others, *ours[2:], *rest]
    assert layout.Layout("p1").entities(mixed, keys).to_pylist() == table.to_pylist()
    assert layout.Layout("p1").entities([], keys).num_rows == 0
    assert layout.Layout("p1").entities(rest, keys).num_rows == 0


def test_a_project_whose_name_ends_in_this_one_is_another() -> None:
    keys = key_set("Int64")
    table = pa.table({"int64_0": [1, 2]})
    theirs = layout.Layout("my_fraud").keys(table, keys).to_pylist()
    assert layout.Layout("fraud").entities(theirs, keys).num_rows == 0


def test_texts_that_are_no_text_are_nobodys_keys() -> None:
    keys = key_set("String")
    good = layout.Layout("p").keys(pa.table({"string_0": ["ab", "cd"]}), keys).to_pylist()
    broken = good[0].replace(b"ab", b"\xff\xfe")
    assert layout.Layout("p").entities([good[0], broken, good[1]], keys).to_pylist() == [
        {"string_0": "ab"},
        {"string_0": "cd"},
    ]


@pytest.mark.filterwarnings("ignore:Serialization of entity key")
@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(
    "types", [("Int32",), ("Int64",), ("String",), ("String", "Int64"), ("Int64", "Int32", "String")]
)
def test_how_keys_are_made_is_read_from_them(types: tuple[str, ...], version: int) -> None:
    """Of any project, with the join keys in any order; versions below 2 are told by the ids that they make shorter."""
    keys = key_set(*types)
    table = pa.table({key.name: IDS[key.declared.name].take(pa.array([4, 4])) for key in keys.keys if key.declared.name != "String"}
                     | {key.name: pa.array(["a", "b"]) for key in keys.keys if key.declared.name == "String"})  # fmt: skip
    names = tuple(key.name for key in keys.keys)
    told = version if version > 1 or "Int64" in types else 2
    by_name = {key.name: key.declared.name for key in keys.keys}
    for raw in by_feast(table, keys, "projekt-ü", version):
        form = layout.form_of(raw, names[::-1])
        assert form == layout.KeyForm("projekt-ü", told, names, tuple(by_name[name] for name in names))
    turned = layout.Layout("p", version).keys(table.select(list(names)), keys, order=names[::-1])
    form = layout.form_of(turned[0].as_py(), names)
    assert form is not None
    assert (form.project, form.names) == ("p", names[::-1])


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\x01", b"p", b"\xff" * 40, b"\x01\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00id",
        b"\x01\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00id\x04\x00\x00\x00\xff\xff\xff\xff12345678p",
        b"\x01\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00id\x63\x00\x00\x00\x08\x00\x00\x0012345678p",
        b"\x01\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00id\x04\x00\x00\x00\x08\x00\x00\x0012345678",
    ],
)  # fmt: skip
def test_what_is_no_key_has_no_form(raw: bytes) -> None:
    assert layout.form_of(raw, ["id"]) is None
    assert layout.form_of(raw, ["id", "other"]) is None


def test_the_views_of_a_hash() -> None:
    assert layout.views_of([b"_ts:v", b"1234", b"_ts:", b"_ts:\xff", "_ts:größe".encode()]) == ["v", "größe"]


def test_the_field_with_which_a_value_begins() -> None:
    from feast.protos.feast.types.Value_pb2 import Value

    for name, value in (("string_val", "x"), ("double_val", 1.5), ("uuid_val", "u"), ("bool_val", True)):
        raw = Value(**{name: value}).SerializeToString()
        assert layout.first_field(raw) == Value.DESCRIPTOR.fields_by_name[name].number
    assert layout.first_field(b"") is None
    assert layout.first_field(b"\xff" * 9) is None
