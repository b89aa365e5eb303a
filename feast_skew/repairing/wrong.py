"""Which rows are wrong: those that the local engine measured, kept by view until they are repaired."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from feast_skew.config import RunSettings
from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.arrays import Instants, Mask
from feast_skew.core.keys import KeySet
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.core.pairs import WRONG, PairClass
from feast_skew.engines.base import Engine
from feast_skew.engines.local import LocalEngine
from feast_skew.measuring.drawing import Measured, taken
from feast_skew.measuring.progress import Progress
from feast_skew.measuring.sampling import ViewSample
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.stores.base import OfflineReader, OnlineReader

if TYPE_CHECKING:
    from feast_skew.stores.feast_offline import FeastOfflineReader

STALE = "stale"
_ORDER = (*WRONG[::-1], PairClass.OFFLINE_ONLY, PairClass.UNALIGNED)
"""Classes by how much each says of a row that is in several, by its features."""


@dataclass(frozen=True)
class Wanted:
    """Which rows are to be repaired: wrong in one of some features (None: of any), and by wish stale and unaligned ones.

    Features that are ignored on the day of the run make no row wrong.
    """

    today: date
    features: Collection[str] | None = None
    stale: bool = False
    unaligned: bool = False

    @property
    def classes(self) -> tuple[PairClass, ...]:
        """The classes of pairs that count."""
        return (*WRONG, PairClass.OFFLINE_ONLY, *((PairClass.UNALIGNED,) if self.unaligned else ()))

    def counts(self, feature: FeaturePlan) -> bool:
        """Tell whether a row is wrong that is wrong in this feature."""
        limits = feature.limits
        ignored = bool(limits.ignored) and limits.ignored_until is not None and self.today <= limits.ignored_until
        return not ignored and (self.features is None or feature.ref in self.features)

    def mask(self, part: ViewMeasurement) -> Mask:
        """Tell which rows of a measurement are to be repaired."""
        found = np.zeros(part.entities.num_rows, dtype=bool)
        for feature in part.features:
            if self.counts(feature):
                found |= part.pairs[feature.name].mask(*self.classes)
        if self.stale and any(map(self.counts, part.features)):
            found |= part.rows.stale & ~part.rows.unaligned
        return found


@dataclass(frozen=True)
class WrongRows:
    """The wrong rows of a view, of all `compared` entities, with what was measured of them; `parts` are of features that align alike.

    `online_only` counts compared entities of which offline knows nothing, `served` tells whether any entity has an online row.
    """

    view: ViewPlan
    compared: int
    parts: tuple[ViewMeasurement, ...]
    wanted: Wanted
    online_only: int = 0
    served: bool = True

    @property
    def entities(self) -> pa.Table:
        """The entities whose rows are wrong."""
        return self.parts[0].entities

    @property
    def count(self) -> int:
        """The number of wrong rows."""
        return self.entities.num_rows

    @property
    def aligned(self) -> Instants:
        """The instant of the offline row that each online row was held against, `NO_INSTANT` where there is none."""
        return np.maximum.reduce([part.rows.aligned for part in self.parts])

    def classes(self) -> dict[str, Mask]:
        """Tell by class which rows have a feature in it, the class that says most first."""
        found = {}
        for kind in _ORDER:
            if kind not in self.wanted.classes:
                continue
            mask = np.zeros(self.count, dtype=bool)
            for part in self.parts:
                for feature in filter(self.wanted.counts, part.features):
                    mask |= part.pairs[feature.name].mask(kind)
            if mask.any():
                found[kind.key] = mask
        if self.wanted.stale:
            stale = np.logical_or.reduce([part.rows.stale & ~part.rows.unaligned for part in self.parts])
            found |= {STALE: stale} if stale.any() else {}
        return found


@dataclass
class Collected:
    """Starts the local engine, and keeps the wrong rows of every view that it measures."""

    wanted: Wanted
    views: dict[str, WrongRows] = field(default_factory=dict)

    @contextmanager
    def start(
        self,
        online: OnlineReader,
        offline: FeastOfflineReader,
        as_of: int,
        settings: RunSettings,
        progress: Progress,
        given: dict[KeySet, ViewSample],
    ) -> Iterator[Engine]:
        """Give the engine; see `engines.start.STARTS`."""
        yield _KeepingEngine(self, online, offline, as_of, settings.seed, progress, given=given)

    def take(self, view: ViewPlan, parts: list[ViewMeasurement]) -> None:
        """Keep the wrong rows of a measured view."""
        masks = [self.wanted.mask(part) for part in parts]
        chosen = np.flatnonzero(np.logical_or.reduce(masks))
        alone = np.zeros(parts[0].entities.num_rows, dtype=bool)
        for part in parts:
            for pairs in part.pairs.values():
                alone |= pairs.mask(PairClass.ONLINE_ONLY)
        served = bool((parts[0].rows.online != NO_INSTANT).any())
        kept = tuple(taken(part, chosen) for part in parts)
        self.views[view.name] = WrongRows(
            view, parts[0].entities.num_rows, kept, self.wanted, int(np.count_nonzero(alone)), served
        )


class _KeepingEngine(LocalEngine):
    """The local engine, which hands the rows that it measured on before it forgets them."""

    def __init__(
        self,
        collected: Collected,
        online: OnlineReader,
        offline: OfflineReader,
        as_of: int,
        seed: int,
        progress: Progress,
        *,
        given: Mapping[KeySet, ViewSample],
    ) -> None:
        super().__init__(online, offline, as_of, seed, progress, given=given)
        self._collected = collected

    def measure(self, view: ViewPlan) -> list[Measured]:
        """Measure, and hand on; see `Engine.measure`."""
        found = super().measure(view)
        self._collected.take(view, self._measured[view.name])
        return found
