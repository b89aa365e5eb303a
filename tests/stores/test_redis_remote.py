"""Rows read by a recipe, without Feast: the same as the driver's, through the loss of a server, and by one connection."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from servers import executor, fleet
from servers.cluster import Cluster, sound
from servers.deployments import SECRET, online
from servers.meanwhile import refused
from servers.proxy import Proxy
from servers.server import Server, eventually

from feast_skew.errors import InputError, SkewError, StoreUnavailable, TooMuchData
from feast_skew.stores.redis.notes import Notes
from feast_skew.stores.redis.remote import PATIENCE, RemoteReader

COUNT = 1_200
AWAY = 5.0
"""Seconds for which a server is lost."""


class World:
    """A server that holds the fleet, and those who read it by a recipe."""

    def __init__(self, server: Server, repo: Any) -> None:
        self.server = server
        self.repo = repo
        self.table = fleet.written_by(repo, COUNT)
        self.ids = fleet.ids_to_ask(self.table)

    def at(self, directory: Path, port: int, options: str = "", **settings: Any) -> Any:
        """Give the driver's reader through another way to the server."""
        return self.repo.at(directory, online(f"127.0.0.1:{port}{options}")).online_reader(**settings)

    def recipe(self, driver: Any) -> Any:
        """Give a recipe as it comes out at the other end."""
        return pickle.loads(pickle.dumps(driver.recipe([self.repo.view_plan(fleet.VIEW)])))

    def check(self, reader: Any) -> None:
        view = executor.bare(self.repo.view_plan(fleet.VIEW))
        fleet.check_rows(reader.read(view, view.features, pa.table({"id": self.ids})), self.ids, self.table)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, any_repository: Any) -> Iterator[World]:
    with Server() as server:
        yield World(server, any_repository(tmp_path_factory.mktemp("remote"), online(server.address)))


@pytest.fixture
def proxy(world: World) -> Iterator[Proxy]:
    with closing(Proxy(world.server.port)) as wire:
        yield wire


