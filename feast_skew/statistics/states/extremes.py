"""The smallest and largest values of either side, and the largest difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feast_skew.statistics.pairs import Floats, NumberPairs
from feast_skew.statistics.states.base import Bins, State, state


@state("extremes")
@dataclass(frozen=True, eq=False)
class Extremes(State):
    """Least and largest values, infinities included, in the unit of the feature; None where there is none.

    `fall` and `rise` are the least and the largest of online minus offline over the pairs of finite values; infinite where
    floating point cannot hold the difference.
    """

    categories = False

    least_offline: float | None = None
    most_offline: float | None = None
    least_online: float | None = None
    most_online: float | None = None
    fall: float | None = None
    rise: float | None = None

    @classmethod
    def of(cls, pairs: NumberPairs, bins: Bins) -> Extremes:
        """Find the extremes of the pairs."""
        del bins
        differences = difference(pairs)
        return cls(
            *_ends(pairs.offline[pairs.known_offline]),
            *_ends(pairs.online[pairs.known_online]),
            *_ends(differences[~np.isnan(differences)]),
        )

    def __add__(self, other: Extremes) -> Extremes:
        return Extremes(
            _better(min, self.least_offline, other.least_offline),
            _better(max, self.most_offline, other.most_offline),
            _better(min, self.least_online, other.least_online),
            _better(max, self.most_online, other.most_online),
            _better(min, self.fall, other.fall),
            _better(max, self.rise, other.rise),
        )


def difference(pairs: NumberPairs) -> Floats:
    """Give online minus offline per pair, NaN where a side is null or infinite; shape (pairs,)."""
    with np.errstate(invalid="ignore", over="ignore"):
        found = pairs.online - pairs.offline
        if pairs.online_rest is not None or pairs.offline_rest is not None:
            found = found + (_or_zero(pairs.online_rest) - _or_zero(pairs.offline_rest))
    finite = np.isfinite(pairs.offline) & np.isfinite(pairs.online) & pairs.known_offline & pairs.known_online
    return found if finite.all() else np.where(finite, found, np.nan)


def _or_zero(rest: Floats | None) -> Floats | float:
    return 0.0 if rest is None else rest


def _ends(values: Floats) -> tuple[float | None, float | None]:
    if not values.size:
        return None, None
    return float(values.min()) + 0.0, float(values.max()) + 0.0


def _better(choose: object, one: float | None, other: float | None) -> float | None:
    found = [value for value in (one, other) if value is not None]
    return choose(found) if found else None  # type: ignore[operator]
