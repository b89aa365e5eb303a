"""Engines by the names that users know them by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from feast_skew.config import RunSettings
from feast_skew.core.keys import KeySet
from feast_skew.engines.base import Engine
from feast_skew.engines.local import LocalEngine
from feast_skew.measuring.progress import Progress
from feast_skew.measuring.sampling import ViewSample
from feast_skew.stores.base import OnlineReader

if TYPE_CHECKING:
    from feast_skew.stores.feast_offline import FeastOfflineReader


@contextmanager
def local_engine(
    online: OnlineReader,
    offline: FeastOfflineReader,
    as_of: int,
    settings: RunSettings,
    progress: Progress,
    given: dict[KeySet, ViewSample],
) -> Iterator[Engine]:
    """Give the engine of this process."""
    yield LocalEngine(online, offline, as_of, settings.seed, progress, given=given)


@contextmanager
def spark_engine(
    online: OnlineReader,
    offline: FeastOfflineReader,
    as_of: int,
    settings: RunSettings,
    progress: Progress,
    given: dict[KeySet, ViewSample],
) -> Iterator[Engine]:
    """Give the engine on Spark, in the session that is there or in one of its own, which ends with it."""
    from feast_skew.engines.spark.session import configured, open_session

    with progress.stage("starting Spark", None, ""):
        session = ExitStack()
        opened = session.enter_context(open_session("feast-skew validate", settings=offline.spark_conf))
        offline.found_in(opened.zones)
    with session:
        from feast_skew.engines.spark import wrong_rows
        from feast_skew.engines.spark.engine import SparkEngine
        from feast_skew.engines.spark.settings import BATCHES, SparkSettings

        asked = SparkSettings(
            settings.spark_staging,
            settings.spark_partitions,
            settings.wrong_rows,
            settings.wrong_rows_format,
        )
        if asked.wrong_rows is not None:
            wrong_rows.check(opened.session, asked.wrong_rows, asked.wrong_rows_format)
        with (
            configured(opened.session, BATCHES),
            closing(
                SparkEngine(
                    opened.session, online, offline, as_of, settings.seed, progress, settings=asked, given=given
                )
            ) as engine,
        ):
            yield engine


STARTS: dict[str, Callable[..., AbstractContextManager[Engine]]] = {"local": local_engine, "spark": spark_engine}
