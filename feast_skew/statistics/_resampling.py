"""Bounds by resampling entities, for statistics that are functions of column sums."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BLOCK = 4_000_000


def resampled_sums(columns: Floats, reps: int, seed: int) -> Floats:
    """Give the column sums of the rows (first) and of ``reps`` samples of them with replacement.

    Parameters
    ----------
    columns : array of float, rows by columns
        One row per entity, finite.
    reps : int
        Number of samples, each as large as the original.
    seed : int
        The same seed gives the same samples.

    Returns
    -------
    array of float, 1 + reps by columns
        Sums; all zero when there are no rows.

    Notes
    -----
    Efron's bootstrap over entities. A sample is a vector of multiplicities, so that all sums of many
    samples are one matrix product.
    """
    rows = columns.shape[0]
    sums = np.zeros((reps + 1, columns.shape[1]))
    if rows == 0:
        return sums
    sums[0] = columns.sum(axis=0)
    rng = np.random.default_rng(seed)
    block = max(1, min(reps, _BLOCK // rows))
    for start in range(0, reps, block):
        size = min(block, reps - start)
        drawn = rng.integers(0, rows, (size, rows)) + rows * np.arange(size)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=size * rows).reshape(size, rows)
        sums[1 + start : 1 + start + size] = weights.astype(np.float64) @ columns
    return sums


def bound(samples: NDArray[Any], probability: float) -> float | None:
    """Give the quantile of resampled values, None when one of them is undefined."""
    if samples.size == 0 or not bool(np.all(np.isfinite(samples))):
        return None
    return float(np.quantile(samples, probability))
