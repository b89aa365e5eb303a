"""What feast-skew knows of Redis itself: whether it answers, what its errors mean, and which keys it holds."""

from __future__ import annotations

import re
import time
from typing import Any

import pyarrow as pa
import redis
from feast import FeatureStore, RepoConfig
from feast.infra.key_encoding_utils import deserialize_entity_key, serialize_entity_key_prefix
from feast.infra.provider import Provider
from redis.backoff import NoBackoff
from redis.retry import Retry

from feast_skew.core.keys import KeySet
from feast_skew.errors import ConfigError, StoreUnavailable
from feast_skew.stores.base import KeyScan

_STEP = 1000
_FIELDS = {
    "Int32": "int32_val",
    "Int64": "int64_val",
    "String": "string_val",
    "Bytes": "bytes_val",
    "UnixTimestamp": "unix_timestamp_val",
}
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


def client(provider: Provider, config: RepoConfig) -> Any:
    """Give the Redis client of a provider, with time-outs where the user has set none, so that no dead host hangs a run.

    redis-py's own retries are left out: reads are repeated above it, where a silent server costs one time-out each.
    """
    online: Any = provider.online_store
    try:
        connection = online._get_client(config.online_store)
    except (KeyError, TypeError, ValueError) as error:
        raise _bad_option(error) from error
    pool = getattr(connection, "connection_pool", None)
    if pool is not None:
        for option in ("socket_timeout", "socket_connect_timeout"):
            if pool.connection_kwargs.get(option) is None:
                pool.connection_kwargs[option] = SOCKET_TIMEOUT
        pool.connection_kwargs["retry"] = Retry(NoBackoff(), 0)
    return connection


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


def is_transient(error: Exception) -> bool:
    """Tell whether the same call may go through a moment later."""
    if isinstance(error, redis.exceptions.AuthenticationError):
        return False
    return isinstance(error, (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, ConnectionError))


def is_wrong_type(error: Exception) -> bool:
    """Tell whether a key holds something other than a hash."""
    return isinstance(error, redis.exceptions.ResponseError) and "WRONGTYPE" in str(error)


def unavailable(name: str, error: Exception) -> StoreUnavailable:
    """Make the error of a store that does not answer; passwords and addresses with them are left out."""
    if isinstance(error, redis.exceptions.AuthenticationError) or "NOAUTH" in str(error) or "WRONGPASS" in str(error):
        return StoreUnavailable(
            f"the online store ({name}) refused the password",
            hint="check the connection string in feature_store.yaml or its environment variable",
        )
    if isinstance(error, (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, ConnectionError)):
        return StoreUnavailable(
            f"the online store ({name}) does not answer: {_reason(error)}",
            hint="check that it runs and that feature_store.yaml points to it",
        )
    return StoreUnavailable(
        f"the online store ({name}) failed: {_reason(error)}",
        hint="check that online_store in feature_store.yaml names the right server, database and options",
    )


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def scan(provider: Provider, config: RepoConfig, keys: KeySet, limit: int, seconds: float) -> KeyScan:
    """Step through the keys of one entity key set with SCAN until done, a limit of keys, or a budget of time.

    Only keys that parse exactly under serialization version 3 and end in the project's name are taken and counted, each
    once: SCAN may give a key twice, and the pattern also fits a project whose name ends in this one's.
    """
    if config.entity_key_serialization_version < 3:
        return KeyScan(None, reason="keys below serialization version 3 cannot be parsed")
    connection = client(provider, config)
    project = config.project.encode()
    names = sorted(keys.names)
    prefix = serialize_entity_key_prefix(names)
    found: dict[str, list[Any]] = {name: [] for name in names}
    fields = {key.name: _FIELDS.get(key.declared.name, "string_val") for key in keys.keys}
    seen, complete, reason = 0, True, ""
    deadline = time.monotonic() + seconds
    try:
        for raw in connection.scan_iter(match=_glob(prefix) + b"*" + _glob(project), count=_STEP):
            seen += 1
            parsed = _parse(bytes(raw), project, names, fields)
            if parsed is not None:
                for name, value in zip(names, parsed, strict=True):
                    found[name].append(value)
            if seen >= limit or (seen % _STEP == 0 and time.monotonic() > deadline):
                complete = False
                reason = "limit of keys" if seen >= limit else "time budget"
                break
    except Exception as error:
        if isinstance(error, redis.exceptions.NoPermissionError):
            return KeyScan(None, reason="this user may not SCAN")
        raise unavailable("redis", error) from error
    columns = [
        pa.array(
            found[key.name],
            pa.int64() if "int" in fields[key.name] or "unix" in fields[key.name] else key.declared.arrow,
        ).cast(key.declared.arrow)
        for key in keys.keys
    ]
    table = pa.table(columns, schema=keys.schema)
    entities = table.group_by(table.column_names).aggregate([])
    return KeyScan(entities, entities.num_rows, complete, reason)


def _parse(raw: bytes, project: bytes, names: list[str], fields: dict[str, str]) -> list[Any] | None:
    if not raw.endswith(project):
        return None
    try:
        key = deserialize_entity_key(raw[: len(raw) - len(project)], entity_key_serialization_version=3)
    except Exception:  # noqa: BLE001  other people's keys may hold anything
        return None
    if list(key.join_keys) != names or len(key.entity_values) != len(names):
        return None
    values = []
    for name, value in zip(names, key.entity_values, strict=True):
        if value.WhichOneof("val") != fields[name]:
            return None
        values.append(getattr(value, fields[name]))
    return values


def _glob(raw: bytes) -> bytes:
    return b"".join(b"\\" + bytes([byte]) if byte in b"*?[]\\^-" else bytes([byte]) for byte in raw)
