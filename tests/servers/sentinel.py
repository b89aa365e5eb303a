"""A real master with replicas under the watch of real sentinels."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from servers.server import HOST, Server, eventually

MASTER = "mymaster"


class Watched:
    """One master, replicas, and sentinels that choose another master within about a second of its end."""

    def __init__(
        self,
        replicas: int = 2,
        sentinels: int = 1,
        *,
        settings: Sequence[str] = (),
        sentinel_settings: Sequence[str] = (),
        binary: Path | None = None,
        sentinel_admin: dict[str, Any] | None = None,
        **admin: Any,
    ) -> None:
        self._binary = binary
        self._settings = list(settings)
        self._sentinel_settings = list(sentinel_settings)
        self._sentinel_admin = sentinel_admin or {}
        self._admin = admin
        self._replica_count = replicas
        self._sentinel_count = sentinels
        self.servers: list[Server] = []
        self.sentinels: list[Server] = []
        self._stack = ExitStack()

    @property
    def addresses(self) -> str:
        """The sentinels, as Feast's connection string begins."""
        return ",".join(sentinel.address for sentinel in self.sentinels)

    def __enter__(self) -> Watched:  # noqa: PYI034  `Self` is not in typing before Python 3.11
        with ExitStack() as stack:
            master = stack.enter_context(Server(*self._settings, binary=self._binary, **self._admin))
            self.servers = [master]
            for _ in range(self._replica_count):
                lines = [*self._settings, f"replicaof {HOST} {master.port}"]
                self.servers.append(stack.enter_context(Server(*lines, binary=self._binary, **self._admin)))
            eventually(lambda: all(linked(server) for server in self.servers[1:]), "the replicas follow their master")
            for _ in range(self._sentinel_count):
                self.sentinels.append(stack.enter_context(self._sentinel(master)))
            eventually(self._is_known, "the sentinels know all servers")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _sentinel(self, master: Server) -> Server:
        quorum = self._sentinel_count // 2 + 1
        lines = [
            f"sentinel monitor {MASTER} {HOST} {master.port} {quorum}",
            f"sentinel down-after-milliseconds {MASTER} 400",
            f"sentinel failover-timeout {MASTER} 4000",
            f"sentinel parallel-syncs {MASTER} {max(1, self._replica_count)}",
            *self._sentinel_settings,
        ]
        return Server(*lines, binary=self._binary, role="sentinel", **self._sentinel_admin)

    def _is_known(self) -> bool:
        for sentinel in self.sentinels:
            state = self._state(sentinel)
            if state["num-slaves"] < self._replica_count or state["num-other-sentinels"] < self._sentinel_count - 1:
                return False
        return True

    def _state(self, sentinel: Server) -> dict[str, Any]:
        return dict(sentinel.ask("SENTINEL MASTER", MASTER))

    @property
    def master(self) -> Server:
        """The master that the sentinels name now."""
        port = self._state(self.sentinels[0])["port"]
        return next(server for server in self.servers if server.port == port)

    @property
    def replicas(self) -> list[Server]:
        master = self.master
        return [server for server in self.servers if server is not master]

    def failover(self, *, kill: bool = False) -> Server:
        """Have another master chosen, because it was asked for or because the old one died; give it when it serves."""
        old = self.master
        if kill:
            old.kill()
        else:
            # Refused for as long as the sentinel has no fresh word from the replicas.
            eventually(lambda: self.sentinels[0].ask("SENTINEL", "FAILOVER", MASTER), "the sentinel takes the order")

        def changed() -> bool:
            new = self.master
            return new is not old and new.ask("ROLE")[0] in (b"master", "master")

        eventually(changed, "the sentinels choose another master", 20)
        return self.master


def linked(server: Server) -> bool:
    """Tell whether a replica has all of its master's data and follows it."""
    return server.ask("INFO", "replication").get("master_link_status") == "up"
