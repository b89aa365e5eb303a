"""HMGET for many keys at once: pipelines kept flowing, and read on where they broke off when something goes wrong."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
import redis

from feast_skew.core.arrays import Mask, Positions
from feast_skew.errors import StoreUnavailable
from feast_skew.stores.redis import faults, resp
from feast_skew.stores.redis.channel import Channel, TooLarge
from feast_skew.stores.redis.deployments import Deployment, Node
from feast_skew.stores.redis.pace import Pace

PIPELINE = 1_024
UNLIMITED_PIPELINE = 4_096
"""Most commands of a pipeline, with a limit to keep and without."""

PIPELINE_BYTES = 1 << 20
"""About how large the replies to a pipeline may be: with large values a pipeline has fewer commands."""

BUFFER_BYTES = 64 << 20
"""Most bytes that are held of replies."""

VALUE_BYTES = 32 << 20
"""A value beyond this size is not read; where all of a row are beyond half the buffer, none beyond a mebibyte."""

_START = 64
_MEASURED = 256
_WAITS = (0.2, 1.0, 3.0)


class Taker(Protocol):
    """Takes replies as they come."""

    def take(self, buffer: np.ndarray, replies: resp.Replies, positions: Positions) -> None:
        """Take replies out of a buffer that is used again afterwards; nil replies stand for errors, too."""


@dataclass
class Unread:
    """The rows that could not be read: those whose key holds no hash, and by field those whose value is too large."""

    wrong_type: list[int] = field(default_factory=list)
    too_large: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class _Question:
    """What is asked: keys, fields, and what is still open of them."""

    keys: pa.Array
    fields: Sequence[bytes]
    taker: Taker
    open: Mask
    unread: Unread = field(default_factory=Unread)
    put_off: redis.exceptions.RedisError | None = None

    def rest(self, positions: Positions) -> Positions:
        return positions[self.open[positions]]


class BulkHashes:
    """Reads the same fields of many hashes, from whatever deployment, at the pace that it is given.

    It sends HMGET, and HSTRLEN where values are large; nothing that writes.
    """

    def __init__(
        self,
        deployment: Deployment,
        pace: Pace,
        sleep: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deployment = deployment
        self._pace = pace
        self._sleep = sleep
        self._clock = clock
        self._channels: dict[Node, Channel] = {}
        self._given_up = False
        self._reply_bytes = 0.0

    def close(self) -> None:
        """Close all connections."""
        while self._channels:
            with suppress(Exception):
                self._channels.popitem()[1].close()

    def read(self, keys: pa.Array, fields: Sequence[bytes], taker: Taker) -> Unread:
        """Read the fields of every key, hand over the replies in any order, and tell what could not be read.

        Raises
        ------
        StoreUnavailable
            When a server does not answer for longer than the deployment may take to mend itself, or refuses.
        """
        question = _Question(keys, fields, taker, np.ones(len(keys), dtype=bool))
        waits = self._waits()
        # What is assumed of the size of a reply is learned anew: another view may hold other values.
        self._reply_bytes = 0.0
        while question.open.any():
            left = int(question.open.sum())
            try:
                self._read_open(question)
            except Exception as error:
                self.close()
                if not faults.is_transient(error):
                    raise self._give_up(error) from error
                if int(question.open.sum()) < left:
                    waits = self._waits()
                wait = next(waits, None)
                if wait is None:
                    raise self._give_up(error) from error
                self._sleep(wait)
                self._refresh()
        self._given_up = False
        return question.unread

    def _give_up(self, error: Exception) -> StoreUnavailable:
        self._given_up = True
        return faults.unavailable("redis", error)

    def _waits(self) -> Iterator[float]:
        """Yield how long to wait before each further try; nothing once the store has been given up."""
        if self._given_up:
            return
        yield from _WAITS
        waited = sum(_WAITS)
        while waited + _WAITS[-1] <= self._deployment.patience:
            waited += _WAITS[-1]
            yield _WAITS[-1]

    def _refresh(self) -> None:
        # While a cluster mends itself its nodes may not tell; the next try will show.
        with suppress(redis.exceptions.RedisError, OSError):
            self._deployment.refresh()

    def _read_open(self, question: _Question) -> None:
        positions = np.flatnonzero(question.open)
        for node, places in self._deployment.parts(question.keys.take(pa.array(positions))):
            mine = positions[places]
            self._read_node(node, mine, question)
        if question.put_off is not None:
            error, question.put_off = question.put_off, None
            raise error

    def _channel(self, node: Node) -> Channel:
        channel = self._channels.get(node)
        if channel is None:
            channel = self._channels[node] = Channel(self._deployment.connect(node), BUFFER_BYTES)
        return channel

    def _read_node(self, node: Node, positions: Positions, question: _Question) -> None:
        """Read rows of one server, the next pipeline on its way while one is taken in, unless there is a limit to keep."""
        channel = self._channel(node)
        whole = len(positions) == len(question.keys)
        commands = resp.commands(
            b"HMGET", question.keys if whole else question.keys.take(pa.array(positions)), question.fields
        )
        raw, ends = _bytes_of(commands)
        flying: deque[tuple[Positions, float]] = deque()
        # With a limit there is one at a time: the time that an answer takes could not be told otherwise.
        at_a_time = 1 if self._pace.is_limited else 2
        sent = 0
        while sent < len(positions) or flying:
            while sent < len(positions) and len(flying) < at_a_time:
                size = min(self._pipeline(), len(positions) - sent)
                self._pace.admit(size)
                channel.send(raw[ends[sent] : ends[sent + size]])
                flying.append((positions[sent : sent + size], self._clock()))
                sent += size
            rows, begun = flying[0]
            try:
                self._take(channel, rows, question)
            except TooLarge:
                # The server forgets what it still has for a connection that is gone.
                self._channels.pop(node).close()
                self._read_large(node, question.rest(np.concatenate([some for some, _ in flying])), question)
                flying.clear()
                channel = self._channel(node)
                continue
            flying.popleft()
            self._pace.answered(len(rows), self._clock() - begun)

    def _pipeline(self) -> int:
        if not self._reply_bytes:
            return _START
        most = PIPELINE if self._pace.is_limited else UNLIMITED_PIPELINE
        return int(min(max(PIPELINE_BYTES / self._reply_bytes, 1), most))

    def _take(self, channel: Channel, rows: Positions, question: _Question) -> None:
        done = 0
        expected = int(self._reply_bytes * len(rows))
        size = 0
        for replies in channel.replies(len(question.fields), len(rows), expected):
            now = rows[done : done + replies.rows]
            done += replies.rows
            size += int(np.maximum(replies.lengths, 0).sum()) + replies.lengths.size * 6
            self._settle(replies, now, question, channel.buffer)
        # The largest mean of late: a run of small values must not make the next pipeline a huge one.
        self._reply_bytes = max(size / len(rows), 0.9 * self._reply_bytes)

    def _settle(self, replies: resp.Replies, rows: Positions, question: _Question, buffer: np.ndarray) -> None:
        if not replies.errors:
            question.taker.take(buffer, replies, rows)
            question.open[rows] = False
            return
        good = np.ones(len(rows), dtype=bool)
        good[list(replies.errors)] = False
        sound = resp.Replies(replies.starts[:, good], replies.lengths[:, good], {}, replies.consumed, replies.needed)
        question.taker.take(buffer, sound, rows[good])
        question.open[rows[good]] = False
        for row, text in replies.errors.items():
            self._settle_error(int(rows[row]), text, question)

    def _settle_error(self, row: int, text: bytes, question: _Question) -> None:
        error = faults.reply_error(text)
        if faults.is_wrong_type(error):
            question.unread.wrong_type.append(row)
        elif isinstance(error, redis.exceptions.AskError) and self._deployment.patience:
            self._take_one(row, question, self._deployment.ask(question.keys[row].as_py(), list(question.fields)))
        elif self._deployment.patience and faults.is_transient(error):
            question.put_off = error  # the others are read first
            return
        else:
            raise error
        question.open[row] = False

    def _take_one(self, row: int, question: _Question, values: Sequence[bytes | None]) -> None:
        raw = resp.reply(values)
        buffer = np.frombuffer(raw + bytes(resp.PADDING), dtype=np.uint8)
        question.taker.take(buffer, resp.scan(buffer, 0, len(raw), len(values), 1), np.array([row]))

    def _read_large(self, node: Node, positions: Positions, question: _Question) -> None:
        """Read rows among which some are very large: first their sizes, then no more at a time than the buffer takes."""
        for start in range(0, len(positions), _MEASURED):
            rows = positions[start : start + _MEASURED]
            sizes = self._sizes(node, rows, question)
            heavy = sizes.sum(axis=1) > BUFFER_BYTES // 2
            large = (sizes > VALUE_BYTES) | (heavy[:, None] & (sizes > PIPELINE_BYTES))
            beside = heavy | large.any(axis=1)
            for row in np.flatnonzero(beside):
                self._read_beside(node, int(rows[row]), ~large[row], question)
            rest = rows[~beside]
            for some in _bundles(sizes[~beside].sum(axis=1), PIPELINE_BYTES):
                self._read_bundle(node, rest[some], question)

    def _sizes(self, node: Node, rows: Positions, question: _Question) -> np.ndarray:
        """Give the sizes of the values of some rows, shape (rows, fields); 0 for what is absent or no hash."""
        channel = self._channel(node)
        keys = question.keys.take(pa.array(rows))
        raw = [_bytes_of(resp.commands(b"HSTRLEN", keys, [one]))[0] for one in question.fields]
        sizes = np.zeros((len(rows), len(question.fields)), dtype=np.int64)
        for number, one in enumerate(raw):
            self._pace.admit(len(rows))
            channel.send(one)
            sizes[:, number] = np.maximum(channel.integers(len(rows)), 0)
        return sizes

    def _read_bundle(self, node: Node, rows: Positions, question: _Question) -> None:
        channel = self._channel(node)
        self._pace.admit(len(rows))
        channel.send(_bytes_of(resp.commands(b"HMGET", question.keys.take(pa.array(rows)), question.fields))[0])
        self._take(channel, rows, question)

    def _read_beside(self, node: Node, row: int, small: Mask, question: _Question) -> None:
        """Read what is not too large of one row, a field at a time."""
        channel = self._channel(node)
        key = question.keys.slice(row, 1)
        values: list[bytes | None] = []
        for number, one in enumerate(question.fields):
            if not small[number]:
                question.unread.too_large.append((row, number))
                values.append(None)
                continue
            self._pace.admit(1)
            channel.send(_bytes_of(resp.commands(b"HMGET", key, [one]))[0])
            for replies in channel.replies(1, 1, 0):
                length, start = int(replies.lengths[0, 0]), int(replies.starts[0, 0])
                values.append(None if length < 0 else channel.buffer[start : start + length].tobytes())
        self._take_one(row, question, values)
        question.open[row] = False


def _bytes_of(commands: pa.Array) -> tuple[memoryview, np.ndarray]:
    """Give the bytes of commands as they lie behind one another, and where each begins, with the end of the last."""
    ends = np.frombuffer(commands.buffers()[1], dtype=np.int32)[commands.offset : commands.offset + len(commands) + 1]
    raw = memoryview(commands.buffers()[2])
    return raw[int(ends[0]) : int(ends[-1])], ends - ends[0]


def _bundles(weights: np.ndarray, most: int) -> Iterator[slice]:
    """Cut rows into runs that weigh no more than asked; a heavier row stands alone."""
    start, weight = 0, 0
    for row, one in enumerate(weights.tolist()):
        if row > start and weight + one > most:
            yield slice(start, row)
            start, weight = row, 0
        weight += one
    if start < len(weights):
        yield slice(start, len(weights))
