"""Mistakes in the values of two tables: the same entities at the same instants, as `compare()` sees them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from zoo.cases import Answer, Case, World
from zoo.flown import DAY, HOUR, KEYS, NUMBERS, SAMPLE, TYPES, Snapshot, arrow, flights, instants

SEVERITIES = (0.005, 0.05, 1.0)
Values = np.ndarray
_folder = tempfile.TemporaryDirectory(prefix="feast-skew-zoo-")


@cache
def snapshot(seed: int, by: tuple[str, ...] = KEYS) -> Snapshot:
    """Give the snapshot of a seed, made once a process."""
    return Snapshot(seed, SAMPLE, by)


@cache
def events_file(by: tuple[str, ...] = KEYS) -> str:
    """Write the events once a process; give the path."""
    path = Path(_folder.name) / f"{'_'.join(by)}.parquet"
    pq.write_table(flights(by).events, path)
    return str(path)


def percent(share: float) -> str:
    """Write a severity."""
    return f"{share * 100:g} %"


def definition(aggregate: str, column: str, days: float, by: tuple[str, ...] = KEYS) -> dict[str, Any]:
    """Give the setting that says what the feature means."""
    meaning: dict[str, Any] = {
        "events": events_file(by),
        "keys": {key: key for key in by},
        "timestamp": "departed_at",
        "aggregate": aggregate,
        "window": f"{days:g}d",
        "value": column,
    }
    return {"features": {"table:x": {"definition": meaning}}}


def hits(world: Snapshot, share: float, able: np.ndarray, form: int) -> np.ndarray:
    """Choose so many of all entities out of the able ones: anywhere (`form` even), or a part of the fleet that stands together."""
    chosen = np.zeros(len(world), dtype=bool)
    random = np.random.default_rng([7, world.seed, form])
    order = np.flatnonzero(able)
    if form % 2:
        order = world.fleet()
        order = order[able[order]]
        order = np.roll(order, int(random.integers(len(order))))
    else:
        order = random.permutation(order)
    chosen[order[: round(share * len(world))]] = True
    return chosen


def tables(
    world: Snapshot, offline: pa.Array, online: pa.Array, beside: tuple[pa.Array, pa.Array] | None = None, **more: Any
) -> World:
    """Give both tables: the keys, the instant of the night, the feature `x`, and another one beside that is right."""
    clean = arrow(world.flights.number("flights", world.keys, world.ends), pa.int64())
    columns = {
        **dict(zip(world.entities.column_names, world.entities.columns, strict=True)),
        "event_timestamp": instants(world.ends),
    }
    first, second = beside or (clean, clean)
    more.setdefault("population", world.population)
    return World(
        pa.table({**columns, "x": offline, "beside": first}),
        pa.table({**columns, "x": online, "beside": second}),
        world.flights.by,
        **more,
    )


Plant = Callable[[Snapshot, float, int], World]


def numbers(
    name: str, change: Callable[[Values], Values], able: Callable[[Values], np.ndarray] | None = None, *, declared: bool
) -> Plant:
    """Plant a change of the known numbers of a feature; `able` tells where it makes a difference."""

    def plant(world: Snapshot, share: float, form: int) -> World:
        values = world.flights.number(name, world.keys, world.ends)
        known = ~np.isnan(values)
        with np.errstate(all="ignore"):
            changed = np.asarray(change(values), float)
        differs = known & ~np.isclose(values, changed, rtol=2e-9, atol=1e-11, equal_nan=True)
        if able is not None:
            differs &= able(values)
        hit = known if share == 1.0 else hits(world, share, differs, form)
        aggregate, column = NUMBERS[name]
        config = definition(aggregate, column, 30, world.flights.by) if declared else {}
        kind = TYPES.get(name)
        online = np.where(hit, changed, values)
        wide = pa.float64() if kind == pa.int64() and not _whole(online) else kind
        return tables(world, arrow(values, kind), arrow(online, wide), config=config)

    return plant


def _whole(values: Values) -> bool:
    known = values[~np.isnan(values)]
    return bool((known == np.round(known)).all())


def objects(make: Callable[[Snapshot], Values], change: Callable[[Any], Any]) -> Plant:
    """Plant a change of texts or lists, value by value; None stays what it is.

    The entities lie anywhere: a part of the fleet has one manufacturer and carrier, and of one value a new spelling, a cut and a
    default are the same.
    """

    def plant(world: Snapshot, share: float, form: int) -> World:
        values = make(world)
        changed = np.empty(len(values), object)
        changed[:] = [None if value is None else change(value) for value in values.tolist()]
        known = np.array([value is not None for value in values.tolist()])
        differs = known & np.array([a != b for a, b in zip(values.tolist(), changed.tolist(), strict=True)])
        hit = known if share == 1.0 else hits(world, share, differs, 2 * form)
        online = [
            b if there else a for a, b, there in zip(values.tolist(), changed.tolist(), hit.tolist(), strict=True)
        ]
        kind = pa.array(values.tolist()).type
        return tables(world, pa.array(values.tolist(), kind), pa.array(online, kind))

    return plant


def texts(name: str) -> Callable[[Snapshot], Values]:
    """Give a text feature of a snapshot."""
    return lambda world: world.flights.text(name, world.keys, world.ends)


def lists(column: str) -> Callable[[Snapshot], Values]:
    """Give a list feature of a snapshot: a column of the last five flights."""

    def make(world: Snapshot) -> Values:
        found = np.empty(len(world), object)
        found[:] = world.flights.listed(column, world.keys, world.ends)
        return found

    return make


def moments(offline: Callable[[Snapshot], Values], change: Callable[[Values], Values]) -> Plant:
    """Plant a change of instants, in whole seconds."""

    def plant(world: Snapshot, share: float, form: int) -> World:
        values = offline(world)
        changed = change(values)
        hit = hits(world, share, changed != values, form)
        kind = pa.timestamp("us", tz="UTC")
        return tables(
            world,
            *(pa.array(side * 1_000_000).cast(kind) for side in (values, np.where(hit, changed, values))),
        )

    return plant


def departed(world: Snapshot) -> Values:
    """Give the instants of the last departures."""
    return world.flights.departed(world.keys, world.ends)


def new_york(seconds: Values) -> Values:
    """Give instants as a pipeline stores them that takes the clock of New York for UTC."""
    local = pd.DatetimeIndex(seconds.astype("datetime64[s]"), tz="UTC").tz_convert("America/New_York").tz_localize(None)
    return local.to_numpy("datetime64[s]").astype(np.int64)


def rolled(
    offline: tuple[str, float],
    online: tuple[str, float],
    column: str = "dep_delay",
    *,
    shift: int = 0,
    declared: bool = True,
) -> Plant:
    """Plant another aggregate, window (in days) or end of the day (`shift` in minutes) in the code of one side."""

    def plant(world: Snapshot, share: float, form: int) -> World:
        sides = []
        for (how, days), moved in ((offline, 0), (online, shift)):
            window = round(days * DAY)
            sides.append(world.flights.aggregate(how, column, world.keys, world.ends + moved, window))
        values, changed = sides
        differs = ~np.isclose(values, changed, rtol=1e-6, atol=1e-9, equal_nan=True)
        hit = np.ones(len(world), bool) if share == 1.0 else hits(world, share, differs, form)
        config = definition(offline[0], column, offline[1], world.flights.by) if declared else {}
        whole = {"count", "distinct"}
        kind = pa.int64() if {offline[0], online[0]} <= whole else pa.float64()
        return tables(world, arrow(values, kind), arrow(np.where(hit, changed, values), kind), config=config)

    return plant


def emptied(make: Callable[[Snapshot], pa.Array]) -> Plant:
    """Plant nulls online where offline has a value."""

    def plant(world: Snapshot, share: float, form: int) -> World:
        values = make(world)
        hit = hits(world, share, np.asarray(values.is_valid()), form)
        return tables(world, values, pa.array(values.to_pylist(), values.type, mask=hit))

    return plant


def filled(make: Callable[[Snapshot], pa.Array], default: Any, *, nulls: bool) -> Plant:
    """Plant one constant online: where offline is null, or instead of values."""

    def plant(world: Snapshot, share: float, form: int) -> World:
        values = make(world)
        known = np.asarray(values.is_valid())
        able = ~known if nulls else known & np.array([value != default for value in values.to_pylist()])
        hit = able if nulls and share == 1.0 else hits(world, share, able, form)
        online = [default if there else value for value, there in zip(values.to_pylist(), hit.tolist(), strict=True)]
        return tables(world, values, pa.array(online, values.type))

    return plant


def constant(make: Callable[[Snapshot], pa.Array], value: Any, *, nulls: bool) -> Plant:
    """Plant one value for everybody; where `nulls`, what offline does not know stays null."""

    def plant(world: Snapshot, share: float, form: int) -> World:
        values = make(world)
        online = [value if value_ is not None or not nulls else None for value_ in values.to_pylist()]
        return tables(world, values, pa.array(online, values.type))

    return plant


def number(name: str) -> Callable[[Snapshot], pa.Array]:
    """Give a number of a snapshot as a column."""
    return lambda world: arrow(world.flights.number(name, world.keys, world.ends), TYPES.get(name))


def text(name: str) -> Callable[[Snapshot], pa.Array]:
    """Give a text of a snapshot as a column."""
    return lambda world: pa.array(world.flights.text(name, world.keys, world.ends), pa.string())


def mixed_up(name: str, other: Callable[[Snapshot], np.ndarray]) -> Plant:
    """Plant another entity's value: `other` gives for each entity the place of the one whose value it gets."""

    def plant(world: Snapshot, share: float, form: int) -> World:
        values = world.flights.number(name, world.keys, world.ends)
        changed = values[other(world)]
        differs = ~np.isclose(values, changed, rtol=1e-6, atol=1e-9, equal_nan=True)
        hit = np.ones(len(world), bool) if share == 1.0 else hits(world, share, differs, 1)
        kind = TYPES.get(name)
        return tables(world, arrow(values, kind), arrow(np.where(hit, changed, values), kind))

    return plant


