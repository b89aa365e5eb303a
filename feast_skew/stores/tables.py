"""Two tables in memory as the two stores, for comparing without Feast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from feast_skew.core.alignment import NO_INSTANT, Timeline, microseconds
from feast_skew.core.arrays import Instants, Mask, Positions, distinct
from feast_skew.core.columns import bare_rows
from feast_skew.core.keys import KeyIndex
from feast_skew.core.model import FeaturePlan, SourceVersion, ViewPlan
from feast_skew.core.numbering import number_entities
from feast_skew.report import Finding
from feast_skew.stores.base import Compared, Elsewhere, KeyScan, Located, OfflineBatch, OnlineRows
from feast_skew.stores.table_rows import Resolved, TableRows, declare, resolve


class TableOfflineReader:
    """Gives the rows of a table; `located` says where their entities stand in the table of all of them."""

    gives_all_ties = False
    findings: tuple[Finding, ...] = ()

    def __init__(self, table: TableRows, located: Located) -> None:
        self._table = table
        self._located = located

    def scan(self, view: ViewPlan, features: Sequence[FeaturePlan]) -> Iterator[OfflineBatch]:
        """Yield the whole table as one batch."""
        table = self._table
        values = table.values.select([f.name for f in features]) if features else bare_rows(table.keys.num_rows)
        yield OfflineBatch(table.keys, table.instants, table.created, values, table.null_keys, self._located)

    def row_count(self, view: ViewPlan) -> int | None:
        """Give the number of rows."""
        return int(self._table.keys.num_rows)

    def declare(self, feature: FeaturePlan, values: pa.ChunkedArray) -> pa.Array:
        """Bring values into the type that both tables can be held in."""
        return declare(feature, values, "offline")

    def training_values(
        self, view: ViewPlan, features: Sequence[FeaturePlan], entities: pa.Table, instants: np.ndarray
    ) -> dict[str, pa.Array] | None:
        """Give None: the table itself is all there is."""
        return None

    def hazards(self, parts: Sequence[Compared], collisions: tuple[int, int] | None = None) -> tuple[Finding, ...]:
        """Give none: a table is the training set."""
        return ()

    def earlier(self, view: ViewPlan, version: SourceVersion) -> ViewPlan | None:
        """Give None: a table has no earlier definition."""
        return None


class TableOnlineReader:
    """Looks entities up in a table; `rows` are the places of their rows, -1 for entities without one."""

    at_rest = True
    chunk = 1 << 62
    findings: tuple[Finding, ...] = ()

    def __init__(self, table: TableRows, entities: pa.Table, rows: Positions) -> None:
        self._table = table
        self._rows = rows
        self._index = KeyIndex(entities)

    def read(self, view: ViewPlan, features: Sequence[FeaturePlan], entities: pa.Table) -> OnlineRows:
        """Look up entities."""
        rows = self._rows
        if entities is not self._index.entities:
            positions = self._index.positions(entities)
            rows = np.where(positions >= 0, np.append(rows, -1)[positions], -1)
        take = pa.array(rows, mask=rows < 0)
        none = np.zeros(len(rows), dtype=bool)
        return OnlineRows(
            np.where(rows >= 0, np.append(self._table.instants, NO_INSTANT)[rows], NO_INSTANT),
            {f.name: declare(f, self._table.values.column(f.name).take(take), "online") for f in features},
            {f.name: none for f in features},
        )

    def close(self) -> None:
        """Nothing is open."""

    def scan_keys(self, view: ViewPlan, limit: int, seconds: float) -> KeyScan:
        """Give nothing: the entities of both tables are compared anyway."""
        return KeyScan(None, reason="both tables are compared whole")

    def find_elsewhere(self, view: ViewPlan, entities: pa.Table) -> tuple[Elsewhere, ...]:
        """Give nothing: a table has no other keys."""
        return ()

    def stored_values(self, view: ViewPlan, feature: FeaturePlan, entities: pa.Table) -> None:
        """Give None: all values of a column have its type."""


@dataclass(frozen=True)
class Joined:
    """Two tables with their rows brought together by entity.

    `entities` are those that can be compared; `ambiguous` counts the others: they have rows in both tables, and on one
    side rows that contradict each other. `offline_rows` and `online_rows` tell what became of repeated keys, and
    `contradicted` how many keys of either side have rows that contradict each other.
    """

    entities: pa.Table
    ambiguous: int
    offline: TableOfflineReader
    online: TableOnlineReader
    offline_rows: Resolved
    online_rows: Resolved
    contradicted: dict[str, int]


def join_tables(offline: TableRows, online: TableRows, view: ViewPlan, as_of: int) -> Joined:
    """Bring the rows of both tables together by entity, and make one row of several where they agree.

    An entity is ambiguous when both tables have it, and its online rows contradict each other, or those offline rows do
    that the online row is held against. A contradiction elsewhere leaves a row whose values are unknown.
    """
    numbered = number_entities(offline.keys, online.keys)
    size = numbered.entities.num_rows
    offline_rows = resolve(offline, numbered.offline, view.features)
    online_rows = resolve(online, numbered.online, view.features)
    offline, offline_entity = _resolved(offline, numbered.offline, offline_rows)
    online, online_entity = _resolved(online, numbered.online, online_rows)
    rows = np.full(size, -1, dtype=np.int64)
    rows[online_entity] = np.arange(len(online_entity))
    known = np.zeros(size, dtype=bool)
    known[offline_entity] = True
    ambiguous = np.zeros(size, dtype=bool)
    ambiguous[online_entity[online_rows.unknown]] = True
    doubtful = offline_rows.unknown & offline_rows.newest
    if doubtful.any():
        instants = np.where(rows >= 0, np.append(online.instants, NO_INSTANT)[rows], NO_INSTANT)
        timeline = Timeline(instants, as_of)
        timeline.add(offline_entity, offline.instants)
        ambiguous |= _held_by(timeline, offline_entity[doubtful], offline.instants[doubtful], view)
    ambiguous &= known & (rows >= 0)
    entities, positions = numbered.entities, offline_entity
    if ambiguous.any():
        entities, rows = entities.filter(pa.array(~ambiguous)), rows[~ambiguous]
        positions = np.where(ambiguous, -1, np.cumsum(~ambiguous) - 1)[offline_entity]
    return Joined(
        entities,
        int(np.count_nonzero(ambiguous)),
        TableOfflineReader(offline, Located(entities, positions)),
        TableOnlineReader(online, entities, rows),
        offline_rows,
        online_rows,
        {
            "offline": len(distinct(offline_entity[offline_rows.unknown])),
            "online": len(distinct(online_entity[online_rows.unknown])),
        },
    )


def _held_by(timeline: Timeline, entity: Positions, instants: Instants, view: ViewPlan) -> Mask:
    """Mark the entities whose online row is held against the offline row at one of these instants."""
    found = np.zeros(len(timeline.online), dtype=bool)
    for within in {feature.limits.align_within for feature in view.features}:
        held = timeline.held(within)
        found[entity[held[entity] == microseconds(instants)]] = True
    return found


def _resolved(table: TableRows, entity: Positions, found: Resolved) -> tuple[TableRows, Positions]:
    if found.rows is None:
        return table, entity
    take = pa.array(found.rows)
    values = {
        name: table.values.column(name).take(pa.array(found.rows, mask=found.unknown))
        for name in table.values.column_names
    }
    created = table.created[found.rows] if table.created is not None else None
    return (
        TableRows(
            table.side,
            table.keys.take(take),
            pa.table(values),
            table.instants[found.rows],
            created,
            table.null_keys,
            table.undated,
        ),
        entity[found.rows],
    )
