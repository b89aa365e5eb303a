"""Rows that a stream writes when something happens are a selected lot: the entities that just moved.

Their earlier steps, mostly quiet, are then no yardstick for the step that was chosen because it is not. So where online moved
for surely more entities than any of offline's steps did, moves are held against moves: each side without its quiet entities.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from feast_skew.statistics._movement_rules import FEWEST, share_high, share_low

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Pair = tuple[Floats, Floats]

TIMES = 1.25
"""More moving entities than this many times the liveliest step's mean that the rows were chosen."""


def difference(new: Floats, old: Floats, rtol: float, atol: float) -> Floats:
    """Give new - old, 0 within tolerance, NaN where either is not finite."""
    finite = np.isfinite(new) & np.isfinite(old)
    a, b = np.where(finite, new, 0.0), np.where(finite, old, 0.0)
    with np.errstate(over="ignore"):
        apart = a - b
    apart[np.abs(apart) <= atol + rtol * np.maximum(np.abs(a), np.abs(b))] = 0.0
    return np.where(finite, apart, np.nan)


def moved(new: Floats, old: Floats, rtol: float, atol: float) -> Mask:
    """Tell which entities have a number on both sides, and two different ones."""
    apart = difference(new, old, rtol, atol)
    return np.asarray(~np.isnan(apart) & (apart != 0.0), dtype=np.bool_)


def is_selected(observed: Pair, steps: Sequence[Pair], confidence: float, rtol: float, atol: float) -> bool:
    """Tell whether online moved for surely more entities than any step; never where no step moves anybody."""
    counts = []
    for new, old in (observed, *steps):
        known = np.isfinite(new) & np.isfinite(old)
        counts.append((int(moved(new, old, rtol, atol).sum()), int(known.sum())))
    (k, n), past = counts[0], [(a, b) for a, b in counts[1:] if b >= FEWEST]
    if n < FEWEST or not any(a for a, _ in past):
        return False
    return share_low(k, n, confidence) > min(1.0, TIMES * max(share_high(a, b, confidence) for a, b in past))


def movers(observed: Pair, steps: Sequence[Pair], rtol: float, atol: float) -> tuple[Pair, list[Pair]]:
    """Leave out the quiet entities of both sides; steps with too few movers are put together with the next ones."""
    kept = moved(*observed, rtol, atol)
    pooled: list[Pair] = []
    parts: list[Pair] = []
    for new, old in steps:
        some = moved(new, old, rtol, atol)
        parts.append((new[some], old[some]))
        if sum(part[0].size for part in parts) >= FEWEST:
            pooled.append(_together(parts))
            parts = []
    if parts and pooled:
        pooled[-1] = _together([pooled[-1], *parts])
    return (observed[0][kept], observed[1][kept]), pooled


def _together(parts: Sequence[Pair]) -> Pair:
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
