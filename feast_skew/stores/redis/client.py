"""From Feast's settings to a client of Redis and to its deployment, with time-outs and without a word about secrets."""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

import redis
from feast import FeatureStore, RepoConfig
from feast.infra.provider import Provider
from redis.backoff import NoBackoff
from redis.cluster import LoadBalancingStrategy
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool, SlaveNotFoundError

from feast_skew.errors import ConfigError, StoreUnavailable
from feast_skew.stores.redis.deployments import Cluster, Deployment, Single
from feast_skew.stores.redis.faults import NO_REPLICA, is_alive, printable, unavailable

SOCKET_TIMEOUT = 10.0
_MENDING = 30.0
"""Seconds that sentinels and clusters may take to put another server in the place of a lost one."""

_ADDRESS = "write connection_string as host:port,option=value, for example localhost:6379,db=0"


def check_address(store: FeatureStore, where: str) -> None:
    """Make sure that the connection string can be read, without opening a connection.

    Raises
    ------
    ConfigError
        That names the part in which something is wrong, and never its text: it may be a password.
    """
    text = store.config.online_store.connection_string
    parts = [part for part in text.split(",") if "=" not in part]
    for number, part in enumerate(parts, start=1):
        host, _, port = part.partition(":")
        if not host or not port.isdigit():
            raise ConfigError(
                f"{where}: connection_string: part {number} of {len(parts)} without a = is no host:port", hint=_ADDRESS
            )
    if not parts:
        raise ConfigError(f"{where}: connection_string names no host:port", hint=_ADDRESS)


def client(provider: Provider, config: RepoConfig, replicas: bool = False) -> Any:
    """Give the Redis client of a provider, with time-outs where the user has set none, so that no dead host hangs a run.

    redis-py's own retries are left out: reads are repeated above it, where a silent server costs one time-out each. All
    connections speak RESP2, whatever the user's own ones do: it is what the replies are read as. With `replicas`, asked
    the first time, the client is one of replicas, and all that Feast reads through this provider comes from them.

    Raises
    ------
    StoreUnavailable
        When there is no replica, or nobody who may be asked for one.
    ConfigError
        When the connection string holds an option that redis-py cannot use.
    """
    online: Any = provider.online_store
    if online._client is None:
        text = config.online_store.connection_string
        for option in ("socket_timeout", "socket_connect_timeout"):
            if f",{option}=" not in f",{text}".replace(" ", ""):
                text += f",{option}={SOCKET_TIMEOUT}"
        kind = _kind(config)
        if replicas and kind == "redis_cluster":
            text += ",read_from_replicas=true"  # so that every connection says READONLY
        # Feast's own code takes the string apart, of which the last word on an option counts.
        settings = config.online_store.model_copy(update={"connection_string": f"{text},protocol=2"})
        try:
            online._get_client(settings)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _bad_option(error) from None
        except (redis.RedisError, redis.exceptions.RedisClusterException) as error:
            raise unavailable("redis", error) from printable(error)
        if replicas:
            online._client = _of_replicas(online._client, kind)
        pool = getattr(online._client, "connection_pool", None)
        if pool is not None:
            pool.connection_kwargs["retry"] = Retry(NoBackoff(), 0)
    return online._client


def _kind(config: RepoConfig) -> str:
    return str(getattr(config.online_store.redis_type, "value", config.online_store.redis_type))


def _of_replicas(connected: Any, kind: str) -> Any:
    if kind == "redis_cluster":
        connected.load_balancing_strategy = LoadBalancingStrategy.RANDOM_REPLICA
        return connected
    if kind == "redis_sentinel":
        pool = connected.connection_pool
        options = {name: value for name, value in pool.connection_kwargs.items() if name != "connection_pool"}
        return pool.sentinel_manager.slave_for(pool.service_name, connection_pool_class=_ReplicaPool, **options)
    return _replica_of(connected)


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


def close(provider: Provider) -> None:
    """Close the clients of a provider, if it has any; the next read makes new ones."""
    online: Any = provider.online_store
    for name in ("_client", "_glide_client"):
        held = getattr(online, name, None)
        if held is None:
            continue
        setattr(online, name, None)
        manager = getattr(getattr(held, "connection_pool", None), "sentinel_manager", None)
        for one in (held, *(manager.sentinels if manager is not None else ())):
            with suppress(Exception):  # nothing hangs on how a connection ends
                one.close()


def deployment(provider: Provider, config: RepoConfig, replicas: bool) -> Deployment:
    """Give the deployment that Feast's settings name, as the provider's client knows it; for `replicas` see `client`.

    Raises
    ------
    StoreUnavailable, ConfigError
        As `client`.
    """
    connected = client(provider, config, replicas)
    kind = _kind(config)
    if kind == "redis_cluster":
        return Cluster(connected, _MENDING, replicas=connected.load_balancing_strategy is not None)
    return Single(connected, _MENDING if kind == "redis_sentinel" else 0.0)


def _replica_of(master: Any) -> Any:
    """Give a client of the first replica that a server names; the server itself when it is one."""
    try:
        role = master.execute_command("ROLE")
    except redis.exceptions.NoPermissionError as error:
        raise StoreUnavailable(
            "the online store (redis) does not let this user ask for replicas", hint="grant +role, or " + NO_REPLICA
        ) from error
    except Exception as error:  # noqa: BLE001  told in one line
        raise unavailable("redis", error) from printable(error)
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


def check(provider: Provider, config: RepoConfig, replicas: bool = False) -> None:
    """Ask Redis for a sign of life.

    Raises
    ------
    StoreUnavailable
        With the kind of trouble, never with the connection string.
    ConfigError
        When the connection string holds an option that redis-py cannot use.
    """
    connection = client(provider, config, replicas)
    try:
        connection.ping()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _bad_option(error) from None
    except Exception as error:  # noqa: BLE001  told in one line
        if not is_alive(error):
            raise unavailable("redis", error) from printable(error)


def _bad_option(error: Exception) -> ConfigError:
    """Name the option where redis-py does and it is no other text of the user's: the texts of errors repeat values."""
    named = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    meant = get_close_matches(named.group(1), _options(), 1, 0.7) if named else []
    if named and meant:
        what = f"redis knows no option {named.group(1)!r}, did you mean {meant[0]}?"
    else:
        what = (
            "redis does not know one of the options" if named else f"an option cannot be used ({type(error).__name__})"
        )
    return ConfigError(f"connection_string in feature_store.yaml: {what}", hint=_ADDRESS)


def _options() -> list[str]:
    return sorted({*inspect.signature(redis.Redis).parameters, *inspect.signature(redis.RedisCluster).parameters})
