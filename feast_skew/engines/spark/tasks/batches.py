"""Batches of rows on executors, and blocks of them: whole batches as one binary value, which Spark carries without taking rows apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from feast_skew.core.keys import KeySet
from feast_skew.engines.spark.columns import unpacked_keys
from feast_skew.engines.spark.plans import BLOCKS, EXCHANGED
from feast_skew.measuring.entity_order import entity_order

Batches = Iterator[pa.RecordBatch]
BLOCK = 65_536
"""Rows that are worked on at a time."""

_EXCHANGED_AT_ONCE = 4 * BLOCK


def blocks(batches: Batches, rows: int) -> Iterator[pa.Table]:
    """Put small batches together into tables of at most so many rows."""
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        if held and count + batch.num_rows > rows:
            yield pa.Table.from_batches(held).combine_chunks()
            held, count = [], 0
        held.append(batch)
        count += batch.num_rows
    if count:
        yield pa.Table.from_batches(held).combine_chunks()


def closed(batches: Batches, kind: int | None = None) -> Batches:
    """Make a block of each batch, under the kind of its rows, which have one, or under a given one."""
    for batch in batches:
        if batch.num_rows:
            own = batch.column("kind")[0].as_py() if kind is None else kind
            yield _row({"kind": own, "block": batch.serialize()}, BLOCKS)


def opened(batches: Batches, schema: pa.Schema) -> Batches:
    """Give the rows of blocks."""
    for batch in batches:
        for raw in batch.column("block"):
            yield rows_of(raw, schema)


def rows_of(raw: pa.Scalar, schema: pa.Schema) -> pa.RecordBatch:
    """Give the rows of one block."""
    return pa.ipc.read_record_batch(pa.ipc.read_message(raw.as_buffer()), schema)


def exchanged(batches: Batches, keys: KeySet, side: int, buckets: Sequence[int], wanted: np.ndarray | None) -> Batches:
    """Send rows to the partition of their entity: blocks of one bucket each, in the order of their sequence.

    `buckets` are those of all partitions; `wanted` are the sorted hashes of the entities that are measured, None for all. An
    entity of another one's hash goes along, and is nobody's where it arrives.
    """
    places = np.array(buckets)
    for table in blocks(batches, _EXCHANGED_AT_ONCE):
        order = entity_order(unpacked_keys(table, keys))
        rows = np.arange(table.num_rows)
        if wanted is not None and len(wanted):
            at = np.minimum(np.searchsorted(wanted, order), len(wanted) - 1)
            rows = np.flatnonzero(wanted[at] == order)
        share = (order[rows] % np.uint64(len(places))).astype(np.int64)
        sorting = np.argsort(share, kind="stable")
        rows, share = rows[sorting], share[sorting]
        moved = table.take(pa.array(rows)).combine_chunks()
        ends = np.searchsorted(share, np.arange(len(places) + 1))
        for number, batch in ((i, moved.slice(ends[i], ends[i + 1] - ends[i])) for i in range(len(places))):
            if batch.num_rows:
                whole = batch.to_batches()[0]
                first = batch.column("seq")[0].as_py() if side else -1
                values = {"bucket": int(places[number]), "side": side, "first": first, "block": whole.serialize()}
                yield _row(values, EXCHANGED)


def _row(values: dict[str, object], schema: pa.Schema) -> pa.RecordBatch:
    columns = []
    for field in schema:
        value = values[field.name]
        plain = value.to_pybytes() if isinstance(value, pa.Buffer) else value
        columns.append(pa.array([plain], field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)
