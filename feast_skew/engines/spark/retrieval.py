"""What training sets get for measured rows, as measured rows: asked on Spark where Feast does so, else from the driver."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial, reduce
from typing import Any

import numpy as np
import pyarrow as pa

from feast_skew.core.model import ViewPlan
from feast_skew.core.types import Kind
from feast_skew.engines.spark.columns import unpacked_keys
from feast_skew.engines.spark.frames import mapped
from feast_skew.engines.spark.jobs import Jobs
from feast_skew.engines.spark.measured_rows import taught_table
from feast_skew.engines.spark.plans import measured_schema, parts_of, sendable
from feast_skew.engines.spark.staging import Staging
from feast_skew.engines.spark.tasks import batches, measuring, reading
from feast_skew.stores.feast_offline import FeastOfflineReader, full_name

ENTITIES_A_FRAME = 200_000
_MOMENT = "feast_skew_moment"
_TURNS = pa.schema([pa.field("place", pa.int64()), pa.field("turn", pa.int32())])
"""Rows that share the text and the moment of others, by the frame in which each can be asked for."""


class Retrieval:
    """Asks `get_historical_features` for the instants of measured rows."""

    def __init__(self, offline: FeastOfflineReader, staging: Staging, jobs: Jobs) -> None:
        self._offline = offline
        self._staging = staging
        self._jobs = jobs

    def frame(self, view: ViewPlan, asked: Any, number: int, texts: Any | None) -> Any:
        """Ask for the training values of measured rows, of the features of one part: on Spark where Feast does, else from here, some at a time.

        `texts` are the `KEY_TEXTS` of the rows, where Feast takes those that read alike at one moment for each other.
        """
        frames = [asked] if texts is None else self._apart(view, asked, number, texts)
        answered = [answer for frame in frames if (answer := self._on_spark(view, frame, number)) is not None]
        if answered:
            return reduce(lambda one, other: one.unionByName(other), answered)
        schema = measured_schema(view)
        place = self._staging.path("asked", schema)
        self._staging.save(asked, place)
        tables = self._asked_here(view, place, number)
        return self._staging.read(self._staging.write("taught", tables, schema))

    def _on_spark(self, view: ViewPlan, asked: Any, number: int) -> Any | None:
        from pyspark.sql import functions as F  # noqa: N812  as everywhere

        features = parts_of(view)[number]
        keys = [
            (F.timestamp_seconds(f"k{i}") if key.declared.kind is Kind.TIMESTAMP else F.col(f"k{i}")).alias(key.name)
            for i, key in enumerate(view.keys.keys)
        ]
        moment = F.timestamp_micros(F.expr(f"aligned{number} div 1000")).alias(_MOMENT)
        frame = asked.select(*keys, moment, F.col("place").alias(reading.SEQUENCE))
        answered = self._offline.spark_training(view, features, frame, _MOMENT)
        if answered is None:
            return None
        names = {feature.name: full_name(feature) for feature in features}
        task = partial(measuring.taught, view=sendable(view), part=number, names=names)
        return mapped(answered.select(reading.SEQUENCE, *names.values()), task, measured_schema(view))

    def _apart(self, view: ViewPlan, asked: Any, number: int, texts: Any) -> list[Any]:
        """Cut rows into frames in none of which two of them have one text at one moment."""
        from pyspark.sql import Window
        from pyspark.sql import functions as F  # noqa: N812  as everywhere

        alike = Window.partitionBy("text", "instant").orderBy("place")
        known = texts.where(f"part = {number} and text is not null")
        turns = known.select("place", (F.row_number().over(alike) - 1).alias("turn")).where("turn > 0")
        place = self._staging.path("turns", _TURNS)
        self._jobs.run(f"{view.name}: keys that read alike", partial(self._staging.save, turns, place), "offline")
        later = self._staging.read(place)
        stage = f"{view.name}: frames of keys that read alike"
        last = self._jobs.run(stage, later.agg(F.max("turn")).collect, "offline")[0][0] or 0
        if not last:
            return [asked]
        numbered = asked.join(later, "place", "left").fillna(0, "turn")
        return [numbered.where(f"turn = {turn}").drop("turn") for turn in range(last + 1)]

    def _asked_here(self, view: ViewPlan, place: str, number: int) -> Iterator[pa.Table]:
        for table in batches.blocks(self._staging.batches(place), ENTITIES_A_FRAME):
            entities, instants = unpacked_keys(table, view.keys), np.asarray(table.column(f"aligned{number}"))
            found = self._offline.training_values(view, parts_of(view)[number], entities, instants)
            if found is not None:
                yield taught_table(view, number, np.asarray(table.column("place")), found)
