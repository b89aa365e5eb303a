"""The offline rows of one partition, put on the executor's disk as they come, since they are gone through more than once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from feast_skew.core.keys import KeyIndex
from feast_skew.core.model import FeaturePlan, SourceVersion, ViewPlan
from feast_skew.engines.spark.columns import unpacked_keys
from feast_skew.engines.spark.declared_rows import DeclaredRows
from feast_skew.stores.base import Located, OfflineBatch


class SpooledRows(DeclaredRows):
    """Blocks of offline rows in a file, given in the order of their source; has the port `stores.base.RowSource`.

    Memory holds a block at a time however many rows an entity has. `index` finds the entities of the partition once it is set.
    """

    def __init__(self, schema: pa.Schema, *, gives_all_ties: bool) -> None:
        self._schema = schema
        # Spark removes its own folders also when it kills a task.
        within = os.environ.get("SPARK_LOCAL_DIRS", "").partition(",")[0]
        self._folder = tempfile.TemporaryDirectory(prefix="feast-skew-", dir=within or None)
        self._path = Path(self._folder.name) / "rows"
        self._writer: BinaryIO = self._path.open("wb")
        self._blocks: list[tuple[int, int, int]] = []
        self._size = 0
        self.index: KeyIndex | None = None
        self.gives_all_ties = gives_all_ties

    def add(self, first: int, block: pa.Buffer) -> None:
        """Take a block, which stands at some place in its source."""
        self._writer.write(block)
        self._blocks.append((first, self._size, block.size))
        self._size += block.size

    def scan(self, view: ViewPlan, features: Sequence[FeaturePlan]) -> Iterator[OfflineBatch]:
        """Yield the rows of the entities of this partition; see `RowSource.scan`."""
        assert self.index is not None  # noqa: S101  the entities come before the rows are asked for
        self._writer.flush()
        if not self._size:
            return
        with pa.memory_map(str(self._path)) as source:
            for _, start, size in sorted(self._blocks):
                source.seek(start)
                message = pa.ipc.read_message(source.read_buffer(size))
                whole = pa.Table.from_batches([pa.ipc.read_record_batch(message, self._schema)])
                positions = self.index.positions(unpacked_keys(whole, view.keys))
                known = positions >= 0
                table = whole if known.all() else whole.filter(pa.array(known)).combine_chunks()
                yield self.batch(view, features, table, located=Located(self.index.entities, positions[known]))

    def earlier(self, view: ViewPlan, version: SourceVersion) -> ViewPlan | None:
        """Give nothing: the rows are of one definition."""
        del view, version
        return None

    def close(self) -> None:
        """Remove the file."""
        self._writer.close()
        self._folder.cleanup()
