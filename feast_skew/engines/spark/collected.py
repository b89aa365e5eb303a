"""What comes to the driver, put together: rows of blocks, counts of tasks, pairs that bins are cut from."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pyarrow as pa

from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.engines.spark.plans import measured_schema, parts_of
from feast_skew.engines.spark.tasks.batches import opened
from feast_skew.engines.spark.tasks.digest import Digest
from feast_skew.judging.profiling import to_pairs
from feast_skew.measuring.drawing import compared_mask
from feast_skew.measuring.tally import Tally
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.statistics.pairs import Pairs


def measured_rows(view: ViewPlan, blocks: pa.Table) -> pa.Table:
    """Give the rows of blocks."""
    schema = measured_schema(view)
    return pa.Table.from_batches(list(opened(iter(blocks.to_batches()), schema)), schema)


def together(view: ViewPlan, written: pa.ChunkedArray) -> Digest:
    """Add the digests of all tasks up."""
    nothing = Digest([Tally.zero(features) for features in parts_of(view)])
    return reduce(lambda one, raw: one + Digest.from_bytes(raw), written.to_pylist(), nothing)


def compared_pairs(rows: ViewMeasurement, feature: FeaturePlan) -> Pairs | None:
    """Give the drawn pairs of a feature that could be compared; None without any."""
    pairs = rows.pairs[feature.name]
    positions = np.flatnonzero(compared_mask(pairs))
    if not len(positions):
        return None
    take = pa.array(positions)
    same = pairs.classes[positions] == 0
    return to_pairs(
        feature.declared.kind, pairs.offline.take(take), pairs.online.take(take), same, rows.order[positions]
    )
