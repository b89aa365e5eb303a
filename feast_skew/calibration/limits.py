"""A limit from clean runs, and how often clean runs to come would pass it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from feast_skew.calibration.clusters import Clusters, Floats, Weights

QUANTILE, SD = "quantile", "sd"
METHODS = (QUANTILE, SD)
FEW = 10
"""Runs, below which it is hardly known how much they move by themselves."""
_REPLICATES = 2_000
_AT_ONCE = 250_000
"""Runs in the replicates that are drawn together, so that thousands of runs need a few megabytes."""
_FEWEST = 4
_MOVES = 0.5
"""Of the spread that chance alone gives: runs that differ by less do not move by themselves."""
_LEAST_FREEDOM = 0.5
_TAIL = 0.025
_BETWEEN = 0.998
"""Of the bootstrap, whose bounds are too narrow for the far tail of a few dozen runs: on 30 of them these hold 95 % (tests/calibration)."""


@dataclass(frozen=True)
class Limit:
    """A limit, and the share of clean runs that lie beyond it: of those it comes from, and between which bounds (95 %) it will be on as many to come.

    `worth` of the `runs` are independent of each other: where each looks like the one before it, fewer than there are.
    """

    value: float
    rate: float
    rate_low: float
    rate_high: float
    runs: int
    worth: float


def limit_of(
    levels: Floats, likely: Floats, noise: float, rate: float, method: str, generator: np.random.Generator
) -> Limit:
    """Give the limit that clean runs pass with a given rate.

    Parameters
    ----------
    levels : array
        Shape (runs,): the distance in each clean run, oldest first, at least one.
    likely : array
        Shape (runs, draws): what `likely_runs` makes of them.
    noise : float
        Standard deviation that chance alone gives them.
    rate : float
        Between 0 and 1: of false alarms for each run.
    method : str
        `quantile` of what is likely, or `sd`: mean and standard deviation of that, with the normal quantile.

    Notes
    -----
    Runs are drawn again with replacement, twice (a bootstrap by clusters: A. Davison and D. Hinkley, Bootstrap Methods and their Application,
    1997, section 3.8): a limit from the ones, and its rate on the others, so that the bounds are those of as many runs to come. Runs that depend on each
    other, such as those of windows that overlap, tell less of where the distance lies in the long run: by what `effective_runs` gives, the others are moved
    as far as the means of two such series lie apart (Student's t). What runs hold that was like nothing before is bounded by exchangeability (`_beyond_all`),
    unless they differ by so little that chance alone makes it.
    """
    # As it will be written: up, so that a rounded limit has no more alarms.
    value = _rounded_up(_limit(likely.ravel(), rate, method))
    worth, runs = effective_runs(levels), Clusters(likely)
    rates = []
    for shifts in _apart(levels, worth, generator):
        known, others = (runs.drawn(len(shifts), generator) for _ in range(2))
        rates.append(runs.beyond(others, _limits(runs, known, rate, method) - shifts))
    return _bounded(value, np.concatenate(rates), levels, likely, noise, rate, worth)


def limit_at(levels: Floats, likely: Floats, noise: float, value: float, generator: np.random.Generator) -> Limit:
    """Tell how often clean runs pass a limit that something else than their rate gave.

    The parameters are those of `limit_of`. Here runs are drawn twice, one from the other: once for what is not known of them, once for as many to come.
    """
    worth, runs = effective_runs(levels), Clusters(likely)
    rates = []
    for shifts in _apart(levels, worth, generator):
        others = runs.drawn(len(shifts), generator, twice=True)
        rates.append(runs.beyond(others, value - shifts))
    return _bounded(value, np.concatenate(rates), levels, likely, noise, float(np.mean(likely > value)), worth)


def _bounded(
    value: float, rates: Floats, levels: Floats, likely: Floats, noise: float, rate: float, worth: float
) -> Limit:
    """Put bounds around the rate of a limit, from the rates that it has on runs drawn again."""
    size, whole = len(levels), likely.ravel()
    tail = (1.0 - _BETWEEN) / 2
    low, high = (float(np.quantile(rates, q)) for q in (tail, 1.0 - tail))
    within = float(np.mean(whole > value))
    moves = float(levels.std()) * math.sqrt(worth / max(worth - 1.0, _LEAST_FREEDOM))
    # Where the runs themselves differ, so will the next one; a few runs do not show whether they do.
    if moves > _MOVES * noise or size < FEW:
        high = max(high, _beyond_all(worth))
    error = 2.0 * math.sqrt(max(within * (1.0 - within), 1.0 / whole.size) / whole.size)
    if low < rate / 4:  # that no run lies beyond it is then as likely
        low = 0.0
    return Limit(value, within, max(0.0, min(low, within) - error), min(1.0, max(high, within) + error), size, worth)


def likely_runs(levels: Floats, pools: Sequence[Floats], noise: float) -> Floats:
    """Give distances that clean runs to come may have: those of stored runs, smoothed by what chance does to them.

    Parameters
    ----------
    levels : array
        Shape (runs,): the distance in each run.
    pools : sequence of array
        For each of them as many distances of the same pairs, drawn again.
    noise : float
        Standard deviation within the pools.

    Returns
    -------
    array
        Shape (runs, draws). A stored distance holds chance already, and its pool holds it once more, around a mean that for PSI is too high: so pools are
        centred on what was measured, and all is drawn together until it varies as the stored distances do (a smoothed bootstrap of the same variance:
        B. Silverman and G. Young, Biometrika 74 (1987) 469), or as chance alone makes runs vary that draw their entities anew, whichever is more.
    """
    middle = float(levels.mean())
    draws = np.stack([level - middle + pool - pool.mean() for level, pool in zip(levels, pools, strict=True)])
    varies = float(levels.var())
    both = varies + noise * noise
    found: Floats = middle + draws * (math.sqrt(max(varies, noise * noise) / both) if both > 0.0 else 1.0)
    return found


def effective_runs(levels: Floats) -> float:
    """Tell how many independent values tell as much of their mean as these do, of which each may depend on the one before.

    Parameters
    ----------
    levels : array
        Shape (runs,), in the order of time, 1 or more.

    Returns
    -------
    float
        1 to the number of values, which it is for values that are all alike, and for fewer than four.

    Notes
    -----
    By the autocorrelation at lag 1 of the ranks, which one outlier does not make, corrected for the bias that an estimated mean gives it
    (F. Marriott and J. Pope, Biometrika 41 (1954) 390), as of an autoregression of the first order.
    """
    size = len(levels)
    if size < _FEWEST or (levels == levels[0]).all():
        return float(size)
    from scipy.stats import rankdata

    ranks = rankdata(levels) - (size + 1) / 2
    lagged = float(ranks[1:] @ ranks[:-1] / (ranks @ ranks))
    lagged += (1.0 + 4.0 * lagged) / size
    lagged = min(max(lagged, 0.0), 1.0)
    return max(1.0, size * (1.0 - lagged) / (1.0 + lagged))


def _beyond_all(worth: float) -> float:
    """Bound the share of as many runs to come that are farther than all that were: 97.5 % of the time it is less.

    Of ``2 n`` independent runs the farthest ``k`` are all yet to come with probability ``C(2n - k, n) / C(2n, n)``, here for broken numbers of runs too.
    """
    from scipy.optimize import brentq
    from scipy.special import gammaln

    def beyond(count: float) -> float:
        probability = (
            gammaln([2 * worth - count + 1, worth + 1]).sum() - gammaln([worth - count + 1, 2 * worth + 1]).sum()
        )
        return float(probability) - math.log(_TAIL)

    return 1.0 if beyond(worth) > 0.0 else float(brentq(beyond, 0.0, worth)) / worth


def _apart(levels: Floats, worth: float, generator: np.random.Generator) -> list[Floats]:
    """Draw how far the means of two series lie apart because runs depend on each other, beyond what as many independent ones would; in parts."""
    size, shifts = len(levels), np.zeros(_REPLICATES)
    if worth < size:
        freedom = max(worth - 1.0, _LEAST_FREEDOM)
        spread = float(levels.var()) * worth / freedom  # a series that hardly moves shows less than there is
        shifts = generator.standard_t(freedom, _REPLICATES) * math.sqrt(2.0 * spread * (1.0 / worth - 1.0 / size))
    return np.array_split(shifts, -(-_REPLICATES * size // _AT_ONCE))


def _limit(whole: Floats, rate: float, method: str) -> float:
    if method == SD:
        return float(whole.mean() + _normal_quantile(1.0 - rate) * whole.std())
    return float(np.quantile(whole, 1.0 - rate, method="higher"))


def _limits(runs: Clusters, weights: Weights, rate: float, method: str) -> Floats:
    """Give what `_limit` does for each sample of runs."""
    if method == SD:
        means, deviations = runs.moments(weights)
        return means + _normal_quantile(1.0 - rate) * deviations
    return runs.quantiles(weights, 1.0 - rate)


def _normal_quantile(share: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(share))


def _rounded_up(value: float) -> float:
    if value <= 0.0:
        return 0.0
    digits = 3 if value < 1.0 else 4  # of a ratio only what is above 1 tells
    unit = 10.0 ** (math.floor(math.log10(value)) - digits + 1)
    return float(f"{math.ceil(value / unit - 1e-9) * unit:.{digits + 3}g}")
