"""Reads the events that features are declared to be computed from, also out of the sources of a Feast registry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from feast import FeatureStore
from feast.data_source import DataSource
from feast.infra.offline_stores.file_source import FileSource

from feast_skew.core.definition import Definition
from feast_skew.core.model import ViewPlan
from feast_skew.stores.event_files import MOST_EVENTS, EventFiles, Tables, event_columns
from feast_skew.stores.feast_offline import FeastOfflineReader
from feast_skew.stores.parquet_batches import batches
from feast_skew.stores.parquet_files import is_parquet, open_parquet


class FeastEvents(EventFiles):
    """Takes the name of a source of the registry for that source, and anything else for a path in the repository."""

    def __init__(self, store: FeatureStore, offline: FeastOfflineReader, most: int = MOST_EVENTS) -> None:
        super().__init__(Path(store.repo_path), most)
        self._store = store
        self._offline = offline

    def _tables(self, view: ViewPlan, definition: Definition, values: Sequence[str], entities: pa.Table) -> Tables:
        source = self._source(definition.events)
        if source is None:
            yield from super()._tables(view, definition, values, entities)
            return
        if is_parquet(source):
            dataset, where = open_parquet(source, self._store.repo_path)
            columns = event_columns(definition, values, dataset.schema.names)
            for table in batches(dataset, columns.needed(), where):
                yield table, columns
            return
        # Not every store says beforehand which columns it has.
        columns = event_columns(definition, values, [*definition.columns, *values])
        table = self._offline.pull(source, columns, entities, self._most)
        columns.check(table.column_names, definition.events)
        yield table, columns

    def _source(self, name: str) -> DataSource | None:
        """Give what is to be read through Feast: a source of the registry, or a file elsewhere than on this machine."""
        for source in self._store.registry.list_data_sources(self._store.project, allow_cache=True):
            if source.name == name:
                batch: DataSource | None = getattr(source, "batch_source", None)
                return batch or source
        return FileSource(path=name) if "://" in name else None
