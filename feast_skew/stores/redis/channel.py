"""One connection to one server: pipelines of equal commands out, their replies back, within bounds of time and memory."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import redis

from feast_skew.stores.redis import resp

_FIRST = 1 << 18
_PATIENCE = 0.005
"""Seconds for which a reply that seems unfinished is waited for before it is looked at nevertheless."""


class TooLarge(Exception):
    """The replies to a pipeline are larger than the buffer may grow."""


class Channel:
    """A connected socket of redis-py, and the buffer of what it has received.

    redis-py connects: it knows addresses, passwords, TLS and databases. Then the bytes are ours. `limit` is the most bytes
    that are held of replies.
    """

    def __init__(self, connection: Any, limit: int, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._clock = clock
        self.received = 0.0
        connection.connect()
        self._socket: socket.socket = connection._sock
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._limit = limit
        self._allocate(min(_FIRST, limit))
        self._begin = self._end = 0

    def _allocate(self, size: int) -> int:
        self.buffer = np.empty(size + resp.PADDING, dtype=np.uint8)
        self._view = memoryview(self.buffer.data)
        return size

    def close(self) -> None:
        """Close the connection; a server that still has replies for it throws them away."""
        self._selector.close()
        self._connection.disconnect()

    def send(self, data: memoryview | bytes) -> None:
        """Send bytes.

        Raises
        ------
        OSError
            When the connection is lost, or nobody takes them within the connection's time-out.
        """
        self._socket.sendall(data)

    def replies(self, fields: int, count: int, expected: int, mixed: bool = False) -> Iterator[resp.Replies]:
        """Yield the next `count` replies of `fields` values each, some at a time, as places in `buffer`.

        A part is to be used before the next one is asked for. `expected` is about how many bytes they are in all: a look
        before most of them are here would be too early. For `mixed` see `resp.scan`.

        Raises
        ------
        OSError, redis.exceptions.ConnectionError
            When the connection is lost, or silent for longer than its time-out.
        resp.ProtocolError
            When something else than replies comes.
        TooLarge
            When a reply does not fit into the buffer.
        """
        needed = self._begin + 1
        enough = self._begin + int(0.9 * expected)
        while count:
            if self._end >= needed and self._at_line_end() and (self._end >= enough or not self._more_comes()):
                try:
                    found = resp.scan(self.buffer, self._begin, self._end, fields, count, mixed)
                except resp.TooMany as error:
                    raise TooLarge from error
                self._begin, needed = found.consumed, found.needed
                if found.rows:
                    count -= found.rows
                    yield found
                    continue
            shift = self._receive(needed)
            needed, enough = needed - shift, enough - shift

    def wait_for(self, count: int) -> None:
        """Wait until about the next `count` replies are here, which `replies` will give; what is in them is not looked at.

        They are counted by the beginnings of lines, so values that look like replies end it early, and nothing else.

        Raises
        ------
        OSError, redis.exceptions.ConnectionError, TooLarge
            As `replies`.
        """
        # The first one is seen by the line that ends before it, if there is one.
        begun, seen = int(self._begin == self._end), self._end
        while True:
            shift = self._receive(self._end + 1)
            seen -= shift
            # A line's end may have come in two parts.
            lines = self._view[max(seen - 2, self._begin) : self._end].tobytes()
            begun += lines.count(b"\r\n*") + lines.count(b"\r\n-")
            seen = self._end
            if begun >= count and self._at_line_end():
                return

    def integers(self, count: int) -> list[int]:
        """Give the next replies, which are whole numbers; -1 for an error.

        Raises
        ------
        OSError, redis.exceptions.ConnectionError, resp.ProtocolError
            As `replies`.
        """
        found: list[int] = []
        while len(found) < count:
            lines = self.buffer[self._begin : self._end].tobytes().split(b"\r\n")
            for line in lines[:-1][: count - len(found)]:
                if line[:1] not in (b":", b"-"):
                    raise resp.ProtocolError("no number")
                found.append(int(line[1:]) if line[:1] == b":" else -1)
                self._begin += len(line) + 2
            if len(found) < count:
                self._receive(self._end + 1)
        return found

    def _at_line_end(self) -> bool:
        return self._end - self._begin >= 2 and self.buffer[self._end - 1] == 10 and self.buffer[self._end - 2] == 13

    def _more_comes(self) -> bool:
        """Tell whether more bytes are here, or come within moments."""
        pending = getattr(self._socket, "pending", None)
        if pending is not None and pending():
            return True
        return bool(self._selector.select(_PATIENCE))

    def _receive(self, needed: int) -> int:
        """Take in what comes next; give by how many bytes what was here before has moved towards the buffer's start."""
        capacity = len(self.buffer) - resp.PADDING
        shift = 0
        if self._begin and (max(needed, self._end) > capacity - capacity // 4 or self._begin == self._end):
            shift = self._begin
            self.buffer[: self._end - shift] = self.buffer[shift : self._end].copy()
            self._begin, self._end = 0, self._end - shift
        if max(needed - shift, self._end + 1) > capacity:
            capacity = self._grow(max(needed - shift, self._end + 1))
        count = self._socket.recv_into(self._view[self._end : capacity])
        if not count:
            raise redis.exceptions.ConnectionError("Connection closed by server.")
        self._end += count
        self.received = self._clock()
        return shift

    def _grow(self, size: int) -> int:
        if size > self._limit:
            raise TooLarge
        before = self.buffer
        capacity = self._allocate(min(max(size, 2 * (len(before) - resp.PADDING)), self._limit))
        self.buffer[: self._end] = before[: self._end]
        return capacity
