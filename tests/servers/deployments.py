"""Every way in which people run Redis for Feast: real servers, and the settings by which Feast reaches them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers.certificates import make_authority
from servers.cluster import Cluster
from servers.sentinel import Watched
from servers.server import HOST, Server, debian_redis, eventually

SECRET = "hunter2secret"
READS = "-@all +hmget +hstrlen +scan"
"""What a reader of Feast's rows needs on one server, and all that it may use."""


@dataclass
class Deployment:
    """Servers that run, how Feast writes to them, and how the reader under test reaches them."""

    writes: dict[str, Any]
    reads: dict[str, Any]
    servers: list[Server]
    secrets: tuple[str, ...] = ()
    settle: Callable[[], None] = field(default=lambda: None)
    """Waits after a write until readers can see it everywhere."""

    def denied(self) -> set[str]:
        """Give what any server refused for want of permission."""
        return {one for server in self.servers for one in server.denied()}


def online(address: str, **settings: Any) -> dict[str, Any]:
    """Give the `online_store` of a feature_store.yaml."""
    return {"type": "redis", "connection_string": address, **settings}


def _alike(settings: dict[str, Any], servers: list[Server], *secrets: str) -> Deployment:
    return Deployment(settings, settings, servers, secrets)


@contextmanager
def plain(_: Path) -> Iterator[Deployment]:
    with Server() as server:
        yield _alike(online(server.address), [server])


@contextmanager
def debian(_: Path) -> Iterator[Deployment]:
    """Redis itself, where the others are Valkey."""
    with Server(binary=debian_redis()) as server:
        yield _alike(online(server.address), [server])


@contextmanager
def password(_: Path) -> Iterator[Deployment]:
    with Server(f"requirepass {SECRET}", password=SECRET) as server:
        yield _alike(online(f"{server.address},password={SECRET}"), [server], SECRET)


@contextmanager
def database(_: Path) -> Iterator[Deployment]:
    with Server() as server:
        yield _alike(online(f"{server.address},db=3"), [server])


@contextmanager
def socket_file(_: Path) -> Iterator[Deployment]:
    with Server("unixsocket {directory}/s", "unixsocketperm 700") as server:
        yield _alike(online(f"{HOST}:0,unix_socket_path={server.directory}/s"), [server])


@contextmanager
def read_only_user(_: Path) -> Iterator[Deployment]:
    """A user that may run the three commands and nothing else, beside one that writes."""
    user = f"user reader on >{SECRET} resetchannels ~* {READS}"
    with Server(user) as server:
        reads = online(f"{server.address},username=reader,password={SECRET}")
        yield Deployment(online(server.address), reads, [server], (SECRET,))


@contextmanager
def read_only_user_of_a_database(_: Path) -> Iterator[Deployment]:
    user = f"user reader on >{SECRET} resetchannels ~* {READS} +select"
    with Server(user) as server:
        reads = online(f"{server.address},db=2,username=reader,password={SECRET}")
        yield Deployment(online(f"{server.address},db=2"), reads, [server], (SECRET,))


@contextmanager
def replica(_: Path) -> Iterator[Deployment]:
    """Reads go to a replica that takes no writes at all."""
    with Server() as master, Server(f"replicaof {HOST} {master.port}") as follower:
        eventually(lambda: follower.ask("INFO", "replication")["master_link_status"] == "up", "the replica follows")

        def settle() -> None:
            master.ask("SET", "settled", "1")
            assert master.ask("WAIT", 1, 10_000) == 1

        yield Deployment(online(master.address), online(follower.address), [follower, master], settle=settle)


@contextmanager
def full(_: Path) -> Iterator[Deployment]:
    """Every write is refused with OOM from now on: reading has to work as ever."""
    with Server("maxmemory-policy noeviction") as server:

        def settle() -> None:
            server.ask("CONFIG", "SET", "maxmemory", "1")

        yield Deployment(online(server.address), online(server.address), [server], settle=settle)


