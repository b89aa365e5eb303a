"""The fields of many hashes at once: pipelines kept flowing, and read on where they broke off when something goes wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import redis

from feast_skew.core.arrays import Positions
from feast_skew.errors import SkewError
from feast_skew.stores.redis import faults, resp, wide
from feast_skew.stores.redis.channel import Channel, TooLarge
from feast_skew.stores.redis.deployments import Deployment, Node
from feast_skew.stores.redis.large import read_large
from feast_skew.stores.redis.pace import Pace
from feast_skew.stores.redis.patience import Tries
from feast_skew.stores.redis.question import Question, Taker, Unread

PIPELINE = 1_024
UNLIMITED_PIPELINE = 4_096
"""Most commands whose replies are taken in together, with a limit to keep and without."""

PIPELINE_BYTES = 1 << 20
UNLIMITED_PIPELINE_BYTES = 1 << 22
"""About how large such replies may be: with large values there are fewer."""

COMMANDS_BYTES = 32 << 20
"""About how many bytes of commands are written at a time."""

BUFFER_BYTES = 64 << 20
"""Most bytes that are held of replies."""

_SAMPLE = 64
"""Keys whose numbers of fields tell whether hashes are read whole."""

_BEGINNERS = 10.0
"""Seconds of patience of who has not read anything yet."""

_PROGRESS = 0.95
"""At most so much of what was open may still be open after a try for the next one to count as the first."""


@dataclass(frozen=True)
class _Command:
    """What is sent for each key, and how many values its reply has; `whole` for all fields of a hash with their names."""

    name: bytes
    arguments: Sequence[bytes]
    values: int
    whole: bool = False

    @property
    def size(self) -> int:
        """About how many bytes it has when it is sent, with a key of usual length."""
        return 100 + sum(len(one) + 8 for one in self.arguments)


class BulkHashes:
    """Reads the same fields of many hashes, from whatever deployment, at the pace that it is given.

    It sends HMGET; HLEN and HGETALL where nearly all fields of a hash are asked for; HSTRLEN where values are very large.
    A server that is lost is waited for as long as its deployment may be mending itself, and for so many seconds of
    `patience` at the least; no longer than a few seconds of it as long as nothing was read: whoever begins has nothing to lose,
    and those who are in the middle of much wait at the same time.
    """

    def __init__(
        self,
        deployment: Deployment,
        pace: Pace,
        sleep: Callable[[float], None],
        patience: float = 0.0,
    ) -> None:
        self._deployment = deployment
        self._pace = pace
        self._sleep = sleep
        self._patience = patience
        self._channels: dict[Node, Channel] = {}
        self._given_up = False
        self._begun = False
        self._largest = self._mean = 0.0
        self._last = 0
        self._never_whole: set[tuple[bytes, ...]] = set()

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
        question = Question(keys, fields, taker, np.ones(len(keys), dtype=bool))
        tries = Tries(self._pace.clock)
        while question.open.any():
            left = int(question.open.sum())
            try:
                self._read_open(question)
            except SkewError:
                self.close()
                raise
            except Exception as error:  # noqa: BLE001  told in one line
                self.close()
                self._begun |= int(question.open.sum()) < len(keys)
                if int(question.open.sum()) < _PROGRESS * left:
                    tries = Tries(self._pace.clock)
                wait = self._wait(tries, error)
                if wait is None:
                    self._given_up = True
                    raise faults.unavailable("redis", error) from faults.printable(error)
                self._sleep(wait)
                self._refresh()
            except BaseException:
                self.close()  # what was interrupted leaves replies behind
                raise
        self._given_up = False
        self._begun = True
        return question.unread

    def _wait(self, tries: Tries, error: Exception) -> float | None:
        """Give how long to wait before the next try; None when there is none, as after the store has been given up."""
        if self._given_up or not faults.is_transient(error):
            return None
        patience = self._deployment.patience
        more = self._patience if self._begun else min(self._patience, _BEGINNERS)
        return tries.wait(max(patience, more) if faults.is_lost(error) else patience)

    def _refresh(self) -> None:
        # While a cluster mends itself its nodes may not tell; the next try will show.
        with suppress(redis.RedisError, redis.exceptions.RedisClusterException, OSError):
            self._deployment.refresh()

    def _read_open(self, question: Question) -> None:
        positions = np.flatnonzero(question.open)
        fields = question.fields
        for node, places in self._deployment.parts(question.keys.take(pa.array(positions))):
            mine = positions[places]
            whole, values = self._whole(node, mine, question)
            if len(whole):
                self._read_node(node, whole, question, _Command(b"HGETALL", (), values, whole=True))
                left = question.rest(whole)
                if 2 * len(left) > len(whole):
                    self._never_whole.add(tuple(fields))
                mine = question.rest(mine)
            self._read_node(node, mine, question, _Command(b"HMGET", fields, len(fields)))
        if question.put_off is not None:
            error, question.put_off = question.put_off, None
            raise error

    def _whole(self, node: Node, positions: Positions, question: Question) -> tuple[Positions, int]:
        """Tell which hashes are cheaper to read whole, and how many values each then gives.

        Each is asked for its number of fields beforehand: one that others fill up may be very long.
        """
        fields = tuple(question.fields)
        if len(fields) < wide.WIDE or fields in self._never_whole or not len(positions):
            return positions[:0], 0
        channel = self._channel(node)
        # A user who may not ask for the length has an error in its place, and reads field by field.
        size = wide.common_size(self._lengths(channel, positions[:_SAMPLE], question), len(fields))
        if not size:
            self._never_whole.add(fields)
            return positions[:0], 0
        lengths = self._lengths(channel, positions, question)
        return positions[(lengths == size) | (lengths == 0)], 2 * size

    def _lengths(self, channel: Channel, positions: Positions, question: Question) -> np.ndarray:
        """Give the number of fields of some hashes, -1 for an error."""
        raw, ends = resp.pipeline(resp.commands(b"HLEN", question.some_keys(positions), ()))
        found: list[int] = []
        while len(found) < len(positions):
            begin = len(found)
            size = min(self._pace.turn(b"HLEN"), UNLIMITED_PIPELINE, len(positions) - begin)
            self._pace.admit(size)
            sent = self._pace.clock()
            channel.send(raw[ends[begin] : ends[begin + size]])
            found += channel.integers(size)
            self._pace.answered(b"HLEN", size, sent, channel.received)
        return np.array(found, dtype=np.int64)

    def _channel(self, node: Node) -> Channel:
        channel = self._channels.get(node)
        if channel is None:
            channel = self._channels[node] = Channel(self._deployment.connect(node), BUFFER_BYTES, self._pace.clock)
        return channel

    def _read_node(self, node: Node, positions: Positions, question: Question, command: _Command) -> None:
        """Read rows of one server, the next pipeline on its way while one is taken in, unless there is a limit to keep."""
        # How large replies are is learned anew, a few at first: these may be another view's.
        self._largest, self._mean, self._last = 0.0, 0.0, 0
        # Commands are written beforehand, though no more than are worth the memory: those for many fields are long.
        step = max(COMMANDS_BYTES // command.size, 1)
        for start in range(0, len(positions), step):
            self._read_some(node, positions[start : start + step], question, command)

    def _read_some(self, node: Node, positions: Positions, question: Question, command: _Command) -> None:
        channel = self._channel(node)
        raw, ends = resp.pipeline(resp.commands(command.name, question.some_keys(positions), command.arguments))
        flying: deque[Positions] = deque()
        at_a_time = 1 if self._pace.is_limited else 2
        sent = 0
        while sent < len(positions) or flying:
            try:
                while sent < len(positions) and len(flying) < at_a_time:
                    self._last = self._pipeline()
                    begin, sent = sent, min(sent + self._last, len(positions))
                    flying.append(positions[begin:sent])
                    self._send(channel, raw, ends[begin : sent + 1], command)
                self._take(channel, flying[0], question, command)
                flying.popleft()
            except TooLarge:
                # The server forgets what it still has for a connection that is gone.
                self._channels.pop(node).close()
                channel = self._channel(node)
                doubtful = question.rest(np.concatenate(flying))
                read_large(channel, doubtful, question, self._pace, self._settle_error)
                flying.clear()
                self._last = 0

    def _send(self, channel: Channel, raw: memoryview, ends: np.ndarray, command: _Command) -> None:
        """Send commands: all at once, or with a limit to keep in turns, each of which is answered before the next."""
        if not self._pace.is_limited:
            channel.send(raw[ends[0] : ends[-1]])
            return
        kind = (command.name, command.values)
        sent, count = 0, len(ends) - 1
        while sent < count:
            size = min(self._pace.turn(kind), count - sent)
            self._pace.admit(size)
            begun = self._pace.clock()
            channel.send(raw[ends[sent] : ends[sent + size]])
            channel.wait_for(size)
            self._pace.answered(kind, size, begun, channel.received)
            sent += size

    def _pipeline(self) -> int:
        """Give how many replies are taken in together: at most twice as many as before, as they may turn out to be large."""
        limited = self._pace.is_limited
        most, most_bytes = (PIPELINE, PIPELINE_BYTES) if limited else (UNLIMITED_PIPELINE, UNLIMITED_PIPELINE_BYTES)
        fitting = most_bytes / max(self._largest, 1.0)
        return int(min(max(fitting, 1), most, max(2 * self._last, 1)))

    def _take(self, channel: Channel, rows: Positions, question: Question, command: _Command) -> None:
        done, size, largest = 0, 0.0, 0.0
        expected = int(self._mean * len(rows))
        for replies in channel.replies(command.values, len(rows), expected, command.whole):
            now = rows[done : done + replies.rows]
            done += replies.rows
            sizes = np.maximum(replies.lengths, 0).sum(axis=0) + replies.lengths.shape[0] * 6
            size, largest = size + float(sizes.sum()), max(largest, float(sizes.max(initial=0)))
            if command.whole:
                found, readable = wide.picked(channel.buffer, replies, question.fields)
                question.settle(channel.buffer, found, now[readable])
            else:
                self._settle(replies, now, question, channel.buffer)
        # After a large one only slowly smaller: a run of small replies must not make the next pipeline a huge one.
        self._largest, self._mean = max(largest, 0.9 * self._largest), size / len(rows)

    def _settle(self, replies: resp.Replies, rows: Positions, question: Question, buffer: np.ndarray) -> None:
        if not replies.errors:
            question.settle(buffer, replies, rows)
            return
        sound = np.ones(len(rows), dtype=bool)
        sound[list(replies.errors)] = False
        question.settle(buffer, replies.only(sound), rows[sound])
        for row, text in replies.errors.items():
            self._settle_error(int(rows[row]), text, question)

    def _settle_error(self, row: int, text: bytes, question: Question) -> None:
        error = faults.reply_error(text)
        mends = self._deployment.patience > 0
        if faults.is_wrong_type(error):
            question.unread.wrong_type.append(row)
            question.open[row] = False
        elif mends and type(error) is redis.exceptions.AskError:  # MOVED is one too, and holds for more than this row
            self._pace.admit(1)
            question.settle_one(row, self._deployment.ask(question.keys[row].as_py(), list(question.fields)))
        elif mends and faults.is_transient(error):
            question.put_off = error  # others may still be read
        else:
            raise error
