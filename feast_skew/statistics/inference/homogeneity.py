"""Marginal homogeneity of paired bins: the test of Stuart and Maxwell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feast_skew.statistics._special import chi_square_tail

LEAST_MOVERS = 25
"""Entities that change their bin, below which the chi-square is not trusted (simulated in docs/coverage.md)."""
LEAST_PER_BIN = 5


@dataclass(frozen=True)
class Homogeneity:
    """Statistic, degrees of freedom and p-value; the p-value is None where the chi-square does not hold, and `reason` says why."""

    statistic: float
    degrees: int
    p_value: float | None
    movers: int
    reason: str = ""


def stuart_maxwell(table: NDArray[Any]) -> Homogeneity | None:
    """Test whether both margins of a square table of pairs are the same.

    Parameters
    ----------
    table : array of int
        Shape (bins, bins): rows are bins offline, columns bins online.

    Returns
    -------
    Homogeneity or None
        Bins between which nobody moves add no degree of freedom. No mover: statistic 0, p-value 1. None for no entity.

    Notes
    -----
    A. Stuart, Biometrika 42 (1955) 412; A. E. Maxwell, Br. J. Psychiatry 116 (1970) 651: D' S^- D with D the differences of the margins and S
    their covariance under homogeneity, whose rank gives the degrees of freedom.
    """
    counts = np.asarray(table, dtype=np.float64)
    if counts.sum() == 0:
        return None
    change = counts.sum(axis=1) - counts.sum(axis=0)
    between = counts + counts.T
    np.fill_diagonal(between, 0.0)
    movers = int(between.sum() / 2)
    if movers == 0:
        return Homogeneity(0.0, 0, 1.0, 0)
    per_bin = between.sum(axis=1)
    moving = per_bin > 0
    covariance = (np.diag(per_bin) - between)[np.ix_(moving, moving)]
    values, vectors = np.linalg.eigh(covariance)
    kept = values > values[-1] * 1e-9 * moving.sum()
    along = vectors[:, kept].T @ change[moving]
    statistic = float(np.sum(along * along / values[kept]))
    degrees = int(kept.sum())
    if movers < LEAST_MOVERS or per_bin[moving].min() < LEAST_PER_BIN:
        reason = f"{movers} entities change their bin, the fewest {int(per_bin[moving].min())} of one bin: too few for a chi-square"
        return Homogeneity(statistic, degrees, None, movers, reason)
    return Homogeneity(statistic, degrees, chi_square_tail(statistic, degrees), movers)
