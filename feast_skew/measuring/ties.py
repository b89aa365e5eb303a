"""Which of several newest rows of one instant a value is taken from, for stores of which training gets all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.columns import put
from feast_skew.core.equality import equal_or_null
from feast_skew.core.model import FeaturePlan


@dataclass
class TiedRows:
    """The newest rows of entities that have several which differ: the position of the entity of each, and the values."""

    positions: Positions
    columns: dict[str, pa.Array]

    def settle(
        self,
        held: dict[str, pa.Array],
        features: Sequence[FeaturePlan],
        online: Mapping[str, pa.Array] | None = None,
        among: Mask | None = None,
    ) -> None:
        """Put one value of each entity into `held`, whatever the order in which a store gave the rows.

        By feature it is the value that `online` has, for the entities `among`, when one of the rows has it: the model has
        learnt from that row too. Else it is the smallest one, a null only where all are.
        """
        for feature in features:
            values = self.columns[feature.name]
            served = np.zeros(len(values), dtype=bool)
            if online is not None and among is not None:
                theirs = online[feature.name].take(pa.array(self.positions))
                served = equal_or_null(values, theirs, feature.tolerance, feature.declared.kind)
                served &= among[self.positions]
            order = np.lexsort((_ranks(values), ~served, self.positions))
            positions = self.positions[order]
            first = np.append(True, positions[1:] != positions[:-1])
            taken = values.take(pa.array(order[first]))
            held[feature.name] = put(held[feature.name], positions[first], taken)


def _ranks(values: pa.Array) -> np.ndarray:
    """Give the rank of each value, nulls last."""
    if pa.types.is_list(values.type):  # Arrow has no order of lists; there are only those of a few rows
        values = pa.array([None if value is None else repr(value) for value in values.to_pylist()], pa.string())
    order = np.asarray(pc.sort_indices(values))
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[order] = np.arange(len(values))
    return ranks
