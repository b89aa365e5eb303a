"""Least squares lines, both ways."""

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
    "slope",
    kind="paired",
    unit="ratio",
    span=(-math.inf, math.inf),
    source="least squares, online on offline; `reverse_slope` and `reverse_intercept`: offline on online",
)
def slope(profile: Profile) -> Outcome:
    """Give the slope of the line that predicts online from offline, with its intercept, and the line the other way.

    A shorter window of the same mean has a slope near 1 and a reverse slope below it; a stale value has both below 1. Descriptive. An
    offline side that does not vary: undefined.
    """
    sums = state_of(profile, Sums)
    if not sums.pairs:
        return NO_PAIRS
    found = spread(sums)
    if found.offline <= 0:
        return Undefined("offline does not vary")
    steep = found.both / found.offline
    value = to_float(steep)
    if value is None:
        return TOO_LARGE
    n = found.n
    back = found.both / found.online if found.online > 0 else None
    extra = {
        "intercept": to_float((sums.y - steep * sums.x) / n),
        "reverse_slope": None if back is None else to_float(back),
        "reverse_intercept": None if back is None else to_float((sums.x - back * sums.y) / n),
        "n": n,
    }
    return Measured(value, extra)
