"""Tasks that read: offline rows of a source, places of entities in a sample, online rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.keys import KeySet, value_bytes
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.engines.spark.columns import (
    batch_of,
    packed,
    packed_keys,
    unpacked_keys,
)
from feast_skew.engines.spark.failures import telling
from feast_skew.engines.spark.plans import (
    ONLINE,
    SourceRows,
    online_schema,
    source_schema,
)
from feast_skew.engines.spark.tasks.batches import Batches, blocks, exchanged, note_row
from feast_skew.stores.base import OfflineBatch, OnlineRows
from feast_skew.stores.redis.remote import PATIENCE, Recipe, RemoteReader
from feast_skew.stores.rows import declared_values, offline_batch

SEQUENCE = "feast_skew_sequence"
"""The column that carries the order of rows, or the place of an entity, through what Feast does."""

Then = Callable[[Batches], Batches]
"""What becomes of rows that a task has read."""

Secret = Callable[[], Recipe]
"""Gives the recipe where it is needed; it holds passwords, so that nothing that is logged may hold it."""

_AGAIN = 5.0
"""Seconds for which a task that failed before waits for a lost server."""


def reader_of(secret: Secret) -> RemoteReader:
    """Give the reader of a task, which is the less patient the more often the task was tried.

    Spark repeats a task whatever it failed of: a server that is gone would be waited for in full each time.
    """
    from pyspark import TaskContext

    context = TaskContext.get()
    return RemoteReader(secret(), patience=_AGAIN if context is not None and context.attemptNumber() else PATIENCE)


@telling
def offline_rows(batches: Batches, source: SourceRows) -> Batches:
    """Bring rows of a source into offline rows; of those with a null in the key only that they are there."""
    for batch in batches:
        found = offline_batch(pa.Table.from_batches([batch]), source.columns, source.view.keys, source.where)
        yield from packed_offline(source.view, source.features, found, found.values.column(SEQUENCE), declared_values)


def packed_offline(
    view: ViewPlan,
    features: Sequence[FeaturePlan],
    found: OfflineBatch,
    sequence: pa.ChunkedArray | np.ndarray,
    declare: Callable[[FeaturePlan, pa.ChunkedArray], pa.Array],
) -> Batches:
    """Give rows of a source with their order in it, and a row without a key for each one with a null in it."""
    schema, keys, rows = source_schema(view, features), found.keys, len(found.instants)
    numbers = {feature.name: i for i, feature in enumerate(view.features)}
    columns: dict[str, Any] = {
        "key": value_bytes(keys, view.keys),
        "ts": found.instants,
        "created": found.created,
        "seq": sequence,
        **packed_keys(keys, view.keys),
    }
    for feature in features:
        values = declare(feature, found.values.column(feature.name))
        columns |= packed(f"off{numbers[feature.name]}", values, feature.declared)
    yield batch_of(columns, schema, rows)
    if found.null_keys:
        yield batch_of({}, schema, found.null_keys)


@dataclass(frozen=True)
class Exchange:
    """How rows find the partition of their entity: one bucket a partition, and the entities that are wanted; see `exchanged`."""

    keys: KeySet
    side: int
    buckets: tuple[int, ...]
    wanted: np.ndarray | None = None

    def __call__(self, batches: Batches) -> Batches:
        """Send rows on their way; keys with a null in them belong to nobody. How long offline rows took goes with the first bucket."""
        spent = 0.0

        def whole() -> Batches:
            nonlocal spent
            begun = time.perf_counter()
            for batch in batches:
                spent += time.perf_counter() - begun
                yield batch.filter(pc.is_valid(batch.column("key")))
                begun = time.perf_counter()

        yield from exchanged(whole(), self.keys, self.side, self.buckets, self.wanted)
        if self.side != ONLINE:
            yield note_row(self.buckets[0], "offline", spent)


@telling
def passed(batches: Batches, then: Then) -> Batches:
    """Pass on offline or online rows that are there already."""
    yield from then(batches)


@telling
def offline_passed(batches: Batches, source: SourceRows, then: Then) -> Batches:
    """Bring rows of a source into offline rows, and pass them on."""
    yield from then(offline_rows(batches, source))


@telling
def online_sent(batches: Batches, view: ViewPlan, secret: Secret, exchange: Exchange) -> Batches:
    """Read the online rows of entities, a chunk after the other, and send them; what the reader met goes with the first bucket."""
    schema, spent = online_schema(view), 0.0
    with closing(reader_of(secret)) as reader:

        def rows() -> Batches:
            nonlocal spent
            for table in blocks(batches, reader.chunk):
                begun = time.perf_counter()
                entities = unpacked_keys(table, view.keys)
                found = reader.read(view, view.features, entities)
                spent += time.perf_counter() - begun
                yield online_batch(view, schema, table, entities, found)

        yield from exchange(rows())
        yield note_row(exchange.buckets[0], "online", spent, reader.notes)


def online_batch(
    view: ViewPlan, schema: pa.Schema, table: pa.Table, entities: pa.Table, found: OnlineRows
) -> pa.RecordBatch:
    """Give the online rows of some entities as a batch."""
    columns: dict[str, Any] = {
        "key": table.column("key"),
        "place": table.column("place"),
        "ts": pa.array(found.instants, mask=found.instants == NO_INSTANT),
        **packed_keys(entities, view.keys),
    }
    for i, feature in enumerate(view.features):
        columns |= packed(f"on{i}", found.columns[feature.name], feature.declared)
        columns[f"bad{i}"] = pa.array(found.corrupt[feature.name])
    return batch_of(columns, schema, table.num_rows)
