"""Tasks that find entities: how often each stands in the source of a view, then one row for each, with its place in a sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.keys import KeySet, key_hashes
from feast_skew.engines.spark.columns import as_place, batch_of, key_names, unpacked_keys
from feast_skew.engines.spark.failures import telling
from feast_skew.engines.spark.plans import EXCHANGED, counted_schema
from feast_skew.engines.spark.tasks.batches import (
    BLOCK,
    EXCHANGED_AT_ONCE,
    Batches,
    block_row,
    blocks,
    cut,
    received,
    rows_of,
)
from feast_skew.measuring.entity_order import entity_order


@dataclass(frozen=True)
class Counting:
    """Counts the rows of each entity in the source of one of several views, and sends the counts on their way."""

    keys: KeySet
    view: int
    as_of: int
    buckets: tuple[int, ...]

    def __call__(self, batches: Batches) -> Batches:
        """Give blocks of counts, each of entities of one bucket; rows with a null in their key count as one entity."""
        schema = counted_schema(self.keys, 1)
        for table in blocks(batches, EXCHANGED_AT_ONCE):
            instants, real = np.asarray(pc.fill_null(table.column("ts"), 0)), pc.is_valid(table.column("ts"))
            columns: dict[str, Any] = {name: table.column(name) for name in ("key", *key_names(self.keys))}
            columns["rows0"] = np.ones(table.num_rows, dtype=np.int64)
            columns["known0"] = (instants <= self.as_of) & np.asarray(real)
            columns["later0"] = (instants > self.as_of) & np.asarray(real)
            counted = _together([pa.Table.from_batches([batch_of(columns, schema, table.num_rows)])], schema)
            order = np.zeros(counted.num_rows, dtype=np.uint64)
            somebody = pc.is_valid(counted.column("key"))
            order[np.asarray(somebody)] = entity_order(unpacked_keys(counted.filter(somebody), self.keys))
            for bucket, block in cut(counted, order, self.buckets):
                yield block_row({"bucket": bucket, "side": self.view, "first": -1}, block, EXCHANGED)


@telling
def gathered(batches: Batches, keys: KeySet, views: int, seed: int) -> Batches:
    """Add up the counts of each entity of one partition, and give it the place of its seeded hash in a sample.

    Memory holds the entities of the partition, and at most as many rows of blocks beside.
    """
    schema, one = counted_schema(keys, views), counted_schema(keys, 1)
    held, count = schema.empty_table(), 0
    fresh: dict[int, list[pa.RecordBatch]] = {}
    for view, _, raw in received(batches):
        rows = rows_of(raw, one)
        fresh.setdefault(view, []).append(rows)
        count += rows.num_rows
        if count > max(EXCHANGED_AT_ONCE, held.num_rows):
            held, count = _together([held, *_widened(fresh, schema)], schema), 0
            fresh.clear()
    held = _together([held, *_widened(fresh, schema)], schema)
    for block in held.to_batches(max_chunksize=BLOCK):
        somebody = np.asarray(block.column("key").is_valid())
        places = np.zeros(block.num_rows, dtype=np.int64)
        if keys.keys:
            entities = pa.Table.from_batches([block.filter(pa.array(somebody))])
            places[somebody] = as_place(key_hashes(unpacked_keys(entities, keys), keys, seed))
        yield block.append_column("place", pa.array(places, mask=~somebody))


def _widened(counted: Mapping[int, Sequence[pa.RecordBatch]], schema: pa.Schema) -> Iterator[pa.Table]:
    """Give the counts of each view with the columns of all views, 0 in those of others."""
    own = {"rows0": "rows{}", "known0": "known{}", "later0": "later{}"}
    for view, batches in counted.items():
        table = pa.Table.from_batches(batches)
        nothing = np.zeros(table.num_rows, dtype=np.int32)
        columns: dict[str, Any] = dict.fromkeys(schema.names, nothing)
        columns |= {own.get(name, name).format(view): table.column(name) for name in table.column_names}
        yield pa.Table.from_batches([batch_of(columns, schema, table.num_rows)])


def _together(tables: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    """Give one row for each key of some tables of counts, with the sums and marks of all its rows."""
    ways = {
        name: "sum" if name.startswith("rows") else "max" if name.startswith(("known", "later")) else "one"
        for name in schema.names
        if name != "key"
    }
    grouped = pa.concat_tables(tables).group_by("key", use_threads=False).aggregate(list(ways.items()))
    columns = {"key": grouped.column("key"), **{name: grouped.column(f"{name}_{way}") for name, way in ways.items()}}
    return pa.table([columns[name] for name in schema.names], schema=schema)
