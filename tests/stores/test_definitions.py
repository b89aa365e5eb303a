"""Views whose definition changed while the store kept the rows of an earlier one."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

FIRST = datetime(2024, 2, 1, 6, tzinfo=timezone.utc)
N = 60


def table(values: Any, moment: datetime = FIRST) -> pa.Table:
    stamps = pa.array([moment] * len(values), pa.timestamp("us", "UTC"))
    return pa.table({"id": np.arange(len(values)), "event_timestamp": stamps, "x": values})


def define(repo: Any, file: str, dtype: str = "Float64", **options: Any) -> None:
    """Apply the view over the source `src`, which reads that file."""
    source = repo.source(options.pop("source", "src"), path=str(repo.path(file)))
    repo.apply(repo.view("v", source, {"id": "Int64"}, {"x": dtype}, **options))


def lay_online(repo: Any, values: Any, ids: Any) -> None:
    store = repo.open()
    store.config.online_store.skip_dedup = True
    frame = pd.DataFrame({"id": ids, "event_timestamp": [FIRST] * len(ids), "x": np.asarray(values)[ids]})
    store.write_to_online_store("v", frame)


def remember(repo: Any, files: dict[str, Any], dtype: str = "Float64") -> None:
    """Define the view over one file after the other, and run once with each but the last."""
    *earlier, last = files
    for name, values in files.items():
        repo.write(name, table(values))
    for name in earlier:
        define(repo, name, dtype)
        repo.validate(scan=False)
    define(repo, last, dtype)


def found(repo: Any, code: str = "definition_not_landed") -> tuple[Any, Any]:
    feature = repo.validate(scan=False).features[0]
    return feature, next((cause for cause in feature.causes if cause.code == code), None)


def entities(cause: Any) -> dict[str, int]:
    return {entry["label"].rsplit("/", 1)[-1]: entry["entities"] for entry in cause.evidence["versions"]}


@pytest.fixture
def noise() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {name: random.normal(size=N) for name in "abcd"}


def test_rows_of_several_earlier_definitions(repo: Any, noise: Any) -> None:
    remember(repo, {name: noise[name] for name in "abc"})
    lay_online(repo, noise["a"], np.arange(36))
    lay_online(repo, noise["b"], np.arange(36, N))
    feature, cause = found(repo)
    assert [one.code for one in feature.causes] == ["definition_not_landed"]
    assert (cause.share, cause.confidence) == (1.0, 0.99)
    assert entities(cause) == {"b.parquet": 24, "a.parquet": 36}
    assert cause.evidence["definitions"] == {
        "online": str(repo.path("a")),
        "offline": str(repo.path("c")),
    }
    assert cause.evidence["entities"] == N
    assert all(entry["last_seen"] and entry["fingerprint"] for entry in cause.evidence["versions"])


def test_none_needs_half_of_the_rows(repo: Any, noise: Any) -> None:
    remember(repo, noise)
    for i, name in enumerate("abc"):
        lay_online(repo, noise[name], np.arange(20 * i, 20 * i + 20))
    _, cause = found(repo)
    assert cause.share == 1.0
    assert entities(cause) == {"a.parquet": 20, "b.parquet": 20, "c.parquet": 20}


def test_an_entity_counts_for_the_latest_definition(repo: Any, noise: Any) -> None:
    remember(repo, {"a": noise["a"], "b": noise["a"], "c": noise["c"]})
    lay_online(repo, noise["a"], np.arange(N))
    assert entities(found(repo)[1]) == {"b.parquet": N}


def test_a_few_rows_of_a_definition_prove_nothing(repo: Any, noise: Any) -> None:
    remember(repo, {name: noise[name] for name in "abc"})
    lay_online(repo, noise["b"], np.arange(4))
    lay_online(repo, noise["a"], np.arange(4, N))
    feature, cause = found(repo)
    assert entities(cause) == {"a.parquet": N - 4}
    assert cause.share == pytest.approx((N - 4) / N)
    assert {one.code for one in feature.causes} == {"definition_not_landed", "unknown"}


def test_all_of_few_do(repo: Any) -> None:
    """A view without entities has one row."""
    stamp = pa.array([FIRST], pa.timestamp("us", "UTC"))
    for name, value in (("a", 1.25), ("b", 2.5)):
        repo.write(name, pa.table({"event_timestamp": stamp, "x": [value]}))
        source = repo.source("src", path=str(repo.path(name)))
        repo.apply(repo.view("v", source, {}, {"x": "Float64"}))
        repo.materialize()
        repo.validate(scan=False)
    assert found(repo)[1].share == 1.0


def test_values_of_few_kinds_agree_by_chance(repo: Any) -> None:
    random = np.random.default_rng(1)
    remember(repo, {name: random.integers(0, 8, 800) for name in "ab"}, "Int64")
    lay_online(repo, random.integers(0, 8, 800), np.arange(800))
    assert found(repo)[1] is None


def test_values_of_few_kinds_are_claimed_when_they_are_the_earlier_ones(repo: Any) -> None:
    random = np.random.default_rng(1)
    values = {name: random.integers(0, 2, 200) for name in "abc"}
    remember(repo, values, "Int64")
    lay_online(repo, values["a"], np.arange(200))
    assert found(repo)[1].share == 1.0


def test_corrupt_values_are_not_among_those_to_explain(repo: Any, noise: Any, redis_server: Any) -> None:
    from feast.infra.online_stores.helpers import _mmh3

    remember(repo, {name: noise[name] for name in "ab"})
    lay_online(repo, noise["a"], np.arange(N))
    client = redis_server.client()
    keys = [key for key in client.scan_iter("*") if key.endswith(repo.project.encode())]
    for key in keys[:10]:
        client.hset(key, _mmh3("v:x"), b"\xff\xff\xff")
    feature, cause = found(repo)
    assert feature.counts["corrupt"] == 10
    assert (cause.share, cause.evidence["entities"]) == (1.0, N - 10)


@pytest.mark.parametrize("change", [{"ttl": timedelta(days=99)}, {"source": "renamed"}, {"dtype": "Float32"}])
def test_another_ttl_schema_or_name_is_no_other_source(repo: Any, noise: Any, change: dict[str, Any]) -> None:
    repo.write("a", table(noise["a"]))
    define(repo, "a")
    repo.materialize()
    repo.validate(scan=False)
    define(repo, "a", **change)
    repo.write("a", table(noise["b"]))
    _, cause = found(repo, "frozen")
    assert cause.evidence["earlier_sources"] == []
    assert "before and may have been replaced" not in cause.detail
    assert found(repo)[1] is None


def test_the_ttl_changed_beside_the_source(repo: Any, noise: Any) -> None:
    """The two versions with the earlier source are one."""
    for name in "ab":
        repo.write(name, table(noise[name]))
    for file, days in (("a", 0), ("a", 9), ("b", 9)):
        define(repo, file, ttl=timedelta(days=days))
        repo.materialize()
        _, cause = found(repo)
    assert entities(cause) == {"a.parquet": N}


@pytest.mark.parametrize(("gone", "claimed"), [(0, N), (5, N - 5), (9, 0)])
def test_a_new_source_at_earlier_instants(repo: Any, noise: Any, gone: int, claimed: int) -> None:
    """Redis keeps the later rows of the earlier source; `gone` of them that source no longer has."""
    repo.write("a", table(noise["a"]))
    repo.write("b", table(noise["b"], FIRST - timedelta(hours=6)))
    define(repo, "a")
    repo.materialize()
    repo.validate(scan=False)
    define(repo, "b")
    repo.materialize()
    repo.write("a", table(noise["a"]).slice(gone))
    feature, cause = found(repo)
    assert feature.counts["unaligned"] == N
    assert feature.verdict == "inconclusive"
    assert (entities(cause) if cause else {}) == ({"a.parquet": claimed} if claimed else {})
    if cause:
        assert (cause.share, cause.confidence) == (claimed / N, 0.99)
        assert "wrong or unaligned" in cause.detail


def test_unaligned_rows_are_held_against_the_instant_to_the_microsecond(repo: Any, noise: Any) -> None:
    repo.write("a", table(noise["a"]))
    repo.write("b", table(noise["b"], FIRST - timedelta(hours=6)))
    define(repo, "a")
    repo.materialize()
    repo.validate(scan=False)
    define(repo, "b")
    repo.write("a", table(noise["a"], FIRST + timedelta(microseconds=1)))
    assert found(repo)[1] is None
