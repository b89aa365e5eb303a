"""Population stability index."""

from __future__ import annotations

import math

from feast_skew.statistics.metrics.base import Measured, Outcome, Undefined, metric, state_of
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.psi import psi_of_table
from feast_skew.statistics.states.paired_bins import PairedBins


@metric(
    "psi",
    kind="marginal",
    unit="nats",
    span=(0.0, math.inf),
    categories=True,
    source="Jeffreys' divergence, with 1/2 added to every used bin of both sides; noise: Stuart-Maxwell covariance of the paired bins",
)
def psi(profile: Profile) -> Outcome:
    """Sum (p - q) * ln(p / q) over the shared bins, one of them for nulls.

    Nulls count. `noise` is the value to expect when the two sides differ by chance alone. No entity: undefined.
    """
    found = psi_of_table(state_of(profile, PairedBins).table)
    if found is None:
        return Undefined("no entity could be compared")
    return Measured(
        found.value,
        {"noise": found.noise, "bins": found.bins, "n": found.n, "empty": found.empty, "freedom": found.freedom},
    )
