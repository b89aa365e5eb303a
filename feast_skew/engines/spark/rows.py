"""The offline rows of a few entities, brought from Spark to the driver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from feast_skew.core.keys import KeySet, value_bytes
from feast_skew.core.model import FeaturePlan, SourceVersion, ViewPlan
from feast_skew.engines.spark.columns import unpacked_keys
from feast_skew.engines.spark.declared_rows import DeclaredRows
from feast_skew.engines.spark.jobs import Jobs
from feast_skew.engines.spark.plans import source_schema
from feast_skew.engines.spark.sources import Sources
from feast_skew.engines.spark.staging import Staging
from feast_skew.engines.spark.tasks.batches import BLOCK, blocks
from feast_skew.stores.base import OfflineBatch
from feast_skew.stores.feast_offline import FeastOfflineReader


class KeyedRows(DeclaredRows):
    """Reads the offline rows of some entities alone; has the port `stores.base.RowSource`.

    `definitions` are the earlier ones that were asked for and could be restored.
    """

    def __init__(
        self,
        session: Any,
        sources: Sources,
        offline: FeastOfflineReader,
        staging: Staging,
        jobs: Jobs,
        keys: KeySet,
        entities: pa.Table,
    ) -> None:
        self._session = session
        self._sources = sources
        self._offline = offline
        self._staging = staging
        self._jobs = jobs
        self._keys = keys
        self._entities = entities
        self.gives_all_ties = offline.gives_all_ties
        self.definitions: list[tuple[SourceVersion, ViewPlan]] = []

    def scan(self, view: ViewPlan, features: Sequence[FeaturePlan]) -> Iterator[OfflineBatch]:
        """Yield the rows; see `RowSource.scan`."""
        schema = source_schema(view, features)
        frame = self._sources.frame(view, features).where("key is not null")
        if self._keys.keys:
            table = pa.table({"key": value_bytes(self._entities, self._keys)})
            frame = frame.join(self._session.createDataFrame(table), "key", "left_semi")
        wanted = frame.orderBy("seq").select(*schema.names)
        # They may have a long history, which goes through the driver a piece at a time.
        place = self._staging.path("history", schema)
        self._jobs.run(f"{view.name}: rows of drawn entities", partial(self._staging.save, wanted, place), "drawn")
        for found in blocks(self._staging.batches(place), BLOCK):
            yield self.batch(view, features, found.cast(schema), unpacked_keys(found, self._keys))

    def earlier(self, view: ViewPlan, version: SourceVersion) -> ViewPlan | None:
        """Give the view as it was defined earlier; see `RowSource.earlier`."""
        found = self._offline.earlier(view, version)
        if found is not None and version.fingerprint not in [one.fingerprint for one, _ in self.definitions]:
            self.definitions.append((version, found))
        return found
