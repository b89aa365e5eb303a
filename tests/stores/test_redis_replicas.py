"""`--read-from replica`: bulk reads go to replicas, of every deployment that has some, and say so where there are none."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from servers import fleet
from servers.cluster import Cluster
from servers.deployments import online
from servers.meanwhile import refused
from servers.sentinel import Watched
from servers.server import HOST, Server, eventually

from feast_skew.errors import ConfigError, StoreUnavailable

COUNT = 600


class World:
    """Rows that Feast wrote, and who holds them."""

    def __init__(self, repo: Any, primaries: Sequence[Server], replicas: Sequence[Server]) -> None:
        self.repo = repo
        self.primaries = primaries
        self.replicas = replicas
        self.table = fleet.written_by(repo, COUNT)
        self.ids = fleet.ids_to_ask(self.table)
        for server in [*primaries, *replicas]:
            server.ask("CONFIG", "RESETSTAT")
        eventually(lambda: _size(replicas) == _size(primaries) > 0, "the replicas hold all rows")

    def check(self, reader: Any) -> None:
        view = self.repo.view_plan(fleet.VIEW)
        fleet.check_rows(reader.read(view, view.features, pa.table({"id": self.ids})), self.ids, self.table)


def _size(servers: Sequence[Server]) -> int:
    return sum(int(server.ask("DBSIZE")) for server in servers)


def reads(servers: Sequence[Server]) -> int:
    """Give how many rows some servers have been asked for."""
    return sum(int(server.ask("INFO", "commandstats").get("cmdstat_hmget", {}).get("calls", 0)) for server in servers)


@pytest.fixture(params=["single", "cluster", "sentinel"])
def world(request: pytest.FixtureRequest, tmp_path: Path, any_repository: Any) -> Iterator[World]:
    with ExitStack() as stack:
        if request.param == "single":
            master = stack.enter_context(Server())
            follower = stack.enter_context(Server(f"replicaof {HOST} {master.port}"))
            linked = lambda: follower.ask("INFO", "replication")["master_link_status"] == "up"  # noqa: E731
            eventually(linked, "the replica follows")
            yield World(any_repository(tmp_path, online(master.address)), [master], [follower])
        elif request.param == "cluster":
            nodes = stack.enter_context(Cluster(replicas=1))
            settings = online(nodes.addresses, redis_type="redis_cluster")
            yield World(any_repository(tmp_path, settings), nodes.masters, nodes.replicas)
        else:
            watched = stack.enter_context(Watched(replicas=1))
            settings = online(watched.addresses, redis_type="redis_sentinel")
            yield World(any_repository(tmp_path, settings), watched.servers[:1], watched.servers[1:])


def test_replicas_are_read_and_no_primary(world: World) -> None:
    reader = world.repo.online_reader(replicas=True)
    world.check(reader)
    assert not reader.findings
    assert reads(world.replicas) >= 2 * COUNT
    assert reads(world.primaries) == 0
    reader.close()


def test_a_reader_without_feast_reads_replicas_and_no_primary(world: World) -> None:
    from feast_skew.stores.redis.remote import RemoteReader

    recipe = world.repo.online_reader(replicas=True).recipe([world.repo.view_plan(fleet.VIEW)])
    reader = RemoteReader(pickle.loads(pickle.dumps(recipe)))
    world.check(reader)
    assert reads(world.replicas) == 2 * COUNT
    assert reads(world.primaries) == 0
    reader.close()


def test_without_the_wish_no_replica_is_read(world: World) -> None:
    reader = world.repo.online_reader()
    world.check(reader)
    assert reads(world.replicas) == 0
    reader.close()


def test_a_whole_run_from_replicas(world: World) -> None:
    report = world.repo.validate(read_from="replica")
    assert report.verdict == "pass"
    assert reads(world.replicas) >= COUNT
    assert not any(name in asked(world.primaries) for name in ("cmdstat_hmget", "cmdstat_scan"))
    assert "cmdstat_scan" in asked(world.replicas)


def asked(servers: Sequence[Server]) -> set[str]:
    return {name for server in servers for name in server.ask("INFO", "commandstats")}


def test_a_replica_that_fails_is_no_reason_to_ask_the_master(tmp_path: Path, any_repository: Any) -> None:
    with Watched(replicas=1) as watched:
        repo = any_repository(tmp_path, online(watched.addresses, redis_type="redis_sentinel"))
        fleet.written_by(repo, 10)
        watched.servers[1].kill()
        watched.master.ask("CONFIG", "RESETSTAT")
        error = refused(lambda: repo.validate(read_from="replica"))
        assert "--read-from replica" in error.one_line()
        assert "cmdstat_hmget" not in asked([watched.master])


def test_a_replica_that_lags_behind_is_no_other_layout(tmp_path: Path, any_repository: Any) -> None:
    """Its rows are of before; that is what the user asked to compare."""
    with Server() as master, Server() as behind:
        repo = any_repository(tmp_path, online(master.address))
        fleet.written_by(repo, 10)
        behind.ask("REPLICAOF", HOST, master.port)
        eventually(lambda: behind.ask("INFO", "replication")["master_link_status"] == "up", "the replica follows")
        with behind.client() as client:
            client.config_set("replica-read-only", "no")
            client.delete(*fleet.keys(repo, [0]))
        reader = repo.online_reader(replicas=True)
        view = repo.view_plan(fleet.VIEW)
        rows = reader.read(view, view.features, pa.table({"id": [0, 2]}))
        assert not reader.findings
        assert rows.present.tolist() == [False, True]
        reader.close()


def test_there_is_none(tmp_path: Path, any_repository: Any) -> None:
    with Server() as server:
        repo = any_repository(tmp_path / "single", online(server.address))
        fleet.written_by(repo, 10)
        with pytest.raises(StoreUnavailable, match="no replica") as raised:
            repo.validate(read_from="replica")
        assert "leave out --read-from replica" in raised.value.one_line()
    with Cluster() as nodes:
        repo = any_repository(tmp_path / "cluster", online(nodes.addresses, redis_type="redis_cluster"))
        fleet.written_by(repo, 10)
        with pytest.raises(StoreUnavailable, match="no replica"):
            repo.validate(read_from="replica")


def test_a_store_that_is_no_redis(tmp_path: Path, make_repository: Any) -> None:
    repo = make_repository(tmp_path, "sqlite")
    fleet.written_by(repo, 10)
    with pytest.raises(ConfigError, match="sqlite store has no replicas"):
        repo.validate(read_from="replica")
