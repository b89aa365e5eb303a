"""Suites as people write them, tables as a run has them, and Great Expectations by itself beside it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

# Test files are collected by path and are no package, so what they share is found here.
sys.path.insert(0, str(Path(__file__).parent))

# Not importorskip: an environment without the library must not look as if the suites had passed.
import great_expectations as gx

import feast_skew.expectations  # noqa: F401  registers the expectations, before the library reads its settings


@pytest.fixture
def plain() -> Iterator[Any]:
    """Validate a table with Great Expectations alone, as its own documentation does it."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    definition = (
        context.data_sources.add_pandas("pandas")
        .add_dataframe_asset("table")
        .add_batch_definition_whole_dataframe("all")
    )

    def run(table: pd.DataFrame, *entries: dict[str, Any]) -> Any:
        suite = gx.ExpectationSuite(name="plain", expectations=list(entries))
        return definition.get_batch({"dataframe": table}).validate(suite)

    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    yield run
    logging.getLogger("great_expectations").setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """A local Spark session."""
    from pyspark.sql import SparkSession

    from feast_skew.embedded.java import use_java

    use_java()
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for suites."""
    made = tmp_path / "suites"
    made.mkdir()
    return made
