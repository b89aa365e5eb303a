"""What comes to the driver, put together: rows of blocks, counts of tasks."""

from __future__ import annotations

from functools import reduce

import pyarrow as pa

from feast_skew.core.model import ViewPlan
from feast_skew.engines.spark.plans import measured_schema, parts_of
from feast_skew.engines.spark.tasks.batches import opened
from feast_skew.engines.spark.tasks.digest import Digest
from feast_skew.measuring.tally import Tally


def measured_rows(view: ViewPlan, blocks: pa.Table) -> pa.Table:
    """Give the rows of blocks."""
    schema = measured_schema(view)
    return pa.Table.from_batches(list(opened(iter(blocks.to_batches()), schema)), schema)


def together(view: ViewPlan, written: pa.ChunkedArray) -> Digest:
    """Add the digests of all tasks up."""
    nothing = Digest([Tally.zero(features) for features in parts_of(view)])
    return reduce(lambda one, raw: one + Digest.from_bytes(raw), written.to_pylist(), nothing)
