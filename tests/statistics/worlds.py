"""A small world of events: entities, bad days, and the window aggregates that two pipelines keep of them."""

import numpy as np

from feast_skew.statistics.sides import Side

NIGHT = 46


def events(rng, n, rate=2.0, noise="normal", shock=0.0):
    """Times (days), entities and values (sd 40, entity means sd 10), with a push shared by all events of a day."""
    rates = rng.gamma(4, rate / 4, n)
    counts = rng.poisson(rates * (NIGHT + 2))
    entity = np.repeat(np.arange(n), counts)
    time = rng.uniform(0, NIGHT + 2, entity.size)
    draws = {
        "normal": lambda: rng.normal(0, 40, entity.size),
        "t3": lambda: rng.standard_t(3, entity.size) * 23,
        "pareto": lambda: rng.pareto(2.2, entity.size) * 20,
    }
    days = rng.normal(0, shock, NIGHT + 3)
    values = rng.normal(10, 10, n)[entity] + draws[noise]() + days[time.astype(int)]
    return n, entity, time, values


def aggregate(world, at, days, how="mean"):
    """Aggregate the window of `days` that ends at one instant per entity; NaN where it is empty."""
    n, entity, time, values = world
    instant = np.broadcast_to(at, (n,))[entity]
    inside = (time <= instant) & (time > instant - days)
    count = np.bincount(entity[inside], minlength=n)
    total = np.bincount(entity[inside], weights=values[inside], minlength=n)
    return np.where(count > 0, total / (np.maximum(count, 1) if how == "mean" else 1), np.nan)


def streamed(seed, n, steps, window=30, how="mean", change=None, **kind):
    """Online streamed 1 to 24 hours after the nightly 30-day mean, and that mean's earlier nights."""
    rng = np.random.default_rng(seed)
    world = events(rng, n, **kind)
    online = aggregate(world, NIGHT + rng.uniform(1, 24, n) / 24, window, how)
    nights = [Side.of(aggregate(world, NIGHT - k, 30)) for k in range(steps + 1)]
    online = change(online) if change else online
    return Side.of(online), nights[0], [(nights[k], nights[k + 1]) for k in range(steps)]
