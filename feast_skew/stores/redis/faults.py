"""What Redis's errors mean for a run: whether to try again, and the one line that a user gets."""

from __future__ import annotations

import re

import redis

from feast_skew.errors import StoreUnavailable
from feast_skew.stores.redis.channel import TooLarge
from feast_skew.stores.redis.resp import ProtocolError

_CLASSES: dict[str, type[redis.exceptions.ResponseError | redis.exceptions.ConnectionError]] = {
    "LOADING": redis.exceptions.BusyLoadingError,
    "MASTERDOWN": redis.exceptions.MasterDownError,
    "CLUSTERDOWN": redis.exceptions.ClusterDownError,
    "TRYAGAIN": redis.exceptions.TryAgainError,
    "NOAUTH": redis.exceptions.AuthenticationError,
    "WRONGPASS": redis.exceptions.AuthenticationError,
    "NOPERM": redis.exceptions.NoPermissionError,
    "READONLY": redis.exceptions.ReadOnlyError,
    "OOM": redis.exceptions.OutOfMemoryError,
}
_PASSES = (
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.MovedError,
    redis.exceptions.TryAgainError,
    redis.exceptions.MasterDownError,
    redis.exceptions.RedisClusterException,
    ConnectionError,
    TimeoutError,
    TooLarge,
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NO_ANSWER = (
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.RedisClusterException,
    ConnectionError,
    TimeoutError,
)


def reply_error(text: bytes) -> redis.exceptions.RedisError:
    """Make the exception of a reply that is an error, as redis-py names it; ASK and MOVED carry where to ask."""
    word, _, rest = text.decode(errors="replace").partition(" ")
    try:
        if word == "ASK":
            return redis.exceptions.AskError(rest)
        if word == "MOVED":
            return redis.exceptions.MovedError(rest)
    except (ValueError, IndexError):
        return redis.exceptions.ResponseError(word)
    if word == "BUSY":  # a script keeps the server busy
        return redis.exceptions.TryAgainError(f"{word} {rest}")
    return _CLASSES.get(word, redis.exceptions.ResponseError)(f"{word} {rest}")


def is_transient(error: Exception) -> bool:
    """Tell whether the same call may go through a moment later."""
    if isinstance(error, redis.exceptions.AuthenticationError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
        return False
    return isinstance(error, _PASSES)


def is_wrong_type(error: Exception) -> bool:
    """Tell whether a key holds something other than a hash."""
    return isinstance(error, redis.exceptions.ResponseError) and "WRONGTYPE" in str(error)


def unavailable(name: str, error: Exception) -> StoreUnavailable:
    """Make the error of a store that does not answer; passwords and addresses with them are left out."""
    if isinstance(error, StoreUnavailable):
        return error
    if isinstance(error, redis.exceptions.RedisClusterException) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # what each node said
    store = f"the online store ({name})"
    if isinstance(error, redis.exceptions.AuthenticationError) or "NOAUTH" in str(error) or "WRONGPASS" in str(error):
        return StoreUnavailable(
            f"{store} refused the password",
            hint="check the connection string in feature_store.yaml or its environment variable",
        )
    if isinstance(error, redis.exceptions.NoPermissionError):
        return StoreUnavailable(
            f"{store} does not let this user read: {_reason(error)}",
            hint="grant it +hmget +hstrlen +scan on the keys of the project; docs/redis.md has the line",
        )
    if isinstance(error, (redis.exceptions.MovedError, redis.exceptions.AskError)):
        return StoreUnavailable(
            f"{store} is a part of a cluster whose slots are elsewhere",
            hint="set redis_type: redis_cluster under online_store in feature_store.yaml",
        )
    if "Cluster mode is not enabled" in str(error):
        return StoreUnavailable(
            f"{store} is no cluster",
            hint="leave out redis_type: redis_cluster under online_store in feature_store.yaml",
        )
    if isinstance(error, ProtocolError):
        return StoreUnavailable(
            f"{store} answered something that is no reply of Redis ({error})",
            hint="check that connection_string in feature_store.yaml points to a Redis server",
        )
    if isinstance(error, _NO_ANSWER):
        return StoreUnavailable(
            f"{store} does not answer: {_reason(error)}",
            hint="check that it runs and that feature_store.yaml points to it",
        )
    return StoreUnavailable(
        f"{store} failed: {_reason(error)}",
        hint="check that online_store in feature_store.yaml names the right server, database and options",
    )


def _reason(error: Exception) -> str:
    text = " ".join(_COLOUR.sub("", str(error)).split()).rstrip(".")
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
