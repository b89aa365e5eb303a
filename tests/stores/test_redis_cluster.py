"""A cluster that changes while it is read: slots move, masters die, and no row is lost, doubled or another's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from servers import fleet
from servers.cluster import Cluster, slot_of
from servers.deployments import online
from servers.impostor import Impostor, error_for
from servers.meanwhile import reading_while, refused
from servers.proxy import Proxy

COUNT = 2_500


class World:
    """A cluster that holds the fleet."""

    def __init__(self, cluster: Cluster, repo: Any, count: int = COUNT) -> None:
        self.cluster = cluster
        self.repo = repo
        self.table = fleet.written_by(repo, count)
        self.ids = fleet.ids_to_ask(self.table)

    def check(self) -> None:
        fleet.check(fleet.read(self.repo.store, self.ids), self.ids, self.table)

    def check_reader(self, reader: Any, ids: list[int]) -> None:
        view = self.repo.view_plan(fleet.VIEW)
        fleet.check_rows(reader.read(view, view.features, pa.table({"id": ids})), ids, self.table)

    def slots(self, count: int) -> list[int]:
        """Give slots that hold rows."""
        held = sorted({slot_of(key) for key in fleet.keys(self.repo, self.table.column("id").to_pylist())})
        return held[:: max(1, len(held) // count)][:count]


def settings(cluster: Cluster, options: str = "") -> dict[str, Any]:
    return online(cluster.addresses + options, redis_type="redis_cluster")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Three masters; the tests leave every slot served."""
    with Cluster() as nodes:
        yield nodes


@pytest.fixture(scope="module")
def world(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, any_repository: Any) -> World:
    return World(cluster, any_repository(tmp_path_factory.mktemp("cluster"), settings(cluster)))


def test_slots_move_while_it_is_read(world: World) -> None:
    """MOVED and ASK come in the middle of the replies, and the map of the slots is never up to date."""
    slots = world.slots(40)
    with world.cluster.moving(slots) as moved:
        reads = 0
        while len(set(moved)) < len(slots) or reads < 3:
            world.check()
            reads += 1
    world.check()


@pytest.mark.parametrize("share", ["none", "some", "all"])
def test_a_slot_stays_open(world: World, share: str) -> None:
    """A resharding that stopped half-way: rows that have left are asked for at the importing node."""
    cluster = world.cluster
    reader = fleet.reader(world.repo)
    world.check_reader(reader, world.ids[:50])  # it knows the map of before
    slots = {slot: cluster.owner(slot) for slot in world.slots(8)}
    target = {slot: next(node for node in cluster.masters if node is not source) for slot, source in slots.items()}
    for slot, source in slots.items():
        cluster.begin_move(slot, source, target[slot])
        if share != "none":
            cluster.move_keys(slot, source, target[slot], most=1 if share == "some" else 10**6)
    try:
        for start in range(0, len(world.ids), 1_000):
            world.check_reader(reader, world.ids[start : start + 1_000])
        world.check()
    finally:
        for slot, source in slots.items():
            cluster.move_keys(slot, source, target[slot])
            cluster.finish_move(slot, target[slot])
    for _ in range(2):
        world.check_reader(reader, world.ids[:1_000])


def test_the_map_is_stale(world: World) -> None:
    """A reader that has been idle while many slots went elsewhere."""
    reader = fleet.reader(world.repo)
    world.check_reader(reader, world.ids[:50])
    for slot in world.slots(120):
        place = world.cluster.masters.index(world.cluster.owner(slot))
        world.cluster.move(slot, world.cluster.masters[(place + 1) % 3])
    for start in range(0, len(world.ids), 1_000):
        world.check_reader(reader, world.ids[start : start + 1_000])


def test_one_address_is_enough_and_dead_ones_do_not_matter(world: World, tmp_path: Path) -> None:
    from servers.server import free_port

    for number, address in enumerate(
        (world.cluster.masters[2].address, f"127.0.0.1:{free_port()},{world.cluster.masters[0].address}")
    ):
        repo = world.repo.at(tmp_path / str(number), online(address, redis_type="redis_cluster"))
        fleet.check(fleet.read(repo.store, world.ids[:300]), world.ids[:300], world.table)


