"""The rows of one table made ready for comparing: keys, instants, and one row where there were several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from feast_skew.core.alignment import microseconds
from feast_skew.core.arrays import Instants, Mask, Positions, distinct
from feast_skew.core.equality import EXACT, equal_or_null
from feast_skew.core.keys import KeySet, cast_keys
from feast_skew.core.model import FeaturePlan
from feast_skew.core.types import to_declared
from feast_skew.errors import InputError, SourceUnreadable
from feast_skew.stores.rows import to_instants

EVENT_TIMESTAMP = "event_timestamp"
CREATED_TIMESTAMP = "created_timestamp"
KEYS_DO_NOT_FIT = "the keys of the {} table do not fit those of the other one"


@dataclass(frozen=True)
class TableRows:
    """The rows of one table that have a whole key and, where rows are aligned by them, an event timestamp.

    `side` is `offline` or `online`; `keys` are in their declared types; `instants` are 0 for tables without timestamps;
    `null_keys` and `undated` count the rows that were left out.
    """

    side: str
    keys: pa.Table
    values: pa.Table
    instants: Instants
    created: Instants | None
    null_keys: int
    undated: int


def read_rows(table: pa.Table, keys: KeySet, features: Sequence[str], side: str, timed: bool) -> TableRows:
    """Read keys and instants of a table.

    Raises
    ------
    InputError
        When keys cannot be held in their types, when `event_timestamp` holds no timestamps, or is null online.
    """
    try:
        cast, complete = cast_keys(table, keys)
    except (ValueError, OverflowError, pa.ArrowNotImplementedError) as error:
        raise InputError(KEYS_DO_NOT_FIT.format(side), hint=" ".join(str(error).split())[:200]) from error
    instants, dated = np.zeros(table.num_rows, dtype=np.int64), np.ones(table.num_rows, dtype=bool)
    created = None
    if timed:
        instants, dated = _instants(table, EVENT_TIMESTAMP, side)
        if side == "offline" and CREATED_TIMESTAMP in table.column_names:
            created, _ = _instants(table, CREATED_TIMESTAMP, side)
    keep = complete & dated
    undated = int(np.count_nonzero(complete & ~dated))
    if undated and side == "online":
        raise InputError("the online table has rows without an event timestamp", hint="fill or drop them")
    values = table.select(list(features))
    null_keys = int(np.count_nonzero(~complete))
    if keep.all():
        return TableRows(side, cast, values, instants, created, null_keys, undated)
    mask = pa.array(keep)
    created = created[keep] if created is not None else None
    return TableRows(side, cast.filter(mask), values.filter(mask), instants[keep], created, null_keys, undated)


def _instants(table: pa.Table, column: str, side: str) -> tuple[Instants, Mask]:
    try:
        return to_instants(table.column(column), f"the {side} table: {column}")
    except SourceUnreadable as error:
        raise InputError(error.message, hint=error.hint) from error


def declare(feature: FeaturePlan, values: pa.ChunkedArray | pa.Array, side: str) -> pa.Array:
    """Bring values of a table into the type that both tables can be held in."""
    if isinstance(values, pa.ChunkedArray) and values.num_chunks == 1:
        values = values.chunk(0)  # to combine chunks copies them, even a single one
    try:
        return to_declared(values, feature.declared)
    except (ValueError, OverflowError, pa.ArrowNotImplementedError) as error:
        raise InputError(
            f"column {feature.name!r} of the {side} table cannot be read as {feature.declared.name}",
            hint=" ".join(str(error).split())[:200],
        ) from error


@dataclass(frozen=True)
class Resolved:
    """Rows of which each stands alone: at its entity, and offline at its instant (and time of creation).

    `rows` are their places in the table, None for all of them; `unknown` marks those that stand for rows which contradict
    each other, `newest` those that no row of the same instant was created after. `repeated` counts the rows left out as
    the same as another one and `repeated_entities` their entities; `contradicting` the rows that contradict another one.
    """

    rows: Positions | None
    unknown: Mask
    newest: Mask
    repeated: int = 0
    repeated_entities: int = 0
    contradicting: int = 0


def resolve(table: TableRows, entity: Positions, features: Sequence[FeaturePlan]) -> Resolved:
    """Find the rows that stand for the same thing, and tell whether they agree in every feature.

    Values agree when they are equal without tolerance; two nulls do. Online rows are one thing when their keys are the
    same, and then have to agree in their instants as well; offline rows when the instants are the same too.
    """
    alone = np.zeros(len(entity), dtype=bool)
    if np.bincount(entity, minlength=1).max() <= 1:
        return Resolved(None, alone, ~alone)
    instants = microseconds(table.instants)
    # By instant online too, where it parts nothing: what stands for several rows must not depend on their order.
    stamps = [instants] if table.created is None else [table.created, instants]
    order = np.lexsort((*stamps, entity))
    of_instant = _starts(entity[order], *([instants[order]] if table.side == "offline" else []))
    of_thing = of_instant if table.created is None else of_instant | _starts(table.created[order])
    starts = np.flatnonzero(of_thing)
    sizes = np.diff(np.append(starts, len(order)))
    newest = np.append(of_instant[starts][1:], True)
    several = sizes > 1
    if not several.any():
        return Resolved(None, alone, ~alone)
    things = np.repeat(np.flatnonzero(several), sizes[several])
    rows, heads = order[np.repeat(several, sizes)], order[starts][things]
    agrees = np.ones(len(starts), dtype=bool)
    np.logical_and.at(agrees, things, _same(table, rows, heads, features) & (instants[rows] == instants[heads]))
    merged = several & agrees
    return Resolved(
        order[starts],
        ~agrees,
        newest,
        repeated=int((sizes - 1)[merged].sum()),
        repeated_entities=len(distinct(entity[order[starts[merged]]])),
        contradicting=int(sizes[~agrees].sum()),
    )


def _starts(*columns: np.ndarray) -> Mask:
    """Mark the rows that differ from the row before them, the first one included."""
    starts = np.zeros(len(columns[0]), dtype=bool)
    starts[:1] = True
    for column in columns:
        starts[1:] |= column[1:] != column[:-1]
    return starts


def _same(table: TableRows, rows: Positions, others: Positions, features: Sequence[FeaturePlan]) -> Mask:
    same = np.ones(len(rows), dtype=bool)
    for feature in features:
        column = table.values.column(feature.name)
        one, other = (declare(feature, column.take(pa.array(places)), table.side) for places in (rows, others))
        same &= equal_or_null(one, other, EXACT, feature.declared.kind)
    return same
