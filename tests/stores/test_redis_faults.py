"""What goes wrong between the reader and one Redis: a read is complete and right, or it is no result, and it ends."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from servers import fleet
from servers.deployments import READS, SECRET, online
from servers.impostor import Impostor, bytes_for, error_for
from servers.meanwhile import ends, refused
from servers.proxy import Proxy
from servers.server import Server, eventually

from feast_skew.errors import StoreUnavailable

COUNT = 1_200
FEW = 60


class World:
    """A server that holds the fleet; it comes back with its rows when it is killed and started again."""

    def __init__(self, server: Server, repo: Any) -> None:
        self.server = server
        self.repo = repo
        self.table = fleet.written_by(repo, COUNT)
        self.ids = fleet.ids_to_ask(self.table)
        server.ask("SAVE")

    def through(self, directory: Path, port: int, options: str = "") -> Any:
        return self.repo.at(directory, online(f"127.0.0.1:{port}{options}"))

    def check_reader(self, reader: Any, count: int = FEW) -> None:
        view, ids = self.repo.view_plan(fleet.VIEW), self.ids[:count]
        fleet.check_rows(reader.read(view, view.features, pa.table({"id": ids})), ids, self.table)

    def check(self, store: Any) -> None:
        fleet.check(fleet.read(store, self.ids), self.ids, self.table)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, any_repository: Any) -> Iterator[World]:
    with Server() as server:
        repo = any_repository(tmp_path_factory.mktemp("faults"), online(server.address))
        yield World(server, repo)


@pytest.fixture
def proxy(world: World) -> Iterator[Proxy]:
    with closing(Proxy(world.server.port)) as wire:
        yield wire


@pytest.fixture
def impostor(world: World) -> Iterator[Impostor]:
    with closing(Impostor(world.server.port)) as server:
        yield server


def size_of(world: World, proxy: Proxy, reader: Any, count: int = FEW) -> int:
    """Give the bytes of the replies to one read, over connections that are open already."""
    world.check_reader(reader, count)
    proxy.arm(None)
    world.check_reader(reader, count)
    return proxy.passed


def test_cut_after_any_byte_of_the_replies(world: World, proxy: Proxy, tmp_path: Path) -> None:
    """Read again from a new connection; what came before the cut is neither lost, doubled nor moved to another row."""
    reader = fleet.reader(world.through(tmp_path, proxy.port))
    total = size_of(world, proxy, reader)
    assert total > 2_000
    for after in [*range(120), *range(120, total, 31), total - 1]:
        proxy.arm(after, "drop")
        world.check_reader(reader)
        assert proxy.breaks == 1, after


def test_cut_for_good_in_the_middle_of_a_reply(world: World, proxy: Proxy, tmp_path: Path) -> None:
    reader = fleet.reader(world.through(tmp_path, proxy.port))
    total = size_of(world, proxy, reader)
    proxy.arm(total // 2, "cut")
    error = refused(lambda: world.check_reader(reader))
    assert "does not answer" in error.one_line()
    assert proxy.breaks == 1
    proxy.arm(None)
    proxy.mend()
    world.check_reader(reader)


def test_every_connection_is_cut_again(world: World, tmp_path: Path) -> None:
    """A server that never gets through an answer: given up after some tries, not tried for ever."""
    seen: list[int] = []
    with closing(Proxy(world.server.port)) as wire:
        reader = fleet.reader(world.through(tmp_path, wire.port))
        world.check_reader(reader)

        def again() -> None:
            seen.append(1)
            wire.drop()
            wire.arm(500, again)

        wire.arm(500, again)
        refused(lambda: world.check_reader(reader, COUNT))
    assert 1 < len(seen) < 50


@pytest.mark.parametrize("share", [0.0, 0.5], ids=["at once", "in mid-reply"])
def test_silence_is_a_time_out(world: World, proxy: Proxy, tmp_path: Path, share: float) -> None:
    reader = fleet.reader(world.through(tmp_path, proxy.port, ",socket_timeout=0.3"))
    total = size_of(world, proxy, reader)
    proxy.arm(int(total * share), "freeze")
    error = refused(lambda: world.check_reader(reader), 30)
    assert re.search("time", error.one_line(), re.IGNORECASE)
    proxy.arm(None)
    world.check_reader(reader)


def test_a_server_that_stands_still_is_a_time_out(world: World, tmp_path: Path) -> None:
    """The process itself is stopped: connections stay open, and new ones are taken by the kernel."""
    repo = world.through(tmp_path, world.server.port, ",socket_timeout=0.3")
    reader = fleet.reader(repo)
    world.check_reader(reader)
    world.server.pause()
    try:
        refused(lambda: world.check_reader(reader), 30)
        refused(lambda: fleet.read(repo.open(), world.ids[:5]), 30)
    finally:
        world.server.resume()
    world.check_reader(reader)


def test_slow_and_in_pieces(world: World, proxy: Proxy, tmp_path: Path) -> None:
    """Replies that come a few bytes at a time are put together."""
    proxy.slice = 7
    world.check_reader(fleet.reader(world.through(tmp_path, proxy.port)), 300)


ERRORS = {
    "LOADING Valkey is loading the dataset in memory": "loading",
    "OOM command not allowed when used memory > 'maxmemory'.": "memory|OOM",
    "READONLY You can't write against a read only replica.": "read.?only",
    "BUSY Valkey is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.": "busy",
    "NOPERM User reader has no permissions to run the 'hmget' command": "permission",
    "MOVED 1234 127.0.0.1:1": "moved|cluster|1234",
    "ASK 1234 127.0.0.1:1": "ask|cluster|1234",
    "TRYAGAIN Multiple keys request during rehashing of slot": "try.?again|rehashing",
    "CLUSTERDOWN The cluster is down": "cluster",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": "master",
    "NOAUTH Authentication required.": "password|auth",
    "ERR unknown command 'HMGET', with args beginning with: 'secret-entity-17'": "unknown command|failed",
    "SOMETHING that nobody has heard of": "something|failed",
}


@pytest.mark.parametrize("text", ERRORS, ids=lambda text: text.split()[0])
def test_every_reply_is_an_error(world: World, impostor: Impostor, tmp_path: Path, text: str) -> None:
    impostor.answer = error_for(b"HMGET", text)
    reader = fleet.reader(world.through(tmp_path, impostor.port))
    error = refused(lambda: world.check_reader(reader))
    assert re.search(ERRORS[text], error.one_line(), re.IGNORECASE), error.one_line()
    assert "redis" in error.one_line()
    impostor.answer = lambda _command, _number: None
    world.check_reader(reader)


@pytest.mark.parametrize("text", ERRORS, ids=lambda text: text.split()[0])
def test_one_reply_among_many_is_an_error(world: World, impostor: Impostor, tmp_path: Path, text: str) -> None:
    """The row is asked for again, or nothing is a result; and the connection does not go on one reply out of step."""
    reader = fleet.reader(world.through(tmp_path, impostor.port))
    impostor.answer = error_for(b"HMGET", text, first=5, last=6)
    error = ends(lambda: world.check_reader(reader))
    assert error is None or isinstance(error, StoreUnavailable), repr(error)
    for _ in range(2):
        world.check_reader(reader)


def test_loading_passes(world: World, impostor: Impostor, tmp_path: Path) -> None:
    """A server that is just starting is waited for."""
    reader = fleet.reader(world.through(tmp_path, impostor.port))
    impostor.answer = error_for(b"HMGET", "LOADING server is loading the dataset in memory", last=2)
    world.check_reader(reader)


# What follows is no answer to HMGET of seven features and the row's timestamp.
GARBAGE = {
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "binary": b"\x00\xff\x01\r\n",
    "empty line": b"\r\n",
    "no array": b"+OK\r\n",
    "a number": b":8\r\n",
    "a bulk": b"$8\r\n" + b"12345678\r\n",
    "null array": b"*-1\r\n",
    "empty array": b"*0\r\n",
    "too few": b"*2\r\n$-1\r\n$-1\r\n",
    "too many": b"*9\r\n" + b"$-1\r\n" * 9,
    "numbers": b"*8\r\n" + b":1\r\n" * 8,
    "nested": b"*8\r\n" + b"*1\r\n:1\r\n" * 8,
    "negative length": b"*8\r\n$-7\r\n" + b"$-1\r\n" * 7,
    "length that is no number": b"*x\r\n",
    "bulk of another length": b"*8\r\n$3\r\nabcdef\r\n" + b"$-1\r\n" * 7,
    "endless bulk": b"*8\r\n$99999999999\r\nabc",
    "endless array": b"*20000000\r\n$-1\r\n",
    "map": b"%4\r\n" + b"$1\r\na\r\n$1\r\nb\r\n" * 4,
    "RESP3 null": b"_\r\n",
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_what_is_no_answer(world: World, impostor: Impostor, tmp_path: Path, kind: str) -> None:
    """Never a crash, never a value: the store is given up, or the rows are told to be unreadable."""
    impostor.answer = bytes_for(b"HMGET", GARBAGE[kind])
    reader = fleet.reader(world.through(tmp_path, impostor.port, ",socket_timeout=0.3"))
    view, ids = world.repo.view_plan(fleet.VIEW), world.ids[:4]
    answer: list[Any] = []
    error = ends(lambda: answer.append(reader.read(view, view.features, pa.table({"id": ids}))), 30)
    if answer:
        assert not error
        for name in fleet.FEATURES:
            assert answer[0].corrupt[name].all()
            assert answer[0].columns[name].null_count == len(ids)
    else:
        assert isinstance(error, StoreUnavailable), repr(error)
    impostor.answer = lambda _command, _number: None
    world.check_reader(reader)


def half_way(world: World, proxy: Proxy, directory: Path) -> tuple[Any, int]:
    """Give a repository that is read through the proxy, and half of the bytes of a whole read."""
    repo = world.through(directory, proxy.port)
    world.check(repo.store)
    proxy.arm(None)
    world.check(repo.store)
    return repo, proxy.passed // 2


def test_killed_and_started_again_in_mid_read(world: World, proxy: Proxy, tmp_path: Path) -> None:
    """The server dies with half of the answer on the wire, and is back at its address a little later."""
    repo, half = half_way(world, proxy, tmp_path)
    back = threading.Timer(0.3, world.server.restart)

    def crash() -> None:
        world.server.kill()
        proxy.drop()
        back.start()

    proxy.arm(half, crash)
    world.check(repo.store)
    assert proxy.breaks == 1
    back.join()


def test_killed_for_good_in_mid_read(world: World, proxy: Proxy, tmp_path: Path) -> None:
    repo, half = half_way(world, proxy, tmp_path)

    def crash() -> None:
        world.server.kill()
        proxy.drop()

    proxy.arm(half, crash)
    try:
        error = refused(lambda: world.check(repo.store))
        assert "does not answer" in error.one_line()
    finally:
        world.server.restart()


def test_it_is_loading_when_it_comes_back(world: World, proxy: Proxy, tmp_path: Path) -> None:
    """A real server that answers LOADING for as long as it reads its file."""
    slow = ["key-load-delay 700", "loading-process-events-interval-bytes 1024"]  # microseconds by key
    repo, half = half_way(world, proxy, tmp_path)

    def crash() -> None:
        world.server.kill()
        proxy.drop()
        world.server.settings += slow
        world.server.restart(wait=False)

    proxy.arm(half, crash)
    try:
        world.check(repo.store)
        assert proxy.breaks == 1
        assert world.server.ask("INFO", "errorstats").get("errorstat_LOADING"), "nobody met it while it was loading"
    finally:
        world.server.settings = world.server.settings[: -len(slow)]
        eventually(lambda: world.server.ask("PING"), "the server has its rows back")


def test_loading_at_the_start_is_one_line_or_waited_for(world: World, impostor: Impostor, tmp_path: Path) -> None:
    def loading(_command: list[bytes], _number: int) -> bytes:
        return b"-LOADING server is loading the dataset in memory\r\n"

    impostor.answer = loading
    error = refused(lambda: fleet.read(world.through(tmp_path, impostor.port).store, world.ids[:5]))
    assert re.search("loading", error.one_line(), re.IGNORECASE)


@pytest.mark.parametrize(
    ("rights", "works"),
    [
        (f"~* {READS}", True),
        ("~* -@all +hmget", True),
        ("~* -@all +scan", False),
        ("~other:* -@all +hmget", False),
        ("~* -@all", False),
    ],
)
def test_what_a_user_may(world: World, tmp_path: Path, rights: str, works: bool) -> None:
    """A real refusal of the server; neither user nor password is named."""
    world.server.ask("ACL", "SETUSER", "reader", "reset", "on", f">{SECRET}", "resetchannels", *rights.split())
    repo = world.through(tmp_path, world.server.port, f",username=reader,password={SECRET}")
    if works:
        world.check(repo.store)
        return
    error = refused(lambda: fleet.read(repo.store, world.ids[:5]))
    assert re.search("permission", error.one_line(), re.IGNORECASE)
    assert SECRET not in error.one_line()


def test_a_user_without_scan_can_be_read(world: World, tmp_path: Path) -> None:
    world.server.ask("ACL", "SETUSER", "reader", "reset", "on", f">{SECRET}", "resetchannels", "~*", "-@all", "+hmget")
    repo = world.through(tmp_path, world.server.port, f",username=reader,password={SECRET}")
    scan = fleet.reader(repo).scan_keys(repo.view_plan(fleet.VIEW), 100, 5.0)
    assert scan.entities is None
    assert "SCAN" in scan.reason
