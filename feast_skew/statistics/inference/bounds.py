"""Bounds for a population from a random sample of its pairs: means, variance ratios, shares of nulls, PSI.

``low`` and ``high`` are one-sided bounds each. They bound what a sample can tell under one assumption, that the values which were not seen lie in the
range of those that were; after a census they are the value itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feast_skew.statistics._special import t_quantile
from feast_skew.statistics.psi import auto_limit, psi_of_table
from feast_skew.statistics.rates import rate_bounds

Floats = NDArray[np.float64]

LEAST_EFFECTIVE = 8.0
"""Rows that carry the spread, below which bounds come from the share of rows that differ instead."""
_SAME = 1e-9
"""Of a value: differences within are its rounding."""
_CAUTION = 0.9
"""Of the error that is asked for, spent: the corrections below are asymptotic."""


@dataclass(frozen=True)
class Interval:
    """Two one-sided bounds in the unit of what they bound; `method` is `census`, `spread` or `range`."""

    low: float
    high: float
    method: str


def mean_bounds(
    values: NDArray[Any],
    mean: float,
    n: int,
    confidence: float,
    population: int,
    *,
    differing: int,
    span: float,
) -> Interval | None:
    """Bound the mean of a population from a sample of which most values may be 0.

    Parameters
    ----------
    values : array of float
        Of the sample, or of a random part of it; finite.
    mean : float
        Of the whole sample, in the unit of the values.
    n, population : int
        Size of the sample and of the population, n <= population.
    confidence : float
        Of each bound, from 0.5 to below 1.
    differing : int
        Values of the sample that are not 0.
    span : float
        No value of the population is taken to be larger in size.

    Returns
    -------
    Interval or None
        `census`: the mean itself, when n == population. `spread`: the mean and its error, when enough values carry the spread.
        `range`: around the value that most have (0 where none is so common), the largest share that may have another one, times how far `span`
        lets it be; and no further than the entities that were not read can move the mean. None for no values or an infinite span.

    Notes
    -----
    Spread: t corrected for skewness by P. Hall's monotone transformation (J. R. Stat. Soc. B 54 (1992) 221), with Satterthwaite's degrees of freedom
    of the variance, 2 n / (kurtosis - 1), and the finite population's factor. Given when (sum of squares)^2 / (sum of fourth powers) of the deviations
    is at least ``LEAST_EFFECTIVE``, and would be among the entities not read: a few of them are no matter of averages. A sample without any spread tells
    nothing of those that were not read but how rare others are.
    """
    if n == 0 or values.size == 0:
        return None
    if n >= population:
        return Interval(mean, mean, "census")
    alpha = _CAUTION * (1.0 - confidence)
    column = np.asarray(values, dtype=np.float64)
    found = _spread_bounds(column, mean, n, alpha, population)
    if found is not None:
        return found
    centre, apart, checked = _common(column, differing, n)
    share = rate_bounds(apart, checked, population, 1.0 - alpha)
    reach = share.high * span + (share.high + _SAME) * abs(centre) if share is not None else math.inf
    # Those that were read are known; the others can move the mean by their share of the population at most.
    known = n / population
    rest = (1.0 - known) * span
    low, high = max(centre - reach, known * mean - rest), min(centre + reach, known * mean + rest)
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    return Interval(min(mean, low), max(mean, high), "range")


def _common(values: Floats, differing: int, n: int) -> tuple[float, int, int]:
    """Give the value that most have, how many have another one, and among how many that was counted."""
    middle = float(np.partition(values, values.size // 2)[values.size // 2])
    apart = int(np.count_nonzero(np.abs(values / 2.0 - middle / 2.0) > _SAME * abs(middle) / 2.0))
    if middle == 0.0 or 2 * apart >= values.size:
        return 0.0, differing, n
    return middle, apart, values.size


def _spread_bounds(values: Floats, mean: float, n: int, alpha: float, population: int) -> Interval | None:
    size = float(np.abs(values).max())
    if not math.isfinite(size):
        return None
    scaled = values / size if size > 0.0 else values
    deviations = scaled - scaled.mean()
    largest = float(np.abs(deviations).max()) * size
    if largest <= _SAME * abs(mean):
        return None
    unit = deviations * (size / largest)
    second, third, fourth = (float(np.mean(unit**power)) for power in (2, 3, 4))
    kurtosis = fourth / (second * second)
    if min(values.size, population - n) / kurtosis < LEAST_EFFECTIVE:
        return None
    m = values.size
    skewness = third / second**1.5
    degrees = min(m - 1.0, 2.0 * m / (kurtosis - 1.0 + 2.0 / (m - 1.0)))
    t = t_quantile(1.0 - alpha, degrees)
    error = largest * math.sqrt(second * m / (m - 1) / n) * math.sqrt((population - n) / (population - 1.0))
    low, high = (mean - error * _unskewed(point, skewness / math.sqrt(n)) for point in (t, -t))
    return Interval(min(low, mean), max(high, mean), "spread")


def _unskewed(point: float, skewness: float) -> float:
    """Invert Hall's transformation at a quantile; ``skewness`` is that of the mean."""
    if abs(skewness) < 1e-9:
        return point
    inner = 1.0 + skewness * (point - skewness / 6.0)
    return (math.copysign(abs(inner) ** (1.0 / 3.0), inner) - 1.0) * 3.0 / skewness


