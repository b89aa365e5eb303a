"""Quantiles of a column for reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

REPORTED = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def quantile_table(
    values: NDArray[Any] | Sequence[float], probs: Sequence[float] = REPORTED
) -> dict[str, float] | None:
    """Give the quantiles of the finite values, named p1 to p99.

    Parameters
    ----------
    values : array of numbers
        In the unit of the feature; NaN and infinities are left out.
    probs : sequence of float
        Probabilities between 0 and 1.

    Returns
    -------
    dict of str to float, or None
        Keys like ``p5`` or ``p99.9`` in the order asked for, in the unit of the feature. None when no
        finite value is there.

    Raises
    ------
    ValueError
        If a probability is not between 0 and 1.

    Notes
    -----
    Linear interpolation between order statistics at position (n - 1) * p: type 7 of Hyndman and Fan,
    Am. Stat. 50 (1996) 361. Values are quartered before and multiplied after, so that interpolating
    between huge values of both signs does not overflow.
    """
    if not all(0.0 <= p <= 1.0 for p in probs):
        raise ValueError("probabilities must be between 0 and 1")
    given = np.asarray(values, dtype=np.float64).ravel()
    finite = given[np.isfinite(given)]
    if finite.size == 0:
        return None
    scale = 4.0 if float(np.max(np.abs(finite))) > 1e300 else 1.0
    found = np.quantile(finite / scale, np.asarray(probs, dtype=np.float64))
    inside = np.clip(found, np.min(finite) / scale, np.max(finite) / scale) * scale
    return {f"p{round(100 * p, 10):g}": float(v) for p, v in zip(probs, inside, strict=True)}


def weighted_quantiles(
    values: NDArray[Any], weights: NDArray[np.float64] | None, probs: Sequence[float] = REPORTED
) -> dict[str, float]:
    """Give the quantiles of values that each stand for several rows, named p1 to p100.

    Parameters
    ----------
    values : array of finite numbers
        One of each drawn row.
    weights : array of positive numbers, optional
        How many rows each stands for; one each by default.
    probs : sequence of float
        Probabilities between 0 and 1.

    Returns
    -------
    dict of str to float
        The smallest value with at least that share of the weight at or below it (type 1 of Hyndman and Fan 1996): always a
        value that occurs. Empty without values.
    """
    if not len(values):
        return {}
    order = np.argsort(values, kind="stable")
    held = np.cumsum(np.ones(len(values)) if weights is None else weights[order])
    places = np.minimum(np.searchsorted(held, np.asarray(probs) * held[-1] * (1 - 1e-12)), len(values) - 1)
    return {f"p{round(100 * p, 10):g}": float(values[order[i]]) for p, i in zip(probs, places, strict=True)}
