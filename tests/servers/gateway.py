"""An HTTP server of this machine in place of a Pushgateway, which notes what it is sent and answers as it is told."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

Request = tuple[str, str, dict[str, str], bytes]


class Gateway:
    """Listens on a free port; `behaviour` is `answer`, `silent`, `drip` (headers a byte at a time, without an end),
    `endless` (an answer without an end) or `garbage`."""

    def __init__(self, status: int = 200, behaviour: str = "answer") -> None:
        self.seen: list[Request] = []
        self.closing = threading.Event()
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                gateway.seen.append((self.command, self.path, dict(self.headers), body))
                if behaviour == "silent":
                    gateway.closing.wait(30)
                elif behaviour == "garbage":
                    self.wfile.write(b"\x00\x01 no protocol\r\n\r\n")
                elif behaviour == "drip":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                    while not gateway.closing.wait(0.1):
                        self.wfile.write(b"x")
                elif behaviour == "endless":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                    while not gateway.closing.wait(0.1):
                        self.wfile.write(b"x")
                else:
                    self.send_response(status)
                    if 300 <= status < 400:
                        self.send_header("Location", f"{gateway.url}/elsewhere")
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            do_POST = do_PUT  # noqa: N815  http.server's name

            def log_message(self, *_: Any) -> None:
                """Tests read standard error."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        # A client that gave up is no news.
        self._server.handle_error = lambda request, _: request.close() if isinstance(request, socket.socket) else None  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Gateway:  # noqa: PYI034  typing has no Self before Python 3.11
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
