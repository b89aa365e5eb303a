"""Mistakes that live in a store: a Feast repository, its registry, a real Redis, and `validate()` as a team would run it."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import shutil
import struct
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feast_skew import SkewReport, read_online, validate
from feast_skew.embedded.redis_server import EmbeddedRedis
from zoo.cases import Answer, Case, Ran, World
from zoo.columns import PLANES, column
from zoo.flown import DAY, HOUR, NUMBERS, Snapshot, arrow, instants
from zoo.tabled import SEVERITIES, definition, percent, snapshot, window

VIEW = "planes"
KEYS = {"tailnum": "String"}
NUMBERED = {"plane": "Int64"}
PAIR = {"tailnum": "String", "operator": "String"}
_projects = itertools.count(1)
Rows = pa.Table


@cache
def server() -> EmbeddedRedis:
    """The server of this process; it ends with it, a worker's too."""
    started = EmbeddedRedis()
    started.__enter__()
    Finalize(None, started.__exit__, (None, None, None), exitpriority=10)
    return started


def moment(minutes: int) -> datetime:
    """Give whole minutes since 1970 as a moment."""
    return datetime.fromtimestamp(int(minutes) * 60, timezone.utc)


class Repository:
    """A Feast repository with one view of planes over a Parquet file, in a directory of its own on the server of this process."""

    def __init__(self, *, keys: Mapping[str, str] = KEYS, **online: Any) -> None:
        import yaml

        self.directory = Path(tempfile.mkdtemp(prefix="feast-skew-zoo-"))
        self.project, self.keys = f"zoo{next(_projects)}x", dict(keys)
        settings = {
            "project": self.project,
            "provider": "local",
            "registry": str(self.directory / "registry.db"),
            "online_store": {"type": "redis", "connection_string": server().connection_string, **online},
            "offline_store": {"type": "dask"},
            "entity_key_serialization_version": 3,
        }
        (self.directory / "feature_store.yaml").write_text(yaml.safe_dump(settings))

    def write(self, rows: Rows, name: str = "rows") -> None:
        """Write, or write again, the file of a source."""
        pq.write_table(rows, self.directory / f"{name}.parquet")

    def open(self) -> Any:
        """Give Feast's store."""
        from feast import FeatureStore

        return FeatureStore(repo_path=str(self.directory))

    def apply(
        self, features: Mapping[str, str], source: str = "rows", *, tags: Mapping[str, str] | None = None, **view: Any
    ) -> None:
        """Apply the view over a source; `tags` are those of the feature `x`."""
        from feast import Entity, FeatureView, Field, FileSource, types

        names = set(pq.read_schema(self.directory / f"{source}.parquet").names)
        file = FileSource(
            name=source,
            path=str(self.directory / f"{source}.parquet"),
            timestamp_field="event_timestamp",
            created_timestamp_column="created_at" if "created_at" in names else "",
        )
        entities = [
            Entity(name=f"{key}_entity", join_keys=[key], value_type=getattr(types, kind).to_value_type())
            for key, kind in self.keys.items()
        ]
        schema = [Field(name=key, dtype=feast_type(kind)) for key, kind in self.keys.items()]
        schema += [
            Field(name=name, dtype=feast_type(kind), tags=dict(tags or {}) if name == "x" else {})
            for name, kind in features.items()
        ]
        view.setdefault("ttl", timedelta(0))
        planes = FeatureView(name=VIEW, entities=entities, schema=schema, source=file, **view)
        with quiet():
            self.open().apply([*entities, planes])

    def materialize(self, start: int, end: int) -> None:
        """Do what `feast materialize` does between two moments."""
        with quiet():
            self.open().materialize(moment(start), moment(end), feature_views=[VIEW])

    def push(self, rows: Rows, fields: Mapping[str, Callable[[Any], Any]]) -> None:
        """Write rows as a service of one's own does, through Feast's online store; `fields` make the message of each value."""
        from feast.infra.provider import get_provider
        from feast.protos.feast.types.Value_pb2 import Value

        store = self.open()
        view = store.get_feature_view(VIEW)
        data = []
        for row in rows.to_pylist():
            key = _entity_key(self.keys, row)
            values = {name: Value() if row[name] is None else make(row[name]) for name, make in fields.items()}
            data.append((key, values, row["event_timestamp"], None))
        provider: Any = get_provider(store.config)
        store.config.online_store.skip_dedup = True
        provider.online_write_batch(store.config, view, data, None)

    def redis_keys(self, entities: Rows, *, project: str | None = None, version: int = 3) -> list[bytes]:
        """Give the keys of entities in Redis, under a project and version of Feast's own serialization."""
        from feast.infra.key_encoding_utils import serialize_entity_key

        with quiet():
            return [
                serialize_entity_key(_entity_key(self.keys, row), entity_key_serialization_version=version)
                + (project or self.project).encode()
                for row in entities.select(list(self.keys)).to_pylist()
            ]

    def validate(self, now: int, **options: Any) -> SkewReport:
        """Compare the stores as of a moment."""
        with quiet():
            return validate(self.directory, now=moment(now), as_of=moment(now), **options)

    def served(self, entities: Rows) -> Rows:
        """Give what serving gives for entities, under the names of the features; without those that have no row."""
        with quiet():
            read = read_online(self.open(), [VIEW], entities.select(list(self.keys)))
        there = pc.is_valid(read.column(f"{VIEW}__event_timestamp"))
        return read.rename_columns([name.removeprefix(f"{VIEW}__") for name in read.column_names]).filter(there)

    def close(self) -> None:
        """Remove the directory and all keys of the server."""
        shutil.rmtree(self.directory, ignore_errors=True)
        with server().client() as client:
            client.flushall()


