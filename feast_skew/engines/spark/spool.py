"""The offline rows of one partition, put on the executor's disk as they come, since they are gone through more than once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.columns import bare_rows, in_one_piece
from feast_skew.core.model import FeaturePlan, SourceVersion, ViewPlan
from feast_skew.engines.spark.columns import unpacked
from feast_skew.stores.base import Located, OfflineBatch

_POSITION = "position"


class SpooledRows:
    """Offline rows of known entities, in a file; has the port `stores.base.RowSource`.

    Memory holds a batch at a time however many rows an entity has.
    """

    def __init__(self, entities: pa.Table, schema: pa.Schema, *, gives_all_ties: bool) -> None:
        self.entities = entities
        self._folder = tempfile.TemporaryDirectory(prefix="feast-skew-")
        self._path = str(Path(self._folder.name) / "rows.arrow")
        kept = [field for field in schema if field.name.startswith(("ts", "created", "off"))]
        self._schema = pa.schema([pa.field(_POSITION, pa.int64()), *kept])
        self._writer: pa.ipc.RecordBatchFileWriter | None = pa.ipc.new_file(self._path, self._schema)
        self.gives_all_ties = gives_all_ties

    def add(self, rows: pa.Table, positions: np.ndarray) -> None:
        """Take rows: the positions of their entities, -1 for those of others, which are left out."""
        assert self._writer is not None  # noqa: S101  rows come before they are read
        known = positions >= 0
        if not known.any():
            return
        columns = [rows.column(name) for name in self._schema.names[1:]]
        table = pa.table([pa.array(positions), *columns], schema=self._schema)
        self._writer.write_table(table if known.all() else table.filter(pa.array(known)))

    def scan(self, view: ViewPlan, features: Sequence[FeaturePlan]) -> Iterator[OfflineBatch]:
        """Yield all rows; see `RowSource.scan`."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        numbers = {feature.name: i for i, feature in enumerate(view.features)}
        with pa.memory_map(self._path) as source:
            reader = pa.ipc.open_file(source)
            for number in range(reader.num_record_batches):
                table = pa.Table.from_batches([reader.get_batch(number)])
                values = {f.name: unpacked(f"off{numbers[f.name]}", table, f.declared) for f in features}
                created = in_one_piece(table.column("created"))
                yield OfflineBatch(
                    None,
                    np.asarray(table.column("ts")),
                    None if created.null_count == len(created) else np.asarray(pc.fill_null(created, 0)),
                    pa.table(values) if values else bare_rows(table.num_rows),
                    located=Located(self.entities, np.asarray(table.column(_POSITION))),
                )

    def row_count(self, view: ViewPlan) -> int | None:
        """Tell nothing: nobody watches."""
        del view
        return None

    def declare(self, feature: FeaturePlan, values: pa.ChunkedArray) -> pa.Array:
        """Give the values, which came in their declared type."""
        del feature
        return in_one_piece(values)

    def earlier(self, view: ViewPlan, version: SourceVersion) -> ViewPlan | None:
        """Give nothing: the rows are of one definition."""
        del view, version
        return None

    def close(self) -> None:
        """Remove the file."""
        if self._writer is not None:
            self._writer.close()
        self._folder.cleanup()
