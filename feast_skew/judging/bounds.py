"""How far a metric of the population may lie from the one of the sample, and how likely chance alone gives it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from feast_skew.statistics.inference.bounds import (
    Interval,
    mean_bounds,
    null_rate_bounds,
    psi_bounds,
    variance_ratio_bounds,
)
from feast_skew.statistics.inference.exchange import exchange_p_value, null_rate_p_value, variance_p_value
from feast_skew.statistics.inference.randomised import psi_p_value
from feast_skew.statistics.metrics.base import Measured, state_of
from feast_skew.statistics.metrics.mean_difference import mean_difference
from feast_skew.statistics.metrics.variance_ratio import variance_ratio
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.psi import auto_limit, psi_of_table
from feast_skew.statistics.states.counts import Counts
from feast_skew.statistics.states.extremes import Extremes
from feast_skew.statistics.states.number_sample import NumberSample
from feast_skew.statistics.states.paired_bins import PairedBins
from feast_skew.statistics.states.sums import Sums


@dataclass(frozen=True)
class Bounds:
    """One-sided bounds in the unit of the metric, both None where none can be given; `extra` says how they came about."""

    low: float | None = None
    high: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def bounds_of(key: str, profile: Profile, confidence: float, population: int) -> Bounds:
    """Bound a metric, each bound at the given confidence; metrics that are only described have no bounds."""
    found = _BOUNDS[key](profile, confidence, population) if key in _BOUNDS else None
    if found is None or not (math.isfinite(found.low) and math.isfinite(found.high)):
        return Bounds()
    return Bounds(found.low, found.high, {"bounds": found.method})


def chance_of(key: str, profile: Profile, confidence: float, seed: int) -> tuple[float | None, dict[str, Any]]:
    """Give the chance that an exchange of the sides within the pairs moves a metric as far, None where it cannot be told."""
    if key == "psi":
        table = state_of(profile, PairedBins).table
        found = psi_of_table(table)
        limit = auto_limit(found.noise, found.bins, confidence, found.freedom) if found is not None else None
        return psi_p_value(table, abs(seed)), {"auto_limit": limit}
    if key == "mean_difference":
        sums = state_of(profile, Sums)
        squares = sums.xx - 2 * sums.xy + sums.yy
        return (exchange_p_value(sums.y - sums.x, squares) if sums.pairs else None), {}
    if key == "variance_ratio":
        sample = state_of(profile, NumberSample)
        return variance_p_value(sample.offline, sample.online), {}
    counts = state_of(profile, Counts)
    return null_rate_p_value(counts.null_offline, counts.null_online), {}


def _psi(profile: Profile, confidence: float, population: int) -> Interval | None:
    return psi_bounds(state_of(profile, PairedBins).table, confidence, population)


def _null_rate(profile: Profile, confidence: float, population: int) -> Interval | None:
    counts = state_of(profile, Counts)
    return null_rate_bounds(counts.rows, counts.null_offline, counts.null_online, confidence, population)


def _mean(profile: Profile, confidence: float, population: int) -> Interval | None:
    found = mean_difference(profile)
    if not isinstance(found, Measured):
        return None
    sample = state_of(profile, NumberSample)
    values = sample.difference[np.isfinite(sample.difference)]
    return mean_bounds(
        values, found.value, found.extra["n"], confidence, _pairs_of(profile, population), **_range(profile)
    )


def _variance(profile: Profile, confidence: float, population: int) -> Interval | None:
    found = variance_ratio(profile)
    if not isinstance(found, Measured):
        return None
    sample = state_of(profile, NumberSample)
    both = np.isfinite(sample.offline) & np.isfinite(sample.online)
    offline, online = sample.offline[both], sample.online[both]
    n, population = found.extra["n"], _pairs_of(profile, population)
    return variance_ratio_bounds(offline, online, found.value, n, confidence, population, **_range(profile))


def _pairs_of(profile: Profile, population: int) -> int:
    """Give how many entities of the population may have a number on both sides: all but those of the sample that do not."""
    return max(0, population - state_of(profile, Counts).rows) + state_of(profile, Sums).pairs


def _range(profile: Profile) -> dict[str, Any]:
    """Give how many pairs have different numbers, and the range of the values of both sides."""
    extremes = state_of(profile, Extremes)
    ends = (extremes.least_offline, extremes.least_online, extremes.most_offline, extremes.most_online)
    known = [end for end in ends if end is not None]
    return {
        "differing": state_of(profile, Sums).differing,
        "span": (max(known) - min(known)) if known and all(map(math.isfinite, known)) else math.inf,
    }


_BOUNDS: Mapping[str, Callable[[Profile, float, int], Interval | None]] = {
    "psi": _psi,
    "mean_difference": _mean,
    "variance_ratio": _variance,
    "null_rate_difference": _null_rate,
}
