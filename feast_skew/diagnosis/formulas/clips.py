"""Offline cut off at a limit: below it, above it, or both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feast_skew.core.arrays import Floats, Mask, Positions
from feast_skew.diagnosis.base import FEWEST_ROWS, FEWEST_VALUES, LEAST_SHARE, Case
from feast_skew.diagnosis.formulas.one_sided import all_on_one_side

_TRIED = 6
_TIMES_NEXT = 3
_LEAST_BESIDE = 0.01
_NEARLY_ALL = 0.9


@dataclass(frozen=True)
class Clip:
    """The limits that were found, and the entities whose number was beyond one and is that limit online."""

    low: float | None
    high: float | None
    explained: Positions

    @property
    def values(self) -> dict[str, float]:
        """The limits by name."""
        return {name: limit for name, limit in (("low", self.low), ("high", self.high)) if limit is not None}

    @property
    def formula(self) -> str:
        """The function for people, of a number x."""
        return clip_formula(self.low, self.high)


def clip_formula(low: float | None, high: float | None) -> str:
    """Write for people what cuts a number x at limits, None where there is none."""
    inner = "x" if low is None else f"max(x, {low:.8g})"
    return inner if high is None else f"min({inner}, {high:.8g})"


def find_clip(case: Case) -> Clip | None:
    """Find the limits at which numbers were cut: online numbers that stand for offline ones beyond them, and for no others.

    A default stands for offline numbers on either side, or is beyond them all.
    """
    if not case.feature.declared.kind.is_number:
        return None
    positions, off, on = case.numbers
    if len(positions) < FEWEST_ROWS:
        return None
    values, counts = np.unique(on, return_counts=True)
    commonest = np.argsort(-counts, kind="stable")[:_TRIED]
    explained: Mask = np.zeros(len(positions), dtype=bool)
    limits: dict[int, float] = {}
    for side in (-1, 1):
        alike = [int(i) for i in commonest if _beyond(case, float(values[i]), side, off[on == values[i]])]
        if not alike or (len(alike) > 1 and counts[alike[0]] < _TIMES_NEXT * counts[alike[1]]):
            continue  # the larger of two numbers is no limit, whichever is the commonest
        limit = float(values[alike[0]])
        hit = on == limit
        varied = len(np.unique(off[hit])) >= FEWEST_VALUES
        if np.count_nonzero(hit) >= FEWEST_ROWS and varied and all_on_one_side(case, limit, off[hit]) == side:
            limits[side] = limit
            explained |= hit & (off * side > limit * side)
    if not limits or case.total(positions[explained]) < max(FEWEST_ROWS, LEAST_SHARE * case.total(case.wrong)):
        return None
    if len(limits) == 2 and limits[-1] > limits[1]:
        return None
    return Clip(limits.get(-1), limits.get(1), positions[explained])


def _beyond(case: Case, limit: float, side: int, off: Floats) -> bool:
    """Tell whether (nearly) all of these offline numbers lie on one side of a limit that has some of the others beside it."""
    positions, every, _ = case.compared_numbers
    beside = case.total(positions[every * side < limit * side]) / case.total(positions)
    return bool(beside >= _LEAST_BESIDE and np.mean(off * side > limit * side) >= _NEARLY_ALL)
