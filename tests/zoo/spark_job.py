"""A Spark job that takes the texts of instants for those of its session's time zone, as jobs do where nobody set one."""

from __future__ import annotations

import sys

from pyspark.sql import SparkSession


def main(source: str, target: str, zone: str) -> None:
    """Read numbered instants as texts of UTC, write the seconds since 1970 that Spark makes of them."""
    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.session.timeZone", zone)
        .getOrCreate()
    )
    try:
        made = session.read.parquet(source).selectExpr("row", "unix_timestamp(to_timestamp(text)) AS seconds")
        made.toPandas().to_parquet(target)
    finally:
        session.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
