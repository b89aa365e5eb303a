"""Whole reads from a real server: very large values, wide views, commands that may be sent, and Feast's read as the judge."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.errors import TooMuchData
from feast_skew.measuring.progress import NoProgress
from feast_skew.measuring.view import read_online
from feast_skew.stores import base
from feast_skew.stores.redis import bulk, channel, large, layout, wide

NOON = datetime(2024, 1, 1, 12, tzinfo=timezone.utc)
ROWS = 3_000


@pytest.fixture(scope="module")
def world(make_repository: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two views on one entity: a narrow one with text, and one wide enough to be read as whole hashes."""
    repo = make_repository(tmp_path_factory.mktemp("bulk"))
    times = pa.array([NOON] * ROWS, pa.timestamp("us", "UTC"))
    rows = {"id": np.arange(ROWS), "event_timestamp": times}
    narrow = {"x": np.arange(ROWS) / 2, "s": [f"text {i}" for i in range(ROWS)]}
    many = {f"f{j}": np.arange(ROWS) * 1.0 + j for j in range(wide.WIDE + 2)}
    repo.apply(
        repo.view(
            "narrow", repo.source("narrow", {**rows, **narrow}), {"id": "Int64"}, {"x": "Float64", "s": "String"}
        ),
        repo.view("wide", repo.source("wide", {**rows, **many}), {"id": "Int64"}, dict.fromkeys(many, "Float64")),
    )
    repo.materialize()
    return repo


@pytest.fixture
def reader(world: Any) -> Iterator[Any]:
    found = world.online_reader()
    yield found
    found.close()


def key(world: Any, entity: int) -> bytes:
    view = world.view_plan("narrow")
    found: bytes = layout.Layout(world.project).keys(pa.table({"id": [entity]}), view.keys)[0].as_py()
    return found


def read(reader: Any, world: Any, name: str, ids: Any = None) -> Any:
    view = world.view_plan(name)
    return reader.read(view, view.features, pa.table({"id": np.arange(ROWS + 5) if ids is None else np.asarray(ids)}))


def calls(redis_server: Any) -> dict[str, int]:
    return {
        name.removeprefix("cmdstat_"): stat["calls"]
        for name, stat in redis_server.client().info("commandstats").items()
    }


def test_wide_views_are_read_as_whole_hashes(reader: Any, world: Any, redis_server: Any) -> None:
    redis_server.client().config_resetstat()
    rows = read(reader, world, "wide")
    seen = calls(redis_server)
    assert seen["hgetall"] >= ROWS
    assert seen["hmget"] < 100  # the probe
    for j in range(wide.WIDE + 2):
        assert rows.columns[f"f{j}"].to_pylist() == [*(i * 1.0 + j for i in range(ROWS)), *[None] * 5]
    assert np.flatnonzero(rows.instants == NO_INSTANT).tolist() == list(range(ROWS, ROWS + 5))
    assert not reader.findings


def test_narrow_views_are_read_field_by_field(reader: Any, world: Any, redis_server: Any) -> None:
    redis_server.client().config_resetstat()
    rows = read(reader, world, "narrow")
    assert "hgetall" not in calls(redis_server)
    assert rows.columns["s"].to_pylist() == [*(f"text {i}" for i in range(ROWS)), *[None] * 5]


def test_hashes_of_other_shapes_among_whole_ones(reader: Any, world: Any, redis_server: Any) -> None:
    """More fields, fewer, another order, none of the view's, no hash: each row is what Feast reads."""
    client = redis_server.client()
    names = layout.fields("wide", [f"f{j}" for j in range(wide.WIDE + 2)])
    before = {entity: client.hgetall(key(world, entity)) for entity in range(6)}
    try:
        client.hset(key(world, 0), b"extra", b"1")
        client.hdel(key(world, 1), names[3], names[-1])
        client.delete(key(world, 2))
        client.hset(key(world, 2), mapping=dict(reversed(before[2].items())))
        client.delete(key(world, 3))
        client.hset(key(world, 3), b"extra", b"1")
        client.delete(key(world, 4))
        client.set(key(world, 4), "no hash")
        client.hdel(key(world, 5), names[0])
        client.hset(key(world, 5), b"instead", b"1")
        ours = read(reader, world, "wide")
        view = world.view_plan("wide")
        theirs = world.online_reader(generic=True).read(view, view.features, pa.table({"id": np.arange(8)}))
        assert ours.instants[:8].tolist() == theirs.instants.tolist()
        for feature in view.features:
            assert ours.columns[feature.name].to_pylist()[:8] == theirs.columns[feature.name].to_pylist(), feature.name
            assert ours.corrupt[feature.name][:8].tolist() == theirs.corrupt[feature.name].tolist()
            assert ours.columns[feature.name].to_pylist()[8:ROWS] == [
                i + float(feature.name[1:]) for i in range(8, ROWS)
            ]
    finally:
        for entity, content in before.items():
            client.delete(key(world, entity))
            client.hset(key(world, entity), mapping=content)


