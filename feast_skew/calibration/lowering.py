"""Limits lowered to known incidents: what lies farther than every clean run is caught, and the false alarms that it costs are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from feast_skew.calibration.clusters import Floats
from feast_skew.calibration.limits import FEW, Limit, limit_at

_DIGITS = range(2, 7)
"""Of a limit as it is written: as few as it takes to stand between the clean runs and the incident."""


@dataclass(frozen=True)
class CleanRuns:
    """One metric of a feature: its distance in each clean run, distances that such runs may have, and what chance alone gives them.

    `bound` is what is alarmed beyond so far, `largest` the farthest run in each incident, None where there is none.
    """

    levels: Floats
    likely: Floats
    noise: float
    bound: float
    largest: Sequence[float | None]


@dataclass(frozen=True)
class Lowered:
    """A limit in place of a higher one, and the places of the incidents that it catches and the higher one did not."""

    limit: Limit
    places: tuple[int, ...]


def lowered(metrics: Mapping[str, CleanRuns], generator: np.random.Generator) -> dict[str, Lowered]:
    """Lower limits of a feature until each of its incidents is caught by one that can.

    Parameters
    ----------
    metrics : mapping
        By name, the metrics of one feature; all with the same incidents.

    Returns
    -------
    dict
        By metric, where its limit is lowered: half way between the farthest clean run and the incident, by the metric of which clean runs pass
        that limit least often. An incident that some limit catches lowers none, nor does one that is nowhere farther than all clean runs, or is
        held beside fewer than ten.
    """
    found: dict[str, Lowered] = {}
    for place in range(max((len(one.largest) for one in metrics.values()), default=0)):
        if any(
            _passes(one, place, found[name].limit.value if name in found else one.bound)
            for name, one in metrics.items()
        ):
            continue
        able = [(name, _at(one, place, generator)) for name, one in metrics.items()]
        limits = [(limit.rate, name, limit) for name, limit in able if limit is not None]
        if limits:
            _, name, limit = min(limits, key=lambda one: one[:2])
            before = found[name].places if name in found else ()
            found[name] = Lowered(limit, (*before, place))
    return found


def _passes(one: CleanRuns, place: int, bound: float) -> bool:
    largest = one.largest[place]
    return largest is not None and largest > bound


def _at(one: CleanRuns, place: int, generator: np.random.Generator) -> Limit | None:
    """Give the limit between the clean runs and an incident, None where nothing lies between."""
    largest, farthest = one.largest[place], float(one.levels.max())
    if largest is None or largest <= farthest or len(one.levels) < FEW:
        return None
    middle = farthest + (largest - farthest) / 2
    written = (float(f"{middle:.{digits}g}") for digits in _DIGITS)
    value = next((one for one in written if farthest <= one < largest), None)
    return None if value is None else limit_at(one.levels, one.likely, one.noise, value, generator)
