"""Measurements as rows of Spark, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.earlier import equal_to_earlier
from feast_skew.core.model import ViewPlan
from feast_skew.core.pairs import FeaturePairs, RowState
from feast_skew.engines.spark.columns import batch_of, of_size, packed, packed_keys, unpacked, unpacked_keys
from feast_skew.engines.spark.plans import OLDER, PAIR, TAUGHT, measured_schema, parts_of
from feast_skew.measuring.view import ViewMeasurement

_INSTANTS = ("online", "latest", "before", "after")
_STALE, _AHEAD, _TIED = 1, 2, 4


def measured_batches(
    view: ViewPlan, parts: Sequence[ViewMeasurement], place: np.ndarray, schema: pa.Schema, size: int
) -> Iterator[pa.RecordBatch]:
    """Give the entities of a measurement as rows, in batches of about so many bytes, then the earlier versions of their rows."""
    numbers = {feature.name: i for i, feature in enumerate(view.features)}
    rows = parts[0].rows
    columns: dict[str, Any] = {
        "kind": np.full(len(place), PAIR, dtype=np.int8),
        "place": place,
        **packed_keys(parts[0].entities, view.keys),
        **{name: _instants(getattr(rows, name)) for name in _INSTANTS},
        "has_offline": rows.has_offline,
        "expired": rows.expired,
    }
    for number, part in enumerate(parts):
        marks = part.rows.stale * _STALE + part.rows.ahead * _AHEAD + part.tied * _TIED
        columns[f"aligned{number}"] = _instants(part.rows.aligned)
        columns[f"marks{number}"] = marks.astype(np.int8)
        for feature in part.features:
            pairs, i = part.pairs[feature.name], numbers[feature.name]
            columns |= packed(f"off{i}", pairs.offline, feature.declared)
            columns |= packed(f"on{i}", pairs.online, feature.declared)
            columns[f"class{i}"] = pairs.classes.astype(np.int8)
            columns[f"was{i}"] = equal_to_earlier(feature, pairs, part.older_positions, part.older.get(feature.name))
    whole = batch_of(columns, schema, len(place))
    yield from of_size(whole, size)
    for number, part in enumerate(parts):
        if not len(part.older_positions):
            continue
        older: dict[str, Any] = {
            "kind": np.full(len(part.older_positions), OLDER, dtype=np.int8),
            "part": np.full(len(part.older_positions), number, dtype=np.int32),
            "place": place[part.older_positions],
        }
        for feature in part.features:
            older |= packed(f"off{numbers[feature.name]}", part.older[feature.name], feature.declared)
        yield from of_size(batch_of(older, schema, len(part.older_positions)), size)


def measurements_of(table: pa.Table, view: ViewPlan, older: pa.Table | None = None) -> list[ViewMeasurement]:
    """Give the measurement that rows came from, a part for each group of features that align alike.

    `older` are the rows of earlier versions, whose entities have to be in the table. Counts of all rows are not restored.
    """
    numbers = {feature.name: i for i, feature in enumerate(view.features)}
    entities = unpacked_keys(table, view.keys)
    instants = {name: _numbers(table.column(name)) for name in _INSTANTS}
    known, expired = (np.array(table.column(name), dtype=bool) for name in ("has_offline", "expired"))
    parts = []
    for number, features in enumerate(parts_of(view)):
        marks = np.asarray(table.column(f"marks{number}"))
        rows = RowState(
            **instants,
            aligned=_numbers(table.column(f"aligned{number}")),
            has_offline=known,
            stale=(marks & _STALE) > 0,
            ahead=(marks & _AHEAD) > 0,
            expired=expired,
        )
        positions, versions = _older(table, older, number)
        pairs, earlier = {}, {}
        for feature in features:
            i = numbers[feature.name]
            off, on = (unpacked(f"{side}{i}", table, feature.declared) for side in ("off", "on"))
            pairs[feature.name] = FeaturePairs(off, on, np.asarray(table.column(f"class{i}")).astype(np.uint8))
            earlier[feature.name] = unpacked(f"off{i}", versions, feature.declared)
        parts.append(
            ViewMeasurement(
                view, entities, rows, pairs, positions, earlier, features=features, tied=(marks & _TIED) > 0
            )
        )
    return parts


def is_tied(part: int) -> str:
    """Give the condition on measured rows that offline has several rows which differ at the instant of one."""
    return f"(marks{part} & {_TIED}) > 0"


def taught_table(view: ViewPlan, part: int, places: np.ndarray, found: Mapping[str, pa.Array]) -> pa.Table:
    """Give what training sets get for the features of a part, of the entities at some places, as measured rows."""
    numbers = {feature.name: i for i, feature in enumerate(view.features)}
    columns: dict[str, Any] = {
        "kind": np.full(len(places), TAUGHT, dtype=np.int8),
        "part": np.full(len(places), part, dtype=np.int32),
        "place": places,
    }
    for feature in parts_of(view)[part]:
        columns |= packed(f"off{numbers[feature.name]}", found[feature.name], feature.declared)
    return pa.Table.from_batches([batch_of(columns, measured_schema(view), len(places))])


def _older(table: pa.Table, older: pa.Table | None, part: int) -> tuple[np.ndarray, pa.Table]:
    if older is None:
        return np.empty(0, dtype=np.int64), table.slice(0, 0)
    mine = older.filter(pc.equal(older.column("part"), part))
    place = np.asarray(table.column("place"))
    order = np.argsort(place, kind="stable")
    wanted = np.asarray(mine.column("place"))
    at = np.minimum(np.searchsorted(place, wanted, sorter=order), max(len(place) - 1, 0))
    positions = order[at] if len(order) else at
    there = place[positions] == wanted if len(order) else np.zeros(len(at), dtype=bool)
    return positions[there], mine.filter(pa.array(there))


def _instants(instants: np.ndarray) -> pa.Array:
    return pa.array(instants, mask=instants == NO_INSTANT)


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    return np.array(pc.fill_null(column, NO_INSTANT), dtype=np.int64)
