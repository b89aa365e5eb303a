"""How many pairs go from which bin offline to which bin online."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from feast_skew.statistics.binning import CategoryBins, NumericBins
from feast_skew.statistics.pairs import NumberPairs, Pairs
from feast_skew.statistics.states.base import Bins, State, state

Table = NDArray[np.int64]


def _no_table() -> Table:
    return np.zeros((0, 0), dtype=np.int64)


@state("paired_bins")
@dataclass(frozen=True, eq=False)
class PairedBins(State):
    """Counts of pairs, shape (bins, bins): rows are bins of the offline value, columns of the online value."""

    table: Table = field(default_factory=_no_table)

    @classmethod
    def zero(cls, bins: Bins) -> PairedBins:
        """Give the table of no pairs."""
        return cls(np.zeros((bins.size, bins.size), dtype=np.int64))

    @classmethod
    def of(cls, pairs: Pairs, bins: Bins) -> PairedBins:
        """Count the pairs by their bins; values that are identical are put into their bin once."""
        if isinstance(pairs, NumberPairs):
            assert isinstance(bins, NumericBins)  # noqa: S101  for the type checker
            offline = bins.assign(pairs.offline, pairs.known_offline)
            moved = (pairs.offline != pairs.online) | (pairs.known_offline != pairs.known_online)
            online = offline
            if moved.any():
                online = offline.copy()
                online[moved] = bins.assign(pairs.online[moved], pairs.known_online[moved])
        else:
            assert isinstance(bins, CategoryBins)  # noqa: S101  for the type checker
            ids = np.append(bins.assign(pairs.labels), bins.null_id)
            offline, online = ids[pairs.offline], ids[pairs.online]
        flat = np.bincount(offline * bins.size + online, minlength=bins.size * bins.size)
        return cls(flat.reshape(bins.size, bins.size).astype(np.int64))

    def __add__(self, other: PairedBins) -> PairedBins:
        if self.table.shape != other.table.shape:
            raise ValueError(f"tables of {self.table.shape} and {other.table.shape} bins cannot be added")
        return PairedBins(self.table + other.table)
