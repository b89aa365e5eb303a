"""A Redis that does not let the reader in: one line, exit code 3, and no secret in it or behind it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from servers import fleet
from servers.certificates import Authority, make_authority
from servers.cluster import Cluster
from servers.deployments import SECRET, online
from servers.meanwhile import refused
from servers.sentinel import Watched
from servers.server import Server, debian_redis

WRONG = "wr0ngsecret"


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory, any_repository: Any) -> Iterator[Any]:
    """A repository that is applied; what it points to is up to the tests."""
    with Server() as server:
        made = any_repository(tmp_path_factory.mktemp("refusals"), online(server.address))
        fleet.written_by(made, 50)
        yield made


def told(repo: Any, directory: Path, address: str, **more: Any) -> str:
    """Give the one line of both public functions; neither it nor its traceback holds a secret."""
    lines = []
    other = repo.at(directory, online(address, **more))
    for call in (lambda: fleet.read(other.store, [0, 2]), other.validate):
        error = refused(call, 60)
        behind = "".join(traceback.format_exception(error))
        for secret in (SECRET, WRONG):
            assert secret not in error.one_line()
            assert secret not in behind
        lines.append(error.one_line())
    assert "redis" in lines[0]
    return lines[0]


@pytest.mark.parametrize("given", ["", f",password={WRONG}", f",username=nobody,password={SECRET}"])
def test_wrong_password_of_one_server(repo: Any, tmp_path: Path, given: str) -> None:
    with Server(f"requirepass {SECRET}", password=SECRET) as server:
        assert "password" in told(repo, tmp_path, server.address + given)


@pytest.mark.parametrize("given", [f",password={SECRET}", f",username=reader,password={SECRET}"])
def test_a_server_that_repeats_the_password(repo: Any, tmp_path: Path, given: str) -> None:
    """One that does not know AUTH names what it was sent."""
    with Server('rename-command AUTH ""') as server:
        assert "knows no passwords" in told(repo, tmp_path, server.address + given)


def test_a_password_that_feast_takes_apart(repo: Any, tmp_path: Path) -> None:
    """Of a comma and an equals sign in it Feast makes an option, whose name is no option but a secret."""
    from feast_skew.errors import ConfigError

    with Server() as server:
        other = repo.at(tmp_path, online(f"{server.address},password=ab,{SECRET}=x"))
        with pytest.raises(ConfigError) as raised:
            fleet.read(other.store, [0])
        assert SECRET not in "".join(traceback.format_exception(raised.value))


@pytest.fixture(scope="module")
def locked_cluster() -> Iterator[Cluster]:
    with Cluster(settings=(f"requirepass {SECRET}", f"masterauth {SECRET}"), password=SECRET) as cluster:
        yield cluster


@pytest.mark.parametrize("given", ["", f",password={WRONG}", f",username=nobody,password={SECRET}"])
def test_wrong_password_of_a_cluster(repo: Any, tmp_path: Path, locked_cluster: Cluster, given: str) -> None:
    assert "password" in told(repo, tmp_path, locked_cluster.addresses + given, redis_type="redis_cluster")


def test_a_cluster_that_is_none(repo: Any, tmp_path: Path) -> None:
    with Server() as server:
        assert "cluster" in told(repo, tmp_path, server.address, redis_type="redis_cluster").lower()


def test_a_cluster_that_is_down(repo: Any, tmp_path: Path) -> None:
    from servers.server import free_port

    addresses = ",".join(f"127.0.0.1:{free_port()}" for _ in range(3))
    told(repo, tmp_path, f"{addresses},password={SECRET}", redis_type="redis_cluster")


@pytest.fixture(scope="module")
def locked_sentinel() -> Iterator[Watched]:
    with Watched(
        replicas=1,
        settings=(f"requirepass {SECRET}", f"masterauth {SECRET}"),
        sentinel_settings=(f"sentinel auth-pass mymaster {SECRET}", f"requirepass {SECRET}"),
        sentinel_admin={"password": SECRET},
        password=SECRET,
    ) as watched:
        yield watched


@pytest.mark.parametrize(
    "given",
    [
        f",password={SECRET}",  # reaches the master alone: the sentinels want one too
        f',password={SECRET},sentinel_kwargs={{"password":"{WRONG}"}}',
        f',password={WRONG},sentinel_kwargs={{"password":"{SECRET}"}}',
        f',sentinel_kwargs={{"password":"{SECRET}"}}',
    ],
    ids=["none of the sentinels", "wrong of the sentinels", "wrong of the master", "none of the master"],
)
def test_wrong_password_of_sentinels(repo: Any, tmp_path: Path, locked_sentinel: Watched, given: str) -> None:
    line = told(repo, tmp_path, locked_sentinel.addresses + given, redis_type="redis_sentinel")
    assert "password" in line


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority") / "ours")


@pytest.fixture(scope="module")
def guarded(authority: Authority) -> Iterator[Server]:
    with Server(*authority.settings, binary=debian_redis(), **authority.admin) as server:
        yield server


def test_another_authority(repo: Any, tmp_path: Path, authority: Authority, guarded: Server) -> None:
    """The server is not who it says, and the client is not welcome either."""
    other = make_authority(tmp_path / "theirs")
    assert (
        "certificate" in told(repo, tmp_path / "1", guarded.address + replace(authority, ca=other.ca).options).lower()
    )
    theirs = replace(authority, client=other.client, client_key=other.client_key)
    told(repo, tmp_path / "2", guarded.address + theirs.options)


def test_no_certificate_of_the_client(repo: Any, tmp_path: Path, authority: Authority, guarded: Server) -> None:
    told(repo, tmp_path, f"{guarded.address},ssl=true,ssl_ca_certs={authority.ca}")


def test_no_authority_named(repo: Any, tmp_path: Path, guarded: Server) -> None:
    assert "certificate" in told(repo, tmp_path, f"{guarded.address},ssl=true").lower()


def test_no_tls_where_it_is_wanted_and_tls_where_there_is_none(
    repo: Any, tmp_path: Path, authority: Authority, guarded: Server
) -> None:
    told(repo, tmp_path / "1", guarded.address)
    with Server() as server:
        told(repo, tmp_path / "2", server.address + authority.options + ",socket_timeout=1")
