"""Where the keys lie: one server, the master that sentinels know of, or the nodes of a cluster; their replicas when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import redis
from redis.crc import key_slot

from feast_skew.core.arrays import Positions
from feast_skew.errors import StoreUnavailable
from feast_skew.stores.redis.faults import NO_REPLICA

Node = str
"""A server by a name that stays the same while the deployment does."""

_ONE = "server"


class Deployment(Protocol):
    """Tells which server holds which keys, and connects to it.

    `patience` is for how many seconds a deployment that does not answer may be mending itself.
    """

    patience: float

    def parts(self, keys: pa.Array) -> Iterator[tuple[Node, Positions]]:
        """Split keys by the servers that hold them; positions go upwards."""

    def connect(self, node: Node) -> Any:
        """Give a new open connection of redis-py to a server."""

    def refresh(self) -> None:
        """Forget what is known of who holds what; it has changed."""

    def ask(self, key: bytes, fields: list[bytes]) -> list[bytes | None]:
        """Read one key through redis-py, which follows wherever it is sent."""


class Single:
    """One server, or the master (a replica) that sentinels name anew for every connection."""

    def __init__(self, client: Any, patience: float) -> None:
        self._client = client
        self.patience = patience

    def parts(self, keys: pa.Array) -> Iterator[tuple[Node, Positions]]:
        """Give all keys to the one server."""
        yield _ONE, np.arange(len(keys))

    def connect(self, node: Node) -> Any:
        """Give a connection made by the client's pool, which it will not get back."""
        connection = self._client.connection_pool.make_connection()
        connection.connect()
        return connection

    def refresh(self) -> None:
        """There is nothing to forget: every connection asks anew."""

    def ask(self, key: bytes, fields: list[bytes]) -> list[bytes | None]:
        """Read one key."""
        found: list[bytes | None] = self._client.hmget(key, fields)
        return found


class Cluster:
    """A Redis Cluster: the masters by their slots, or with `replicas` the replicas of each."""

    def __init__(self, client: Any, patience: float, replicas: bool = False) -> None:
        self._client = client
        self._replicas = replicas
        self.patience = patience

    def parts(self, keys: pa.Array) -> Iterator[tuple[Node, Positions]]:
        """Split keys by the nodes that hold their slots."""
        slots = np.fromiter((key_slot(key) for key in keys.to_pylist()), dtype=np.int64, count=len(keys))
        wanted = np.unique(slots)
        names = [self._node_of(int(slot)) for slot in wanted]
        order = {name: number for number, name in enumerate(dict.fromkeys(names))}
        number_of = np.zeros(int(wanted.max(initial=0)) + 1, dtype=np.int64)
        number_of[wanted] = [order[name] for name in names]
        numbers = number_of[slots]
        for name, number in order.items():
            yield name, np.flatnonzero(numbers == number)

    def _node_of(self, slot: int) -> Node:
        nodes = self._client.nodes_manager.slots_cache.get(slot)
        if not nodes:
            raise redis.exceptions.ClusterDownError(f"slot {slot} is served by no node")
        replicas = [node for node in nodes if node.server_type == "replica"]
        if self._replicas and not replicas:
            raise StoreUnavailable("the online store (redis): a part of the cluster has no replica", hint=NO_REPLICA)
        return str((sorted(replicas, key=lambda node: node.name) if self._replicas else nodes)[0].name)

    def connect(self, node: Node) -> Any:
        """Give a connection to a node of the cluster, which is told when reading from a replica is meant."""
        found = self._client.get_node(node_name=node)
        if found is None:
            raise redis.exceptions.ConnectionError("a node has left the cluster")
        connection = self._client.get_redis_connection(found).connection_pool.make_connection()
        connection.connect()
        if self._replicas:
            connection.send_command("READONLY")
            connection.read_response()
        return connection

    def refresh(self) -> None:
        """Ask the nodes for the slots again."""
        self._client.nodes_manager.initialize()

    def ask(self, key: bytes, fields: list[bytes]) -> list[bytes | None]:
        """Read one key, following MOVED and ASK."""
        found: list[bytes | None] = self._client.hmget(key, fields)
        return found
