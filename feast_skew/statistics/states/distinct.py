"""How many distinct values either side has: exactly up to a few thousand, beyond by the smallest hashes of values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feast_skew.statistics._special import beta_quantile
from feast_skew.statistics.hashing import Hashes, label_hashes, mix
from feast_skew.statistics.pairs import Codes, Floats, Mask, NumberPairs, Pairs
from feast_skew.statistics.states.base import Bins, State, state

SIZE = 4096
"""Hashes that are kept; up to so many distinct values are counted exactly."""
_SPACE = 2.0**64


def _none() -> Hashes:
    return np.zeros(0, dtype=np.uint64)


@state("distinct")
@dataclass(frozen=True, eq=False)
class Distinct(State):
    """The smallest hashes of the distinct values of either side, in rising order; nulls have none."""

    offline: Hashes = field(default_factory=_none)
    online: Hashes = field(default_factory=_none)

    @classmethod
    def of(cls, pairs: Pairs, bins: Bins) -> Distinct:
        """Hash the values of both sides."""
        del bins
        if isinstance(pairs, NumberPairs):
            offline = _of_numbers(pairs.offline, pairs.offline_rest, pairs.known_offline)
            if _identical(pairs):
                return cls(offline, offline)
            return cls(offline, _of_numbers(pairs.online, pairs.online_rest, pairs.known_online))
        hashes = label_hashes(pairs.labels)
        return cls(_of_codes(pairs.offline, hashes), _of_codes(pairs.online, hashes))

    def thinned(self, size: int) -> None:
        """Give nothing: fewer hashes would count other values."""
        del size

    def __add__(self, other: Distinct) -> Distinct:
        return Distinct(
            _smallest(np.concatenate([self.offline, other.offline])),
            _smallest(np.concatenate([self.online, other.online])),
        )


@dataclass(frozen=True)
class DistinctCount:
    """A number of distinct values with bounds of 99.9 %; all three are equal where it is exact."""

    value: float
    low: float
    high: float


def distinct_count(hashes: Hashes) -> DistinctCount:
    """Estimate how many distinct values there are from their smallest hashes.

    Parameters
    ----------
    hashes : array of uint64
        Those that `Distinct` keeps of one side.

    Returns
    -------
    DistinctCount
        Exact below ``SIZE`` values, 0 for none. Beyond, the relative standard error is 1 / sqrt(SIZE - 2), 1.6 %.

    Notes
    -----
    (k - 1) / u with u the k-th smallest of hashes spread evenly over 0..1: Z. Bar-Yossef et al., Counting distinct elements in a
    data stream, RANDOM 2002; unbiased: K. Beyer et al., SIGMOD 2007. u is Beta(k, D - k + 1), whose quantiles are close to those of
    Gamma(k) / D: the bounds.
    """
    if hashes.size < SIZE:
        return DistinctCount(float(hashes.size), float(hashes.size), float(hashes.size))
    k = hashes.size
    last = (float(hashes[-1]) + 1.0) / _SPACE
    value = (k - 1) / last
    low, high = (beta_quantile(p, k, max(1.0, value - k + 1)) / last * value for p in (0.0005, 0.9995))
    return DistinctCount(value, max(float(k), low), high)


def _identical(pairs: NumberPairs) -> bool:
    same = np.array_equal(pairs.known_offline, pairs.known_online) and np.array_equal(pairs.offline, pairs.online)
    return same and pairs.offline_rest is None and pairs.online_rest is None


def _of_numbers(values: Floats, rest: Floats | None, rows: Mask) -> Hashes:
    everything = bool(rows.all())
    found = mix(values if everything else values[rows])
    if rest is not None:
        found = mix(found ^ mix(rest if everything else rest[rows], seed=1))
    return _smallest(found)


def _of_codes(codes: Codes, hashes: Hashes) -> Hashes:
    return _smallest(hashes[_distinct(codes[codes >= 0])])


def _smallest(hashes: Hashes) -> Hashes:
    """Give the ``SIZE`` smallest distinct hashes in rising order."""
    if hashes.size > 8 * SIZE:
        # Hashes of values that are all distinct lie evenly: the smallest are soon found.
        below = _distinct(hashes[hashes < np.uint64(int(_SPACE * 4 * SIZE / hashes.size))])
        if below.size >= SIZE:
            return below[:SIZE]
        # Values repeat: those of the first rows need not be sorted again and again.
        seen = _distinct(hashes[: 2 * SIZE])
        new = seen[np.minimum(np.searchsorted(seen, hashes), seen.size - 1)] != hashes
        hashes = np.concatenate([seen, hashes[new]])
    return _distinct(hashes)[:SIZE]


def _distinct(numbers: NDArray[Any]) -> NDArray[Any]:
    # Asked for counts too, numpy sorts. Its table of hashes, since 2.3, takes 20 to 40 times as long when most are distinct.
    return np.unique(numbers, return_counts=True)[0]
