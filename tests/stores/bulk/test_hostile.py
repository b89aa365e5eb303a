"""Stores that are broken, giant or misleading: never a wrong row, and never more of anybody's memory than need be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from servers.deployments import online
from servers.impostor import Impostor
from servers.meanwhile import refused

from feast_skew.errors import ConfigError
from feast_skew.stores.redis import layout, wide

NOON = datetime(2024, 1, 1, 12, tzinfo=timezone.utc)
ROWS = 300
WIDE = wide.WIDE + 2


@pytest.fixture
def world(make_repository: Any, tmp_path: Any) -> Any:
    """A narrow view and a wide one, each by a key of its own."""
    repo = make_repository(tmp_path)
    times = {"event_timestamp": pa.array([NOON] * ROWS, pa.timestamp("us", "UTC"))}
    narrow = {"id": np.arange(ROWS), "x": np.arange(ROWS) / 2, "s": [f"text {i}" for i in range(ROWS)], **times}
    many = {f"f{j}": np.arange(ROWS) * 1.0 + j for j in range(WIDE)}
    repo.apply(
        repo.view("narrow", repo.source("narrow", narrow), {"id": "Int64"}, {"x": "Float64", "s": "String"}),
        repo.view(
            "wide",
            repo.source("wide", {"other": np.arange(ROWS), **many, **times}),
            {"other": "Int64"},
            dict.fromkeys(many, "Float64"),
        ),
    )
    repo.materialize()
    return repo


def key(world: Any, name: str, entity: int) -> bytes:
    view = world.view_plan(name)
    table = pa.table({view.keys.names[0]: [entity]})
    found: bytes = layout.Layout(world.project).keys(table, view.keys)[0].as_py()
    return found


def read(reader: Any, world: Any, name: str, ids: Any = range(ROWS)) -> Any:
    view = world.view_plan(name)
    return reader.read(view, view.features, pa.table({view.keys.names[0]: np.asarray(ids)}))


def huge(size: int) -> bytes:
    from feast.protos.feast.types.Value_pb2 import Value

    return bytes(Value(string_val="a" * size).SerializeToString())


@pytest.fixture
def impostor(redis_server: Any) -> Iterator[Impostor]:
    made = Impostor(redis_server.port)
    yield made
    made.close()


@pytest.mark.parametrize(
    "error", ["LOADING Redis is loading the dataset in memory", "NOPERM this user has no permissions", "ERR unknown"]
)
def test_an_error_instead_of_a_row_that_is_read_by_parts(
    world: Any, redis_server: Any, impostor: Impostor, tmp_path: Any, error: str
) -> None:
    """Its other values are asked for by themselves; an error there is no null."""
    fields = layout.fields("narrow", ["x", "s"])
    redis_server.client().hset(key(world, "narrow", 60), fields[1], huge(70 << 20))
    other = world.at(tmp_path / "other", online(impostor.address))
    sound = read(other.online_reader(), other, "narrow")
    assert (sound.columns["x"][60].as_py(), sound.present[60], sound.corrupt["s"][60]) == (30.0, True, True)

    def answer(command: list[bytes], _: int) -> bytes | None:
        by_parts = command[0].upper() == b"HMGET" and len(command) == 4
        return f"-{error}\r\n".encode() if by_parts else None

    impostor.answer = answer
    view = other.view_plan("narrow")
    entities = pa.table({"id": np.arange(ROWS)})
    reader = other.online_reader()
    reader._agreed["narrow"] = {"x", "s"}  # the probe itself asks for rows of three
    refused(lambda: reader.read(view, view.features, entities))


def test_a_timestamp_beyond_all_clocks_is_a_corrupt_row(world: Any, redis_server: Any) -> None:
    """By both readers: the year 9000 does not fit into nanoseconds, and it is in the first row that Feast reads too."""
    from google.protobuf.timestamp_pb2 import Timestamp

    far = Timestamp(seconds=221_845_392_000).SerializeToString()
    redis_server.client().hset(key(world, "narrow", 0), layout.fields("narrow", [])[-1], far)
    reader = world.online_reader()
    rows = read(reader, world, "narrow")
    assert not reader.findings
    theirs = read(world.online_reader(generic=True), world, "narrow", range(3))
    for found in (rows, theirs):
        assert found.present[:3].tolist() == [False, True, True]
        assert found.corrupt["x"][:3].tolist() == [True, False, False]
    assert world.validate(views=["narrow"]).verdict in {"fail", "warn", "inconclusive"}


def test_other_keys_are_found_out_where_the_first_entities_have_no_row(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That both reads find nothing proves nothing."""
    known = layout.Layout.keys

    def other_keys(self: Any, entities: pa.Table, keys: Any) -> pa.Array:
        import pyarrow.compute as pc

        return pc.binary_join_element_wise(pa.scalar(b"~"), known(self, entities, keys), pa.scalar(b""))

    monkeypatch.setattr(layout.Layout, "keys", other_keys)
    reader = world.online_reader()
    unknown = range(ROWS, ROWS + 50)
    assert not read(reader, world, "narrow", unknown).present.any()
    rows = read(reader, world, "narrow", [*unknown, *range(ROWS)])
    assert rows.present.sum() == ROWS
    assert [finding.code for finding in reader.findings] == ["FS213"]


