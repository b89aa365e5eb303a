"""One view, measured: the online rows, the offline rows that belong to them, and the class of every pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.alignment import FAR_FUTURE, NO_INSTANT, Timeline
from feast_skew.core.arrays import Mask
from feast_skew.core.columns import joined, put, take_rows
from feast_skew.core.equality import EXACT, equal
from feast_skew.core.keys import KeyIndex
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.core.pairs import FeaturePairs, PairClass, RowState, classify
from feast_skew.measuring.entity_order import entity_order
from feast_skew.measuring.history import HeldRows, pick_rows
from feast_skew.measuring.progress import Progress
from feast_skew.measuring.training import Question, Training, hold_against_training
from feast_skew.statistics.hashing import Hashes
from feast_skew.stores.base import Compared, OfflineReader, OnlineReader, OnlineRows, check_held


@dataclass
class ViewMeasurement:
    """What was read of one view, or of those of its features that align alike: row states, and pairs by feature.

    `moved` counts entities whose online row changed while the run looked, `ties` those with several offline rows at one
    instant, `differing_ties` those of them whose rows differ; `training` says how `get_historical_features` answers.
    """

    view: ViewPlan
    entities: pa.Table
    rows: RowState
    pairs: dict[str, FeaturePairs]
    older_positions: np.ndarray
    older: dict[str, pa.Array]
    moved: int = 0
    ties: int = 0
    differing_ties: int = 0
    training: Training = field(default_factory=Training)
    source_rows: int = 0
    features: tuple[FeaturePlan, ...] = field(default=())

    @cached_property
    def order(self) -> Hashes:
        """A hash per entity, in which the statistics' sample takes them."""
        return entity_order(self.entities)

    @property
    def compared(self) -> Compared:
        """The offline side of the comparison."""
        columns = {name: pairs.offline for name, pairs in self.pairs.items()}
        return Compared(
            self.view, self.features, self.entities, self.rows.aligned, columns, self.ties, self.differing_ties
        )


def read_online(
    view: ViewPlan,
    features: Sequence[FeaturePlan],
    entities: pa.Table,
    online: OnlineReader,
    progress: Progress,
    stage_name: str,
) -> OnlineRows:
    """Read the online rows of all entities, a chunk at a time unless they lie in memory anyway.

    Raises
    ------
    StoreUnavailable
        When the store does not answer.
    TooMuchData
        When the values do not fit into memory.
    """
    parts = []
    held = 0
    with progress.stage(stage_name, entities.num_rows, "entities") as stage:
        if online.at_rest:
            stage.advance(entities.num_rows)
            return online.read(view, features, entities)
        for start in range(0, entities.num_rows, online.chunk):
            chunk = take_rows(entities, np.arange(start, min(start + online.chunk, entities.num_rows)))
            parts.append(online.read(view, features, chunk))
            held += parts[-1].held
            check_held(held, entities.num_rows)
            stage.advance(chunk.num_rows)
    return OnlineRows.concat(parts, features)


def measure_view(
    view: ViewPlan, index: KeyIndex, online: OnlineReader, offline: OfflineReader, as_of: int, progress: Progress
) -> list[ViewMeasurement]:
    """Measure a view on the entities of an index: online first, then the offline rows at the same instants.

    Features that align alike share a measurement. Wrong entities are read from online once more, unless its rows are at
    rest; those whose row changed meanwhile are aligned anew.
    """
    entities = index.entities
    first = read_online(view, view.features, entities, online, progress, f"{view.name}: online")
    parts = _align(view, index, first, offline, as_of, progress)
    if online.at_rest:
        return parts
    doubtful = np.zeros(entities.num_rows, dtype=bool)
    for part in parts:
        for pairs in part.pairs.values():
            doubtful |= pairs.wrong | pairs.mask(PairClass.OFFLINE_ONLY)
    if doubtful.any():
        again = np.flatnonzero(doubtful)
        suspects = take_rows(entities, again)
        second = read_online(view, view.features, suspects, online, progress, f"{view.name}: online, once more")
        changed = _changed(first, second, again, view.features)
        if changed.any():
            moved = again[changed]
            rows = _take_rows(second, np.flatnonzero(changed))
            renewed = _align(view, KeyIndex(take_rows(entities, moved)), rows, offline, as_of, progress)
            for part, new in zip(parts, renewed, strict=True):
                _splice(part, new, moved)
    return parts


def _align(
    view: ViewPlan, index: KeyIndex, found: OnlineRows, offline: OfflineReader, as_of: int, progress: Progress
) -> list[ViewMeasurement]:
    timeline = Timeline(found.instants, as_of)
    source_rows = 0
    with progress.stage(f"{view.name}: offline timestamps", offline.row_count(view), "rows") as stage:
        for batch in offline.scan(view, ()):
            timeline.add(batch.positions(index), batch.instants)
            source_rows += len(batch.instants)
            stage.advance(len(batch.instants))
    groups: dict[int, list[FeaturePlan]] = {}
    for feature in view.features:
        groups.setdefault(feature.limits.align_within, []).append(feature)
    return [
        _pair_up(view, tuple(features), index, found, timeline, within, offline, as_of, source_rows, progress)
        for within, features in groups.items()
    ]