def shifted_by(places: int) -> Callable[[Snapshot], np.ndarray]:
    """Give the entity so many rows further on: two files joined by row number, one of them with a row more."""
    return lambda world: np.roll(np.arange(len(world)), places)


def without_part(world: Snapshot) -> np.ndarray:
    """Give the entity's first part of the day: a join that lost the last key column and kept the first match."""
    line = world.entities.to_pandas()
    return line.groupby(["tailnum", "origin"])["part"].transform("idxmin").to_numpy()


def by_fleet(world: Snapshot) -> np.ndarray:
    """Give who stands at the same place when one of two files was sorted by carrier: a join by row number."""
    return world.fleet()


def swapped(first: str, second: str) -> Plant:
    """Plant two columns that were written in each other's place."""

    def plant(world: Snapshot, share: float, form: int) -> World:
        one, two = (world.flights.number(name, world.keys, world.ends) for name in (first, second))
        differs = ~np.isclose(one, two, rtol=1e-6, atol=1e-9, equal_nan=True)
        hit = np.ones(len(world), bool) if share == 1.0 else hits(world, share, differs, form)
        kind = TYPES.get(first)
        sides = [arrow(side, kind) for side in (one, np.where(hit, two, one), two, np.where(hit, one, two))]
        return tables(world, sides[0], sides[1], (sides[2], sides[3]))

    return plant


