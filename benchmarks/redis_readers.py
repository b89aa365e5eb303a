"""Ways to read features of many entities from Redis: ours, Feast's, a plain pipeline, and the wire alone; each in its own process.

A reader is made from a task and called with the first so many ids; it gives the values of the features, row by row, of as many
rows as it is asked to show. Run by itself this file is the worker of online_read.py and latency.py.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from measuring import speak
from redis_worlds import Task

BATCH = 1_000
SHOWN = 100
"""Rows that every reader shows, for all to be held against the first."""
Rows = list[list[Any]]
Reader = Callable[[pa.Table, int], Rows]


def ours(task: Task, max_ops: float | None) -> Reader:
    """`feast_skew.read_online`, into an Arrow table."""
    import feast_skew

    store = task.store()

    def read(ids: pa.Table, shown: int) -> Rows:
        found = feast_skew.read_online(store, task.references, ids, max_ops=max_ops)
        head = found.slice(0, shown)
        columns = [head.column(name.replace(":", "__")).to_pylist() for name in task.references]
        return [list(row) for row in zip(*columns, strict=True)]

    return read


def ours_default(task: Task) -> Reader:
    """`feast_skew.read_online` at the rate limit that it has by default."""
    from feast_skew.setting_values import MAX_OPS

    return ours(task, MAX_OPS)


def feast_get(task: Task, client: str = "redis") -> Reader:
    """Feast's `get_online_features`, a thousand entities a call; its answers stay the protobuf objects that they are."""
    store = task.store(client)
    references = task.references

    def read(ids: pa.Table, shown: int) -> Rows:
        rows: Rows = []
        for start in range(0, ids.num_rows, BATCH):
            answer = store.get_online_features(references, ids.slice(start, BATCH).to_pydict())
            if len(rows) < shown:
                found = answer.to_dict()
                rows += [list(row) for row in zip(*(found[name.split(":")[1]] for name in references), strict=True)]
        return rows[:shown]

    return read


def feast_provider(task: Task, client: str = "redis") -> Reader:
    """Feast's `provider.online_read`, a thousand entities a call and view by view; its values stay protobuf objects."""
    from feast.infra.provider import get_provider
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    store = task.store(client)
    provider = get_provider(store.config)
    views = {name: store.get_feature_view(name) for name in task.features}

    def read(ids: pa.Table, shown: int) -> Rows:
        rows: Rows = []
        names = ids.column_names
        kinds = ["string_val" if pa.types.is_string(ids.schema.field(name).type) else "int64_val" for name in names]
        for start in range(0, ids.num_rows, BATCH):
            columns = ids.slice(start, BATCH).to_pydict().values()
            keys = [
                EntityKey(
                    join_keys=names,
                    entity_values=[Value(**{kind: one}) for kind, one in zip(kinds, row, strict=True)],
                )
                for row in zip(*columns, strict=True)
            ]
            found = [  # a copy of the names: Feast's Redis store appends one to the list that it is given
                provider.online_read(store.config, views[view], keys, list(asked))
                for view, asked in task.features.items()
            ]
            if len(rows) < shown:
                rows += [
                    [
                        _plain((values or {}).get(name))
                        for (_, values), names in zip(row, task.features.values(), strict=True)
                        for name in names
                    ]
                    for row in zip(*found, strict=True)
                ]
        return rows[:shown]

    return read


def pipeline(task: Task) -> Reader:
    """Read by redis-py pipelines of HMGETs, a thousand entities each, with the protobuf parser over every value."""
    import redis
    from feast.protos.feast.types.Value_pb2 import Value

    client = redis.Redis(host=task.host, port=task.port)
    fields = [list(_fields(view, names)) for view, names in task.features.items()]

    def read(ids: pa.Table, shown: int) -> Rows:
        rows: Rows = []
        for start in range(0, ids.num_rows, BATCH):
            pipe = client.pipeline(transaction=False)
            for key in _keys(task, ids.slice(start, BATCH)):
                for asked in fields:
                    pipe.hmget(key, asked)
            found = [[Value.FromString(one or b"") for one in reply[:-1]] for reply in pipe.execute()]
            if len(rows) < shown:
                rows += _shown(found, len(fields))
        return rows[:shown]

    return read


