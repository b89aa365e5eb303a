"""How many pairs have their two values on different sides of a threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def crossings(offline: Floats, online: Floats) -> tuple[Floats, Floats]:
    """Count for every threshold the pairs that it separates.

    Parameters
    ----------
    offline, online : array of float
        Of the same entities; pairs with a value that is not finite are left out.

    Returns
    -------
    ends, counts : array of float
        Between ends[i] and ends[i + 1], counts[i] pairs have one value below or at the threshold and one above; the last count is 0. Both
        empty for no pairs.
    """
    both = np.isfinite(offline) & np.isfinite(online)
    low, high = np.minimum(offline[both], online[both]), np.maximum(offline[both], online[both])
    apart = low < high
    low, high = np.sort(low[apart]), np.sort(high[apart])
    ends = np.unique(np.concatenate([low, high]))
    begun = np.searchsorted(low, ends, side="right")
    ended = np.searchsorted(high, ends, side="right")
    return ends, (begun - ended).astype(np.float64)
