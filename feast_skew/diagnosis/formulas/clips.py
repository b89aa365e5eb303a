"""Offline cut off at a limit: below it, above it, or both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feast_skew.core.arrays import Mask, Positions
from feast_skew.diagnosis.base import FEWEST_ROWS, FEWEST_VALUES, Case
from feast_skew.diagnosis.formulas.one_sided import all_on_one_side
from feast_skew.diagnosis.scale import LEAST_SHARE

_TRIED = 2


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
        inner = "x" if self.low is None else f"max(x, {self.low:.8g})"
        return inner if self.high is None else f"min({inner}, {self.high:.8g})"


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
    limits: dict[int, float] = {}
    explained: Mask = np.zeros(len(positions), dtype=bool)
    for i in np.argsort(-counts, kind="stable")[:_TRIED]:
        limit, hit = float(values[i]), on == values[i]
        if counts[i] < FEWEST_ROWS or len(np.unique(off[hit])) < FEWEST_VALUES:
            break
        side = all_on_one_side(case, limit, off[hit])
        if side and side not in limits:
            limits[side] = limit
            explained |= hit & (off * side > limit * side)
    if not limits or case.total(positions[explained]) < max(FEWEST_ROWS, LEAST_SHARE * case.total(case.wrong)):
        return None
    if len(limits) == 2 and limits[-1] > limits[1]:
        return None
    return Clip(limits.get(-1), limits.get(1), positions[explained])
