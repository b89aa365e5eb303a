"""Run `feast-skew validate` as a Spark application; its exit code is the one of the command.

The comparison runs inside the driver; see README.md beside this file.
"""

from __future__ import annotations

import sys

from pyspark.sql import SparkSession

from feast_skew.cli.main import main


def run(arguments: list[str]) -> None:
    """Validate under a session of our own, for the run to be seen and stopped like any other application."""
    session = (
        SparkSession.builder.appName("feast-skew validate")
        # In any other time zone an offline store on Spark reads rows from the future.
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    # After the session is made: what follows names the program, and spark-submit has had its own arguments.
    sys.argv = ["feast-skew", "validate", "--engine", "local", *arguments]
    try:
        main()
    finally:
        session.stop()


if __name__ == "__main__":
    run(sys.argv[1:])
