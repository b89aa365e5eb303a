"""Repositories in which everything happens that a report can tell of, small enough to be run many times."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from feast_skew.core.types import declared_type
from tests.stores.conftest import NOW, Repository
from tests.stores.test_every_type import BAD, COLUMNS, GARBAGE, feast_type
from tests.stores.test_online_contract import VALUES

NOON = datetime(2024, 2, 1, 12, tzinfo=timezone.utc)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SIZE = 400

Make = Callable[..., Repository]


@dataclass(frozen=True)
class World:
    """A repository, and the options of `validate` with which its report is to be the same from every engine."""

    repo: Repository
    options: dict[str, Any] = field(default_factory=dict)

    def report(self, engine: str, partitions: int | None = None, **changed: Any) -> Any:
        # How fast the machine is at the moment is in no report without a limit of commands a second.
        options = {"state": False, "max_ops": "off", **self.options, **changed}
        settings = {**options.pop("settings", {})}
        if partitions is not None:
            settings["spark_partitions"] = partitions
        return self.repo.validate(engine=engine, settings=settings, **options)


def stamps(moments: Sequence[datetime] | np.ndarray) -> pa.Array:
    if isinstance(moments, np.ndarray):
        return pa.array(moments.astype("datetime64[us]").astype(np.int64)).cast(pa.timestamp("us", "UTC"))
    return pa.array(list(moments), pa.timestamp("us", "UTC"))


def at(moment: datetime, size: int) -> pa.Array:
    return stamps([moment] * size)


def table(ids: Any, moment: datetime = NOON, **columns: Any) -> pa.Table:
    return pa.table({"id": ids, "event_timestamp": at(moment, len(ids)), **columns})


def lay_online(repo: Repository, view: str, frame: pd.DataFrame) -> None:
    """Write rows as Feast does, whatever the store holds already."""
    store = repo.open()
    if str(store.config.online_store.type) == "redis":
        store.config.online_store.skip_dedup = True
    store.write_to_online_store(view, frame)


def suite(repo: Repository, name: str, about: dict[str, str], rules: list[dict[str, Any]]) -> None:
    """Write a suite into the folder where a run looks for them."""
    folder = repo.directory / "expectations"
    folder.mkdir(exist_ok=True)
    content = {"name": name, "meta": {"feast_skew": about}, "expectations": rules}
    (folder / f"{name}.json").write_text(json.dumps(content))


def corrupt(repo: Repository, server: Any, view: str, features: Sequence[str], ids: Any, raw: bytes) -> None:
    """Put bytes that are no value of Feast's in the place of values."""
    from feast_skew.stores.redis import layout

    keys = layout.Layout(repo.project).keys(pa.table({"id": ids}), repo.view_plan(view).keys).to_pylist()
    hashed = layout.fields(view, list(features))
    client = server.client()
    for key in keys:
        client.hset(key, mapping=dict.fromkeys(hashed, raw))


