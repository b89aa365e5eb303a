"""Online rows from Redis in bulk, held against Feast's own read, which takes over where the two differ."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.columns import take_rows
from feast_skew.core.equality import EXACT, equal
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.report import Finding
from feast_skew.stores.base import KeyScan, OnlineRows, check_held
from feast_skew.stores.feast_online import FeastOnlineReader
from feast_skew.stores.redis import client, layout, resp
from feast_skew.stores.redis.bulk import BulkHashes
from feast_skew.stores.redis.columns import Values, column_of
from feast_skew.stores.redis.pace import Pace
from feast_skew.stores.redis.question import VALUE_BYTES, Unread
from feast_skew.stores.redis.raw import words
from feast_skew.stores.redis.wire import timestamps

CHUNK = 65_536
_PROBED, _PROBED_ABSENT = 16, 64
"""Entities of a view that Feast reads as well: with a row, and without one where hardly any has one."""

_ATTEMPTS = 3
_WORTH_TELLING = 0.25
_SECOND = 1_000_000_000
_HEAVY = 1 << 20
"""Bytes of a value beyond which Feast is not asked for the row a second time: it would hold the value several times."""

_FAR = (1 << 63) // _SECOND - 1
"""Seconds that fit into nanoseconds of 64 bits: up to the year 2262."""


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
        self._hashes: BulkHashes | None = None
        self._agreed: dict[str, set[str]] = {}
        self._differs: set[str] = set()
        self._large: dict[str, int] = {}
        versioned = bool(config.registry.enable_online_feature_view_versioning)
        self._layout = layout.Layout(config.project, config.entity_key_serialization_version, versioned)
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
        found += [
            Finding(
                "FS214",
                "warn",
                view,
                f"{count:,} online values larger than {VALUE_BYTES >> 20} MiB, or of rows larger than that, were not read; "
                "they count as corrupt",
                "keep large objects outside the online store, or leave the feature out with --feature",
            )
            for view, count in self._large.items()
        ]
        if self._pace.slowest <= _WORTH_TELLING and self._settings.max_ops is not None:
            slowest = self._settings.max_ops * self._pace.slowest
            found.append(
                Finding(
                    "FS215",
                    "info",
                    "",
                    f"Redis answered slowly at times; reads went down to {slowest:,.0f} of {self._settings.max_ops:,.0f} "
                    "commands a second",
                    "nothing to do; choose a quieter hour, or a lower --max-ops",
                )
            )
        return found

    def check(self) -> None:
        """Make sure that Redis answers; see `FeastOnlineReader.check`."""
        client.check(self._generic.provider, self._config, self._settings.replicas)

    def close(self) -> None:
        """Close all connections."""
        if self._hashes is not None:
            self._hashes.close()
            self._hashes = None
        self._generic.close()

    def read(self, view: ViewPlan, features: Sequence[FeaturePlan], entities: pa.Table) -> OnlineRows:
        """Read one chunk of entities; see `OnlineReader.read`."""
        if not entities.num_rows:
            return OnlineRows.concat([], features)
        if view.name in self._differs:
            return self._by_feast(view, features, entities)
        rows, heavy, unread = self._read(view, features, entities)
        if not self._is_known(view, features) and not self._agrees(view, features, entities, rows, heavy):
            self._differs.add(view.name)
            return self._by_feast(view, features, entities)
        if unread:
            self._large[view.name] = self._large.get(view.name, 0) + unread
        return rows

    def _by_feast(self, view: ViewPlan, features: Sequence[FeaturePlan], entities: pa.Table) -> OnlineRows:
        step = self._generic.chunk
        parts = [
            self._generic.read(view, features, entities.slice(start, step))
            for start in range(0, entities.num_rows, step)
        ]
        return OnlineRows.concat(parts, features)

    def _read(
        self, view: ViewPlan, features: Sequence[FeaturePlan], entities: pa.Table
    ) -> tuple[OnlineRows, Mask, int]:
        """Read rows; also tell which of them have a value that Feast had better not be asked for, and how many were too large."""
        keys = self._layout.keys(entities, view.keys)
        fields = layout.fields(self._layout.view_name(view.handle), [feature.name for feature in features])
        rows = _Rows(features, len(keys))
        if self._hashes is None:
            found = client.deployment(self._generic.provider, self._config, self._settings.replicas)
            self._hashes = BulkHashes(found, self._pace, self._sleep)
        unread = self._hashes.read(keys, fields, rows)
        rows.heavy[[row for row, _ in unread.too_large]] = True
        return rows.finish(unread), rows.heavy, len(unread.too_large)

    def _is_known(self, view: ViewPlan, features: Sequence[FeaturePlan]) -> bool:
        return {feature.name for feature in features} <= self._agreed.get(view.name, set())

    def _agrees(
        self, view: ViewPlan, features: Sequence[FeaturePlan], entities: pa.Table, rows: OnlineRows, heavy: Mask
    ) -> bool:
        """Tell whether Feast's own read of some entities gives the same rows; one that moves meanwhile is read again.

        That both find nothing proves nothing: then the next entities are held against Feast's read, too.
        """
        there, absent = np.flatnonzero(rows.present & ~heavy), np.flatnonzero(~rows.present & ~heavy)
        chosen = [_spread(there, _PROBED), _spread(absent, _PROBED if len(there) >= _PROBED else _PROBED_ABSENT)]
        some = take_rows(entities, np.sort(np.concatenate(chosen)))
        if not some.num_rows:
            return True
        for _ in range(_ATTEMPTS):
            ours, _, _ = self._read(view, features, some)
            theirs = self._generic.read(view, features, some)
            if _same(ours, theirs, features):
                if theirs.present.any():
                    self._agreed.setdefault(view.name, set()).update(feature.name for feature in features)
                return True
        return False

    def scan_keys(self, view: ViewPlan, limit: int, seconds: float) -> KeyScan:
        """Look through Redis's keys; see `OnlineReader.scan_keys`."""
        return self._generic.scan_keys(view, limit, seconds)


