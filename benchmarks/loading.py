"""Fills a Redis with the rows that Feast's own materialization would write, at the speed of the server, and proves it.

Run by itself it loads worlds of every key and value type, holds them against Feast's materialization and reads, and prints the speed.
"""

from __future__ import annotations

import argparse
import io
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from generating import ALL_TYPES, NOW, VIEW, World, make_repository, offline_rows

CHUNK = 25_000
"""Rows whose commands are in memory at a time."""
_STRING_KEY, _INT32_KEY, _INT64_KEY = 2, 3, 4
_TAGS = {"String": 0x12, "Int32": 0x18, "Int64": 0x20, "Bool": 0x38, "UnixTimestamp": 0x40}
_FIXED = {"Float64": (0x29, "<f8"), "Float32": (0x35, "<f4")}
_NO_TIME = -(2**63)
"""What Feast writes for a missing timestamp; everything else that is missing is an empty value."""


def load(address: str, world: World, tables: Iterable[pa.Table]) -> int:
    """Write rows as one hash per entity, later rows over earlier ones; give their number.

    Parameters
    ----------
    address : str
        As Feast's `connection_string`: host, port and password.
    tables : iterable of pyarrow.Table
        Keys, features and `event_timestamp` as `offline_rows` gives them, without null keys or timestamps.
    """
    rows = 0
    with _connect(address) as connection, ThreadPoolExecutor(1) as sender:
        sent: Future[None] | None = None
        for table in tables:
            for start in range(0, table.num_rows, CHUNK):
                part = table.slice(start, CHUNK)
                content = commands(world, part)  # while the server takes the ones before
                if sent is not None:
                    sent.result()
                sent = sender.submit(_send, connection, content, part.num_rows)
                rows += part.num_rows
        if sent is not None:
            sent.result()
    return rows


def load_latest(address: str, world: World) -> int:
    """Write the newest row of every entity of a world; give their number."""
    return load(address, world, offline_rows(world, world.days - 1))


def commands(world: World, table: pa.Table) -> pa.Buffer:
    """Give one HSET per row in Redis's protocol, as Feast's online store sends it for these rows."""
    from feast.infra.online_stores.helpers import _mmh3

    parts: list[Any] = [b"*%d\r\n$4\r\nHSET\r\n" % (4 + 2 * len(world.features)), _bulk(_keys(world, table))]
    stamp = f"_ts:{VIEW}".encode()
    parts += [b"$%d\r\n%b\r\n" % (len(stamp), stamp), _bulk(_timestamps(table.column("event_timestamp")))]
    for name, kind in world.features.items():
        parts.append(b"$4\r\n%b\r\n" % _mmh3(f"{VIEW}:{name}"))
        parts.append(_cells(_whole(table.column(name)), kind))
    lines = _join(*parts)
    offsets = np.frombuffer(lines.buffers()[1], dtype=np.int32)
    return lines.buffers()[2].slice(0, int(offsets[len(lines)]))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()


def _join(*parts: Any) -> pa.Array:
    """Put binary columns, and constants between them, together row by row."""
    columns = [pa.scalar(part, pa.binary()) if isinstance(part, bytes) else part for part in parts]
    return pc.binary_join_element_wise(*columns, pa.scalar(b"", pa.binary()))


def _bulk(payload: pa.Array) -> pa.Array:
    sizes = pc.binary_length(payload).cast(pa.string()).cast(pa.binary())
    return _join(b"$", sizes, b"\r\n", payload, b"\r\n")


def _keys(world: World, table: pa.Table) -> pa.Array:
    """Serialize entity keys, version 3: names in order, then values, then the project."""
    names = sorted(world.keys)
    head = struct.pack("<I", len(names))
    for name in names:
        head += struct.pack("<II", _STRING_KEY, len(name.encode())) + name.encode()
    parts: list[Any] = [head]
    for name in names:
        column = _whole(table.column(name))
        if world.keys[name] == "String":
            text = column.cast(pa.binary())
            parts += [struct.pack("<I", _STRING_KEY), _fixed(pc.binary_length(text), "<i4"), text]
            continue
        code, width = (_INT32_KEY, "<i4") if world.keys[name] == "Int32" else (_INT64_KEY, "<i8")
        parts += [struct.pack("<II", code, int(width[-1])), _fixed(column, width)]
    return _join(*parts, world.project.encode())


