"""A time zone that a Spark job took from its machine: online instants are those of New York's clock, and the run says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from feast_skew.report import Verdict
from zoo.cases import Answer, first_of, holds
from zoo.clean import rows
from zoo.columns import PLANES
from zoo.flown import HOUR, instants
from zoo.stored import NIGHTS, START, Repository, done
from zoo.tabled import snapshot

JOB = Path(__file__).with_name("spark_job.py")


@pytest.mark.slow
def test_instants_of_a_spark_job_in_new_york(tmp_path: Path) -> None:
    pytest.importorskip("pyspark")
    from feast.protos.feast.types.Value_pb2 import Value

    from feast_skew.embedded.java import find_java

    world = snapshot(0, PLANES)
    table = rows(world, ("departed", "flights"), *world.history(NIGHTS)).rename_columns(
        [*PLANES, "event_timestamp", "x", "beside"]
    )
    ends = np.asarray(table.column("event_timestamp").combine_chunks().cast(pa.int64())) // 60_000_000
    table = table.append_column("created_at", instants(ends + 3 * HOUR))
    texts = pc.strftime(table.column("x").cast(pa.timestamp("s", tz="UTC")), "%Y-%m-%d %H:%M:%S")
    pq.write_table(pa.table({"row": np.arange(len(texts)), "text": texts}), tmp_path / "texts.parquet")
    subprocess.run(
        [sys.executable, str(JOB), str(tmp_path / "texts.parquet"), str(tmp_path / "made.parquet"), "America/New_York"],
        check=True, timeout=300, capture_output=True, env={**os.environ, "JAVA_HOME": str(find_java()), "TZ": "UTC"},
    )  # fmt: skip
    seconds = pq.read_table(tmp_path / "made.parquet").sort_by("row").column("seconds").combine_chunks()
    served = table.set_column(table.column_names.index("x"), "x", seconds)
    repo = Repository()
    try:
        repo.write(table)
        repo.apply({"x": "UnixTimestamp", "beside": "Int64"})
        repo.materialize(START, done(world))
        repo.push(
            served.sort_by("event_timestamp"),
            {
                "x": lambda v: Value(unix_timestamp_val=v),
                "beside": lambda v: Value(int64_val=v),
            },
        )
        report = repo.validate(done(world))
    finally:
        repo.close()
    found = {feature.feature: feature for feature in report.features}
    assert found["beside"].verdict is Verdict.PASS
    assert found["x"].verdict is Verdict.FAIL
    cause = first_of("what", found["x"].causes)
    assert cause is not None
    # In July New York is four hours behind: a text of 12:00 is taken for 16:00 UTC.
    offset = Answer("offset", {"offset": 14400.0})
    assert holds(Answer("timezone", {"offset_seconds": 14400}), cause) or holds(offset, cause), found["x"].causes
