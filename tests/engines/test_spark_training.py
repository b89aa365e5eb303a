"""Training sets whose values are others than the source's rows, on Feast's Spark store: all rows are asked of it."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.engines.parity import assert_same_report
from tests.engines.worlds import DAY, NOON, table

pytestmark = [pytest.mark.xdist_group("spark"), pytest.mark.usefixtures("session")]

KEYS = sorted(product((1, 11, 111, 7), (1, 11, 111, 12, 2)))
"""Among them three that read 1111, as 1 and 111, and two that read 112."""
LOADED_LATE = "2024-02-03"


@pytest.fixture
def repo(make_repository: Any, tmp_path: Path) -> Any:
    """A source whose newest rows were loaded two days late: Feast looks for them in earlier date partitions only."""
    repo = make_repository(tmp_path, offline="spark")
    number = np.arange(len(KEYS), dtype=np.float64)
    keys = {"a": [a for a, _ in KEYS], "b": [b for _, b in KEYS]}
    newest = {"x": number, "y": number * 2, "ds": pa.array([LOADED_LATE] * len(KEYS))}
    before = {"x": number + 100, "y": number * 2, "ds": pa.array([f"{NOON - DAY:%Y-%m-%d}"] * len(KEYS))}
    rows = [
        table(np.arange(len(KEYS)), moment, **keys, **values)
        for moment, values in ((NOON, newest), (NOON - DAY, before))
    ]
    partitions = {"date_partition_column": "ds", "date_partition_column_format": "%Y-%m-%d"}
    source = repo.spark_source("late", pa.concat_tables(rows), **partitions)
    repo.apply(repo.view("late", source, {"a": "Int64", "b": "Int64"}, {"x": "Float64", "y": "Float64"}))
    repo.materialize()
    return repo


@pytest.mark.parametrize("partitions", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_keys_that_read_alike_get_their_own_values(partitions: int, repo: Any) -> None:
    options: dict[str, Any] = {"state": False, "max_ops": "off"}
    local = repo.validate(**options)
    spark = repo.validate(engine="spark", settings={"spark_partitions": partitions}, **options)
    assert_same_report(local, spark)
    assert {"FS201", "FS230"} <= {finding.code for finding in spark.findings}
    found = {feature.feature: feature for feature in spark.features}
    # Each is wrong by 100, which only one's own earlier row shows.
    (cause,) = found["x"].causes
    assert (cause.code, cause.share) == ("offset", 1.0)
    assert found["y"].counts["match"] == len(KEYS)
