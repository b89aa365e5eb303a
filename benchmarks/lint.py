"""How long `feast-skew lint` takes on a repository of 500 views: fresh processes, the median."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

SETTINGS = """\
project: large
provider: local
registry: data/registry.db
online_store:
  type: redis
  connection_string: "localhost:1"
offline_store:
  type: dask
entity_key_serialization_version: 3
"""
HEAD = """\
from datetime import timedelta
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64, String
customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)
"""
VIEW = """
view_{n} = FeatureView(
    name="view_{n}", entities=[customer], ttl=timedelta(days=2),
    source=FileSource(name="source_{n}", path="data/rows.parquet", timestamp_field="event_timestamp"),
    schema=[Field(name="customer_id", dtype=Int64), {fields}],
)
"""


def write(path: Path, views: int) -> None:
    """Write a repository of so many views of twenty features, in files of fifty."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    (path / "data").mkdir(parents=True)
    (path / "feature_store.yaml").write_text(SETTINGS)
    columns = {f"f{i}": pa.array([0.5]) for i in range(20)}
    at = pa.array([0], pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"customer_id": [1], "event_timestamp": at, **columns}), path / "data" / "rows.parquet")
    fields = ", ".join(f'Field(name="f{i}", dtype=Float64)' for i in range(20))
    for start in range(0, views, 50):
        entity = HEAD.index("customer =")
        text = HEAD if start == 0 else HEAD[:entity] + "from views_0 import customer\n"
        body = "".join(VIEW.format(n=n, fields=fields) for n in range(start, min(start + 50, views)))
        (path / f"views_{start}.py").write_text(text + body)


def main() -> None:
    """Print the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--views", type=int, default=500, help="in the repository")
    parser.add_argument("--runs", type=int, default=3, help="of which the median is told")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "large"
        write(repository, chosen.views)
        times = []
        for _ in range(chosen.runs):
            begin = time.perf_counter()
            command = [sys.executable, "-m", "feast_skew", "lint", "--repo", str(repository), "--quiet"]
            subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
            times.append(time.perf_counter() - begin)
    print(f"{chosen.views} views: {statistics.median(times):.2f} s (asked: under 10 s)")


if __name__ == "__main__":
    main()
