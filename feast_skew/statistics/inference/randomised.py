"""Chances of a distance between two margins when each entity's two bins might as well be exchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feast_skew.statistics._special import chi_square_tail
from feast_skew.statistics.psi import psi_of_table

DRAWS = 2000
Margins = NDArray[np.float64]
Statistic = Callable[[Margins, Margins], NDArray[np.float64]]


def psi_of_margins(offline: Margins, online: Margins) -> NDArray[np.float64]:
    """Give the PSI of many pairs of margins at once, with 1/2 added to every bin; shape (draws, bins) to (draws,)."""
    p, q = offline + 0.5, online + 0.5
    p, q = p / p.sum(axis=1, keepdims=True), q / q.sum(axis=1, keepdims=True)
    found: NDArray[np.float64] = np.sum((p - q) * (np.log(p) - np.log(q)), axis=1)
    return found


def exchange_distribution(
    table: NDArray[Any], statistic: Statistic, seed: int, draws: int = DRAWS
) -> NDArray[np.float64]:
    """Draw a distance of the two margins under exchanges of the bins of each entity.

    Parameters
    ----------
    table : array of int
        Shape (bins, bins): counts of entities by their bin offline (rows) and online (columns).
    statistic : function
        Takes the margins of many draws, two arrays of shape (draws, bins), and gives a distance for each.
    seed : int
        Of the draws, not negative.

    Returns
    -------
    array of float
        Shape (draws,), one distance per draw; every one 0 where no entity changes its bin and the statistic is a distance.

    Notes
    -----
    Of the n(b, c) + n(c, b) entities between two bins, as many as heads in as many flips go from b to c; those that stay do not matter.
    """
    used = np.flatnonzero(table.sum(axis=0) + table.sum(axis=1))
    counts = np.asarray(table)[np.ix_(used, used)]
    upper = np.triu_indices(used.size, k=1)
    movers = (counts + counts.T)[upper]
    some = np.flatnonzero(movers)
    down, up = upper[0][some], upper[1][some]
    stay = np.diag(counts).astype(np.float64)
    offline, online = np.tile(stay, (draws, 1)), np.tile(stay, (draws, 1))
    flips = np.random.default_rng(seed).binomial(movers[some], 0.5, size=(draws, some.size)).astype(np.float64)
    leave = np.zeros((some.size, used.size))
    leave[np.arange(some.size), down] = 1.0
    arrive = np.zeros((some.size, used.size))
    arrive[np.arange(some.size), up] = 1.0
    back = movers[some] - flips
    offline += flips @ leave + back @ arrive
    online += flips @ arrive + back @ leave
    return statistic(offline, online)


def psi_p_value(table: NDArray[Any], seed: int, draws: int = DRAWS) -> float | None:
    """Test whether the PSI of pairs is larger than an exchange of the sides explains.

    Returns
    -------
    float or None
        (1 + draws at least as large) / (1 + draws): exact. Where no draw is as large, the smaller of that and the tail of the scaled
        chi-square whose mean and variance are those of the exchange, so that p-values can be told apart among hundreds of features. 1
        when no entity changes its bin; None for no entity.

    Raises
    ------
    ValueError
        If the seed is negative.
    """
    found = psi_of_table(table)
    if found is None:
        return None
    if found.noise == 0:
        return 1.0
    drawn = exchange_distribution(np.asarray(table), psi_of_margins, seed, draws)
    # Draws that equal the value but for rounding are as large.
    beyond = int(np.count_nonzero(drawn >= found.value * (1.0 - 1e-9)))
    p_value = (1 + beyond) / (1 + draws)
    if beyond:
        return p_value
    return min(p_value, chi_square_tail(found.value * found.freedom / found.noise, found.freedom))
