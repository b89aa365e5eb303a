"""A line through some of many pairs of numbers, found by the slope on which pairs of them agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feast_skew.core.arrays import Floats, Mask
from feast_skew.diagnosis.base import FEWEST_ROWS
from feast_skew.diagnosis.chance import by_chance, outstanding

FEWEST_ON_LINE = 8
_DRAWN = 20_000
_FEWEST_AGREEING = 20
_WIDTH = 1e-6
_APART = 1e-3
_ROOM = 2e-7
_CLEAR = 1e-3
_HELD_OUT = 0.5
_DISTINCT = 5
_SNAPPED = 1e-9


@dataclass(frozen=True)
class Line:
    """`y = slope x + intercept`, and which of the pairs lie on it."""

    slope: float
    intercept: float
    fits: Mask


def on_line(x: Floats, y: Floats, slope: float, intercept: float) -> Mask:
    """Tell which pairs lie on a line, to what the largest of its terms keeps in single precision. Shape (pairs,)."""
    with np.errstate(over="ignore", invalid="ignore"):
        room = _ROOM * np.maximum(np.maximum(np.abs(slope * x), np.abs(y)), abs(intercept))
        found: Mask = np.abs(y - slope * x - intercept) <= room
    return found


def line_through(x: Floats, y: Floats) -> Line | None:
    """Give the line on which the most of these finite pairs lie, None where chance might have put them there.

    The line is found on one half of the pairs and has to hold for as large a share of the other one.
    """
    if len(x) < 2 * FEWEST_ROWS or x.min() == x.max() or y.min() == y.max():
        return None
    order = np.random.default_rng(0).permutation(len(x))
    half, rest = order[::2], order[1::2]
    found = _consensus(x[half], y[half])
    if found is None:
        return None
    there, here = on_line(x[half], y[half], *found), on_line(x[rest], y[rest], *found)
    if here.mean() < _HELD_OUT * there.mean():
        return None
    fits = on_line(x, y, *found)
    if (
        np.count_nonzero(fits) < FEWEST_ON_LINE
        or len(np.unique(x[fits])) < _DISTINCT
        or len(np.unique(y[fits])) < _DISTINCT
    ):
        return None
    if by_chance(x, y, int(np.count_nonzero(fits))) or not _clear(x[fits], y[fits], *found):
        return None
    slope, intercept = _refined(x[fits], y[fits], *found)
    refined = on_line(x, y, slope, intercept)
    # At the ends of floating point the second fit may be lost to overflow.
    return Line(slope, intercept, refined) if refined.sum() >= fits.sum() else Line(*found, fits)


def _clear(x: Floats, y: Floats, slope: float, intercept: float) -> bool:
    """Tell whether the points differ by much more than the room that each of them has around the line."""
    with np.errstate(over="ignore"):
        low, high = np.quantile(slope * x, (0.25, 0.75))
        room = _ROOM * max(float(np.median(np.abs(slope * x))), float(np.median(np.abs(y))), abs(intercept))
    return bool(room <= _CLEAR * (high - low))


def _consensus(x: Floats, y: Floats) -> tuple[float, float] | None:
    """Give the slope on which pairs of the points agree far more than on any other, with its intercept."""
    random = np.random.default_rng(1)
    one, other = random.integers(0, len(x), (2, _DRAWN))
    if len(x) ** 2 <= _DRAWN:
        one, other = np.triu_indices(len(x), 1)
    with np.errstate(all="ignore"):
        across, up = x[one] - x[other], y[one] - y[other]
        # Near points say little of a slope: their last digits decide it.
        far = (np.abs(across) > _APART * (np.abs(x[one]) + np.abs(x[other]))) & (
            np.abs(up) > _APART * (np.abs(y[one]) + np.abs(y[other]))
        )
        slopes = up[far] / across[far]
    best: tuple[int, float] | None = None
    for sign in (1.0, -1.0):
        usable = slopes * sign
        ordered = np.sort(np.log(usable[np.isfinite(usable) & (usable > 0)]))
        peak = _peak(ordered)
        if peak is not None and (best is None or peak[1] - peak[0] > best[0]):
            best = peak[1] - peak[0], sign * float(np.exp(np.median(ordered[slice(*peak)])))
    if best is None or best[0] < _FEWEST_AGREEING:
        return None
    slope = best[1]
    with np.errstate(all="ignore"):
        left = y - slope * x
        room = float(np.median(_ROOM * np.maximum(np.abs(y), np.abs(slope * x))))
    ordered = np.sort(left[np.isfinite(left)])
    peak = outstanding(ordered, 2 * room)
    return None if peak is None else (slope, float(np.median(ordered[slice(*peak)])))


def _peak(ordered: Floats) -> tuple[int, int] | None:
    """Give the range of the commonest of sorted numbers, as `outstanding` does, but that one other may be as common.

    That one is of another line, which other points lie on.
    """
    if not len(ordered):
        return None
    counts = np.searchsorted(ordered, ordered + _WIDTH, side="right") - np.arange(len(ordered))
    start = int(np.argmax(counts))
    peak = start, start + int(counts[start])
    if outstanding(ordered, _WIDTH) == peak:
        return peak
    rest = np.delete(ordered, np.s_[slice(*peak)])
    other = outstanding(rest, _WIDTH)
    return None if other is None or counts[start] < other[1] - other[0] else peak


def _refined(x: Floats, y: Floats, slope: float, intercept: float) -> tuple[float, float]:
    """Fit the line once more to the points on it, and take round numbers for what they stand for."""
    with np.errstate(all="ignore"):
        middle_x, middle_y = float(np.mean(x)), float(np.mean(y))
        spread = float(np.sum((x - middle_x) ** 2))
        if spread > 0 and np.isfinite(spread):
            slope = float(np.sum((x - middle_x) * (y - middle_y))) / spread
            intercept = middle_y - slope * middle_x
    return snapped(slope), snapped(intercept, abs(middle_y) + abs(slope * middle_x))


def snapped(number: float, size: float = 0.0) -> float:
    """Give the number of six digits that a fitted one stands for, else the number; 0 where it is nothing beside `size`."""
    if abs(number) <= 1e-9 * size:
        return 0.0
    rounded = float(f"{number:.6g}")
    return rounded if abs(number - rounded) <= _SNAPPED * max(abs(number), size) else number
