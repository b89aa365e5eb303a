"""A wire between a client and a real server that a test can cut, freeze and mend."""

from __future__ import annotations

import contextlib
import socket
import threading


class Proxy:
    """Passes bytes on to a server; after a number of them from the server it breaks in the way that was asked for.

    `how` is `cut` (connections closed, new ones refused until `mend`) or `freeze` (open, and nothing comes any more).
    `mend_after` mends a cut by itself after so many seconds.
    """

    def __init__(
        self, port: int, *, after: int | None = None, how: str = "cut", mend_after: float | None = None
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
        self._listener: socket.socket | None = None
        self.port = 0
        self.mend()

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
            connections, self._open = self._open, []
        for end in [*connections, *([listener] if listener else [])]:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                with self._lock:
                    self._open += [client, server]
                threading.Thread(target=self._pass_on, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(server, client, True), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, from_server: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                if self._frozen.is_set():
                    continue
                if from_server and self._left is not None:
                    self._left -= len(data)
                    self.passed += len(data)
                    if self._left < 0:
                        self._break()
                        continue
                target.sendall(data)

    def _break(self) -> None:
        self._left = None
        self.breaks += 1
        if self._how == "freeze":
            self._frozen.set()
            return
        self.cut()
        if self._mend_after is not None:
            threading.Timer(self._mend_after, self.mend).start()
