"""The sampled rows of a view as two tables, one per store."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.stores.table_rows import EVENT_TIMESTAMP


def side_tables(parts: Sequence[ViewMeasurement]) -> tuple[pa.Table, pa.Table]:
    """Give the offline and the online rows of one view, measured in one or more parts.

    Both tables have the join keys, the features in their declared types and `event_timestamp` (UTC, ns), with a row per
    sampled entity that the store holds: offline the row that was held against the online one, or the latest. The
    entities of a view that is measured in parts are the same in each. A store without rows gives a table without rows.
    """
    first = parts[0]
    rows = first.rows
    keys = {name: first.entities.column(name) for name in first.view.keys.names}
    pairs = {name: pair for part in parts for name, pair in part.pairs.items()}
    offline = {**keys, **{name: pair.offline for name, pair in pairs.items()}, EVENT_TIMESTAMP: _instants(rows.held)}
    online = {**keys, **{name: pair.online for name, pair in pairs.items()}, EVENT_TIMESTAMP: _instants(rows.online)}
    return (
        pa.table(offline).filter(pa.array(rows.has_offline)),
        pa.table(online).filter(pa.array(rows.has_online)),
    )


def _instants(instants: np.ndarray) -> pa.Array:
    return pa.array(instants, mask=instants == NO_INSTANT).cast(pa.timestamp("ns", tz="UTC"))
