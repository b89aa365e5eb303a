"""Which reader an online store is read by."""

from __future__ import annotations

import time
from collections.abc import Callable

from feast import FeatureStore

from feast_skew.errors import ConfigError
from feast_skew.stores.feast_online import FeastOnlineReader
from feast_skew.stores.redis.reader import ReadSettings, RedisBulkReader


def open_online_reader(
    store: FeatureStore, settings: ReadSettings, sleep: Callable[[float], None] = time.sleep
) -> FeastOnlineReader | RedisBulkReader:
    """Give the fastest reader for the online store of a repository: Redis is read in bulk, all others through Feast.

    A store class that is derived from Feast's Redis store may keep its rows elsewhere, and is read through Feast.

    Raises
    ------
    ConfigError
        When replicas are asked for and the store is no Redis.
    """
    generic = FeastOnlineReader(store, sleep)
    if generic.is_plain_redis:
        return RedisBulkReader(store, generic, settings, sleep)
    if settings.replicas:
        raise ConfigError(f"a {generic.name} store has no replicas to read from", hint="leave out --read-from replica")
    return generic
