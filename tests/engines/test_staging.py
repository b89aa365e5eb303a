"""What one job hands to the next: Spark and the driver see the same folder, whatever its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from feast_skew.engines.spark.staging import Staging
from feast_skew.errors import ConfigError

pytestmark = pytest.mark.xdist_group("spark")

SCHEMA = pa.schema([pa.field("n", pa.int64()), pa.field("content", pa.binary())])


def rows(start: int, count: int) -> pa.Table:
    return pa.table(
        {"n": range(start, start + count), "content": [bytes([i % 256]) * 70 for i in range(count)]}, SCHEMA
    )


@pytest.mark.parametrize("name", ["plain", "with a space", "größe 100%20"])
@pytest.mark.parametrize("uri", [False, True])
def test_both_see_the_same_folder(session: Any, tmp_path: Path, name: str, uri: bool) -> None:
    """What the driver writes Spark reads, what Spark writes the driver reads, and nothing is left at the end."""
    folder = tmp_path / name
    staging = Staging(session, f"file://{folder}" if uri else str(folder))
    written = staging.read(staging.write("written", (rows(i * 40, 40) for i in range(5)), SCHEMA, 80))
    assert len(written.inputFiles()) == 3
    place = staging.path("saved", SCHEMA)
    staging.save(written.orderBy("n"), place)
    assert pa.Table.from_batches(staging.batches(place)).column("n").to_pylist() == list(range(200))
    assert [entry.name for entry in folder.iterdir()] == [staging.root.rpartition("/")[2]]
    staging.remove()
    assert not list(folder.iterdir())
    staging.remove()


def test_nothing_is_a_table_without_rows(session: Any, tmp_path: Path) -> None:
    staging = Staging(session, str(tmp_path))
    assert staging.read(staging.write("nothing", [], SCHEMA)).count() == 0


def test_a_place_that_the_driver_cannot_open(session: Any) -> None:
    with pytest.raises(ConfigError, match="spark_staging: the driver cannot open nonsense://there"):
        Staging(session, "nonsense://there")


def test_large_values_make_small_groups(session: Any, tmp_path: Path) -> None:
    """A reader holds a whole group of rows: of values of 4 MB there are a few in one."""
    import pyarrow.parquet as pq

    staging = Staging(session, str(tmp_path))
    place = staging.path("large", SCHEMA)
    large = session.range(20).selectExpr("id as n", "cast(repeat(hex(rand(1) * 1e18), 262144) as binary) as content")
    staging.save(large.coalesce(1), place)
    (file,) = Path(place.removeprefix("file://")).glob("*.parquet")
    groups = pq.ParquetFile(file).metadata
    assert groups.num_rows == 20
    assert groups.num_row_groups >= 4
