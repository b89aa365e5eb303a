"""Difference of the means."""

from __future__ import annotations

import math

from feast_skew.statistics.metrics.base import (
    NO_PAIRS,
    TOO_LARGE,
    Measured,
    Outcome,
    metric,
    root,
    spread,
    state_of,
    to_float,
)
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.states.sums import Sums


@metric(
    "mean_difference",
    kind="paired",
    unit="unit of the feature",
    span=(-math.inf, math.inf),
    source="mean of online minus offline over the pairs, from exact sums",
)
def mean_difference(profile: Profile) -> Outcome:
    """Give the mean of online minus offline over the entities with a finite value on both sides.

    `standardized` is in standard deviations of offline (n - 1), None when offline is constant. No pair: undefined.
    """
    sums = state_of(profile, Sums)
    if not sums.pairs:
        return NO_PAIRS
    found = spread(sums)
    value = to_float(found.mean_difference)
    if value is None:
        return TOO_LARGE
    n = sums.pairs
    sd_offline, sd_online = (root(side / (n - 1)) if n > 1 else None for side in (found.offline, found.online))
    size = root(found.mean_difference**2 * (n - 1) / found.offline) if found.offline > 0 else None
    extra = {
        "standardized": None if size is None else math.copysign(size, value),
        "n": n,
        "mean_offline": to_float(sums.x / n),
        "mean_online": to_float(sums.y / n),
        "sd_offline": sd_offline,
        "sd_online": sd_online,
    }
    return Measured(value, extra)