def feast_type(name: str) -> Any:
    """Give Feast's type of a name such as `Int64` or `Array(String)`."""
    from feast import types

    outer, _, inner = name.partition("(")
    return getattr(types, outer)(feast_type(inner[:-1])) if inner else getattr(types, outer)


def _entity_key(keys: Mapping[str, str], row: Mapping[str, Any]) -> Any:
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    fields = {"String": "string_val", "Int64": "int64_val", "Int32": "int32_val"}
    values = [Value(**{fields[kind]: row[name]}) for name, kind in keys.items()]
    return EntityKey(join_keys=list(keys), entity_values=values)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what Feast prints to itself."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


NUMBER = {"x": "Float64", "beside": "Int64"}
NIGHTS = 3
"""Nightly rows of a plane in the source."""
KEY_DAYS = 5
"""Days that keys live in a Redis that lets them expire."""


def nights(world: Snapshot, name: str = "mean_delay", days: int = 30) -> Rows:
    """Give the nightly rows of a snapshot as a team keeps them: created three hours after midnight."""
    places, keys, ends = world.history(NIGHTS)
    return made(world, places, keys, ends, arrow(world.flights.number(name, keys, ends, days * DAY)), ends + 3 * HOUR)


def planes(world: Snapshot) -> Rows:
    """Give the drawn planes: tail number, the number of the plane, who operates it."""
    operator = world.flights.last("carrier", world.keys, world.ends)
    return world.entities.append_column("plane", pa.array(world.keys)).append_column("operator", pa.array(operator))


def made(
    world: Snapshot, places: np.ndarray, keys: np.ndarray, ends: np.ndarray, x: pa.Array, created: np.ndarray
) -> Rows:
    """Give rows of entities at instants, with the feature and one beside."""
    entities = planes(world).take(pa.array(places))
    return pa.table(
        {
            **dict(zip(entities.column_names, entities.columns, strict=True)),
            "event_timestamp": instants(ends),
            "created_at": instants(created),
            "x": x,
            "beside": column(world, "flights", keys, ends),
        }
    )


def some(world: Snapshot, share: float, form: int) -> np.ndarray:
    """Choose so many of the entities at random."""
    chosen = np.zeros(len(world), bool)
    order = np.random.default_rng([13, world.seed, form]).permutation(len(world))
    chosen[order[: max(1, round(share * len(world)))]] = True
    return chosen


def meaning(days: int) -> dict[str, str]:
    """Give the tag that says what the feature is."""
    declared = definition("mean", "dep_delay", days, PLANES)["features"]["table:x"]["definition"]
    return {"skew.definition": json.dumps(declared)}


RUN = 4 * HOUR
"""How long after midnight the job runs that materializes: when the night's rows have been created."""


