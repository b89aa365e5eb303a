"""What Redis's errors mean for a run: whether to try again, and the one line that a user gets."""

from __future__ import annotations

import re
from collections.abc import Callable

import redis
from redis.sentinel import SlaveNotFoundError

from feast_skew.errors import StoreUnavailable
from feast_skew.stores.redis.channel import TooLarge
from feast_skew.stores.redis.resp import ProtocolError

NO_REPLICA = "leave out --read-from replica, or point connection_string to a replica"

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
_SENT = re.compile(r"[,;]? ?with args beginning|, sent|[`']auth[`'] command", re.IGNORECASE)
"""Where the text of an error begins to repeat what was sent to the server."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NO_CLUSTER = "Cluster mode is not enabled"
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


def is_lost(error: Exception) -> bool:
    """Tell whether a server is away, or not ready yet, and may come back by itself.

    What it refuses is no reason to wait, nor is an answer that says that the reader is at the wrong address.
    """
    asked = _told_by_nodes(error)
    return isinstance(asked, _NO_ANSWER) and is_transient(asked) and _NO_CLUSTER not in str(error)


def _told_by_nodes(error: Exception) -> Exception:
    """Give what the nodes of a cluster said, where an error is of the whole of it."""
    cause = error.__cause__
    return (
        cause if isinstance(error, redis.exceptions.RedisClusterException) and isinstance(cause, Exception) else error
    )


def is_wrong_type(error: Exception) -> bool:
    """Tell whether a key holds something other than a hash."""
    return isinstance(error, redis.exceptions.ResponseError) and "WRONGTYPE" in str(error)


def is_alive(error: Exception) -> bool:
    """Tell whether a refused PING shows that the server answers, so that reading may be tried."""
    if isinstance(error, redis.exceptions.BusyLoadingError):
        return True  # the read waits for it
    refused = isinstance(error, redis.exceptions.ResponseError)
    return refused and not _is_login(error) and not isinstance(error, redis.exceptions.AskError)


def _is_login(error: Exception) -> bool:
    text = str(error).upper()
    words = ("NOAUTH", "WRONGPASS", "AUTH'", "AUTH`", "'HELLO'", "`HELLO`")
    return isinstance(error, redis.exceptions.AuthenticationError) or any(word in text for word in words)


def printable(error: Exception) -> Exception | None:
    """Give an error to be shown as a cause; None where its text repeats what was sent, a password perhaps."""
    seen: BaseException | None = error
    while seen is not None:
        if _SENT.search(str(seen)):
            return None
        seen = seen.__cause__ or seen.__context__
    return error


def unavailable(name: str, error: Exception) -> StoreUnavailable:
    """Make the error of a store that does not answer; passwords and addresses with them are left out."""
    if isinstance(error, StoreUnavailable):
        return error
    error = _told_by_nodes(error)
    what, hint = next((what, hint) for holds, what, hint in _STORIES if holds(error))
    return StoreUnavailable(f"the online store ({name}) {what(error)}", hint=hint)


def _denied(error: Exception) -> str:
    """Name what was denied, and not the user."""
    command = re.search(r"['`]([\w|-]+)['`] command", str(error))
    return f"no permission for {command.group(1)}" if command else "no permission for the keys"


def _reason(error: Exception) -> str:
    text = " ".join(_COLOUR.sub("", _SENT.split(str(error))[0]).split()).rstrip(".")
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def _is(*classes: type[Exception]) -> Callable[[Exception], bool]:
    return lambda error: isinstance(error, classes)


_STORIES: tuple[tuple[Callable[[Exception], bool], Callable[[Exception], str], str], ...] = (
    (_is(SlaveNotFoundError), lambda _: "has no replica that answers", NO_REPLICA),
    (
        _is(TooLarge),
        lambda _: "holds values that are larger than 64 MiB together, and does not tell how large each is",
        "grant +hstrlen, or leave large features out with --feature",
    ),
    (
        lambda error: _is_login(error) and "UNKNOWN COMMAND" in str(error).upper(),
        lambda _: "knows no passwords and users",
        "leave them out of connection_string, or point it to the server itself",
    ),
    (
        _is_login,
        lambda _: "refused the password",
        "check the connection string in feature_store.yaml or its environment variable",
    ),
    (
        _is(redis.exceptions.NoPermissionError),
        lambda error: f"does not let this user read: {_denied(error)}",
        "grant it +hmget +hlen +hgetall +hstrlen +scan on the keys of the project; docs/redis.md has the line",
    ),
    (
        _is(redis.exceptions.AskError),
        lambda _: "is a part of a cluster whose slots are elsewhere",
        "set redis_type: redis_cluster under online_store in feature_store.yaml",
    ),
    (
        lambda error: _NO_CLUSTER in str(error),
        lambda _: "is no cluster",
        "leave out redis_type: redis_cluster under online_store in feature_store.yaml",
    ),
    (
        _is(ProtocolError),
        lambda error: f"answered something that is no reply of Redis ({error})",
        "check that connection_string in feature_store.yaml points to a Redis server",
    ),
    (
        _is(*_NO_ANSWER),
        lambda error: f"does not answer: {_reason(error)}",
        "check that it runs and that feature_store.yaml points to it",
    ),
    (
        lambda _: True,
        lambda error: f"failed: {_reason(error)}",
        "check that online_store in feature_store.yaml names the right server, database and options",
    ),
)
"""What users are told, by the first that holds: whether it does, what happened, and the next step."""
