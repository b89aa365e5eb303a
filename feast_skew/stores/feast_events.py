"""Reads the events that features are declared to be computed from: a file of the repository, or a source of its registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from feast import FeatureStore
from feast.data_source import DataSource
from feast.infra.offline_stores.file_source import FileSource

from feast_skew.core.definition import Definition
from feast_skew.core.keys import KeyIndex, KeySet
from feast_skew.core.model import ViewPlan
from feast_skew.core.types import Kind
from feast_skew.errors import SourceUnreadable, TooMuchData
from feast_skew.stores.base import EventRows
from feast_skew.stores.feast_offline import FeastOfflineReader
from feast_skew.stores.parquet_files import batches, is_parquet, open_parquet
from feast_skew.stores.rows import SourceColumns, offline_batch

MOST_EVENTS = 20_000_000
"""Events of the drawn entities that are held: with what they are recomputed by, they take about 100 bytes each."""


class FeastEvents:
    """Reads events a batch at a time and keeps those of the entities that are asked for."""

    def __init__(self, store: FeatureStore, offline: FeastOfflineReader, most: int = MOST_EVENTS) -> None:
        self._store = store
        self._offline = offline
        self._most = most

    def read(
        self,
        view: ViewPlan,
        definition: Definition,
        values: Sequence[str],
        index: KeyIndex,
        advance: Callable[[int], None],
    ) -> EventRows:
        """Give the events of the entities of an index; see `EventSource.read`."""
        parts: list[EventRows] = []
        kept = broken = 0
        naive = False
        for table, columns, where in self._tables(view, definition, values, index.entities):
            batch = offline_batch(table, columns, view.keys, where)
            naive |= getattr(table.schema.field(columns.timestamp).type, "tz", None) is None
            broken += table.num_rows - len(batch.instants)
            positions = batch.positions(index)
            mine = positions >= 0
            created = None if batch.created is None else batch.created[mine]
            parts.append(EventRows(positions[mine], batch.instants[mine], created, batch.values.filter(pa.array(mine))))
            kept += len(parts[-1].positions)
            advance(table.num_rows)
            if kept > self._most:
                raise TooMuchData(
                    f"{definition.events}: the compared entities have more than {self._most:,} events",
                    hint="compare fewer entities with --sample",
                )
        if not parts:
            raise SourceUnreadable(f"{definition.events} holds no event", hint="write some, or correct the path")
        return EventRows(
            np.concatenate([part.positions for part in parts]),
            np.concatenate([part.instants for part in parts]),
            None if parts[0].created is None else np.concatenate([p.created for p in parts if p.created is not None]),
            pa.concat_tables([part.values for part in parts], promote_options="permissive"),
            naive,
            broken,
        )

    def _tables(
        self, view: ViewPlan, definition: Definition, values: Sequence[str], entities: pa.Table
    ) -> Iterator[tuple[pa.Table, SourceColumns, str]]:
        """Yield the events as they are stored, how they name what is needed, and what to call them in messages."""
        source = self._registered(definition.events)
        where = definition.events
        if source is None and definition.events.lower().endswith(".csv"):
            for table in _csv_tables(self._path(definition.events), view.keys, definition, where):
                yield table, _columns(definition, values, table.column_names, where), where
            return
        source = source or FileSource(path=definition.events)
        if is_parquet(source):
            dataset, _ = open_parquet(source, self._store.repo_path)
            columns = _columns(definition, values, dataset.schema.names, where)
            for table in batches(dataset, columns.needed(), where):
                yield table, columns, where
            return
        # Not every store says beforehand which columns it has.
        columns = _columns(definition, values, [*definition.columns, *values], where)
        table = self._offline.pull(source, columns, entities, self._most)
        columns.check(table.column_names, where)
        yield table, columns, where

    def _registered(self, name: str) -> DataSource | None:
        """Give the source of that name in the registry; None for a path."""
        for source in self._store.registry.list_data_sources(self._store.project, allow_cache=True):
            if source.name == name:
                batch: DataSource | None = getattr(source, "batch_source", None)
                return batch or source
        return None

    def _path(self, events: str) -> Path:
        # A relative path is one in the repository, from wherever the run was started.
        path = Path(events).expanduser()
        return path if path.is_absolute() or self._store.repo_path is None else Path(self._store.repo_path) / path


def _columns(definition: Definition, values: Sequence[str], available: Sequence[str], where: str) -> SourceColumns:
    """Name the columns to read: of the values those that are there, as another feature may lack its own."""
    columns = SourceColumns(
        dict(definition.keys),
        {name: name for name in values if name in available},
        definition.timestamp,
        definition.created,
    )
    columns.check(available, where)
    return columns


def _csv_tables(path: Path, keys: KeySet, definition: Definition, where: str) -> Iterator[pa.Table]:
    """Yield the rows of a CSV file; keys that are declared as text stay as they are spelt."""
    if not path.is_file():
        raise SourceUnreadable(f"{where} does not exist", hint="write the file, or correct the path in the definition")
    columns = dict(definition.keys)
    texts = {columns[key.name]: pa.string() for key in keys.keys if key.declared.kind is Kind.STRING}
    options = pyarrow.csv.ConvertOptions(column_types=texts)
    try:
        with pyarrow.csv.open_csv(path, convert_options=options) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceUnreadable(f"{where} cannot be read", hint=" ".join(str(error).split())[:200]) from error
