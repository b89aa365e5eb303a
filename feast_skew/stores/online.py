"""Which reader an online store is read by, and whether there is a writer for it."""

from __future__ import annotations

import time
from collections.abc import Callable

from feast import FeatureStore
from feast.infra.online_stores.redis import RedisOnlineStoreConfig

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
        check_replicas(generic.name if not generic.is_redis else "derived redis")
    return generic


def check_replicas(name: str) -> None:
    """Make sure that a store of that type has replicas that can be asked for.

    Raises
    ------
    ConfigError
        When it is no Redis.
    """
    if name != "redis":
        raise ConfigError(f"a {name} store has no replicas to read from", hint="leave out --read-from replica")


def check_writer(store: FeatureStore) -> None:
    """Make sure that rows of the online store can be replaced one by one: it is Feast's own Redis store.

    Raises
    ------
    ConfigError
        When it is another one, with what to do there.
    """
    settings = store.config.online_store
    if type(settings) is not RedisOnlineStoreConfig:
        kind = str(getattr(settings, "type", "unknown"))
        raise ConfigError(
            f"the online store is {kind}, and repair writes to Feast's own Redis store alone",
            hint="write the views again with `feast-skew materialize START END`",
        )
