"""Largest difference of the shares of one bin."""

from __future__ import annotations

import math

import numpy as np

from feast_skew.statistics.metrics.base import Measured, Outcome, Undefined, metric, state_of
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.states.paired_bins import PairedBins


@metric(
    "l_infinity",
    kind="marginal",
    unit="share",
    span=(0.0, 1.0),
    categories=True,
    source="Chebyshev distance of the two rows of shares, over the same bins as PSI; no smoothing",
)
def l_infinity(profile: Profile) -> Outcome:
    """Give the largest |p - q| over the bins, and the bin that has it (None when all are equal).

    Nulls count. `noise` is the standard deviation of that difference when the entities that change bins do so by chance. No entity:
    undefined.
    """
    table = state_of(profile, PairedBins).table
    n = int(table.sum())
    if n == 0:
        return Undefined("no entity could be compared")
    change = table.sum(axis=0) - table.sum(axis=1)
    worst = int(np.argmax(np.abs(change)))
    moved = int(table[worst].sum() + table[:, worst].sum() - 2 * table[worst, worst])
    extra = {"bin": profile.bins.labels[worst] if change[worst] else None, "noise": math.sqrt(moved) / n, "n": n}
    return Measured(abs(int(change[worst])) / n, extra)
