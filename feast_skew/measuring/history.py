"""Offline rows at chosen instants, picked out of one pass over a view's source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from feast_skew.core.alignment import NO_INSTANT, microseconds
from feast_skew.core.arrays import Instants, Positions
from feast_skew.core.columns import joined
from feast_skew.core.equality import EXACT, equal_or_null
from feast_skew.core.keys import KeyIndex
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.measuring.ties import TiedRows
from feast_skew.stores.base import OfflineBatch, RowSource


@dataclass
class HeldRows:
    """The offline rows found at one instant per entity.

    `columns` have one value per entity, in the declared types, null where there is no row. `tied` marks entities with
    several rows at that instant of which none is the newest, `older` holds the earlier versions of a row that was
    written again: positions of entities, and the columns of those versions. `all_tied` has all rows that are tied and differ,
    of stores of which training gets all. `created` tells when the rows were created, `NO_INSTANT` where there is none; None of
    sources that do not tell.
    """

    columns: dict[str, pa.Array]
    tied: np.ndarray
    tied_and_differ: np.ndarray
    older_positions: np.ndarray
    older: dict[str, pa.Array]
    all_tied: TiedRows | None = None
    created: Instants | None = None


@dataclass
class _Part:
    positions: np.ndarray
    created: np.ndarray | None
    values: pa.Table


class RowPicker:
    """Collects, from batches in any order, the rows that stand at the wanted instant of their entity."""

    def __init__(self, wanted: np.ndarray) -> None:
        self._wanted = microseconds(wanted)
        self._parts: list[_Part] = []

    def add(self, positions: np.ndarray, batch: OfflineBatch) -> None:
        """Take the rows of a batch that are wanted."""
        hit = positions >= 0
        hit[hit] = self._wanted[positions[hit]] == microseconds(batch.instants[hit])
        if not hit.any():
            return
        if hit.all():
            self._parts.append(_Part(positions, batch.created, batch.values))
            return
        created = batch.created[hit] if batch.created is not None else None
        self._parts.append(_Part(positions[hit], created, batch.values.filter(pa.array(hit))))

    def rows(self, features: Sequence[FeaturePlan], offline: RowSource) -> HeldRows:
        """Give the newest row of each entity, and the others at the same instant."""
        size = len(self._wanted)
        if not self._parts:
            nothing = {feature.name: pa.nulls(size, feature.declared.arrow) for feature in features}
            return _held(nothing, size, features)
        positions = np.concatenate([part.positions for part in self._parts])
        created = None
        if self._parts[0].created is not None:
            created = np.concatenate([part.created for part in self._parts if part.created is not None])
        values = pa.concat_tables([part.values for part in self._parts], promote_options="permissive")
        self._parts = []
        if np.bincount(positions, minlength=size).max() == 1:
            chosen = np.full(size, -1, dtype=np.int64)
            chosen[positions] = np.arange(len(positions))
            parts = {feature.name: values.column(feature.name) for feature in features}
            del values
            return _held(_at(chosen, parts, features, offline), size, features, _created(created, chosen))
        # Stable: among equal created timestamps the row that stands later in the source comes last, as in Feast's own
        # keep="last".
        order = np.lexsort((created, positions)) if created is not None else np.argsort(positions, kind="stable")
        positions = positions[order]
        last = np.append(positions[1:] != positions[:-1], True)
        chosen = np.full(size, -1, dtype=np.int64)
        chosen[positions[last]] = order[last]
        columns = {feature.name: values.column(feature.name) for feature in features}
        held = _held(_at(chosen, columns, features, offline), size, features, _created(created, chosen))
        others = ~last
        if others.any():
            self._note_others(held, positions, order, others, created, values, features, offline)
        return held

    @staticmethod
    def _note_others(
        held: HeldRows,
        positions: np.ndarray,
        order: np.ndarray,
        others: np.ndarray,
        created: np.ndarray | None,
        values: pa.Table,
        features: Sequence[FeaturePlan],
        offline: RowSource,
    ) -> None:
        last_created = np.full(len(held.tied), NO_INSTANT, dtype=np.int64)
        if created is not None:
            np.maximum.at(last_created, positions, created[order])
            newest = created[order] == last_created[positions]
        else:
            newest = np.ones(len(positions), dtype=bool)
        other_positions = positions[others]
        table = values.take(pa.array(order[others]))
        declared = {f.name: offline.declare(f, table.column(f.name)) for f in features}
        tie = newest[others]
        held.tied[other_positions[tie]] = True
        for name, column in declared.items():
            same = equal_or_null(column, held.columns[name].take(pa.array(other_positions)), EXACT)
            held.tied_and_differ[other_positions[tie & ~same]] = True
        if offline.gives_all_ties:
            held.all_tied = _all_tied(held, other_positions, tie, declared)
            if held.all_tied is not None:
                held.all_tied.settle(held.columns, features)
        older = pa.array(~tie)
        held.older_positions = other_positions[~tie]
        held.older = {name: column.filter(older) for name, column in declared.items()}


def _all_tied(held: HeldRows, others: np.ndarray, tie: np.ndarray, declared: dict[str, pa.Array]) -> TiedRows | None:
    """Put the tied rows that differ together: those that are held, and the others."""
    first = np.flatnonzero(held.tied_and_differ)
    if not len(first):
        return None
    wanted = np.flatnonzero(tie & held.tied_and_differ[others])
    columns = {
        name: joined(held.columns[name].take(pa.array(first)), column.take(pa.array(wanted)))
        for name, column in declared.items()
    }
    return TiedRows(np.concatenate([first, others[wanted]]), columns)


def _at(
    rows: np.ndarray, values: dict[str, pa.ChunkedArray], features: Sequence[FeaturePlan], offline: RowSource
) -> dict[str, pa.Array]:
    """Take rows of some columns, which are used up: each is let go before the next one is copied."""
    take = pa.array(rows, mask=rows < 0)
    return {f.name: offline.declare(f, values.pop(f.name).take(take)) for f in features}


def _created(created: Instants | None, rows: Positions) -> Instants | None:
    return None if created is None else np.append(created, NO_INSTANT)[rows]


def _held(
    columns: dict[str, pa.Array], size: int, features: Sequence[FeaturePlan], created: Instants | None = None
) -> HeldRows:
    """Give rows of which each is the only one at its instant."""
    none = np.zeros(size, dtype=bool)
    older = {feature.name: pa.nulls(0, feature.declared.arrow) for feature in features}
    return HeldRows(columns, none, none.copy(), np.empty(0, dtype=np.int64), older, created=created)


def pick_rows(
    view: ViewPlan,
    features: Sequence[FeaturePlan],
    index: KeyIndex,
    wanted: Mapping[str, np.ndarray],
    offline: RowSource,
    advance: object = None,
) -> dict[str, HeldRows]:
    """Give the offline rows at the wanted instants (by role, one per entity of an index) in one pass over the source."""
    pickers = {role: RowPicker(instants) for role, instants in wanted.items()}
    for batch in offline.scan(view, features):
        positions = batch.positions(index)
        for picker in pickers.values():
            picker.add(positions, batch)
        if callable(advance):
            advance(len(batch.instants))
    return {role: picker.rows(features, offline) for role, picker in pickers.items()}
