"""Offline sources as frames of Spark, in whatever store they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.engines.spark.frames import OfflineRows
from feast_skew.engines.spark.plans import SourceRows, sendable, source_schema
from feast_skew.engines.spark.staging import Staging
from feast_skew.engines.spark.tasks import reading
from feast_skew.errors import SkewError
from feast_skew.measuring.progress import Progress
from feast_skew.stores.feast_offline import FeastOfflineReader
from feast_skew.stores.rows import SourceColumns


@dataclass(frozen=True)
class _Staged:
    """Where the rows of a source were staged; without values where these gave an error."""

    handle: Any
    place: str
    error: SkewError | None = None


class Sources:
    """Gives the offline rows of views: straight from Spark, or pulled once by the driver and staged."""

    def __init__(self, session: Any, offline: FeastOfflineReader, staging: Staging, progress: Progress) -> None:
        self._session = session
        self._offline = offline
        self._staging = staging
        self._progress = progress
        self._staged: list[_Staged] = []

    @property
    def parallelism(self) -> int:
        """How many tasks run at a time, as far as Spark tells."""
        try:
            return max(1, int(self._session.sparkContext.defaultParallelism))
        except Exception:  # noqa: BLE001  Spark Connect does not tell
            return 8

    def at_once(self, tasks: int) -> int:
        """How many of some tasks may run at a time: all of them where the cluster may grow meanwhile."""
        grows = str(self._session.conf.get("spark.dynamicAllocation.enabled", "false")).lower() == "true"
        return tasks if grows else min(tasks, self.parallelism)

    @property
    def shuffled_by(self) -> int:
        """How many partitions Spark shuffles into where nobody says; it puts small ones together."""
        try:
            return max(1, int(self._session.conf.get("spark.sql.shuffle.partitions")))
        except Exception:  # noqa: BLE001  `auto`, as Databricks has it
            return 200

    def frame(self, view: ViewPlan, features: Sequence[FeaturePlan]) -> Any:
        """Give the offline rows of a view with the values of some features (none: keys and timestamps only).

        Raises
        ------
        SourceUnreadable
            When the source is missing or lacks a column.
        """
        return self.rows(view, features).frame()

    def rows(self, view: ViewPlan, features: Sequence[FeaturePlan]) -> OfflineRows:
        """Give the offline rows of a view before it is said what becomes of them; see `frame`."""
        schema = source_schema(view, features)
        found = self._named(view, features)
        if found is None:
            return OfflineRows(self._staging.read(self._staged_at(view, features)).select(*schema.names), schema)
        named, source = found
        return OfflineRows(named, schema, source)

    def _named(self, view: ViewPlan, features: Sequence[FeaturePlan]) -> tuple[Any, SourceRows] | None:
        """Give the source's own rows with their order, and how they become offline rows; None where Feast reads without Spark."""
        # All columns, as one process pulls them: a source that lacks one of them fails at the same stage.
        found = self._offline.spark_frame(view, view.features)
        if found is None:
            return None
        frame, whole, where = found
        from pyspark.sql import functions as F  # noqa: N812  as everywhere

        wanted = {feature.name for feature in features}
        asked = {name: column for name, column in whole.features.items() if name in wanted}
        columns = SourceColumns(whole.keys, asked, whole.timestamp, whole.created)
        needed = columns.needed()
        # Feast's store lets backticked names of SQL texts be patterns; columns of a frame are safe from it.
        named = frame.select(*(frame[name] for name in needed)).withColumn(
            reading.SEQUENCE, F.monotonically_increasing_id()
        )
        carried = {**columns.features, reading.SEQUENCE: reading.SEQUENCE}
        sent = sendable(view)
        rows = SourceRows(
            sent,
            tuple(feature for feature in sent.features if feature.name in wanted),
            SourceColumns(columns.keys, carried, columns.timestamp, columns.created),
            where,
        )
        return named, rows

    def _staged_at(self, view: ViewPlan, features: Sequence[FeaturePlan]) -> str:
        """Give the place of the rows of a source with all features, or without any where these cannot be read."""
        found = next((one for one in self._staged if one.handle is view.handle), None)
        if found is None:
            try:
                found = _Staged(view.handle, self._write(view, view.features))
            except SkewError as error:
                found = _Staged(view.handle, self._write(view, ()), error)
            self._staged.append(found)
        if features and found.error is not None:
            raise found.error
        return found.place

    def _write(self, view: ViewPlan, features: Sequence[FeaturePlan]) -> str:
        return self._staging.write("source", self._pulled(view, features), source_schema(view, features))

    def _pulled(self, view: ViewPlan, features: Sequence[FeaturePlan]) -> Iterator[pa.Table]:
        """Yield the rows as the driver reads them."""
        sequence = 0
        with self._progress.stage(f"{view.name}: offline rows", self._offline.row_count(view), "rows") as stage:
            for batch in self._offline.scan(view, features):
                rows = len(batch.instants)
                order = np.arange(sequence, sequence + rows)
                for packed in reading.packed_offline(view, features, batch, order, self._offline.declare):
                    yield pa.Table.from_batches([packed])
                sequence += rows
                stage.advance(rows)
