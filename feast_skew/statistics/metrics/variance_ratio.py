"""Ratio of the variances."""

from __future__ import annotations

import math

from feast_skew.statistics.metrics.base import (
    NO_PAIRS,
    TOO_LARGE,
    Measured,
    Outcome,
    Undefined,
    metric,
    spread,
    state_of,
    to_float,
)
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.states.sums import Sums


@metric(
    "variance_ratio",
    kind="paired",
    unit="ratio",
    span=(0.0, math.inf),
    source="variance of online over variance of offline over the same entities, from exact sums",
)
def variance_ratio(profile: Profile) -> Outcome:
    """Give the variance of online over that of offline, over the entities with a finite value on both sides.

    1 when both sides are constant. No pair, or only offline constant: undefined.
    """
    sums = state_of(profile, Sums)
    if not sums.pairs:
        return NO_PAIRS
    found = spread(sums)
    if found.offline <= 0:
        return (
            Measured(1.0, {"n": sums.pairs}) if found.online <= 0 else Undefined("offline does not vary, online does")
        )
    value = to_float(found.online / found.offline)
    return TOO_LARGE if value is None else Measured(value, {"n": sums.pairs})