def announced(world: World, port: int) -> None:
    """Have one master tell clients that it is to be found at another port."""
    from servers.server import eventually

    node = world.cluster.masters[1]
    node.ask("CONFIG", "SET", "cluster-announce-port", port)
    wanted = port or node.port

    def told() -> bool:
        return all(
            wanted in {entry[2][1] for entry in other.ask("CLUSTER", "SLOTS")} for other in world.cluster.masters
        )

    eventually(told, "the other nodes pass the port on")


def test_a_node_breaks_off_in_the_middle_of_a_reply(world: World) -> None:
    ids = world.ids[:120]
    with closing(Proxy(world.cluster.masters[1].port)) as proxy:
        announced(world, proxy.port)
        try:
            reader = fleet.reader(world.repo)
            world.check_reader(reader, ids)
            proxy.arm(None)
            world.check_reader(reader, ids)
            total = proxy.passed
            assert total > 1_000
            for after in range(0, total, max(1, total // 40)):
                proxy.arm(after, "drop")
                world.check_reader(reader, ids)
                assert proxy.breaks == 1
        finally:
            announced(world, 0)


@pytest.mark.parametrize(
    "text",
    [
        "LOADING server is loading the dataset in memory",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "CLUSTERDOWN The cluster is down",
    ],
)
def test_a_node_has_a_passing_trouble(world: World, text: str) -> None:
    with closing(Impostor(world.cluster.masters[1].port)) as impostor:
        announced(world, impostor.port)
        try:
            reader = fleet.reader(world.repo)
            impostor.answer = error_for(b"HMGET", text, first=3, last=6)
            world.check_reader(reader, world.ids[:120])
            assert impostor.counts[b"HMGET"] > 6
        finally:
            announced(world, 0)


def test_a_silent_node_is_a_time_out(world: World, tmp_path: Path) -> None:
    repo = world.repo.at(tmp_path, settings(world.cluster, ",socket_timeout=0.3"))
    reader = fleet.reader(repo)
    world.check_reader(reader, world.ids[:50])
    node = world.cluster.masters[1]
    node.pause()
    try:
        error = refused(lambda: world.check_reader(reader, world.ids[:200]), 20)
        assert "does not answer" in error.one_line()
    finally:
        node.resume()
        whole(world.cluster)


@pytest.mark.slow
def test_a_silent_node_is_a_time_out_also_where_none_was_set(world: World) -> None:
    reader = fleet.reader(world.repo)
    world.check_reader(reader, world.ids[:50])
    node = world.cluster.masters[1]
    node.pause()
    try:
        refused(lambda: world.check_reader(reader, world.ids[:200]), 60)
    finally:
        node.resume()
        whole(world.cluster)


def whole(cluster: Cluster) -> None:
    from servers.cluster import sound
    from servers.server import eventually

    eventually(lambda: all(sound(node) for node in cluster.nodes), "the cluster is whole again", 30)


@pytest.fixture
def fragile(tmp_path: Path, any_repository: Any) -> Iterator[World]:
    """A cluster of one's own, to be broken."""
    with Cluster() as nodes:
        yield World(nodes, any_repository(tmp_path / "fragile", settings(nodes)), 500)


def test_a_master_without_replica_dies(fragile: World) -> None:
    """Two thirds of the rows could be read; that is no result."""
    reader = fleet.reader(fragile.repo)
    fragile.check_reader(reader, fragile.ids[:100])
    fragile.cluster.masters[1].kill()
    error = refused(lambda: fragile.check_reader(reader, fragile.ids[:300]))
    assert "online store (redis)" in error.one_line()
    refused(lambda: fleet.read(fragile.repo.open(), fragile.ids))


def test_a_replica_takes_over_while_it_is_read(tmp_path: Path, any_repository: Any) -> None:
    with Cluster(replicas=1) as nodes:
        world = World(nodes, any_repository(tmp_path, settings(nodes)), 500)
        slot = world.slots(3)[1]
        victim = nodes.owner(slot)

        def fall() -> None:
            from servers.server import eventually

            victim.kill()
            eventually(lambda: nodes.owner(slot) in nodes.replicas, "the replica is chosen", 20)

        reading_while(fall, world.check)
