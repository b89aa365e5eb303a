"""Numbers that are fractions of small whole numbers, as means of whole numbers are."""

from __future__ import annotations

import numpy as np

from feast_skew.core.arrays import Floats, Positions

_CHANCE = 0.01
_TERMS = 24
_LARGEST = 20_000
_DUST = 1e-14


def denominators(values: Floats, rtol: float) -> Positions:
    """Give the smallest denominator that makes each number a fraction to within a relative error, 0 where it is none.

    Parameters
    ----------
    values : array of float
        Finite numbers.
    rtol : float
        Relative error that summing and dividing leave.

    Returns
    -------
    array of int64
        From 1, for whole numbers, to a largest one so small that at most a hundredth of random numbers of the same
        size would be taken for fractions, and never above 20,000. Empty for no numbers.

    Notes
    -----
    Convergents of the continued fraction (Hardy and Wright, The Theory of Numbers, ch. 10): every fraction p / q closer to
    x than 1 / (2 q^2) is one of them. Up to Q there are 3 / pi^2 Q^2 fractions in a unit interval (their theorem 331), each
    of which takes in twice the error.
    """
    size = np.abs(values)
    error = np.maximum(size, 1.0) * rtol
    most = np.minimum(_LARGEST, np.sqrt(_CHANCE * np.pi**2 / (6.0 * error)))
    found = np.zeros(len(values), dtype=np.int64)
    with np.errstate(all="ignore"):
        whole = np.floor(size)
        rest = size - whole
        above, above_before = whole, np.ones_like(size)
        below, below_before = np.ones_like(size), np.zeros_like(size)
        for _ in range(_TERMS):
            open_ = (found == 0) & (below <= most)
            if not open_.any():
                break
            hit = open_ & (np.abs(size - above / below) <= error)
            found[hit] = below[hit].astype(np.int64)
            inverse = 1.0 / np.maximum(rest, _DUST)
            term = np.floor(inverse)
            rest = inverse - term
            above, above_before = term * above + above_before, above
            below, below_before = term * below + below_before, below
    return found
