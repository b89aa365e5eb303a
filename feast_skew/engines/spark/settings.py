"""How the engine works, as the user says it, and what it asks of a session."""

from __future__ import annotations

from dataclasses import dataclass

BATCHES = {
    "spark.sql.execution.arrow.maxRecordsPerBatch": "50000",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(32 << 20),
    "spark.sql.execution.arrow.useLargeVarTypes": "false",
    "spark.sql.adaptive.advisoryPartitionSizeInBytes": str(16 << 20),
}
"""Settings of a session for this engine: batches are for many narrow rows of a source as for blocks, one of which is enough.

Partitions that Spark puts together hold some hundred thousand entities each.
"""


@dataclass(frozen=True)
class SparkSettings:
    """How the engine works: where it stages rows, in how many partitions it measures (None: by the number of entities).

    `wrong_rows` is the path or the name of the table that wrong rows are added to, None for none.
    """

    staging: str | None = None
    partitions: int | None = None
    wrong_rows: str | None = None
    wrong_rows_format: str = "parquet"
