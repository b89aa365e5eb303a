"""The offline rows that are to be written, as their source stores them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from feast_skew.core.alignment import NO_INSTANT, microseconds
from feast_skew.core.arrays import Instants, Mask, Positions
from feast_skew.core.keys import KeyIndex
from feast_skew.core.model import ViewPlan
from feast_skew.stores.base import RowSource


@dataclass(frozen=True)
class SourceRows:
    """Rows at the wanted instant of their entity, of those written again the newest; in the order of `positions`, those of the entities.

    An entity has several where none of them is newer than the others. `values` holds the columns as the source has them.
    """

    positions: Positions
    values: pa.Table

    def of(self, start: int, stop: int) -> tuple[Positions, pa.Table]:
        """Give the rows of the entities at positions from `start` up to `stop`."""
        first, last = np.searchsorted(self.positions, [start, stop])
        return self.positions[first:last], self.values.slice(int(first), int(last - first))


def find_rows(
    view: ViewPlan, index: KeyIndex, wanted: Instants, offline: RowSource, advance: Callable[[int], None]
) -> SourceRows:
    """Find the rows of all features of a view at one instant per entity of an index, `NO_INSTANT` for none.

    Raises
    ------
    SourceUnreadable
        When the source is missing, or lacks the column of a feature.
    """
    wanted = microseconds(wanted)
    positions, created, tables = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)], []
    for batch in offline.scan(view, view.features):
        place = batch.positions(index)
        hit = place >= 0
        hit[hit] = wanted[place[hit]] == microseconds(batch.instants[hit])
        if hit.any():
            positions.append(place[hit])
            created.append(np.zeros(int(hit.sum()), dtype=np.int64) if batch.created is None else batch.created[hit])
            tables.append(batch.values.filter(pa.array(hit)))
        advance(len(batch.instants))
    if not tables:
        return SourceRows(positions[0], pa.table({}))
    place, written = np.concatenate(positions), np.concatenate(created)
    order = np.lexsort((written, place))
    order = order[_newest(place[order], written[order], len(wanted))]
    return SourceRows(place[order], pa.concat_tables(tables, promote_options="permissive").take(pa.array(order)))


def _newest(positions: Positions, created: Instants, size: int) -> Mask:
    last = np.full(size, NO_INSTANT, dtype=np.int64)
    np.maximum.at(last, positions, created)
    newest: Mask = created == last[positions]
    return newest