def renamed(names: Mapping[str, str]) -> Callable[[str], str]:
    """Give a change of some texts by name; others stay."""
    return lambda value: names.get(value, value)


AIRLINES = {
    "UA": "United", "B6": "JetBlue", "EV": "ExpressJet", "DL": "Delta", "AA": "American", "MQ": "Envoy", "US": "US Airways",
    "9E": "Endeavor", "WN": "Southwest", "VX": "Virgin", "FL": "AirTran", "AS": "Alaska", "F9": "Frontier",
    "YV": "Mesa", "HA": "Hawaiian", "OO": "SkyWest",
}  # fmt: skip


def coded(world: Snapshot) -> tuple[Values, dict[int, int]]:
    """Give carriers as codes by the alphabet, and the codes by traffic of the same."""
    names, codes = np.unique(world.flights.text("carrier", world.keys, world.ends).astype(str), return_inverse=True)
    ranks = np.empty(len(names), int)
    ranks[np.argsort(-np.bincount(codes), kind="stable")] = np.arange(len(names))
    return codes, {code: int(rank) for code, rank in enumerate(ranks)}


def recoded(world: Snapshot, share: float, form: int) -> World:
    """Plant codes in another order: an encoder fitted again on other days."""
    codes, order = coded(world)
    changed = np.array([order[code] for code in range(len(order))])[codes]
    hit = hits(world, share, changed != codes, 2 * form)
    return tables(world, pa.array(codes), pa.array(np.where(hit, changed, codes)))