def done(world: Snapshot) -> int:
    """Give when the last night's rows were materialized."""
    return world.now + RUN


START = 22_600_000
"""Minutes since 1970 before all flights."""
Steps = Callable[[Repository, Snapshot, float, int], SkewReport]


def redefined(repo: Repository, world: Snapshot, share: float, form: int) -> SkewReport:
    """Change the source from 7 to 30 days; entities that have flown since get rows of the new kind, the others are skipped."""
    old = some(world, share, form)
    short, long = nights(world, days=7), nights(world)
    places, _, ends = world.history(NIGHTS)
    new_night = ~old[places] & (ends == world.ends[places])
    repo.write(short.filter(pa.array(~new_night)), "rows_7d")
    repo.write(long, "rows_30d")
    repo.apply(NUMBER, "rows_7d", tags=meaning(7))
    repo.materialize(START, done(world))
    repo.validate(done(world))
    repo.apply(NUMBER, "rows_30d", tags=meaning(30))
    repo.materialize(START, done(world))
    return repo.validate(done(world))


def corrected(keep: bool) -> Steps:
    """Compute rows again under their instants, when late files have come; `keep` whether the source keeps what was there."""

    def steps(repo: Repository, world: Snapshot, share: float, form: int) -> SkewReport:
        places, keys, ends = world.history(NIGHTS)
        right = world.flights.number("mean_delay", keys, ends)
        early = world.flights.without(*NUMBERS["mean_delay"], keys, ends)
        latest = ends == world.ends[places]
        differs = latest & ~np.isclose(right, early, rtol=1e-6, equal_nan=True)
        able = np.flatnonzero(differs)
        count = min(len(able), max(1, round(share * len(world))))
        hit = np.zeros(len(keys), bool)
        hit[np.random.default_rng([14, form]).permutation(able)[:count]] = True
        first = made(world, places, keys, ends, arrow(np.where(hit, early, right)), ends + 3 * HOUR)
        repo.write(first)
        repo.apply(NUMBER, tags=meaning(30) if form % 2 else None)
        repo.materialize(START, done(world))
        created = np.where(hit, done(world) + 2 * DAY, ends + 3 * HOUR)
        again = made(world, places, keys, ends, arrow(right), created)
        repo.write(pa.concat_tables([first.filter(pa.array(hit)), again]) if keep else again)
        repo.materialize(START, done(world))
        return repo.validate(done(world) + 3 * DAY)

    return steps


def late_rows(repo: Repository, world: Snapshot, share: float, form: int) -> SkewReport:
    """Stop materializing before the last nights of some entities."""
    places, _, ends = world.history(NIGHTS)
    late = some(world, share, form)
    rows = nights(world)
    repo.write(rows.filter(pa.array(~late[places] | (ends < world.ends[places]))))
    repo.apply(NUMBER, tags={"skew.max_lag": "12h"})
    repo.materialize(START, done(world))
    repo.write(rows)
    return repo.validate(done(world))


def never_written(repo: Repository, world: Snapshot, share: float, form: int) -> SkewReport:
    """Begin to materialize so late that planes which stand idle are never written."""
    repo.write(nights(world))
    repo.apply(NUMBER)
    idle = np.sort(world.ends)[round(share * len(world)) - 1]
    repo.materialize(int(idle) + 1, done(world))
    return repo.validate(done(world))


def past_ttl(repo: Repository, world: Snapshot, share: float, form: int) -> SkewReport:
    """Give the view a ttl that its idle planes outlive: training sees null, serving the old value."""
    ages = np.sort(done(world) - world.ends)[::-1]
    ttl = int(ages[min(len(ages) - 1, round(share * len(world)))]) + HOUR
    repo.write(nights(world))
    repo.apply(NUMBER, ttl=timedelta(minutes=ttl))
    repo.materialize(START, done(world))
    return repo.validate(done(world))


