"""Difference of the shares of nulls."""

from __future__ import annotations

from feast_skew.statistics.metrics.base import Measured, Outcome, Undefined, metric, state_of
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.states.counts import Counts


@metric(
    "null_rate_difference",
    kind="paired",
    unit="share",
    span=(-1.0, 1.0),
    categories=True,
    source="share of nulls online minus share of nulls offline, of the same entities",
)
def null_rate_difference(profile: Profile) -> Outcome:
    """Give the share of nulls online minus that offline.

    No entity: undefined.
    """
    counts = state_of(profile, Counts)
    if not counts.rows:
        return Undefined("no entity could be compared")
    extra = {
        "offline": (counts.null_offline + counts.null_both) / counts.rows,
        "online": (counts.null_online + counts.null_both) / counts.rows,
        "n": counts.rows,
    }
    return Measured((counts.null_online - counts.null_offline) / counts.rows, extra)
