"""Online rows from Redis in bulk, held against Feast's own read, which takes over where the two differ."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from feast.protos.feast.types.Value_pb2 import DESCRIPTOR, Value

from feast_skew.core.arrays import Positions
from feast_skew.core.columns import take_rows
from feast_skew.core.equality import EXACT, equal_or_null
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.report import Finding
from feast_skew.stores.base import Elsewhere, KeyScan, OnlineRows, StoredTypes
from feast_skew.stores.feast_online import FeastOnlineReader
from feast_skew.stores.redis import client, elsewhere, layout
from feast_skew.stores.redis.bulk import BulkHashes
from feast_skew.stores.redis.notes import Notes
from feast_skew.stores.redis.pace import Pace
from feast_skew.stores.redis.remote import Recipe
from feast_skew.stores.redis.rows import CHUNK, Answer, BulkRows
from feast_skew.stores.redis.stored import StoredKinds
from feast_skew.stores.value_messages import declared_name

_PROBED, _PROBED_ABSENT = 16, 64
"""Entities of a view that Feast reads as well: with a row, and without one where hardly any has one."""

_ATTEMPTS = 3


@dataclass(frozen=True)
class ReadSettings:
    """How a store is read: at most so many commands a second (None: as fast as it answers), from replicas or not."""

    max_ops: float | None = None
    replicas: bool = False


class RedisBulkReader:
    """Reads rows by pipelines of HMGET and decodes them by column.

    Of every view a few entities are read through Feast as well. Where the two reads differ, Feast's layout has changed, or
    something that is not known here stands in between: Feast's own read serves that view, and a finding says so.
    """

    at_rest = False
    chunk = CHUNK

    def __init__(
        self,
        generic: FeastOnlineReader,
        settings: ReadSettings,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._generic = generic
        config = generic.config
        self._config = config
        self._settings = settings
        self._sleep = sleep
        self._pace = generic.pace = Pace(settings.max_ops, sleep=sleep)
        self._agreed: dict[str, set[str]] = {}
        self._differs: set[str] = set()
        self._large: Counter[str] = Counter()
        versioned = bool(config.registry.enable_online_feature_view_versioning)
        self._layout = layout.Layout(config.project, config.entity_key_serialization_version, versioned)
        self._rows = BulkRows(self._layout, Value, self._connect)
        self.is_redis = True

    @property
    def findings(self) -> list[Finding]:
        """What users should know of how their rows were read."""
        found = [
            Finding(
                "FS213",
                "warn",
                view,
                "the bulk reader and Feast's own read gave different values; Feast's own were compared, at its slower speed",
                "look for a Feast version that feast-skew does not know yet, or a store class of your own",
            )
            for view in sorted(self._differs)
        ]
        return found + Notes(self._large, self._pace.slowest).findings(self._settings.max_ops)

    def check(self) -> None:
        """Make sure that Redis answers; see `FeastOnlineReader.check`."""
        client.check(self._generic.provider, self._config, self._settings.replicas)

    def close(self) -> None:
        """Close all connections."""
        self._rows.close()
        self._generic.close()

    def read(self, view: ViewPlan, features: Sequence[FeaturePlan], entities: pa.Table) -> OnlineRows:
        """Read one chunk of entities; see `OnlineReader.read`."""
        if not entities.num_rows:
            return OnlineRows.concat([], features)
        if view.name in self._differs:
            return self._by_feast(view, features, entities)
        found = self._read(view, features, entities)
        if not self._may_be_taken(view, features, entities, found):
            return self._by_feast(view, features, entities)
        if found.too_large:
            self._large[view.name] += found.too_large
        return found.rows

    def recipe(self, views: Sequence[ViewPlan], readers: int = 1) -> Recipe:
        """Tell how rows of some views are read where Feast is not installed, by so many readers that share the limit.

        What a recipe makes has nobody to hold its rows against: it is for views that have been read here before.

        Raises
        ------
        ConfigError
            When the connection string cannot be read.
        """
        return Recipe(
            client.address(self._config, self._settings.replicas),
            self._layout,
            {view.name: self._layout.view_name(view.handle) for view in views},
            DESCRIPTOR.serialized_pb,
            None if self._settings.max_ops is None else self._settings.max_ops / readers,
        )

    def reads_in_bulk(self, view: ViewPlan, entities: pa.Table) -> bool:
        """Tell whether the rows of some entities are those that Feast reads, so that a recipe gives them too.

        Nothing is noted of these reads: whoever has the recipe reads the same rows.
        """
        if entities.num_rows and view.name not in self._differs:
            self._may_be_taken(view, view.features, entities, self._read(view, view.features, entities))
        return view.name not in self._differs

    def take_notes(self, notes: Notes) -> None:
        """Take over what readers by a recipe came upon, as if it had been met here."""
        self._large.update(notes.large)
        self._pace.slowest = min(self._pace.slowest, notes.slowest)

    def _may_be_taken(self, view: ViewPlan, features: Sequence[FeaturePlan], entities: pa.Table, found: Answer) -> bool:
        if self._is_known(view, features) or self._agrees(view, features, entities, found):
            return True
        self._differs.add(view.name)
        return False

    def _by_feast(self, view: ViewPlan, features: Sequence[FeaturePlan], entities: pa.Table) -> OnlineRows:
        step = self._generic.chunk
        parts = [
            self._generic.read(view, features, entities.slice(start, step))
            for start in range(0, entities.num_rows, step)
        ]
        return OnlineRows.concat(parts, features)

    def _read(self, view: ViewPlan, features: Sequence[FeaturePlan], entities: pa.Table) -> Answer:
        return self._rows.read(self._layout.view_name(view.handle), view, features, entities)

    def _connect(self) -> BulkHashes:
        found = client.deployment(self._generic.provider, self._config, self._settings.replicas)
        return BulkHashes(found, self._pace, self._sleep)

    def _is_known(self, view: ViewPlan, features: Sequence[FeaturePlan]) -> bool:
        return {feature.name for feature in features} <= self._agreed.get(view.name, set())

    def _agrees(self, view: ViewPlan, features: Sequence[FeaturePlan], entities: pa.Table, found: Answer) -> bool:
        """Tell whether Feast's own read of some entities gives the same rows; one that moves meanwhile is read again.

        That both find nothing proves nothing: then the next entities are held against Feast's read, too.
        """
        present, light = found.rows.present, ~found.heavy
        there, absent = np.flatnonzero(present & light), np.flatnonzero(~present & light)
        chosen = [_spread(there, _PROBED), _spread(absent, _PROBED if len(there) >= _PROBED else _PROBED_ABSENT)]
        some = take_rows(entities, np.sort(np.concatenate(chosen)))
        if not some.num_rows:
            return True
        for _ in range(_ATTEMPTS):
            ours = self._read(view, features, some).rows
            theirs = self._generic.read(view, features, some)
            if _same(ours, theirs, features):
                if theirs.present.any():
                    self._agreed.setdefault(view.name, set()).update(feature.name for feature in features)
                return True
        return False

    def scan_keys(self, view: ViewPlan, limit: int, seconds: float) -> KeyScan:
        """Look through Redis's keys; see `OnlineReader.scan_keys`."""
        return self._generic.scan_keys(view, limit, seconds)

    def find_elsewhere(self, view: ViewPlan, entities: pa.Table) -> list[Elsewhere]:
        """Look under keys that are made differently; see `OnlineReader.find_elsewhere`."""
        if not view.keys.keys or not entities.num_rows:
            return []
        name = self._layout.view_name(view.handle)
        others = {self._layout.view_name(other) for other in self._generic.views()} - {name}
        with closing(self._connect()) as hashes:
            connection = client.client(self._generic.provider, self._config, self._settings.replicas)
            place = elsewhere.Place(self._layout, hashes, connection, self._pace)
            return elsewhere.find(view, name, others, entities, place)

    def stored_values(self, view: ViewPlan, feature: FeaturePlan, entities: pa.Table) -> StoredTypes | None:
        """Tell under which types values are stored; see `OnlineReader.stored_values`."""
        keys = self._layout.keys(entities, view.keys)
        kinds = StoredKinds(len(keys), Value)
        with closing(self._connect()) as hashes:
            hashes.read(keys, layout.fields(self._layout.view_name(view.handle), [feature.name]), kinds)
        return StoredTypes(declared_name(feature.declared), kinds.names)


def _spread(positions: Positions, most: int) -> Positions:
    """Pick positions from all over, at most so many."""
    return positions[np.unique(np.linspace(0, len(positions) - 1, min(most, len(positions))).astype(np.int64))]


def _same(ours: OnlineRows, theirs: OnlineRows, features: Sequence[FeaturePlan]) -> bool:
    """Tell whether two reads gave the same rows; Feast's own keeps of an instant its microseconds."""
    if (ours.present != theirs.present).any():
        return False
    if (np.abs(ours.instants - theirs.instants)[ours.present] > 1_000).any():
        return False
    for feature in features:
        one, other = ours.columns[feature.name], theirs.columns[feature.name]
        if not equal_or_null(one, other, EXACT, feature.declared.kind).all():
            return False
        if (ours.corrupt[feature.name] != theirs.corrupt[feature.name]).any():
            return False
    return True