def variance_ratio_bounds(
    offline: NDArray[Any],
    online: NDArray[Any],
    ratio: float,
    n: int,
    confidence: float,
    population: int,
    *,
    differing: int,
    span: float,
) -> Interval | None:
    """Bound the ratio of the variances of a population, online over offline, from a sample of its pairs.

    Parameters
    ----------
    offline, online : array of float
        Of the same entities: the sample, or a random part of it; finite.
    ratio : float
        Of the whole sample, 0 or more.
    n, population, confidence, differing, span
        As for `mean_bounds`; `span` is the range of the values of both sides.

    Returns
    -------
    Interval or None
        None when offline does not vary, the ratio is 0, or numbers go beyond the range of floating point.

    Notes
    -----
    Spread: the logarithm of the ratio moves with one entity by (y - m)^2 / V(y) - (x - m)^2 / V(x), its influence (F. R. Hampel, J. Am. Stat. Assoc. 69
    (1974) 383), so that no shape of the values is asked for; Pitman and Morgan's bounds ask for normal ones. The share of entities of a kind that the sample did not show
    (about 3 / n) is taken to have the largest influence that it did show. Range: a share s of entities that
    differ moves a variance by at most s * span^2. Where one side is a multiple of the other in all pairs, s is the share of those that may not be, and both variances
    move by at most s times the square of their own range.
    """
    if ratio <= 0.0:
        return None
    if n >= population:
        return Interval(ratio, ratio, "census")
    x, y = _scaled(np.asarray(offline, dtype=np.float64)), _scaled(np.asarray(online, dtype=np.float64))
    variances = float(np.mean(x * x)), float(np.mean(y * y))
    if min(variances) == 0.0:
        return None
    alpha = _CAUTION * (1.0 - confidence)
    influence = y * y / variances[1] - x * x / variances[0]
    rest = rate_bounds(0, x.size, population, 1.0 - alpha)
    if rest is None:
        return None
    alike = float(np.abs(influence).max()) <= _SAME
    if alike and differing:
        # One side is the other times a constant in every pair that was read; each side's own range limits the others.
        reach = rest.high * float(np.ptp(x)) ** 2 / variances[0]
        if reach < 1.0:
            return Interval(ratio * (1.0 - reach) / (1.0 + reach), ratio * (1.0 + reach) / (1.0 - reach), "range")
    found = None if alike else _spread_bounds(influence, math.log(ratio), n, alpha, population)
    if found is not None:
        # Where fourth moments are large or do not exist, unseen entities like the most extreme one seen would move the ratio.
        unseen = rest.high * float(np.abs(influence).max())
        if found.high + unseen < 700.0:
            return Interval(math.exp(found.low - unseen), math.exp(found.high + unseen), "spread")
    share = rate_bounds(differing, n, population, 1.0 - alpha)
    spread = float(np.std(np.asarray(offline, dtype=np.float64) / span)) if 0.0 < span < math.inf else 0.0
    if share is None or spread == 0.0:
        return None
    reach = share.high / (spread * spread)
    return Interval(min(ratio, max(0.0, 1.0 - reach)), max(ratio, 1.0 + reach), "range")


def _scaled(values: Floats) -> Floats:
    """Give the deviations from the mean in units of the largest one."""
    size = float(np.abs(values).max(initial=0.0))
    if size == 0.0:
        return values
    unit = values / size
    deviations: Floats = unit - unit.mean()
    largest = float(np.abs(deviations).max())
    return deviations / largest if largest > 0 else deviations


def null_rate_bounds(
    n: int, null_offline: int, null_online: int, confidence: float, population: int
) -> Interval | None:
    """Bound the difference of the shares of nulls in a population, online minus offline.

    Parameters
    ----------
    n, population : int
        Size of the sample and of the population.
    null_offline, null_online : int
        Entities of the sample that are null on that side only.
    confidence : float
        Of each bound, from 0.5 to below 1.

    Returns
    -------
    Interval or None
        Shares, -1 to 1. None for n = 0.

    Notes
    -----
    The two shares of entities null on one side only are bounded exactly, each at half of the error, by the hypergeometric distribution: the bounds never
    promise too much, and close in on the value as the sample becomes the population. T. Tango's score bounds (Stat. Med. 17 (1998) 891) are a sixth
    narrower, but know no finite population and fall short of their promise where few are null.
    """
    half = (1.0 + confidence) / 2.0
    more, fewer = rate_bounds(null_online, n, population, half), rate_bounds(null_offline, n, population, half)
    if more is None or fewer is None:
        return None
    return Interval(more.low - fewer.high, more.high - fewer.low, "census" if n >= population else "spread")


def psi_bounds(table: NDArray[Any], confidence: float, population: int) -> Interval | None:
    """Bound the PSI of a population from the paired bins of a sample.

    Parameters
    ----------
    table : array of int
        Shape (bins, bins): rows are bins offline, columns bins online.
    confidence : float
        Of each bound, from 0.5 to below 1.
    population : int
        Entities that the sample stands for.

    Returns
    -------
    Interval or None
        In nats. None for no entity.

    Notes
    -----
    To second order the root of PSI is a norm of the difference of the shares, so the roots of the sample's and the population's PSI are no
    further apart than the root of the sampling error's own, which noise exceeds with probability 1 - confidence only at `auto_limit`. Entities that change
    their bin though none of the sample does, a share u at most, can add 2 u^2 over the smallest share of a bin.
    """
    found = psi_of_table(table)
    if found is None:
        return None
    n = found.n
    if n >= population:
        return Interval(found.value, found.value, "census")
    left = (population - n) / (population - 1.0)
    unseen = rate_bounds(0, n, population, confidence)
    margins = np.asarray(table).sum(axis=0) + np.asarray(table).sum(axis=1)
    smallest = float(margins[margins > 0].min() + 1.0) / (2.0 * n + found.bins)
    floor = 2.0 * unseen.high**2 / smallest if unseen is not None else 0.0
    reach = math.sqrt(auto_limit(found.noise, found.bins, confidence, found.freedom) * left + floor)
    root = math.sqrt(found.value)
    return Interval(max(0.0, root - reach) ** 2, (root + reach) ** 2, "spread")