def _timestamps(column: pa.ChunkedArray) -> pa.Array:
    """Serialize `google.protobuf.Timestamp`s; a field that is zero is left out."""
    micros = np.asarray(_whole(column).cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()))
    seconds, nanos = micros // 10**6, micros % 10**6 * 1000
    parts = []
    for tag, numbers in ((0x08, seconds), (0x10, nanos)):
        part = _join(bytes([tag]), _varints(numbers))
        parts.append(pc.if_else(pa.array(numbers != 0), part, pa.scalar(b"", pa.binary())))
    return _join(*parts)


def _cells(column: pa.Array, kind: str) -> pa.Array:
    """Serialize values as Feast's `Value`, with their lengths."""
    if kind == "UnixTimestamp":
        seconds = column.cast(pa.timestamp("s", tz="UTC"), safe=False).cast(pa.int64())
        column = pc.fill_null(seconds, _NO_TIME)
    if kind in _FIXED:
        tag, width = _FIXED[kind]
        payload = _fixed(pc.fill_null(column, 0.0), width)
        size = 1 + int(width[-1])
        found = _join(b"$%d\r\n%c" % (size, tag), payload, b"\r\n")
    elif kind == "String":
        text = pc.fill_null(column.cast(pa.binary()), b"")
        found = _bulk(_join(bytes([_TAGS[kind]]), _varints(np.asarray(pc.binary_length(text))), text))
    else:
        whole = column.cast(pa.int8()) if kind == "Bool" else column
        numbers = np.asarray(pc.fill_null(whole.cast(pa.int64()), 0))
        found = _bulk(_join(bytes([_TAGS[kind]]), _varints(numbers)))
    return pc.if_else(column.is_null(), pa.scalar(b"$0\r\n\r\n", pa.binary()), found) if column.null_count else found


def _fixed(numbers: pa.Array, width: str) -> pa.Array:
    """Give numbers as their bytes."""
    content = np.ascontiguousarray(np.asarray(numbers), dtype=width)
    offsets = np.arange(len(content) + 1, dtype=np.int32) * content.dtype.itemsize
    return pa.Array.from_buffers(pa.binary(), len(content), [None, pa.py_buffer(offsets), pa.py_buffer(content)])


def _varints(numbers: np.ndarray) -> pa.Array:
    """Give int64 numbers as protobuf writes them: seven bits a byte, the lowest first, ten bytes for negative ones."""
    left = np.asarray(numbers, dtype=np.int64).view(np.uint64)
    size = np.ones(len(left), dtype=np.int64)
    for length in range(1, 10):
        size += left >= np.uint64(1) << np.uint64(7 * length)
    most = int(size.max(initial=1))
    place = np.arange(most)
    groups = (left[:, None] >> (np.uint64(7) * place.astype(np.uint64))) & np.uint64(127)
    content = groups.astype(np.uint8)
    content[place < (size - 1)[:, None]] |= 128
    flat = content[place < size[:, None]]
    offsets = np.concatenate([[0], np.cumsum(size)]).astype(np.int32)
    return pa.Array.from_buffers(pa.binary(), len(left), [None, pa.py_buffer(offsets), pa.py_buffer(flat)])


