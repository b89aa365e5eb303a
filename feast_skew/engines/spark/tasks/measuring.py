"""Tasks that measure: the code of one process, on the entities of one partition."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.columns import take_rows
from feast_skew.core.keys import KeyIndex
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.engines.spark.columns import (
    batch_of,
    unpacked,
    unpacked_keys,
    whole_table,
)
from feast_skew.engines.spark.failures import telling
from feast_skew.engines.spark.measured_rows import measured_batches, measurements_of, taught_table
from feast_skew.engines.spark.plans import (
    DIGEST,
    NOTES,
    OLDER,
    ONLINE,
    PAIR,
    TAUGHT,
    measured_schema,
    online_schema,
    parts_of,
    source_schema,
)
from feast_skew.engines.spark.spool import SpooledRows
from feast_skew.engines.spark.tasks.batches import BLOCK_BYTES, Batches, closed, note_of, received, rows_of
from feast_skew.engines.spark.tasks.digest import Digest
from feast_skew.engines.spark.tasks.reading import SEQUENCE, Secret, reader_of
from feast_skew.measuring.progress import NoProgress
from feast_skew.measuring.tally import Tally
from feast_skew.measuring.training import answered, take_over
from feast_skew.measuring.view import ViewMeasurement, measure_view
from feast_skew.stores.base import OnlineRows
from feast_skew.stores.redis.notes import Notes
from feast_skew.stores.redis.remote import RemoteReader
from feast_skew.stores.rows import declared_values


class _Staged:
    """Online rows that were read before; a second look goes to the store, where there is a way to it."""

    chunk = 1 << 62

    def __init__(self, rows: OnlineRows, secret: Secret | None) -> None:
        self._rows: OnlineRows | None = rows
        self._secret = secret
        self._reader: RemoteReader | None = None
        self.at_rest = secret is None

    def read(self, view: ViewPlan, features: Sequence[FeaturePlan], entities: pa.Table) -> OnlineRows:
        """Give the rows of all entities, and from then on what the store has for some of them."""
        if self._rows is not None:
            rows, self._rows = self._rows, None
            return rows
        assert self._secret is not None  # noqa: S101  else the rows are at rest
        if self._reader is None:
            self._reader = reader_of(self._secret)
        step = self._reader.chunk
        parts = [
            self._reader.read(view, features, take_rows(entities, np.arange(at, min(at + step, entities.num_rows))))
            for at in range(0, entities.num_rows, step)
        ]
        return OnlineRows.concat(parts, features)

    def close(self) -> list[Notes]:
        """Close the connection; give what a second look met."""
        if self._reader is None:
            return []
        self._reader.close()
        return [self._reader.notes]


@telling
def measured(batches: Batches, view: ViewPlan, as_of: int, secret: Secret | None, *, gives_all_ties: bool) -> Batches:
    """Measure the entities of one partition, of which blocks of online and of offline rows come in any order.

    The same code as in one process: this is a view with fewer entities. Gives blocks of measured rows, and last of a digest.
    """
    begun, spent = time.perf_counter(), {"online": 0.0, "offline": 0.0}
    first: list[pa.RecordBatch] = []
    notes: list[Notes] = []
    with closing(SpooledRows(source_schema(view, view.features), gives_all_ties=gives_all_ties)) as spool:
        for side, start, raw in received(batches):
            if side == NOTES:
                kind, seconds, met = note_of(raw)
                spent[kind] += seconds
                notes += [met] if met is not None else []
            elif side == ONLINE:
                first.append(rows_of(raw, online_schema(view)))
            else:
                spool.add(start, raw.as_buffer())
        entities, place, found = _entities(whole_table(first, online_schema(view)), view)
        first.clear()
        spool.index = KeyIndex(entities)
        spent["spool"] = time.perf_counter() - begun
        begun = time.perf_counter()
        online = _Staged(found, secret)
        del found
        parts = measure_view(view, spool.index, online, spool, as_of, NoProgress())
        notes += online.close()
    spent["align"] = time.perf_counter() - begun
    yield from closed(_rows(view, parts, place, notes, spent))


def _rows(
    view: ViewPlan,
    parts: Sequence[ViewMeasurement],
    place: np.ndarray,
    notes: list[Notes],
    spent: dict[str, float],
) -> Batches:
    """Give a measurement as rows, and last a digest of it."""
    schema = measured_schema(view)
    digest = Digest([Tally.of(part) for part in parts], notes, spent, sum(len(part.older_positions) for part in parts))
    if len(place):
        yield from measured_batches(view, parts, place, schema, BLOCK_BYTES)
    kind, content = np.array([DIGEST], dtype=np.int8), pa.array([digest.to_bytes()], pa.binary())
    yield batch_of({"kind": kind, "digest": content}, schema, 1)


def _entities(rows: pa.Table, view: ViewPlan) -> tuple[pa.Table, np.ndarray, OnlineRows]:
    """Give the entities of a partition, their places in the sample, and their online rows."""
    rows = rows.combine_chunks()
    columns, corrupt = {}, {}
    for i, feature in enumerate(view.features):
        columns[feature.name] = unpacked(f"on{i}", rows, feature.declared)
        corrupt[feature.name] = np.array(rows.column(f"bad{i}"), dtype=bool)
    instants = np.asarray(pc.fill_null(rows.column("ts"), NO_INSTANT))
    return unpacked_keys(rows, view.keys), np.asarray(rows.column("place")), OnlineRows(instants, columns, corrupt)


@telling
def taught(batches: Batches, view: ViewPlan, part: int, names: Mapping[str, str]) -> Batches:
    """Bring what a retrieval gave for a part into rows by the place of their entity; `names` are its columns by feature."""
    for batch in batches:
        table = pa.Table.from_batches([batch])
        found = {f.name: declared_values(f, table.column(names[f.name])) for f in parts_of(view)[part]}
        yield from taught_table(view, part, np.asarray(table.column(SEQUENCE)), found).to_batches()


@telling
def retaken(batches: Batches, view: ViewPlan, parts: Sequence[int]) -> Batches:
    """Take over what training sets get into measured rows of one partition, for the features of some parts."""
    schema = measured_schema(view)
    table = whole_table(list(batches), schema)
    kinds = {
        kind: table.filter(pc.equal(table.column("kind"), kind)).combine_chunks() for kind in (PAIR, OLDER, TAUGHT)
    }
    rows = kinds[PAIR]
    measurements = measurements_of(rows, view, kinds[OLDER])
    place = np.asarray(rows.column("place"))
    numbers = {feature.name: i for i, feature in enumerate(view.features)}
    order = np.argsort(place, kind="stable")
    for number in parts:
        part = measurements[number]
        answers = kinds[TAUGHT].filter(pc.equal(kinds[TAUGHT].column("part"), number)).combine_chunks()
        positions = order[np.searchsorted(place, np.asarray(answers.column("place")), sorter=order)]
        # Of several answers to one question the last is taken, as a training set would keep one.
        unique, last = np.unique(positions[::-1], return_index=True)
        answers = answers.take(pa.array(len(positions) - 1 - last))
        found = {f.name: unpacked(f"off{numbers[f.name]}", answers, f.declared) for f in part.features}
        take_over(part, answered(part, unique, found).taken())
    yield from closed(_rows(view, measurements, place, [], {}))
