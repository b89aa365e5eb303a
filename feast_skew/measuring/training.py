"""The source's rows held against what `get_historical_features` gives for the same instants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import Instants, Mask, Positions
from feast_skew.core.columns import put, take_rows
from feast_skew.core.equality import equal
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.measuring.history import HeldRows
from feast_skew.stores.base import OfflineReader

_PROBED_RIGHT = 100
_PROBED_WRONG = 200
_PROBED_TIES = 5_000
_PROBE_ROWS = 3_000_000


@dataclass(frozen=True)
class Question:
    """Some features of some entities at one instant each, of a source of so many rows."""

    view: ViewPlan
    features: Sequence[FeaturePlan]
    entities: pa.Table
    instants: Instants
    source_rows: int


@dataclass(frozen=True)
class Training:
    """How the retrieval's answers relate to the source's rows.

    `retrained` is the share of probed entities with another value (None: not asked), `outdated` the number of those for
    which it gave an earlier version of a row that was written again; `replaced` tells whether values were taken over.
    """

    retrained: float | None = None
    outdated: int = 0
    replaced: bool = False


@dataclass(frozen=True)
class _Answer:
    positions: Positions
    columns: dict[str, pa.Array]
    differs: Mask
    outdated: Mask


def hold_against_training(
    question: Question, held: HeldRows, aligned: Mask, wrong: Mask, offline: OfflineReader
) -> Training:
    """Probe the retrieval, and put its values into `held` where they are what models learn from.

    Where a source has several rows at one instant and none is the newest, only the retrieval knows which one training
    takes. Of the other entities some are probed; when any answer differs, the retrieval's values are taken for all of
    them; a store that gives training all of several rows has no answer for these, and is not asked. Earlier versions of a
    row are not taken over: the created timestamp decides, as Feast promises, and a store
    that does not heed it answers differently from one question to the next.
    """
    if offline.gives_all_ties:
        aligned = aligned & ~held.tied_and_differ
    tied = np.flatnonzero(held.tied_and_differ & aligned)[:_PROBED_TIES]
    usual = np.empty(0, dtype=np.int64)
    if question.source_rows <= _PROBE_ROWS:
        untied = aligned & ~held.tied_and_differ
        probed = (np.flatnonzero(wrong & untied)[:_PROBED_WRONG], np.flatnonzero(~wrong & untied)[:_PROBED_RIGHT])
        usual = np.concatenate(probed)
    first = _ask(question, held, np.concatenate([tied, usual]), offline)
    if first is None:
        return Training()
    other = (first.differs & ~first.outdated)[len(tied) :]
    retrained = float(other.mean()) if len(other) else None
    taken = _ask(question, held, np.flatnonzero(aligned), offline) if other.any() else first
    outdated = int(np.count_nonzero(first.outdated))
    if taken is None:
        return Training(retrained, outdated)
    use = np.flatnonzero(taken.differs & ~taken.outdated)
    for name, column in taken.columns.items():
        held.columns[name] = put(held.columns[name], taken.positions[use], column.take(pa.array(use)))
    return Training(retrained, outdated, bool(len(use)))


def _ask(question: Question, held: HeldRows, positions: Positions, offline: OfflineReader) -> _Answer | None:
    if not len(positions):
        return None
    entities = take_rows(question.entities, positions)
    found = offline.training_values(question.view, question.features, entities, question.instants[positions])
    if found is None:
        return None
    place = np.full(len(question.instants), -1, dtype=np.int64)
    place[positions] = np.arange(len(positions))
    versions = place[held.older_positions]
    asked = pa.array(versions >= 0)
    versions = versions[versions >= 0]
    differs = np.zeros(len(positions), dtype=bool)
    earlier = np.ones(len(versions), dtype=bool)
    for feature in question.features:
        theirs = found[feature.name]
        differs |= ~_same(held.columns[feature.name].take(pa.array(positions)), theirs, feature)
        earlier &= _same(held.older[feature.name].filter(asked), theirs.take(pa.array(versions)), feature)
    outdated = np.zeros(len(positions), dtype=bool)
    outdated[versions[earlier]] = True
    return _Answer(positions, found, differs, outdated & differs)


def _same(ours: pa.Array, theirs: pa.Array, feature: FeaturePlan) -> Mask:
    both_null = np.asarray(pc.is_null(ours)) & np.asarray(pc.is_null(theirs))
    same: Mask = equal(ours, theirs, feature.tolerance, feature.declared.kind) | both_null
    return same
