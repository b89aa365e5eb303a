"""Correlation and concordance."""

from __future__ import annotations

from feast_skew.statistics.metrics.base import (
    NO_PAIRS,
    Measured,
    Outcome,
    Undefined,
    metric,
    root,
    spread,
    state_of,
    to_float,
)
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.states.sums import Sums


@metric(
    "correlation",
    kind="paired",
    unit="none",
    span=(-1.0, 1.0),
    source="Pearson's r; `concordance`: L. I. Lin, Biometrics 45 (1989) 255",
)
def correlation(profile: Profile) -> Outcome:
    """Give Pearson's correlation over the entities with a finite value on both sides.

    `concordance` also falls with a shift or a change of scale. Descriptive: no test rests on it. A side that does not vary: undefined.
    """
    sums = state_of(profile, Sums)
    if not sums.pairs:
        return NO_PAIRS
    found = spread(sums)
    if found.offline <= 0 or found.online <= 0:
        return Undefined("a side does not vary")
    size = root(found.both**2 / (found.offline * found.online)) or 0.0
    concordance = 2 * found.both / (found.offline + found.online + found.n * found.mean_difference**2)
    # The exact product may be beyond the range of floating point; its sign is not.
    value = min(1.0, size) if found.both >= 0 else -min(1.0, size)
    return Measured(value, {"concordance": to_float(concordance), "n": sums.pairs})
