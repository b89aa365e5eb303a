"""Batches of rows on executors."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

Batches = Iterator[pa.RecordBatch]
BLOCK = 65_536
"""Rows that are worked on at a time."""


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
