"""A master under the watch of sentinels is replaced while it is read: the result is complete and right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from servers import fleet
from servers.deployments import online
from servers.meanwhile import ends, reading_while, refused
from servers.sentinel import Watched

from feast_skew.errors import StoreUnavailable

COUNT = 1_000


class World:
    """A watched master that holds the fleet, and replicas that have it too."""

    def __init__(self, watched: Watched, repo: Any) -> None:
        self.watched = watched
        self.repo = repo
        self.table = fleet.written_by(repo, COUNT)
        self.ids = fleet.ids_to_ask(self.table)
        watched.master.ask("SET", "settled", "1")
        assert watched.master.ask("WAIT", len(watched.servers) - 1, 10_000) == len(watched.servers) - 1

    def check(self) -> None:
        fleet.check(fleet.read(self.repo.store, self.ids), self.ids, self.table)

    def check_reader(self, reader: Any) -> None:
        view = self.repo.view_plan(fleet.VIEW)
        fleet.check_rows(reader.read(view, view.features, pa.table({"id": self.ids})), self.ids, self.table)


def settings(watched: Watched, options: str = "", **more: Any) -> dict[str, Any]:
    return online(watched.addresses + options, redis_type="redis_sentinel", **more)


@pytest.fixture
def world(tmp_path: Path, any_repository: Any) -> Iterator[World]:
    with Watched(sentinels=2) as watched:
        yield World(watched, any_repository(tmp_path / "sentinel", settings(watched)))


@pytest.mark.parametrize("kill", [False, True], ids=["asked for", "master killed"])
def test_a_failover_while_it_is_read(world: World, kill: bool) -> None:
    """One reader reads on and on, as a run does; a read that meets the change waits for the new master."""
    old = world.watched.master
    reader = fleet.reader(world.repo, patient=True)
    reading_while(lambda: world.watched.failover(kill=kill), lambda: world.check_reader(reader))
    assert world.watched.master is not old
    world.check()


def test_a_reader_that_has_its_connections_follows(world: World) -> None:
    """The connections of before lead to a server that is a replica now, and then to one that is dead."""
    reader = fleet.reader(world.repo)
    world.check_reader(reader)
    world.watched.failover()
    world.check_reader(reader)
    world.watched.failover(kill=True)
    world.check_reader(reader)


def test_a_sentinel_is_dead(world: World) -> None:
    world.watched.sentinels[0].kill()
    world.check()


def test_nobody_watches_any_more(world: World) -> None:
    """Neither the master's name nor a sentinel: one line."""
    other = world.repo.at(world.repo.directory / "other", settings(world.watched, sentinel_master="nosuch"))
    error = refused(lambda: fleet.read(other.store, world.ids[:10]))
    assert "online store (redis)" in error.one_line()
    for sentinel in world.watched.sentinels:
        sentinel.kill()
    refused(lambda: fleet.read(world.repo.open(), world.ids[:10]))


def test_all_are_dead(world: World) -> None:
    reader = fleet.reader(world.repo)
    world.check_reader(reader)
    for server in world.watched.servers:
        server.kill()
    refused(lambda: world.check_reader(reader))


def test_a_silent_master_is_a_time_out_or_is_replaced(world: World, tmp_path: Path) -> None:
    """The sentinels notice too, so that the read may go through after all; it must not hang, and not be wrong."""
    repo = world.repo.at(tmp_path / "short", settings(world.watched, ",socket_timeout=0.3"))
    reader = fleet.reader(repo)
    world.check_reader(reader)
    world.watched.master.pause()
    try:
        error = ends(lambda: world.check_reader(reader), 30)
        assert error is None or isinstance(error, StoreUnavailable), repr(error)
    finally:
        for server in world.watched.servers:
            server.resume()
