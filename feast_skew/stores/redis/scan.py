"""Which keys Redis really holds, best effort and in small steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import redis
from feast import RepoConfig
from feast.infra.provider import Provider

from feast_skew.core.keys import KeySet
from feast_skew.stores.base import KeyScan
from feast_skew.stores.redis.client import client
from feast_skew.stores.redis.faults import printable, unavailable
from feast_skew.stores.redis.layout import Layout
from feast_skew.stores.redis.pace import Pace

_STEP = 250
"""Keys of a step: Redis does nothing else meanwhile, which takes it about a tenth of a millisecond."""


def scan(
    provider: Provider,
    config: RepoConfig,
    keys: KeySet,
    limit: int,
    seconds: float,
    pace: Pace | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> KeyScan:
    """Step through the keys of one entity key set with SCAN until done, a limit of keys, or a budget of time.

    Only keys that parse exactly under serialization version 3 and end in the project's name are taken and counted, each
    once: SCAN may give a key twice, and the pattern also fits a project whose name ends in this one's.
    """
    if config.entity_key_serialization_version < 3:
        return KeyScan(None, reason="keys below serialization version 3 cannot be parsed")
    layout = Layout(config.project)
    pattern = glob(layout.prefix(sorted(keys.names))) + b"*" + glob(config.project.encode())
    found: list[bytes] = []
    reason = ""
    deadline = clock() + seconds
    try:
        for step in steps(client(provider, config), pattern, pace or Pace(None)):
            found.extend(step[: limit - len(found)])
            if len(found) >= limit or clock() > deadline:
                reason = "limit of keys" if len(found) >= limit else "time budget"
                break
    except Exception as error:  # noqa: BLE001  told in one line
        if isinstance(error, redis.exceptions.NoPermissionError):
            return KeyScan(None, reason="this user may not SCAN")
        raise unavailable("redis", error) from printable(error)
    table = layout.entities(found, keys)
    entities: pa.Table = table.group_by(table.column_names).aggregate([])
    return KeyScan(entities, entities.num_rows, not reason, reason)


def steps(connection: Any, pattern: bytes, pace: Pace) -> Iterator[list[bytes]]:
    """Yield the keys of each step, none for most of them where other keys are many; of a cluster node by node."""
    for node in _nodes(connection):
        cursor = None
        while cursor != 0:
            pace.admit(1)
            sent = pace.clock()
            cursor, keys = node.scan(cursor=cursor or 0, match=pattern, count=_STEP)
            pace.rest(sent, pace.clock())
            yield [bytes(key) for key in keys]


def _nodes(connection: Any) -> list[Any]:
    if not hasattr(connection, "get_primaries"):
        return [connection]
    nodes = connection.get_primaries()
    if connection.load_balancing_strategy is not None:  # from one replica of each
        shards = [shard for shard in connection.nodes_manager.slots_cache.values() if len(shard) > 1]
        nodes = list({shard[0].name: shard[1] for shard in shards}.values())
    return [connection.get_redis_connection(node) for node in nodes]


def glob(raw: bytes) -> bytes:
    """Give a pattern of SCAN that means some bytes themselves."""
    return b"".join(b"\\" + bytes([byte]) if byte in b"*?[]\\^-" else bytes([byte]) for byte in raw)