class _Rows:
    """The rows of one chunk, as replies come in: instants, a column per feature, and which rows have a very large value."""

    def __init__(self, features: Sequence[FeaturePlan], rows: int) -> None:
        self._features = features
        self._columns = [column_of(feature.declared, rows) for feature in features]
        self._instants = np.zeros(rows, dtype=np.int64)
        self._undated = np.zeros(rows, dtype=bool)
        self.heavy = np.zeros(rows, dtype=bool)

    def take(self, buffer: np.ndarray, replies: resp.Replies, positions: Positions) -> None:
        """Take replies out of a buffer; see `question.Taker`."""
        at = words(buffer)
        for number, column in enumerate(self._columns):
            column.add(Values(buffer, at, replies.starts[number], replies.lengths[number], positions))
        check_held(sum(column.held for column in self._columns), len(self._instants))
        if replies.lengths.max(initial=0) > _HEAVY:
            self.heavy[positions[(replies.lengths > _HEAVY).any(axis=0)]] = True
        stamps = Values(buffer, at, replies.starts[-1], replies.lengths[-1], positions)
        self._take_instants(stamps.some(stamps.lengths > 0))

    def _take_instants(self, stamps: Values) -> None:
        seconds, nanos, sound = timestamps(stamps.at, stamps.starts, stamps.lengths)
        for row in np.flatnonzero(~sound):
            raw = stamps.buffer[stamps.starts[row] : stamps.starts[row] + stamps.lengths[row]].tobytes()
            try:
                moment = Timestamp()
                moment.ParseFromString(raw)
            except DecodeError:
                continue
            seconds[row], nanos[row], sound[row] = moment.seconds, moment.nanos, True
        sound &= (np.abs(seconds) <= _FAR) & (seconds != np.iinfo(np.int64).min)
        self._undated[stamps.positions] = ~sound
        self._instants[stamps.positions] = np.where(sound, seconds * _SECOND + nanos, 0)

    def finish(self, unread: Unread) -> OnlineRows:
        """Give the rows; those that could not be read, or have no readable timestamp, are corrupt in every feature."""
        # Feast answers for a row without a timestamp with the epoch: such a row is not there.
        present = self._instants != 0
        broken = self._undated
        broken[unread.wrong_type] = True
        large = np.array(unread.too_large, dtype=np.int64).reshape(-1, 2)
        broken[large[large[:, 1] == len(self._features), 0]] = True
        columns: dict[str, pa.Array] = {}
        corrupt: dict[str, Mask] = {}
        large = large[present[large[:, 0]]]  # of a row without a timestamp nothing is there
        for number, (feature, column) in enumerate(zip(self._features, self._columns, strict=True)):
            values, wrong = column.finish()
            if not present.all():
                # What hangs on a row that is not there is nobody's value.
                values = values.take(pa.array(np.arange(len(present)), mask=~present))
                wrong &= present
            wrong |= broken
            wrong[large[large[:, 1] == number, 0]] = True
            columns[feature.name], corrupt[feature.name] = values, wrong
        return OnlineRows(np.where(present, self._instants, NO_INSTANT), columns, corrupt)


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
        both_null = np.asarray(one.is_null()) & np.asarray(other.is_null())
        if not (equal(one, other, EXACT, feature.declared.kind) | both_null).all():
            return False
        if (ours.corrupt[feature.name] != theirs.corrupt[feature.name]).any():
            return False
    return True
