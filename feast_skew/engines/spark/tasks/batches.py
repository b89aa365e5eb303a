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


def closed(batches: Batches) -> Batches:
    """Make a block of each batch, under the kind that its rows have."""
    for batch in batches:
        if batch.num_rows:
            yield block_row({"kind": batch.column("kind")[0].as_py()}, batch, BLOCKS)


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
        for place, start, end in zip(places, ends[:-1], ends[1:], strict=True):
            if end > start:
                block = moved.slice(start, end - start).to_batches()[0]
                first = block.column("seq")[0].as_py() if side else -1
                yield block_row({"bucket": int(place), "side": side, "first": first}, block, EXCHANGED)


def block_row(values: dict[str, int], block: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Give the row that carries a block, beside some values that Spark looks at."""
    whole = {**values, "block": block.serialize().to_pybytes()}
    return pa.RecordBatch.from_arrays([pa.array([whole[field.name]], field.type) for field in schema], schema=schema)