def _of_every_type(repo: Repository) -> list[str]:
    """Fill a view with each value of every type, and null, offline beside each online; give the names of its features."""
    from feast import Field

    columns = {f"{name}_": (dtype, column) for name, (dtype, column, _) in VALUES.items()} | COLUMNS
    fields = {}
    for name, (dtype, _) in columns.items():
        spelled = "Struct({x: Int64, y: String})" if dtype == "STRUCT" else dtype
        fields[name] = Field(name=name, dtype=feast_type(spelled))
    row = np.arange(180)
    online, offline = (
        table(row, **{name: column.take(pa.array(take)) for name, (_, column) in columns.items()})
        for take in ((row // 3) % 3, row % 3)
    )
    repo.apply(repo.view("types", repo.source("types", online), {"id": "Int64"}, fields))
    if repo.offline == "spark":
        # Feast materializes through pandas there, from which lists of timestamps and of structures do not come back.
        lay_online(repo, "types", online.to_pandas())
    else:
        repo.materialize()
    repo.write("types", offline)
    return list(fields)


def every_type(repo: Repository, server: Any) -> list[World]:
    """Every type that Feast materializes."""
    del server
    _of_every_type(repo)
    return [World(repo, {"settings": {"show_entities": True}})]


def garbage(repo: Repository, server: Any) -> list[World]:
    """Bytes that are no value in the place of values of every type; Feast's own read takes some of them for values."""
    names = _of_every_type(repo)
    for i, raw in enumerate(GARBAGE):
        corrupt(repo, server, "types", names, np.arange(9 * i, 9 * i + 3), raw)
    return [World(repo)]


def bad_values(repo: Repository, server: Any) -> list[World]:
    """Values of other types in the place of those declared, some of them corrupt."""
    from feast import Field
    from feast.protos.feast.types.Value_pb2 import Value

    row = np.arange(40)
    # Spark has no decimals as wide as those of Feast.
    chosen = [one for one in BAD if repo.offline != "spark" or "decimal" not in one[0].lower()]
    names = {f"f{i}": name for i, (name, _, _) in enumerate(chosen)}
    fields = {feature: Field(name=feature, dtype=feast_type(name)) for feature, name in names.items()}
    nothing = table(row, **{feature: pa.nulls(len(row), declared_type(name).arrow) for feature, name in names.items()})
    repo.apply(repo.view("bad", repo.source("bad", nothing), {"id": "Int64"}, fields))
    lay_online(repo, "bad", nothing.to_pandas())
    for feature, (_, value, _) in zip(names, chosen, strict=True):
        corrupt(repo, server, "bad", [feature], row[::3], Value(**value).SerializeToString())
    return [World(repo)]


def numbers(repo: Repository, server: Any) -> list[World]:
    """Whole numbers from sources with fractions or beyond doubles, nulls, NaN and infinities; several kinds of limit."""
    del server
    random = np.random.default_rng(0)
    ids = np.arange(SIZE)
    whole = random.poisson(20, SIZE)
    odd = np.where(ids % 50 == 0, 0.5, 0.0)
    shaky = random.normal(size=SIZE)
    specials = shaky.copy()
    specials[:12] = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308, np.nan, np.inf, 5e-324, np.nan, np.inf, -np.inf]
    large = 2**53 + 1 + 2 * ids
    online = {
        "fractions": whole,
        "partly": pa.array([None if i % 7 == 0 else int(n) for i, n in zip(ids, whole, strict=True)], pa.int64()),
        "large": large,
        "specials": np.roll(specials, 1),
        "words": [f"w{n % 40}" for n in whole],
        "flag": whole > 20,
        "moment": stamps([NOON + timedelta(seconds=int(n)) for n in whole]),
        "lists": [[int(n), int(n) + 1] for n in whole],
    }
    offline = {
        **online,
        "fractions": whole + odd,
        "partly": pa.array([None if i % 9 == 0 else float(n) for i, n in zip(ids, whole, strict=True)]),
        "large": large + (ids % 60 == 0),
        "specials": specials,
        "words": [f"w{n % 41}" for n in whole],
        "flag": whole > 21,
        "moment": stamps([NOON + timedelta(seconds=int(n) + int(n % 20 == 0)) for n in whole]),
        "lists": [[float(n), float(n) + 1 + o] for n, o in zip(whole, odd, strict=True)],
    }
    types = {"fractions": "Int64", "partly": "Int64", "large": "Int64", "specials": "Float64", "words": "String"}
    types |= {"flag": "Bool", "moment": "UnixTimestamp", "lists": "Array(Int64)"}
    # A view for each, as a retrieval that differs for one feature is taken over for all of its view.
    for name, dtype in types.items():
        repo.apply(repo.view(name, repo.source(name, table(ids, x=online[name])), {"id": "Int64"}, {"x": dtype}))
    repo.materialize()
    for name in types:
        repo.write(name, table(ids, x=offline[name]))
    views = {name: {"psi": 0.05, "null_rate": 0.1} for name in types}
    views |= {
        "fractions": {"psi": "auto", "mean": "auto", "variance": "auto"},
        "specials": {"mean": 0.1, "variance": 0.2},
    }
    views["partly"] = {"mean": 1.0, "tolerance": {"atol": 1.0}}
    return [World(repo, {"settings": {"views": views, "confidence": 0.9}})]


def causes(repo: Repository, server: Any) -> list[World]:
    """Every cause but the one that needs an earlier run, and mixtures of them."""
    random = np.random.default_rng(1)
    ids = np.arange(SIZE)
    values = {
        name: random.lognormal(3, 1, SIZE) for name in ("scale", "offset", "filled", "nulls", "noise", "same", "two")
    }
    hit = random.random(SIZE) < 0.2
    online: dict[str, Any] = {
        "scale": np.where(hit, values["scale"] * 60, values["scale"]),
        "offset": np.where(hit, values["offset"] + 3.5, values["offset"]),
        "filled": np.where(hit, -1.0, values["filled"]),
        "nulls": pa.array(values["nulls"], mask=hit),
        "noise": np.where(hit, random.lognormal(3, 1, SIZE), values["noise"]),
        "same": values["same"],
        "two": np.where(hit, values["two"] * 1000, np.where(ids % 3 == 0, 0.0, values["two"])),
    }
    repo.apply(
        repo.view("what", repo.source("what", table(ids, **online)), {"id": "Int64"}, dict.fromkeys(values, "Float64")),
        repo.view("late", repo.source("late", table(ids, x=values["same"])), {"id": "Int64"}, {"x": "Float64"}, ttl=10 * DAY),
        repo.view("missing", repo.source("missing", table(ids[:330], x=values["same"][:330])), {"id": "Int64"}, {"x": "Float64"}),
        repo.view("orphans", repo.source("orphans", table(ids, x=values["same"])), {"id": "Int64"}, {"x": "Float64"}),
        repo.view(
            "restated",
            repo.source("restated", table(ids, x=values["noise"], created=at(NOON, SIZE)), created="created"),
            {"id": "Int64"},
            {"x": "Float64"},
        ),
        repo.view("never", repo.source("never", table(ids, x=values["same"])), {"id": "Int64"}, {"x": "Float64"}),
    )  # fmt: skip
    repo.materialize(["what", "late", "missing", "orphans", "restated"])
    repo.write("what", table(ids, **values))
    few = ids[hit]
    repo.write(
        "late", pa.concat_tables([table(ids, x=values["same"]), table(few, NOON + 4 * HOUR, x=values["two"][few])])
    )
    repo.write("missing", table(ids, x=values["same"]))
    repo.write("orphans", table(ids[40:], x=values["same"][40:]))
    again = table(few, x=values["two"][few], created=at(NOON + DAY, len(few)))
    repo.write("restated", pa.concat_tables([again, table(ids, x=values["noise"], created=at(NOON, SIZE))]))
    if server is not None:
        corrupt(repo, server, "what", ["noise", "same"], ids[:5], b"\xff")
    features = {"late:x": {"max_lag": "1h"}, "what:offset": {"ignore": {"until": "2024-04-01", "reason": "known"}}}
    return [World(repo, {"settings": {"features": features, "show_entities": True}})]


def more_causes(repo: Repository, server: Any) -> list[World]:
    """Every cause that a value, a history, declared events, the types of messages or the keys tell of; part of the entities are right.

    The second run draws a part of them.
    """
    del server
    _of_values(repo)
    _of_histories(repo)
    _of_messages(repo)
    declared = _of_events(repo)
    features = {
        name: {
            "definition": {
                "events": events,
                "keys": {"id": "rider"},
                "timestamp": "ended",
                "value": "fare",
                "aggregate": "mean",
                "window": "30d",
            }
        }
        for name, events in declared.items()
    }
    return [
        World(repo, {"settings": {"features": features, "show_entities": True}}),
        World(repo, {"settings": {"features": features}, "sample": 250, "seed": 3}),
    ]


def _of_values(repo: Repository) -> None:
    """Make a view whose values are wrong in themselves, and one of pairs whose keys were taken in the other order."""
    random = np.random.default_rng(9)
    ids = np.arange(SIZE)
    numbers = ("sign", "constant", "narrow", "logged", "left", "right", "borrowed", "clipped", "affine", "random")
    values: dict[str, Any] = {name: random.lognormal(3, 1, SIZE) for name in numbers}
    word = random.integers(0, 12, SIZE)
    hit, other = random.random((2, SIZE)) < 0.2
    moments = [NOON - timedelta(seconds=int(n)) for n in random.integers(0, 10**6, SIZE)]
    texts = {
        "spelled": [f"Word {n}" for n in word],
        "coded": [f"word{n}" for n in word],
        "cut": [f"{random.integers(10**9)}-{i}-of-a-long-text" for i in ids],
    }
    online = {
        "sign": np.where(hit, -values["sign"], values["sign"]),
        "constant": np.full(SIZE, 20.0),
        "narrow": np.where(hit, values["narrow"].astype(np.float32), values["narrow"]),
        "logged": np.where(hit, np.log1p(values["logged"]), values["logged"]),
        "left": np.where(hit, values["right"], values["left"]),
        "right": np.where(hit, values["left"], values["right"]),
        "borrowed": np.where(other, np.roll(values["borrowed"], 1), values["borrowed"]),
        "clipped": np.minimum(values["clipped"], 40.0),
        # Two mistakes and some noise in one feature.
        "affine": np.where(hit, values["affine"] * 1.8 + 32, np.where(other, -values["affine"], values["affine"])),
        "random": np.where(hit, values["random"][random.permutation(SIZE)], values["random"]),
        "spelled": [text.upper() if wrong else text for text, wrong in zip(texts["spelled"], hit, strict=True)],
        "coded": [f"c{n * 7 % 12}" for n in word],
        "cut": [text[:8] if wrong else text for text, wrong in zip(texts["cut"], other, strict=True)],
        "local": stamps([m + 5 * HOUR if wrong else m for m, wrong in zip(moments, hit, strict=True)]),
    }
    offline = {**values, **texts, "local": stamps(moments)}
    types = dict.fromkeys(numbers, "Float64") | dict.fromkeys(texts, "String") | {"local": "UnixTimestamp"}
    row = np.arange(20)
    a, b = (side.ravel() for side in np.meshgrid(row, row))
    x = random.lognormal(3, 1, SIZE)
    crossed = np.where(hit, x.reshape(20, 20).T.ravel(), x)
    one = pa.table({"a": a, "b": b, "event_timestamp": at(NOON, SIZE), "x": crossed})
    repo.apply(
        repo.view("values", repo.source("values", table(ids, **online)), {"id": "Int64"}, types),
        repo.view("pairs", repo.source("pairs", one), {"a": "Int64", "b": "Int64"}, {"x": "Float64"}),
    )
    repo.materialize(["values", "pairs"])
    repo.write("values", table(ids, **offline))
    repo.write("pairs", one.set_column(3, "x", pa.array(x)))


def _of_histories(repo: Repository) -> None:
    """Make views of several versions, of rows that were created too late, and of rows past their ttl."""
    random = np.random.default_rng(10)
    ids, days = np.arange(SIZE), 5
    hit, other = random.random((2, SIZE)) < 0.3
    walk = random.lognormal(3, 1, (days, SIZE))
    level = random.lognormal(3, 1, SIZE)
    online = table(
        ids,
        lagged=np.where(hit, walk[-3], walk[-1]),
        mixed=np.where(hit, walk[-2], np.where(other, -walk[-1], walk[-1])),
    )
    old = np.array([NOON - 30 * DAY if wrong else NOON + 20 * DAY for wrong in other], dtype=object)
    aged = pa.table({"id": ids, "event_timestamp": stamps(list(old)), "x": level})
    created = table(ids, x=np.where(hit, random.lognormal(3, 1, SIZE), level), created=at(NOON, SIZE))
    key, x = {"id": "Int64"}, {"x": "Float64"}
    repo.apply(
        repo.view("versions", repo.source("versions", online), key, {"lagged": "Float64", "mixed": "Float64"}),
        repo.view("aged", repo.source("aged", aged), key, x, ttl=20 * DAY),
        repo.view("again", repo.source("again", created, created="created"), key, x),
    )
    repo.materialize(["versions", "aged", "again"], end=NOON + 21 * DAY)
    rows = [table(ids, NOON - (days - 1 - i) * DAY, lagged=walk[i], mixed=walk[i]) for i in range(days)]
    # Two rows of one instant before the aligned one: the same of them is the earlier version, whoever looks.
    again = random.lognormal(3, 1, len(ids[::4]))
    rows.append(table(ids[::4], NOON - 2 * DAY, lagged=again, mixed=again))
    repo.write("versions", pa.concat_tables(rows))
    moments = stamps([NOON + (25 * DAY if wrong else timedelta(0)) for wrong in hit])
    repo.write("again", table(ids, x=level, created=moments))


def _of_messages(repo: Repository) -> None:
    """Make a view with messages of another type than declared, and one whose entities are online as texts alone."""
    from feast.infra.provider import get_provider
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    random = np.random.default_rng(11)
    ids = np.arange(SIZE)
    values = random.lognormal(3, 1, SIZE)
    counts = random.poisson(9, SIZE)
    rows = table(ids, x=values, n=counts)
    texts = pa.table({"id": [str(i) for i in ids], "event_timestamp": at(NOON, SIZE), "x": values})
    repo.apply(
        repo.view("typed", repo.source("typed", rows), {"id": "Int64"}, {"x": "Float64", "n": "Int64"}),
        repo.view("held", repo.source("held_as_text", texts), {"id": "String"}, {"x": "Float64"}),
    )
    repo.materialize(["typed", "held"])
    data = [
        (
            EntityKey(join_keys=["id"], entity_values=[Value(int64_val=int(i))]),
            {"x": Value(string_val=str(values[i])), "n": Value(double_val=float(counts[i]))},
            NOON,
            None,
        )
        for i in ids[::6]
    ]
    store = repo.open()
    if str(store.config.online_store.type) == "redis":
        store.config.online_store.skip_dedup = True
    provider: Any = get_provider(store.config)
    provider.online_write_batch(store.config, store.get_feature_view("typed"), data, None)
    source = repo.source("held", table(ids, x=values))
    repo.apply(repo.view("held", source, {"id": "Int64"}, {"x": "Float64"}))


def _of_events(repo: Repository) -> dict[str, str]:
    """Make two views of rides, with means over 30 days offline, over 7 online; give where the events of their features are.

    Some of the rows of the one are wrong; those of the other share no timestamp with offline, and all of them are.
    """
    random = np.random.default_rng(12)
    ids, many, days = np.arange(SIZE), 40, 3
    rider = np.repeat(ids, many)
    noon = np.datetime64(NOON.replace(tzinfo=None), "m")
    ended = noon - random.integers(1, 50 * 1440, len(rider)).astype("timedelta64[m]")
    fare = random.lognormal(3, 1, len(rider)).round(2)
    rides = pa.table({"rider": rider, "ended": stamps(ended), "fare": fare})
    repo.write("rides", rides)

    def mean(window: int, ends: np.ndarray) -> pa.Array:
        """Give the mean of each rider over the days up to an instant."""
        end = np.repeat(ends, many)
        inside = (ended <= end) & (ended > end - np.timedelta64(window, "D"))
        number = np.bincount(rider, inside, SIZE)
        total = np.bincount(rider, np.where(inside, fare, 0.0), SIZE)
        return pa.array(total / np.maximum(number, 1), mask=number == 0)

    wrong = random.random(SIZE) < 0.3
    now = np.full(SIZE, noon)
    right, short = mean(30, now), mean(7, now)
    apart = noon - random.integers(1, 600, SIZE).astype("timedelta64[m]")
    streamed = pa.table({"id": ids, "event_timestamp": stamps(apart), "mean": mean(7, apart)})
    key, feature = {"id": "Int64"}, {"mean": "Float64"}
    most = np.zeros(SIZE)
    inside = (ended <= noon) & (ended > noon - np.timedelta64(30, "D"))
    np.maximum.at(most, rider[inside], fare[inside])
    taken = np.where(wrong, short.to_numpy(zero_copy_only=False), right)
    mixed = table(ids, mean=pa.array(taken), most=np.where(wrong, most, right))
    repo.apply(
        repo.view("spent", repo.source("spent", mixed), key, {**feature, "most": "Float64"}),
        repo.view("streamed", repo.source("streamed", streamed), key, feature),
        repo.source("trips", path=str(repo.path("rides")), timestamp_field="ended"),
    )
    repo.materialize(["spent", "streamed"])
    repo.write("spent", table(ids, mean=right, most=right))
    nights = [NOON - timedelta(hours=12) - i * DAY for i in range(days)]
    at_night = [np.full(SIZE, np.datetime64(night.replace(tzinfo=None), "m")) for night in nights]
    rows = [table(ids, night, mean=mean(30, ends)) for night, ends in zip(nights, at_night, strict=True)]
    repo.write("streamed", pa.concat_tables(rows))
    return {"spent:mean": "rides.parquet", "spent:most": "rides.parquet", "streamed:mean": "trips"}


def unknown_entities(repo: Repository, server: Any) -> list[World]:
    """Online rows of entities that no offline source knows, found by looking through the keys."""
    del server
    ids = np.arange(SIZE)
    values = ids / 7
    view = {"id": "Int64"}, {"x": "Float64"}
    repo.apply(repo.view("v", repo.source("v", table(ids, x=values)), *view))
    repo.materialize()
    later = table(ids[:10], NOW + DAY, x=values[:10])
    repo.write("v", pa.concat_tables([table(ids[30:], x=values[30:]), later]))
    return [World(repo)]


def definition(repo: Repository, server: Any) -> list[World]:
    """A view that reads another file than the one from which online was filled; an earlier run saw that one."""
    del server
    random = np.random.default_rng(2)
    ids = np.arange(SIZE)
    for name in ("first", "second"):
        repo.write(name, table(ids, x=random.normal(size=SIZE), y=random.normal(size=SIZE)))
        source = repo.source(
            "src", path=str(repo.path(name)), **({"file_format": "parquet"} if repo.offline == "spark" else {})
        )
        repo.apply(repo.view("v", source, {"id": "Int64"}, {"x": "Float64", "y": "Float64"}))
        if name == "first":
            repo.materialize()
            repo.validate()
    return [World(repo, {"state": True})]


def unaligned(repo: Repository, server: Any) -> list[World]:
    """Rows of another pipeline online, which share no instant with offline: the same values, scaled and shifted ones, categories.

    Some features align within a second or an hour, so that their rows are measured apart.
    """
    del server
    random = np.random.default_rng(3)
    ids, days = np.arange(SIZE), 6
    walk = 50 + np.cumsum(random.normal(0, 1, (days, SIZE)), axis=0)
    words = np.array(["a", "b", "c"])[(walk.astype(int) % 3)]
    parts = [
        table(
            ids,
            NOON + i * DAY,
            walk=walk[i],
            scaled=walk[i],
            shifted=walk[i],
            near=walk[i],
            hour=walk[i],
            word=words[i],
        )
        for i in range(days)
    ]
    types = dict.fromkeys(("walk", "scaled", "shifted", "near", "hour"), "Float64") | {"word": "String"}
    repo.apply(repo.view("moves", repo.source("moves", pa.concat_tables(parts)), {"id": "Int64"}, types))
    last = walk[-1] + random.normal(0, 0.3, SIZE)
    gap = np.array([timedelta(0), timedelta(milliseconds=400), timedelta(minutes=30), timedelta(hours=5)])[ids % 4]
    moments = [NOON + (days - 1) * DAY + one for one in gap]
    online = {
        "walk": last,
        "scaled": last * 60,
        "shifted": last + 30,
        "near": walk[-1],
        "hour": walk[-1] + (ids % 10 == 0),
    }
    frame = pd.DataFrame({"id": ids, "event_timestamp": moments, **online, "word": words[-1]})
    lay_online(repo, "moves", frame)
    within = {"moves:near": {"align_within": "1s"}, "moves:hour": {"align_within": "1h"}}
    return [World(repo, {"settings": {"features": within, "show_entities": True}})]


def ties(repo: Repository, server: Any) -> list[World]:
    """Several rows of one instant, with and without a created timestamp, and a retrieval that gives other values."""
    del server
    random = np.random.default_rng(4)
    ids = np.arange(SIZE)
    values, other = random.normal(size=SIZE), random.normal(size=SIZE)
    tied = pa.concat_tables([table(ids, x=values, y=values), table(ids[::5], x=other[::5], y=values[::5])])
    whole = pa.array([None if i % 4 == 0 else 2**53 + 2 * i + 1 for i in ids], pa.int64())
    first = table(ids, x=values, created=at(NOON, SIZE))
    again = table(ids[::3], x=other[::3], created=at(NOON + HOUR, len(ids[::3])))
    back = table(ids[::6], x=values[::6], created=at(NOON + HOUR, len(ids[::6])))
    versions = pa.concat_tables([first, again, back])
    views = {
        "tied": (tied, {"x": "Float64", "y": "Float64"}, ""),
        "rounded": (table(ids, big=whole, small=ids), {"big": "Int64", "small": "Int64"}, ""),
        "versions": (versions, {"x": "Float64"}, "created"),
    }
    repo.apply(
        *(
            repo.view(name, repo.source(name, rows, created=created), {"id": "Int64"}, features)
            for name, (rows, features, created) in views.items()
        )
    )
    repo.materialize()
    return [World(repo), World(repo, {"settings": {"views": {"tied": {"tolerance": {"rtol": 0.5}}}, "seed": 7}})]


def keys(repo: Repository, server: Any) -> list[World]:
    """Keys of every type and of several columns, with nulls in them; a view without any; large and small views of one key set."""
    del server
    random = np.random.default_rng(5)
    size = 300
    row = np.arange(size)
    x = random.normal(size=size)
    columns: dict[str, dict[str, tuple[str, Any]]] = {
        "pairs": {
            "zone": ("String", [f"z:{i % 20}" for i in row]),
            "area": ("Int64", pa.array(row // 20, pa.int64())),
        },
        "moments": {"moment": ("UnixTimestamp", stamps([NOON + timedelta(seconds=int(i)) for i in row]))},
        "mixed": {
            "moment": ("UnixTimestamp", stamps([NOON + timedelta(seconds=int(i)) for i in row])),
            "code": ("Bytes", [b"\xff%d" % (i % 9) for i in row]),
            "number": ("Int32", pa.array(row % 70, pa.int32())),
        },
        "codes": {"code": ("Bytes", [b"\x00%d" % i for i in row])},
        "texts": {"text": ("String", [f"\u00e9{i:04d}" for i in row])},
        "nobody": {},
    }
    views = []
    for name, found in columns.items():
        here = row if found else row[:1]
        content = {"event_timestamp": at(NOON, len(here)), "x": x[here], "y": x[here] * 2}
        content |= {key: column for key, (_, column) in found.items()}
        keyed = {key: dtype for key, (dtype, _) in found.items()}
        views.append(repo.view(name, repo.source(name, content), keyed, {"x": "Float64", "y": "Float64"}))
    repo.apply(*views)
    # From other stores than files Feast cannot materialize a view without entities.
    repo.materialize(list(columns) if repo.offline == "dask" else [name for name, found in columns.items() if found])
    if repo.offline != "dask":
        moment = pd.DatetimeIndex([NOON])
        lay_online(
            repo, "nobody", pd.DataFrame({"__dummy_id": [""], "event_timestamp": moment, "x": x[:1], "y": x[:1] * 2})
        )
    for name, found in columns.items():
        rows = pq.read_table(repo.path(name))
        changed = np.asarray(rows.column("y")) + (np.arange(rows.num_rows) % 11 == 0)
        rows = rows.set_column(rows.column_names.index("y"), "y", pa.array(changed))
        # Feast materializes no row with a null in its key, and fails at one; what comes in between is in the source alone.
        nameless = rows.slice(0, 9)
        for key in list(found)[:1]:
            nameless = nameless.set_column(
                nameless.column_names.index(key), key, pa.nulls(9, rows.schema.field(key).type)
            )
        repo.write(name, pa.concat_tables([nameless, rows] if found else [rows]))
    small = {"sample": 100}
    given = pa.table({"zone": ["z:1", "z:2", "z:9", "none"], "area": [0, 1, 2, 3]})
    return [
        World(repo, {"settings": {"show_entities": True}}),
        World(repo, {**small, "seed": 3}),
        World(repo, {"views": ["pairs"], "entities": given}),
    ]


def populations(repo: Repository, server: Any) -> list[World]:
    """Views of one key set that know different entities, sampled; rows behind the moment of the run; a view without rows."""
    del server
    random = np.random.default_rng(6)
    ids = np.arange(3000)
    x = random.normal(size=len(ids))
    view = {"id": "Int64"}, {"x": "Float64"}
    tables = {
        "large": table(ids, x=x),
        "small": table(ids[100:160] + 2900, x=x[100:160]),
        "middle": table(ids[::7], x=x[::7]),
        "other": table(np.arange(5000, 5700), x=x[:700]),
        "empty": table(ids[:0], x=x[:0]),
    }
    repo.apply(*(repo.view(name, repo.source(name, rows), *view) for name, rows in tables.items()))
    repo.materialize()
    changed = x + (ids % 90 == 0)
    later = table(ids[500:900], NOON + 3 * DAY, x=x[500:900] + 1)
    repo.write("large", pa.concat_tables([table(ids, x=changed), later]))
    repo.write("middle", table(ids[::7], x=changed[::7]))
    return [
        World(repo, {"sample": 500}),
        World(repo, {"sample": 500, "as_of": NOON + DAY, "seed": 11}),
        World(repo, {"as_of": NOON - DAY}),
        World(repo, {"detect": 0.02, "power": 0.9, "settings": {"defaults": {"mismatch_budget": 0.01}}}),
        World(repo, {"entities": pa.table({"id": [1, 2, 3, 90, 180, 2950, 5001, 99999]})}),
    ]


def large_values(repo: Repository, server: Any) -> list[World]:
    """Values that are too large to be read."""
    ids = np.arange(90)
    words = [f"w{i}" for i in ids]
    source = repo.source("v", table(ids, word=words, x=ids / 7))
    repo.apply(repo.view("v", source, {"id": "Int64"}, {"word": "String", "x": "Float64"}))
    repo.materialize()
    corrupt(repo, server, "v", ["word"], ids[40:42], b"x" * (33 << 20))
    return [World(repo)]


def on_demand(repo: Repository, server: Any) -> list[World]:
    """An on-demand view whose code treats nulls differently one row at a time, and a service of it."""
    from feast import FeatureService, Field, types
    from feast.on_demand_feature_view import on_demand_feature_view

    del server
    ids = np.arange(SIZE)
    x = pa.array([None if i % 10 == 0 else i / 7 for i in ids])
    view = repo.view("v", repo.source("v", table(ids, x=x)), {"id": "Int64"}, {"x": "Float64"})
    repo.apply(view)

    def ranked(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"rank": inputs["x"].rank(), "double": inputs["x"] * 2})

    schema = [Field(name=name, dtype=types.Float64) for name in ("rank", "double")]
    made = on_demand_feature_view(sources=[view], schema=schema, mode="pandas")(ranked)
    repo.apply(view, made, FeatureService(name="s", features=[view, made]))
    repo.materialize(["v"])
    return [World(repo), World(repo, {"sample": 100})]


def errors(repo: Repository, server: Any) -> list[World]:
    """A source that is missing and one that lacks a column, beside a sound one."""
    del server
    ids = np.arange(120)
    x = ids / 3
    view = {"id": "Int64"}
    sources = {name: repo.source(name, table(ids, x=x, y=x)) for name in ("sound", "gone", "lacking")}
    repo.apply(*(repo.view(name, one, view, {"x": "Float64", "y": "Float64"}) for name, one in sources.items()))
    repo.materialize()
    repo.path("gone").unlink()
    repo.write("lacking", table(ids, x=x))
    return [World(repo)]


def suites(repo: Repository, server: Any) -> list[World]:
    """Suites of Great Expectations on the rows of both stores and on the metrics of the report."""
    del server
    random = np.random.default_rng(7)
    ids = np.arange(SIZE)
    rate = random.normal(size=SIZE)
    city = np.array(["Basel", "Bern", "Genf"])[ids % 3]
    types = {"rate": "Float64", "city": "String"}
    repo.apply(repo.view("stats", repo.source("stats", table(ids, rate=rate, city=city)), {"id": "Int64"}, types))
    repo.materialize()
    repo.write("stats", table(ids, rate=rate * np.where(ids % 9, 1, 3), city=np.where(ids % 40, city, "Chur")))
    rules = [
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "rate", "min_value": -2, "max_value": 2}},
        {
            "type": "expect_column_values_to_be_in_set",
            "kwargs": {"column": "city", "value_set": ["Basel", "Bern", "Genf"]},
        },
        {
            "type": "expect_column_mean_to_be_between",
            "kwargs": {"column": "rate", "min_value": -0.01, "max_value": 0.01},
        },
    ]
    suite(repo, "stats", {"table": "values", "view": "stats"}, rules)
    limits = [{"type": "expect_column_values_to_be_between", "kwargs": {"column": "psi", "max_value": 0.001}}]
    suite(repo, "metrics", {"table": "metrics"}, limits)
    return [World(repo, {"settings": {"show_entities": True}})]


