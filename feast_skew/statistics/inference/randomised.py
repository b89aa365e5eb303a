"""Chances of a distance between two margins when each entity's two bins might as well be exchanged."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feast_skew.statistics._special import binomial_tail
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
        (1 + draws at least as large) / (1 + draws): exact. Where no draw is as large, ten times as many are drawn, and where none of them is either,
        the smaller of that and a bound for any PSI as large, so that p-values can be told apart among hundreds of features. Still exact: what is
        added only decides below what the first draws can tell. 1 when no entity changes its bin; None for no entity.

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
    # Draws that equal the value but for rounding are as large.
    least = found.value * (1.0 - 1e-9)
    for size in (draws, 10 * draws):
        drawn = exchange_distribution(np.asarray(table), psi_of_margins, seed, size)
        beyond = int(np.count_nonzero(drawn >= least))
        if beyond:
            return (1 + beyond) / (1 + size)
    return min(1.0 / (1 + 10 * draws), _psi_tail(np.asarray(table, dtype=np.float64), least))


def _psi_tail(table: NDArray[np.float64], least: float) -> float:
    """Bound the chance that an exchange gives a PSI of at least ``least``.

    An exchange keeps the sum of the two margins of a bin, so the term of a bin grows with their difference D alone, and D is twice the heads among its m movers,
    less m. If the terms reach ``least`` together, one of them reaches its part of it, here in proportion to its noise; the chances of that, added up, bound
    the whole for any dependence of the bins. The chi-square instead is too small by orders of magnitude where bins are nearly empty.
    """
    offline, online = table.sum(axis=1), table.sum(axis=0)
    both, movers = offline + online, _movers(table)
    total = float(table.sum()) + 0.5 * np.count_nonzero(both)
    moving = movers > 0
    both, movers = both[moving], movers[moving]
    noise = movers / (both + 1.0)
    part = least * noise / noise.sum()
    low, high = np.zeros_like(movers), movers.copy()
    for _ in range(60):
        middle = (low + high) / 2.0
        reached = middle / total * np.log((both + 1.0 + middle) / (both + 1.0 - middle)) >= part
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    heads = np.ceil((movers + low) / 2.0 - 1e-6)
    chances = [2.0 * binomial_tail(int(k), int(m)) for k, m in zip(heads, movers, strict=True)]
    return min(1.0, math.fsum(chances))


def _movers(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Count the entities that leave a bin or come to it."""
    counts: NDArray[np.float64] = table.sum(axis=0) + table.sum(axis=1) - 2.0 * np.diag(table)
    return counts
