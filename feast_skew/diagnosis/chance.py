"""Whether a rule explains more than chance does."""

from __future__ import annotations

import math

import numpy as np

from feast_skew.core.arrays import Mask
from feast_skew.diagnosis.base import FEWEST_ROWS

SMALL = 5.0
_NEARLY_ALL = 0.95
_TIMES_SECOND = 3

LEAST_EVIDENCE = 10.0
"""In natural units: chance gives as much as was found once in 22,000 times."""


def surprise(share: float, expected: float) -> float:
    """Give how much one row tells, on average, against an expected share of hits when this share of the rows are hits.

    Times the rows it bounds the logarithm of the chance of so many hits (Chernoff); 0 where the share is not above what is
    expected, infinite where nothing was expected.
    """
    if share <= expected:
        return 0.0
    if expected <= 0:
        return math.inf
    found = share * math.log(share / expected)
    if share < 1:
        found += (1 - share) * math.log((1 - share) / (1 - expected))
    return max(0.0, found)


def told_by_kinds(found: tuple[float, float], expected: tuple[float, float]) -> float:
    """Give how much one row tells, on average, by which of three kinds it is of.

    Each side is the share of the first kind, and that of the first two. What was expected of none tells very much.
    """
    kinds = [(a, b - a, 1.0 - b) for a, b in (found, expected)]
    return sum(share * math.log(share / max(other, 1e-9)) for share, other in zip(*kinds, strict=True) if share > 0)


def beats_chance(hits: Mask, by_chance: Mask) -> bool:
    """Tell whether rows are hit more often than the same rows are by chance, in one try that knew nothing.

    Both masks have one element per row; no rows beat nothing.
    """
    rows = len(hits)
    if not rows or not len(by_chance):
        return False
    # As if half a row more had been hit: that none was does not mean that none can be.
    expected = (np.count_nonzero(by_chance) + 0.5) / (len(by_chance) + 1)
    return rows * surprise(float(np.mean(hits)), float(expected)) >= LEAST_EVIDENCE


def outstanding(ordered: np.ndarray, width: float) -> tuple[int, int] | None:
    """Give the range [start, end) of sorted numbers that share one value, when no other value is nearly as frequent.

    Numbers within `width` of the first of a range count as one value. Small whole numbers have many equal ratios and
    differences by chance, but then several of them, alike in number; a constant that somebody applied stands alone.
    """
    if len(ordered) < FEWEST_ROWS:
        return None
    with np.errstate(over="ignore"):
        ends = np.searchsorted(ordered, ordered + width, side="right")
    counts = ends - np.arange(len(ordered))
    start = int(np.argmax(counts))
    end = int(ends[start])
    apart = (ends <= start) | (np.arange(len(ordered)) >= end)
    second = int(counts[apart].max()) if apart.any() else 0
    if end - start < FEWEST_ROWS or end - start < _TIMES_SECOND * second:
        return None
    return start, end


def by_chance(off: np.ndarray, on: np.ndarray, explained: int) -> bool:
    """Tell whether a small constant may fit whole numbers by chance: counts that differ mostly differ by one."""
    whole = bool(np.all(off == np.round(off)) and np.all(on == np.round(on)))
    return whole and explained < _NEARLY_ALL * len(off)
