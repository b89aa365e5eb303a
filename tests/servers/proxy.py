"""A wire between a client and a real server that a test can cut, freeze and mend."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable


class Proxy:
    """Passes bytes on to a server; after exactly so many of them from the server it breaks in the way that was asked for.

    `how` is `cut` (connections closed, new ones refused until `mend`), `drop` (connections closed, new ones welcome),
    `freeze` (open, and nothing comes any more) or a function that is called while the bytes wait. `mend_after` mends a
    cut by itself after so many seconds.
    """

    def __init__(
        self,
        port: int,
        *,
        after: int | None = None,
        how: str | Callable[[], object] = "cut",
        mend_after: float | None = None,
    ) -> None:
        self._target = port
        self._left = after
        self._how = how
        self._mend_after = mend_after
        self._frozen = threading.Event()
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._ended = False
        self.breaks = 0
        self.passed = 0
        self.slice = 4096
        """The most bytes that are passed on at once."""
        self._listener: socket.socket | None = None
        self.port = 0
        self.mend()

    def arm(self, after: int | None, how: str | Callable[[], object] = "cut") -> None:
        """Break (again) after so many more bytes from the server; never when it is None."""
        with self._lock:
            self._left, self._how, self.breaks, self.passed = after, how, 0, 0
        self._frozen.clear()

    def close(self) -> None:
        """Cut for good."""
        self._ended = True
        self.cut()

    def mend(self) -> None:
        """Accept connections (again)."""
        if self._ended:
            return
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """Close every connection and refuse new ones."""
        with self._lock:
            listener, self._listener = self._listener, None
        if listener:
            end(listener)
        self.drop()

    def drop(self) -> None:
        """Close every connection; new ones are welcome."""
        with self._lock:
            connections, self._open = self._open, []
        for connection in connections:
            end(connection)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except OSError:  # the server is away; the next one may find it back
                    end(client)
                    continue
                at_once(client, server)
                with self._lock:
                    self._open += [client, server]
                threading.Thread(target=self._pass_on, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(server, client, True), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, from_server: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(self.slice):
                if self._frozen.is_set():
                    continue
                if not from_server:
                    target.sendall(data)
                    continue
                passes, broken = self._count(data)
                target.sendall(passes)
                if broken:
                    self._break()
                    # Goes nowhere unless the connection is still there.
                    target.sendall(data[len(passes) :] if callable(self._how) else b"")
        if not self._frozen.is_set():
            end(source)
            end(target)

    def _count(self, data: bytes) -> tuple[bytes, bool]:
        """Give what of the server's bytes still passes, and whether it breaks then."""
        with self._lock:
            self.passed += len(data)
            if self._left is None:
                return data, False
            passes, broken = data[: self._left], len(data) > self._left
            self._left = None if broken else self._left - len(data)
            return passes, broken

    def _break(self) -> None:
        self.breaks += 1
        if self._how == "freeze":
            self._frozen.set()
            return
        if callable(self._how):
            self._how()
            return
        if self._how == "drop":
            self.drop()
            return
        self.cut()
        if self._mend_after is not None:
            threading.Timer(self._mend_after, self.mend).start()


def at_once(*connections: socket.socket) -> None:
    """Send small pieces without waiting for more: each would take 40 ms."""
    for connection in connections:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def end(connection: socket.socket) -> None:
    """Close a connection so that whoever waits on it wakes up."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
