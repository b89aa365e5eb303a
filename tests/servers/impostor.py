"""A server that passes commands on to a real one, and answers those itself that a test wants answered otherwise."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import BinaryIO

from servers.proxy import at_once, end
from servers.server import HOST

Answer = Callable[[list[bytes], int], "bytes | None"]
"""Gets a command and how many of its name came before; gives the reply, or None for what the real server says."""


class Impostor:
    """Stands in for a server. `answer` may be changed while it runs; each reply is passed on whole before the next one."""

    def __init__(self, port: int, answer: Answer | None = None) -> None:
        self.answer: Answer = answer or (lambda _command, _number: None)
        self.counts: dict[bytes, int] = {}
        self._target = port
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server((HOST, 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def close(self) -> None:
        for connection in (self._listener, *self._open):
            end(connection)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((HOST, self._target))
                at_once(client, server)
                self._open += [client, server]
                threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            asked, replies = client.makefile("rb"), server.makefile("rb")
            while True:
                raw, command = read_command(asked)
                name = command[0].upper()
                with self._lock:
                    number = self.counts.get(name, 0)
                    self.counts[name] = number + 1
                given = self.answer(command, number)
                if given is None:
                    server.sendall(raw)
                    given = read_reply(replies)
                client.sendall(given)
        end(client)
        end(server)


def error_for(name: bytes, text: str, *, first: int = 0, last: int | None = None) -> Answer:
    """Answer a command with an error: from the `first` one of its name on, to before the `last` one."""

    def answer(command: list[bytes], number: int) -> bytes | None:
        wanted = command[0].upper() == name and number >= first and (last is None or number < last)
        return f"-{text}\r\n".encode() if wanted else None

    return answer


def bytes_for(name: bytes, reply: bytes) -> Answer:
    """Answer every command of a name with these bytes, whatever they are."""
    return lambda command, _number: reply if command[0].upper() == name else None


def read_command(stream: BinaryIO) -> tuple[bytes, list[bytes]]:
    """Read one command as clients send them: an array of bulk strings; give it raw, and taken apart."""
    raw = _line(stream)
    parts = []
    for _ in range(int(raw[1:])):
        head = _line(stream)
        body = _exactly(stream, int(head[1:]) + 2)
        raw += head + body
        parts.append(body[:-2])
    return raw, parts


def read_reply(stream: BinaryIO) -> bytes:
    """Read one whole reply of RESP2, raw."""
    head = _line(stream)
    kind, size = head[:1], head[1:-2]
    if kind == b"$" and int(size) >= 0:
        return head + _exactly(stream, int(size) + 2)
    if kind == b"*":
        return head + b"".join(read_reply(stream) for _ in range(int(size)))
    return head


def _line(stream: BinaryIO) -> bytes:
    line: bytes = stream.readline()
    if not line.endswith(b"\r\n"):
        raise EOFError
    return line


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data: bytes = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data