def _connect(address: str) -> socket.socket:
    where, *options = address.split(",")
    host, port = where.rsplit(":", 1)
    connection = socket.create_connection((host, int(port)))
    password = dict(option.split("=", 1) for option in options).get("password")
    if password:
        secret = password.encode()
        connection.sendall(b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%b\r\n" % (len(secret), secret))
        if connection.recv(100) != b"+OK\r\n":
            raise SystemExit("Redis refused the password")
    return connection


def _send(connection: socket.socket, content: pa.Buffer, replies: int) -> None:
    """Send commands and take their answers meanwhile, so that neither side waits for the other with full buffers."""
    sender = threading.Thread(target=connection.sendall, args=(memoryview(content),))
    sender.start()
    left = replies
    while left:
        answer = connection.recv(1 << 16)
        if not answer or b"-" in answer:
            raise SystemExit(f"Redis refused a row: {answer[:100]!r}")
        left -= answer.count(b"\n")
    sender.join()


def differences(store: Any, world: World, table: pa.Table) -> int:
    """Count the cells, timestamps included, in which Feast's `online_read` of some rows differs from the rows themselves."""
    from feast.infra.provider import get_provider
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    field = {"String": "string_val", "Int32": "int32_val", "Int64": "int64_val"}
    rows = table.to_pylist()
    keys = [
        EntityKey(
            join_keys=list(world.keys),
            entity_values=[Value(**{field[kind]: row[name]}) for name, kind in world.keys.items()],
        )
        for row in rows
    ]
    provider = get_provider(store.config)
    found = provider.online_read(store.config, store.get_feature_view(VIEW), keys, list(world.features))
    wrong = 0
    for row, (moment, values) in zip(rows, found, strict=True):
        wrong += moment != row["event_timestamp"]
        for name in world.features:
            cell = (values or {}).get(name, Value())
            kind = cell.WhichOneof("val")
            value = getattr(cell, kind) if kind else None
            value = None if kind == "unix_timestamp_val" and value == _NO_TIME else value
            wanted = row[name]
            if hasattr(wanted, "timestamp"):
                wanted = int(wanted.timestamp())
            wrong += value != wanted
    return wrong


def check_layout(world: World, server: Any) -> None:
    """Load a small world both ways, and make sure that the server holds the same bytes after either.

    Raises
    ------
    AssertionError
        When Feast's materialization writes anything else.
    """
    client = server.client()
    with tempfile.TemporaryDirectory() as scratch:
        store = make_repository(world, Path(scratch), server.connection_string)
        client.flushall()
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # it draws a progress bar
            store.materialize(world.day(world.days - 1), NOW)
        feast = _dump(client)
        client.flushall()
        load_latest(server.connection_string, world)
        assert feast == _dump(client), f"Feast writes other bytes for {world}"
        assert len(feast) == world.entities


def _dump(client: Any) -> Mapping[bytes, Mapping[bytes, bytes]]:
    return {key: client.hgetall(key) for key in client.scan_iter(count=1000)}


def check_sample(store: Any, world: World, rows: int = 300) -> None:
    """Make sure that Feast reads random rows of a loaded world as they were written."""
    last = pa.concat_tables(offline_rows(world, world.days - 1))
    chosen = np.random.default_rng(1).choice(last.num_rows, min(rows, last.num_rows), replace=False)
    wrong = differences(store, world, last.take(pa.array(chosen)))
    assert not wrong, f"{wrong} cells differ"


def worlds(entities: int) -> dict[str, World]:
    """Give the worlds that a loader has to get right, by what is special of them."""
    mixed = {f"f_{kind.lower()}": kind for kind in ALL_TYPES}
    return {
        "10 doubles": World.of_doubles(entities, 10, days=1),
        "10 doubles, string keys": World.of_doubles(entities, 10, days=1, keys={"user": "String"}),
        "all types, a tenth null": World(entities, mixed, days=1, nulls=0.1, shuffled=True),
        "all types, composite keys": World(
            entities, mixed, {"user": "String", "item": "Int64", "area": "Int32"}, days=1, nulls=0.1
        ),
    }


def main() -> None:
    """Hold every world against Feast's own materialization, then load it in full and print the speed."""
    from feast_skew.embedded.redis_server import EmbeddedRedis

    parser = argparse.ArgumentParser()
    parser.add_argument("--entities", type=int, default=200_000)
    options = parser.parse_args()
    print(f"{'world':<28}{'rows/s':>12}  {options.entities:,} rows; same bytes as Feast, same values read")
    for small, large in zip(worlds(500).items(), worlds(options.entities).values(), strict=True):
        with EmbeddedRedis() as server, tempfile.TemporaryDirectory() as scratch:
            check_layout(small[1], server)
            server.client().flushall()
            tables = list(offline_rows(large, large.days - 1))
            start = time.perf_counter()
            load(server.connection_string, large, tables)
            seconds = time.perf_counter() - start
            assert server.client().dbsize() == large.entities
            check_sample(make_repository(large, Path(scratch), server.connection_string), large)
            print(f"{small[0]:<28}{large.entities / seconds:>12,.0f}")


if __name__ == "__main__":
    main()
