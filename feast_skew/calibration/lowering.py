"""Limits lowered to known incidents: what lies farther than every clean run is caught, and the false alarms that it costs are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from feast_skew.calibration.clusters import Floats
from feast_skew.calibration.limits import FEW, Limit, limit_at

_DIGITS = range(2, 7)
"""Of a limit as it is written: as few as it takes to stand in the middle between the clean runs and the incident."""
_MIDDLE = 0.25, 0.75


@dataclass(frozen=True)
class CleanRuns:
    """One metric of a feature: its distance in each clean run, distances that such runs may have, and what chance alone gives them.

    `bound` is the limit at the rate that was asked for, None where clean runs agree and there is none; `largest` is the farthest run in each incident, None
    where there is none.
    """

    levels: Floats
    likely: Floats
    noise: float
    bound: float | None
    largest: Sequence[float | None]


@dataclass(frozen=True)
class Lowered:
    """A limit in place of a higher one or none, and the places of the incidents that it catches and the higher one did not."""

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
        By metric, where its limit is lowered: about half way between the farthest clean run and the incident, by the metric of which clean runs pass
        that limit least often. An incident that some limit catches lowers none, nor does one that is nowhere farther than all clean runs, or is
        held beside fewer than ten that differ. The order of the incidents makes no difference: the one that costs most comes first, and what
        other limits catch in the end is taken back.
    """
    bounds = {name: one.bound for name, one in metrics.items()}
    count = max((len(one.largest) for one in metrics.values()), default=0)
    missed = [place for place in range(count) if not _caught(place, metrics, bounds)]
    possible = _possible(missed, metrics, generator)
    chosen: dict[str, Limit] = {}
    while True:
        left = [found for place, found in possible.items() if not _caught(place, metrics, bounds)]
        if not left:
            break
        name, limit = max(left, key=lambda found: (found[1].rate, found[0], -found[1].value))
        chosen[name], bounds[name] = limit, limit.value
    for name in sorted(chosen, key=lambda name: -chosen[name].rate):
        without = {**bounds, name: metrics[name].bound}
        if all(_caught(place, metrics, without) for place in possible):
            bounds = without
            del chosen[name]
    return {name: Lowered(limit, _places(metrics[name], limit)) for name, limit in chosen.items()}


def _possible(
    places: Sequence[int], metrics: Mapping[str, CleanRuns], generator: np.random.Generator
) -> dict[int, tuple[str, Limit]]:
    """Give for each of some incidents that a limit can be lowered to the metric by which that costs least, and the limit."""
    found = {}
    # By size, so that the numbers drawn are the same in whatever order the incidents come.
    for place in sorted(places, key=lambda place: [one.largest[place] or 0.0 for one in metrics.values()]):
        able = [(limit.rate, name, limit) for name, one in metrics.items() if (limit := _at(one, place, generator))]
        if able:
            found[place] = min(able, key=lambda one: one[:2])[1:]
    return found


def _caught(place: int, metrics: Mapping[str, CleanRuns], bounds: Mapping[str, float | None]) -> bool:
    return any(_lies_between(one.largest[place], bounds[name], None) for name, one in metrics.items())


def _places(one: CleanRuns, limit: Limit) -> tuple[int, ...]:
    return tuple(i for i, largest in enumerate(one.largest) if _lies_between(largest, limit.value, one.bound))


def _lies_between(largest: float | None, low: float | None, high: float | None) -> bool:
    return largest is not None and low is not None and largest > low and (high is None or largest <= high)


def _at(one: CleanRuns, place: int, generator: np.random.Generator) -> Limit | None:
    """Give the limit between the clean runs and an incident, None where nothing lies between."""
    largest, farthest = one.largest[place], float(one.levels.max())
    if largest is None or largest <= farthest or (one.bound is not None and len(one.levels) < FEW):
        return None
    low, high = (farthest + share * (largest - farthest) for share in _MIDDLE)
    written = (float(f"{(low + high) / 2:.{digits}g}") for digits in _DIGITS)
    value = next((one for one in written if low <= one <= high), None)
    return None if value is None else limit_at(one.levels, one.likely, one.noise, value, generator)
