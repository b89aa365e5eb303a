"""Which reader an online store is read by."""

from __future__ import annotations

import time
from collections.abc import Callable

from feast_skew.errors import ConfigError
from feast_skew.stores.feast_online import FeastOnlineReader
from feast_skew.stores.redis.reader import ReadSettings, RedisBulkReader


def fastest_reader(
    generic: FeastOnlineReader, settings: ReadSettings, sleep: Callable[[float], None] = time.sleep
) -> FeastOnlineReader | RedisBulkReader:
    """Give the fastest reader for the store that is read through Feast so far: Redis is read in bulk, all others as they are.

    A store class that is derived from Feast's Redis store may keep its rows elsewhere, and stays as it is.

    Raises
    ------
    ConfigError
        When replicas are asked for and the store is no Redis.
    """
    if generic.is_plain_redis:
        return RedisBulkReader(generic, settings, sleep)
    if settings.replicas:
        raise ConfigError(f"a {generic.name} store has no replicas to read from", hint="leave out --read-from replica")
    return generic
