"""Marginal homogeneity of the paired bins."""

from __future__ import annotations

import math

from feast_skew.statistics.inference.homogeneity import stuart_maxwell as test_of_table
from feast_skew.statistics.metrics.base import Measured, Outcome, Undefined, metric, state_of
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.states.paired_bins import PairedBins


@metric(
    "stuart_maxwell",
    kind="paired",
    unit="chi-square",
    span=(0.0, math.inf),
    categories=True,
    source="A. Stuart, Biometrika 42 (1955) 412; A. E. Maxwell, Br. J. Psychiatry 116 (1970) 651",
)
def stuart_maxwell(profile: Profile) -> Outcome:
    """Give the statistic of the test that both sides fill the bins alike, from the entities that change their bin.

    Nulls count. `p_value` is None where too few entities move for a chi-square. Descriptive: `psi: auto` is what is judged. No entity: undefined.
    """
    found = test_of_table(state_of(profile, PairedBins).table)
    if found is None:
        return Undefined("no entity could be compared")
    extra = {"degrees": found.degrees, "p_value": found.p_value, "movers": found.movers}
    return Measured(max(0.0, found.statistic), {**extra, **({"withheld": found.reason} if found.reason else {})})