def _row_state(view: ViewPlan, timeline: Timeline, within: int, as_of: int) -> RowState:
    online, latest = timeline.online, timeline.latest
    both = (online != NO_INSTANT) & (latest != NO_INSTANT)
    expired = np.zeros(len(online), dtype=bool)
    if view.ttl is not None:
        expired = (online != NO_INSTANT) & (online < as_of - view.ttl)
    aligned = timeline.aligned(within)
    # Within the tolerance of alignment a row counts as the same one, so it is neither late nor early for it.
    near = (aligned != NO_INSTANT) & (aligned == latest)
    return RowState(
        online=online,
        latest=latest,
        before=timeline.before,
        after=np.where(timeline.after == FAR_FUTURE, NO_INSTANT, timeline.after),
        aligned=aligned,
        has_offline=timeline.has_offline,
        stale=both & (online < latest) & ~near,
        ahead=both & (online > latest) & ~near,
        expired=expired,
    )


def _pair_up(  # noqa: PLR0913, PLR0917  one call site, each argument a thing of its own
    view: ViewPlan,
    features: tuple[FeaturePlan, ...],
    index: KeyIndex,
    found: OnlineRows,
    timeline: Timeline,
    within: int,
    offline: OfflineReader,
    as_of: int,
    source_rows: int,
    progress: Progress,
) -> ViewMeasurement:
    entities = index.entities
    rows = _row_state(view, timeline, within, as_of)
    held_at = timeline.held(within)
    with progress.stage(f"{view.name}: offline values", source_rows or None, "rows") as stage:
        held = pick_rows(view, features, index, {"held": held_at}, offline, stage.advance)["held"]
    measured = ViewMeasurement(
        view,
        entities,
        rows,
        {},
        held.older_positions,
        held.older,
        ties=int(held.tied.sum()),
        differing_ties=int(held.tied_and_differ.sum()),
        source_rows=source_rows,
        features=features,
    )
    if held.all_tied is not None:
        held.all_tied.settle(held.columns, features, found.columns, rows.aligned != NO_INSTANT)
    _compare(measured, features, held, found)
    wrong = np.zeros(entities.num_rows, dtype=bool)
    for pairs in measured.pairs.values():
        wrong |= pairs.mask(PairClass.MISMATCH, PairClass.NULL_OFFLINE, PairClass.NULL_ONLINE)
    question = Question(view, features, entities, held_at, source_rows)
    measured.training = hold_against_training(question, held, rows.aligned != NO_INSTANT, wrong, offline)
    if measured.training.replaced:
        _compare(measured, features, held, found)
    return measured


def _compare(measured: ViewMeasurement, features: Sequence[FeaturePlan], held: HeldRows, found: OnlineRows) -> None:
    for feature in features:
        off, on = held.columns[feature.name], found.columns[feature.name]
        classes = classify(
            measured.rows,
            equal(off, on, feature.tolerance, feature.declared.kind),
            np.asarray(pc.is_null(off)),
            np.asarray(pc.is_null(on)),
            found.corrupt[feature.name],
        )
        measured.pairs[feature.name] = FeaturePairs(off, on, classes)


def _changed(first: OnlineRows, second: OnlineRows, again: np.ndarray, features: Sequence[FeaturePlan]) -> Mask:
    changed: Mask = first.instants[again] != second.instants
    for feature in features:
        before = first.columns[feature.name].take(pa.array(again))
        after = second.columns[feature.name]
        both_null = np.asarray(pc.is_null(before)) & np.asarray(pc.is_null(after))
        changed |= ~(equal(before, after, EXACT) | both_null)
        changed |= first.corrupt[feature.name][again] != second.corrupt[feature.name]
    return changed


def _take_rows(rows: OnlineRows, positions: np.ndarray) -> OnlineRows:
    take = pa.array(positions)
    return OnlineRows(
        rows.instants[positions],
        {name: column.take(take) for name, column in rows.columns.items()},
        {name: mask[positions] for name, mask in rows.corrupt.items()},
    )


def _splice(measured: ViewMeasurement, renewed: ViewMeasurement, positions: np.ndarray) -> None:
    arrays = {}
    for name in RowState.__dataclass_fields__:
        whole = getattr(measured.rows, name).copy()
        whole[positions] = getattr(renewed.rows, name)
        arrays[name] = whole
    measured.rows = RowState(**arrays)
    measured.moved = len(positions)
    kept = ~np.isin(measured.older_positions, positions)
    measured.older_positions = np.concatenate([measured.older_positions[kept], positions[renewed.older_positions]])
    for name, versions in measured.older.items():
        measured.older[name] = joined(versions.filter(pa.array(kept)), renewed.older[name])
    for name, pairs in measured.pairs.items():
        new = renewed.pairs[name]
        classes = pairs.classes.copy()
        classes[positions] = new.classes
        measured.pairs[name] = replace(
            pairs,
            offline=put(pairs.offline, positions, new.offline),
            online=put(pairs.online, positions, new.online),
            classes=classes,
        )
