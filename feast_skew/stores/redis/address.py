"""Where a Redis is and how it is connected to, as a value that can be sent to whoever reads it, and the client made of it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, LoadBalancingStrategy
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool, SlaveNotFoundError

from feast_skew.errors import StoreUnavailable
from feast_skew.stores.redis.deployments import Cluster, Deployment, Single
from feast_skew.stores.redis.faults import NO_REPLICA

CLUSTER, SENTINEL = "redis_cluster", "redis_sentinel"
"""Kinds of deployments by Feast's names for them; every other one is a single server."""

_MENDING = 30.0
"""Seconds that sentinels and clusters may take to put another server in the place of a lost one."""


@dataclass(frozen=True, repr=False)
class Address:
    """All that it takes to connect: the kind, hosts and ports, and redis-py's options, passwords among them.

    `master` is the name that sentinels know a master by; with `replicas` replicas are read. What is shown of an address holds
    no secret: a host may be a mistyped password.
    """

    kind: str
    nodes: tuple[tuple[str, str], ...]
    options: Mapping[str, Any]
    master: str = ""
    replicas: bool = False

    def __repr__(self) -> str:
        return f"<Address of a {self.kind} with {len(self.nodes)} nodes>"


def connect(address: Address) -> Any:
    """Make the client that Feast would make (`RedisOnlineStore._get_client`), or one of replicas.

    redis-py's own retries are left out: reads are repeated above it, where a silent server costs one time-out each.

    Raises
    ------
    StoreUnavailable
        When there is no replica, or nobody who may be asked for one.
    redis.exceptions.RedisError, redis.exceptions.RedisClusterException, OSError
        When a server that has to be asked beforehand does not answer.
    LookupError, TypeError, ValueError, AttributeError
        When redis-py cannot use an option. Their texts may repeat its value.
    """
    if address.kind == CLUSTER:
        nodes = [ClusterNode(host, port) for host, port in address.nodes]  # type: ignore[no-untyped-call]
        cluster: Any = redis.RedisCluster(**{**address.options, "startup_nodes": nodes})
        if address.replicas:
            cluster.load_balancing_strategy = LoadBalancingStrategy.RANDOM_REPLICA
        cluster.disconnect_connection_pools()  # many may read at a time: none keeps the one by which it learnt of the slots
        return cluster
    connected: Any
    if address.kind == SENTINEL:
        sentinel: Any = Sentinel([(host, int(port)) for host, port in address.nodes], **address.options)  # type: ignore[no-untyped-call]
        connected = sentinel.master_for(address.master)
        if address.replicas:
            connected = _watched_replica(connected)
    else:
        host, port = address.nodes[0]
        connected = redis.Redis(**{**address.options, "host": host, "port": port})
        if address.replicas:
            connected = _replica_of(connected)
    return without_retries(connected)


def without_retries(connected: Any) -> Any:
    """Give a client whose connections fail at once; that of a cluster as it is."""
    pool = getattr(connected, "connection_pool", None)
    if pool is not None:
        pool.connection_kwargs["retry"] = Retry(NoBackoff(), 0)
    return connected


def deployment_of(connected: Any, kind: str) -> Deployment:
    """Give the deployment that a client of that kind leads to."""
    if kind == CLUSTER:
        return Cluster(connected, _MENDING, replicas=connected.load_balancing_strategy is not None)
    return Single(connected, _MENDING if kind == SENTINEL else 0.0)


def disconnect(connected: Any) -> None:
    """Close a client, and those of the sentinels that it asks."""
    manager = getattr(getattr(connected, "connection_pool", None), "sentinel_manager", None)
    for one in (connected, *(manager.sentinels if manager is not None else ())):
        with suppress(Exception):  # nothing hangs on how a connection ends
            one.close()


def _watched_replica(master: Any) -> Any:
    pool = master.connection_pool
    options = {name: value for name, value in pool.connection_kwargs.items() if name != "connection_pool"}
    return pool.sentinel_manager.slave_for(pool.service_name, connection_pool_class=_ReplicaPool, **options)


class _ReplicaPool(SentinelConnectionPool):
    """Connects to replicas only; redis-py's own goes to the master when there is none."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)  # type: ignore[no-untyped-call]
        proxy: Any = self.proxy  # what the connections ask
        proxy.rotate_slaves = self.rotate_slaves

    def rotate_slaves(self) -> Iterator[Any]:
        """Give the addresses of the replicas that the sentinels call sound."""
        found = self.sentinel_manager.discover_slaves(self.service_name)
        yield from random.sample(found, len(found))
        raise SlaveNotFoundError("the sentinels know no sound replica")


def _replica_of(master: Any) -> Any:
    """Give a client of the first replica that a server names; the server itself when it is one."""
    try:
        role = master.execute_command("ROLE")
    except redis.exceptions.NoPermissionError as error:
        raise StoreUnavailable(
            "the online store (redis) does not let this user ask for replicas", hint="grant +role, or " + NO_REPLICA
        ) from error
    if role[0] != b"master":
        return master
    if not role[2]:
        raise StoreUnavailable("the online store (redis) has no replica", hint=NO_REPLICA)
    host, port = (part.decode() for part in role[2][0][:2])
    pool = master.connection_pool
    options = {**pool.connection_kwargs, "host": host, "port": int(port)}
    options.pop("path", None)  # a replica is not behind the master's socket
    kind = redis.Connection if pool.connection_class is redis.UnixDomainSocketConnection else pool.connection_class
    return redis.Redis(connection_pool=redis.ConnectionPool(connection_class=kind, **options))
