"""What training sets get for measured rows, as measured rows: asked on Spark where Feast does so, else from the driver."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from feast_skew.core.model import ViewPlan
from feast_skew.core.types import Kind
from feast_skew.engines.spark.columns import unpacked_keys
from feast_skew.engines.spark.frames import mapped
from feast_skew.engines.spark.measured_rows import taught_table
from feast_skew.engines.spark.plans import measured_schema, parts_of, sendable
from feast_skew.engines.spark.sources import Sources
from feast_skew.engines.spark.staging import Staging
from feast_skew.engines.spark.tasks import batches, measuring, reading
from feast_skew.stores.feast_offline import FeastOfflineReader, full_name

ENTITIES_A_FRAME = 200_000
_MOMENT = "feast_skew_moment"


class Retrieval:
    """Asks `get_historical_features` for the instants of measured rows."""

    def __init__(self, offline: FeastOfflineReader, sources: Sources, staging: Staging) -> None:
        self._offline = offline
        self._sources = sources
        self._staging = staging

    def frame(self, view: ViewPlan, asked: Any, number: int) -> Any:
        """Ask for the training values of measured rows, of the features of one part: on Spark where Feast does, else from here, some at a time."""
        from pyspark.sql import functions as F  # noqa: N812  as everywhere

        schema, features = measured_schema(view), parts_of(view)[number]
        keys = [
            (F.timestamp_seconds(f"k{i}") if key.declared.kind is Kind.TIMESTAMP else F.col(f"k{i}")).alias(key.name)
            for i, key in enumerate(view.keys.keys)
        ]
        moment = F.timestamp_micros(F.expr(f"aligned{number} div 1000")).alias(_MOMENT)
        frame = asked.select(*keys, moment, F.col("place").alias(reading.SEQUENCE))
        answered = self._offline.spark_training(view, features, frame, _MOMENT)
        if answered is not None:
            names = {feature.name: full_name(feature) for feature in features}
            task = partial(measuring.taught, view=sendable(view), part=number, names=names)
            return mapped(answered.select(reading.SEQUENCE, *names.values()), task, schema)
        place = self._staging.path("asked", schema)
        self._staging.save(asked, place)
        tables = self._asked_here(view, place, number)
        return self._staging.read(self._staging.write("taught", tables, schema))

    def _asked_here(self, view: ViewPlan, place: str, number: int) -> Iterator[pa.Table]:
        for table in batches.blocks(self._staging.batches(place), ENTITIES_A_FRAME):
            entities, instants = unpacked_keys(table, view.keys), np.asarray(table.column(f"aligned{number}"))
            found = self._offline.training_values(view, parts_of(view)[number], entities, instants)
            if found is not None:
                yield taught_table(view, number, np.asarray(table.column("place")), found)