def test_a_few_very_large_values_are_read_like_others(
    reader: Any, world: Any, redis_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replies that outgrow the buffer are measured first, and then read a few at a time."""
    monkeypatch.setattr(bulk, "BUFFER_BYTES", 1 << 20)
    monkeypatch.setattr(large, "SMALL_BYTES", 1 << 18)
    client, field = redis_server.client(), layout.fields("narrow", ["s"])[0]
    entities = [5, 6, 7, 8, 9, 2_000]
    before = {entity: client.hget(key(world, entity), field) for entity in entities}
    text = {entity: chr(97 + i) * (700_000 + i) for i, entity in enumerate(entities)}
    try:
        for entity in entities:
            client.hset(key(world, entity), field, _string(text[entity]))
        rows = read(reader, world, "narrow")
        assert rows.columns["s"].to_pylist()[:ROWS] == [text.get(i, f"text {i}") for i in range(ROWS)]
        assert not rows.corrupt["s"].any()
        assert rows.columns["x"].to_pylist()[:ROWS] == [i / 2 for i in range(ROWS)]
    finally:
        for entity, value in before.items():
            client.hset(key(world, entity), field, value)


def _string(text: str) -> bytes:
    from feast.protos.feast.types.Value_pb2 import Value

    return bytes(Value(string_val=text).SerializeToString())


def test_values_of_a_hostile_size_do_not_fill_the_memory(reader: Any, world: Any, redis_server: Any) -> None:
    """Ten values of 100 MB: each is passed over, counted as corrupt, and said."""
    client, (field, number, _) = redis_server.client(), layout.fields("narrow", ["s", "x"])
    entities = list(range(100, 200, 10))
    before = {entity: client.hmget(key(world, entity), field, number) for entity in entities}
    try:
        for entity in entities:
            client.hset(key(world, entity), field, b"\x12" + b"\x80" * (100 << 20))
        tracemalloc.start()
        rows = read(reader, world, "narrow")
        peak = tracemalloc.get_traced_memory()[1]
        assert peak < 3 * bulk.BUFFER_BYTES
        assert np.flatnonzero(rows.corrupt["s"]).tolist() == entities
        assert not rows.corrupt["x"].any()
        assert rows.columns["x"].to_pylist()[:ROWS] == [i / 2 for i in range(ROWS)]
        assert [finding.code for finding in reader.findings] == ["FS214"]
        assert "10 online values" in reader.findings[0].detail
    finally:
        tracemalloc.stop()
        for entity, values in before.items():
            client.hset(key(world, entity), mapping=dict(zip((field, number), values, strict=True)))


def test_rows_of_a_hostile_size_are_not_asked_of_feast_as_well(world: Any, redis_server: Any) -> None:
    """They may be the very first ones: the probe takes others."""
    client, (field, _) = redis_server.client(), layout.fields("narrow", ["s"])
    before = {entity: client.hget(key(world, entity), field) for entity in range(2)}
    try:
        client.hset(key(world, 0), field, b"\x12" + b"\x80" * (100 << 20))
        client.hset(key(world, 1), field, _string("a" * (5 << 20)))
        reader = world.online_reader()
        client.config_resetstat()
        rows = read(reader, world, "narrow")
        assert [finding.code for finding in reader.findings] == ["FS214"]
        assert np.flatnonzero(rows.corrupt["s"]).tolist() == [0]
        assert rows.columns["s"].to_pylist()[1:3] == ["a" * (5 << 20), "text 2"]
        assert int(client.info("stats")["total_net_output_bytes"]) < 100 << 20
    finally:
        for entity, value in before.items():
            client.hset(key(world, entity), field, value)


def test_more_than_memory_may_hold_is_one_line(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one chunk, and over many of them."""
    monkeypatch.setattr(base, "MOST_HELD", 10_000)
    with pytest.raises(TooMuchData, match="3,005 entities are larger") as raised:
        read(world.online_reader(), world, "narrow")
    assert "--sample" in raised.value.one_line()
    for generic in (False, True):
        reader = world.online_reader(generic=generic)
        reader.chunk = 300
        view = world.view_plan("narrow")
        with pytest.raises(TooMuchData):
            read_online(view, view.features, pa.table({"id": np.arange(ROWS)}), reader, NoProgress(), "")
    assert read(world.online_reader(), world, "narrow", range(100)).columns["s"][99].as_py() == "text 99"


def test_a_layout_that_has_changed_is_left_to_feast(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a Feast would that keeps its fields under other names."""
    known = layout.fields

    def other_names(view: str, features: Any) -> list[bytes]:
        return [b"~" + name for name in known(view, features)]

    monkeypatch.setattr(layout, "fields", other_names)
    reader = world.online_reader()
    rows = read(reader, world, "narrow")
    assert rows.columns["x"].to_pylist() == [*(i / 2 for i in range(ROWS)), *[None] * 5]
    assert [finding.code for finding in reader.findings] == ["FS213"]
    assert rows.present.sum() == ROWS
    again = read(reader, world, "narrow", [3])
    assert again.columns["s"].to_pylist() == ["text 3"]


def test_a_value_decoded_otherwise_is_left_to_feast(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from feast_skew.stores.redis import columns

    def shifted(self: Any, values: Any) -> Any:
        usual = original(self, values)
        self._values[values.positions] += 1e-9
        return usual

    original = columns._Fixed._take
    monkeypatch.setattr(columns._Fixed, "_take", shifted)
    reader = world.online_reader()
    assert read(reader, world, "narrow").columns["x"].to_pylist()[:4] == [0.0, 0.5, 1.0, 1.5]
    assert [finding.view for finding in reader.findings] == ["narrow"]


def test_long_commands_are_written_a_few_at_a_time(reader: Any, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "COMMANDS_BYTES", 100_000)
    rows = read(reader, world, "narrow")
    assert rows.columns["s"].to_pylist() == [*(f"text {i}" for i in range(ROWS)), *[None] * 5]


def test_the_limit_is_kept_by_whole_reads(world: Any, redis_server: Any) -> None:
    """By a clock of our own: 3,005 commands at 1,000 a second take three seconds."""
    from feast_skew.stores.redis.pace import Pace

    now, slept = [0.0], [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        slept[0] += seconds

    reader = world.online_reader(max_ops=1_000.0)
    reader._pace = reader._generic.pace = Pace(1_000.0, lambda: now[0], sleep)
    read(reader, world, "narrow")
    assert 2.0 < slept[0] < 3.2

    before, view = now[0], world.view_plan("narrow")
    reader._generic.read(view, view.features, pa.table({"id": np.arange(500)}))
    reader._generic.read(view, view.features, pa.table({"id": np.arange(500)}))
    assert 0.4 < now[0] - before < 1.2  # Feast's own read keeps it, too

    before = now[0]
    reader.scan_keys(view, 10**6, 60.0)
    assert now[0] - before >= (redis_server.client().dbsize() // 250 - 2) / 1_000


def test_connections_are_closed_and_an_interrupted_read_leaves_nothing_behind(
    world: Any, redis_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = redis_server.client()

    def connections() -> set[str]:
        return {one["id"] for one in client.client_list()}

    others = connections()

    def come_to(count: int) -> bool:
        """The server learns of a closed connection a little later."""
        return _within_a_second(lambda: len(connections() - others) == count)

    reader = world.online_reader()
    read(reader, world, "narrow", range(10))
    assert come_to(2)  # Feast's own client for the probe, and ours

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(channel.Channel, "replies", interrupt)
        with pytest.raises(KeyboardInterrupt):
            read(reader, world, "narrow")
    assert come_to(1)
    # The next read has a connection of its own, on which no old reply is waiting.
    assert read(reader, world, "narrow", [7, 8]).columns["s"].to_pylist() == ["text 7", "text 8"]
    reader.close()
    assert come_to(0)
    assert read(reader, world, "narrow", [9]).columns["s"].to_pylist() == ["text 9"]
    reader.close()


def _within_a_second(is_so: Callable[[], bool]) -> bool:
    for _ in range(100):
        if is_so():
            return True
        time.sleep(0.01)
    return False


def test_the_public_functions_leave_no_connection_behind(world: Any, redis_server: Any) -> None:
    from feast_skew import read_online

    client = redis_server.client()
    before = {one["id"] for one in client.client_list()}
    assert world.validate(views=["narrow"]).verdict == "pass"
    table = read_online(world.store, ["narrow:x"], {"id": [3]})
    assert table.column("narrow__x").to_pylist() == [1.5]
    # Those of other tests' readers may end meanwhile.
    assert _within_a_second(lambda: not {one["id"] for one in client.client_list()} - before)


def test_memory_follows_the_chunk(world: Any) -> None:
    reader = world.online_reader()
    for _ in range(3):
        read(reader, world, "narrow")
    (one,) = reader._rows._hashes._channels.values()
    assert len(one.buffer) <= bulk.UNLIMITED_PIPELINE_BYTES * 2


def test_a_scan_among_other_peoples_keys_stops_in_time(world: Any) -> None:
    """The budget counts steps, not keys of ours: there may be none for a long time."""
    from feast_skew.stores.redis.scan import scan

    ticks = iter(range(10**6))
    view = world.view_plan("narrow")
    reader = world.online_reader(generic=True)
    found = scan(reader.provider, reader.config, view.keys, 10**6, 3.0, clock=lambda: float(next(ticks)))
    assert (found.complete, found.reason) == (False, "time budget")
    whole = scan(reader.provider, reader.config, view.keys, 10**6, 60.0)
    assert whole.complete
    assert sorted(whole.entities.column("id").to_pylist()) == list(range(ROWS))