def before(back: int) -> Callable[[str], Plant]:
    """Plant the values of some nights earlier under the instant of the latest night; offline keeps its history."""

    def make(name: str) -> Plant:
        def plant(world: Snapshot, share: float, form: int) -> World:
            places, keys, ends = world.history()
            values = world.flights.number(name, keys, ends)
            latest = world.flights.number(name, world.keys, world.ends)
            old = world.flights.number(name, world.keys, world.version(back))
            differs = ~np.isclose(latest, old, rtol=1e-6, atol=1e-9, equal_nan=True) & (world.depth() >= back)
            hit = world.depth() >= back if share == 1.0 else hits(world, share, differs, form)
            return historic(world, name, values, np.where(hit, old, latest), world.ends, places, keys, ends)

        return plant

    return make


def historic(
    world: Snapshot, name: str, values: Values, online: Values, when: Values, places: Values, keys: Values, ends: Values,
    **more: Any,
) -> World:  # fmt: skip
    """Give a table of nightly rows offline, and one row per entity online; `more` are further columns and settings."""
    kind = TYPES.get(name)
    clean = world.flights.number("flights", keys, ends)
    now = world.flights.number("flights", world.keys, when)
    created = more.pop("created", None)
    columns = {
        **dict(zip(world.entities.column_names, world.entities.take(pa.array(places)).columns, strict=True)),
        "event_timestamp": instants(ends),
        "x": arrow(values, kind),
        "beside": arrow(clean, pa.int64()),
    }
    if created is not None:
        columns["created_timestamp"] = instants(created)
    served = {
        **dict(zip(world.entities.column_names, world.entities.columns, strict=True)),
        "event_timestamp": instants(when),
        "x": arrow(online, kind),
        "beside": arrow(now, pa.int64()),
    }
    more.setdefault("population", world.population)
    return World(pa.table(columns), pa.table(served), world.flights.by, **more)


def stale(name: str, back: int) -> Plant:
    """Plant rows whose later nights were never materialized."""

    def plant(world: Snapshot, share: float, form: int) -> World:
        places, keys, ends = world.history()
        values = world.flights.number(name, keys, ends)
        hit = hits(world, share, np.ones(len(world), bool), form)
        when = np.where(hit, world.version(back), world.ends)
        online = world.flights.number(name, world.keys, when)
        config = {"features": {"table:x": {"max_lag": "12h"}}}
        return historic(world, name, values, online, when, places, keys, ends, config=config)

    return plant


def restated(name: str) -> Plant:
    """Plant corrections offline of rows that online keeps as they were: files of three days came late, the instant stayed."""

    def plant(world: Snapshot, share: float, form: int) -> World:
        places, keys, ends = world.history(3)
        values = world.flights.number(name, keys, ends)
        early = world.flights.without(*NUMBERS[name], world.keys, world.ends)
        right = world.flights.number(name, world.keys, world.ends)
        differs = ~np.isclose(early, right, rtol=1e-6, atol=1e-9, equal_nan=True)
        hit = differs if share == 1.0 else hits(world, share, differs, form)
        chosen = np.flatnonzero(hit)
        places = np.concatenate([places, chosen])
        all_keys, all_ends = np.concatenate([keys, world.keys[chosen]]), np.concatenate([ends, world.ends[chosen]])
        created = np.concatenate([ends + 3 * HOUR, world.ends[chosen] + 3 * HOUR])
        # The first computation of the corrected rows is the later part; what stands there already was created two days after.
        latest = np.append(places[: len(keys)][1:] != places[: len(keys)][:-1], True)
        created[: len(keys)] += np.where(latest & hit[places[: len(keys)]], 2 * DAY, 0)
        values = np.concatenate([values, early[chosen]])
        online = np.where(hit, early, right)
        return historic(world, name, values, online, world.ends, places, all_keys, all_ends, created=created)

    return plant


def absent(side: str) -> Plant:
    """Plant entities that one side does not have."""

    def plant(world: Snapshot, share: float, form: int) -> World:
        values = number("mean_delay")(world)
        whole = tables(world, values, values)
        gone = pa.array(~hits(world, share, np.ones(len(world), bool), form))
        offline, online = (
            (whole.offline.filter(gone), whole.online)
            if side == "offline"
            else (whole.offline, whole.online.filter(gone))
        )
        return World(offline, online, whole.keys, whole.config, whole.population)

    return plant


def one_of(*codes: str) -> Callable[[Any], bool]:
    """Accept any of these names."""
    return lambda found: found in codes


