"""Reads any online store through Feast's own interface: the reader that every other one is held against."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from feast import FeatureStore, RepoConfig
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.infra.online_stores.redis import RedisOnlineStoreConfig
from feast.infra.provider import get_provider
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from google.protobuf.message import DecodeError

from feast_skew.core.alignment import NO_INSTANT, to_nanoseconds
from feast_skew.core.keys import JoinKey
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.core.types import Kind
from feast_skew.errors import StoreUnavailable
from feast_skew.report import Finding
from feast_skew.stores.base import Elsewhere, KeyScan, OnlineRows, StoredTypes
from feast_skew.stores.redis import client, faults, scan
from feast_skew.stores.redis.elsewhere import ID_TYPES, retyped
from feast_skew.stores.redis.pace import Pace
from feast_skew.stores.value_messages import declared_name, decode_column, stored_type

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FARTHEST = ((1 << 63) // 10**9 - 1) * 10**9
_KEY_FIELDS = {
    "Int32": "int32_val",
    "Int64": "int64_val",
    "String": "string_val",
    "Bytes": "bytes_val",
    "UnixTimestamp": "unix_timestamp_val",
}
_RETRIES = (0.2, 1.0, 3.0)
_Answer = TypeVar("_Answer")
Row = tuple[datetime | None, dict[str, Value] | None]
_NOTHING: Row = (None, None)


class FeastOnlineReader:
    """Reads rows with `Provider.online_read`, tells absent from null, and isolates values that cannot be decoded.

    `pace` holds its commands back; the bulk reader, which knows the limit that was asked for, puts its own in that place.
    """

    at_rest = False
    chunk = 1_000
    findings: tuple[Finding, ...] = ()

    def __init__(self, store: FeatureStore, sleep: Callable[[float], None] = time.sleep) -> None:
        self._store = store
        # Connections of our own: time-outs are set on them, and the user's store is left as it is.
        self._provider = get_provider(store.config)
        self._sleep = sleep
        self._given_up = False
        self.pace = Pace(None)
        self.is_redis = type(store.config.online_store).__name__.startswith("Redis")
        self.is_plain_redis = type(store.config.online_store) is RedisOnlineStoreConfig
        self.name = str(getattr(store.config.online_store, "type", "online store"))

    @property
    def _is_missing(self) -> bool:
        """Whether the store is a file of SQLite that is not there: nothing is in it, and Feast would make one to look."""
        settings = self._store.config.online_store
        path = getattr(settings, "path", None) if getattr(settings, "type", "") == "sqlite" else None
        return path is not None and not (Path(str(self._store.repo_path)) / str(path)).exists()

    def check(self) -> None:
        """Make sure that the store answers before any work begins, where that can be asked cheaply.

        Raises
        ------
        StoreUnavailable
            With what the store said, without any part of its connection string.
        """
        if self.is_redis:
            client.check(self._provider, self._store.config)

    def read(self, view: ViewPlan, features: Sequence[FeaturePlan], entities: pa.Table) -> OnlineRows:
        """Read one chunk of entities; see `OnlineReader.read`."""
        keys = entity_keys(view, entities)
        names = [feature.name for feature in features]
        rows = self._rows(view, keys, names)
        instants = np.full(len(keys), NO_INSTANT, dtype=np.int64)
        broken_rows = np.zeros(len(keys), dtype=bool)
        present: list[dict[str, Value]] = []
        for i, row in enumerate(rows):
            if row is None:
                broken_rows[i] = True
                present.append({})
                continue
            moment = self.moment_of(row)
            instant = None if moment is None else nanoseconds(moment)
            if instant is None:
                broken_rows[i] = moment is not None
                present.append({})
                continue
            instants[i] = instant
            present.append(row[1] or {})
        columns, corrupt = {}, {}
        empty = Value()
        for feature in features:
            undecodable = np.array(
                [feature.name in values and values[feature.name] is _BROKEN for values in present], dtype=bool
            )
            cells = [empty if undecodable[i] else values.get(feature.name, empty) for i, values in enumerate(present)]
            columns[feature.name], wrong_type = decode_column(cells, feature.declared)
            corrupt[feature.name] = undecodable | wrong_type | broken_rows
        return OnlineRows(instants, columns, corrupt)

    def moment_of(self, row: Row) -> datetime | None:
        """Give the event timestamp of a row; None for a missing one, for which Redis answers with the epoch, others with None."""
        moment, values = row
        return None if values is None or (self.is_redis and moment == _EPOCH) else moment

    def stored(self, view: ViewPlan, names: Sequence[str], entities: pa.Table) -> list[tuple[Any, Any] | None]:
        """Give rows as Feast gives them to serving: a moment and values by name; None for one that cannot be decoded."""
        return [
            None if row is None or any(value is _BROKEN for value in (row[1] or {}).values()) else row
            for row in self._rows(view, entity_keys(view, entities), list(names))
        ]

    def added_names(self, view: ViewPlan, names: Sequence[str], entities: pa.Table) -> list[str]:
        """Give the names that the store itself adds to those that it is asked for, as Redis does with `_ts:view`."""
        asked = list(names)
        if self._is_missing:
            return []
        with contextlib.suppress(Exception):  # the read itself is done, and its errors are told, elsewhere
            self._provider.online_read(self._store.config, view.handle, entity_keys(view, entities), asked)
        return asked[len(names) :]

    def _rows(self, view: ViewPlan, keys: list[EntityKey], names: list[str]) -> list[Row | None]:
        """Read rows; where a chunk cannot be decoded, halve it until the culprit stands alone (None: the row itself)."""
        if not keys:
            return []
        try:
            return list(self._ask(view, keys, names))
        except _Undecodable:
            if len(keys) > 1:
                middle = len(keys) // 2
                return [*self._rows(view, keys[:middle], names), *self._rows(view, keys[middle:], names)]
            return [self._single(view, keys[0], names)]

    def _single(self, view: ViewPlan, key: EntityKey, names: list[str]) -> Row | None:
        moment: datetime | None = None
        values: dict[str, Value] = {}
        sound = 0
        for name in names:
            try:
                moment, one = self._ask(view, [key], [name])[0]
                sound += 1
                if one is not None and name in one:
                    values[name] = one[name]
            except _Undecodable:
                values[name] = _BROKEN
        return (moment, values) if sound else self._broken_but_dated(view, key, values)

    def _broken_but_dated(self, view: ViewPlan, key: EntityKey, values: dict[str, Value]) -> Row | None:
        # All asked features are unreadable; another feature of the view may still tell the row's timestamp.
        others = [field.name for field in view.handle.features if field.name not in values]
        for name in others[:1]:
            try:
                moment, _ = self._ask(view, [key], [name])[0]
                return moment, values
            except _Undecodable:
                break
        return None

    def close(self) -> None:
        """Close the connections to Redis; those of other stores are Feast's to keep."""
        if self.is_redis:
            client.close(self._provider)

    @property
    def config(self) -> RepoConfig:
        """The settings of the repository."""
        return self._store.config

    @property
    def provider(self) -> Any:
        """Feast's provider with the connections of this reader."""
        return self._provider

    def _ask(self, view: ViewPlan, keys: list[EntityKey], names: list[str]) -> list[Row]:
        # A copy of the names: the Redis store appends to the list that it is given.
        if self._is_missing:
            return [_NOTHING] * len(keys)
        return list(self.patiently(lambda: self._online_read(view, keys, names), len(keys)))

    def _online_read(self, view: ViewPlan, keys: list[EntityKey], names: list[str]) -> list[Row]:
        try:
            found: list[Row] = self._provider.online_read(self._store.config, view.handle, keys, list(names))
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            return [_NOTHING] * len(keys)  # a view that was never applied has none
        return found

    def patiently(self, ask: Callable[[], _Answer], commands: int) -> _Answer:
        """Ask the store by so many commands, again where its answer fails to come for a reason that may pass.

        Raises
        ------
        StoreUnavailable
            When the store does not answer.
        """
        # Once the store has been given up it is asked once per question: another view must not wait through it all again.
        for wait in (*(() if self._given_up else _RETRIES), None):
            self.pace.admit(commands)
            try:
                answer = ask()
                self._given_up = False
                return answer
            except Exception as error:
                if _is_undecodable(error):
                    raise _Undecodable from error
                if wait is None or not faults.is_transient(error):
                    self._given_up = True
                    raise faults.unavailable(self.name, error) from faults.printable(error)
                self._sleep(wait)
        raise StoreUnavailable(f"the online store ({self.name}) did not answer")

    def scan_keys(self, view: ViewPlan, limit: int, seconds: float) -> KeyScan:
        """Look through Redis's keys; other stores cannot be asked for theirs."""
        if not self.is_redis:
            return KeyScan(None, reason=f"keys of a {self.name} store cannot be listed")
        if not view.keys.keys:
            return KeyScan(None, reason="a view without entities has one row")
        return scan.scan(self._provider, self._store.config, view.keys, limit, seconds, self.pace)

    def views(self) -> list[Any]:
        """Give all views of the registry that may have rows; none where it cannot be asked."""
        try:
            return list(self._store.registry.list_all_feature_views(self._store.project, allow_cache=True))
        except Exception:  # noqa: BLE001  registries fail in many ways
            return []

    def find_elsewhere(self, view: ViewPlan, entities: pa.Table) -> list[Elsewhere]:
        """Look for ids of other types by Feast's own read; see `OnlineReader.find_elsewhere`."""
        found = []
        for key in view.keys.keys if entities.num_rows else ():
            for name in ID_TYPES:
                types = [name if one == key else one.declared.name for one in sorted(view.keys.keys, key=_by_name)]
                cast = None if name == key.declared.name else retyped(entities, view.keys, types)
                if cast is None:
                    continue
                rows = self.read(replace(view, keys=cast[1]), view.features[:1], cast[0])
                if rows.present.any():
                    found.append(Elsewhere("id type", key.declared.name, name, rows.instants))
        return sorted(found, key=lambda one: -one.held)

    def stored_values(self, view: ViewPlan, feature: FeaturePlan, entities: pa.Table) -> StoredTypes | None:
        """Tell under which types Feast gives values; see `OnlineReader.stored_values`."""
        rows = self._rows(view, entity_keys(view, entities), [feature.name])
        values = [(row[1] or {}).get(feature.name) if row is not None else None for row in rows]
        names = ["" if value is None or value is _BROKEN else stored_type(value.WhichOneof("val")) for value in values]
        return StoredTypes(declared_name(feature.declared), names)


