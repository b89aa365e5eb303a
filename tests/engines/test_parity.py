"""The report of the engine on Spark is that of one process, to 1e-9, whatever the partitions, the stores and the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engines.parity import assert_same_report, differences
from tests.engines.worlds import WORLDS, World, build, table

# One session costs more than its tests: `--dist loadgroup` keeps them in one process.
pytestmark = [pytest.mark.xdist_group("spark"), pytest.mark.usefixtures("session")]

PARTITIONS = (1, 2, 7, 64)
STORES = (("redis", "dask"), ("sqlite", "dask"), ("redis", "duckdb"), ("redis", "spark"))
ONLY_REDIS = ("garbage", "bad_values", "large_values")
"""Worlds with bytes that only a Redis can be given."""

COVERING = (
    # World, which of its runs, partitions, online and offline store.
    ("every_type", 0, 7, "redis", "dask"),
    pytest.param("garbage", 0, 2, "redis", "dask", marks=pytest.mark.slow),
    ("causes", 0, 2, "redis", "dask"),
    pytest.param("more_causes", 0, 7, "redis", "dask", marks=pytest.mark.slow),
    ("definition", 0, 7, "redis", "duckdb"),
    ("unaligned", 0, 7, "redis", "spark"),
    ("ties", 0, 1, "redis", "dask"),
    ("keys", 0, 7, "redis", "dask"),
    pytest.param(
        "populations", 1, 64, "sqlite", "dask", marks=pytest.mark.slow
    ),  # a minute; 64 partitions are below, too
    ("populations", 1, 2, "sqlite", "dask"),
    ("errors", 0, 1, "redis", "dask"),
    ("suites", 0, 2, "sqlite", "duckdb"),
    ("on_demand", 0, 2, "redis", "dask"),
    pytest.param("thinned", 0, 7, "redis", "dask", marks=pytest.mark.slow),
)


class Cases:
    """Worlds that are built when they are first asked for, each with the reports of one process."""

    def __init__(self, make: Callable[..., Any], folder: Callable[[str], Path], server: Any) -> None:
        self._make, self._folder, self._server = make, folder, server
        self._worlds: dict[tuple[str, str, str], list[World]] = {}
        self._reports: dict[tuple[str, str, str, int], Any] = {}

    def worlds(self, name: str, online: str, offline: str) -> list[World]:
        key = name, online, offline
        if key not in self._worlds:
            folder = self._folder("-".join(key))
            self._worlds[key] = build(name, self._make, folder, self._server, online, offline)
        return self._worlds[key]

    def check(self, name: str, run: int, partitions: int, online: str, offline: str) -> None:
        """Hold a report from Spark against that of one process."""
        local = self.local(name, run, online, offline)
        assert_same_report(local, self.worlds(name, online, offline)[run].report("spark", partitions))

    def local(self, name: str, run: int, online: str = "redis", offline: str = "dask") -> Any:
        """Give the report of one process."""
        key = name, online, offline, run
        if key not in self._reports:
            self._reports[key] = self.worlds(name, online, offline)[run].report("local")
        return self._reports[key]


@pytest.fixture(scope="module")
def cases(make_repository: Any, redis_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cases]:
    return Cases(make_repository, tmp_path_factory.mktemp, redis_server)


@pytest.mark.parametrize(("name", "run", "partitions", "online", "offline"), COVERING)
def test_the_same_report(name: str, run: int, partitions: int, online: str, offline: str, cases: Cases) -> None:
    cases.check(name, run, partitions, online, offline)


@pytest.mark.slow
@pytest.mark.parametrize("partitions", PARTITIONS)
@pytest.mark.parametrize(("online", "offline"), STORES)
@pytest.mark.parametrize("name", WORLDS)
def test_the_same_report_everywhere(name: str, online: str, offline: str, partitions: int, cases: Cases) -> None:
    """All combinations; made of worlds, stores and partitions, each with every run of its world."""
    if online != "redis" and name in ONLY_REDIS:
        pytest.skip("bytes that are no value are written into Redis alone")
    for run in range(len(cases.worlds(name, online, offline))):
        cases.check(name, run, partitions, online, offline)


def test_every_partition_may_be_empty(cases: Cases) -> None:
    """One entity, and 64 partitions."""
    (world, *_) = cases.worlds("populations", "redis", "dask")
    chosen = {"views": ["small"], "entities": table(np.array([3000])).select(["id"])}
    assert_same_report(world.report("local", **chosen), world.report("spark", 64, **chosen))


def test_everything_happens_in_these_worlds(cases: Cases) -> None:
    """Every cause and every verdict, the findings about rows, and rows that stand for others."""
    reports = [
        cases.local(name, 0)
        for name in ("causes", "more_causes", "definition", "unaligned", "ties", "errors", "thinned")
    ]
    features = [feature for report in reports for feature in report.features]
    assert {cause.code for feature in features for cause in feature.causes} >= {
        "stale", "not_materialized", "orphan", "restated", "definition_not_landed", "null_fill", "default_fill", "scale",
        "offset", "unknown", "aggregate", "constant", "encoding", "expired", "frozen", "key", "lagged_version", "precision",
        "sign", "swapped_feature", "timezone", "transform", "truncated", "type", "window", "wrong_entity",
    }  # fmt: skip
    assert {feature.verdict.value for feature in features} == {"pass", "warn", "fail", "inconclusive", "error"}
    codes = {finding.code for report in reports for finding in report.findings}
    assert codes >= {"FS201", "FS202", "FS204", "FS207"}
    assert max(feature.counts["match"] for feature in features) > 24_000
    apart = [cause for feature in features if feature.view == "moves" for cause in feature.causes]
    assert {"scale", "offset"} <= {cause.code for cause in apart}


def test_differences_are_named_by_their_path() -> None:
    one = {"a": [{"view": "v", "feature": "x", "n": 1.0}], "b": None, "c": 1}
    two = {"a": [{"view": "v", "feature": "x", "n": 1.0 + 2e-9}], "b": 0, "d": 1}
    assert [line.partition(":")[0] if ":" in line else line for line in differences(one, two)] == [
        ".a[v",
        ".b",
        ".c",
        ".d",
    ]
    assert not list(differences({"n": 1e12, "m": float("nan")}, {"n": 1e12 + 100, "m": float("nan")}))
    assert list(differences([True], [1]))
    assert list(differences([1], []))


def test_more_features_are_no_more_jobs(session: Any, make_repository: Any, tmp_path: Path) -> None:
    """Twelve features of several types, equal, wrong and null ones, take the jobs that two take."""
    repo = make_repository(tmp_path)
    ids = np.arange(300)
    random = np.random.default_rng(0)
    values = {f"f{i:02d}": random.normal(size=len(ids)) for i in range(8)}
    values |= {f"w{i}": np.array(["a", "b", "c"])[random.integers(0, 3, len(ids))] for i in range(2)}
    values |= {f"n{i}": random.poisson(5, len(ids)) for i in range(2)}
    types = {name: {"f": "Float64", "w": "String", "n": "Int64"}[name[0]] for name in values}
    features = {"narrow": ("f00", "w0"), "wide": tuple(values)}
    for view, names in features.items():
        online = table(ids, **{name: values[name] for name in names})
        repo.apply(repo.view(view, repo.source(view, online), {"id": "Int64"}, {name: types[name] for name in names}))
    repo.materialize()
    for view, names in features.items():
        offline = {name: np.where(ids % 10, values[name], np.roll(values[name], 1)) for name in names}
        repo.write(view, table(ids, **offline))
    jobs = {}
    for view, names in features.items():
        session.sparkContext.setJobGroup(f"of {view}", view)
        report = World(repo, {"views": [view]}).report("spark", 2)
        jobs[view] = len(session.sparkContext.statusTracker().getJobIdsForGroup(f"of {view}"))
        assert len(report.features) == len(names)
        assert all(feature.counts["mismatch"] for feature in report.features)
    session.sparkContext.setLocalProperty("spark.jobGroup.id", None)
    print(jobs)
    assert jobs["wide"] == jobs["narrow"] > 0