def _length(days: float) -> Callable[[Any], bool]:
    """Accept a window of so many days, whether it is written or in seconds."""

    def same(found: Any) -> bool:
        units = {"d": 86400, "h": 3600, "w": 604800, "m": 60, "min": 60, "s": 1}
        if isinstance(found, str):
            number_, unit = found.rstrip("abcdefghijklmnopqrstuvwxyz "), found.lstrip("0123456789. ")
            unit = unit.removesuffix("ays").removesuffix("ay") if unit.startswith("day") else unit
            try:
                return float(number_) * units[unit] == days * 86400
            except (KeyError, ValueError):
                return False
        return found == days * 86400

    return same


def window(offline: float, online: float) -> Answer:
    """Give the answer that names two windows, in days."""
    return Answer("window", {"offline_window": _length(offline), "online_window": _length(online)})


def _mapping(change: Callable[[str], str]) -> Callable[[Any], bool]:
    """Accept a mapping that is not empty and right in all it says."""

    def same(found: Any) -> bool:
        if isinstance(found, Mapping):
            pairs: Sequence[Any] = list(found.items())
        elif isinstance(found, Sequence) and not isinstance(found, str):
            pairs = [tuple(one.values())[:2] if isinstance(one, Mapping) else tuple(one)[:2] for one in found]
        else:
            return False
        return bool(pairs) and all(str(change(str(a))) == str(b) for a, b in pairs)

    return same


def _standard(values: Values) -> Values:
    return (values - np.nanmean(values)) / np.nanstd(values)


