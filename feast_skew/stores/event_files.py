"""Reads the events that features are declared to be computed from out of Parquet and CSV files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds

from feast_skew.core.definition import Definition
from feast_skew.core.keys import KeyIndex, KeySet
from feast_skew.core.model import ViewPlan
from feast_skew.core.types import Kind
from feast_skew.errors import SourceUnreadable, TooMuchData
from feast_skew.stores.base import EventRows
from feast_skew.stores.parquet_batches import batches
from feast_skew.stores.rows import SourceColumns, offline_batch

MOST_EVENTS = 10_000_000
"""Events of the drawn entities that are held: with what they are recomputed by, they take about 200 bytes each."""

Tables = Iterator[tuple[pa.Table, SourceColumns]]


class EventFiles:
    """Reads events a batch at a time and keeps those of the entities that are asked for; relative paths start at `base`."""

    def __init__(self, base: Path, most: int = MOST_EVENTS) -> None:
        self._base = base
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
        for table, columns in self._tables(view, definition, values, index.entities):
            batch = offline_batch(table, columns, view.keys, definition.events)
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
        if not kept:
            raise SourceUnreadable(
                f"{definition.events} holds no event of a compared entity", hint="look at its key columns"
            )
        return EventRows(
            np.concatenate([part.positions for part in parts]),
            np.concatenate([part.instants for part in parts]),
            None if parts[0].created is None else np.concatenate([p.created for p in parts if p.created is not None]),
            pa.concat_tables([part.values for part in parts], promote_options="permissive"),
            naive,
            broken,
        )

    def _tables(self, view: ViewPlan, definition: Definition, values: Sequence[str], entities: pa.Table) -> Tables:
        """Yield the events as they are stored, and how they name what is needed; `entities` are the wanted ones."""
        del entities
        where = definition.events
        path = self._base / Path(where).expanduser()
        if not path.exists():
            raise SourceUnreadable(f"{where} does not exist", hint="write the file, or correct the path")
        if path.suffix.lower() == ".csv":
            for table in _csv_tables(path, view.keys, definition):
                yield table, event_columns(definition, values, table.column_names)
            return
        try:
            dataset = ds.dataset(path, format="parquet", partitioning="hive")
        except (pa.ArrowInvalid, OSError) as error:
            raise SourceUnreadable(
                f"{where} cannot be read as Parquet", hint=" ".join(str(error).split())[:200]
            ) from error
        columns = event_columns(definition, values, dataset.schema.names)
        for table in batches(dataset, columns.needed(), where):
            yield table, columns


def event_columns(definition: Definition, values: Sequence[str], available: Sequence[str]) -> SourceColumns:
    """Name the columns to read: of the values those that are there, as another feature may lack its own.

    Raises
    ------
    SourceUnreadable
        When a key or a timestamp is missing.
    """
    present = {name: name for name in values if name in available}
    columns = SourceColumns(dict(definition.keys), present, definition.timestamp, definition.created)
    columns.check(available, definition.events)
    return columns


def _csv_tables(path: Path, keys: KeySet, definition: Definition) -> Iterator[pa.Table]:
    """Yield the rows of a CSV file; keys that are declared as text stay as they are spelt."""
    names = dict(definition.keys)
    texts = {names[key.name]: pa.string() for key in keys.keys if key.declared.kind is Kind.STRING}
    options = pyarrow.csv.ConvertOptions(column_types=texts)
    try:
        with pyarrow.csv.open_csv(path, convert_options=options) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceUnreadable(
            f"{definition.events} cannot be read as CSV", hint=" ".join(str(error).split())[:200]
        ) from error