def expired_keys(repo: Repository, world: Snapshot, share: float, form: int) -> SkewReport:
    """Let the keys of idle planes live out their time in Redis: the second run has no row that would prolong them.

    Redis is told to let them expire at once, as nobody waits for days.
    """
    cut = int(np.sort(world.ends)[round(share * len(world)) - 1])
    repo.write(nights(world))
    repo.apply(NUMBER)
    repo.materialize(START, cut + RUN)
    if cut < world.now:
        repo.materialize(cut + RUN, done(world))
    with server().client() as client:
        for key in repo.redis_keys(planes(world).filter(pa.array(world.ends <= cut))):
            client.pexpireat(key, 1)
    return repo.validate(max(done(world), cut + RUN + KEY_DAYS * DAY + HOUR))


def orphaned(repo: Repository, world: Snapshot, share: float, form: int) -> SkewReport:
    """Delete planes from the source; nothing deletes them from Redis."""
    rows = nights(world)
    repo.write(rows)
    repo.apply(NUMBER)
    repo.materialize(START, done(world))
    gone = some(world, share, form)
    repo.write(rows.filter(pa.array(~gone[world.history(NIGHTS)[0]])))
    return repo.validate(done(world), entities=world.entities)


def new_field(repo: Repository, world: Snapshot, share: float, form: int) -> SkewReport:
    """Add a feature to a view that is already online: planes that have not flown since never get it."""
    rows = nights(world)
    places, _, ends = world.history(NIGHTS)
    idle = some(world, share, form)
    repo.write(rows.filter(pa.array(idle[places] | (ends < world.ends[places]))))
    repo.apply({"beside": "Int64"})
    repo.materialize(START, done(world))
    repo.write(rows)
    repo.apply(NUMBER)
    repo.materialize(START, done(world))
    return repo.validate(done(world))


def typed(kind: str, message: str, make: Callable[[Any], Any]) -> Steps:
    """Write the feature, declared as `kind`, as a message of another type, by a service of one's own."""

    def steps(repo: Repository, world: Snapshot, share: float, form: int) -> SkewReport:
        from feast.protos.feast.types.Value_pb2 import Value

        rows = nights(world, name="mean_delay" if kind == "Float64" else "total_delay")
        if kind == "Int64":
            rows = rows.set_column(rows.column_names.index("x"), "x", rows.column("x").cast(pa.int64()))
        repo.write(rows)
        repo.apply({"x": kind, "beside": "Int64"})
        repo.materialize(START, done(world))
        places, _, ends = world.history(NIGHTS)
        hit = some(world, share, form)[places] & (ends == world.ends[places])
        repo.push(
            rows.filter(pa.array(hit)),
            {"x": lambda v: Value(**{message: make(v)}), "beside": lambda v: Value(int64_val=v)},
        )
        return repo.validate(done(world))

    return steps


def moved_keys(rename: Callable[[Repository, Rows], list[bytes]]) -> Steps:
    """Have rows under other keys than this repository asks for: the writer was set up otherwise."""

    def steps(repo: Repository, world: Snapshot, share: float, form: int) -> SkewReport:
        repo.write(nights(world))
        repo.apply(NUMBER)
        repo.materialize(START, done(world))
        chosen = planes(world).filter(pa.array(some(world, share, form)))
        with server().client() as client:
            for before, after in zip(repo.redis_keys(chosen), rename(repo, chosen), strict=True):
                client.rename(before, after)
        return repo.validate(done(world))

    return steps


def spelled(
    order: Sequence[str], code: int, spell: Callable[[Any], bytes]
) -> Callable[[Repository, Rows], list[bytes]]:
    """Spell keys by hand, as a loader does that is no Feast: join keys in an order, values under a type's code."""

    def keys(repo: Repository, entities: Rows) -> list[bytes]:
        head = struct.pack("<I", len(order))
        for name in order:
            head += struct.pack("<II", 2, len(name)) + name.encode()
        found = []
        for row in entities.select(list(order)).to_pylist():
            values = [spell(row[name]) for name in order]
            body = b"".join(struct.pack("<II", code, len(value)) + value for value in values)
            found.append(head + body + repo.project.encode())
        return found

    return keys