def thinned(repo: Repository, server: Any) -> list[World]:
    """More rows of one class than are drawn, so that some stand for others: equal ones, scaled ones, those of other
    entities, with the other sign, unaligned ones; a suite.
    """
    del server
    random = np.random.default_rng(8)
    ids = np.arange(90_000)
    x = random.lognormal(3, 1, len(ids))
    n = random.poisson(9, len(ids))
    y = np.where(ids % 2, x * 60, x)
    wrong = {"s": np.where(ids % 5 < 3, -x, x), "b": np.where(ids % 2, np.roll(x, 1), x)}
    first = table(ids, NOON - DAY, x=x * 0.99, n=n, y=y, s=x, b=x)
    repo.apply(repo.view("v", repo.source("v", pa.concat_tables([first, table(ids, x=x, n=n, y=x, s=x, b=x)])), {"id": "Int64"}, dict.fromkeys("xnysb", "Float64") | {"n": "Int64"}))  # fmt: skip
    apart = np.where(ids % 3 == 0, 3600 * 10**6, 0).astype("timedelta64[us]")
    moments = np.datetime64(NOON.replace(tzinfo=None), "us") + apart
    online = {
        "id": ids,
        "event_timestamp": pd.to_datetime(moments, utc=True),
        "x": x,
        "n": n + (ids % 1000 == 0),
        "y": y,
        **wrong,
    }
    lay_online(repo, "v", pd.DataFrame(online))
    positive = {"column": "y", "min_value": 0, "max_value": 100}
    suite(
        repo,
        "v",
        {"table": "values", "view": "v"},
        [{"type": "expect_column_values_to_be_between", "kwargs": positive}],
    )
    return [World(repo, {"sample": 100_000, "settings": {"features": {"v:n": {"align_within": "2h"}}}})]


WORLDS: dict[str, Callable[[Repository, Any], list[World]]] = {
    made.__name__: made
    for made in (
        every_type, garbage, bad_values, large_values, numbers, causes, more_causes, unknown_entities, definition, unaligned, ties, keys,
        populations, on_demand, errors, suites, thinned,
    )
}  # fmt: skip
"""By name: what fills a repository, and gives the runs on it. It is handed the Redis server, None where there is none."""


def build(
    name: str, make: Make, directory: Path, server: Any, online: str = "redis", offline: str = "dask"
) -> list[World]:
    """Build a world on some stores."""
    repo = make(directory, online=online, offline=offline)
    return WORLDS[name](repo, server if online == "redis" else None)
