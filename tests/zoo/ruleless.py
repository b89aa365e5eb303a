"""Differences that no cause of the contract describes: of all of them, `unknown` is the answer.

None is a shuffle of whole values among entities, which would be another entity's value and so has a rule; and none gives the
same constant, factor or shift to a group, which would be a cause for a part of the entities.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from zoo.cases import Case, World
from zoo.flown import DAY, HOUR, NUMBERS, TYPES, Snapshot, arrow
from zoo.tabled import definition, hits, percent, snapshot, tables

Values = np.ndarray
Random = np.random.Generator
Change = Callable[[Snapshot, Values, Random], Values]
SHARES = (0.05, 1.0)


def _other(world: Snapshot, name: str) -> Values:
    return np.nan_to_num(world.flights.number(name, world.keys, world.ends))


def _daily(world: Snapshot) -> tuple[Values, Values]:
    """Give the mean delay of each of the last nights alone, a column a night, latest first, and whether there was one."""
    nights = [world.version(back) for back in range(6)]
    found = np.stack([world.flights.aggregate("mean", "dep_delay", world.keys, end, DAY) for end in nights], axis=1)
    there = np.arange(6) <= world.depth()[:, None]
    return np.nan_to_num(found), there


def smoothed(world: Snapshot, values: Values, random: Random) -> Values:
    """Smooth the nights exponentially instead of a mean over a window."""
    nights, there = _daily(world)
    weights = 0.5 ** np.arange(6) * there
    return (nights * weights).sum(axis=1) / weights.sum(axis=1)


def median(world: Snapshot, values: Values, random: Random) -> Values:
    """Take the median of the flights instead of their mean."""
    return _quantile(world, 0.5)


def ninetieth(world: Snapshot, values: Values, random: Random) -> Values:
    """Take the ninetieth percentile of the flights."""
    return _quantile(world, 0.9)


def _quantile(world: Snapshot, level: float) -> Values:
    first, after = world.flights.inside(world.keys, world.ends, 30 * DAY)
    delays = world.flights.frame["dep_delay"].to_numpy()
    return np.array(
        [
            np.quantile(delays[a:b], level) if b > a else np.nan
            for a, b in zip(first.tolist(), after.tolist(), strict=True)
        ]
    )


def shrunk(world: Snapshot, values: Values, random: Random) -> Values:
    """Draw a mean towards that of all, the more the fewer minutes in the air are behind it; by flights alone it would be a line for each count."""
    minutes = _other(world, "flights") * _other(world, "air_time")
    return (values * minutes + np.nanmean(values) * 600.0) / (minutes + 600.0)


def of_destination(world: Snapshot, values: Values, random: Random) -> Values:
    """Give the mean of the flight's destination in place of the plane's: another population."""
    flights = world.flights.frame
    until = flights["departed_at"] <= pd.Timestamp(world.now * 60, unit="s", tz="UTC")
    means = flights[until].groupby("dest")["dep_delay"].mean()
    dest = world.flights.last("dest", world.keys, world.ends)
    return means.reindex(dest).to_numpy() + 0.001 * _other(world, "air_time")


def predicted(world: Snapshot, values: Values, random: Random) -> Values:
    """Predict the value by a model of other features."""
    inputs = np.column_stack([np.ones(len(world)), *(_other(world, n) for n in ("air_time", "flights", "spread"))])
    known = ~np.isnan(values)
    fitted = np.linalg.lstsq(inputs[known], values[known], rcond=None)[0]
    return inputs @ fitted


def nearest(world: Snapshot, values: Values, random: Random) -> Values:
    """Give the mean of the five entities whose air time is nearest."""
    order = np.argsort(_other(world, "air_time"), kind="stable")
    padded = np.convolve(np.nan_to_num(values)[order], np.full(5, 0.2), mode="same")
    found = np.empty(len(values))
    found[order] = padded
    return found


def imputed(world: Snapshot, values: Values, random: Random) -> Values:
    """Impute by a model what seems to be missing, here any value of an entity with few flights, with its noise."""
    few = _other(world, "flights") <= 2
    model = predicted(world, values, random) + random.normal(0, 5, len(values))
    return np.where(few, model, values + random.normal(0, 0.01, len(values)))


def hashed(world: Snapshot, values: Values, random: Random) -> Values:
    """Put the value through a hash."""
    return np.array(
        [int.from_bytes(hashlib.blake2b(repr(v).encode(), digest_size=4).digest(), "big") / 2**25 for v in values]
    )


def seasonal(world: Snapshot, values: Values, random: Random) -> Values:
    """Distort the value by the hour of the last departure."""
    hour = world.flights.departed(world.keys, world.ends) / 3600
    return values * (1 + 0.3 * np.sin(2 * np.pi * hour / 24)) + 2 * np.cos(2 * np.pi * hour / 24)


def by_days(world: Snapshot, values: Values, random: Random) -> Values:
    """Weigh the days alike instead of the flights: a mean of the means of the nights."""
    nights, there = _daily(world)
    return (nights * there).sum(axis=1) / there.sum(axis=1) + 0.1 * np.log1p(_other(world, "flights"))


def transposed(world: Snapshot, values: Values, random: Random) -> Values:
    """Swap two neighbouring digits somewhere, as a hand does that types numbers off."""
    found = []
    for value in values.tolist():
        text = list(f"{abs(value) + 100:.4f}")
        place = int(random.integers(0, 2))
        text[place], text[place + 1] = text[place + 1], text[place]
        found.append(float("".join(text)) - 100)
    return np.array(found)


def late_only(world: Snapshot, values: Values, random: Random) -> Values:
    """Average only the flights that left late: a filter on the value."""
    frame = world.flights.frame
    first, after = world.flights.inside(world.keys, world.ends, 30 * DAY)
    delays = np.maximum(frame["dep_delay"].to_numpy(), 0.0)
    late = delays > 0
    totals, counts = (np.append(0.0, np.cumsum(part)) for part in (delays, late))
    number = counts[after] - counts[first]
    return np.where(number > 0, (totals[after] - totals[first]) / np.maximum(number, 1), values)


NUMERIC: dict[str, tuple[str, Change]] = {
    "noise of a minute": ("mean_delay", lambda w, v, r: v + r.normal(0, 1, len(v))),
    "noise in proportion": ("air_time", lambda w, v, r: v * r.lognormal(0, 0.05, len(v))),
    "noise with long tails": ("mean_delay", lambda w, v, r: v + r.standard_cauchy(len(v))),
    "differential privacy": ("mean_arrival", lambda w, v, r: v + r.laplace(0, 3, len(v))),
    "counts with noise": ("flights", lambda w, v, r: np.maximum(v + np.round(r.normal(0, 3, len(v))), 0)),
    "a random walk": ("mean_delay", lambda w, v, r: v + r.choice([-1.0, 1.0], (len(v), 30)).cumsum(axis=1)[:, -1] * r.random(len(v))),
    "a model of other features": ("mean_delay", predicted),
    "neighbours by air time": ("mean_delay", nearest),
    "another model of missing data": ("mean_arrival", imputed),
    "a hash": ("mean_delay", hashed),
    "exponential smoothing": ("mean_delay", smoothed),
    "a median": ("mean_delay", median),
    "a ninetieth percentile": ("mean_delay", ninetieth),
    "shrunk to the mean": ("mean_delay", shrunk),
    "late flights only": ("mean_delay", late_only),
    "a mean of days": ("mean_delay", by_days),
    "the destination's mean": ("mean_delay", of_destination),
    "a season": ("mean_delay", seasonal),
    "outliers": ("mean_delay", lambda w, v, r: np.where(r.random(len(v)) < 0.1, v * r.lognormal(3, 1, len(v)) + r.normal(0, 50, len(v)), v + r.normal(0, 0.5, len(v)))),
    "digits swapped": ("mean_delay", transposed),
    "stirred with the count": ("mean_delay", lambda w, v, r: v + np.sqrt(_other(w, "flights")) * r.uniform(0.5, 1.5, len(v))),
    "a factor for each": ("air_time", lambda w, v, r: v * r.uniform(0.5, 2.0, len(v))),
    "a shift for each": ("mean_delay", lambda w, v, r: v + r.uniform(-30, 30, len(v))),
    "a parabola": ("mean_delay", lambda w, v, r: (v - 30.0) ** 2 / 50 + r.normal(0, 1, len(v))),
    "random counts": ("flights", lambda w, v, r: r.poisson(np.nanmean(v), len(v)).astype(float)),
    "another law": ("mean_delay", lambda w, v, r: r.gamma(2, 20, len(v)) - 10),
    "two features mixed": ("mean_delay", lambda w, v, r: 0.6 * v + 0.1 * _other(w, "air_time") * r.uniform(0.9, 1.1, len(v))),
}  # fmt: skip
"""Changes of numbers: the feature, and what comes of its values; 27 of the 33."""


def _letters(value: str, random: Random) -> str:
    """Exchange one letter for another one, as a bad scan does."""
    place = int(random.integers(len(value)))
    return value[:place] + chr(int(random.integers(97, 123))) + value[place + 1 :]


def _texts(
    name: str, change: Callable[[Snapshot, list[str | None], Random], list[str | None]]
) -> Callable[[Snapshot, float, int], World]:
    def plant(world: Snapshot, share: float, form: int) -> World:
        values = world.flights.text(name, world.keys, world.ends).tolist()
        changed = change(world, values, np.random.default_rng([99, form]))
        able = np.array([a is not None and a != b for a, b in zip(values, changed, strict=True)])
        hit = able if share == 1.0 else hits(world, share, able, form)
        online = [b if there else a for a, b, there in zip(values, changed, hit.tolist(), strict=True)]
        return tables(world, pa.array(values, pa.string()), pa.array(online, pa.string()))

    return plant


def _numeric(name: str, change: Change) -> Callable[[Snapshot, float, int], World]:
    def plant(world: Snapshot, share: float, form: int) -> World:
        values = world.flights.number(name, world.keys, world.ends)
        changed = np.asarray(change(world, values, np.random.default_rng([98, form])), float)
        changed[np.isnan(values)] = np.nan
        able = ~np.isclose(values, changed, rtol=1e-6, atol=1e-9, equal_nan=True)
        hit = able if share == 1.0 else hits(world, share, able, form)
        kind = TYPES.get(name)
        config = definition(*NUMBERS[name], 30) if form % 2 else {}
        return tables(world, arrow(values, kind), arrow(np.where(hit, changed, values), kind), config=config)

    return plant


def jittered(world: Snapshot, share: float, form: int) -> World:
    """Put noise of hours on instants."""
    seconds = world.flights.departed(world.keys, world.ends)
    moved = seconds + np.round(np.random.default_rng([97, form]).normal(0, 3 * HOUR, len(seconds))).astype(np.int64)
    return _instants(world, seconds, moved, share, form)


def _instants(world: Snapshot, seconds: Values, moved: Values, share: float, form: int) -> World:
    hit = hits(world, share, moved != seconds, form)
    kind = pa.timestamp("us", tz="UTC")
    return tables(world, *(pa.array(side * 10**6).cast(kind) for side in (seconds, np.where(hit, moved, seconds))))


def coins(world: Snapshot, share: float, form: int) -> World:
    """Toss a coin for a flag."""
    late = world.flights.number("worst_delay", world.keys, world.ends) > 60
    tossed = np.random.default_rng([96, form]).random(len(late)) < 0.5
    hit = late != tossed if share == 1.0 else hits(world, share, late != tossed, form)
    return tables(world, pa.array(late), pa.array(np.where(hit, tossed, late)))


def reordered(world: Snapshot, share: float, form: int) -> World:
    """Shuffle the elements of lists."""
    random = np.random.default_rng([95, form])
    values = world.flights.listed("dep_delay", world.keys, world.ends)
    changed = [random.permutation(value).tolist() for value in values]
    able = np.array([a != b for a, b in zip(values, changed, strict=True)])
    hit = able if share == 1.0 else hits(world, share, able, form)
    online = [b if there else a for a, b, there in zip(values, changed, hit.tolist(), strict=True)]
    kind = pa.list_(pa.float64())
    return tables(world, pa.array(values, kind), pa.array(online, kind))


PLANTS: dict[str, Callable[[Snapshot, float, int], World]] = {
    **{name: _numeric(*how) for name, how in NUMERIC.items()},
    "letters exchanged": _texts("manufacturer", lambda w, v, r: [None if x is None else _letters(x, r) for x in v]),
    "hashed texts": _texts("last_route", lambda w, v, r: [None if x is None else hashlib.blake2b(f"{x}{i}".encode(), digest_size=4).hexdigest() for i, x in enumerate(v)]),
    "random carriers": _texts("carrier", lambda w, v, r: r.choice(sorted({x for x in v if x is not None}), len(v)).tolist()),
    "instants with noise": jittered,
    "a coin for a flag": coins,
    "lists in another order": reordered,
}  # fmt: skip


def cases(seeds: Sequence[int]) -> Iterator[Case]:
    """Yield every case that no rule knows, at 5 % and at all entities."""
    for variant, plant in PLANTS.items():
        for share in SHARES:
            for seed in seeds:
                yield Case(
                    "no rule", variant, "aligned", percent(share), seed, (),
                    lambda plant=plant, share=share, seed=seed: plant(snapshot(seed), share, seed),
                )  # fmt: skip
