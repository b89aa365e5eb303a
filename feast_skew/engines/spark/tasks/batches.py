"""Batches of rows on executors, and blocks of them: whole batches as one binary value, which Spark carries without taking rows apart."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa

from feast_skew.core.keys import KeySet
from feast_skew.engines.spark.columns import of_size, unpacked_keys
from feast_skew.engines.spark.plans import BLOCKS, EXCHANGED, NOTE, NOTES, ONLINE
from feast_skew.measuring.entity_order import entity_order
from feast_skew.statistics.hashing import Hashes
from feast_skew.stores.redis.notes import Notes

Batches = Iterator[pa.RecordBatch]
BLOCK = 65_536
"""Rows that are worked on at a time."""

EXCHANGED_AT_ONCE = 4 * BLOCK
"""Rows that are cut into blocks at a time, unless they are too large."""

MOST_BYTES = 64 << 20
"""Bytes of rows that are worked on at a time."""

BLOCK_BYTES = 4 << 20
"""About what a block may have: the JVM holds several of them, and each of them more than once."""


def blocks(batches: Batches, rows: int) -> Iterator[pa.Table]:
    """Put small batches together into tables of at most so many rows, fewer where these are large."""
    held: list[pa.RecordBatch] = []
    count = size = 0
    for batch in batches:
        if held and (count + batch.num_rows > rows or size + batch.nbytes > MOST_BYTES):
            yield pa.Table.from_batches(held).combine_chunks()
            held, count, size = [], 0, 0
        held.append(batch)
        count += batch.num_rows
        size += batch.nbytes
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


def received(batches: Batches) -> Iterator[tuple[int, int, pa.Scalar]]:
    """Give the blocks that came through an exchange, each with its side and the place of its first row."""
    for batch in batches:
        yield from zip(
            batch.column("side").to_pylist(), batch.column("first").to_pylist(), batch.column("block"), strict=True
        )


def rows_of(raw: pa.Scalar, schema: pa.Schema) -> pa.RecordBatch:
    """Give the rows of one block."""
    return pa.ipc.read_record_batch(pa.ipc.read_message(raw.as_buffer()), schema)


def exchanged(batches: Batches, keys: KeySet, side: int, buckets: Sequence[int], wanted: np.ndarray | None) -> Batches:
    """Send rows to the partition of their entity: blocks of one bucket each, in the order of their sequence.

    `buckets` are those of all partitions; `wanted` are the sorted hashes of the entities that are measured, None for all. An
    entity of another one's hash goes along, and is nobody's where it arrives.
    """
    for table in blocks(batches, EXCHANGED_AT_ONCE):
        order = entity_order(unpacked_keys(table, keys))
        if wanted is not None and len(wanted):
            at = np.minimum(np.searchsorted(wanted, order), len(wanted) - 1)
            found = wanted[at] == order
            table, order = table.filter(pa.array(found)), order[found]  # noqa: PLW2901  what is left of it
        for start, end in _runs(table.column("seq")) if side != ONLINE else [(0, table.num_rows)]:
            for bucket, block in cut(table.slice(start, end - start), order[start:end], buckets):
                first = block.column("seq")[0].as_py() if side != ONLINE else -1
                yield block_row({"bucket": bucket, "side": side, "first": first}, block, EXCHANGED)


def _runs(sequence: pa.ChunkedArray) -> list[tuple[int, int]]:
    """Give where a sequence rises, from and to: Spark may give the end of one staged file and then an earlier one."""
    falls = np.flatnonzero(np.diff(np.asarray(sequence)) < 0) + 1
    return list(pairwise([0, *falls.tolist(), len(sequence)]))


def cut(table: pa.Table, hashes: Hashes, buckets: Sequence[int]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Cut rows into blocks for each bucket that any of them goes to by its hash; rows of a bucket keep their order."""
    share = (hashes % np.uint64(len(buckets))).astype(np.int64)
    sorting = np.argsort(share, kind="stable")
    moved = table.take(pa.array(sorting)).combine_chunks()
    ends = np.searchsorted(share[sorting], np.arange(len(buckets) + 1))
    for bucket, start, end in zip(buckets, ends[:-1], ends[1:], strict=True):
        if end > start:
            for block in of_size(moved.slice(start, end - start).to_batches()[0], BLOCK_BYTES):
                yield bucket, block


def block_row(values: dict[str, int], block: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Give the row that carries a block, beside some values that Spark looks at."""
    whole = {**values, "block": block.serialize().to_pybytes()}
    return pa.RecordBatch.from_arrays([pa.array([whole[field.name]], field.type) for field in schema], schema=schema)


def note_row(bucket: int, kind: str, seconds: float, notes: Notes | None = None) -> pa.RecordBatch:
    """Give the row that tells how long a task was at something, and what its reader met."""
    note = pa.record_batch([pa.array([pickle.dumps((kind, seconds, notes))], pa.binary())], schema=NOTE)
    return block_row({"bucket": bucket, "side": NOTES, "first": -1}, note, EXCHANGED)


def note_of(raw: pa.Scalar) -> tuple[str, float, Notes | None]:
    """Give what such a row tells."""
    found: tuple[str, float, Notes | None] = pickle.loads(rows_of(raw, NOTE).column(0)[0].as_py())  # noqa: S301  our own task wrote it
    return found
