"""Runs taken as clean that lie apart from the others: an incident that nobody named would widen the limit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FAR = 10.0
_TO_SIGMA = 1.4826
"""From the median of absolute deviations to the standard deviation of a normal distribution."""
_FEWEST = 5


def outlying(levels: NDArray[np.float64], noise: float) -> NDArray[np.intp]:
    """Give the positions of distances that lie far above the middle of all.

    Parameters
    ----------
    levels : array
        Shape (runs,): a distance for each run.
    noise : float
        Standard deviation that chance alone gives them.

    Returns
    -------
    array
        Those more than ten standard deviations above the median, by the median of absolute deviations (F. Hampel, J. Am. Stat. Assoc. 69 (1974)
        383) or by chance, whichever is wider; none among fewer than five runs.
    """
    if levels.size < _FEWEST:
        return np.zeros(0, dtype=np.intp)
    middle = float(np.median(levels))
    spread = max(_TO_SIGMA * float(np.median(np.abs(levels - middle))), noise)
    return np.flatnonzero(levels > middle + _FAR * spread)
