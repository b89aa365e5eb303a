"""The ways in which one entity leads to another by its keys: the next one, keys in another order, a part of the key."""

from __future__ import annotations

from functools import cached_property
from itertools import combinations, permutations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from feast_skew.core.arrays import Positions
from feast_skew.core.codes import place
from feast_skew.core.columns import in_one_piece
from feast_skew.core.keys import KeyIndex

_MOST_KEYS = 4
"""Of more keys neither all orders nor all parts are tried."""


class EntityMaps:
    """Answers which entity of a table another one leads to; the table has at least one column of keys, none of them null.

    Answers are positions of entities, one per entity, -1 where there is none.
    """

    def __init__(self, entities: pa.Table) -> None:
        self.entities = entities
        self.size = entities.num_rows

    @cached_property
    def rank(self) -> Positions:
        """The place of each entity in the order of the keys."""
        rank = np.empty(self.size, dtype=np.int64)
        rank[self._order] = np.arange(self.size)
        return rank

    @cached_property
    def _order(self) -> Positions:
        columns = self.entities.rename_columns([str(i) for i in range(self.entities.num_columns)])
        keys = [(name, "ascending") for name in columns.column_names]
        return np.asarray(pc.sort_indices(columns, sort_keys=keys), dtype=np.int64)

    @cached_property
    def numbers(self) -> NDArray[np.int64] | None:
        """The ids, where they are whole numbers; None for composite and other keys."""
        column = in_one_piece(self.entities.column(0))
        if self.entities.num_columns > 1 or not pa.types.is_integer(column.type) or pa.types.is_uint64(column.type):
            return None
        return np.asarray(column.cast(pa.int64()))

    def following(self, shift: int) -> Positions:
        """Give the entity so many places further on in the order of the keys."""
        place_there = self.rank + shift
        inside = (place_there >= 0) & (place_there < self.size)
        return np.where(inside, self._order[np.clip(place_there, 0, self.size - 1)], -1)

    def with_id(self, distance: int) -> Positions:
        """Give the entity whose id is larger by a distance; none where the ids are no numbers."""
        ids = self.numbers
        if ids is None:
            return np.full(self.size, -1, dtype=np.int64)
        found = place(ids[self._order], ids + distance)
        return np.where(found >= 0, self._order[found], -1)

    @cached_property
    def orders(self) -> dict[tuple[str, ...], Positions]:
        """The entity whose keys are the same values in another order, by the names in that order."""
        names = self.entities.column_names
        if not 1 < len(names) <= _MOST_KEYS:
            return {}
        index, found = KeyIndex(self.entities), {}
        for order in permutations(names):
            columns = [self.entities.column(name) for name in order]
            fits = all(
                column.type == self.entities.column(name).type for name, column in zip(names, columns, strict=True)
            )
            if fits and list(order) != names:
                found[order] = index.positions(pa.table(columns, names=names))
        return found

    @cached_property
    def parts(self) -> dict[tuple[str, ...], NDArray[np.int64]]:
        """The number of the group of each entity that has the same values of some of the keys, by the names of these."""
        names = self.entities.column_names
        if not 1 < len(names) <= _MOST_KEYS:
            return {}
        codes = {
            name: np.asarray(in_one_piece(self.entities.column(name)).dictionary_encode().indices, dtype=np.int64)
            for name in names
        }
        found = {}
        for size in range(1, len(names)):
            for part in combinations(names, size):
                groups = np.zeros(self.size, dtype=np.int64)
                for name in part:
                    both = groups * (int(codes[name].max(initial=0)) + 1) + codes[name]
                    groups = np.unique(both, return_inverse=True)[1].reshape(-1)
                found[part] = groups
        return found
