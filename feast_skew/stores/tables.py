"""Two tables in memory as the two stores, for comparing without Feast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.keys import KeyIndex, cast_keys
from feast_skew.core.model import FeaturePlan, SourceVersion, ViewPlan
from feast_skew.core.types import to_declared
from feast_skew.errors import InputError
from feast_skew.stores.base import KeyScan, OfflineBatch, OnlineRows
from feast_skew.stores.rows import SourceColumns, offline_batch

EVENT_TIMESTAMP = "event_timestamp"
CREATED_TIMESTAMP = "created_timestamp"
_ZERO = "__feast_skew_instant"


def _declare(feature: FeaturePlan, values: pa.ChunkedArray, side: str) -> pa.Array:
    try:
        return to_declared(values, feature.declared)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(
            f"column {feature.name!r} of the {side} table cannot be read as {feature.declared.name}",
            hint=" ".join(str(error).split())[:200],
        ) from error


class TableOfflineReader:
    """Gives the rows of a table; without a timestamp column all rows are of one instant."""

    def __init__(self, table: pa.Table, timed: bool) -> None:
        if not timed:
            table = table.append_column(_ZERO, pa.array(np.zeros(table.num_rows, np.int64)).cast(pa.timestamp("ns")))
        self._table = table
        self._timestamp = EVENT_TIMESTAMP if timed else _ZERO
        self._created = CREATED_TIMESTAMP if timed and CREATED_TIMESTAMP in table.column_names else None

    def scan(self, view: ViewPlan, features: Sequence[FeaturePlan]) -> Iterator[OfflineBatch]:
        """Yield the whole table as one batch."""
        columns = SourceColumns(
            {name: name for name in view.keys.names}, {f.name: f.name for f in features}, self._timestamp, self._created
        )
        yield offline_batch(self._table.select(columns.needed()), columns, view.keys, "the offline table")

    def row_count(self, view: ViewPlan) -> int | None:
        """Give the number of rows."""
        return int(self._table.num_rows)

    def declare(self, feature: FeaturePlan, values: pa.ChunkedArray) -> pa.Array:
        """Bring values into the type that both tables can be held in."""
        return _declare(feature, values, "offline")

    def training_values(
        self, view: ViewPlan, features: Sequence[FeaturePlan], entities: pa.Table, instants: np.ndarray
    ) -> dict[str, pa.Array] | None:
        """Give None: the table itself is all there is."""
        return None

    def earlier(self, view: ViewPlan, version: SourceVersion) -> ViewPlan | None:
        """Give None: a table has no earlier definition."""
        return None


class TableOnlineReader:
    """Looks entities up in a table with one row per entity."""

    def __init__(self, table: pa.Table, view: ViewPlan, timed: bool) -> None:
        columns = SourceColumns(
            {name: name for name in view.keys.names},
            {f.name: f.name for f in view.features},
            EVENT_TIMESTAMP if timed else view.keys.names[0],
            None,
        )
        keys, complete = cast_keys(table, view.keys)
        mask = pa.array(complete)
        self._keys = keys.filter(mask)
        self._index = KeyIndex(self._keys)
        if timed:
            batch = offline_batch(table.select(columns.needed()), columns, view.keys, "the online table")
            if len(batch.instants) != self._keys.num_rows:
                raise InputError("the online table has rows without an event timestamp", hint="fill or drop them")
            self._instants = batch.instants
        else:
            self._instants = np.zeros(self._keys.num_rows, dtype=np.int64)
        self._columns = {f.name: _declare(f, table.column(f.name), "online").filter(mask) for f in view.features}

    def read(self, view: ViewPlan, features: Sequence[FeaturePlan], entities: pa.Table) -> OnlineRows:
        """Look up a chunk of entities."""
        positions = self._index.positions(entities)
        take = pa.array(positions, mask=positions < 0)
        instants = (
            np.where(positions >= 0, self._instants[positions], NO_INSTANT)
            if len(self._instants)
            else np.full(len(positions), NO_INSTANT, dtype=np.int64)
        )
        none = np.zeros(len(positions), dtype=bool)
        return OnlineRows(
            instants, {f.name: self._columns[f.name].take(take) for f in features}, {f.name: none for f in features}
        )

    def scan_keys(self, view: ViewPlan, limit: int, seconds: float) -> KeyScan:
        """Give nothing: the entities of both tables are compared anyway."""
        return KeyScan(None, reason="both tables are compared whole")
