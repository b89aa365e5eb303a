"""Real Feast repositories in temporary directories: a registry, Parquet files, and a store that really runs.

Importing Feast takes seconds, so it is imported by the first test that needs it and not when tests are collected.
"""

from __future__ import annotations

import copy
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feast_skew.embedded.redis_server import EmbeddedRedis

# Test files are collected by path and are no package, so what the folders share is found here.

EARLIEST = datetime(1975, 1, 1, tzinfo=timezone.utc)
LATEST = datetime(2030, 1, 1, tzinfo=timezone.utc)
NOW = datetime(2024, 3, 1, tzinfo=timezone.utc)

_projects = itertools.count(1)


class Repository:
    """A Feast repository built from Python objects, with what Feast does to it and what feast-skew sees of it."""

    def __init__(self, directory: Path, online: Mapping[str, Any], offline: str = "dask", **settings: Any) -> None:
        import yaml

        self.directory = directory
        self.offline = offline
        self.project = f"p{next(_projects)}x"  # no project's name ends with another one's: "p1x", "p11x"
        self._entities: dict[tuple[str, str], Any] = {}
        directory.mkdir(parents=True, exist_ok=True)
        offline_settings = settings.pop("offline_settings", {})
        content = {
            "project": self.project,
            "provider": "local",
            "registry": str(directory / "registry.db"),
            "online_store": dict(online),
            "offline_store": {"type": offline, **offline_settings},
            "entity_key_serialization_version": 3,
            **settings,
        }
        self.project = content["project"]
        (directory / "feature_store.yaml").write_text(yaml.safe_dump(content))
        self.store = self.open()

    def open(self) -> Any:
        from feast import FeatureStore

        return FeatureStore(repo_path=str(self.directory))

    def at(self, directory: Path, online: Mapping[str, Any]) -> Repository:
        """Give the same repository as somebody sees it who reaches the online store in another way."""
        import yaml

        content = yaml.safe_load((self.directory / "feature_store.yaml").read_text())
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "feature_store.yaml").write_text(yaml.safe_dump({**content, "online_store": dict(online)}))
        other = copy.copy(self)
        other.directory = directory
        other.store = other.open()
        return other

    def path(self, name: str) -> Path:
        return self.directory / f"{name}.parquet"

    def write(self, name: str, table: Any) -> Path:
        """Write (or overwrite) the Parquet file of a source."""
        pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), self.path(name))
        return self.path(name)

    def source(self, name: str, table: Any = None, *, created: str = "", **options: Any) -> Any:
        from feast import FileSource

        if self.offline == "spark":
            return self.spark_source(name, table, created=created, **options)

        if table is not None:
            self.write(name, table)
        options.setdefault("path", str(self.path(name)))
        options.setdefault("timestamp_field", "event_timestamp")
        return FileSource(name=name, created_timestamp_column=created, **options)

    def spark_source(self, name: str, table: Any = None, *, created: str = "", **options: Any) -> Any:
        from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource

        if table is not None:
            self.write(name, table)
        options.setdefault("timestamp_field", "event_timestamp")
        if not options.keys() & {"query", "table"}:
            options = {"path": str(self.path(name)), "file_format": "parquet", **options}
        return SparkSource(name=name, created_timestamp_column=created, **options)

    def entity(self, join_key: str, dtype: str) -> Any:
        from feast import Entity

        if (join_key, dtype) not in self._entities:
            name = join_key if not any(key == join_key for key, _ in self._entities) else f"{join_key}_{dtype.lower()}"
            kind = feast_type(dtype).to_value_type()
            self._entities[join_key, dtype] = Entity(name=name, join_keys=[join_key], value_type=kind)
        return self._entities[join_key, dtype]

    def view(self, name: str, source: Any, keys: Mapping[str, str], features: Mapping[str, Any], **options: Any) -> Any:
        """Make a feature view; types by Feast's own names, features also as ready `Field`s."""
        from feast import FeatureView, Field

        schema = [Field(name=key, dtype=feast_type(dtype)) for key, dtype in keys.items()]
        for feature, dtype in features.items():
            schema.append(Field(name=feature, dtype=feast_type(dtype)) if isinstance(dtype, str) else dtype)
        options.setdefault("ttl", timedelta(0))
        options.setdefault("owner", "tests@example.com")  # a view without one is a finding
        entities = [self.entity(key, dtype) for key, dtype in keys.items()]
        return FeatureView(name=name, entities=entities, schema=schema, source=source, **options)

    def apply(self, *objects: Any) -> None:
        self.store.apply([*self._entities.values(), *objects])

    def materialize(
        self,
        views: Sequence[str] | None = None,
        *,
        start: datetime = EARLIEST,
        end: datetime = LATEST,
        skip_dedup: bool = False,
    ) -> None:
        store = self.open() if skip_dedup else self.store
        if skip_dedup:
            store.config.online_store.skip_dedup = True
        store.materialize(start, end, feature_views=list(views) if views else None)

    def validate(self, **options: Any) -> Any:
        from feast_skew.api import validate

        options.setdefault("now", NOW)
        return validate(self.directory, **options)

    def view_plan(self, name: str) -> Any:
        """Resolve one view as a run would."""
        from feast_skew.config import Settings
        from feast_skew.stores.feast_registry import Selection, build_plan

        return build_plan(self.store, Selection(views=(name,)), Settings()).views[0]

    def online_reader(self, *, generic: bool = False, patient: bool = False, **settings: Any) -> Any:
        """Give the reader that a run would take, or Feast's own read; only a patient one really waits before it tries again."""
        from feast_skew.stores.feast_online import FeastOnlineReader
        from feast_skew.stores.online import fastest_reader
        from feast_skew.stores.redis.reader import ReadSettings

        sleep = time.sleep if patient else lambda _: None
        by_feast = FeastOnlineReader(self.store, sleep=sleep)
        return by_feast if generic else fastest_reader(by_feast, ReadSettings(**settings), sleep=sleep)

    def offline_reader(self, *, direct: bool = True) -> Any:
        from feast_skew.stores.feast_offline import FeastOfflineReader

        return FeastOfflineReader(self.store, direct=direct)


