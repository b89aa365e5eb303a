"""Replaces rows of views in Redis: compared and set by one script per row, in the hash that views with the same keys share."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import redis
from feast.infra.online_stores.helpers import _mmh3, _redis_key, compute_versioned_name
from feast.protos.feast.types.Value_pb2 import Value

from feast_skew.core.arrays import Positions
from feast_skew.core.model import ViewPlan
from feast_skew.errors import SkewError, StoreUnavailable
from feast_skew.stores.base import OnlineRows
from feast_skew.stores.feast_online import FeastOnlineReader, entity_keys
from feast_skew.stores.redis import client, faults
from feast_skew.stores.redis.deployments import Deployment, Node
from feast_skew.stores.redis.pace import Pace
from feast_skew.stores.redis.patience import Tries
from feast_skew.stores.redis.rows import decoded_rows
from feast_skew.stores.row_writer import Stored

_TURN = 128
"""Most rows that are asked for together, so that what waits for us in the server stays small."""

_LOOK, _REPLACE = 1, 3
"""Commands that one row counts for: the script reads and writes as well."""

_SCRIPT = b"""
local key, ttl, n = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local same, done = true, true
for first = 1, n, 1000 do
  local last = math.min(first + 999, n)
  local now = redis.call('HMGET', key, unpack(ARGV, 2 + first, 2 + last))
  for i = first, last do
    local value = now[i - first + 1]
    if (value and '+' .. value or '-') ~= ARGV[2 + n + i] then same = false end
    if value ~= ARGV[2 + 2 * n + i] then done = false end
  end