def wire(task: Task) -> Reader:
    """Read by a socket and hiredis's parser: commands are built before and not counted, replies become lists of bytes."""
    from feast.protos.feast.types.Value_pb2 import Value

    connection = socket.create_connection((task.host, task.port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    fields = [_fields(view, names) for view, names in task.features.items()]
    prepared: dict[int, list[tuple[bytes, int]]] = {}

    def prepare(ids: pa.Table) -> list[tuple[bytes, int]]:
        batches = []
        for start in range(0, ids.num_rows, BATCH):
            keys = _keys(task, ids.slice(start, BATCH))
            content = b"".join(_command(b"HMGET", key, *asked) for key in keys for asked in fields)
            batches.append((content, len(keys) * len(fields)))
        return batches

    def read(ids: pa.Table, shown: int) -> Rows:
        import hiredis

        batches = prepared.get(ids.num_rows)
        if batches is None:
            batches = prepared[ids.num_rows] = prepare(ids)
        parser = hiredis.Reader()
        rows: Rows = []
        connection.sendall(batches[0][0])
        for number, (_, count) in enumerate(batches):
            if number + 1 < len(batches):
                connection.sendall(batches[number + 1][0])  # one is on its way while one is taken in
            found = _taken(connection, parser, count)
            if len(rows) < shown:
                rows += _shown([[Value.FromString(one or b"") for one in reply[:-1]] for reply in found], len(fields))
        return rows[:shown]

    return read


def _taken(connection: socket.socket, parser: Any, count: int) -> list[Any]:
    found = []
    while len(found) < count:
        reply = parser.gets()
        if reply is False:
            parser.feed(connection.recv(1 << 16))
            continue
        found.append(reply)
    return found


def _shown(replies: list[list[Any]], views: int) -> Rows:
    return [
        [_plain(one) for reply in replies[start : start + views] for one in reply]
        for start in range(0, min(len(replies), SHOWN * views), views)
    ]


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("val") if value is not None else None
    return getattr(value, kind) if kind else None


def _comparable(value: Any) -> Any:
    """Write a value as all readers do: moments as their seconds, Feast's mark for a missing one as null."""
    value = int(value.timestamp()) if hasattr(value, "timestamp") else value
    return None if value == -(2**63) else value


def _keys(task: Task, ids: pa.Table) -> list[bytes]:
    """Give the keys of Feast's hashes, as its serialization version 3 writes ids of one String or Int64 column."""
    (name,) = ids.column_names
    head = struct.pack("<III", 1, 2, len(name)) + name.encode()
    project = task.project.encode()
    if pa.types.is_string(ids.schema.field(name).type):
        texts = (one.encode() for one in ids.column(name).to_pylist())
        return [b"%b%b%b%b" % (head, struct.pack("<II", 2, len(one)), one, project) for one in texts]
    return [head + struct.pack("<IIq", 4, 8, one) + project for one in ids.column(name).to_pylist()]


def _fields(view: str, names: list[str]) -> list[bytes]:
    import mmh3

    return [*(struct.pack("<I", mmh3.hash(f"{view}:{one}", signed=False)) for one in names), f"_ts:{view}".encode()]


def _command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


OURS, LIMITED = "read_online, max_ops=None", "read_online, default limit"
GET, PROVIDER = "Feast get_online_features", "Feast provider.online_read"
GLIDE_GET, GLIDE_PROVIDER = GET + ", glide", PROVIDER + ", glide"
PIPELINE, WIRE = "redis-py pipeline + protobuf", "raw hiredis pipeline"
READERS: dict[str, Callable[[Task], Reader]] = {
    OURS: lambda task: ours(task, None),
    LIMITED: ours_default,
    GET: feast_get,
    GLIDE_GET: lambda task: feast_get(task, "glide"),
    PROVIDER: feast_provider,
    GLIDE_PROVIDER: lambda task: feast_provider(task, "glide"),
    PIPELINE: pipeline,
    WIRE: wire,
}
SLOW = {GET: 10, GLIDE_GET: 10, PROVIDER: 10, GLIDE_PROVIDER: 10, PIPELINE: 4}
"""By how much fewer entities the slow ones read."""


def _commands() -> Iterator[list[str]]:
    for line in sys.stdin:
        yield line.split()


def main() -> None:
    """Open a reader on a prepared directory, show what it reads, and read as often as told.

    `read N` reads the first N ids and answers with the seconds; `loop S` reads all ids over and over for S seconds and answers
    with the entities read.
    """
    answer = speak()
    name, directory = sys.argv[1], Path(sys.argv[2])
    os.environ.setdefault("FEAST_USAGE", "False")
    task = Task.load(directory)
    os.environ["FEAST_SKEW_REDIS"] = f"{task.host}:{task.port}"
    read, ids = READERS[name](task), task.ids()
    rows = read(ids.slice(0, 2 * BATCH), SHOWN)
    answer([[_comparable(value) for value in row] for row in rows])
    for word, number in _commands():
        if word == "read":
            some = ids.slice(0, int(number))
            if name == WIRE:
                read(some, 0)  # builds the commands
            start = time.perf_counter()
            read(some, 0)
            answer({"seconds": time.perf_counter() - start, "entities": some.num_rows})
        else:
            done, start = 0, time.perf_counter()
            size = ids.num_rows // SLOW.get(name, 1)
            while time.perf_counter() - start < float(number):
                read(ids.slice(0, size), 0)
                done += size
            answer({"seconds": time.perf_counter() - start, "entities": done})


if __name__ == "__main__":
    main()
