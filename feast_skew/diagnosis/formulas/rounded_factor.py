"""A factor whose products were rounded to decimals, as prices in another currency are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feast_skew.core.arrays import Floats, Mask

FEWEST = 12
_DIGITS = tuple(range(7))
_ON_GRID = 0.99
_MOST = 0.5
_NARROW = 1e-3
_COARSE = 0.2
_ROOM = 1e-9
_UNCHANGED = 1e-3


@dataclass(frozen=True)
class RoundedFactor:
    """`online = offline * factor`, rounded to multiples of `quantum`, and which of the pairs that holds for."""

    factor: float
    quantum: float
    fits: Mask


def fits_rounded(off: Floats, on: Floats, factor: float, quantum: float) -> Mask:
    """Tell which pairs a factor explains when its products are rounded, ties either way."""
    with np.errstate(over="ignore", invalid="ignore"):
        found: Mask = np.abs(on - factor * off) <= quantum * (0.5 + _ROOM) + _ROOM * np.abs(on)
    return found


def rounded_factor(off: Floats, on: Floats) -> RoundedFactor | None:
    """Give the factor that explains the most of these pairs when its products are rounded to decimals; None where none stands out.

    Each pair allows for the factors between (online - quantum / 2) / offline and (online + quantum / 2) / offline; the one that the most pairs allow
    for is the answer, written with as few digits as all of these leave. Pairs are finite, of one sign, and not zero.
    """
    if len(off) < FEWEST:
        return None
    quantum = next((10.0**-digits for digits in _DIGITS if _on_grid(on, 10.0**-digits)), None)
    if quantum is None or np.median(quantum / np.maximum(np.abs(on - off), quantum * 1e-9)) > _COARSE:
        return None
    size, product = np.abs(off), np.abs(on)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        low, high = (product - quantum / 2) / size, (product + quantum / 2) / size
    ends = np.concatenate([low, high])
    order = np.argsort(ends, kind="stable")
    depth = np.cumsum(np.where(order < len(low), 1, -1))
    best = int(np.argmax(depth))
    if depth[best] < _MOST * len(off) or best + 1 >= len(ends):
        return None
    least, most = float(ends[order[best]]), float(ends[order[best + 1]])
    if not (0 < least <= most < np.inf) or most - least > _NARROW * least:
        return None
    factor = _simplest(least, most)
    if abs(factor - 1.0) <= _UNCHANGED:
        return None
    return RoundedFactor(factor, quantum, fits_rounded(off, on, factor, quantum))


def _on_grid(values: Floats, quantum: float) -> bool:
    units = values * np.rint(1.0 / quantum)
    with np.errstate(invalid="ignore"):
        near = np.abs(units - np.rint(units)) <= np.maximum(1e-6, 2.0**-44 * np.abs(units))
    return bool(np.mean(near) >= _ON_GRID)


def _simplest(least: float, most: float) -> float:
    """Give the number with the fewest digits between two bounds."""
    for digits in range(1, 16):
        found = float(f"{(least + most) / 2:.{digits}g}")
        if least <= found <= most:
            return found
    return (least + most) / 2