PLANTS: dict[str, dict[str, tuple[Plant, Sequence[Answer], Sequence[float]]]] = {
    "scale": {
        "minutes as seconds": (numbers("mean_delay", lambda v: v * 60, declared=True), [Answer("scale", {"factor": 60.0})], SEVERITIES),
        "minutes as hours": (numbers("total_delay", lambda v: v / 60, declared=False), [Answer("scale", {"factor": 1 / 60})], SEVERITIES),
        "a fee of 8.1 %": (numbers("air_time", lambda v: v * 1.081, declared=False), [Answer("scale", {"factor": 1.081})], SEVERITIES),
        "counts in thousands": (numbers("flights", lambda v: v / 1000, declared=True), [Answer("scale", {"factor": 0.001})], SEVERITIES),
    },
    "offset": {
        "15 minutes of grace": (numbers("mean_delay", lambda v: v - 15, declared=True), [Answer("offset", {"offset": -15.0})], SEVERITIES),
        "counted from one": (numbers("flights", lambda v: v + 1, declared=False), [Answer("offset", {"offset": 1.0})], SEVERITIES),
        "taxi time of 16.3": (numbers("air_time", lambda v: v + 16.3, declared=False), [Answer("offset", {"offset": 16.3})], SEVERITIES),
    },
    "sign": {
        "early counts up": (numbers("mean_delay", lambda v: -v, declared=True), [Answer("sign")], SEVERITIES),
        "arrivals": (numbers("mean_arrival", lambda v: -v, declared=False), [Answer("sign")], SEVERITIES),
        "whole minutes": (numbers("total_delay", lambda v: -v, declared=False), [Answer("sign")], SEVERITIES),
    },
    "transform": {
        "log1p": (numbers("air_time", np.log1p, declared=False), [Answer("transform", {"name": one_of("log1p")})], SEVERITIES),
        "log": (numbers("air_time", np.log, declared=False), [Answer("transform", {"name": one_of("log", "ln")})], SEVERITIES),
        "clip at an hour": (numbers("mean_delay", lambda v: np.clip(v, None, 60), declared=True), [Answer("transform", {"name": "clip", "parameters": {"high": 60.0}})], (0.005, 1.0)),
        "nothing early": (numbers("mean_arrival", lambda v: np.clip(v, 0, None), declared=False), [Answer("transform", {"name": "clip", "parameters": {"low": 0.0}}), Answer("default_fill", {"value": 0.0})], SEVERITIES),
        "standardised": (numbers("mean_delay", _standard, declared=False), [Answer("transform", {"name": one_of("standardise", "standardize", "affine", "linear")})], (1.0,)),
        "square root": (numbers("air_time", np.sqrt, declared=False), [Answer("transform", {"name": one_of("sqrt")})], SEVERITIES),
        "quarter hours": (numbers("mean_delay", lambda v: np.round(v / 15) * 15, declared=False), [Answer("transform", {"name": one_of("round")}), Answer("precision")], SEVERITIES),
    },
    "precision": {
        "float32": (numbers("air_time", lambda v: v.astype("f4").astype("f8"), declared=True), [Answer("precision", {"type": "float32"})], SEVERITIES),
        "float16": (numbers("air_time", lambda v: v.astype("f2").astype("f8"), declared=False), [Answer("precision", {"type": "float16"})], SEVERITIES),
        "two decimals": (numbers("mean_delay", lambda v: np.round(v, 2), declared=True), [Answer("precision", {"quantum": 0.01}), Answer("transform", {"name": one_of("round")})], SEVERITIES),
        "whole numbers": (numbers("mean_arrival", np.trunc, declared=False), [Answer("precision"), Answer("transform", {"name": one_of("trunc", "round", "floor")})], SEVERITIES),
    },
    "constant": {
        "zero": (constant(number("mean_delay"), 0.0, nulls=False), [Answer("constant", {"value": 0.0})], (1.0,)),
        "the usual carrier": (constant(text("carrier"), "UA", nulls=False), [Answer("constant", {"value": "UA"})], (1.0,)),
        "a mean, where known": (constant(number("air_time"), 150.7, nulls=True), [Answer("constant", {"value": 150.7})], (1.0,)),
    },
    "default_fill": {
        "0 for null": (filled(number("spread"), 0.0, nulls=True), [Answer("default_fill", {"value": 0.0})], SEVERITIES),
        "-1 for a number": (filled(number("flights"), -1, nulls=False), [Answer("default_fill", {"value": -1})], (0.005, 0.05)),
        "unknown for null": (filled(text("manufacturer"), "unknown", nulls=True), [Answer("default_fill", {"value": "unknown"})], SEVERITIES),
        "0 for a lost number": (filled(number("mean_delay"), 0.0, nulls=False), [Answer("default_fill", {"value": 0.0})], (0.005, 0.05)),
    },
    "null_fill": {
        "numbers": (emptied(number("mean_delay")), [Answer("null_fill")], SEVERITIES),
        "texts": (emptied(text("carrier")), [Answer("null_fill")], SEVERITIES),
        "counts": (emptied(number("flights")), [Answer("null_fill")], SEVERITIES),
    },
    "wrong_entity": {
        "a row further": (mixed_up("air_time", shifted_by(1)), [Answer("wrong_entity")], SEVERITIES),
        "a key column lost": (mixed_up("mean_delay", without_part), [Answer("wrong_entity")], SEVERITIES),
        "by row number": (mixed_up("spread", by_fleet), [Answer("wrong_entity")], SEVERITIES),
    },
    "swapped_feature": {
        "arrival for departure": (swapped("mean_delay", "mean_arrival"), [Answer("swapped_feature", {"feature": "beside"})], SEVERITIES),
        "counts for sums": (swapped("total_delay", "flights"), [Answer("swapped_feature", {"feature": "beside"})], SEVERITIES),
    },
    "encoding": {
        "lower case": (objects(texts("manufacturer"), str.lower), [Answer("encoding", {"mapping": _mapping(str.lower)})], SEVERITIES),
        "white space": (objects(texts("carrier"), lambda v: v + " "), [Answer("encoding", {"mapping": _mapping(lambda v: v + " ")})], SEVERITIES),
        "names for codes": (objects(texts("carrier"), renamed(AIRLINES)), [Answer("encoding", {"mapping": _mapping(renamed(AIRLINES))})], SEVERITIES),
        "codes in another order": (recoded, [Answer("encoding")], SEVERITIES),
    },
    "truncated": {
        "eight letters": (objects(texts("manufacturer"), lambda v: v[:8]), [Answer("truncated", {"length": 8})], SEVERITIES),
        "the origin of a route": (objects(texts("last_route"), lambda v: v[:5]), [Answer("truncated", {"length": 5})], SEVERITIES),
        "three of a list": (objects(lists("dest"), lambda v: v[:3]), [Answer("truncated", {"length": 3})], SEVERITIES),
    },
    "timezone": {
        "New York as UTC": (moments(departed, new_york), [Answer("timezone", {"offset_seconds": one_of(-14400, -18000)})], SEVERITIES),
        "UTC+1": (moments(departed, lambda v: v + 3600), [Answer("timezone", {"offset_seconds": 3600})], SEVERITIES),
        "Mumbai": (moments(departed, lambda v: v - 19800), [Answer("timezone", {"offset_seconds": -19800})], SEVERITIES),
        "days of New York": (rolled(("mean", 30), ("mean", 30), shift=5 * HOUR), [Answer("timezone", {"offset_seconds": one_of(18000, -18000)})], SEVERITIES),
        "counts by days of Tokyo": (rolled(("count", 7), ("count", 7), shift=-9 * HOUR), [Answer("timezone", {"offset_seconds": one_of(32400, -32400)})], SEVERITIES),
    },
    # Maxima of a day would be the last flight as well: most entities leave once in their part of the day.
    "window": {
        "30 days, 7 online": (rolled(("mean", 30), ("mean", 7)), [window(30, 7)], SEVERITIES),
        "7 days, 30 online": (rolled(("mean", 7), ("mean", 30)), [window(7, 30)], SEVERITIES),
        "30 days, 14 online, sums": (rolled(("sum", 30), ("sum", 14)), [window(30, 14)], SEVERITIES),
        "30 days, 90 online, counts": (rolled(("count", 30), ("count", 90)), [window(30, 90)], SEVERITIES),
        "30 days, 28 online": (rolled(("mean", 30), ("mean", 28)), [window(30, 28)], (0.005, 1.0)),
        "30 days, 10 online, maxima": (rolled(("max", 30), ("max", 10)), [window(30, 10)], SEVERITIES),
    },
    "aggregate": {
        "sum for mean": (rolled(("mean", 30), ("sum", 30)), [Answer("aggregate", {"offline_aggregate": "mean", "online_aggregate": "sum"})], SEVERITIES),
        "max for mean": (rolled(("mean", 30), ("max", 30)), [Answer("aggregate", {"offline_aggregate": "mean", "online_aggregate": "max"})], SEVERITIES),
        "last for mean": (rolled(("mean", 30), ("last", 30)), [Answer("aggregate", {"offline_aggregate": "mean", "online_aggregate": "last"})], SEVERITIES),
        "distinct for count": (rolled(("count", 30), ("distinct", 30), "dest"), [Answer("aggregate", {"offline_aggregate": "count", "online_aggregate": "distinct"})], SEVERITIES),
    },
    "lagged_version": {
        "a night": (before(1)("mean_delay"), [Answer("lagged_version", {"k": 1})], SEVERITIES),
        "two nights": (before(2)("spread"), [Answer("lagged_version", {"k": 2})], SEVERITIES),
    },
    "stale": {
        "a night": (stale("mean_delay", 1), [Answer("stale")], SEVERITIES),
        "two nights": (stale("flights", 2), [Answer("stale")], SEVERITIES),
    },
    "restated": {
        "late files": (restated("mean_delay"), [Answer("restated")], SEVERITIES),
        "late counts": (restated("flights"), [Answer("restated")], SEVERITIES),
    },
    "not_materialized": {"no rows": (absent("online"), [Answer("not_materialized")], SEVERITIES)},
    "orphan": {"deleted offline": (absent("offline"), [Answer("orphan")], (0.005, 0.05))},
}  # fmt: skip
"""By cause code and variant: how it is planted, what is right to say, at which shares of the entities."""


UNPROVEN: dict[str, Plant] = {
    "30 days, 7 online": rolled(("mean", 30), ("mean", 7), declared=False),
    "7 days, 30 online": rolled(("mean", 7), ("mean", 30), declared=False),
    "90 days, 30 online, sums": rolled(("sum", 90), ("sum", 30), declared=False),
}
"""Windows of features whose events nobody declared: what shows is a signature, no proof."""


def cases(seeds: Sequence[int]) -> Iterator[Case]:
    """Yield every case of two tables that share their instants."""
    for variant, plant in UNPROVEN.items():
        for share in SEVERITIES:
            for seed in seeds:
                yield Case(
                    "window", variant, "no events", percent(share), seed, (Answer("window"),),
                    lambda plant=plant, share=share, seed=seed: plant(snapshot(seed), share, seed), provable=False,
                )  # fmt: skip
    for code, variants in PLANTS.items():
        for variant, (plant, answers, severities) in variants.items():
            for share in severities:
                for seed in seeds:
                    yield Case(
                        code, variant, "aligned", percent(share), seed, tuple(answers),
                        lambda plant=plant, share=share, seed=seed: plant(snapshot(seed), share, seed),
                    )  # fmt: skip
