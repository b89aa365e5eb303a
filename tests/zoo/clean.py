"""Worlds in which nothing is wrong: every mix of types, whole and sampled, nightly and streamed; no run may alarm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from zoo.apart import DAYS, departures
from zoo.cases import World
from zoo.columns import PLANES, column
from zoo.flown import DAY, HOUR, Snapshot, instants
from zoo.tabled import definition, snapshot

RUNS = 200
MIXES: dict[str, tuple[str, ...]] = {
    "numbers": ("mean_delay", "air_time", "spread"),
    "counts": ("flights", "total_delay"),
    "narrow": ("worst_delay", "narrow_mean"),
    "texts": ("carrier", "manufacturer"),
    "instants": ("departed", "mean_arrival"),
    "flags": ("late", "flights"),
    "lists": ("dests", "delays"),
    "all": ("mean_delay", "flights", "worst_delay", "carrier", "departed", "late", "dests"),
}
"""Features of a run: numbers with nulls among them, counts, float32, texts with nulls, instants, flags, lists."""


@dataclass(frozen=True)
class Clean:
    """A run in which nothing is wrong."""

    name: str
    make: Callable[[], World]


def rows(world: Snapshot, names: tuple[str, ...], places: np.ndarray, keys: np.ndarray, ends: np.ndarray) -> pa.Table:
    """Give rows of entities at instants, with these features."""
    return pa.table(
        {
            **dict(zip(world.entities.column_names, world.entities.take(pa.array(places)).columns, strict=True)),
            "event_timestamp": instants(ends),
            **{name: column(world, name, keys, ends) for name in names},
        }
    )


def _shuffled(table: pa.Table, random: np.random.Generator) -> pa.Table:
    return table.take(pa.array(random.permutation(table.num_rows)))


def _online(world: Snapshot, names: tuple[str, ...]) -> pa.Table:
    return rows(world, names, np.arange(len(world)), world.keys, world.ends)


def states(world: Snapshot, names: tuple[str, ...], random: np.random.Generator) -> World:
    """Two states of one moment, without instants, in other orders."""
    both = _online(world, names).drop_columns(["event_timestamp"])
    return World(_shuffled(both, random), _shuffled(both, random), world.flights.by)


def nightly(world: Snapshot, names: tuple[str, ...], random: np.random.Generator) -> World:
    """Offline the nights, online the last of them; 10,000 entities of more."""
    offline = rows(world, names, *world.history(3))
    return World(_shuffled(offline, random), _online(world, names), world.flights.by, population=world.population)


def summed_otherwise(world: Snapshot, names: tuple[str, ...], random: np.random.Generator) -> World:
    """Sums of doubles in another order: the last digit differs."""
    online = _online(world, names)
    for name in names:
        if online.column(name).type == pa.float64():
            values = online.column(name).combine_chunks()
            noise = pa.array(1 + random.integers(-2, 3, len(values)) * 2.0**-53)
            place = online.column_names.index(name)
            online = online.set_column(place, name, pa.compute.multiply(values, noise))
    return World(_online(world, names), online, world.flights.by, population=world.population)


def tied(world: Snapshot, names: tuple[str, ...], random: np.random.Generator) -> World:
    """Some nights were written twice, the same both times, by a job that was run again."""
    offline = rows(world, names, *world.history(2))
    again = offline.take(pa.array(random.permutation(offline.num_rows)[: offline.num_rows // 5]))
    created = [pa.array(np.full(part.num_rows, world.now + hours * HOUR)) for part, hours in ((offline, 3), (again, 9))]
    sides = [
        part.append_column("created_timestamp", instants(np.asarray(when)))
        for part, when in zip((offline, again), created, strict=True)
    ]
    return World(pa.concat_tables(sides), _online(world, names), world.flights.by, population=world.population)


def late(world: Snapshot, names: tuple[str, ...], random: np.random.Generator) -> World:
    """Rows that were created two days late and are right: online has taken them."""
    offline = rows(world, names, *world.history(3))
    ends = np.asarray(offline.column("event_timestamp").combine_chunks().cast(pa.int64())) // 60_000_000
    created = ends + np.where(random.random(len(ends)) < 0.3, 2 * DAY, 3 * HOUR)
    return World(
        offline.append_column("created_timestamp", instants(created)),
        _online(world, names), world.flights.by, population=world.population,
    )  # fmt: skip


def behind(world: Snapshot, names: tuple[str, ...], random: np.random.Generator) -> World:
    """A few entities are a night behind, as they are between two runs of a job."""
    when = np.where(random.random(len(world)) < 0.02, world.version(1), world.ends)
    offline = rows(world, names, *world.history(3))
    online = rows(world, names, np.arange(len(world)), world.keys, when)
    return World(offline, online, world.flights.by, population=world.population)


def declared(world: Snapshot, names: tuple[str, ...], random: np.random.Generator) -> World:
    """The nights, with the first feature's meaning declared as it is."""
    made = nightly(world, ("mean_delay", *names[1:]), random)
    meaning = definition("mean", "dep_delay", 30, world.flights.by)["features"]["table:x"]
    config = {"features": {"table:mean_delay": meaning}}
    return World(made.offline, made.online, made.keys, config, made.population)


def streamed(world: Snapshot, names: tuple[str, ...], random: np.random.Generator) -> World:
    """Online holds a row of each departure of the last day, computed by the same meaning; offline the nights before."""
    return _streamed(world, names, 1.0, random)


def partly_streamed(world: Snapshot, names: tuple[str, ...], random: np.random.Generator) -> World:
    """A stream has moved some entities on; the others hold what was materialized."""
    return _streamed(world, names, 0.3, random)


def _streamed(world: Snapshot, names: tuple[str, ...], share: float, random: np.random.Generator) -> World:
    days = int(random.choice(list(DAYS.values())))
    departure, pushed = departures(world, days)
    pushed &= random.random(len(world)) < share
    places, keys, ends = world.history()
    chosen = pushed if share == 1.0 else np.ones(len(world), bool)
    # Of those that the stream moved on in the last day the night is still to come.
    there = chosen[places] & (~pushed[places] | (ends <= world.now - DAY))
    offline = rows(world, names, places[there], keys[there], ends[there])
    when = np.where(pushed, departure, world.ends)[chosen]
    return World(offline, rows(world, names, np.flatnonzero(chosen), world.keys[chosen], when), world.flights.by)


FORMS: dict[str, Callable[[Snapshot, tuple[str, ...], np.random.Generator], World]] = {
    "two states": states,
    "nightly": nightly,
    "summed otherwise": summed_otherwise,
    "tied": tied,
    "late but right": late,
    "a night behind": behind,
    "declared": declared,
    "streamed": streamed,
    "partly streamed": partly_streamed,
}
STREAMED = ("streamed", "partly streamed")


def cases(count: int = RUNS) -> Iterator[Clean]:
    """Yield so many clean runs: every mix in every form, then again on other nights; the streamed ones on planes."""
    pairs = [(form, mix) for form in FORMS for mix in MIXES]
    for number in range(count):
        form, mix = pairs[number % len(pairs)]
        seed = number % 10
        by = PLANES if form in STREAMED and number // len(pairs) % 2 == 0 else None

        def make(
            form: str = form, mix: str = mix, seed: int = seed, number: int = number, by: tuple[str, ...] | None = by
        ) -> World:
            world = snapshot(seed, by) if by else snapshot(seed)
            return FORMS[form](world, MIXES[mix], np.random.default_rng([5, number]))

        yield Clean(f"{form}/{mix}/{'planes' if by else 'parts'}/{seed}/{number}", make)
