"""Largest difference."""

from __future__ import annotations

import math

from feast_skew.statistics.metrics.base import NO_PAIRS, TOO_LARGE, Measured, Outcome, metric, state_of
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.states.extremes import Extremes


@metric(
    "largest_difference",
    kind="paired",
    unit="unit of the feature",
    span=(0.0, math.inf),
    source="largest |online - offline| of one entity",
)
def largest_difference(profile: Profile) -> Outcome:
    """Give the largest difference of one entity in size; `fall` and `rise` are the furthest down and up.

    Population: entities with a finite value on both sides. None: undefined.
    """
    extremes = state_of(profile, Extremes)
    if extremes.fall is None or extremes.rise is None:
        return NO_PAIRS
    value = max(-extremes.fall, extremes.rise)
    if not math.isfinite(value):
        return TOO_LARGE
    return Measured(abs(value), {"fall": extremes.fall, "rise": extremes.rise})
