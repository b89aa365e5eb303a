"""Several mistakes in one feature, as they pile up over the years: each has to be named, with its share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from zoo.cases import Answer, Case, World
from zoo.flown import DAY, Snapshot, arrow
from zoo.tabled import definition, historic, snapshot, tables, window

Make = Callable[[Snapshot], World]
Change = Callable[[Snapshot, np.ndarray], np.ndarray]


def parts(world: Snapshot, able: np.ndarray, *shares: float) -> list[np.ndarray]:
    """Divide the able entities at random: as many masks as shares of them, which do not overlap."""
    order = np.random.default_rng([11, world.seed]).permutation(np.flatnonzero(able))
    masks, start = [], 0
    for share in shares:
        stop = start + round(share * len(order))
        mask = np.zeros(len(able), bool)
        mask[order[start:stop]] = True
        masks.append(mask)
        start = stop
    return masks


def numbers(name: str, *changes: tuple[float, Change]) -> Make:
    """Change shares of a number's known values; those that are zero stay out, as most changes leave them."""

    def make(world: Snapshot) -> World:
        values = world.flights.number(name, world.keys, world.ends)
        able = ~np.isnan(values) & (np.abs(values) > 1e-9)
        online = values.copy()
        for mask, (_, change) in zip(parts(world, able, *(share for share, _ in changes)), changes, strict=True):
            online[mask] = change(world, values)[mask]
        return tables(world, arrow(values), arrow(online))

    return make


def texts(name: str, *changes: tuple[float, Callable[[str], str | None]]) -> Make:
    """Change shares of a text's known values."""

    def make(world: Snapshot) -> World:
        values = world.flights.text(name, world.keys, world.ends)
        able = np.array(
            [value is not None and all(change(value) != value for _, change in changes) for value in values]
        )
        online = values.copy()
        for mask, (_, change) in zip(parts(world, able, *(share for share, _ in changes)), changes, strict=True):
            online[mask] = [change(value) for value in values[mask]]
        return tables(world, pa.array(values, pa.string()), pa.array(online, pa.string()))

    return make


def stale_and_scaled(world: Snapshot) -> World:
    """3 % of the entities a night behind, and everything in seconds where the others are in minutes."""
    places, keys, ends = world.history()
    values = world.flights.number("mean_delay", keys, ends)
    (late,) = parts(world, np.ones(len(world), bool), 0.03)
    when = np.where(late, world.version(1), world.ends)
    right = world.flights.number("mean_delay", world.keys, when)
    online = np.where(late, right, right * 60)
    config = {"features": {"table:x": {"max_lag": "12h"}}}
    return historic(world, "mean_delay", values, online, when, places, keys, ends, config=config)


def windowed_and_null(world: Snapshot) -> World:
    """Half of the entities over 7 days where offline has 30, 5 % of them null."""
    values, short = (
        world.flights.aggregate("mean", "dep_delay", world.keys, world.ends, days * DAY) for days in (30, 7)
    )
    able = ~np.isclose(values, short, rtol=1e-6, equal_nan=True)
    half, gone = parts(world, able, 0.5, 0.05)
    online = np.where(half, short, np.where(gone, np.nan, values))
    return tables(world, arrow(values), arrow(online), config=definition("mean", "dep_delay", 30))


PLANTS: dict[str, tuple[Make, list[Answer]]] = {
    "3 % stale, the rest in seconds": (stale_and_scaled, [Answer("scale", {"factor": 60.0}), Answer("stale")]),
    "10 % null, 20 % in seconds": (
        numbers("mean_delay", (0.1, lambda w, v: np.full(len(v), np.nan)), (0.2, lambda w, v: v * 60)),
        [Answer("null_fill", share=1 / 3), Answer("scale", {"factor": 60.0}, share=2 / 3)],
    ),
    "5 % zero, the rest shifted": (
        numbers("air_time", (0.05, lambda w, v: np.zeros(len(v))), (0.95, lambda w, v: v + 16.3)),
        [Answer("default_fill", {"value": 0.0}, share=0.05), Answer("offset", {"offset": 16.3}, share=0.95)],
    ),
    "30 % in hours, 70 % shifted": (
        numbers("air_time", (0.3, lambda w, v: v / 60), (0.7, lambda w, v: v - 15)),
        [Answer("scale", {"factor": 1 / 60}, share=0.3), Answer("offset", {"offset": -15.0}, share=0.7)],
    ),
    "20 % of the other sign, 5 % null": (
        numbers("mean_delay", (0.2, lambda w, v: -v), (0.05, lambda w, v: np.full(len(v), np.nan))),
        [Answer("sign", share=0.8), Answer("null_fill", share=0.2)],
    ),
    "20 % in lower case, 10 % cut": (
        texts("manufacturer", (0.2, str.lower), (0.1, lambda v: v[:4])),
        [Answer("encoding", share=2 / 3), Answer("truncated", {"length": 4}, share=1 / 3)],
    ),
    "half over 7 days, 5 % null": (windowed_and_null, [window(30, 7), Answer("null_fill")]),
    "10 % noise, the rest in seconds": (
        numbers("mean_delay", (0.1, lambda w, v: v + np.random.default_rng(w.seed).normal(0, 5, len(v))), (0.9, lambda w, v: v * 60)),
        [Answer("scale", {"factor": 60.0}, share=0.9), Answer("unknown", share=0.1)],
    ),
}  # fmt: skip
"""By what is mixed: the world, and all that must be said."""


def cases(seeds: Sequence[int]) -> Iterator[Case]:
    """Yield every mixture."""
    for variant, (make, answers) in PLANTS.items():
        for seed in seeds:
            yield Case(
                "mixture", variant, "aligned", "mixed", seed, tuple(answers),
                lambda make=make, seed=seed: make(snapshot(seed)), together=True,
            )  # fmt: skip
