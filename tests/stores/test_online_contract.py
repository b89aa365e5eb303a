"""Online rows come out as they were written: every type, null told from absent, and nothing that is broken stops a run."""

from __future__ import annotations

import struct
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.errors import InputError

NOON = datetime(2024, 1, 1, 12, tzinfo=timezone.utc)
EXACT = NOON + timedelta(microseconds=123457)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def ns(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


def stamps(*moments: datetime | None) -> pa.Array:
    ticks = [None if m is None else (m - EPOCH) // timedelta(microseconds=1) for m in moments]
    return pa.array(ticks, pa.int64()).cast(pa.timestamp("us", "UTC"))


# By feature: the declared type, what the Parquet column holds in rows 1 and 2, and what has to come out of row 1.
# Row 3 is null everywhere.
VALUES: dict[str, tuple[str, pa.Array, Any]] = {
    "int32": ("Int32", pa.array([-7, 2**31 - 1, None], pa.int32()), -7),
    "int64": ("Int64", pa.array([-7, 2**53, None], pa.int64()), -7),
    "float32": ("Float32", pa.array([0.1, -0.0, None], pa.float32()), float(np.float32(0.1))),
    "float64": ("Float64", pa.array([0.1, float("inf"), None]), 0.1),
    "float_as_double": ("Float32", pa.array([0.1, 1e300, None]), float(np.float32(0.1))),
    "nan": ("Float64", pa.array([float("nan"), 1.0, None]), None),
    "bool": ("Bool", pa.array([False, True, None]), False),
    "string": ("String", pa.array(["", "Zürich \U0001f600", None]), ""),
    "bytes": ("Bytes", pa.array([b"\x00\xff", b"", None]), b"\x00\xff"),
    "timestamp": (
        "UnixTimestamp",
        stamps(NOON + timedelta(milliseconds=900), datetime(1969, 12, 31, 23, 59, 58, 500_000, timezone.utc), None),
        NOON,
    ),
    "int32s": ("Array(Int32)", pa.array([[1, -2], [], None], pa.list_(pa.int32())), [1, -2]),
    "int64s": ("Array(Int64)", pa.array([[1, 2**60], [], None], pa.list_(pa.int64())), [1, 2**60]),
    "float32s": ("Array(Float32)", pa.array([[0.1], [], None], pa.list_(pa.float32())), [float(np.float32(0.1))]),
    "float64s": ("Array(Float64)", pa.array([[0.1, float("nan")], [], None]), [0.1, None]),
    "bools": ("Array(Bool)", pa.array([[True, False], [], None], pa.list_(pa.bool_())), [True, False]),
    "strings": ("Array(String)", pa.array([["b", "a", ""], [], None]), ["b", "a", ""]),
    "byteses": ("Array(Bytes)", pa.array([[b"\xff"], [], None], pa.list_(pa.binary())), [b"\xff"]),
    "timestamps": (
        "Array(UnixTimestamp)",
        pa.array([[NOON, EPOCH], [], None], pa.list_(pa.timestamp("us", "UTC"))),
        [NOON, EPOCH],
    ),
    "map": ("Map", pa.array(['{"b": 1, "a": {"c": [1.0, 2.5]}}', "{}", None]), '{"a":{"c":[1,2.5]},"b":1}'),
    "json": ("Json", pa.array(['{"b": 1.0, "a": null}', "[]", None]), '{"a":null,"b":1}'),
    "struct": ("STRUCT", pa.array([{"x": 1, "y": "q"}, {"x": 2, "y": "r"}, None]), '{"x":1,"y":"q"}'),
    "strings_set": ("Set(String)", pa.array([["b", "a", "b"], ["c"], None]), ["a", "b"]),
    "ints_set": ("Set(Int64)", pa.array([[2, 10, 1], [5], None], pa.list_(pa.int64())), [1, 2, 10]),
    "decimal": ("Decimal", pa.array(["1.50", "2", None]), Decimal("1.5")),
    "uuid": (
        "Uuid",
        pa.array(["12345678-1234-5678-1234-567812345678"] * 2 + [None]),
        "12345678-1234-5678-1234-567812345678",
    ),
    "nested": ("Array(Array(Int64))", pa.array([[[1, 2], [3]], [[4]], None]), "[[1,2],[3]]"),
}

IDS: dict[str, tuple[pa.Array, list[Any]]] = {
    "Int32": (pa.array([-1, 2**31 - 1], pa.int32()), [-1, 2**31 - 1]),
    "Int64": (pa.array([-1, 2**62]), [-1, 2**62]),
    "String": (pa.array(["", "Zürich:p1"]), ["", "Zürich:p1"]),
    "Bytes": (pa.array([b"\x00", b"\xff*?["]), [b"\x00", b"\xff*?["]),
    "UnixTimestamp": (stamps(EPOCH, NOON), [EPOCH, NOON]),
}
MANY = 2_501


def field(name: str, dtype: str) -> Any:
    from feast import Field, types

    if dtype == "STRUCT":
        return Field(name=name, dtype=types.Struct({"x": types.Int64, "y": types.String}))
    return dtype


@pytest.fixture(scope="module", params=["redis", "sqlite"])
def world(request: pytest.FixtureRequest, make_repository: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A repository with everything in it, materialized once; the tests only read it."""
    repo = make_repository(tmp_path_factory.mktemp(request.param), online=request.param)
    views = []
    table = {"id": [1, 2, 3], "event_timestamp": stamps(EXACT, NOON, NOON)}
    table.update({name: column for name, (_, column, _) in VALUES.items()})
    declared = {name: field(name, dtype) for name, (dtype, _, _) in VALUES.items()}
    views.append(repo.view("types", repo.source("types", table), {"id": "Int64"}, declared))
    for dtype, (column, _) in IDS.items():
        name = f"by_{dtype.lower()}"
        source = repo.source(name, {f"k_{dtype}": column, "event_timestamp": stamps(NOON, EXACT), "x": [1.5, 2.5]})
        views.append(repo.view(name, source, {f"k_{dtype}": dtype}, {"x": "Float64"}))
    pairs = {"zone": ["c", "bc"], "area": ["ab", "a"], "event_timestamp": stamps(NOON, EXACT), "x": [1.5, 2.5]}
    views.append(
        repo.view("pairs", repo.source("pairs", pairs), {"zone": "String", "area": "String"}, {"x": "Float64"})
    )
    alone = {"event_timestamp": stamps(NOON, EXACT), "x": [1.5, 2.5]}
    views.append(repo.view("alone", repo.source("alone", alone), {}, {"x": "Float64"}))
    crowd = {
        "id": np.arange(0, 2 * MANY, 2),
        "event_timestamp": pa.array([ns(NOON) // 1000 + i for i in range(MANY)]).cast(pa.timestamp("us", "UTC")),
        "x": np.arange(MANY) / 2,
    }
    views.append(repo.view("many", repo.source("many", crowd), {"id": "Int64"}, {"x": "Float64"}))
    repo.apply(*views)
    repo.materialize()
    return repo


def kept(repo: Any, *moments: datetime | None) -> list[int]:
    """Give the instants that the store can hold: Feast's SQLite store keeps whole seconds."""
    fine = repo.online_reader().is_redis
    return [
        NO_INSTANT if moment is None else ns(moment if fine else moment.replace(microsecond=0)) for moment in moments
    ]


def read(repo: Any, name: str, entities: dict[str, Any]) -> Any:
    view = repo.view_plan(name)
    return repo.online_reader().read(view, view.features, pa.table(entities).cast(view.keys.schema))


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_what_was_written(name: str, world: Any) -> None:
    rows = read(world, "types", {"id": [3, 4, 1]})
    feature = next(f for f in world.view_plan("types").features if f.name == name)
    assert rows.columns[name].type == feature.declared.arrow
    assert rows.columns[name].to_pylist() == [None, None, VALUES[name][2]]
    assert not rows.corrupt[name].any()


@pytest.mark.parametrize("name", VALUES)
def test_both_stores_agree_on_every_value(name: str, world: Any) -> None:
    """The source's own column, brought into the declared type, equals what materializing it has made of it."""
    from feast_skew.core.equality import equal

    view = world.view_plan("types")
    feature = next(f for f in view.features if f.name == name)
    online = read(world, "types", {"id": [1, 2, 3]}).columns[name]
    reader = world.offline_reader()
    offline = reader.declare(feature, pa.chunked_array([VALUES[name][1]]))
    same = equal(offline, online, feature.tolerance) | (np.asarray(offline.is_null()) & np.asarray(online.is_null()))
    assert same.all(), (offline.to_pylist(), online.to_pylist())
    trained = reader.training_values(
        view, [feature], pa.table({"id": [1, 2, 3]}), np.array([ns(EXACT), ns(NOON), ns(NOON)])
    )
    if trained is not None:
        both_null = np.asarray(trained[name].is_null()) & np.asarray(online.is_null())
        assert (equal(trained[name], online, feature.tolerance) | both_null).all(), trained[name].to_pylist()


def test_null_absent_and_the_timestamp_to_the_microsecond(world: Any) -> None:
    """Row 3 is there and null everywhere; row 4 was never written."""
    rows = read(world, "types", {"id": [1, 3, 4]})
    assert rows.instants.tolist() == kept(world, EXACT, NOON, None)
    assert rows.present.tolist() == [True, True, False]


@pytest.mark.parametrize("dtype", IDS)
def test_ids_of_every_type(dtype: str, world: Any) -> None:
    rows = read(world, f"by_{dtype.lower()}", {f"k_{dtype}": IDS[dtype][0]})
    assert rows.columns["x"].to_pylist() == [1.5, 2.5]
    assert rows.instants.tolist() == kept(world, NOON, EXACT)


@pytest.mark.parametrize("dtype", IDS)
def test_the_keys_that_redis_holds_are_found(dtype: str, world: Any) -> None:
    view = world.view_plan(f"by_{dtype.lower()}")
    scan = world.online_reader().scan_keys(view, 100_000, 30.0)
    if not world.online_reader().is_redis:
        assert scan.entities is None
        assert "cannot be listed" in scan.reason
        return
    assert scan.complete
    assert scan.entities.schema == view.keys.schema
    assert sorted(scan.entities.column(f"k_{dtype}").to_pylist()) == sorted(IDS[dtype][1])


def test_composite_keys_in_any_order_of_columns(world: Any) -> None:
    entities = {"zone": ["bc", "c", "b"], "area": ["a", "ab", "ca"]}
    view = world.view_plan("pairs")
    assert view.keys.names == ("area", "zone")
    table = pa.table(entities)
    for columns in (["zone", "area"], ["area", "zone"]):
        rows = world.online_reader().read(view, view.features, table.select(columns))
        assert rows.columns["x"].to_pylist() == [2.5, 1.5, None]


def test_a_view_without_entities_is_one_row(world: Any) -> None:
    view = world.view_plan("alone")
    assert view.keys.keys == ()
    one = pa.table({"_": pa.nulls(1)}).select([])
    rows = world.online_reader().read(view, view.features, one)
    assert rows.columns["x"].to_pylist() == [2.5]
    assert rows.instants.tolist() == kept(world, EXACT)
    assert world.online_reader().scan_keys(view, 10, 1.0).entities is None


def test_no_entities_are_no_rows(world: Any) -> None:
    rows = read(world, "types", {"id": pa.array([], pa.int64())})
    assert len(rows.instants) == 0
    assert all(len(column) == 0 for column in rows.columns.values())


def test_a_repeated_entity_is_answered_each_time(world: Any) -> None:
    assert read(world, "types", {"id": [1, 1, 4, 1]}).columns["int32"].to_pylist() == [-7, -7, None, -7]


def test_more_entities_than_a_chunk_holds(world: Any) -> None:
    from feast_skew.measuring.progress import NoProgress
    from feast_skew.measuring.view import read_online

    view = world.view_plan("many")
    entities = pa.table({"id": np.arange(2 * MANY)})
    rows = read_online(view, view.features, entities, world.online_reader(), NoProgress(), "reading")
    assert rows.columns["x"].to_pylist() == [i / 4 if i % 2 == 0 else None for i in range(2 * MANY)]
    moments = [NOON + timedelta(microseconds=i // 2) if i % 2 == 0 else None for i in range(2 * MANY)]
    assert rows.instants.tolist() == kept(world, *moments)


# How Feast's own answer writes what the declared type holds otherwise.
OTHERWISE = {"timestamp", "timestamps", "map", "json", "struct", "strings_set", "ints_set", "decimal", "uuid", "nested"}


def test_read_online_equals_what_serving_gets(world: Any) -> None:
    """Value by value, as `get_online_features` answers."""
    from feast_skew import read_online

    table = read_online(world.store, ["types", "many:x"], {"id": [2, 1, 4, 3]})
    assert table.column("id").to_pylist() == [2, 1, 4, 3]
    refs = [f"types:{name}" for name in VALUES] + ["many:x"]
    answer = world.store.get_online_features(
        features=refs, entity_rows=[{"id": i} for i in (2, 1, 4, 3)], full_feature_names=True
    ).to_dict()
    for ref in refs:
        name = ref.replace(":", "__")
        ours, theirs = table.column(name).to_pylist(), answer[name]
        if ref.split(":")[1] in OTHERWISE:
            assert [value is None for value in ours] == [value is None for value in theirs], ref
            continue
        for mine, served in zip(ours, theirs, strict=True):
            assert repr(mine) == repr(_without_nan(served)), ref
    assert table.column("types__event_timestamp").to_pylist()[2] is None
    assert table.schema.field("types__event_timestamp").type == pa.timestamp("ns", "UTC")
    got = table.column("types__event_timestamp").cast(pa.int64()).to_pylist()
    assert [NO_INSTANT if one is None else one for one in got] == kept(world, NOON, EXACT, None, NOON)
    seconds = [None if value is None else value.replace(microsecond=0) for value in answer_times(world)]
    assert seconds == [None if value is None else EPOCH + timedelta(seconds=value // 10**9) for value in got]


def _without_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124


def answer_times(world: Any) -> list[datetime | None]:
    response = world.store.get_online_features(features=["types:int32"], entity_rows=[{"id": i} for i in (2, 1, 4, 3)])
    index = list(response.proto.metadata.feature_names.val).index("int32")
    found = [stamp.ToDatetime(tzinfo=timezone.utc) for stamp in response.proto.results[index].event_timestamps]
    return [None if moment == EPOCH else moment for moment in found]


def test_timestamps_and_texts_are_served_with_the_same_content(world: Any) -> None:
    from feast_skew import read_online

    table = read_online(world.store, ["types:timestamp", "types:strings_set", "types:decimal"], {"id": [1]})
    answer = world.store.get_online_features(
        features=["types:timestamp", "types:strings_set", "types:decimal"], entity_rows=[{"id": 1}]
    ).to_dict()
    assert table.column("types__timestamp").to_pylist() == [answer["timestamp"][0]] == [NOON]
    assert set(answer["strings_set"][0]) == {"a", "b"}
    assert table.column("types__strings_set").to_pylist() == [["a", "b"]]
    assert answer["decimal"] == table.column("types__decimal").to_pylist()


def test_read_online_takes_a_service_and_casts_ids(world: Any) -> None:
    from feast import FeatureService

    from feast_skew import read_online

    views = {view.name: view for view in world.store.list_feature_views()}
    service = FeatureService(name="s", features=[views["types"][["string", "int32"]], views["many"]])
    table = read_online(world.store, service, {"id": ["1", "2"]})
    assert table.column_names == [
        "id",
        "many__x",
        "many__event_timestamp",
        "types__string",
        "types__int32",
        "types__event_timestamp",
    ]
    assert table.column("types__int32").to_pylist() == [-7, 2**31 - 1]


def test_read_online_refuses_null_keys_and_missing_ones(world: Any) -> None:
    from feast_skew import read_online

    with pytest.raises(InputError, match="null join keys"):
        read_online(world.store, ["types:int32"], {"id": [1, None]})
    with pytest.raises(InputError, match=r"lacks? join key 'id'"):
        read_online(world.store, ["types:int32"], {"ID": [1]})
    with pytest.raises(InputError, match="id Int64"):
        read_online(world.store, ["types:int32"], {"id": ["one"]})


def test_the_epoch_is_a_moment_like_others_but_for_redis(make_repository: Any, tmp_path: Any) -> None:
    """Redis answers with it for rows that are not there; SQLite does not."""
    import pandas as pd

    found = {}
    for online in ("redis", "sqlite"):
        repo = make_repository(tmp_path / online, online=online)
        source = repo.source("src", {"id": [1], "event_timestamp": stamps(EPOCH), "x": [1.5]})
        repo.apply(repo.view("v", source, {"id": "Int64"}, {"x": "Float64"}))
        frame = pd.DataFrame({"id": [1], "event_timestamp": [EPOCH], "x": [1.5]})
        repo.store.write_to_online_store("v", frame)
        rows = read(repo, "v", {"id": [1, 2]})
        found[online] = (rows.present.tolist(), rows.columns["x"].to_pylist())
    assert found == {"redis": ([False, False], [None, None]), "sqlite": ([True, False], [1.5, None])}


@pytest.mark.parametrize("online", ["redis", "sqlite"])
def test_a_feature_that_was_never_back_filled_is_null_and_not_absent(
    online: str, make_repository: Any, tmp_path: Any
) -> None:
    repo = make_repository(tmp_path, online=online)
    source = repo.source("src", {"id": [1, 2], "event_timestamp": stamps(NOON, NOON), "x": [1.5, 2.5], "y": [3.5, 4.5]})
    repo.apply(repo.view("v", source, {"id": "Int64"}, {"x": "Float64"}))
    repo.materialize()
    repo.apply(repo.view("v", source, {"id": "Int64"}, {"x": "Float64", "y": "Float64"}))
    rows = read(repo, "v", {"id": [1, 2, 3]})
    assert rows.columns["x"].to_pylist() == [1.5, 2.5, None]
    assert rows.columns["y"].to_pylist() == [None, None, None]
    assert rows.present.tolist() == [True, True, False]
    view = repo.view_plan("v")
    alone = [feature for feature in view.features if feature.name == "y"]
    rows = repo.online_reader().read(view, alone, pa.table({"id": [1, 2, 3]}))
    assert rows.columns["y"].to_pylist() == [None, None, None]
    assert rows.present.tolist() == [True, True, False]


class TestDamage:
    """What cannot be read in Redis is counted where it stands, and everything beside it is read."""

    SIZE = 8

    @pytest.fixture
    def damaged(self, repo: Any) -> Any:
        n = self.SIZE
        table = {
            "id": np.arange(n),
            "event_timestamp": stamps(*[NOON] * n),
            "x": np.arange(n) / 2,
            "s": [f"text {i}" for i in range(n)],
        }
        view = repo.view("v", repo.source("src", table), {"id": "Int64"}, {"x": "Float64", "s": "String"})
        other = repo.view("w", repo.source("other", table), {"id": "Int64"}, {"x": "Float64"})
        repo.apply(view, other)
        repo.materialize()
        return repo

    def key(self, repo: Any, entity: int) -> bytes:
        from feast.infra.key_encoding_utils import serialize_entity_key
        from feast.protos.feast.types.EntityKey_pb2 import EntityKey
        from feast.protos.feast.types.Value_pb2 import Value

        proto = EntityKey(join_keys=["id"], entity_values=[Value(int64_val=entity)])
        return serialize_entity_key(proto, 3) + repo.project.encode()

    def field(self, name: str, view: str = "v") -> bytes:
        import mmh3

        return struct.pack("<I", mmh3.hash(f"{view}:{name}", signed=False))

    def read(self, repo: Any) -> Any:
        return read(repo, "v", {"id": np.arange(self.SIZE)})

    @pytest.mark.parametrize("where", range(SIZE))
    def test_a_broken_value_at_any_place(self, where: int, damaged: Any, redis_server: Any) -> None:
        client = redis_server.client()
        assert client.hset(self.key(damaged, where), self.field("x"), b"\xff\xff\xff") == 0  # an existing field
        rows = self.read(damaged)
        assert np.flatnonzero(rows.corrupt["x"]).tolist() == [where]
        assert not rows.corrupt["s"].any()
        assert rows.columns["s"].to_pylist() == [f"text {i}" for i in range(self.SIZE)]
        assert rows.columns["x"].to_pylist() == [None if i == where else i / 2 for i in range(self.SIZE)]
        assert rows.present.all()

    def test_each_feature_is_counted_apart(self, damaged: Any, redis_server: Any) -> None:
        client = redis_server.client()
        for entity in (0, 1, self.SIZE - 1):
            client.hset(self.key(damaged, entity), self.field("x"), b"\x80")
        for entity in (1, 2):
            client.hset(self.key(damaged, entity), self.field("s"), b"\x12\x05ab")
        rows = self.read(damaged)
        assert np.flatnonzero(rows.corrupt["x"]).tolist() == [0, 1, self.SIZE - 1]
        assert np.flatnonzero(rows.corrupt["s"]).tolist() == [1, 2]
        # Entity 1 has no sound value left to ask for, and its row is still dated by another way.
        assert rows.instants[0] == rows.instants[2] == ns(NOON)

    def test_text_that_is_no_utf8(self, damaged: Any, redis_server: Any) -> None:
        redis_server.client().hset(self.key(damaged, 3), self.field("s"), b"\x12\x02\xff\xfe")
        rows = self.read(damaged)
        assert np.flatnonzero(rows.corrupt["s"]).tolist() == [3]
        assert not rows.corrupt["x"].any()

    @pytest.mark.parametrize(
        "stamp", [b"\xff\xff", b"\x08" + b"\xff" * 8 + b"\x7f", b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"]
    )
    def test_a_broken_timestamp_spoils_its_row_alone(self, stamp: bytes, damaged: Any, redis_server: Any) -> None:
        redis_server.client().hset(self.key(damaged, 5), b"_ts:v", stamp)
        rows = self.read(damaged)
        for name in ("x", "s"):
            assert np.flatnonzero(rows.corrupt[name]).tolist() == [5]
        assert np.flatnonzero(rows.instants != ns(NOON)).tolist() == [5]
        other = read(damaged, "w", {"id": np.arange(self.SIZE)})
        assert other.present.all()
        assert not other.corrupt["x"].any()

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("x", {"string_val": "1.5"}),
            ("x", {"bool_val": True}),
            ("s", {"int64_val": 5}),
            ("s", {"bytes_val": b"text"}),
        ],
    )
    def test_a_value_of_another_type(self, name: str, value: dict[str, Any], damaged: Any, redis_server: Any) -> None:
        from feast.protos.feast.types.Value_pb2 import Value

        redis_server.client().hset(self.key(damaged, 2), self.field(name), Value(**value).SerializeToString())
        rows = self.read(damaged)
        assert np.flatnonzero(rows.corrupt[name]).tolist() == [2]
        assert rows.columns[name][2].as_py() is None

    def test_a_number_of_another_width_is_a_number(self, damaged: Any, redis_server: Any) -> None:
        """Features written as floats under a double, or whole numbers, are compared and not refused."""
        from feast.protos.feast.types.Value_pb2 import Value

        for entity, value in enumerate([{"float_val": 0.5}, {"int64_val": 2}, {"int32_val": 3}]):
            redis_server.client().hset(self.key(damaged, entity), self.field("x"), Value(**value).SerializeToString())
        rows = self.read(damaged)
        assert rows.columns["x"].to_pylist()[:3] == [0.5, 2.0, 3.0]
        assert not rows.corrupt["x"].any()

    def test_a_key_of_another_kind(self, damaged: Any, redis_server: Any) -> None:
        client = redis_server.client()
        client.delete(self.key(damaged, 4))
        client.set(self.key(damaged, 4), "not a hash")
        rows = self.read(damaged)
        for name in ("x", "s"):
            assert np.flatnonzero(rows.corrupt[name]).tolist() == [4]
        assert rows.instants[4] == NO_INSTANT
        assert np.count_nonzero(rows.present) == self.SIZE - 1

    def test_a_report_counts_them(self, damaged: Any, redis_server: Any) -> None:
        client = redis_server.client()
        client.hset(self.key(damaged, 0), self.field("x"), b"\xff")
        client.hset(self.key(damaged, 1), self.field("s"), b"\xff")
        client.hset(self.key(damaged, 2), b"_ts:v", b"\xff")
        client.delete(self.key(damaged, 3))
        client.set(self.key(damaged, 3), "not a hash")
        report = damaged.validate(views=["v"])
        counts = {feature.feature: feature.counts for feature in report.features}
        for name in ("x", "s"):
            assert counts[name]["corrupt"] == 3
            assert counts[name]["match"] == self.SIZE - 3
            assert counts[name]["entities"] == self.SIZE
        assert report.verdict == "fail"

    def test_foreign_keys_beside_ours_are_passed_over(self, damaged: Any, redis_server: Any) -> None:
        client = redis_server.client()
        client.set("something:else", "1")
        client.hset(self.key(damaged, 1) + b"_longer", "a", "b")
        client.set(self.key(damaged, 1)[:12] + b"rubbish" + damaged.project.encode(), "1")
        scan = damaged.online_reader().scan_keys(damaged.view_plan("v"), 100_000, 30.0)
        assert sorted(scan.entities.column("id").to_pylist()) == list(range(self.SIZE))

    def test_a_scan_stops_at_its_limit_and_says_so(self, damaged: Any) -> None:
        scan = damaged.online_reader().scan_keys(damaged.view_plan("v"), 3, 30.0)
        assert not scan.complete
        assert scan.scanned == 3
        assert scan.reason == "limit of keys"

    @staticmethod
    def test_a_null_timestamp_value() -> None:
        """Feast writes the smallest integer for a missing moment."""
        from feast.protos.feast.types.Value_pb2 import Value

        from feast_skew.core.types import declared_type
        from feast_skew.stores.value_messages import decode_column

        values = [Value(unix_timestamp_val=-(2**63)), Value(unix_timestamp_val=0), Value()]
        column, wrong = decode_column(values, declared_type("UnixTimestamp"))
        assert column.to_pylist() == [None, EPOCH, None]
        assert not wrong.any()
