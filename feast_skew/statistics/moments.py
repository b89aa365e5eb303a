"""Means, variances and null rates of pairs, with bounds that use the pairing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feast_skew.statistics._special import t_quantile

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PairedMoments:
    """Means and spreads of the pairs whose values are both finite; online against offline.

    Means and standard deviations (n - 1) are in the unit of the feature; differences are online minus
    offline, the ratio is online over offline. ``low`` and ``high`` are one-sided bounds each. None
    stands for what too few pairs, a constant side or the range of floating point leaves undefined.
    """

    n: int
    mean_offline: float | None = None
    mean_online: float | None = None
    sd_offline: float | None = None
    sd_online: float | None = None
    mean_difference: float | None = None
    mean_difference_low: float | None = None
    mean_difference_high: float | None = None
    standardized_difference: float | None = None
    variance_ratio: float | None = None
    variance_ratio_low: float | None = None
    variance_ratio_high: float | None = None


@dataclass(frozen=True)
class NullRateDifference:
    """Null rates of the same entities on both sides; ``value`` is online minus offline, -1 to 1."""

    n: int
    rate_offline: float
    rate_online: float
    value: float
    low: float
    high: float


def paired_moments(offline: NDArray[Any], online: NDArray[Any], confidence: float) -> PairedMoments:
    """Compare mean and variance of pairs.

    Parameters
    ----------
    offline, online : array of float
        The i-th entity's values in the unit of the feature; pairs with a NaN or an infinity are left
        out.
    confidence : float
        Of each one-sided bound, between 0 and 1, both excluded.

    Returns
    -------
    PairedMoments
        With n = 0 and nothing else for no pairs. Spreads and bounds of the mean need two pairs,
        bounds of the ratio three and a spread on both sides, the ratio one offline.

    Raises
    ------
    ValueError
        If the two are not equally long or the confidence is out of range.

    Notes
    -----
    Mean: paired t. Ratio w = var(online) / var(offline) with correlation r: w * (k -+ sqrt(k^2 - 1)),
    k = 1 + 2 t^2 (1 - r^2) / (n - 2), from the correlation of sum and difference (Pitman, Biometrika 31
    (1939) 9; Morgan, ibid. 13). Values are scaled by a power of two and shifted to the first one before
    squares are summed, so that neither size nor offset costs digits.
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence!r}")
    x, y = np.asarray(offline, dtype=np.float64), np.asarray(online, dtype=np.float64)
    if x.shape != y.shape:
        raise ValueError(f"pairs need two sides of one length, not {x.shape} and {y.shape}")
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    n = int(x.size)
    if n == 0:
        return PairedMoments(0)
    mean_x, sd_x, dev_x, scale_x = _one_side(x)
    mean_y, sd_y, dev_y, scale_y = _one_side(y)
    joint = max(_exponent(x), _exponent(y)) + 1
    mean_d, sd_d, _, scale_d = _one_side(np.ldexp(y, -joint) - np.ldexp(x, -joint))
    unit = scale_d + joint
    difference = {"mean_difference": _times(mean_d, unit)}
    ratios: dict[str, float | None] = {}
    if n > 1:
        t = t_quantile(confidence, n - 1)
        reach = t * sd_d / math.sqrt(n)
        difference["mean_difference_low"] = _times(mean_d - reach, unit)
        difference["mean_difference_high"] = _times(mean_d + reach, unit)
        if sd_x > 0:
            difference["standardized_difference"] = _times(mean_d / sd_x, unit - scale_x)
            ratio = (sd_y / sd_x) ** 2
            low, high = _ratio_bounds(dev_x, dev_y, confidence)
            shift = 2 * (scale_y - scale_x)
            ratios["variance_ratio"] = _times(ratio, shift)
            ratios["variance_ratio_low"] = None if low is None else _times(ratio * low, shift)
            ratios["variance_ratio_high"] = None if high is None else _times(ratio * high, shift)
    return PairedMoments(
        n,
        mean_offline=_times(mean_x, scale_x),
        mean_online=_times(mean_y, scale_y),
        sd_offline=_times(sd_x, scale_x) if n > 1 else None,
        sd_online=_times(sd_y, scale_y) if n > 1 else None,
        **difference,
        **ratios,
    )


