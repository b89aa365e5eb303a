"""One Spark session for all tests of a worker, opened as a run opens it, and real repositories."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.stores.conftest import make_repository, redis_server  # noqa: F401  fixtures

QUICK = {
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.shuffle.partitions": "2",
}
"""A session that starts quickly; a short job gains more from that than from the last optimisation."""


@pytest.fixture(scope="session")
def session() -> Iterator[Any]:
    """The session of a worker: runs inside of the block use it."""
    from feast_skew.engines.spark.session import open_session

    with open_session("tests of parity", master="local[2]", settings=QUICK) as opened:
        yield opened.session
