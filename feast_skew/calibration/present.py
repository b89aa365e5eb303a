"""What clean runs may look like where none is stored: offline's present data held against itself, at other times and in other halves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from feast_skew.core.alignment import NO_INSTANT, microseconds, to_nanoseconds
from feast_skew.core.arrays import Instants, Positions
from feast_skew.core.equality import equal
from feast_skew.core.keys import KeyIndex
from feast_skew.core.model import FeaturePlan, Plan, ViewPlan
from feast_skew.errors import SkewError
from feast_skew.judging.profiling import profile_of
from feast_skew.measuring.entity_order import entity_order
from feast_skew.measuring.history import pick_rows
from feast_skew.measuring.progress import Progress
from feast_skew.measuring.sampling import draw, find_population
from feast_skew.report import iso
from feast_skew.statistics.hashing import Hashes
from feast_skew.statistics.profile import Profile
from feast_skew.stores.base import RowSource

SHIFTS = 7
SPLITS = 4
_FEWEST = 20


@dataclass(frozen=True)
class Present:
    """Profiles that stand for clean runs, by view and feature with a moment each, and why features have none."""

    profiles: dict[tuple[str, str], list[tuple[str, Profile]]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


def present_profiles(
    plan: Plan, offline: RowSource, as_of: datetime, every: timedelta, sample: int, seed: int, progress: Progress
) -> Present:
    """Hold offline's values against themselves: the newest against those of 1 to 7 times `every` before, and halves of entities.

    Parameters
    ----------
    offline : RowSource
        Its sources are read four times each, three times without values.
    sample : int
        Entities per entity key set.

    Returns
    -------
    Present
        For each feature up to 7 profiles of the same entities at two moments, and 4 of entities against others, of which half
        stand on either side. A feature of which fewer than 20 entities have a row has none.

    Notes
    -----
    Rows older than the view's TTL are left out, as a training set leaves them out.
    """
    found = Present()
    for keys, views in plan.key_sets().items():
        population = find_population(keys, views, offline, to_nanoseconds(as_of), progress)
        samples = draw(population, sample, seed)
        for view in views:
            trouble = population.errors.get(view.name)
            if trouble is None:
                try:
                    _add_view(found, view, samples[view.name].index(), offline, as_of, every, progress)
                except SkewError as error:
                    trouble = error
            if trouble is not None:
                found.skipped.update({feature.ref: trouble.one_line() for feature in view.features})
    return found


def _add_view(
    found: Present,
    view: ViewPlan,
    index: KeyIndex,
    offline: RowSource,
    as_of: datetime,
    every: timedelta,
    progress: Progress,
) -> None:
    newest = _newest(view, offline, as_of, progress)
    moments = [newest - number * every for number in range(SHIFTS + 1)]
    latest = _latest(view, index, offline, moments, progress)
    wanted = {str(number): instants for number, instants in enumerate(latest)}
    with progress.stage(f"{view.name}: offline, at {len(moments)} moments", None, "rows") as stage:
        held = pick_rows(view, view.features, index, wanted, offline, stage.advance)
    order = entity_order(index.entities)
    for feature in view.features:
        columns = [held[role].columns[feature.name] for role in wanted]
        profiles = [
            *_shifted(feature, columns, latest, order, moments),
            *_split(feature, columns[0], latest[0], order, newest),
        ]
        if profiles:
            found.profiles[view.name, feature.name] = sorted(profiles, key=lambda one: one[0])
        else:
            found.skipped[feature.ref] = f"fewer than {_FEWEST} entities have a row offline"


def _newest(view: ViewPlan, offline: RowSource, as_of: datetime, progress: Progress) -> datetime:
    """Give the moment of the view's newest row: from there on back something moves, however old the data are."""
    limit, newest = to_nanoseconds(as_of), NO_INSTANT
    with progress.stage(f"{view.name}: newest row offline", offline.row_count(view), "rows") as stage:
        for batch in offline.scan(view, ()):
            in_time = batch.instants[batch.instants <= limit]
            newest = max(newest, int(in_time.max(initial=NO_INSTANT)))
            stage.advance(len(batch.instants))
    return as_of if newest == NO_INSTANT else as_of - timedelta(microseconds=(limit - newest) // 1_000)


def _latest(
    view: ViewPlan, index: KeyIndex, offline: RowSource, moments: list[datetime], progress: Progress
) -> list[Instants]:
    """Give the instant of the last row of each entity up to each of the moments, `NO_INSTANT` where there is none."""
    targets = [to_nanoseconds(moment) for moment in moments]
    latest = [np.full(index.entities.num_rows, NO_INSTANT, dtype=np.int64) for _ in targets]
    with progress.stage(f"{view.name}: rows offline", offline.row_count(view), "rows") as stage:
        for batch in offline.scan(view, ()):
            positions, instants = batch.positions(index), microseconds(batch.instants)
            for target, held in zip(targets, latest, strict=True):
                in_time = (positions >= 0) & (instants <= target)
                if view.ttl is not None:
                    in_time &= instants >= target - view.ttl
                np.maximum.at(held, positions[in_time], instants[in_time])
            stage.advance(len(batch.instants))
    return latest


def _shifted(
    feature: FeaturePlan, columns: list[pa.Array], latest: list[Instants], order: Hashes, moments: list[datetime]
) -> Iterator[tuple[str, Profile]]:
    for column, instants, moment in zip(columns[1:], latest[1:], moments[1:], strict=True):
        both = np.flatnonzero((latest[0] != NO_INSTANT) & (instants != NO_INSTANT))
        if len(both) >= _FEWEST:
            yield iso(moment), _profile(feature, columns[0], column, both, both, order)


def _split(
    feature: FeaturePlan, column: pa.Array, instants: Instants, order: Hashes, as_of: datetime
) -> Iterator[tuple[str, Profile]]:
    known = np.flatnonzero(instants != NO_INSTANT)
    half = len(known) // 2
    if half < _FEWEST:
        return
    for number in range(SPLITS):
        mixed = np.random.default_rng([number, len(known)]).permutation(known[np.argsort(order[known], kind="stable")])
        yield iso(as_of), _profile(feature, column, column, mixed[:half], mixed[half : 2 * half], order)


def _profile(
    feature: FeaturePlan, first: pa.Array, second: pa.Array, left: Positions, right: Positions, order: Hashes
) -> Profile:
    one, other = first.take(pa.array(left)), second.take(pa.array(right))
    same = equal(one, other, feature.tolerance, feature.declared.kind)
    return profile_of(feature, one, other, same, order[left])
