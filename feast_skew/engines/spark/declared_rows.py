"""Offline rows that came in their declared types, as columns of Spark: what reads them has less to do than a store's reader."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.columns import bare_rows, in_one_piece
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.engines.spark.columns import unpacked
from feast_skew.stores.base import Located, OfflineBatch


class DeclaredRows:
    """Base of readers of such rows; those that derive from it have the port `stores.base.RowSource`."""

    @staticmethod
    def batch(
        view: ViewPlan,
        features: Sequence[FeaturePlan],
        table: pa.Table,
        keys: pa.Table | None = None,
        located: Located | None = None,
    ) -> OfflineBatch:
        """Give rows with the columns of `source_schema` as an offline batch; `keys` or `located` tell whose they are."""
        numbers = {feature.name: i for i, feature in enumerate(view.features)}
        values = {f.name: unpacked(f"off{numbers[f.name]}", table, f.declared) for f in features}
        created = in_one_piece(table.column("created"))
        return OfflineBatch(
            keys,
            np.asarray(table.column("ts")),
            None if created.null_count == len(created) else np.asarray(pc.fill_null(created, 0)),
            pa.table(values) if values else bare_rows(table.num_rows),
            located=located,
        )

    def row_count(self, view: ViewPlan) -> int | None:
        """Tell nothing: nobody watches."""
        del view
        return None

    def declare(self, feature: FeaturePlan, values: pa.ChunkedArray) -> pa.Array:
        """Give the values, which came in their declared type."""
        del feature
        return in_one_piece(values)
