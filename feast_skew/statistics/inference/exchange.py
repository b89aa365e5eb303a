"""Tests of the hypothesis that within each pair the two sides might as well be exchanged; valid for zeros and any tail."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feast_skew.statistics._special import binomial_tail, normal_tail

BENTKUS = 1.0 / (4.0 * 0.07864960352514261)
"""1 / (4 P(N >= sqrt 2)), about 3.178."""


def exchange_p_value(total: Fraction | float, squares: Fraction | float) -> float:
    """Bound the chance that signs drawn by coin flips give a sum as far from 0 as this one.

    Parameters
    ----------
    total : number
        Sum of terms whose signs an exchange of the two sides would flip, such as online minus offline.
    squares : number
        Sum of the squares of these terms, 0 or more.

    Returns
    -------
    float
        Two-sided p-value, above 0 up to 1; never smaller than the exact one. 1 when all terms are 0.

    Raises
    ------
    ValueError
        If there are no squares and yet a total.

    Notes
    -----
    P(S >= x) <= c P(N >= x) with c = 1 / (4 P(N >= sqrt 2)) for any weighted sum S of independent signs with variance 1, and N normal:
    V. K. Bentkus, D. Dzindzalieta, A tight Gaussian bound for weighted sums of Rademacher random variables, Bernoulli 21 (2015) 1231.
    So only two sums are needed, and the test keeps its level for any sizes of the terms.
    """
    if squares <= 0:
        if total:
            raise ValueError("terms without squares have no sum")
        return 1.0
    # As fractions, the ratio is a plain number also where the sums are beyond the range of floating point.
    distance = math.sqrt(Fraction(total) ** 2 / Fraction(squares))
    return min(1.0, 2.0 * BENTKUS * normal_tail(distance))


def variance_p_value(offline: NDArray[Any], online: NDArray[Any]) -> float | None:
    """Test whether the variances of the two sides differ by more than an exchange within the pairs explains.

    Parameters
    ----------
    offline, online : array of float
        Of the same entities; pairs with a value that is not finite are left out.

    Returns
    -------
    float or None
        Two-sided p-value by `exchange_p_value`; None for fewer than two pairs.

    Notes
    -----
    With c the mean of all values of both sides, which no exchange moves, (y - c)^2 - (x - c)^2 = (y - x) (y + x - 2 c) only changes
    its sign when the sides of a pair are exchanged. Pitman and Morgan's test asks for normal values instead.
    """
    both = np.isfinite(offline) & np.isfinite(online)
    x, y = np.asarray(offline, dtype=np.float64)[both], np.asarray(online, dtype=np.float64)[both]
    if x.size < 2:
        return None
    largest = max(float(np.abs(x).max()), float(np.abs(y).max()))
    if largest == 0.0:
        return 1.0
    exponent = math.frexp(largest)[1] + 1
    x, y = np.ldexp(x, -exponent), np.ldexp(y, -exponent)
    centre = float((x + y).mean())
    terms = (y - x) * (y + x - centre)
    size = float(np.abs(terms).max())
    if size == 0.0:
        return 1.0
    terms = terms / size
    return exchange_p_value(float(terms.sum()), float(terms @ terms))


def null_rate_p_value(null_offline: int, null_online: int) -> float:
    """Test exactly whether the shares of nulls differ, from the entities that are null on one side only.

    Returns
    -------
    float
        Two-sided p-value; 1 when no entity is null on one side only.

    Raises
    ------
    ValueError
        If a count is negative.

    Notes
    -----
    Q. McNemar, Psychometrika 12 (1947) 153, with the binomial distribution itself.
    """
    if min(null_offline, null_online) < 0:
        raise ValueError("counts must not be negative")
    n = null_offline + null_online
    if n == 0:
        return 1.0
    return min(1.0, 2.0 * binomial_tail(max(null_offline, null_online), n))
