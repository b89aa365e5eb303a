"""Wasserstein distance."""

from __future__ import annotations

import math

import numpy as np

from feast_skew.statistics.crossings import crossings
from feast_skew.statistics.metrics.base import TOO_LARGE, Measured, Outcome, Undefined, metric, state_of
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.states.number_sample import NumberSample


@metric(
    "wasserstein",
    kind="marginal",
    unit="unit of the feature",
    span=(0.0, math.inf),
    source="first Wasserstein distance, the area between the two distribution functions, of the hash sample",
)
def wasserstein(profile: Profile) -> Outcome:
    """Give the mean distance over which values have to be moved to turn one distribution into the other.

    Population: finite values of at most 10,000 entities. `noise` is the value to expect when the sides of entities are exchanged by
    chance, `standardized` the distance in standard deviations of offline. A side without values: undefined.
    """
    sample = state_of(profile, NumberSample)
    off, on = (np.sort(side[np.isfinite(side)]) for side in (sample.offline, sample.online))
    if not off.size or not on.size:
        return Undefined("a side has no finite values")
    largest = max(float(np.abs(side).max()) for side in (off, on))
    exponent = math.frexp(largest)[1] + 1 if largest > 0 else 0
    off, on = np.ldexp(off, -exponent), np.ldexp(on, -exponent)
    at = np.sort(np.concatenate([off, on]))
    gaps = np.diff(at)
    below_off = np.searchsorted(off, at[:-1], side="right") / off.size
    below_on = np.searchsorted(on, at[:-1], side="right") / on.size
    value = float(np.sum(np.abs(below_off - below_on) * gaps))
    ends, across = crossings(np.ldexp(sample.offline, -exponent), np.ldexp(sample.online, -exponent))
    spans = np.diff(ends) if ends.size else np.zeros(0)
    noise = float(np.sum(np.sqrt(2.0 * across[:-1] / math.pi) * spans)) / min(off.size, on.size)
    sd = float(off.std())
    try:
        found = [math.ldexp(number, exponent) for number in (value, noise)]
    except OverflowError:
        return TOO_LARGE
    extra = {"noise": found[1], "standardized": value / sd if sd > 0 else None, "n": int(off.size), "m": int(on.size)}
    return Measured(found[0], extra)