end
if not (same or done) then return 0 end
if ttl > 0 then redis.call('EXPIRE', key, ttl) end
for first = 1, n, 1000 do
  local pairs = {}
  for i = first, math.min(first + 999, n) do
    pairs[#pairs + 1] = ARGV[2 + i]
    pairs[#pairs + 1] = ARGV[2 + 2 * n + i]
  end
  redis.call('HSET', key, unpack(pairs))
end
if ttl > 0 then redis.call('EXPIRE', key, ttl) end
return 1
"""
"""Writes the fields of a row if they are what they were before, or what they shall be. Its arguments are the seconds after which the
key expires (0: it keeps its own), the number of fields, their names, what they were (`+` and the value, `-` for none), what they
shall be. EXPIRE comes first as well, as Feast sets it on every write: a user who may not set it has changed nothing then."""

_GRANT = "grant it +eval +hmget +hset +expire on the keys of the project; docs/repair.md has the line"
_DENIED = re.compile(r"run the ['`](\w+)['`] command|['`]([\w|-]+)['`] command")


class RedisRowWriter:
    """Looks at rows and replaces them over one connection to each server; has the port `RowWriter`.

    Keys and fields are made by Feast's own functions. `max_ops` is the number of commands a second, None for no limit.
    """

    def __init__(
        self,
        generic: FeastOnlineReader,
        max_ops: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._provider = generic.provider
        self._config = generic.config
        self._pace = Pace(max_ops, sleep=sleep)
        self._sleep = sleep
        self._deployment: Deployment | None = None
        self._connections: dict[Node, Any] = {}

    def close(self) -> None:
        """Close all connections."""
        self._disconnect()
        self._deployment = None
        client.close(self._provider)

    def look(self, view: ViewPlan, entities: pa.Table) -> list[Stored | None]:
        """Read the fields of rows; see `RowWriter.look`."""
        keys, fields = self._keys(view, entities), self._fields(view)
        found: list[Stored | None] = [None] * len(keys)
        commands = [(b"HMGET", key, *fields) for key in keys]
        for position, reply in self._replies(keys, commands, _LOOK):
            if not isinstance(reply, Exception):
                found[position] = tuple(reply)
        return found

    def decoded(self, view: ViewPlan, rows: Sequence[Stored | None]) -> OnlineRows:
        """Decode rows as the bulk reader does; see `RowWriter.decoded`."""
        return decoded_rows(view.features, rows, Value)

    def replace(
        self, view: ViewPlan, entities: pa.Table, before: Sequence[Stored], after: Sequence[Stored]
    ) -> Iterator[tuple[int, bool]]:
        """Compare and set each row by a script; see `RowWriter.replace`."""
        keys, fields = self._keys(view, entities), self._fields(view)
        ttl = self._config.online_store.key_ttl_seconds or 0
        head = (b"%d" % ttl, b"%d" % len(fields), *fields)
        commands = [
            (b"EVAL", _SCRIPT, b"1", key, *head, *map(_marked, was), *(value or b"" for value in new))
            for key, was, new in zip(keys, before, after, strict=True)
        ]
        for position, reply in self._replies(keys, commands, _REPLACE):
            yield position, reply == 1

    def _keys(self, view: ViewPlan, entities: pa.Table) -> list[bytes]:
        version = self._config.entity_key_serialization_version
        return [_redis_key(self._config.project, key, version) for key in entity_keys(view, entities)]

    def _fields(self, view: ViewPlan) -> list[bytes]:
        versioned = bool(self._config.registry.enable_online_feature_view_versioning)
        name = compute_versioned_name(view.handle, versioned)
        return [*(_mmh3(f"{name}:{feature.name}") for feature in view.features), f"_ts:{name}".encode()]

    def _replies(
        self, keys: Sequence[bytes], commands: Sequence[tuple[bytes, ...]], weight: int
    ) -> Iterator[tuple[int, Any]]:
        """Ask one command of each key, in any order, until each is answered; a key that holds no hash gives the error."""
        left = np.ones(len(keys), dtype=bool)
        tries = Tries(self._pace.clock)
        while left.any():
            try:
                for position, reply in self._ask(keys, commands, np.flatnonzero(left), weight):
                    left[position] = False
                    yield position, reply
            except SkewError:
                self._disconnect()
                raise
            except Exception as error:  # noqa: BLE001  told in one line
                self._disconnect()
                patience = self._deployment.patience if self._deployment is not None else 0.0
                wait = tries.wait(patience) if faults.is_transient(error) else None
                if wait is None:
                    raise _told(error, writing=weight == _REPLACE) from faults.printable(error)
                self._sleep(wait)
                self._refresh()
            except BaseException:
                self._disconnect()  # what was interrupted leaves replies behind
                raise

    def _ask(
        self, keys: Sequence[bytes], commands: Sequence[tuple[bytes, ...]], positions: Positions, weight: int
    ) -> Iterator[tuple[int, Any]]:
        if self._deployment is None:
            self._deployment = client.deployment(self._provider, self._config, replicas=False)
        put_off: Exception | None = None
        for node, places in self._deployment.parts(pa.array([keys[i] for i in positions], pa.binary())):
            connection, mine = self._connection(node), positions[places]
            while len(mine):
                turn, mine = np.split(mine, [min(self._pace.turn(weight), _TURN)])
                self._pace.admit(len(turn) * weight)
                sent = self._pace.clock()
                connection.send_packed_command(connection.pack_commands([commands[i] for i in turn]))
                replies = [_reply(connection) for _ in turn]
                self._pace.answered(weight, len(turn), sent, self._pace.clock())
                for position, given in zip(turn.tolist(), replies, strict=True):
                    reply = self._settled(given, commands[position], weight)
                    if isinstance(reply, Exception) and not faults.is_wrong_type(reply):
                        put_off = reply
                    else:
                        yield position, reply
        if put_off is not None:
            raise put_off

    def _settled(self, reply: Any, command: tuple[bytes, ...], weight: int) -> Any:
        """Follow a key that is elsewhere; give an error that may pass, or that says that the key holds no hash; raise any other."""
        if not isinstance(reply, Exception) or faults.is_wrong_type(reply):
            return reply
        mends = self._deployment is not None and self._deployment.patience > 0
        if mends and isinstance(reply, redis.exceptions.AskError):  # MOVED is one too
            self._pace.admit(weight)
            try:
                name, *arguments = command
                return client.client(self._provider, self._config).execute_command(name.decode(), *arguments)
            except redis.exceptions.ResponseError as error:
                return self._settled(error, command, weight) if not _is_elsewhere(error) else error
        if mends and faults.is_transient(reply):
            return reply
        raise reply

    def _connection(self, node: Node) -> Any:
        if node not in self._connections:
            assert self._deployment is not None  # noqa: S101  it told of the node
            self._connections[node] = self._deployment.connect(node)
        return self._connections[node]

    def _disconnect(self) -> None:
        while self._connections:
            with suppress(Exception):  # nothing hangs on how a connection ends
                self._connections.popitem()[1].disconnect()

    def _refresh(self) -> None:
        # While a cluster mends itself its nodes may not tell; the next try will show.
        with suppress(redis.RedisError, redis.exceptions.RedisClusterException, OSError):
            if self._deployment is not None:
                self._deployment.refresh()


def _marked(value: bytes | None) -> bytes:
    return b"-" if value is None else b"+" + value


def _is_elsewhere(error: Exception) -> bool:
    return isinstance(error, redis.exceptions.AskError)


def _reply(connection: Any) -> Any:
    """Read one reply; an error of a command is given, as the replies behind it are sound."""
    try:
        return connection.read_response(disable_decoding=True)
    except redis.exceptions.ResponseError as error:
        return error


def _told(error: Exception, *, writing: bool) -> StoreUnavailable:
    """Make the error of a store that refuses to be written; of any other trouble that of a reader."""
    text = str(error)
    if writing and (isinstance(error, redis.exceptions.NoPermissionError) or "ACL failure in script" in text):
        command = _DENIED.search(text)
        what = f"no permission for {command.group(1) or command.group(2)}" if command else "no permission for the keys"
        return StoreUnavailable(f"the online store (redis) does not let this user write: {what}", hint=_GRANT)
    if isinstance(error, redis.exceptions.ReadOnlyError):
        return StoreUnavailable(
            "the online store (redis) is a replica, which takes no writes",
            hint="point connection_string in feature_store.yaml to the primary",
        )
    return faults.unavailable("redis", error)