@contextmanager
def tls(directory: Path) -> Iterator[Deployment]:
    """A private authority, and no client without a certificate of it."""
    authority = make_authority(directory / "authority")
    with Server(*authority.settings, binary=debian_redis(), **authority.admin) as server:
        yield _alike(online(server.address + authority.options), [server])


@contextmanager
def cluster(_: Path) -> Iterator[Deployment]:
    with Cluster() as nodes:
        yield _alike(online(nodes.addresses, redis_type="redis_cluster"), nodes.nodes)


@contextmanager
def cluster_with_replicas(_: Path) -> Iterator[Deployment]:
    """Only one node is named, by its replica, and replicas are asked (`read_from_replicas` is redis-py's own option)."""
    with Cluster(replicas=1) as nodes:
        seed = nodes.replicas[0].address

        def settle() -> None:
            for number, master in enumerate(nodes.masters):
                first = next(key for key in (f"settle{i}" for i in range(10**5)) if _owns(nodes, number, key))
                master.ask("SET", first, "1")
                assert master.ask("WAIT", 1, 10_000) == 1

        yield Deployment(
            online(seed, redis_type="redis_cluster"),
            online(f"{seed},read_from_replicas=true", redis_type="redis_cluster"),
            nodes.nodes,
            settle=settle,
        )


def _owns(nodes: Cluster, number: int, key: str) -> bool:
    from servers.cluster import SLOTS, slot_of

    return slot_of(key.encode()) * len(nodes.masters) // SLOTS == number


@contextmanager
def locked_cluster(_: Path) -> Iterator[Deployment]:
    """A password, and a user that may read and learn where the slots are."""
    settings = (
        f"requirepass {SECRET}",
        f"masterauth {SECRET}",
        f"user reader on >{SECRET} resetchannels ~* {READS} +cluster|slots +command +asking +readonly",
    )
    with Cluster(settings=settings, password=SECRET) as nodes:
        yield Deployment(
            online(f"{nodes.addresses},password={SECRET}", redis_type="redis_cluster"),
            online(f"{nodes.addresses},username=reader,password={SECRET}", redis_type="redis_cluster"),
            nodes.nodes,
            (SECRET,),
        )


@contextmanager
def tls_cluster(directory: Path) -> Iterator[Deployment]:
    authority = make_authority(directory / "authority")
    with Cluster(settings=authority.settings, binary=debian_redis(), **authority.admin) as nodes:
        yield _alike(online(nodes.addresses + authority.options, redis_type="redis_cluster"), nodes.nodes)


@contextmanager
def sentinel(_: Path) -> Iterator[Deployment]:
    with Watched(sentinels=3) as watched:
        yield _alike(online(watched.addresses, redis_type="redis_sentinel"), watched.servers)


@contextmanager
def locked_sentinel(_: Path) -> Iterator[Deployment]:
    """Servers and sentinels with passwords of their own, a database, and a user that may only read."""
    other = f"{SECRET}2"
    servers = (
        f"requirepass {SECRET}",
        f"masterauth {SECRET}",
        f"user reader on >{SECRET} resetchannels ~* {READS} +select",
    )
    with Watched(
        replicas=1,
        settings=servers,
        sentinel_settings=(f"sentinel auth-pass mymaster {SECRET}", f"requirepass {other}"),
        sentinel_admin={"password": other},
        password=SECRET,
    ) as watched:
        # Feast splits at commas and reads values as JSON: one option of the sentinels fits in, two do not.
        common = f'{watched.addresses},db=1,password={SECRET},sentinel_kwargs={{"password":"{other}"}}'
        yield Deployment(
            online(common, redis_type="redis_sentinel"),
            online(f"{common},username=reader", redis_type="redis_sentinel"),
            watched.servers,
            (SECRET, other),
        )


DEPLOYMENTS: dict[str, Callable[[Path], Any]] = {
    function.__name__: function
    for function in (
        plain,
        debian,
        password,
        database,
        socket_file,
        read_only_user,
        read_only_user_of_a_database,
        replica,
        full,
        tls,
        cluster,
        cluster_with_replicas,
        locked_cluster,
        tls_cluster,
        sentinel,
        locked_sentinel,
    )
}