def _by_name(key: JoinKey) -> str:
    return key.name


class _Undecodable(Exception):
    """Something in the answer could not be parsed."""


def _is_undecodable(error: Exception) -> bool:
    """Tell whether the answer came and is broken: no protobuf, a moment out of range, a key that is no hash."""
    if isinstance(error, OSError):
        return error.errno == errno.EOVERFLOW
    return isinstance(error, (DecodeError, OverflowError, ValueError)) or faults.is_wrong_type(error)


_BROKEN = Value()
"""Stands for a value that could not be decoded; recognised by identity."""


def nanoseconds(moment: datetime) -> int | None:
    """Give a moment of Feast's as nanoseconds since the epoch; None beyond what they reach, the years 1677 to 2262."""
    instant = to_nanoseconds(moment)
    return instant if abs(instant) <= _FARTHEST else None


def entity_keys(view: ViewPlan, entities: pa.Table) -> list[EntityKey]:
    """Build Feast's entity keys, with ids under the type that the registry declares."""
    if not view.keys.keys:
        dummy = EntityKey(join_keys=[DUMMY_ENTITY_ID], entity_values=[Value(string_val=DUMMY_ENTITY_VAL)])
        return [dummy] * entities.num_rows
    names = list(view.keys.names)
    columns: list[list[Value]] = []
    for key in view.keys.keys:
        column = entities.column(key.name)
        ids: list[Any] = (column.cast(pa.int64()) if key.declared.kind is Kind.TIMESTAMP else column).to_pylist()
        field = _KEY_FIELDS.get(key.declared.name, "string_val")
        columns.append([Value(**{field: value}) for value in ids])
    return [EntityKey(join_keys=names, entity_values=list(values)) for values in zip(*columns, strict=True)]
