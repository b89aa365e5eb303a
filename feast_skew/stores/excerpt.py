"""Asks Feast's retrieval about a few entities of a large Parquet file over the rows of these alone.

Feast's file store reads the whole file into memory whatever it is asked, several seconds for a few million rows. The answer
for an entity depends on its own rows only, so a copy of these, put in the place of the file, gives the same answer.
"""

from __future__ import annotations

import contextlib
import copy
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from feast import FeatureStore
from feast.infra.offline_stores.file_source import FileSource

from feast_skew.core.alignment import microseconds
from feast_skew.core.keys import KeyIndex, KeySet
from feast_skew.stores.parquet_batches import batches
from feast_skew.stores.parquet_files import local_file, open_parquet
from feast_skew.stores.rows import SourceColumns, offline_batch

FEWEST_ROWS = 200_000
"""A source of fewer rows is soon read."""
MOST_ENTITIES = 10_000


@contextlib.contextmanager
def excerpted(
    store: FeatureStore, source: FileSource, columns: SourceColumns, keys: KeySet, entities: pa.Table
) -> Iterator[FeatureStore]:
    """Give a store whose retrieval reads only the rows of some entities; the store itself where that could change an answer.

    It could where the source is no single local file, where entities are many, and where an entity has several rows at
    one instant: which of them training takes depends on how the whole file is read.
    """
    path = local_file(source, store.repo_path)
    if path is None or not keys.keys or entities.num_rows > MOST_ENTITIES:
        yield store
        return
    if pq.read_metadata(path).num_rows < FEWEST_ROWS:
        yield store
        return
    rows = _rows_of(store, source, columns, keys, entities)
    if rows is None:
        yield store
        return
    with tempfile.TemporaryDirectory(prefix="feast-skew-") as folder:
        pq.write_table(rows, Path(folder) / path.name)
        shown = copy.copy(store)
        shown._provider = _Elsewhere(store._get_provider(), Path(folder) / path.name)  # type: ignore[assignment]
        yield shown


def _rows_of(
    store: FeatureStore, source: FileSource, columns: SourceColumns, keys: KeySet, entities: pa.Table
) -> pa.Table | None:
    """Give all columns of the rows of some entities, in their order; None when two of them stand at one instant.

    A row with a null comes along for each column that has one: a column with nulls is read as another type by pandas.
    """
    dataset, where = open_parquet(source, store.repo_path)
    index = KeyIndex(entities)
    parts, found, instants = [], [], []
    with_null: set[str] = set()
    for table in batches(dataset, dataset.schema.names, where):
        batch = offline_batch(
            table.append_column(_PLACE, pa.array(np.arange(table.num_rows))), _placed(columns), keys, where
        )
        positions = batch.positions(index)
        here = positions >= 0
        found.append(positions[here])
        instants.append(microseconds(batch.instants[here]))
        taken = np.asarray(batch.values.column(_PLACE))[here]
        nulls = [name for name in table.column_names if name not in with_null and table.column(name).null_count]
        firsts = [int(np.argmax(np.asarray(table.column(name).is_null()))) for name in nulls]
        with_null.update(nulls)
        parts.append(table.take(pa.array(np.union1d(taken, np.array(firsts, dtype=np.int64)))))
    order = np.lexsort((np.concatenate(instants), np.concatenate(found)))
    of, at = np.concatenate(found)[order], np.concatenate(instants)[order]
    if ((of[1:] == of[:-1]) & (at[1:] == at[:-1])).any():
        return None
    return pa.concat_tables(parts)


_PLACE = "__feast_skew_place"


def _placed(columns: SourceColumns) -> SourceColumns:
    return SourceColumns(columns.keys, {_PLACE: _PLACE}, columns.timestamp, None)


class _Elsewhere:
    """A provider whose historical retrieval reads a file in the place of the source's own."""

    def __init__(self, provider: Any, path: Path) -> None:
        self._provider = provider
        self._path = path

    def get_historical_features(self, config: Any, feature_views: list[Any], *rest: Any, **options: Any) -> Any:
        """Ask with views over the file; see Feast's `Provider`."""
        moved = []
        for given in feature_views:
            view = copy.copy(given)
            view.batch_source = copy.deepcopy(given.batch_source)
            view.batch_source.file_options.uri = str(self._path)
            moved.append(view)
        return self._provider.get_historical_features(config, moved, *rest, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)
