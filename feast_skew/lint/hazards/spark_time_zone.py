"""A Spark session outside of UTC."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard
from feast_skew.stores.spark_zones import is_utc


@hazard(
    "FS110",
    "warn",
    "a Spark session outside of UTC",
    why="Feast writes instants into its Spark queries without a zone, and the session reads them in its own: rows at the edges are left out, or all of them, and training has nulls where serving has values",
    remedy="set spark.sql.session.timeZone: UTC in spark_conf, and run the driver with TZ=UTC",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at the settings of the Spark store."""
    if repository.stores.offline_type != "spark":
        return
    zone = (repository.stores.offline.get("spark_conf") or {}).get("spark.sql.session.timeZone")
    if zone is None:
        yield Hit(
            "", f"{repository.file}: spark_conf names no spark.sql.session.timeZone, so the machine's own is taken"
        )
    elif not is_utc(str(zone)):
        yield Hit("", f"{repository.file}: spark.sql.session.timeZone is {zone}")
