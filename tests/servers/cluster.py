"""A real Redis cluster on loopback whose slots a test can move, and whose masters it can kill."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from servers.server import HOST, Server, eventually

SLOTS = 16_384


def slot_of(key: bytes) -> int:
    from redis.crc import key_slot

    return int(key_slot(key))


class Cluster:
    """Masters that share all slots evenly, and by wish replicas of each."""

    def __init__(
        self,
        masters: int = 3,
        replicas: int = 0,
        settings: Sequence[str] = (),
        binary: Path | None = None,
        **admin: Any,
    ) -> None:
        lines = ["cluster-node-timeout 1000", "cluster-replica-validity-factor 0", *settings]
        self.masters = [Server(*lines, binary=binary, role="cluster", **admin) for _ in range(masters)]
        self.replicas = [Server(*lines, binary=binary, role="cluster", **admin) for _ in range(masters * replicas)]
        self._ids: dict[bytes, Server] = {}
        self._stack = ExitStack()

    @property
    def nodes(self) -> list[Server]:
        return [*self.masters, *self.replicas]

    @property
    def addresses(self) -> str:
        """All nodes, as Feast's connection string begins."""
        return ",".join(node.address for node in self.nodes)

    def __enter__(self) -> Cluster:  # noqa: PYI034  `Self` is not in typing before Python 3.11
        with ExitStack() as stack:
            for node in self.nodes:
                stack.enter_context(node)
            self._form()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _form(self) -> None:
        count = len(self.masters)
        for number, node in enumerate(self.nodes):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            self._ids[node.ask("CLUSTER MYID")] = node
        for number, node in enumerate(self.masters):
            first, last = SLOTS * number // count, SLOTS * (number + 1) // count - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
        for node in self.nodes[1:]:
            self.nodes[0].ask("CLUSTER", "MEET", HOST, node.port, node.bus_port)
        eventually(
            lambda: all(_known(node) == len(self.nodes) for node in self.nodes),
            "the nodes of the cluster know each other",
        )
        for number, node in enumerate(self.replicas):
            node.ask("CLUSTER", "REPLICATE", self.id_of(self.masters[number % count]))
        eventually(lambda: all(sound(node) for node in self.nodes), "the cluster is whole", 30)
        eventually(lambda: all(_linked(node) for node in self.replicas), "the replicas follow their masters", 30)
        if self.replicas:
            eventually(lambda: all(_shards(node, self.replicas) for node in self.masters), "the replicas are announced")

    def id_of(self, node: Server) -> bytes:
        return next(name for name, one in self._ids.items() if one is node)

    def owner(self, slot: int) -> Server:
        """Give the master that serves a slot now, as the nodes themselves say."""
        for node in self.nodes:
            if not node.running:
                continue
            for first, last, master, *_ in _slots(node):
                if first <= slot <= last:
                    return self._ids[bytes(master[2])]
        raise AssertionError(f"slot {slot} has no owner")

    def begin_move(self, slot: int, source: Server, target: Server) -> None:
        """Open a slot for moving: keys that have left the source are answered with ASK."""
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", self.id_of(source))
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", self.id_of(target))

    def move_keys(self, slot: int, source: Server, target: Server, *, most: int = 10**6) -> int:
        """Move keys of an open slot; give how many."""
        moved = 0
        password = self.masters[0].admin.get("password")
        with source.client() as client:
            while moved < most and (
                keys := client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, min(100, most - moved))
            ):
                authority = ["AUTH", password] if password else []
                client.execute_command("MIGRATE", HOST, target.port, "", 0, 5000, *authority, "KEYS", *keys)
                moved += len(keys)
        return moved

    def finish_move(self, slot: int, target: Server) -> None:
        """Give the slot to its new master; the other ones learn of it, and then answer with MOVED."""
        name = self.id_of(target)
        target.ask("CLUSTER", "SETSLOT", slot, "NODE", name)
        for node in self.masters:
            if node is not target:
                node.ask("CLUSTER", "SETSLOT", slot, "NODE", name)

    def move(self, slot: int, target: Server) -> int:
        """Move a slot with its keys, as a resharding does; give how many keys."""
        source = self.owner(slot)
        if source is target:
            return 0
        self.begin_move(slot, source, target)
        moved = self.move_keys(slot, source, target)
        self.finish_move(slot, target)
        return moved

    @contextmanager
    def moving(self, slots: Sequence[int]) -> Iterator[list[int]]:
        """Move slots from master to master in the background, round and round, until the block ends.

        Gives the list of the slots moved so far; what goes wrong in the background fails the block.
        """
        done: list[int] = []
        trouble: list[BaseException] = []
        ended = threading.Event()

        def reshard() -> None:
            try:
                for slot in itertools.cycle(slots):
                    if ended.is_set():
                        return
                    place = self.masters.index(self.owner(slot))
                    self.move(slot, self.masters[(place + 1) % len(self.masters)])
                    done.append(slot)
            except BaseException as error:  # noqa: BLE001  told to the test below
                trouble.append(error)

        thread = threading.Thread(target=reshard, daemon=True)
        thread.start()
        try:
            yield done
        finally:
            ended.set()
            thread.join(20)
        assert not thread.is_alive()
        if trouble:
            raise trouble[0]


def _slots(node: Server) -> list[Any]:
    return list(node.ask("CLUSTER", "SLOTS"))


def _info(node: Server) -> dict[str, str]:
    answer = node.ask("CLUSTER INFO")
    if isinstance(answer, dict):
        return answer
    return dict(line.split(":", 1) for line in answer.decode().splitlines() if ":" in line)


def _known(node: Server) -> int:
    nodes = node.ask("CLUSTER NODES")
    return sum("handshake" not in one["flags"] and one["connected"] for one in nodes.values())


def sound(node: Server) -> bool:
    """Tell whether a node sees every slot served."""
    info = _info(node)
    return info["cluster_state"] == "ok" and int(info["cluster_slots_ok"]) == SLOTS


def _linked(node: Server) -> bool:
    return node.ask("INFO", "replication").get("master_link_status") == "up"


def _shards(node: Server, replicas: Sequence[Server]) -> bool:
    return {replica.port for replica in replicas} <= {one[1] for entry in _slots(node) for one in entry[3:]}
