"""Root mean square difference."""

from __future__ import annotations

import math
from fractions import Fraction

from feast_skew.statistics.metrics.base import (
    NO_PAIRS,
    TOO_LARGE,
    Measured,
    Outcome,
    Spread,
    metric,
    root,
    spread,
    state_of,
    to_float,
)
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.states.sums import Sums


@metric(
    "rmse",
    kind="paired",
    unit="unit of the feature",
    span=(0.0, math.inf),
    source="K. Kobayashi, M. U. Salam, Agron. J. 92 (2000) 345, for the shares of bias, scale and noise",
)
def rmse(profile: Profile) -> Outcome:
    """Give the root of the mean squared difference over the entities with a finite value on both sides.

    `bias_share`, `scale_share` and `noise_share` are the shares of its square that the means, the standard deviations and the lack of correlation
    make; None when there is no difference. No pair: undefined.
    """
    sums = state_of(profile, Sums)
    if not sums.pairs:
        return NO_PAIRS
    square = (sums.xx - 2 * sums.xy + sums.yy) / sums.pairs
    value = root(square)
    if value is None:
        return TOO_LARGE
    return Measured(value, {"n": sums.pairs, **_shares(spread(sums), square)})


def _shares(found: Spread, square: Fraction) -> dict[str, float | None]:
    if square == 0:
        return {"bias_share": None, "scale_share": None, "noise_share": None}
    bias = to_float(found.mean_difference**2 / square)
    # (s - t)^2 = s^2 + t^2 - 2 s t, whose last term alone is no fraction
    product = root(found.offline * found.online / (found.n * square) ** 2)
    both = to_float((found.offline + found.online) / (found.n * square))
    if bias is None or product is None or both is None:
        return {"bias_share": bias, "scale_share": None, "noise_share": None}
    scale = max(0.0, both - 2.0 * product)
    return {"bias_share": bias, "scale_share": scale, "noise_share": max(0.0, 1.0 - bias - scale)}
