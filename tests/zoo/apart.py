"""Two pipelines that never share an instant: offline a row a night and plane, online a row at each departure, by other code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from zoo.cases import Answer, Case, World
from zoo.columns import PLANES, column
from zoo.flown import DAY, NUMBERS, TYPES, Snapshot, arrow, instants
from zoo.tabled import AIRLINES, definition, one_of, renamed, snapshot, window

Make = Callable[[Snapshot, int], World]
DAYS = {"last day": 1, "last 14 days": 14}
"""Over how many days before the run the stream has pushed; the last night of offline is the one before that run."""
Column = Callable[[Snapshot, np.ndarray, np.ndarray], pa.Array]


def departures(world: Snapshot, days: int) -> tuple[np.ndarray, np.ndarray]:
    """Give each entity's last departure, and of which entities a stream has pushed it in the last days.

    Who left on the stroke of midnight is passed over: both pipelines have a row of that instant.
    """
    flights = world.flights
    _, after = flights.inside(world.keys, np.full(len(world), world.now), 400 * DAY)
    departure = flights.at[after - 1]
    return departure, (departure > world.now - days * DAY) & (departure % DAY != 0)


def streamed(offline: Column, online: Column, **more: Any) -> Make:
    """Give the worlds of two pipelines with a meaning each, and a feature beside that both compute alike."""

    def make(world: Snapshot, days: int) -> World:
        flights = world.flights
        departure, pushed = departures(world, days)
        places, keys, ends = world.history()
        there = pushed[places] & (ends <= world.now - DAY)
        chosen = np.flatnonzero(pushed)
        sides = []
        for meaning, where, whose, when in (
            (offline, places[there], keys[there], ends[there]),
            (online, chosen, world.keys[chosen], departure[chosen]),
        ):
            entities = world.entities.take(pa.array(where))
            sides.append(
                pa.table(
                    {
                        **dict(zip(entities.column_names, entities.columns, strict=True)),
                        "event_timestamp": instants(when),
                        "x": meaning(world, whose, when),
                        "beside": column(world, "flights", whose, when),
                    }
                )
            )
        return World(sides[0], sides[1], flights.by, **{name: value() for name, value in more.items()})

    return make


def plain(name: str) -> Column:
    """Give a feature as it should be."""
    return lambda world, keys, ends: column(world, name, keys, ends)


def changed(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Column:
    """Give a number that somebody changed."""

    def make(world: Snapshot, keys: np.ndarray, ends: np.ndarray) -> pa.Array:
        values = change(world.flights.number(name, keys, ends))
        return arrow(values, None if TYPES.get(name) == pa.int64() else TYPES.get(name))

    return make


def over(how: str, days: float, value: str = "dep_delay") -> Column:
    """Give another aggregate, or one over another window in days."""
    return lambda world, keys, ends: arrow(world.flights.aggregate(how, value, keys, ends, round(days * DAY)))


def texts(change: Callable[[str], str]) -> Column:
    """Give carriers in another spelling."""
    return lambda world, keys, ends: pa.array(
        [change(v) for v in world.flights.text("carrier", keys, ends)], pa.string()
    )


def fixed(value: Any, kind: pa.DataType) -> Column:
    """Give the same for everybody; None is null."""
    return lambda world, keys, ends: pa.array([value] * len(keys), kind)


def shifted(seconds: int) -> Column:
    """Give the instant of the last departure by another clock."""

    def make(world: Snapshot, keys: np.ndarray, ends: np.ndarray) -> pa.Array:
        moved = world.flights.departed(keys, ends) + seconds
        return pa.array(moved * 10**6).cast(pa.timestamp("us", tz="UTC"))

    return make


def about(value: float) -> Callable[[Any], bool]:
    """Accept what lies within a tenth of it: rows of two instants show a shift with the movement between them, never exactly."""
    return lambda found: isinstance(found, (int, float)) and abs(found - value) <= 0.1 * abs(value)


def meaning(name: str, days: float = 30) -> Callable[[], dict[str, Any]]:
    """Give the setting that declares a number as it is offline."""
    return lambda: definition(*NUMBERS[name], days, PLANES)


def _window(how: str, offline: float, online: float) -> tuple[Make, list[Answer]]:
    declared = lambda: definition(how, "dep_delay", offline, PLANES)  # noqa: E731
    return streamed(over(how, offline), over(how, online), config=declared), [window(offline, online)]


def _aggregate(offline: str, online: str) -> tuple[Make, list[Answer]]:
    declared = lambda: definition(offline, "dep_delay", 30, PLANES)  # noqa: E731
    names = {"offline_aggregate": offline, "online_aggregate": online}
    return streamed(over(offline, 30), over(online, 30), config=declared), [Answer("aggregate", names)]


PLANTS: dict[str, dict[str, tuple[Make, list[Answer]]]] = {
    "scale": {
        "minutes as seconds": (streamed(plain("mean_delay"), changed("mean_delay", lambda v: v * 60)), [Answer("scale", {"factor": 60.0})]),
        "minutes as hours": (streamed(plain("air_time"), changed("air_time", lambda v: v / 60)), [Answer("scale", {"factor": 1 / 60})]),
        "declared": (streamed(plain("mean_delay"), changed("mean_delay", lambda v: v * 1.5), config=meaning("mean_delay")), [Answer("scale", {"factor": 1.5})]),
    },
    "offset": {
        "half an hour": (streamed(plain("mean_delay"), changed("mean_delay", lambda v: v + 30)), [Answer("offset", {"offset": about(30.0)})]),
        "declared": (streamed(plain("air_time"), changed("air_time", lambda v: v + 42.5), config=meaning("air_time")), [Answer("offset", {"offset": 42.5})]),
    },
    "sign": {
        "early counts up": (streamed(plain("mean_delay"), changed("mean_delay", lambda v: -v)), [Answer("sign")]),
        "declared": (streamed(plain("total_delay"), changed("total_delay", lambda v: -v), config=meaning("total_delay")), [Answer("sign")]),
    },
    # Of minutes in the air, log1p and log differ by less than a plane's mean moves in a day.
    "transform": {
        "log1p": (streamed(plain("air_time"), changed("air_time", np.log1p)), [Answer("transform", {"name": one_of("log1p", "log")})]),
    },
    "constant": {
        "zero": (streamed(plain("mean_delay"), fixed(0.0, pa.float64())), [Answer("constant", {"value": 0.0})]),
        "a carrier": (streamed(plain("carrier"), fixed("UA", pa.string())), [Answer("constant", {"value": "UA"})]),
    },
    "null_fill": {"all": (streamed(plain("mean_delay"), fixed(None, pa.float64())), [Answer("null_fill")])},
    "encoding": {
        "lower case": (streamed(plain("carrier"), texts(str.lower)), [Answer("encoding")]),
        "names for codes": (streamed(plain("carrier"), texts(renamed(AIRLINES))), [Answer("encoding")]),
    },
    "timezone": {
        "declared instants": (streamed(plain("departed"), shifted(-18000), config=lambda: definition("last", "departed_at", 30, PLANES)), [Answer("timezone", {"offset_seconds": -18000})]),
        "instants": (streamed(plain("departed"), shifted(-18000)), [Answer("timezone", {"offset_seconds": -18000})]),
    },
    "window": {
        "30 days, 7 online": _window("mean", 30, 7),
        "30 days, 1 online": _window("mean", 30, 1),
        "7 days, 30 online": _window("mean", 7, 30),
        "30 days, 7 online, sums": _window("sum", 30, 7),
        "30 days, 14 online, counts": _window("count", 30, 14),
        "30 days, 90 online, counts": _window("count", 30, 90),
    },
    "aggregate": {
        "sum for mean": _aggregate("mean", "sum"),
        "max for mean": _aggregate("mean", "max"),
        "last for mean": _aggregate("mean", "last"),
    },
}  # fmt: skip
"""By cause code and variant: the world, and what is right to say. All streamed rows are wrong: the code is."""


def cases(seeds: Sequence[int]) -> Iterator[Case]:
    """Yield every case of two pipelines that never share an instant."""
    for code, variants in PLANTS.items():
        for variant, (make, answers) in variants.items():
            for severity, days in DAYS.items():
                for seed in seeds:
                    yield Case(
                        code, variant, "unaligned", severity, seed, tuple(answers),
                        lambda make=make, days=days, seed=seed: make(snapshot(seed, PLANES), days),
                    )  # fmt: skip
