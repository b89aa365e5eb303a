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

_MOST_SORTED = 3
"""By more keys entities are sorted in the given order only."""


class EntityMaps:
    """Answers which entity of a table another one leads to; the table has at least one column of keys, none of them null.

    Answers are positions of entities, one per entity that was asked for, -1 where there is none.
    """

    def __init__(self, entities: pa.Table) -> None:
        self.entities = entities
        self.size = entities.num_rows
        self._sorted: dict[tuple[str, ...], tuple[Positions, Positions]] = {}

    @cached_property
    def sorts(self) -> list[tuple[str, ...]]:
        """The orders of the key columns by which entities may be sorted, by their names, the given one first."""
        names = tuple(self.entities.column_names)
        return list(permutations(names)) if len(names) <= _MOST_SORTED else [names]

    def sorted_by(self, names: tuple[str, ...]) -> tuple[Positions, Positions]:
        """Give the place of each entity in the order of these key columns, and the entity at each place."""
        if names not in self._sorted:
            at = np.lexsort([self._codes[name] for name in reversed(names)])
            rank = np.empty(self.size, dtype=np.int64)
            rank[at] = np.arange(self.size)
            self._sorted[names] = rank, at
        return self._sorted[names]

    @cached_property
    def _codes(self) -> dict[str, NDArray[np.int64]]:
        """The values of each key column as codes that are in the order of the values."""
        found = {}
        for name in self.entities.column_names:
            coded = in_one_piece(self.entities.column(name)).dictionary_encode()
            rank = np.empty(len(coded.dictionary), dtype=np.int64)
            rank[np.asarray(pc.sort_indices(coded.dictionary), dtype=np.int64)] = np.arange(len(rank))
            found[name] = rank[np.asarray(coded.indices, dtype=np.int64)]
        return found

    @cached_property
    def numbers(self) -> NDArray[np.int64] | None:
        """The ids, where they are whole numbers; None for composite and other keys."""
        column = in_one_piece(self.entities.column(0))
        if self.entities.num_columns > 1 or not pa.types.is_integer(column.type) or pa.types.is_uint64(column.type):
            return None
        return np.asarray(column.cast(pa.int64()))

    def following(self, entities: Positions, shift: int, names: tuple[str, ...]) -> Positions:
        """Give for some entities the one so many places further on in the order of these key columns."""
        rank, at = self.sorted_by(names)
        there = rank[entities] + shift
        inside = (there >= 0) & (there < self.size)
        return np.where(inside, at[np.clip(there, 0, self.size - 1)], -1)

    def with_id(self, entities: Positions, distance: int) -> Positions:
        """Give for some entities the one whose id is larger by a distance; none where the ids are no numbers."""
        ids = self.numbers
        if ids is None:
            return np.full(len(entities), -1, dtype=np.int64)
        _, at = self.sorted_by(self.sorts[0])
        found = place(ids[at], ids[entities] + distance)
        return np.where(found >= 0, at[found], -1)

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
        codes, found = self._codes, {}
        for size in range(1, len(names)):
            for part in combinations(names, size):
                groups = np.zeros(self.size, dtype=np.int64)
                for name in part:
                    both = groups * (int(codes[name].max(initial=0)) + 1) + codes[name]
                    groups = np.unique(both, return_inverse=True)[1].reshape(-1)
                found[part] = groups
        return found
