"""A limit from clean runs, and how often clean runs to come would pass it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

QUANTILE, SD = "quantile", "sd"
METHODS = (QUANTILE, SD)
_REPLICATES = 2_000
_BETWEEN = 0.998
"""Of the bootstrap, whose bounds are too narrow for the far tail of a few dozen runs: on 30 of them these hold 95 % (tests/calibration)."""


@dataclass(frozen=True)
class Limit:
    """A limit, and the share of clean runs that lie beyond it: as asked, and between which bounds (95 %) it will be on as many runs to come."""

    value: float
    rate: float
    rate_low: float
    rate_high: float
    runs: int


def limit_of(
    values: Sequence[float], pools: Sequence[Floats], rate: float, method: str, generator: np.random.Generator
) -> Limit:
    """Give the limit that clean runs pass with a given rate.

    Parameters
    ----------
    values : sequence of float
        The distance in each clean run, at least one.
    pools : sequence of array
        For each of these runs the distances that chance could have given instead, equally many.
    rate : float
        Between 0 and 1: of false alarms for each run.
    method : str
        `quantile` of all pools together, or `sd`: mean and standard deviation of them, with the normal quantile.

    Notes
    -----
    Runs are drawn again with replacement, twice (a bootstrap by clusters: A. Davison and D. Hinkley, Bootstrap Methods and their Application,
    1997, section 3.8): a limit from the ones, and its rate on the others, so that the bounds are those of as many runs to come. What a run holds that was like none before
    it is bounded by exchangeability: of ``n`` clean runs and one more, the one more is the farthest with probability ``1 / (n + 1)``.
    """
    whole = np.concatenate(pools)
    value = _limit(whole, rate, method)
    # As it will be written: up, so that a rounded limit has no more alarms.
    value = _rounded_up(value)
    size = len(pools)
    rates = []
    for _ in range(_REPLICATES):
        known, others = (np.concatenate([pools[i] for i in generator.integers(0, size, size)]) for _ in range(2))
        rates.append(float(np.mean(others > _limit(known, rate, method))))
    tail = (1.0 - _BETWEEN) / 2
    low, high = (float(np.quantile(rates, q)) for q in (tail, 1.0 - tail))
    within = float(np.mean(whole > value))
    levels = np.array(values)
    noise = float(np.median([pool.std() for pool in pools]))
    moves = float(levels.std())
    if moves > noise:  # the runs themselves differ: then so will the next one
        high = max(high, 1.0 - tail ** (1.0 / (size + 1)))
    error = 2.0 * math.sqrt(max(within * (1.0 - within), 1.0 / whole.size) / whole.size)
    if low < rate / 4:  # that no run lies beyond it is then as likely
        low = 0.0
    return Limit(value, rate, max(0.0, min(low, within) - error), min(1.0, max(high, within) + error), size)


def _limit(whole: Floats, rate: float, method: str) -> float:
    if method == SD:
        from scipy.special import ndtri

        return float(whole.mean() + ndtri(1.0 - rate) * whole.std())
    return float(np.quantile(whole, 1.0 - rate, method="higher"))


def _rounded_up(value: float, digits: int = 3) -> float:
    if value <= 0.0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(value)) - digits + 1)
    return float(f"{math.ceil(value / unit - 1e-9) * unit:.{digits + 3}g}")
