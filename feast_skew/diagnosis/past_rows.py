"""Offline rows from before the aligned ones, and when the aligned ones were created, for a bounded number of entities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from feast_skew.core.alignment import NO_INSTANT, EarlierSteps
from feast_skew.core.arrays import Instants, Positions
from feast_skew.core.columns import take_rows
from feast_skew.core.keys import KeyIndex
from feast_skew.core.model import FeaturePlan
from feast_skew.core.pairs import PairClass
from feast_skew.diagnosis.context import Version
from feast_skew.errors import SkewError
from feast_skew.measuring.history import pick_rows
from feast_skew.measuring.progress import Progress
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.stores.base import RowSource

MOST_WRONG = 20_000
MOST_RIGHT = 5_000
MOST_VERSIONS = 6
_ALIGNED = "aligned"


@dataclass(frozen=True)
class _Found:
    """What one look at the source found: places of entities among the drawn rows, and what was read of them."""

    positions: Positions
    created: Instants
    earlier: tuple[Instants, ...]
    columns: tuple[dict[str, pa.Array], ...]


class PastRows:
    """Reads, at most once per view, the rows before the aligned ones of entities with a wrong value in any feature.

    Of at most 20,000 of them, and of 5,000 others the time of creation alone, to compare with.
    """

    def __init__(self, measured: ViewMeasurement, offline: RowSource, progress: Progress) -> None:
        self._measured = measured
        self._offline = offline
        self._progress = progress
        self._found: _Found | None = None

    def versions(self, feature: FeaturePlan) -> list[Version]:
        """Give a feature's values of 1, 2, ... up to 6 versions before the aligned row, as far as offline has any."""
        found = self._read()
        size = self._measured.entities.num_rows
        versions = []
        for instants, columns in zip(found.earlier, found.columns, strict=True):
            if feature.name not in columns:
                break
            places = np.full(size, -1, dtype=np.int64)
            places[found.positions] = np.arange(len(found.positions))
            known = np.zeros(size, dtype=bool)
            known[found.positions] = instants != NO_INSTANT
            versions.append(Version(columns[feature.name].take(pa.array(places, mask=places < 0)), known))
        return versions

    def created(self) -> Instants:
        """Give when the aligned offline rows were created, `NO_INSTANT` where it is not known."""
        found = self._read()
        created = np.full(self._measured.entities.num_rows, NO_INSTANT, dtype=np.int64)
        created[found.positions] = found.created
        return created

    def _read(self) -> _Found:
        if self._found is None:
            try:
                self._found = self._look()
            except SkewError:  # a source that cannot be read a second time proves nothing
                none = np.empty(0, dtype=np.int64)
                self._found = _Found(none, none, (), ())
        return self._found

    def _chosen(self) -> tuple[Positions, int]:
        """Give places of entities with an aligned row, wrong ones first, and how many these are."""
        measured = self._measured
        wrong = np.zeros(measured.entities.num_rows, dtype=bool)
        for pairs in measured.pairs.values():
            wrong |= pairs.wrong & ~pairs.mask(PairClass.CORRUPT)
        aligned = measured.rows.aligned != NO_INSTANT
        some = [
            np.flatnonzero(mask)[np.argsort(measured.order[mask], kind="stable")][:most]
            for mask, most in ((aligned & wrong, MOST_WRONG), (aligned & ~wrong, MOST_RIGHT))
        ]
        return np.concatenate(some), len(some[0])

    def _look(self) -> _Found:
        measured, view = self._measured, self._measured.view
        positions, wrong = self._chosen()
        index = KeyIndex(take_rows(measured.entities, positions))
        aligned = measured.rows.aligned[positions]
        history = EarlierSteps(np.arange(wrong), len(positions))
        rows = measured.source_rows or None
        with self._progress.stage(f"{view.name}: rows before the wrong ones", rows, "rows") as stage:
            for batch in self._offline.scan(view, ()):
                history.add(batch.positions(index), batch.instants)
                stage.advance(len(batch.instants))
        start = np.where(np.arange(len(positions)) < wrong, aligned, NO_INSTANT)
        steps = history.steps(start, np.zeros(len(positions), dtype=np.int64), MOST_VERSIONS)
        earlier = tuple(instants for instants in steps if (instants != NO_INSTANT).any())
        created = np.full(len(positions), NO_INSTANT, dtype=np.int64)
        if not earlier and not view.materializations:
            return _Found(positions, created, (), ())
        features = [one for one in measured.features if measured.pairs[one.name].wrong.any()]
        wanted = {_ALIGNED: aligned, **{str(k): instants for k, instants in enumerate(earlier)}}
        with self._progress.stage(f"{view.name}: values before the wrong ones", rows, "rows") as stage:
            held = pick_rows(view, features, index, wanted, self._offline, stage.advance)
        present = held.pop(_ALIGNED).created
        return _Found(
            positions, created if present is None else present, earlier, tuple(one.columns for one in held.values())
        )
