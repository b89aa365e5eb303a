"""Others write meanwhile, a server refuses, a run is ended: no row is half-written, and nobody's write is undone."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from servers.cluster import Cluster, slot_of
from servers.proxy import Proxy
from servers.server import Server
from shelf import COUNT, NOW, Shelf, habits, make_shelf, profiles

from feast_skew.errors import EXIT_NOT_MEASURED, StoreUnavailable
from feast_skew.measuring.progress import NoProgress
from feast_skew.repairing.result import RepairInterrupted
from tests.stores.conftest import Repository

WRONG, OTHER = b"\x18\x07", b"\x20\x63"


class Meanwhile(NoProgress):
    """Does something at the beginning of a stage, or when a stage has come so far."""

    def __init__(self, stage: str, act: Callable[[], object], after: int = 0) -> None:
        self.name, self.act, self.left = stage, act, after

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Any]:
        if name != self.name:
            with super().stage(name, total, unit) as silent:
                yield silent
            return
        if not self.left:
            self.act()
        yield self

    def advance(self, done: int = 1) -> None:
        if self.left:
            self.left -= done
            if self.left <= 0:
                self.left = 0
                self.act()


def writer_of(shelf: Shelf) -> Any:
    from feast_skew.stores.feast_online import FeastOnlineReader
    from feast_skew.stores.redis.writer import RedisRowWriter

    return RedisRowWriter(FeastOnlineReader(shelf.repo.store))


def test_a_row_that_changed_after_it_was_measured_is_left_alone(shelf: Shelf) -> None:
    for user in (1, 2, 3):
        shelf.put("habit", "visits", WRONG, user=user)
    other = Meanwhile("habit: writing", lambda: shelf.put("habit", "visits", OTHER, user=2))
    done = shelf.repair(yes=True, progress=other)
    (view,) = done.views
    assert (view.written, view.left, view.still_wrong, done.exit_code) == (2, {"changed_meanwhile": 1}, 1, 1)
    assert shelf.client.hget(shelf.key(user=2), shelf.field("habit", "visits")) == OTHER


def test_a_row_that_somebody_else_repaired_is_no_failure(shelf: Shelf) -> None:
    right = shelf.client.hgetall(shelf.key(user=2))
    shelf.put("habit", "visits", WRONG, user=2)
    other = Meanwhile("habit: writing", lambda: shelf.client.hset(shelf.key(user=2), mapping=right))
    done = shelf.repair(yes=True, progress=other)
    assert (done.written, done.still_wrong, done.exit_code) == (0, 0, 0)


@pytest.mark.parametrize("field", ["visits", "timestamp", "deleted"])
def test_compare_and_set(shelf: Shelf, field: str) -> None:
    """The last moment: between the look and the write."""
    import pyarrow as pa

    view, entities = shelf.repo.view_plan("habit"), pa.table({"user": [1, 2]})
    with closing(writer_of(shelf)) as writer:
        before = writer.look(view, entities)
        after = [(OTHER, row[1]) for row in before]
        if field == "deleted":
            shelf.client.delete(shelf.key(user=1))
        else:
            name = b"_ts:habit" if field == "timestamp" else shelf.field("habit", "visits")
            shelf.client.hset(shelf.key(user=1), name, b"\x08\x01")
        theirs = shelf.client.hgetall(shelf.key(user=1))
        assert dict(writer.replace(view, entities, before, after)) == {0: False, 1: True}
        assert shelf.client.hgetall(shelf.key(user=1)) == theirs
        # An answer that was lost is asked for again: what is there already counts as written.
        assert dict(writer.replace(view, entities, before, after)) == {0: False, 1: True}


def test_other_views_may_be_written_meanwhile(shelf: Shelf) -> None:
    shelf.put("habit", "visits", WRONG, user=2)
    name = b"\x12\x01x"
    other = Meanwhile("habit: writing", lambda: shelf.put("profile", "name", name, user=2))
    done = shelf.repair(yes=True, views=["habit"], progress=other)
    assert (done.written, done.exit_code) == (1, 0)
    assert shelf.client.hget(shelf.key(user=2), shelf.field("profile", "name")) == name


def test_ended_in_the_middle_and_run_again(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feast_skew.stores.redis.writer._TURN", 4)
    shelf.repo.write("habit", habits(shift=50))

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(RepairInterrupted) as ended:
        shelf.repair(yes=True, progress=Meanwhile("habit: writing", interrupt, after=10))
    so_far = ended.value.repair
    assert so_far.interrupted
    assert 10 <= so_far.written <= 12
    assert so_far.to_dict()["still_wrong"] is None
    listed = shelf.repair()
    assert COUNT - 12 <= listed.open <= COUNT - so_far.written
    done = shelf.repair(yes=True)
    assert (done.written, done.exit_code) == (listed.open, 0)


def test_killed_in_the_middle_and_run_again(shelf: Shelf) -> None:
    """Whatever is written is whole, in a process that ends without a word."""
    shelf.repo.write("profile", profiles(shift=1.0))
    code = (
        "import os, sys; from pathlib import Path; from datetime import datetime, timezone\n"
        "import feast_skew, feast_skew.stores.redis.writer as writer\n"
        "writer._TURN = 4; asked = []\n"
        "settled = writer.RedisRowWriter._settled\n"
        "def ends(self, reply, command, weight):\n"
        "    asked.append(weight)\n"
        "    if asked.count(3) > 12: os._exit(9)\n"
        "    return settled(self, reply, command, weight)\n"
        "writer.RedisRowWriter._settled = ends\n"
        f"now = datetime.fromisoformat({NOW.isoformat()!r})\n"
        "feast_skew.repair(sys.argv[1], now=now, as_of=now, yes=True)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(shelf.path)], check=False, timeout=120, capture_output=True)
    assert ended.returncode == 9, ended.stderr
    listed = shelf.repair()
    wrong = sum(i % 5 != 4 for i in range(COUNT))
    assert 0 < listed.open < wrong
    assert listed.views[0].classes == {"mismatch": listed.open}
    done = shelf.repair(yes=True)
    assert (done.written, done.exit_code) == (listed.open, 0)


def test_a_user_who_may_only_read(tmp_path: Path) -> None:
    with Server("requirepass s3cret", password="s3cret") as server:
        shelf = make_shelf(
            Repository(tmp_path / "repo", {"type": "redis", "connection_string": f"{server.address},password=s3cret"})
        )
        shelf.put("habit", "visits", WRONG, user=2)
        before = shelf.snapshot()
        reads = ["+hmget", "+hlen", "+hgetall", "+hstrlen", "+scan", "+hscan", "+select"]
        for rights in ([], ["+eval"], ["+eval", "+expire"]):
            server.ask("ACL", "SETUSER", "reader", "reset", "on", ">r3ad", "~*", "-@all", *reads, *rights)
            address = f"{server.address},username=reader,password=r3ad"
            other = shelf.repo.at(tmp_path / "other", {"type": "redis", "connection_string": address})
            seen = Shelf(other, shelf.client)
            assert seen.repair().open == 1
            with pytest.raises(StoreUnavailable) as refused:
                seen.repair(yes=True)
            line = refused.value.one_line()
            assert refused.value.exit_code == EXIT_NOT_MEASURED
            assert "does not let this user write: no permission for " in line
            assert ("hset" if rights else "eval") in line.split("grant")[0]
            assert "r3ad" not in line
            assert shelf.snapshot() == before
        server.ask("ACL", "SETUSER", "reader", "+hset")
        assert seen.repair(yes=True).exit_code == 0


def test_on_a_cluster_whose_slots_move(tmp_path: Path) -> None:
    with Cluster() as cluster:
        online = {"type": "redis", "connection_string": cluster.addresses, "redis_type": "redis_cluster"}
        shelf = make_shelf(Repository(tmp_path / "repo", online))
        shelf.repo.write("habit", habits(shift=50))
        slots = sorted({slot_of(shelf.key(user=user)) for user in range(COUNT)})
        with cluster.moving(slots[:20]):
            time.sleep(0.2)
            done = shelf.repair(views=["habit"], yes=True)
        assert (done.written, done.still_wrong, done.exit_code) == (COUNT, 0, 0)


def test_a_connection_that_breaks_in_the_middle(tmp_path: Path, make: Callable[..., Shelf]) -> None:
    """The answer to a write is lost, and it is asked again."""
    shelf = make()
    shelf.repo.write("habit", habits(shift=50))
    port = int(shelf.repo.store.config.online_store.connection_string.split(",")[0].split(":")[1])
    with closing(Proxy(port)) as proxy:
        other = shelf.repo.at(tmp_path / "o", {"type": "redis", "connection_string": f"127.0.0.1:{proxy.port}"})
        seen = Shelf(other, shelf.client)
        arm = Meanwhile("habit: writing", lambda: proxy.arm(COUNT * 40, "drop"))
        done = seen.repair(yes=True, progress=arm)
        assert proxy.breaks
    assert (done.written, done.still_wrong, done.exit_code) == (COUNT, 0, 0)