def test_other_features_of_a_view_are_probed_too(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    view, reader = world.view_plan("narrow"), world.online_reader()
    entities = pa.table({"id": np.arange(ROWS)})
    reader.read(view, view.features[:1], entities)
    known = layout.fields

    def others(name: str, features: Any) -> list[bytes]:
        return [
            one if feature != "s" else b"~" for feature, one in zip([*features, ""], known(name, features), strict=True)
        ]

    monkeypatch.setattr(layout, "fields", others)
    rows = reader.read(view, view.features, entities)
    assert rows.columns["s"][7].as_py() == "text 7"
    assert [finding.code for finding in reader.findings] == ["FS213"]


def test_a_giant_hash_among_others_is_not_read_whole(world: Any, redis_server: Any) -> None:
    """Other views fill the hash of one entity with a hundred thousand fields."""
    client = redis_server.client()
    client.hset(key(world, "wide", 7), mapping={b"junk%d" % i: b"x" * 20 for i in range(100_000)})
    client.config_resetstat()
    rows = read(world.online_reader(), world, "wide")
    for j in range(WIDE):
        assert rows.columns[f"f{j}"].to_pylist() == [i * 1.0 + j for i in range(ROWS)]
    assert client.info("commandstats")["cmdstat_hgetall"]["calls"] < ROWS + 20  # with the probe
    assert client.info("stats")["total_net_output_bytes"] < 2 << 20


def test_a_hash_that_grows_while_it_is_read(world: Any, redis_server: Any, impostor: Impostor, tmp_path: Any) -> None:
    """Its length was small when it was asked for."""
    redis_server.client().hset(key(world, "wide", 7), mapping={b"junk%d" % i: b"x" for i in range(50_000)})
    other = world.at(tmp_path / "other", online(impostor.address))
    impostor.answer = lambda command, _: b":%d\r\n" % (WIDE + 1) if command[0].upper() == b"HLEN" else None
    rows = read(other.online_reader(), other, "wide")
    for j in range(WIDE):
        assert rows.columns[f"f{j}"].to_pylist() == [i * 1.0 + j for i in range(ROWS)]


def test_large_values_are_met_a_few_at_a_time(world: Any, redis_server: Any) -> None:
    """A server keeps replies until they are read; hundreds of large ones must not be asked for at once."""
    client, field = redis_server.client(), layout.fields("narrow", ["s"])[0]
    client.config_set("client-output-buffer-limit", f"normal {200 << 20} 0 0")
    try:
        for entity in range(40, 60):
            client.hset(key(world, "narrow", entity), field, huge(20 << 20))
        for limit in (None, 100_000.0):
            reader = world.online_reader(max_ops=limit)
            rows = read(reader, world, "narrow")
            assert rows.columns["x"].to_pylist() == [i / 2 for i in range(ROWS)]
            assert [len(one) for one in rows.columns["s"][40:60].to_pylist()] == [20 << 20] * 20
            reader.close()
    finally:
        client.config_set("client-output-buffer-limit", "normal 0 0 0")
        client.delete(*(key(world, "narrow", entity) for entity in range(40, 60)))


@pytest.mark.parametrize("limit", [0, -5, float("nan"), float("inf"), "fast", True, 10**400])
def test_a_limit_that_is_none(world: Any, limit: Any) -> None:
    from feast_skew import read_online

    with pytest.raises(ConfigError, match="max_ops"):
        read_online(world.store, ["narrow:x"], {"id": [3]}, max_ops=limit)


@pytest.mark.parametrize("limit", [None, "off", 1_000, 20.5, "1e5"])
def test_a_limit_that_is_one(world: Any, limit: Any) -> None:
    from feast_skew import read_online

    table = read_online(world.store, ["narrow:x"], {"id": [3]}, max_ops=limit)
    assert table.column("narrow__x").to_pylist() == [1.5]
