"""Offline Parquet files of any size and the Feast repository over them, block by block, the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
VIEW = "v"
BLOCK = 250_000
"""Rows that are made, and written as one row group, at a time."""
ALL_TYPES = ("Float64", "Float32", "Int64", "Int32", "Bool", "String", "UnixTimestamp")
YAML = """project: {project}
provider: local
registry: registry.db
online_store: {{type: redis, connection_string: "{address}"}}
offline_store: {{type: {offline}}}
entity_key_serialization_version: 3
"""


@dataclass(frozen=True)
class World:
    """A view of so many entities with one offline row each for so many days; types are Feast's own names.

    `nulls` is the share of values that are null, `shuffled` whether a day's rows stand in another order than the ids.
    """

    entities: int
    features: Mapping[str, str]
    keys: Mapping[str, str] = field(default_factory=lambda: {"user_id": "Int64"})
    days: int = 2
    nulls: float = 0.0
    shuffled: bool = False
    seed: int = 0
    project: str = "bench"

    @classmethod
    def of_doubles(cls, entities: int, features: int, days: int, **options: Any) -> World:
        """Give the usual world: as many features, all of them Float64."""
        return cls(entities, {f"f{i}": "Float64" for i in range(features)}, days=days, **options)

    def day(self, day: int) -> datetime:
        """Give the event timestamp of all rows of a day; the last one lies a day before `NOW`."""
        return NOW - timedelta(days=self.days - day)


def offline_rows(world: World, day: int) -> Iterator[pa.Table]:
    """Yield the rows of one day in blocks: keys, features and `event_timestamp`."""
    ids = np.arange(world.entities)
    if world.shuffled:
        np.random.default_rng([world.seed, day]).shuffle(ids)
    for start in range(0, world.entities, BLOCK):
        part = ids[start : start + BLOCK]
        random = np.random.default_rng([world.seed, day, start])
        columns = {name: _ids(part, kind, place) for place, (name, kind) in enumerate(world.keys.items())}
        for name, kind in world.features.items():
            columns[name] = _values(random, kind, len(part), world.nulls)
        instant = np.datetime64(world.day(day).replace(tzinfo=None), "us")
        columns["event_timestamp"] = pa.array(np.full(len(part), instant)).cast(pa.timestamp("us", tz="UTC"))
        yield pa.table(columns)


def write_parquet(world: World, path: Path) -> None:
    """Write all days, oldest first, to one file with a row group a block."""
    writer = None
    for day in range(world.days):
        for table in offline_rows(world, day):
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
    assert writer is not None
    writer.close()


def make_repository(world: World, directory: Path, address: str, offline: str = "dask") -> Any:
    """Write the Parquet file and apply a Feast repository with one view over it; give the store.

    `offline` is the type of the offline store: `dask`, or `spark`, which needs pyspark to be read.
    """
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, types

    (directory / "feature_store.yaml").write_text(YAML.format(address=address, project=world.project, offline=offline))
    write_parquet(world, directory / "rows.parquet")
    source: Any = FileSource(name="rows", path="rows.parquet", timestamp_field="event_timestamp")
    if offline == "spark":
        from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource

        path = (directory / "rows.parquet").resolve().as_uri()
        source = SparkSource(name="rows", path=path, file_format="parquet", timestamp_field="event_timestamp")
    entities = [
        Entity(name=f"{name}_entity", join_keys=[name], value_type=getattr(types, kind).to_value_type())
        for name, kind in world.keys.items()
    ]
    fields = [Field(name=name, dtype=getattr(types, kind)) for name, kind in {**world.keys, **world.features}.items()]
    view = FeatureView(name=VIEW, entities=entities, source=source, ttl=timedelta(0), schema=fields)
    store = FeatureStore(repo_path=str(directory))
    store.apply([*entities, source, view])
    return store


def _ids(numbers: np.ndarray, kind: str, place: int) -> pa.Array:
    """Give ids of a type; of composite keys the first tells entities apart and the others are a few groups."""
    numbers = numbers if place == 0 else numbers % 97
    if kind == "String":
        return pa.array(np.char.add(f"key{place}-", numbers.astype(str)))
    return pa.array(numbers.astype(np.int32 if kind == "Int32" else np.int64))


def _values(random: np.random.Generator, kind: str, size: int, nulls: float) -> pa.Array:
    missing = random.random(size) < nulls if nulls else None
    if kind == "Float64":
        return pa.array(random.normal(size=size), mask=missing)
    if kind == "Float32":
        return pa.array(random.normal(size=size).astype(np.float32), mask=missing)
    if kind == "Int64":
        return pa.array(random.integers(-(2**40), 2**40, size), mask=missing)
    if kind == "Int32":
        return pa.array(random.integers(-1000, 1000, size).astype(np.int32), mask=missing)
    if kind == "Bool":
        return pa.array(random.random(size) < 0.5, mask=missing)
    if kind == "String":
        return pa.array(np.char.add("value ", random.integers(0, 3000, size).astype(str)), mask=missing)
    assert kind == "UnixTimestamp", kind
    seconds = random.integers(1_500_000_000, 1_800_000_000, size)
    return pa.array(seconds, mask=missing).cast(pa.timestamp("s", tz="UTC")).cast(pa.timestamp("us", tz="UTC"))
