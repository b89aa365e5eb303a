"""Start a Redis-compatible server as a child process that does not outlive its parent.

The server is a real one (Valkey or Redis), bound to 127.0.0.1 or to a unix socket, and keeps no
data on disk. On Linux the kernel stops it when this process dies, however it dies. Elsewhere it is
stopped by `stop()` and at a normal exit of the interpreter: when this process is killed by SIGKILL
on macOS, the server has to be ended by hand.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from feast_skew.embedded._find import find_server
from feast_skew.embedded._spawn import spawn
from feast_skew.errors import ConfigError, StoreUnavailable

__all__ = ["EmbeddedRedis", "find_server"]

_HOST = "127.0.0.1"
_BIND_ATTEMPTS = 5
_UNIX_PATH_LIMIT = 100  # the kernels allow 104 to 108 bytes, the closing zero included
_EXIT_SECONDS = 5.0


class EmbeddedRedis:
    """A Redis-compatible server of our own, for as long as the `with` block (or until `stop()`).

    `directory` holds the server's log and socket; without one a short temporary directory
    is made, and removed at the end. `port` is a free one unless given; `unix=True` listens on a
    socket file only. Each start is of an empty server.
    """

    def __init__(
        self,
        *,
        directory: str | Path | None = None,
        port: int | None = None,
        password: str | None = None,
        unix: bool = False,
        timeout: float = 10.0,
    ) -> None:
        if password is not None and not _survives_feast(password):
            raise ConfigError(
                "this password cannot be written in Feast's connection_string",
                hint="use letters and digits, at least one letter: Feast splits at commas, and "
                "reads numbers, true, false and null as JSON",
            )
        if unix and port:
            raise ConfigError("an embedded Redis listens on a port or on a unix socket, not both")
        self.host = _HOST
        self.port = port or 0
        self.unix_socket: Path | None = None
        self._fixed_port = bool(port)
        self._password = password
        self._unix = unix
        self._timeout = timeout
        self._given_directory = Path(directory).resolve() if directory is not None else None
        self._directory: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._release_keeper: Callable[[], None] = lambda: None
        self._owner_pid = 0

    def __repr__(self) -> str:
        where = self.unix_socket or f"{self.host}:{self.port}"
        return f"<EmbeddedRedis {where} pid={self.pid if self.running else None}>"

    def __enter__(self) -> EmbeddedRedis:  # noqa: PYI034  `Self` is not in typing before Python 3.11
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id of the server; 0 when it was never started."""
        return self._process.pid if self._process is not None else 0

    @property
    def running(self) -> bool:
        """Whether the server process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def directory(self) -> Path:
        """The directory of the server's log and socket."""
        if self._directory is None:
            raise StoreUnavailable("the embedded Redis is not running", hint="call start() first")
        return self._directory

    @property
    def connection_string(self) -> str:
        """The address as Feast's `online_store.connection_string` takes it, password included."""
        # Feast insists on host:port even when the socket is what it connects to.
        text = f"{self.host}:{self.port}"
        if self.unix_socket is not None:
            text += f",unix_socket_path={self.unix_socket}"
        return text + (f",password={self._password}" if self._password is not None else "")

    def client(self, **options: Any) -> Any:
        """Give a redis-py client of this server."""
        import redis

        where: dict[str, Any] = {"host": self.host, "port": self.port}
        if self.unix_socket is not None:
            where = {"unix_socket_path": str(self.unix_socket)}
        return redis.Redis(**where, password=self._password, **options)

    def start(self) -> EmbeddedRedis:
        """Start the server and wait until it answers; give itself back."""
        if self.running:
            return self
        binary = find_server()
        self._owner_pid = os.getpid()
        atexit.register(self.stop)
        try:
            self._directory = self._make_directory()
            self._start_on_a_port(binary)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the server and remove what it left; calling it again does nothing."""
        if os.getpid() != self._owner_pid:  # a forked child must not end its parent's server
            return
        self._end_process()
        atexit.unregister(self.stop)
        directory, self._directory = self._directory, None
        if directory is None:
            return
        if self._given_directory is None:
            shutil.rmtree(directory, ignore_errors=True)
            return
        if self.unix_socket is not None:
            self.unix_socket.unlink(missing_ok=True)

    def kill(self) -> None:
        """End the server by SIGKILL, as a crash would; `restart()` brings it back, empty."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._release_keeper()

    def restart(self) -> None:
        """Start an empty server at the same address."""
        directory = self.directory
        self._end_process()
        if self.unix_socket is not None:
            self.unix_socket.unlink(missing_ok=True)
        self._launch(find_server(), directory)

    def _make_directory(self) -> Path:
        if self._given_directory is not None:
            directory = self._given_directory
            try:
                directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError(f"cannot make the directory {directory}", hint=str(error.strerror)) from error
        else:
            directory = Path(tempfile.mkdtemp(prefix="fskew-"))
        if self._unix:
            self.unix_socket = directory / "redis.sock"
            if len(os.fsencode(self.unix_socket)) > _UNIX_PATH_LIMIT:
                if self._given_directory is None:
                    directory.rmdir()
                raise ConfigError(
                    f"{directory} is too long a path for a unix socket",
                    hint="set TMPDIR to a shorter one, such as /tmp, or listen on a port",
                )
        return directory

    def _start_on_a_port(self, binary: Path) -> None:
        attempts = 1 if self._fixed_port or self._unix else _BIND_ATTEMPTS
        for attempt in range(attempts):
            if not self._fixed_port and not self._unix:
                self.port = _free_port()
            try:
                self._launch(binary, self.directory)
                return
            except _NotBound:
                if attempt == attempts - 1:
                    raise

    def _launch(self, binary: Path, directory: Path) -> None:
        settings = directory / "redis.conf"
        settings.unlink(missing_ok=True)
        with os.fdopen(os.open(settings, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self._settings(directory))
        command = [str(binary), str(settings)]
        try:
            self._process, self._release_keeper = spawn(command, directory / "server.log")
            self._wait_until_it_answers()
        finally:
            settings.unlink()  # it has been read, and it holds the password

    def _settings(self, directory: Path) -> str:
        lines = [
            f"bind {_HOST}",
            f"port {self.port}",
            f"dir {_quoted(str(directory))}",
            'save ""',
            "appendonly no",
            "daemonize no",
        ]
        if self.unix_socket is not None:
            lines += [f"unixsocket {_quoted(str(self.unix_socket))}", "unixsocketperm 700"]
        if self._password is not None:
            lines.append(f"requirepass {_quoted(self._password)}")
        return "\n".join(lines) + "\n"

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + self._timeout
        while self.running:
            # The process id tells our server from another one that took the port first.
            if self._answering_pid() == self.pid:
                return
            if time.monotonic() > deadline:
                self._end_process()
                raise StoreUnavailable(
                    f"the embedded Redis did not answer within {self._timeout:g} s",
                    hint=self._last_words(),
                )
            time.sleep(0.01)
        self._release_keeper()
        words = self._last_words()
        kind = _NotBound if "bind" in words.lower() else StoreUnavailable
        raise kind("the embedded Redis did not start", hint=words)

    def _answering_pid(self) -> int:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        once = Retry(NoBackoff(), 0)  # redis-py's own retries wait for seconds
        with (
            contextlib.suppress(redis.RedisError, OSError),
            self.client(socket_timeout=1.0, retry=once) as client,
        ):
            return int(client.info("server")["process_id"])
        return 0

    def _last_words(self) -> str:
        text = (self.directory / "server.log").read_text(errors="replace")
        lines = [line for line in text.splitlines() if line.strip()]
        # After a failed bind the server repeats itself; the line with the reason is the useful one.
        reasons = [line for line in lines if "bind" in line.lower()] or lines
        return reasons[-1].strip() if reasons else "its log is empty"

    def _end_process(self) -> None:
        if self._process is None:
            return
        if self.running:
            self._process.terminate()
            try:
                self._process.wait(_EXIT_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._release_keeper()


class _NotBound(StoreUnavailable):
    """The address was taken between being found free and being bound."""


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _survives_feast(password: str) -> bool:
    """Tell whether Feast reads this password back from a connection string as it is."""
    try:
        json.loads(password)
    except ValueError:
        return bool(password) and "," not in password and password.isprintable()
    return False  # Feast would hand redis-py a number, a bool or a null


def _quoted(text: str) -> str:
    """Write a setting so that no character of it can end the string or begin another setting."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in text.encode()) + '"'
