"""The table of wrong rows: a row for each wrong value, with both sides and the cause, for whoever repairs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from feast_skew.engines.base import Wrong
from feast_skew.engines.spark.failures import reason_of, was_interrupted
from feast_skew.engines.spark.plans import WRONG_ROWS
from feast_skew.errors import ConfigError, UnwritableOutput
from feast_skew.report import SkewReport

CAUSES = pa.schema([pa.field("place", pa.int64()), pa.field("feature", pa.string()), pa.field("cause", pa.string())])
STAGED = WRONG_ROWS.append(CAUSES.field("cause"))

_SHARED = ("view", "feature", "entity", "class", "offline", "online")
TABLE = pa.schema(
    [
        pa.field("project", pa.string()),
        *(WRONG_ROWS.field(name) for name in _SHARED),
        pa.field("offline_timestamp", pa.timestamp("us", "UTC")),
        pa.field("online_timestamp", pa.timestamp("us", "UTC")),
        pa.field("cause", pa.string()),
        pa.field("run_id", pa.string()),
    ]
)
"""The columns of the table; values and keys are JSON and text, in full."""

_NOT_THERE = ("PATH_NOT_FOUND", "UNABLE_TO_INFER_SCHEMA")


def causes_of(wrong: Sequence[Wrong], places: np.ndarray) -> pa.Table:
    """Give the causes of the drawn rows, by the place of the entity and the feature."""
    tables = [CAUSES.empty_table()]
    for one in wrong:
        codes = one.explained.codes
        known = np.flatnonzero(codes != "")
        columns = [
            pa.array(places[one.positions[known]]),
            pa.array([one.feature.name] * len(known), pa.string()),
            pa.array(codes[known].tolist(), pa.string()),
        ]
        tables.append(pa.table(columns, schema=CAUSES))
    return pa.concat_tables(tables)


def table_of(rows: Any, report: SkewReport) -> Any:
    """Give the rows as they are kept: by run, with instants as timestamps of UTC."""
    from pyspark.sql import functions as F  # noqa: N812  as everywhere

    return rows.select(
        F.lit(report.project).alias("project"),
        *_SHARED,
        F.timestamp_micros(F.expr("offline_ns div 1000")).alias("offline_timestamp"),
        F.timestamp_micros(F.expr("online_ns div 1000")).alias("online_timestamp"),
        # What a rule said of a drawn row has seen more than the row.
        F.coalesce("cause", "covered").alias("cause"),
        F.lit(report.run_id).alias("run_id"),
    )


def check(session: Any, target: str, kind: str) -> None:
    """Add no row, which makes the table where there is none: what cannot be written is known before the long work.

    Raises
    ------
    ConfigError
        When it cannot be written, or has other columns.
    """
    from pyspark.sql.pandas.types import from_arrow_schema

    try:
        there = _columns(session, target, kind)
        if not there or there == set(TABLE.names):
            _add(session.createDataFrame([], from_arrow_schema(TABLE)), target, kind)
            return
    except Exception as error:
        raise ConfigError(f"wrong_rows: {target} cannot be written as {kind}", hint=reason_of(error)) from error
    raise ConfigError(
        f"wrong_rows: {target} holds something else, with the columns {', '.join(sorted(there))}",
        hint="name a new folder or table",
    )


def add(rows: Any, target: str, kind: str) -> None:
    """Add rows to a folder, or to a table of the catalog when the target is no path; one partition for each run.

    Raises
    ------
    UnwritableOutput
        When it could be written at the beginning, and cannot any more.
    """
    try:
        _add(rows, target, kind)
    except Exception as error:
        if was_interrupted(error):
            raise KeyboardInterrupt from error
        raise UnwritableOutput(f"wrong_rows: {target} could not be written", hint=reason_of(error)) from error


def _add(rows: Any, target: str, kind: str) -> None:
    writer = rows.write.format(kind).mode("append").partitionBy("run_id")
    if _is_path(target):
        writer.save(target)
    else:
        writer.saveAsTable(target)


def _columns(session: Any, target: str, kind: str) -> set[str]:
    """Give the columns of what is there; none of what is not there, or is empty."""
    try:
        if not _is_path(target):
            return set(session.table(target).columns) if session.catalog.tableExists(target) else set()
        return set(session.read.format(kind).load(target).columns)
    except Exception as error:
        if any(condition in str(error) for condition in _NOT_THERE):
            return set()
        raise


def _is_path(target: str) -> bool:
    return "/" in target
