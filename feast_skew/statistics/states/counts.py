"""How many pairs match, differ, or are null."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from feast_skew.statistics.pairs import NumberPairs, Pairs
from feast_skew.statistics.states.base import Bins, State, state


@state("counts")
@dataclass(frozen=True, eq=False)
class Counts(State):
    """Pairs by what the two sides hold; `match` to `null_both` add up to `rows`, infinities are counted beside."""

    rows: int = 0
    match: int = 0
    mismatch: int = 0
    null_offline: int = 0
    null_online: int = 0
    null_both: int = 0
    infinite_offline: int = 0
    infinite_online: int = 0

    @classmethod
    def of(cls, pairs: Pairs, bins: Bins) -> Counts:
        """Count the pairs."""
        del bins
        off, on = pairs.known_offline, pairs.known_online
        known_off, known_on, both = (int(np.count_nonzero(mask)) for mask in (off, on, off & on))
        match = int(np.count_nonzero(pairs.same & off & on))
        infinite = (0, 0)
        if isinstance(pairs, NumberPairs):
            sides = ((off, pairs.offline), (on, pairs.online))
            infinite = tuple(int(np.count_nonzero(known & np.isinf(values))) for known, values in sides)  # type: ignore[assignment]
        rows = len(pairs)
        return cls(
            rows, match, both - match, known_on - both, known_off - both, rows - known_off - known_on + both, *infinite
        )

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def known_offline(self) -> int:
        """Pairs with a value offline."""
        return self.match + self.mismatch + self.null_online

    @property
    def known_online(self) -> int:
        """Pairs with a value online."""
        return self.match + self.mismatch + self.null_offline
