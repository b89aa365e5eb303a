"""The distinct entities of a stream of tables."""

from __future__ import annotations

import pyarrow as pa

from feast_skew.core.keys import KeySet


class DistinctEntities:
    """Collects the distinct entities of a stream of tables, in memory of the order of the distinct ones."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys
        self._known = keys.schema.empty_table()
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self.any_row = False

    def add(self, table: pa.Table, distinct: bool = False) -> None:
        """Take the keys of more rows; the table holds the key columns and no null, `distinct` ones where that is known."""
        self.any_row = self.any_row or table.num_rows > 0
        if not self._keys.keys or not table.num_rows:
            return
        self._pending.append(table if distinct else _distinct(table))
        self._pending_rows += self._pending[-1].num_rows
        if self._pending_rows > max(self._known.num_rows, 1_000_000):
            self._fold()

    def _fold(self) -> None:
        if not self._pending:
            return
        if self._known.num_rows or len(self._pending) > 1:
            self._known = _distinct(pa.concat_tables([self._known, *self._pending]))
        else:
            self._known = self._pending[0]
        self._pending, self._pending_rows = [], 0

    def table(self) -> pa.Table:
        """Give the distinct entities found so far; their order has no meaning."""
        self._fold()
        return self._known


def _distinct(table: pa.Table) -> pa.Table:
    return table.group_by(table.column_names).aggregate([])
