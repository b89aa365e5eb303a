"""One view, measured: the online rows, the offline rows that belong to them, and the class of every pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.alignment import FAR_FUTURE, NO_INSTANT, Timeline
from feast_skew.core.arrays import Mask
from feast_skew.core.columns import joined, put, take_rows
from feast_skew.core.equality import EXACT, equal, equal_or_null
from feast_skew.core.keys import KeyIndex
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.core.pairs import FeaturePairs, PairClass, RowState, classify
from feast_skew.measuring.entity_order import entity_order
from feast_skew.measuring.history import pick_rows
from feast_skew.measuring.progress import Progress
from feast_skew.statistics.hashing import Hashes
from feast_skew.stores.base import Compared, OnlineRows, RowReader, RowSource, check_held


@dataclass
class ViewMeasurement:
    """What was read of one view, or of those of its features that align alike: row states, and pairs by feature.

    `moved` counts entities whose online row changed while the run looked, `ties` those with several offline rows at one
    instant, `differing_ties` those of them whose rows differ; `tied` marks the aligned ones among these.
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
    source_rows: int = 0
    features: tuple[FeaturePlan, ...] = field(default=())
    tied: Mask = field(default_factory=lambda: np.empty(0, dtype=bool))

    def __post_init__(self) -> None:
        if not len(self.tied):
            self.tied = np.zeros(self.entities.num_rows, dtype=bool)

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
    online: RowReader,
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
    view: ViewPlan, index: KeyIndex, online: RowReader, offline: RowSource, as_of: int, progress: Progress
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
    view: ViewPlan, index: KeyIndex, found: OnlineRows, offline: RowSource, as_of: int, progress: Progress
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
    offline: RowSource,
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
        tied=held.tied_and_differ & (rows.aligned != NO_INSTANT),
    )
    if held.all_tied is not None:
        held.all_tied.settle(held.columns, features, found.columns, rows.aligned != NO_INSTANT)
    for feature in features:
        name = feature.name
        off, on = held.columns[name], found.columns[name]
        measured.pairs[name] = paired(feature, rows, off, on, found.corrupt[name])
    return measured


def paired(feature: FeaturePlan, rows: RowState, offline: pa.Array, online: pa.Array, corrupt: Mask) -> FeaturePairs:
    """Put the two columns of a feature side by side and give each pair its class."""
    same = equal(offline, online, feature.tolerance, feature.declared.kind)
    nulls = np.asarray(pc.is_null(offline)), np.asarray(pc.is_null(online))
    return FeaturePairs(offline, online, classify(rows, same, *nulls, corrupt))


def _changed(first: OnlineRows, second: OnlineRows, again: np.ndarray, features: Sequence[FeaturePlan]) -> Mask:
    changed: Mask = first.instants[again] != second.instants
    for feature in features:
        before = first.columns[feature.name].take(pa.array(again))
        after = second.columns[feature.name]
        changed |= ~equal_or_null(before, after, EXACT)
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
    for name in (one.name for one in fields(RowState)):
        whole = getattr(measured.rows, name).copy()
        whole[positions] = getattr(renewed.rows, name)
        arrays[name] = whole
    measured.rows = RowState(**arrays)
    measured.tied[positions] = renewed.tied
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
