"""Tasks that list wrong rows, each with its cause as far as rows tell it that no rule has looked at."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.columns import take_rows
from feast_skew.core.keys import KeyIndex
from feast_skew.core.model import FeaturePlan, SourceVersion, ViewPlan
from feast_skew.core.pairs import WRONG, PairClass
from feast_skew.core.plain import plain, python_value
from feast_skew.core.types import Kind
from feast_skew.diagnosis.base import Case
from feast_skew.diagnosis.context import Earlier
from feast_skew.diagnosis.covering import covered_codes
from feast_skew.diagnosis.earlier import earlier_values
from feast_skew.engines.spark.columns import batch_of, unpacked_keys, whole_table
from feast_skew.engines.spark.failures import telling
from feast_skew.engines.spark.measured_rows import measurements_of
from feast_skew.engines.spark.plans import EXCHANGED, NOTES, ONLINE, WRONG_ROWS, measured_schema, source_schema
from feast_skew.engines.spark.spool import SpooledRows
from feast_skew.engines.spark.tasks.batches import (
    EXCHANGED_AT_ONCE,
    Batches,
    block_row,
    blocks,
    cut,
    opened,
    received,
    rows_of,
)
from feast_skew.measuring.entity_order import entity_order
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.report import Cause


@dataclass(frozen=True)
class Listing:
    """What is listed of a view: the features that failed, those that failed by unaligned rows, the causes of each."""

    view: ViewPlan
    names: tuple[str, ...]
    unaligned: tuple[str, ...]
    causes: Mapping[str, Sequence[Cause]]

    def listed(self, part: ViewMeasurement, feature: FeaturePlan) -> Mask:
        """Tell which rows of a feature are listed: unaligned ones where the feature failed by them."""
        pairs = part.pairs[feature.name]
        kinds = (*WRONG, PairClass.OFFLINE_ONLY, PairClass.ONLINE_ONLY)
        return pairs.mask(*kinds, PairClass.UNALIGNED) if feature.name in self.unaligned else pairs.mask(*kinds)

    def features(self, part: ViewMeasurement) -> list[FeaturePlan]:
        """Give the features of a part that have rows to list."""
        return [feature for feature in part.features if feature.name in self.names]


@telling
def wrong(batches: Batches, listing: Listing) -> Batches:
    """Give the wrong ones of measured entities, a row for each value."""
    for batch in opened(batches, measured_schema(listing.view)):
        yield from _listed(pa.Table.from_batches([batch]), listing)


@telling
def wrong_sent(batches: Batches, listing: Listing, buckets: tuple[int, ...]) -> Batches:
    """Send the measured entities with anything wrong to the partition of the rows that an earlier definition gives them."""
    schema = measured_schema(listing.view)
    for table in blocks(opened(batches, schema), EXCHANGED_AT_ONCE):
        wanted = np.zeros(table.num_rows, dtype=bool)
        for part in measurements_of(table, listing.view):
            for feature in listing.features(part):
                wanted |= listing.listed(part, feature)
        found = table.filter(pa.array(wanted))
        order = entity_order(unpacked_keys(found, listing.view.keys))
        for bucket, block in cut(found, order, buckets):
            yield block_row({"bucket": bucket, "side": ONLINE, "first": -1}, block, EXCHANGED)


@telling
def wrong_beside(
    batches: Batches, listing: Listing, definitions: Sequence[tuple[SourceVersion, ViewPlan]], *, gives_all_ties: bool
) -> Batches:
    """Give the wrong ones of one partition, to which also the rows come that earlier definitions give; `side` counts these from 1."""
    rows: list[pa.RecordBatch] = []
    schema = measured_schema(listing.view)
    with ExitStack() as stack:
        spools = [
            stack.enter_context(closing(SpooledRows(source_schema(one, one.features), gives_all_ties=gives_all_ties)))
            for _, one in definitions
        ]
        for side, start, raw in received(batches):
            if side == ONLINE:
                rows.append(rows_of(raw, schema))
            elif side != NOTES:
                spools[side - 1].add(start, raw.as_buffer())
        table = whole_table(rows, schema)
        index = KeyIndex(unpacked_keys(table, listing.view.keys))
        for spool in spools:
            spool.index = index

        def given(part: ViewMeasurement) -> list[tuple[SourceVersion, dict[str, pa.Array]]]:
            return [
                (version, earlier_values(part.rows, one, index, spool))
                for (version, one), spool in zip(definitions, spools, strict=True)
            ]

        yield from _listed(table, listing, given)


def _listed(
    table: pa.Table,
    listing: Listing,
    given: Callable[[ViewMeasurement], list[tuple[SourceVersion, dict[str, pa.Array]]]] | None = None,
) -> Batches:
    """Give the wrong ones of some rows; `given` tells what earlier definitions give to the entities of these."""
    numbers = {feature.name: i for i, feature in enumerate(listing.view.features)}
    for part in measurements_of(table, listing.view):
        held, found = part.rows.held, given(part) if given else []
        for feature in listing.features(part):
            rows, name = np.flatnonzero(listing.listed(part, feature)), feature.name
            if not len(rows):
                continue
            earlier = [Earlier(version, columns[name]) for version, columns in found if name in columns]
            was = np.array(table.column(f"was{numbers[name]}"), dtype=bool)
            case = _case(part, feature, was, earlier.copy, failed=name in listing.unaligned)
            codes = covered_codes(case, listing.causes.get(name, ()))[rows]
            yield _wrong_batch(part, feature, rows, np.asarray(table.column("place"))[rows], held[rows], codes)


def _case(
    part: ViewMeasurement, feature: FeaturePlan, was: Mask, ask_earlier: Callable[[], list[Earlier]], *, failed: bool
) -> Case:
    """Give a case of what rows tell by themselves: earlier versions of them are not there."""
    none = np.empty(0, dtype=np.int64)
    pairs = part.pairs[feature.name]
    return Case(part.view, feature, pairs, part.rows, none, None, ask_earlier, unaligned_failed=failed, was_earlier=was)


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
