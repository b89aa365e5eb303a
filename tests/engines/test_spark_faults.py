"""Faults in the middle of a run on Spark: what can be waited for gives the same report, what cannot gives one line."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import faults
from faults import World
from rides import AS_OF, Repository
from servers.proxy import Proxy
from servers.server import Server

from feast_skew.errors import StoreUnavailable
from feast_skew.report import SkewReport

pytestmark = [pytest.mark.xdist_group("spark faults"), pytest.mark.usefixtures("scratch", "session")]

SLOWLY = 1_200
"""Rows a second: the executors read for some seconds, so that something can happen meanwhile."""

NOW = datetime(2026, 3, 12, tzinfo=timezone.utc)
AWAY = 5.0


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Spark as the command starts it, for the tests of this file; its Python workers have no Feast."""
    from feast_skew.engines.spark.session import open_session

    with (
        faults.bare_workers(tmp_path_factory.mktemp("python") / "bin"),
        open_session("faults", master="local[2]", settings=faults.QUICK) as opened,
    ):
        yield opened.session


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Server() as server:
        yield faults.make_world(server, tmp_path_factory.mktemp("world") / "repo")


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where rows are staged: empty at the end."""
    place = tmp_path / "scratch"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    assert not list(place.iterdir())


@dataclass(frozen=True)
class Ended:
    """A report, and the wrong rows that it added to a table."""

    report: SkewReport
    wrong: pd.DataFrame

    def same_as(self, other: Ended) -> None:
        assert faults.told(self.report) == faults.told(other.report)
        pd.testing.assert_frame_equal(self.wrong, other.wrong)


def run(repo: Repository, wrong: Path, **options: Any) -> Ended:
    from feast_skew import api

    settings = {"spark_partitions": 4, **options.pop("settings", {})}
    report = api.validate(
        repo.path, views=["driver_stats"], engine="spark", sample=10**6, as_of=datetime.fromisoformat(AS_OF),
        settings={"wrong_rows": str(wrong), **settings}, now=NOW, state=False, **options,
    )  # fmt: skip
    return Ended(report, faults.rows_of(wrong))


@pytest.fixture(scope="module")
def undisturbed(session: Any, world: World, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The same run with nothing in its way."""
    assert session.sparkContext.master == "local[2,4]"
    return run(world.repo, tmp_path_factory.mktemp("undisturbed") / "wrong")


@pytest.fixture
def through(world: World, tmp_path: Path) -> Iterator[tuple[Proxy, Repository]]:
    """A wire to the server, and the repository that goes by it."""
    shutil.copytree(world.repo.path, tmp_path / "repo")
    repo = Repository(tmp_path / "repo", world.repo.project)
    with closing(Proxy(world.server.port)) as proxy:
        repo.edit(world.server.address, f"127.0.0.1:{proxy.port}")
        yield proxy, repo


def test_the_undisturbed_run(undisturbed: Ended) -> None:
    report, wrong = undisturbed.report, undisturbed.wrong
    (rate,) = [feature for feature in report.features if feature.feature == "rate"]
    assert report.verdict.value == "fail"
    assert (rate.counts["entities"], rate.counts["mismatch"]) == (faults.DRIVERS, len(faults.expected_wrong()))
    assert [cause.code for cause in rate.causes] == ["scale"]
    assert set(wrong["entity"]) == {f'{{"driver_id": "{number}"}}' for number in faults.expected_wrong()}
    assert len(wrong) == len(faults.expected_wrong())


@pytest.mark.parametrize("look", [pytest.param("first", marks=pytest.mark.slow), "second"])
def test_a_task_that_is_killed_counts_nothing_twice(
    world: World, undisturbed: Ended, tmp_path: Path, look: str
) -> None:
    """Its Python is killed with a part of its rows read: in the read of all rows, and in that of the wrong ones again."""
    reading = world.executors_read(faults.DRIVERS // 4 if look == "first" else faults.DRIVERS + 100)
    killed: list[int] = []

    def kill() -> None:
        worker = world.workers(world.server.port)[0]
        worker.kill()
        killed.append(worker.pid)

    with faults.meanwhile(reading, kill) as done:
        ended = run(world.repo, tmp_path / "wrong", max_ops=SLOWLY)
    assert len(killed) == len(done) == 1
    ended.same_as(undisturbed)


def test_connections_that_drop_for_a_while(
    world: World, undisturbed: Ended, through: tuple[Proxy, Repository], tmp_path: Path
) -> None:
    proxy, repo = through

    def away() -> None:
        proxy.cut()
        threading.Timer(AWAY, proxy.mend).start()

    with faults.meanwhile(world.executors_read(faults.DRIVERS // 4, proxy.port), away) as done:
        ended = run(repo, tmp_path / "wrong", max_ops=SLOWLY)
    assert len(done) == 1
    ended.same_as(undisturbed)


def test_a_server_that_is_gone_for_good(world: World, through: tuple[Proxy, Repository], tmp_path: Path) -> None:
    proxy, repo = through
    with (
        faults.meanwhile(world.executors_read(faults.DRIVERS // 2, proxy.port), proxy.cut) as done,
        pytest.raises(StoreUnavailable) as raised,
    ):
        run(repo, tmp_path / "wrong", max_ops=SLOWLY, settings={"spark_partitions": 8})
    line = raised.value.one_line()
    print(line)
    assert len(done) == 1
    assert raised.value.exit_code == 3
    assert re.match(r"driver_stats: measuring \(\d+ of \d+ tasks done\): the online store", line)
    assert "does not answer" in line
    assert not list((tmp_path / "wrong").rglob("run_id=*"))


def test_values_that_nobody_can_read_are_counted(world: World, tmp_path: Path) -> None:
    """Garbage, a key of another type and a value of 33 MiB, each in a partition of its own or not: as in one process."""
    from feast_skew import api
    from feast_skew.stores.redis import layout

    (field,) = layout.fields("driver_stats", ["rate"])[:1]
    garbage, other_type, huge = (faults.redis_key(world.repo, number) for number in (3, 7, 11))
    with world.server.client() as client:
        before = {key: client.hgetall(key) for key in (garbage, other_type, huge)}
        try:
            client.hset(garbage, field, b"\xff\xff\xff")
            client.delete(other_type)
            client.set(other_type, "no hash")
            client.hset(huge, field, b"\x12" + b"\x80" * (33 << 20))
            ours = run(world.repo, tmp_path / "wrong")
            theirs = api.validate(
                world.repo.path, views=["driver_stats"], sample="all", as_of=datetime.fromisoformat(AS_OF), now=NOW,
                state=False,
            )  # fmt: skip
        finally:
            for key, fields in before.items():
                client.delete(key)
                client.hset(key, mapping=fields)
    counts = {feature.feature: feature.counts["corrupt"] for feature in ours.report.features}
    assert counts == {"rate": 3, "trips": 1, "city": 1}
    assert "FS214" in {finding.code for finding in ours.report.findings}
    assert {**faults.told(ours.report), "engine": "local"} == faults.told(theirs)
    corrupt = ours.wrong[ours.wrong["class"] == "corrupt"]
    assert sorted(zip(corrupt["feature"], corrupt["entity"], strict=True)) == sorted(
        [(name, '{"driver_id": "7"}') for name in counts]
        + [("rate", f'{{"driver_id": "{number}"}}') for number in (3, 11)]
    )
    assert set(corrupt["online"]) == {None}
    assert set(corrupt["cause"]) == {"unknown"}
