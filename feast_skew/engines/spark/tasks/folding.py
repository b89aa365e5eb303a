"""Tasks that go over measured rows: the drawn ones, the profiles of all, the wrong ones."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.alignment import microseconds
from feast_skew.core.columns import in_one_piece
from feast_skew.core.model import ViewPlan
from feast_skew.engines.spark.columns import batch_of, unpacked_keys
from feast_skew.engines.spark.failures import telling
from feast_skew.engines.spark.measured_rows import measurements_of
from feast_skew.engines.spark.plans import (
    KEY_TEXTS,
    measured_schema,
    parts_of,
)
from feast_skew.engines.spark.tasks.batches import BLOCK, Batches, blocks, closed, opened
from feast_skew.judging.profiling import compared_pairs
from feast_skew.measuring.drawing import drawn_mask
from feast_skew.measuring.tally import Tally
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.states.base import Bins
from feast_skew.stores.spark_row_ids import key_texts


@telling
def drawn(batches: Batches, view: ViewPlan, tallies: Sequence[Tally]) -> Batches:
    """Give the drawn ones of measured entities."""
    for batch in opened(batches, measured_schema(view)):
        table = pa.Table.from_batches([batch])
        keep = np.zeros(table.num_rows, dtype=bool)
        for part, tally in zip(measurements_of(table, view), tallies, strict=True):
            keep |= drawn_mask(part, tally)
        yield from closed(iter(table.filter(pa.array(keep)).to_batches()))


@telling
def earlier(batches: Batches, view: ViewPlan, places: np.ndarray) -> Batches:
    """Give the earlier versions of the rows of entities at some places."""
    for batch in opened(batches, measured_schema(view)):
        table = pa.Table.from_batches([batch])
        wanted = np.isin(np.asarray(table.column("place")), places)
        yield from closed(iter(table.filter(pa.array(wanted)).to_batches()))


@telling
def plain_rows(batches: Batches, view: ViewPlan) -> Batches:
    """Give measured rows one by one, for what Spark itself does with them."""
    yield from opened(batches, measured_schema(view))


@telling
def texts(batches: Batches, view: ViewPlan, order: Sequence[str]) -> Batches:
    """Give the text by which Feast's Spark store knows each entity that has an aligned row, and the instant of that row."""
    for batch in opened(batches, measured_schema(view)):
        table = pa.Table.from_batches([batch])
        for part in range(len(parts_of(view))):
            known = table.filter(pc.is_valid(table.column(f"aligned{part}"))).combine_chunks()
            columns = {
                "part": np.full(known.num_rows, part, dtype=np.int32),
                "place": known.column("place"),
                "text": key_texts(unpacked_keys(known, view.keys), order).cast(pa.binary()),
                "instant": microseconds(np.asarray(known.column(f"aligned{part}"))),
            }
            yield batch_of(columns, KEY_TEXTS, known.num_rows)


@telling
def profiled(batches: Batches, view: ViewPlan, bins: Mapping[str, Bins]) -> Batches:
    """Fold the pairs of measured entities into one profile for each feature that has bins."""
    folded: dict[str, Profile] = {}
    for table in blocks(opened(batches, measured_schema(view)), BLOCK):
        for part in measurements_of(table, view):
            for feature in part.features:
                pairs = compared_pairs(part, feature) if feature.name in bins else None
                if pairs is None:
                    continue
                one = Profile.counted(pairs, bins[feature.name])
                folded[feature.name] = folded[feature.name] + one if feature.name in folded else one
    if folded:
        yield pa.record_batch({"profiles": pa.array([zlib.compress(pickle.dumps(folded))], pa.binary())})


@telling
def merged(batches: Batches) -> Batches:
    """Add the profiles of several tasks up."""
    total: dict[str, Profile] = {}
    for batch in batches:
        for raw in in_one_piece(batch.column(0)).to_pylist():
            total = added(total, raw)
    if total:
        yield pa.record_batch({"profiles": pa.array([zlib.compress(pickle.dumps(total))], pa.binary())})


def added(total: Mapping[str, Profile], raw: bytes) -> dict[str, Profile]:
    """Add the profiles that a task wrote to others."""
    found: dict[str, Profile] = pickle.loads(zlib.decompress(raw))  # noqa: S301  our own task wrote it
    for name, profile in total.items():
        found[name] = found[name] + profile if name in found else profile
    return found
