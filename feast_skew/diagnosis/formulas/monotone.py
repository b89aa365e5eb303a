"""Whether online rises (or falls) with offline along one smooth curve, whatever its formula."""

from __future__ import annotations

import numpy as np

from feast_skew.core.arrays import Floats

_FEWEST = 30
_LEVEL = 0.005
_SCATTER = 0.05
_PLAIN = 1e-6
"""Of the numbers: a difference that varies by no more is a constant, or what rounding leaves."""


def rising(off: Floats, on: Floats) -> int:
    """Give 1 where online rises with offline, -1 where it falls, 0 where it does neither or may do so by chance.

    The pairs are finite. Noise that is small beside the numbers keeps their order too, so the difference between the two has to
    lie on a curve as well: what every second pair tells of it has to hold for those between.
    """
    places, first = np.unique(off, return_index=True)
    if len(places) < _FEWEST or len(places) < 0.1 * len(off):
        return 0
    values = on[first]
    inside = np.searchsorted(places, off)
    with np.errstate(all="ignore"):
        if np.mean(np.abs(on - values[inside]) > 1e-6 * np.abs(on)) > _LEVEL:
            return 0  # one offline number with several online
        steps = np.diff(values)
        up, down = not np.any(steps < 0), not np.any(steps > 0)
        if up == down or np.mean(steps == 0) > _LEVEL:
            return 0
        difference = values - places
        known, asked = slice(0, None, 2), slice(1, -1, 2)
        guess = np.interp(places[asked], places[known], difference[known])
        # What the curve leaves, beside how much neighbours differ were they in any order.
        left = np.median(np.abs(difference[asked] - guess))
        spread = np.median(np.abs(difference - np.median(difference)))
        plain = spread <= _PLAIN * np.median(np.abs(values) + np.abs(places))
    if plain or not (np.isfinite(left) and left <= _SCATTER * spread):
        return 0
    return 1 if up else -1
