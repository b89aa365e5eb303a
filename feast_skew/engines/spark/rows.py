"""The offline rows of a few entities, brought from Spark to the driver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.columns import bare_rows, in_one_piece
from feast_skew.core.keys import KeySet, value_bytes
from feast_skew.core.model import FeaturePlan, SourceVersion, ViewPlan
from feast_skew.engines.spark.columns import unpacked, unpacked_keys
from feast_skew.engines.spark.jobs import Jobs
from feast_skew.engines.spark.plans import source_schema
from feast_skew.engines.spark.sources import Sources
from feast_skew.stores.base import OfflineBatch
from feast_skew.stores.feast_offline import FeastOfflineReader


class KeyedRows:
    """Reads the offline rows of some entities alone; has the port `stores.base.RowSource`."""

    def __init__(
        self,
        session: Any,
        sources: Sources,
        offline: FeastOfflineReader,
        jobs: Jobs,
        keys: KeySet,
        entities: pa.Table,
    ) -> None:
        self._session = session
        self._sources = sources
        self._offline = offline
        self._jobs = jobs
        self._keys = keys
        self._entities = entities
        self.gives_all_ties = offline.gives_all_ties

    def scan(self, view: ViewPlan, features: Sequence[FeaturePlan]) -> Iterator[OfflineBatch]:
        """Yield the rows; see `RowSource.scan`."""
        schema = source_schema(view, features)
        frame = self._sources.frame(view, features).where("key is not null")
        if self._keys.keys:
            table = pa.table({"key": value_bytes(self._entities, self._keys)})
            frame = frame.join(self._session.createDataFrame(table), "key", "left_semi")
        wanted = frame.orderBy("seq").select(*schema.names)
        found = self._jobs.run(f"{view.name}: rows of drawn entities", wanted.toArrow, "drawn").cast(schema)
        numbers = {feature.name: i for i, feature in enumerate(view.features)}
        values = {f.name: unpacked(f"off{numbers[f.name]}", found, f.declared) for f in features}
        created = in_one_piece(found.column("created"))
        yield OfflineBatch(
            unpacked_keys(found, self._keys),
            np.asarray(found.column("ts")),
            None if created.null_count == len(created) else np.asarray(pc.fill_null(created, 0)),
            pa.table(values) if values else bare_rows(found.num_rows),
        )

    def row_count(self, view: ViewPlan) -> int | None:
        """Tell nothing: rows come at once."""
        del view
        return None

    def declare(self, feature: FeaturePlan, values: pa.ChunkedArray) -> pa.Array:
        """Give the values, which came in their declared type."""
        del feature
        return in_one_piece(values)

    def earlier(self, view: ViewPlan, version: SourceVersion) -> ViewPlan | None:
        """Give the view as it was defined earlier; see `RowSource.earlier`."""
        return self._offline.earlier(view, version)
