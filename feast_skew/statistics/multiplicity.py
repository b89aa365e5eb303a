"""Adjustment of p-values for the number of features that were looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that rejecting those <= alpha keeps the false discovery rate at alpha.

    Parameters
    ----------
    p_values : sequence of float
        One per feature, each between 0 and 1.

    Returns
    -------
    list of float
        The adjusted p-values in the given order, none smaller than its own p-value and none above 1;
        empty for no p-values.

    Raises
    ------
    ValueError
        If a value is not between 0 and 1.

    Notes
    -----
    Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995) 289: the i-th smallest of m becomes the least
    of p(j) * m / j over j >= i.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03])
    [0.03, 0.04, 0.04]
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.size == 0:
        return []
    if not bool(np.all((p >= 0.0) & (p <= 1.0))):
        raise ValueError("p-values must be between 0 and 1")
    order = np.argsort(p, kind="stable")
    scaled = p[order] * (p.size / np.arange(1, p.size + 1))
    lowest = np.minimum.accumulate(scaled[::-1])[::-1]
    adjusted = np.empty_like(p)
    adjusted[order] = np.clip(lowest, p[order], 1.0)
    return [float(v) for v in adjusted]
