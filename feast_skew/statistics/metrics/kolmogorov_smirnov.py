"""Kolmogorov-Smirnov distance."""

from __future__ import annotations

import math

import numpy as np

from feast_skew.statistics.crossings import crossings
from feast_skew.statistics.metrics.base import Measured, Outcome, Undefined, metric, state_of
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.states.number_sample import NumberSample, rank_error


@metric(
    "kolmogorov_smirnov",
    kind="marginal",
    unit="share",
    span=(0.0, 1.0),
    source="two-sample statistic D, of the hash sample; a distance, no p-value: the two sides are the same entities",
)
def kolmogorov_smirnov(profile: Profile) -> Outcome:
    """Give the largest difference of the two distribution functions.

    Population: values that are not null, of at most 10,000 entities. `noise` is the standard deviation that exchanging the sides of
    entities leaves where most of them cross; `error` bounds how far all entities' distance may be off. A side without values: undefined.
    """
    sample = state_of(profile, NumberSample)
    off, on = (np.sort(side[~np.isnan(side)]) for side in (sample.offline, sample.online))
    if not off.size or not on.size:
        return Undefined("a side has no values")
    at = np.concatenate([off, on])
    below_off = np.searchsorted(off, at, side="right") / off.size
    below_on = np.searchsorted(on, at, side="right") / on.size
    _, across = crossings(sample.offline, sample.online)
    noise = math.sqrt(float(across.max(initial=0))) / max(1, min(off.size, on.size))
    extra = {"noise": noise, "n": int(off.size), "m": int(on.size), "error": min(1.0, 2.0 * rank_error(sample.rows))}
    return Measured(float(np.max(np.abs(below_off - below_on))), extra)
