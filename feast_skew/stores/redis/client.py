"""From Feast's settings to a client of Redis and to its deployment, with time-outs and without a word about secrets."""

from __future__ import annotations

import inspect
import re
from difflib import get_close_matches
from typing import Any

import redis
from feast import FeatureStore, RepoConfig
from feast.infra.online_stores.redis import RedisOnlineStore
from feast.infra.provider import Provider

from feast_skew.errors import ConfigError
from feast_skew.stores.redis.address import CLUSTER, Address, connect, deployment_of, disconnect, without_retries
from feast_skew.stores.redis.deployments import Deployment
from feast_skew.stores.redis.faults import is_alive, printable, unavailable

SOCKET_TIMEOUT = 10.0
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


def address(config: RepoConfig, replicas: bool = False) -> Address:
    """Give the address that Feast's settings name, with time-outs where the user has set none, so that no dead host hangs a run.

    All connections speak RESP2, whatever the user's own ones do: it is what the replies are read as.

    Raises
    ------
    ConfigError
        When the connection string cannot be read.
    """
    settings = _settings(config, replicas)
    try:
        # Feast's own code takes the string apart, of which the last word on an option counts.
        nodes, options = RedisOnlineStore._parse_connection_string(settings.connection_string)
        named = tuple((node["host"], node["port"]) for node in nodes)
    except (LookupError, ValueError) as error:
        raise _bad_option(error) from None
    return Address(_kind(config), named, options, settings.sentinel_master, replicas)


def _settings(config: RepoConfig, replicas: bool) -> Any:
    text = config.online_store.connection_string
    for option in ("socket_timeout", "socket_connect_timeout"):
        if f",{option}=" not in f",{text}".replace(" ", ""):
            text += f",{option}={SOCKET_TIMEOUT}"
    if replicas and _kind(config) == CLUSTER:
        text += ",read_from_replicas=true"  # so that every connection says READONLY
    return config.online_store.model_copy(update={"connection_string": f"{text},protocol=2"})


def _kind(config: RepoConfig) -> str:
    return str(getattr(config.online_store.redis_type, "value", config.online_store.redis_type))


def client(provider: Provider, config: RepoConfig, replicas: bool = False) -> Any:
    """Give the Redis client of a provider, connected as `address` and `connect` say.

    With `replicas`, asked the first time, the client is one of replicas, and all that Feast reads through this provider comes
    from them.

    Raises
    ------
    StoreUnavailable
        When there is no replica, or nobody who may be asked for one.
    ConfigError
        When the connection string holds an option that redis-py cannot use.
    """
    online: Any = provider.online_store
    if online._client is None:
        try:
            if type(online) is RedisOnlineStore:
                online._client = connect(address(config, replicas))
            else:  # a class of the user's own may know more than its settings do
                online._client = without_retries(online._get_client(_settings(config, replicas)))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise _bad_option(error) from None
        except (redis.RedisError, redis.exceptions.RedisClusterException, OSError) as error:
            raise unavailable("redis", error) from printable(error)
    return online._client


def close(provider: Provider) -> None:
    """Close the clients of a provider, if it has any; the next read makes new ones."""
    online: Any = provider.online_store
    for name in ("_client", "_glide_client"):
        held = getattr(online, name, None)
        if held is not None:
            setattr(online, name, None)
            disconnect(held)


def deployment(provider: Provider, config: RepoConfig, replicas: bool) -> Deployment:
    """Give the deployment that Feast's settings name, as the provider's client knows it; for `replicas` see `client`.

    Raises
    ------
    StoreUnavailable, ConfigError
        As `client`.
    """
    return deployment_of(client(provider, config, replicas), _kind(config))


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
    except (LookupError, TypeError, ValueError, AttributeError) as error:
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
