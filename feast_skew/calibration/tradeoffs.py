"""What other limits would have done: how often clean runs pass them, which incidents they catch, and how early."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from feast_skew.calibration.incidents import Incident

_RATES = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
_NEAR = 0.01


@dataclass(frozen=True)
class Seen:
    """A run's distance of one feature: when, and how far by one metric."""

    at: datetime
    value: float


@dataclass(frozen=True)
class Tradeoff:
    """One limit: the share of clean runs beyond it (0 to 1), how many of the incidents that had a run it catches, and how late.

    `hours` is the median, over the incidents caught, of the time from the first run in one to the first beyond the limit; None where none is.
    """

    limit: float
    rate: float
    caught: int
    incidents: int
    hours: float | None


def tradeoffs(
    clean: NDArray[np.float64], seen: Sequence[Seen], incidents: Sequence[Incident], others: Collection[float]
) -> tuple[Tradeoff, ...]:
    """Hold limits beside each other, the lowest first.

    Parameters
    ----------
    clean : array
        Distances that clean runs have by chance, at least one.
    seen : sequence of Seen
        The distance in each run, oldest first.
    others : collection of float
        Limits to look at beside those that clean runs pass at rates from 0.1 to 0.001.
    """
    by_rate = [float(np.quantile(clean, 1.0 - rate, method="higher")) for rate in _RATES]
    limits = {*others, *(limit for limit in by_rate if all(abs(limit - other) > _NEAR * other for other in others))}
    runs = [[one for one in seen if incident.holds(one.at)] for incident in incidents]
    return tuple(_tradeoff(limit, clean, [within for within in runs if within]) for limit in sorted(limits))


def _tradeoff(limit: float, clean: NDArray[np.float64], incidents: Sequence[Sequence[Seen]]) -> Tradeoff:
    hours = []
    for within in incidents:
        caught = next((one.at for one in within if one.value > limit), None)
        if caught is not None:
            hours.append((caught - within[0].at).total_seconds() / 3600)
    late = float(np.median(hours)) if hours else None
    return Tradeoff(limit, float(np.mean(clean > limit)), len(hours), len(incidents), late)
