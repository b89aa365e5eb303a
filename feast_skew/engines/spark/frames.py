"""Frames of Spark, and the functions from batches to batches that executors run on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from feast_skew.engines.spark.plans import SourceRows
from feast_skew.engines.spark.tasks import reading


def mapped(frame: Any, task: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]], schema: pa.Schema) -> Any:
    """Let executors run a function from batches to batches, which gives the columns of a schema."""
    from pyspark.sql.pandas.types import from_arrow_schema

    return frame.mapInArrow(task, from_arrow_schema(schema))


@dataclass(frozen=True)
class OfflineRows:
    """The offline rows of a view: already so in the frame, or brought there from what the source has."""

    _frame: Any
    _schema: pa.Schema
    _source: SourceRows | None = None

    def frame(self) -> Any:
        """Give them as a frame."""
        if self._source is None:
            return self._frame
        return mapped(self._frame, partial(reading.offline_rows, source=self._source), self._schema)

    def passed(self, then: reading.Then, schema: pa.Schema) -> Any:
        """Give what a function makes of them in the same task."""
        if self._source is None:
            return mapped(self._frame, partial(reading.passed, then=then), schema)
        return mapped(self._frame, partial(reading.offline_passed, source=self._source, then=then), schema)
