"""One real server process with settings of the test's choosing, for as long as a `with` block."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from feast_skew.embedded._spawn import spawn
from feast_skew.embedded.redis_server import find_server

HOST = "127.0.0.1"
_ATTEMPTS = 5
_EXIT_SECONDS = 5.0


def debian_redis() -> Path:
    """Give the redis-server of the system, or skip: the bundled Valkey is built without TLS."""
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("no redis-server on PATH, and the bundled Valkey cannot do this")
    return Path(found)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def eventually(condition: Callable[[], object], what: str, seconds: float = 15.0) -> None:
    """Wait until something holds, for a server's own clockwork cannot be injected; errors of Redis count as not yet."""
    import redis

    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(redis.RedisError, OSError):
            if condition():
                return
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


class Server:
    """A server on a free port of loopback. `settings` are lines of its configuration file; `role` is cluster or sentinel.

    Killed and started again it comes back at the same address, with its data if the settings make it keep them.
    """

    def __init__(self, *settings: str, binary: Path | None = None, role: str = "", **admin: Any) -> None:
        self.settings = list(settings)
        self.port = 0
        self.bus_port = 0
        self.directory = Path()
        self.role = role
        self.admin = admin
        """How `client()` connects, beside the address: the user that may do everything."""
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None
        self._release: Callable[[], None] = lambda: None
        self._paused = False
        self._asker: Any = None

    def __enter__(self) -> Server:  # noqa: PYI034  `Self` is not in typing before Python 3.11
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<{self.role or 'server'} {self.address}>"

    @property
    def address(self) -> str:
        """The address as Feast's connection string begins."""
        return f"{HOST}:{self.port}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def client(self, **options: Any) -> Any:
        """Give a client of the user that may do everything; it does not retry, and closes with the `with` block."""
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        once = Retry(NoBackoff(), 0)
        return redis.Redis(
            host=HOST, port=self.port, **{"retry": once, "socket_timeout": 10.0, **self.admin, **options}
        )

    def ask(self, *command: str | int | bytes) -> Any:
        """Run one command as the user that may do everything."""
        if self._asker is None:
            self._asker = self.client()
        return self._asker.execute_command(*command)

    def start(self) -> Server:
        self.directory = Path(tempfile.mkdtemp(prefix="fst-"))
        try:
            for attempt in range(_ATTEMPTS):
                self.port = free_port()
                self.bus_port = free_port() if self.role == "cluster" else 0
                if self._launch() or attempt == _ATTEMPTS - 1:
                    break
            assert self.running, self.log()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        if self.running:
            self.resume()
            assert self._process is not None
            self._process.terminate()
            try:
                self._process.wait(_EXIT_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._reap()
        shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self) -> None:
        """End the process as a crash would."""
        if self._process is not None:
            self._process.kill()
        self._reap()

    def restart(self, *, wait: bool = True) -> None:
        """Start again at the same address, after a kill."""
        assert not self.running
        assert self._launch(wait=wait), self.log()

    def pause(self) -> None:
        """Stop the process from running: connections stay open, new ones are taken by the kernel, nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        self._paused = True

    def resume(self) -> None:
        if self._paused and self._process is not None:
            self._process.send_signal(signal.SIGCONT)
        self._paused = False

    def log(self) -> str:
        with contextlib.suppress(OSError):
            return (self.directory / "server.log").read_text(errors="replace")
        return "no log"

    def calls(self, command: str) -> int:
        """Tell how often the server has run a command."""
        return int(self.ask("INFO", "commandstats").get(f"cmdstat_{command.lower()}", {}).get("calls", 0))

    def denied(self) -> list[str]:
        """Give what the server refused to users for want of permission."""
        with self.client(decode_responses=True) as client:
            return [entry["object"].lower() for entry in client.acl_log(1000) if entry["reason"] != "auth"]

    def _configuration(self) -> Iterator[str]:
        secure = any(line.startswith("tls-port") for line in self.settings)
        yield f"bind {HOST}"
        yield "port 0" if secure else f"port {self.port}"
        yield f"dir {self.directory}"
        yield "daemonize no"
        if self.role != "sentinel":
            yield 'save ""'
            yield "repl-diskless-sync-delay 0"
            yield "enable-debug-command yes"
        if self.role == "cluster":
            yield "cluster-enabled yes"
            yield f"cluster-port {self.bus_port}"
        yield from (line.format(port=self.port, directory=self.directory) for line in self.settings)

    def _launch(self, *, wait: bool = True) -> bool:
        """Start the process; False when its port was taken meanwhile."""
        file = self.directory / "server.conf"
        if not file.exists() or self.role != "sentinel":  # a sentinel keeps what it knows in its file
            file.write_text("\n".join(self._configuration()) + "\n")
        command = [str(self._binary or find_server()), str(file)]
        if self.role == "sentinel":
            command.append("--sentinel")
        self._process, self._release = spawn(command, self.directory / "server.log")
        if wait:
            deadline = time.monotonic() + 15
            while self.running and not self._answers():
                assert time.monotonic() < deadline, self.log()
                time.sleep(0.01)
        if self.running:
            return True
        self._reap()
        assert "bind" in self.log().lower() or "in use" in self.log().lower(), self.log()
        file.unlink()
        return False

    def _answers(self) -> bool:
        import redis

        with contextlib.suppress(redis.RedisError, OSError), self.client(socket_timeout=1.0) as client:
            return int(client.info("server")["process_id"]) == (self._process.pid if self._process else 0)
        return False

    def _reap(self) -> None:
        if self._asker is not None:
            self._asker.close()
            self._asker = None
        if self._process is not None:
            with contextlib.suppress(ChildProcessError):
                self._process.wait()
        self._release()
