"""Values that are stored under another type than the one that is declared."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

FIRST = datetime(2024, 2, 1, 6, tzinfo=timezone.utc)
N = 100


def set_up(repo: Any, values: Any, dtype: str = "Float64") -> None:
    table = pa.table(
        {"id": np.arange(len(values)), "event_timestamp": pa.array([FIRST] * len(values), pa.timestamp("us", "UTC")), "x": values}
    )  # fmt: skip
    repo.apply(repo.view("v", repo.source("src", table), {"id": "Int64"}, {"x": dtype}))
    repo.materialize()


def store(repo: Any, server: Any, ids: Any, field: str, values: Any) -> None:
    """Write values as messages with another field, as a writer of somebody's own does."""
    from feast.infra.online_stores.helpers import _mmh3
    from feast.protos.feast.types.Value_pb2 import Value

    plan, reader = repo.view_plan("v"), repo.online_reader()
    keys = reader._layout.keys(pa.table({"id": pa.array(ids, pa.int64())}), plan.keys).to_pylist()
    for key, value in zip(keys, values, strict=True):
        raw = value if isinstance(value, bytes) and not field else Value(**{field: value}).SerializeToString()
        server.client().hset(key, _mmh3("v:x"), raw)


def judged(repo: Any) -> tuple[Any, dict[str, Any]]:
    feature = repo.validate(scan=False).features[0]
    return feature, {cause.code: cause for cause in feature.causes if cause.kind == "what"}


@pytest.mark.parametrize("share", [0.05, 1.0])
@pytest.mark.parametrize(
    ("dtype", "field", "change", "stored"),
    [
        ("Float64", "string_val", str, "String"),
        ("Int64", "string_val", str, "String"),
        ("Int64", "double_val", float, "Float64"),
        ("String", "int64_val", int, "Int64"),
        ("Bool", "int32_val", int, "Int32"),
        ("Float64", "bool_val", bool, "Bool"),
    ],
)
def test_what_cannot_be_read_as_declared(
    dtype: str, field: str, change: Any, stored: str, share: float, repo: Any, redis_server: Any
) -> None:
    numbers = np.random.default_rng(0).integers(0, 2 if dtype == "Bool" else 1000, N)
    makers = {"Float64": float, "Int64": int, "String": str, "Bool": bool}
    set_up(repo, [makers[dtype](n) for n in numbers], dtype)
    hit = np.arange(round(share * N))
    store(repo, redis_server, hit, field, [change(n) for n in numbers[hit].tolist()])
    feature, whats = judged(repo)
    assert feature.counts["corrupt"] == len(hit)
    assert set(whats) == {"type"}
    cause = whats["type"]
    assert (cause.share, cause.confidence, cause.evidence["entities"]) == (1.0, 1.0, len(hit))
    assert (cause.evidence["declared"], cause.evidence["stored"]) == (dtype, stored)


@pytest.mark.parametrize("online", ["redis", "sqlite"])
@pytest.mark.parametrize(("field", "stored"), [("int64_val", "Int64"), ("float_val", "Float32")])
def test_what_can_be_read_and_loses(
    field: str, stored: str, online: str, make_repository: Any, tmp_path: Path, redis_server: Any
) -> None:
    """Fractions are cut: the message is another one, and Feast gives it to serving as it is."""
    repo = make_repository(tmp_path, online=online)
    values = np.random.default_rng(0).lognormal(8, 1, N)
    set_up(repo, values)
    kept = [int(v) for v in values] if field == "int64_val" else np.float32(values).tolist()
    if online == "redis":
        store(repo, redis_server, np.arange(N), field, kept)
    else:
        import sqlite3

        from feast.infra.key_encoding_utils import deserialize_entity_key
        from feast.protos.feast.types.Value_pb2 import Value

        with sqlite3.connect(repo.directory / "online.db") as connection:
            name = f"{repo.project}_v"
            for (raw,) in connection.execute(f"select entity_key from {name}").fetchall():
                number = deserialize_entity_key(raw).entity_values[0].int64_val
                value = Value(**{field: kept[number]}).SerializeToString()
                connection.execute(f"update {name} set value = ? where entity_key = ?", (value, raw))
    feature, whats = judged(repo)
    assert feature.counts["mismatch"] > 0.9 * N
    cause = whats["type"]
    assert (cause.evidence["declared"], cause.evidence["stored"], cause.share) == ("Float64", stored, 1.0)
    assert next(iter(whats)) == "type"


def test_beside_what_is_no_value_at_all(repo: Any, redis_server: Any) -> None:
    set_up(repo, np.arange(N) + 0.5)
    store(repo, redis_server, np.arange(60), "string_val", [str(i + 0.5) for i in range(60)])
    store(repo, redis_server, np.arange(60, 80), "", [b"\xff\xff\xff"] * 20)
    feature, whats = judged(repo)
    assert feature.counts["corrupt"] == 80
    assert {code: cause.share for code, cause in whats.items()} == {"type": 0.75, "unknown": 0.25}


def test_several_types(repo: Any, redis_server: Any) -> None:
    set_up(repo, np.arange(N) + 0.5)
    store(repo, redis_server, np.arange(60), "string_val", ["1.5"] * 60)
    store(repo, redis_server, np.arange(60, 80), "bool_val", [True] * 20)
    _, whats = judged(repo)
    assert whats["type"].evidence["by_type"] == {"String": 60, "Bool": 20}
    assert whats["type"].evidence["stored"] == "String"


@pytest.mark.parametrize("field", ["double_val", "int64_val"])
def test_wrong_for_another_reason(field: str, repo: Any, redis_server: Any) -> None:
    """The declared type, or one that does not make of offline's value what is there."""
    values = np.random.default_rng(0).integers(1, 1000, N)
    set_up(repo, values.astype(float))
    kind = float if field == "double_val" else int
    store(repo, redis_server, np.arange(N), field, [kind(v) * 60 for v in values.tolist()])
    _, whats = judged(repo)
    assert set(whats) == {"scale"}


def test_bytes_that_are_no_value(repo: Any, redis_server: Any) -> None:
    set_up(repo, np.arange(N) + 0.5)
    store(repo, redis_server, np.arange(30), "", [b"\xff\xff\xff"] * 30)
    assert set(judged(repo)[1]) == {"unknown"}


def test_the_right_type_is_not_looked_for(repo: Any) -> None:
    set_up(repo, np.arange(N) + 0.5)
    assert judged(repo)[1] == {}


def test_a_source_of_fractions_for_whole_numbers(repo: Any) -> None:
    """Feast cuts them on the way online; training gets them as they are."""
    values = np.random.default_rng(0).integers(0, 1000, N).astype(float)
    values[:40] += 0.5
    set_up(repo, values, "Int64")
    feature, whats = judged(repo)
    assert feature.counts["mismatch"] == 40
    cause = whats["type"]
    assert (cause.evidence["declared"], cause.evidence["source"], cause.share) == ("Int64", "double", 1.0)


def test_large_values_are_told_by_their_beginning(repo: Any, redis_server: Any) -> None:
    set_up(repo, np.arange(N) + 0.5)
    store(repo, redis_server, np.arange(20), "string_val", ["9" * 200_000] * 20)
    _, whats = judged(repo)
    assert whats["type"].evidence["by_type"] == {"String": 20}