def feast_type(name: str) -> Any:
    """Give Feast's type of a name such as `Int64`, `Array(String)`, `Set(String)` or `Map`."""
    from feast import types

    outer, _, inner = name.partition("(")
    if inner:
        return getattr(types, outer)(feast_type(inner[:-1]))
    return getattr(types, outer)


def instants(*moments: datetime | str, unit: str = "us", zone: str | None = "UTC") -> pa.Array:
    """Give a column of timestamps; ISO texts are UTC, and without a zone the column is naive."""
    ticks = np.array([None if m is None else _naive(m) for m in moments], dtype=f"datetime64[{unit}]")
    column = pa.array(ticks, mask=np.isnat(ticks))
    return column if zone is None else column.cast(pa.int64()).cast(pa.timestamp(unit, zone))


def _naive(moment: datetime | str) -> np.datetime64:
    if isinstance(moment, datetime):
        moment = moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat()
    return np.datetime64(moment)


SPARK = {
    "spark.master": "local[2]",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.shuffle.partitions": "2",
}
"""A session that starts quickly, and looks up no name of a machine."""


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """The one Spark session of a worker, in UTC."""
    pytest.importorskip("pyspark", reason="pyspark is not installed: requirements-spark.lock has it")
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    session = SparkSession.builder.config(map={**SPARK, "spark.sql.session.timeZone": "UTC"}).getOrCreate()
    yield session
    session.stop()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """One server for all tests of a worker; each repository has a project of its own."""
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture(scope="session")
def make_repository(redis_server: EmbeddedRedis) -> Callable[..., Repository]:
    """Give a function that makes a repository on Redis (or SQLite) with the dask (or duckdb) offline store."""

    def make(directory: Path, online: str = "redis", offline: str = "dask", **settings: Any) -> Repository:
        stores: dict[str, dict[str, Any]] = {
            "redis": {"type": "redis", "connection_string": redis_server.connection_string},
            "sqlite": {"type": "sqlite", "path": str(directory / "online.db")},
        }
        store = {**stores[online], **settings.pop("online_settings", {})}
        return Repository(directory, store, offline, **settings)

    return make


@pytest.fixture
def repo(make_repository: Callable[..., Repository], tmp_path: Path) -> Repository:
    """A fresh repository on Redis."""
    return make_repository(tmp_path)


@pytest.fixture(scope="session")
def any_repository() -> Callable[..., Repository]:
    """Give a function that makes a repository on the online store of one's choice."""
    return Repository