def null_rate_difference(
    n: int, null_both: int, null_offline: int, null_online: int, confidence: float
) -> NullRateDifference | None:
    """Compare the null rates of the same entities on both sides.

    Parameters
    ----------
    n : int
        Entities that have a row on both sides.
    null_both, null_offline, null_online : int
        Entities null on both sides, offline only and online only; together at most ``n``.
    confidence : float
        Of each one-sided bound, from 0.5 to below 1.

    Returns
    -------
    NullRateDifference or None
        Rates are shares, the difference is online minus offline. None for n = 0.

    Raises
    ------
    ValueError
        If the counts contradict each other or the confidence is out of range.

    Notes
    -----
    Only the discordant entities inform. The bounds invert the score test of a given difference, which
    for a difference of 0 is McNemar's: T. Tango, Statistics in Medicine 17 (1998) 891.
    """
    if min(null_both, null_offline, null_online) < 0 or null_both + null_offline + null_online > n:
        raise ValueError(f"null counts {null_both}, {null_offline}, {null_online} do not fit {n} entities")
    if not 0.5 <= confidence < 1.0:
        raise ValueError(f"confidence must be from 0.5 to below 1, not {confidence!r}")
    if n == 0:
        return None
    z = NormalDist().inv_cdf(confidence)
    value = (null_online - null_offline) / n
    high = _score_bound(n, null_online, null_offline, z)
    low = -_score_bound(n, null_offline, null_online, z)
    rate_offline, rate_online = (null_both + null_offline) / n, (null_both + null_online) / n
    return NullRateDifference(n, rate_offline, rate_online, value, min(low, value), max(high, value))


def _score_bound(n: int, more: int, fewer: int, z: float) -> float:
    """Give the largest difference that the score test does not reject from above."""
    low, high = (more - fewer) / n, 1.0
    for _ in range(60):
        delta = (low + high) / 2
        b = (2 * n - more + fewer) * delta - more - fewer
        c = -fewer * delta * (1.0 - delta)
        q = max(0.0, (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n))
        variance = n * (2 * q + delta * (1.0 - delta))
        gap = n * delta - (more - fewer)
        if gap * gap <= z * z * variance:
            low = delta
        else:
            high = delta
    return low


def _one_side(values: Floats) -> tuple[float, float, Floats, int]:
    """Give mean, standard deviation and deviations in units of 2**exponent, and the exponent."""
    exponent = _exponent(values)
    scaled = np.ldexp(values, -exponent)
    first = float(scaled[0])
    shifted = scaled - first
    centre = float(np.mean(shifted))
    deviations = shifted - centre
    if not np.any(shifted):
        return first, 0.0, deviations, exponent
    spread = float(np.max(np.abs(deviations)))
    root = math.sqrt(float(np.sum((deviations / spread) ** 2)) / max(1, values.size - 1))
    return first + centre, spread * root, deviations / spread, exponent


def _ratio_bounds(x: Floats, y: Floats, confidence: float) -> tuple[float | None, float | None]:
    """Give the factors on the variance ratio that Pitman and Morgan's test leaves possible."""
    xx, yy = float(x @ x), float(y @ y)
    if x.size < 3 or xx <= 0 or yy <= 0:
        return None, None
    u, v = x / math.sqrt(xx), y / math.sqrt(yy)
    # 1 - r^2 from the lengths of sum and difference of unit vectors: exact also next to r = 1.
    rest = min(1.0, float((u - v) @ (u - v)) * float((u + v) @ (u + v)) / 4.0)
    t = t_quantile(confidence, x.size - 2)
    excess = 2.0 * rest * t * t / (x.size - 2)
    wide = math.sqrt(excess * (excess + 2.0))
    upper = 1.0 + excess + wide
    low, high = 1.0 / upper, upper
    return (low, high) if t >= 0 else (high, low)


def _exponent(values: Floats) -> int:
    """Give an exponent such that the values over 2**exponent are at most 1 in size."""
    largest = float(np.max(np.abs(values)))
    return math.frexp(largest)[1] if largest > 0 else -1073


def _times(value: float, exponent: int) -> float | None:
    """Give value * 2**exponent, None when floating point cannot hold it."""
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return None
