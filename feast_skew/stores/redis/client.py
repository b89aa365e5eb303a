"""From Feast's settings to a client of Redis and to its deployment, with time-outs and without a word about secrets."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import redis
from feast import FeatureStore, RepoConfig
from feast.infra.provider import Provider
from redis.backoff import NoBackoff
from redis.retry import Retry

from feast_skew.errors import ConfigError, StoreUnavailable
from feast_skew.stores.redis.deployments import Cluster, Deployment, Single
from feast_skew.stores.redis.faults import unavailable

SOCKET_TIMEOUT = 10.0
_MENDING = 30.0
"""Seconds that sentinels and clusters may take to put another server in the place of a lost one."""

_NO_REPLICA = "leave out --read-from replica, or point connection_string to a replica"
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


def client(provider: Provider, config: RepoConfig) -> Any:
    """Give the Redis client of a provider, with time-outs where the user has set none, so that no dead host hangs a run.

    redis-py's own retries are left out: reads are repeated above it, where a silent server costs one time-out each. All
    connections speak RESP2, whatever the user's own ones do: it is what the replies are read as.
    """
    online: Any = provider.online_store
    if online._client is None:
        text = config.online_store.connection_string
        for option in ("socket_timeout", "socket_connect_timeout"):
            if f",{option}=" not in f",{text}".replace(" ", ""):
                text += f",{option}={SOCKET_TIMEOUT}"
        # Feast's own code takes the string apart, of which the last word on an option counts.
        settings = config.online_store.model_copy(update={"connection_string": f"{text},protocol=2"})
        try:
            online._get_client(settings)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _bad_option(error) from error
        except (redis.RedisError, redis.exceptions.RedisClusterException) as error:
            raise unavailable("redis", error) from error
        pool = getattr(online._client, "connection_pool", None)
        if pool is not None:
            pool.connection_kwargs["retry"] = Retry(NoBackoff(), 0)
    return online._client


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
    """Give the deployment that Feast's settings name; with `replicas` the one to be read from beside the master.

    Raises
    ------
    StoreUnavailable
        When it has no replica, or may not be asked for one.
    ConfigError
        When the connection string holds an option that redis-py cannot use.
    """
    connected = client(provider, config)
    kind = str(getattr(config.online_store.redis_type, "value", config.online_store.redis_type))
    if kind == "redis_cluster":
        return Cluster(connected, _MENDING, replicas)
    if kind == "redis_sentinel":
        pool = connected.connection_pool
        if replicas:
            connected = pool.sentinel_manager.slave_for(pool.service_name, **_quiet(pool.connection_kwargs))
        return Single(connected, _MENDING)
    return Single(_replica_of(connected) if replicas else connected, 0.0)


def _quiet(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "connection_pool"}


def _replica_of(master: Any) -> Any:
    """Give a client of the first replica that a server names; the server itself when it is one."""
    try:
        role = master.execute_command("ROLE")
    except redis.exceptions.NoPermissionError as error:
        raise StoreUnavailable(
            "the online store (redis) does not let this user ask for replicas", hint="grant +role, or " + _NO_REPLICA
        ) from error
    except Exception as error:
        raise unavailable("redis", error) from error
    if role[0] != b"master":
        return master
    if not role[2]:
        raise StoreUnavailable("the online store (redis) has no replica", hint=_NO_REPLICA)
    host, port = (part.decode() for part in role[2][0][:2])
    pool = master.connection_pool
    options = {**pool.connection_kwargs, "host": host, "port": int(port)}
    options.pop("path", None)  # a replica is not behind the master's socket
    kind = redis.Connection if pool.connection_class is redis.UnixDomainSocketConnection else pool.connection_class
    return redis.Redis(connection_pool=redis.ConnectionPool(connection_class=kind, **options))


def check(provider: Provider, config: RepoConfig) -> None:
    """Ask Redis for a sign of life.

    Raises
    ------
    StoreUnavailable
        With the kind of trouble, never with the connection string.
    ConfigError
        When the connection string holds an option that redis-py cannot use.
    """
    connection = client(provider, config)
    try:
        connection.ping()
    except redis.exceptions.NoPermissionError:
        return  # A user that may read but not PING is welcome.
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _bad_option(error) from error
    except Exception as error:
        raise unavailable("redis", error) from error


def _bad_option(error: Exception) -> ConfigError:
    """Name the option where redis-py does; the text of other errors repeats values."""
    named = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    what = (
        f"redis knows no option {named.group(1)!r}" if named else f"an option cannot be used ({type(error).__name__})"
    )
    return ConfigError(f"connection_string in feature_store.yaml: {what}", hint=_ADDRESS)
