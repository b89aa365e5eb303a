"""Three views, two of which share their hashes, with rows of many types, and what a test does to what Redis holds of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import redis

DAY = datetime(2026, 3, 1, 8, 30, 0, 123456, tzinfo=timezone.utc)
NOW = datetime(2026, 3, 10, tzinfo=timezone.utc)
COUNT = 40
TYPES = {
    "rate": "Float64",
    "trips": "Int64",
    "share": "Float32",
    "name": "String",
    "active": "Bool",
    "seen": "UnixTimestamp",
    "raw": "Bytes",
    "tags": "Array(String)",
    "scores": "Array(Float64)",
    "prefs": "Map",
    "doc": "Json",
}


def stamps(count: int, moment: datetime = DAY) -> pa.Array:
    return pa.array([moment] * count, pa.timestamp("us", "UTC"))


def profiles(shift: float = 0.0, moment: datetime = DAY) -> pa.Table:
    """Give a row of every type for each user; every fifth one is null everywhere."""
    some = [i % 5 != 4 for i in range(COUNT)]

    def column(value: Any, kind: pa.DataType) -> pa.Array:
        return pa.array([value(i) if some[i] else None for i in range(COUNT)], kind)

    return pa.table(
        {
            "user": pa.array(range(COUNT), pa.int64()),
            "event_timestamp": stamps(COUNT, moment),
            "rate": column(lambda i: i / 7 + shift, pa.float64()),
            "trips": column(lambda i: 3 * i + int(shift), pa.int64()),
            "share": column(lambda i: i / 3 + shift, pa.float32()),
            "name": column(lambda i: f"Zürich {i} {shift}", pa.string()),
            "active": column(lambda i: (i + int(shift)) % 2 == 0, pa.bool_()),
            "seen": column(lambda i: DAY - timedelta(seconds=i + shift), pa.timestamp("us", "UTC")),
            "raw": column(lambda i: bytes([i % 256, 0, 255, 13, 10, int(shift)]), pa.binary()),
            "tags": column(lambda i: [f"t{i}", str(shift)], pa.list_(pa.string())),
            "scores": column(lambda i: [i + shift, 0.5], pa.list_(pa.float64())),
            "prefs": column(
                lambda i: {"a": f"{i}", "b": f"{shift}"}, pa.struct([("a", pa.string()), ("b", pa.string())])
            ),
            "doc": column(lambda i: json.dumps({"n": i + shift}), pa.string()),
        }
    )


def habits(shift: int = 0) -> pa.Table:
    return pa.table(
        {"user": range(COUNT), "event_timestamp": stamps(COUNT), "visits": [i + shift for i in range(COUNT)]}
    )


def baskets(shift: int = 0) -> pa.Table:
    return pa.table(
        {
            "user": [i // 2 for i in range(COUNT)],
            "shop": [f"s{i % 2}" for i in range(COUNT)],
            "event_timestamp": stamps(COUNT),
            "items": [i + shift for i in range(COUNT)],
        }
    )


@dataclass
class Shelf:
    """The repository, and its rows in Redis as they are stored."""

    repo: Any
    client: Any

    @property
    def path(self) -> Path:
        return self.repo.directory

    def repair(self, **options: Any) -> Any:
        """Repair as of the day on which all rows are known."""
        import feast_skew

        return feast_skew.repair(self.path, **{"as_of": NOW, "now": NOW, **options})

    def validate(self, **options: Any) -> Any:
        return self.repo.validate(**{"as_of": NOW, "now": NOW, **options})

    def snapshot(self) -> dict[bytes, dict[bytes, bytes]]:
        """Give every hash of the project, field by field."""
        keys = self.client.scan_iter(match=b"*" + self.repo.project.encode(), count=1000)
        return {key: self.client.hgetall(key) for key in keys if self.client.type(key) == b"hash"}

    def key(self, **ids: Any) -> bytes:
        """Give the key under which Feast keeps an entity."""
        from feast.infra.online_stores.helpers import _redis_key
        from feast.protos.feast.types.EntityKey_pb2 import EntityKey
        from feast.protos.feast.types.Value_pb2 import Value

        values = [Value(string_val=one) if isinstance(one, str) else Value(int64_val=one) for one in ids.values()]
        return _redis_key(self.repo.project, EntityKey(join_keys=list(ids), entity_values=values), 3)

    @staticmethod
    def field(view: str, feature: str) -> bytes:
        from feast.infra.online_stores.helpers import _mmh3

        return _mmh3(f"{view}:{feature}")

    def put(self, view: str, feature: str, value: bytes, **ids: Any) -> None:
        self.client.hset(self.key(**ids), self.field(view, feature), value)


def make_shelf(repo: Any) -> Shelf:
    """Apply and materialize the views."""
    repo.apply(
        repo.view("profile", repo.source("profile", profiles()), {"user": "Int64"}, TYPES),
        repo.view("habit", repo.source("habit", habits()), {"user": "Int64"}, {"visits": "Int64"}),
        repo.view("basket", repo.source("basket", baskets()), {"user": "Int64", "shop": "String"}, {"items": "Int64"}),
    )
    repo.materialize(end=NOW)
    return Shelf(repo, client_of(repo))


def client_of(repo: Any) -> Any:
    """Give a client of the server, or the cluster, that a repository names first."""
    online = repo.store.config.online_store
    parts = online.connection_string.split(",")
    host, port = parts[0].split(":")
    options = dict(part.split("=", 1) for part in parts if "=" in part)
    kind: Any = redis.RedisCluster if online.redis_type == "redis_cluster" else redis.Redis
    return kind(host=host, port=int(port), password=options.get("password"))