NEARLY_ALL = (0.95, 0.99, 1.0)
PLANTS: dict[str, dict[str, tuple[Steps, list[Answer], Sequence[float]]]] = {
    "definition_not_landed": {
        "7 days, now 30": (redefined, [Answer("definition_not_landed"), window(30, 7)], SEVERITIES),
    },
    "restated": {"late files": (corrected(keep=True), [Answer("restated")], SEVERITIES)},
    "frozen": {"late files": (corrected(keep=False), [Answer("frozen")], SEVERITIES)},
    "stale": {"nights not materialized": (late_rows, [Answer("stale")], SEVERITIES)},
    "not_materialized": {"begun too late": (never_written, [Answer("not_materialized")], (0.005, 0.05, 0.5))},
    "orphan": {"deleted offline": (orphaned, [Answer("orphan")], (0.005, 0.05, 0.5))},
    "expired": {
        "idle planes": (past_ttl, [Answer("expired", {"of": "view"})], (0.005, 0.05, 0.5)),
        "keys of idle planes": (expired_keys, [Answer("expired", {"of": "key"})], (0.005, 0.05, 0.5, 1.0)),
    },
    "null_fill": {"a new field": (new_field, [Answer("null_fill")], SEVERITIES)},
    "type": {
        "text for a double": (typed("Float64", "string_val", str), [Answer("type", {"declared": "Float64", "stored": "String"})], SEVERITIES),
        "a double for a count": (typed("Int64", "double_val", float), [Answer("type", {"declared": "Int64", "stored": "Float64"})], SEVERITIES),
    },
    "key": {
        "serialization 2": (moved_keys(lambda repo, who: repo.redis_keys(who, version=2)), [Answer("key", {"which": "key serialization"})], NEARLY_ALL),
        "text for a number": (moved_keys(spelled(["plane"], 2, lambda v: str(v).encode())), [Answer("key", {"which": "id type"})], NEARLY_ALL),
        "another width": (moved_keys(spelled(["plane"], 3, lambda v: struct.pack("<i", v))), [Answer("key", {"which": "id type"})], NEARLY_ALL),
        "join keys in another order": (moved_keys(spelled(["tailnum", "operator"], 2, str.encode)), [Answer("key", {"which": "join key order"})], NEARLY_ALL),
        "another project": (moved_keys(lambda repo, who: repo.redis_keys(who, project="legacy")), [Answer("key", {"which": "project"})], NEARLY_ALL),
    },
}  # fmt: skip
"""By cause code and variant: what is done to the stores, what is right to say, at which shares of the planes."""

OPTIONS: dict[str, dict[str, Any]] = {
    "keys of idle planes": {"key_ttl_seconds": KEY_DAYS * 86400},
    "text for a number": {"keys": NUMBERED},
    "another width": {"keys": NUMBERED},
    "join keys in another order": {"keys": PAIR},
}
"""How the repository of a variant is set up, where otherwise than by default."""
WARNS = {"expired"}


def cases(seeds: Sequence[int]) -> Iterator[Case]:
    """Yield every case of stores."""
    for code, variants in PLANTS.items():
        for variant, (steps, answers, severities) in variants.items():
            more = OPTIONS.get(variant, {})
            for share in severities:
                for seed in seeds:
                    yield Case(
                        code, variant, "store", percent(share), seed, tuple(answers),
                        run=lambda steps=steps, share=share, seed=seed, more=more: run(steps, share, seed, **more),
                        warns=code in WARNS,
                    )  # fmt: skip


def run(steps: Steps, share: float, seed: int, **options: Any) -> Ran:
    """Do the steps in a repository of their own; the time is that of the last validation."""
    world = snapshot(seed, PLANES)
    repo = Repository(**options)
    clock = Clock(repo)
    try:
        report = steps(repo, world, share, seed)
        offline = pq.read_table(
            next(
                path for path in (repo.directory / "rows_30d.parquet", repo.directory / "rows.parquet") if path.exists()
            )
        )
        served = repo.served(planes(world))
        known = offline.rename_columns(
            ["created_timestamp" if name == "created_at" else name for name in offline.column_names]
        )
        return Ran(report, clock.seconds, World(known, served, tuple(repo.keys)))
    finally:
        repo.close()


class Clock:
    """Keeps the seconds of the last validation of a repository."""

    def __init__(self, repo: Repository) -> None:
        self.seconds = 0.0
        validate_ = repo.validate

        def timed(now: int, **options: Any) -> SkewReport:
            begin = time.perf_counter()
            report = validate_(now, **options)
            self.seconds = time.perf_counter() - begin
            return report

        repo.validate = timed  # type: ignore[method-assign]