class Sleeper:
    """Sleeps for no time, and keeps in mind for how long it was asked to."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


def connections(server: Server) -> set[str]:
    """Give the connections of a server, but the one by which it is asked."""
    own = server.ask("CLIENT ID")
    return {one["id"] for one in server.ask("CLIENT LIST") if int(one["id"]) != own}


def test_in_a_python_without_feast(world: World, tmp_path: Path) -> None:
    driver = world.at(tmp_path, world.server.port, max_ops=50_000.0)
    view, entities = world.repo.view_plan(fleet.VIEW), pa.table({"id": world.ids})
    bare = executor.bare(view)
    (theirs,), findings = executor.run((driver.recipe([view], readers=2), [(bare, bare.features, entities)]))
    assert theirs == executor.encoded_rows(driver.read(view, view.features, entities))
    assert findings == []


def test_readers_share_the_limit(world: World, tmp_path: Path) -> None:
    view = world.repo.view_plan(fleet.VIEW)
    limited = world.at(tmp_path / "limited", world.server.port, max_ops=1_000.0)
    assert limited.recipe([view], readers=4).max_ops == 250.0
    assert world.at(tmp_path / "free", world.server.port).recipe([view], readers=4).max_ops is None


def test_a_recipe_shows_no_secret(world: World, tmp_path: Path) -> None:
    recipe = world.recipe(world.at(tmp_path, world.server.port, f",username=reader,password={SECRET}"))
    assert recipe.address.options["password"] == SECRET
    for shown in (repr(recipe), str(recipe), f"{recipe.address}", repr(recipe.address), f"{[recipe]}"):
        assert SECRET not in shown
        assert str(world.server.port) not in shown
        assert len(shown) < 500


def test_one_connection_which_is_closed(world: World, tmp_path: Path) -> None:
    recipe = world.recipe(world.at(tmp_path, world.server.port))
    before = connections(world.server)
    reader = RemoteReader(recipe)
    assert connections(world.server) == before
    for _ in range(2):
        world.check(reader)
        assert len(connections(world.server) - before) == 1
    reader.close()
    eventually(lambda: not connections(world.server) - before, "the connection is closed")
    world.check(reader)
    reader.close()


@pytest.mark.parametrize("how", ["refused", "accepted and dropped"])
def test_every_connection_is_dropped_for_a_while(world: World, proxy: Proxy, tmp_path: Path, how: str) -> None:
    """Lost in the middle of an answer, with the clock that runs in production."""
    reader = RemoteReader(world.recipe(world.at(tmp_path, proxy.port)))
    world.check(reader)
    proxy.arm(None)
    world.check(reader)
    breaks: list[float] = []

    def refuse() -> None:
        breaks.append(time.monotonic())
        proxy.cut()
        threading.Timer(AWAY, proxy.mend).start()

    def drop() -> None:
        breaks.append(time.monotonic())
        proxy.arm(0, drop)
        if len(breaks) == 1:
            threading.Timer(AWAY, lambda: proxy.arm(None)).start()
        proxy.drop()

    proxy.arm(proxy.passed // 2, refuse if how == "refused" else drop)
    began = time.monotonic()
    world.check(reader)
    assert AWAY < time.monotonic() - began < 2 * AWAY
    assert len(breaks) == 1 if how == "refused" else len(breaks) > 2
    reader.close()


def test_lost_for_good_is_what_the_driver_says_a_patience_later(world: World, proxy: Proxy, tmp_path: Path) -> None:
    driver, sleeper = world.at(tmp_path, proxy.port), Sleeper()
    reader = RemoteReader(world.recipe(driver), sleeper)
    world.check(reader)
    proxy.arm(proxy.passed // 2, "cut")
    error = refused(lambda: world.check(reader))
    assert proxy.breaks == 1
    assert PATIENCE - 3 < sum(sleeper.slept) <= PATIENCE
    view = world.repo.view_plan(fleet.VIEW)
    theirs = refused(lambda: driver.read(view, view.features, pa.table({"id": world.ids})))
    assert error.one_line() == theirs.one_line()
    assert "does not answer" in error.one_line()


@pytest.mark.slow
def test_lost_for_good_by_the_clock(world: World, proxy: Proxy, tmp_path: Path) -> None:
    reader = RemoteReader(world.recipe(world.at(tmp_path, proxy.port)))
    world.check(reader)
    proxy.arm(proxy.passed // 2, "cut")
    began = time.monotonic()
    refused(lambda: world.check(reader))
    assert PATIENCE - 5 < time.monotonic() - began < PATIENCE + 5


@pytest.mark.slow
def test_silence_takes_no_longer(world: World, proxy: Proxy, tmp_path: Path) -> None:
    """A server that takes connections and says nothing: each try takes its time-out."""
    reader = RemoteReader(world.recipe(world.at(tmp_path, proxy.port, ",socket_timeout=4")))
    world.check(reader)
    proxy.arm(proxy.passed // 2, "freeze")
    began = time.monotonic()
    refused(lambda: world.check(reader))
    assert PATIENCE - 5 < time.monotonic() - began < PATIENCE + 10


@pytest.mark.parametrize(
    ("user", "password", "says"),
    [("reader", "another", "refused the password"), ("reader", SECRET, "does not let this user read")],
)
def test_a_refusal_is_told_at_once(world: World, tmp_path: Path, user: str, password: str, says: str) -> None:
    world.server.ask("ACL", "SETUSER", "reader", "reset", "on", f">{SECRET}", "resetchannels", "~*", "-@all", "+scan")
    driver = world.at(tmp_path, world.server.port, f",username={user},password={password}")
    sleeper = Sleeper()
    error = refused(lambda: world.check(RemoteReader(world.recipe(driver), sleeper)))
    assert says in error.one_line()
    assert password not in error.one_line()
    assert sleeper.slept == []
    view = world.repo.view_plan(fleet.VIEW)
    theirs = refused(lambda: driver.read(view, view.features, pa.table({"id": world.ids})))
    assert error.one_line() == theirs.one_line()


def test_a_cluster_is_away_when_the_reader_begins(tmp_path: Path, any_repository: Any) -> None:
    """Its nodes have to be asked for the slots before anything can be read; each is asked over one connection later."""
    with Cluster() as nodes:
        repo = any_repository(tmp_path, online(nodes.addresses, redis_type="redis_cluster"))
        world = World(nodes.masters[0], repo)
        for node in nodes.nodes:
            node.ask("SAVE")
            node.kill()

        def back(_: float) -> None:
            for node in nodes.nodes:
                if not node.running:
                    node.restart()
            eventually(lambda: all(sound(node) for node in nodes.nodes), "the cluster is whole", 30)

        reader = RemoteReader(world.recipe(repo.online_reader()), back)
        for node in nodes.nodes:
            assert not node.running
        world.check(reader)
        for node in nodes.nodes:
            assert len(connections(node)) == 1
        reader.close()


def test_a_cluster_that_refuses_is_told_at_once(tmp_path: Path, any_repository: Any) -> None:
    settings = ("requirepass " + SECRET, "masterauth " + SECRET)
    with Cluster(settings=settings, password=SECRET) as nodes:
        repo = any_repository(tmp_path, online(f"{nodes.addresses},password=other", redis_type="redis_cluster"))
        repo.apply(*fleet.objects(repo, fleet.rows(10)))
        view, sleeper = repo.view_plan(fleet.VIEW), Sleeper()
        reader = RemoteReader(repo.online_reader().recipe([view]), sleeper)
        error = refused(lambda: reader.read(executor.bare(view), view.features, pa.table({"id": [0]})))
        assert "refused the password" in error.one_line()
        assert sleeper.slept == []


def test_values_too_large_are_counted_by_view(world: World, tmp_path: Path) -> None:
    from feast_skew.stores.redis import layout

    driver = world.at(tmp_path, world.server.port)
    view = world.repo.view_plan(fleet.VIEW)
    keys = fleet.keys(world.repo, [0, 2])
    (field, _) = layout.fields(fleet.VIEW, ["name"])
    reader = RemoteReader(world.recipe(driver))
    with world.server.client() as client:
        before = [client.hget(key, field) for key in keys]
        try:
            for key in keys:
                client.hset(key, field, b"\x12" + b"\x80" * (33 << 20))
            entities = pa.table({"id": [0, 2, 4]})
            ours = driver.read(view, view.features, entities)
            theirs = reader.read(executor.bare(view), view.features, entities)
        finally:
            for key, value in zip(keys, before, strict=True):
                client.hset(key, field, value)
    assert executor.encoded_rows(ours) == executor.encoded_rows(theirs)
    assert theirs.corrupt["name"].tolist() == [True, True, False]
    assert reader.notes == Notes({fleet.VIEW: 2}, 1.0)
    assert [finding.code for finding in reader.findings] == ["FS214"]
    assert reader.findings == driver.findings
    reader.close()


def test_notes_of_several_readers_are_those_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feast_skew.stores.redis.notes._WORTH_TELLING", 0.25)
    together = Notes.together([Notes({"a": 1, "b": 2}, 0.5), Notes(), Notes({"b": 3}, 0.125)])
    assert together == Notes({"a": 1, "b": 5}, 0.125)
    assert Notes.together([]) == Notes()
    codes = [(finding.code, finding.view) for finding in together.findings(8_000.0)]
    assert codes == [("FS214", "a"), ("FS214", "b"), ("FS215", "")]
    assert "1,000 of 8,000 commands" in together.findings(8_000.0)[-1].detail
    assert len(together.findings(None)) == 2


@pytest.mark.parametrize("kind", [SkewError, InputError, StoreUnavailable, TooMuchData])
def test_errors_can_be_sent(kind: type[SkewError]) -> None:
    sent = pickle.loads(pickle.dumps(kind("what is wrong", hint="the next step")))
    assert type(sent) is kind
    assert sent.one_line() == "what is wrong: the next step"
    assert (sent.exit_code, sent.code) == (kind.exit_code, kind.code)
