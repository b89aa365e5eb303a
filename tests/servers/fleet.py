"""The rows that every deployment holds in the tests: written by Feast itself, and known value by value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pyarrow as pa

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
_START_US = int(START.timestamp()) * 10**6
VIEW = "fleet"
FEATURES = {
    "trips": "Int64",
    "rate": "Float64",
    "share": "Float32",
    "name": "String",
    "active": "Bool",
    "seen": "UnixTimestamp",
    "tags": "Array(String)",
}


def rows(count: int, seed: int = 0) -> pa.Table:
    """Give `count` rows of even ids, each of another instant; every 11th is null everywhere, every 7th in some places."""
    draw = np.random.default_rng(seed)
    number = np.arange(count)
    nothing = number % 11 == 5
    some = nothing | (number % 7 == 3)
    seconds = int(START.timestamp()) - draw.integers(0, 10**8, count)
    columns = {
        # Beyond 2**53 materializing itself rounds: Feast takes whole numbers with nulls through float64.
        "trips": pa.array(draw.integers(-(2**53), 2**53, count), mask=nothing),
        "rate": pa.array(draw.normal(size=count), mask=some),
        "share": pa.array(draw.normal(size=count).astype(np.float32), mask=nothing),
        "name": pa.array(["" if i % 5 == 0 else f"Zürich {i}" for i in range(count)], mask=nothing),
        "active": pa.array(number % 2 == 0, mask=some),
        "seen": pa.array(seconds, pa.timestamp("s", "UTC"), mask=nothing),
        "tags": pa.array(
            [None if nothing[i] else [f"t{i}"] * (i % 3 + 1) for i in range(count)], pa.list_(pa.string())
        ),
    }
    moments = pa.array(_START_US + number * 1_000_003).cast(pa.timestamp("us", "UTC"))
    return pa.table({"id": number * 2, "event_timestamp": moments, **columns})


def objects(repo: Any, table: pa.Table) -> list[Any]:
    """Give the Feast view of these rows, their source written."""
    return [repo.view(VIEW, repo.source(VIEW, table), {"id": "Int64"}, FEATURES)]


def ids_to_ask(table: pa.Table, seed: int = 1) -> list[int]:
    """Give all ids and as many that nobody wrote, in no order."""
    ids = np.arange(2 * table.num_rows)
    np.random.default_rng(seed).shuffle(ids)
    return [int(one) for one in ids]


def written_by(repo: Any, count: int) -> pa.Table:
    """Have Feast apply and materialize so many rows; give them."""
    table = rows(count)
    repo.apply(*objects(repo, table))
    repo.materialize()
    return table


def keys(repo: Any, ids: Sequence[int]) -> list[bytes]:
    """Give the keys under which the store holds these rows."""
    from feast.infra.key_encoding_utils import serialize_entity_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    made = [EntityKey(join_keys=["id"], entity_values=[Value(int64_val=i)]) for i in ids]
    return [serialize_entity_key(key, entity_key_serialization_version=3) + repo.project.encode() for key in made]


def reader(repo: Any, *, patient: bool = False) -> Any:
    """Give the reader under test, ready as a run makes it ready."""
    made = repo.online_reader(patient=patient)
    made.check()
    return made


def read(store: Any, ids: Sequence[int]) -> pa.Table:
    """Read by the public function."""
    from feast_skew import read_online

    return read_online(store, [VIEW], {"id": list(ids)})


def check(answer: pa.Table, ids: Sequence[int], table: pa.Table) -> None:
    """Check an answer of `read_online`: each row once and in its place, each value and instant, absent told from null."""
    assert answer.column("id").to_pylist() == list(ids)
    wanted = expected(table, ids)
    got = {name: answer.column(f"{VIEW}__{name}").to_pylist() for name in FEATURES}
    got["instant"] = answer.column(f"{VIEW}__event_timestamp").cast(pa.int64()).to_pylist()
    _same(got, wanted)


def check_rows(rows_read: Any, ids: Sequence[int], table: pa.Table) -> None:
    """Check what a reader gives for a chunk, in the same way; nothing may be called corrupt."""
    from feast_skew.core.alignment import NO_INSTANT

    got = {name: rows_read.columns[name].to_pylist() for name in FEATURES}
    got["instant"] = [None if one == NO_INSTANT else one for one in rows_read.instants.tolist()]
    _same(got, expected(table, ids))
    assert not any(flags.any() for flags in rows_read.corrupt.values())


def expected(table: pa.Table, ids: Sequence[int]) -> dict[str, list[Any]]:
    """Give what is to be read, by column, from the table that was written."""
    places = [i // 2 if i % 2 == 0 and i // 2 < table.num_rows else None for i in ids]
    asked = table.take(pa.array(places, pa.int64()))
    wanted = {name: asked.column(name).to_pylist() for name in FEATURES}
    instants = asked.column("event_timestamp").cast(pa.int64()).to_pylist()
    wanted["instant"] = [None if one is None else one * 1000 for one in instants]
    return wanted


def _same(got: dict[str, list[Any]], wanted: dict[str, list[Any]]) -> None:
    for name, column in wanted.items():
        # repr tells -0.0 from 0.0, 1 from 1.0 and True, and one bit of a float from the next.
        wrong = [i for i, one in enumerate(column) if repr(got[name][i]) != repr(one)]
        assert len(got[name]) == len(column)
        assert not wrong, (
            f"{name}: {len(wrong)} wrong, first at row {wrong[0]}: {got[name][wrong[0]]!r}, not {column[wrong[0]]!r}"
        )
