"""A random sample of the pairs that is the same however the rows were split: those whose entities have the smallest hashes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feast_skew.statistics.hashing import Hashes
from feast_skew.statistics.pairs import Floats, NumberPairs
from feast_skew.statistics.states.base import Bins, State, state
from feast_skew.statistics.states.extremes import difference

SIZE = 10_000
"""Pairs in a sample; all of them while there are no more."""

_COLUMNS = ("order", "offline", "online", "difference")


def rank_error(rows: int, probability: float = 1e-6) -> float:
    """Bound how far a share in a sample of ``SIZE`` pairs lies from the one among all ``rows`` pairs, for all values at once.

    Parameters
    ----------
    rows : int
        Pairs in all, 0 or more.
    probability : float
        Of being further off, between 0 and 1.

    Returns
    -------
    float
        0 to 1; 0 while the sample holds all pairs.

    Notes
    -----
    P. Massart, The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality, Ann. Probab. 18 (1990) 1269; sampling
    without replacement is no worse (W. Hoeffding, J. Am. Stat. Assoc. 58 (1963) 13, section 6).
    """
    return 0.0 if rows <= SIZE else min(1.0, math.sqrt(math.log(2.0 / probability) / (2.0 * SIZE)))


def candidates(order: Hashes) -> NDArray[np.intp]:
    """Give the positions of hashes among which the ``SIZE`` smallest are, before anything else is computed of the rows."""
    if order.size > 4 * SIZE:
        # Hashes are even, so the smallest lie below twice their share; where they are not, all rows are candidates.
        below = np.flatnonzero(order < np.uint64(int(2.0**64 * 2 * SIZE / order.size)))
        if below.size >= SIZE:
            return below
    return np.arange(order.size)


def smallest(order: Hashes, *values: NDArray[Any]) -> NDArray[np.intp]:
    """Give the positions of the ``SIZE`` smallest hashes in rising order; equal ones are ordered by their values."""
    return np.lexsort((*reversed(values), order))[:SIZE]


def _none(kind: type) -> NDArray[np.generic]:
    return np.zeros(0, dtype=kind)


@state("number_sample")
@dataclass(frozen=True, eq=False)
class NumberSample(State):
    """Up to ``SIZE`` pairs with the smallest hashes, in the order of these; NaN is null, `rows` counts all pairs."""

    categories = False

    rows: int = 0
    order: Hashes = field(default_factory=lambda: _none(np.uint64))  # type: ignore[arg-type, return-value]
    offline: Floats = field(default_factory=lambda: _none(np.float64))  # type: ignore[arg-type, return-value]
    online: Floats = field(default_factory=lambda: _none(np.float64))  # type: ignore[arg-type, return-value]
    difference: Floats = field(default_factory=lambda: _none(np.float64))  # type: ignore[arg-type, return-value]

    @classmethod
    def of(cls, pairs: NumberPairs, bins: Bins | None = None) -> NumberSample:
        """Draw the sample; the bins are cut from it, so that it comes before them."""
        del bins
        chosen = pairs.take(candidates(pairs.order))
        offline = np.where(chosen.known_offline, chosen.offline, np.nan) + 0.0
        online = np.where(chosen.known_online, chosen.online, np.nan) + 0.0
        return _drawn(len(pairs), chosen.order, offline, online, difference(chosen))

    def thinned(self, size: int) -> NumberSample:
        """Give the sample of that many pairs, which is the one that would have been drawn."""
        return NumberSample(self.rows, *(getattr(self, name)[:size] for name in _COLUMNS))

    def pairs(self) -> NumberPairs:
        """Give the drawn pairs, equal where their difference is 0 within the tolerance that they were compared by."""
        known = ~np.isnan(self.offline), ~np.isnan(self.online)
        same = (self.difference == 0.0) | (~known[0] & ~known[1])
        return NumberPairs(self.order, same, self.offline, self.online, *known)

    def __add__(self, other: NumberSample) -> NumberSample:
        joined = [np.concatenate([getattr(self, name), getattr(other, name)]) for name in _COLUMNS]
        return _drawn(self.rows + other.rows, *joined)


def _drawn(rows: int, order: Hashes, offline: Floats, online: Floats, differences: Floats) -> NumberSample:
    chosen = smallest(order, np.nan_to_num(offline, nan=-np.inf), np.nan_to_num(online, nan=-np.inf))
    return NumberSample(rows, order[chosen], offline[chosen], online[chosen], differences[chosen])
