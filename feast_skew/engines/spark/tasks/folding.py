"""Tasks that go over measured rows: the drawn ones, the profiles of all, the wrong ones."""

from __future__ import annotations

import json
import pickle
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.columns import in_one_piece, take_rows
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.core.pairs import WRONG, PairClass
from feast_skew.core.plain import plain, python_value
from feast_skew.core.types import Kind
from feast_skew.diagnosis.base import Case
from feast_skew.diagnosis.covering import covered_codes
from feast_skew.engines.spark.columns import batch_of, unpacked_keys
from feast_skew.engines.spark.failures import telling
from feast_skew.engines.spark.measured_rows import measurements_of
from feast_skew.engines.spark.plans import (
    KEY_TEXTS,
    WRONG_ROWS,
    measured_schema,
)
from feast_skew.engines.spark.tasks.batches import BLOCK, Batches, blocks, closed, opened
from feast_skew.judging.profiling import compared_pairs
from feast_skew.measuring.drawing import drawn_mask
from feast_skew.measuring.tally import Tally
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.report import Cause
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
        known = table.filter(pc.is_valid(table.column("aligned0"))).combine_chunks()
        found = key_texts(unpacked_keys(known, view.keys), order).cast(pa.binary())
        yield batch_of({"text": found, "instant": known.column("aligned0")}, KEY_TEXTS, known.num_rows)


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


@telling
def wrong(
    batches: Batches,
    view: ViewPlan,
    names: Sequence[str],
    unaligned: Sequence[str],
    causes: Mapping[str, Sequence[Cause]],
) -> Batches:
    """Give the wrong ones of measured entities, a row for each value; unaligned ones where the feature failed by them."""
    numbers = {feature.name: i for i, feature in enumerate(view.features)}
    for batch in opened(batches, measured_schema(view)):
        for part in measurements_of(pa.Table.from_batches([batch]), view):
            held = part.rows.held
            for feature in part.features:
                if feature.name not in names:
                    continue
                pairs, name = part.pairs[feature.name], feature.name
                kinds = (*WRONG, PairClass.OFFLINE_ONLY, PairClass.ONLINE_ONLY)
                which = pairs.mask(*kinds, PairClass.UNALIGNED) if name in unaligned else pairs.mask(*kinds)
                rows = np.flatnonzero(which)
                if not len(rows):
                    continue
                was = np.array(batch.column(f"was{numbers[name]}"), dtype=bool)
                case = _case(part, feature, was, failed=name in unaligned)
                codes = covered_codes(case, causes.get(name, ()))[rows]
                yield _wrong_batch(part, feature, rows, np.asarray(batch.column("place"))[rows], held[rows], codes)


def _case(part: ViewMeasurement, feature: FeaturePlan, was: Mask, *, failed: bool) -> Case:
    """Give a case of what one row tells by itself: neither earlier versions nor earlier definitions are there."""
    none = np.empty(0, dtype=np.int64)
    pairs = part.pairs[feature.name]
    return Case(part.view, feature, pairs, part.rows, none, None, list, unaligned_failed=failed, was_earlier=was)


def _wrong_batch(
    part: ViewMeasurement,
    feature: FeaturePlan,
    rows: Positions,
    places: np.ndarray,
    held: np.ndarray,
    codes: NDArray[np.str_],
) -> pa.RecordBatch:
    pairs, take, count = part.pairs[feature.name], pa.array(rows), len(rows)
    entities = take_rows(part.entities, rows)
    keys = [
        [
            (name, str(plain(python_value(column[i]), whole=True)))
            for name, column in zip(entities.column_names, entities.columns, strict=True)
        ]
        for i in range(count)
    ]
    names = np.array([kind.key for kind in PairClass])
    columns: dict[str, Any] = {
        "place": places,
        "view": pa.array([part.view.name] * count),
        "feature": pa.array([feature.name] * count),
        "entity": pa.array(keys, WRONG_ROWS.field("entity").type),
        "class": pa.array(names[pairs.classes[rows]].tolist()),
        "offline": _json(pairs.offline.take(take), feature),
        "online": _json(pairs.online.take(take), feature),
        "offline_ns": pa.array(held, mask=held == NO_INSTANT),
        "online_ns": pa.array(part.rows.online[rows], mask=part.rows.online[rows] == NO_INSTANT),
        "covered": pa.array([code or None for code in codes.tolist()], pa.string()),
    }
    return batch_of(columns, WRONG_ROWS, count)


def _json(column: pa.Array, feature: FeaturePlan) -> pa.Array:
    """Write values as JSON, in full, null where there is none; a nested one is JSON already."""
    if feature.declared.kind is Kind.NESTED:
        return column.cast(pa.string())
    written = [None if not value.is_valid else json.dumps(plain(python_value(value), whole=True)) for value in column]
    return pa.array(written, pa.string())
