"""Which entity each row of a source belongs to and when: found in one pass, and remembered for the next ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from feast_skew.core.arrays import Instants
from feast_skew.core.columns import bare_rows
from feast_skew.core.model import ViewPlan
from feast_skew.core.numbering import number_rows
from feast_skew.stores.base import Located, OfflineBatch

MOST_ROWS = 16_000_000
"""Larger sources are read anew in every pass: a row that is remembered takes 12 bytes."""
_BATCH_ROWS = 262_144

Stamp = tuple[tuple[str, int, int], ...]


def stamp_of(dataset: ds.Dataset) -> Stamp | None:
    """Give what changes when a file of a dataset is written anew: names, sizes and times; None where that is not known."""
    found = []
    for info in dataset.filesystem.get_file_info(dataset.files):
        if info.mtime_ns is None or info.size is None:
            return None
        found.append((info.path, info.size, info.mtime_ns))
    return tuple(found)


@dataclass(frozen=True)
class NumberedRows:
    """The rows of a source that have a whole key and an instant, in their order; `stamp` tells of which state of it."""

    stamp: Stamp
    entities: pa.Table
    positions: np.ndarray
    instants: Instants
    null_keys: int

    @classmethod
    def of(cls, batches: Iterator[OfflineBatch], schema: pa.Schema, stamp: Stamp) -> NumberedRows:
        """Take the keys and instants of all rows."""
        keys, instants, null_keys = [schema.empty_table()], [np.empty(0, dtype=np.int64)], 0
        for batch in batches:
            keys.append(batch.keys)
            instants.append(batch.instants)
            null_keys += batch.null_keys
        entities, positions = number_rows(pa.concat_tables(keys))
        return cls(stamp, entities, positions.astype(np.int32), np.concatenate(instants), null_keys)

    def batches(self) -> Iterator[OfflineBatch]:
        """Yield the rows without values; the first batch counts the rows that were left out."""
        for start in range(0, max(1, len(self.instants)), _BATCH_ROWS):
            part = slice(start, start + _BATCH_ROWS)
            located = Located(self.entities, self.positions[part])
            values = bare_rows(len(located.positions))
            yield OfflineBatch(None, self.instants[part], None, values, 0 if start else self.null_keys, located)

    def locate(self, batches: Iterator[OfflineBatch]) -> Iterator[OfflineBatch]:
        """Yield batches of another pass with the places of their entities, as long as the rows are those of the first pass."""
        start = 0
        for batch in batches:
            part = slice(start, start + len(batch.instants))
            start = part.stop
            if np.array_equal(batch.instants, self.instants[part]):
                yield replace(batch, located=Located(self.entities, self.positions[part]))
            else:
                yield batch


class RememberedViews:
    """The numbered rows of views, the last ones of them, while their files stay what they are."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[object, NumberedRows]] = {}

    def rows(self, view: ViewPlan, dataset: ds.Dataset, batches: Iterator[OfflineBatch]) -> NumberedRows | None:
        """Give the rows of a view from memory, or else from its batches; None for a source that is too large."""
        stamp = stamp_of(dataset)
        handle, held = self._held.pop(view.name, (None, None))
        if held is None or handle is not view.handle or held.stamp != stamp:
            count = dataset.count_rows()
            if stamp is None or count > MOST_ROWS:
                return None
            while self._held and count + sum(len(rows.instants) for _, rows in self._held.values()) > MOST_ROWS:
                del self._held[next(iter(self._held))]
            held = NumberedRows.of(batches, view.keys.schema, stamp)
        self._held[view.name] = (view.handle, held)  # at the end: the one asked for last goes last
        return held
