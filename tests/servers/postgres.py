"""A PostgreSQL server of a test's own, from the programs that the machine has."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Postgres:
    """Where a server answers, as SQLAlchemy writes it."""

    url: str


def _program(name: str) -> str | None:
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or (str(places[0]) if places else None)


@contextlib.contextmanager
def start_postgres() -> Iterator[Postgres]:
    """Start a server, as another user than root, and stop it at the end; skips where there are no programs."""
    programs = {name: _program(name) for name in ("initdb", "postgres", "pg_isready")}
    missing = [name for name, path in programs.items() if path is None]
    if missing:
        pytest.skip(f"PostgreSQL is not installed (no {', '.join(missing)}): apt-get install postgresql")
    pytest.importorskip("pg8000")
    user = _other_user()
    as_user: dict[str, Any] = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    # Directories of tests are closed to other users, so it has one of its own.
    with tempfile.TemporaryDirectory(prefix="postgres-") as directory:
        if user is not None:
            os.chown(directory, user.pw_uid, user.pw_gid)
        data = f"{directory}/data"
        making = [str(programs["initdb"]), "-D", data, "-U", "feast", "--auth=trust", "-N"]
        subprocess.run(making, check=True, capture_output=True, cwd="/", **as_user)
        port = _free_port()
        options = ["-D", data, "-p", str(port), "-k", directory, "-h", "127.0.0.1", "-c", "fsync=off"]
        server = subprocess.Popen(
            [str(programs["postgres"]), *options],
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **as_user,
        )
        try:
            _wait(server, [str(programs["pg_isready"]), "-h", "127.0.0.1", "-p", str(port), "-q"])
            yield Postgres(f"postgresql+pg8000://feast@127.0.0.1:{port}/postgres")
        finally:
            server.send_signal(signal.SIGINT)  # a fast shutdown, which does not wait for clients
            server.wait(20)


def _wait(server: subprocess.Popen[bytes], asking: list[str]) -> None:
    """Wait until the server answers."""
    for _ in range(200):
        if subprocess.run(asking, check=False).returncode == 0:
            return
        assert server.poll() is None, "PostgreSQL ended"
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(0.1)
    raise AssertionError("PostgreSQL did not answer in 20 s")


def _other_user() -> pwd.struct_passwd | None:
    """Give a user to be when this is root, which the server refuses to run as."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    pytest.skip("no user to run PostgreSQL as")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
