"""Jensen-Shannon divergence."""

from __future__ import annotations

import math

import numpy as np

from feast_skew.statistics.metrics.base import Measured, Outcome, Undefined, metric, state_of
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.psi import psi_of_table
from feast_skew.statistics.states.paired_bins import PairedBins


@metric(
    "jensen_shannon",
    kind="marginal",
    unit="bits",
    span=(0.0, 1.0),
    categories=True,
    source="J. Lin, IEEE Trans. Inf. Theory 37 (1991) 145; the divergence to base 2, not its root; no smoothing",
)
def jensen_shannon(profile: Profile) -> Outcome:
    """Average the divergences of both sides from their mixture, over the same bins as PSI.

    Nulls count. `noise`: to second order it is PSI / (8 ln 2). No entity: undefined.
    """
    table = state_of(profile, PairedBins).table.astype(np.float64)
    n = float(table.sum())
    base = psi_of_table(table)
    if base is None:
        return Undefined("no entity could be compared")
    p, q = table.sum(axis=1) / n, table.sum(axis=0) / n
    middle = (p + q) / 2
    value = 0.0
    for side in (p, q):
        used = side > 0
        value += 0.5 * float(np.sum(side[used] * np.log2(side[used] / middle[used])))
    return Measured(
        min(1.0, max(0.0, value)), {"noise": base.noise / (8.0 * math.log(2.0)), "bins": base.bins, "n": int(n)}
    )
