"""The table of wrong rows: a row for each wrong value, with both sides and the cause, for whoever repairs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from feast_skew.engines.base import Wrong
from feast_skew.engines.spark.plans import WRONG_ROWS
from feast_skew.report import SkewReport

CAUSES = pa.schema([pa.field("place", pa.int64()), pa.field("feature", pa.string()), pa.field("cause", pa.string())])
STAGED = WRONG_ROWS.append(CAUSES.field("cause"))


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
        "view",
        "feature",
        "entity",
        "class",
        "offline",
        "online",
        F.timestamp_micros(F.expr("offline_ns div 1000")).alias("offline_timestamp"),
        F.timestamp_micros(F.expr("online_ns div 1000")).alias("online_timestamp"),
        "cause",
        F.lit(report.run_id).alias("run_id"),
    )


def add(rows: Any, target: str, kind: str) -> None:
    """Add rows to a folder, or to a table of the catalog when the target is no path; one partition for each run."""
    writer = rows.write.format(kind).mode("append").partitionBy("run_id")
    if "/" in target:
        writer.save(target)
    else:
        writer.saveAsTable(target)
