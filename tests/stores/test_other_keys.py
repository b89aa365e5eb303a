"""Rows that are in the store and not where serving looks: ids of another type, other versions, projects, orders, and names."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

FIRST = datetime(2024, 2, 1, 6, tzinfo=timezone.utc)
N = 120
_numbers = itertools.count()


def table(keys: dict[str, Any], size: int = N, moment: datetime = FIRST) -> pa.Table:
    moments = pa.array([moment] * size, pa.timestamp("us", "UTC"))
    return pa.table({**keys, "event_timestamp": moments, "x": np.random.default_rng(0).normal(size=size)})


def fill(repo: Any, keys: dict[str, str], ids: dict[str, Any], name: str = "v", size: int = N) -> None:
    """Apply a view and materialize it."""
    repo.apply(repo.view(name, repo.source(f"src_{name}", table(ids, size)), keys, {"x": "Float64"}))
    repo.materialize()


def how(repo: Any) -> dict[str, Any]:
    report = repo.validate(scan=False)
    return {cause.code: cause for cause in report.features[0].causes}


def forget(repo: Any, server: Any, keep: int = 0) -> list[bytes]:
    """Delete the keys of a project but for some, and give them."""
    keys = sorted(key for key in server.client().scan_iter("*") if key.endswith(repo.project.encode()))
    server.client().delete(*keys[keep:])
    return keys[keep:]


@pytest.fixture
def key() -> str:
    """A join key that no other project in the store has."""
    return f"id{next(_numbers)}x"


@pytest.fixture
def another(make_repository: Any, tmp_path: Path) -> Callable[..., Any]:
    """Make a further repository."""
    return lambda **settings: make_repository(tmp_path / str(next(_numbers)), **settings)


@pytest.fixture
def emptied(repo: Any, redis_server: Any) -> Callable[..., Any]:
    """Give a repository whose view was materialized, and whose rows are gone."""

    def make(keys: dict[str, str], ids: dict[str, Any], keep: int = 0) -> Any:
        fill(repo, keys, ids)
        forget(repo, redis_server, keep)
        return repo

    return make


def first_key(repo: Any, which: str) -> Any:
    found = how(repo)
    cause = next(iter(found.values()))
    assert cause.code == "key", found
    assert (cause.kind, cause.share, cause.evidence["which"]) == ("how", 1.0, which)
    # What is proven leaves nothing to it.
    assert ("not_materialized" in found) == (cause.confidence < 0.9)
    return cause


def only_key(repo: Any, which: str) -> Any:
    cause = first_key(repo, which)
    assert cause.confidence > 0.9
    return cause


@pytest.mark.parametrize("reader", ["bulk", "generic"])
@pytest.mark.parametrize(("declared", "written"), [("Int64", "Int32"), ("Int64", "String"), ("String", "Int64")])
def test_ids_of_another_type(
    declared: str, written: str, reader: str, emptied: Any, another: Any, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    ids = np.arange(N)
    given = {name: ids.astype(str) if name == "String" else ids for name in (declared, written)}
    repo = emptied({key: declared}, {key: given[declared]})
    fill(another(project=repo.project), {key: written}, {key: given[written]})
    if reader == "generic":
        monkeypatch.setattr("feast_skew.stores.feast_online.FeastOnlineReader.is_plain_redis", False, raising=False)
        monkeypatch.setattr("feast_skew.stores.online.fastest_reader", lambda generic, *_: generic)
    cause = only_key(repo, "id type")
    assert (cause.evidence["expected"], cause.evidence["found"]) == (declared, written)
    assert (cause.evidence["asked"], cause.evidence["held"], cause.confidence) == (N, N, 0.99)


def test_on_sqlite(another: Any, key: str) -> None:
    """Feast's own read tells of ids in any store."""
    repo = another(online="sqlite")
    fill(repo, {key: "Int64"}, {key: np.arange(N)})
    (repo.directory / "online.db").unlink()
    path = {"path": str(repo.directory / "online.db")}
    fill(another(online="sqlite", project=repo.project, online_settings=path), {key: "Int32"}, {key: np.arange(N)})
    assert only_key(repo, "id type").evidence["found"] == "Int32"


@pytest.mark.parametrize(("own", "written"), [(3, 2), (2, 3)])
def test_another_serialization_of_keys(own: int, written: int, another: Any, redis_server: Any, key: str) -> None:
    repo = another(entity_key_serialization_version=own)
    fill(repo, {key: "Int64"}, {key: np.arange(N)})
    forget(repo, redis_server)
    fill(another(project=repo.project, entity_key_serialization_version=written), {key: "Int64"}, {key: np.arange(N)})
    cause = only_key(repo, "key serialization")
    assert (cause.evidence["expected"], cause.evidence["found"]) == (f"version {own}", f"version {written}")


def test_another_project(emptied: Any, another: Any, key: str) -> None:
    repo, other = emptied({key: "Int64"}, {key: np.arange(N)}), another()
    fill(other, {key: "Int64"}, {key: np.arange(N)})
    cause = first_key(repo, "project")
    assert cause.confidence == 0.85
    assert (cause.evidence["expected"], cause.evidence["found"]) == (repo.project, other.project)
    assert other.project in cause.remedy


def test_another_project_with_some_of_the_entities(emptied: Any, another: Any, key: str) -> None:
    """The fewer it has, the less sure; and what is not proven leaves the rows to `not_materialized`."""
    repo, other = emptied({key: "Int64"}, {key: np.arange(N)}), another()
    fill(other, {key: "Int64"}, {key: np.arange(N // 2)}, size=N // 2)
    found = how(repo)
    assert found["key"].confidence == pytest.approx(0.85 / 2)
    assert list(found) == ["not_materialized", "key"]


def test_another_project_that_has_them_by_right(emptied: Any, another: Any, key: str) -> None:
    """Its rows are of another day; or this project has keys of its own, so that jobs do write under its name."""
    repo, other = emptied({key: "Int64"}, {key: np.arange(N)}), another()
    later = table({key: np.arange(N)}, moment=FIRST + timedelta(days=1))
    other.apply(other.view("v", other.source("src", later), {key: "Int64"}, {"x": "Float64"}))
    other.materialize()
    assert set(how(repo)) == {"not_materialized"}


def test_several_projects_that_have_them(emptied: Any, another: Any, key: str) -> None:
    """As where each stage has a project of its own: none of them is more likely than another."""
    repo = emptied({key: "Int64"}, {key: np.arange(N)})
    for _ in range(2):
        fill(another(), {key: "Int64"}, {key: np.arange(N)})
    found = how(repo)
    assert list(found) == ["not_materialized", "key"]
    assert found["key"].confidence <= 0.5


def test_another_project_beside_keys_of_ones_own(emptied: Any, another: Any, key: str) -> None:
    repo, other = emptied({key: "Int64"}, {key: np.arange(N)}, keep=5), another()
    fill(other, {key: "Int64"}, {key: np.arange(N)})
    found = how(repo)
    assert {code: cause.confidence for code, cause in found.items()} == {
        "key": 0.6,
        "not_materialized": pytest.approx(0.4),
    }
    assert next(iter(found)) == "key"


def test_two_things_at_once(emptied: Any, another: Any, key: str) -> None:
    repo, other = emptied({key: "Int64"}, {key: np.arange(N)}), another()
    fill(other, {key: "String"}, {key: np.arange(N).astype(str)})
    cause = first_key(repo, "id type and project")
    assert cause.evidence["found"] == f"String and {other.project}"


def test_join_keys_in_another_order(repo: Any, redis_server: Any, key: str) -> None:
    """As a writer puts them that does not sort them."""
    one, two = f"a{key}", f"b{key}"
    ids = {two: np.arange(N), one: np.arange(N) + 7}
    fill(repo, {one: "Int64", two: "Int64"}, ids)
    plan, stored = repo.view_plan("v"), repo.online_reader()._layout
    entities = pa.table({name: pa.array(values, pa.int64()) for name, values in ids.items()})
    for old, new in zip(
        stored.keys(entities, plan.keys).to_pylist(),
        stored.keys(entities, plan.keys, order=[two, one]).to_pylist(),
        strict=True,
    ):
        redis_server.client().rename(old, new)
    cause = only_key(repo, "join key order")
    assert (cause.evidence["expected"], cause.evidence["found"]) == (f"{one}, {two}", f"{two}, {one}")


def test_one_of_two_ids_of_another_type(emptied: Any, another: Any, key: str) -> None:
    one, two = f"a{key}", f"b{key}"
    ids = {one: np.arange(N), two: np.arange(N)}
    repo = emptied({one: "Int64", two: "Int64"}, ids)
    fill(another(project=repo.project), {one: "Int64", two: "String"}, {**ids, two: ids[two].astype(str)})
    assert only_key(repo, "id type").evidence["found"] == f"{one} Int64, {two} String"


@pytest.mark.parametrize(("other", "confidence"), [("w", 0.95), ("v_v1", 0.99)])
def test_another_name_of_the_view(other: str, confidence: float, emptied: Any, another: Any, key: str) -> None:
    repo = emptied({key: "Int64"}, {key: np.arange(N)})
    fill(another(project=repo.project), {key: "Int64"}, {key: np.arange(N)}, name=other)
    cause = only_key(repo, "view name")
    assert (cause.evidence["found"], cause.confidence) == (other, confidence)


def test_another_view_is_not_another_name(repo: Any, redis_server: Any, key: str) -> None:
    """Views that the registry knows are in the same hashes by right, with features of the same names, too."""
    views = [
        repo.view(name, repo.source(f"src_{name}", table({key: np.arange(N)})), {key: "Int64"}, {"x": "Float64"})
        for name in ("v", "w")
    ]
    repo.apply(*views)
    repo.materialize()
    forget(repo, redis_server)
    repo.materialize(["w"])
    found = {c.code for f in repo.validate(scan=False).features if f.view == "v" for c in f.causes}
    assert found == {"not_materialized"}


def test_silent_when_they_are_nowhere(emptied: Any, key: str) -> None:
    found = how(emptied({key: "Int64"}, {key: np.arange(N)}))
    assert {code: cause.confidence for code, cause in found.items()} == {"not_materialized": 0.8}


def test_silent_when_most_are_there(emptied: Any, another: Any, key: str) -> None:
    """A fifth is there: then the others are not looked for, as their keys are right."""
    repo = emptied({key: "Int64"}, {key: np.arange(N)}, keep=N // 5)
    fill(another(project=repo.project), {key: "String"}, {key: np.arange(N).astype(str)})
    assert set(how(repo)) == {"not_materialized"}


def test_nothing_is_written(emptied: Any, another: Any, redis_server: Any, key: str) -> None:
    repo = emptied({key: "Int64"}, {key: np.arange(N)})
    fill(another(project=repo.project), {key: "String"}, {key: np.arange(N).astype(str)})
    client = redis_server.client()
    before = {key: client.dump(key) for key in client.scan_iter("*")}
    only_key(repo, "id type")
    assert {key: client.dump(key) for key in client.scan_iter("*")} == before


def test_at_a_limited_pace(emptied: Any, another: Any, key: str) -> None:
    repo = emptied({key: "Int64"}, {key: np.arange(N)})
    fill(another(project=repo.project), {key: "String"}, {key: np.arange(N).astype(str)})
    reader, slept = repo.online_reader(max_ops=1_000), []
    reader._pace._sleep = slept.append
    found = reader.find_elsewhere(repo.view_plan("v"), pa.table({key: pa.array(np.arange(N))}))
    assert [(one.what, one.found, one.held) for one in found] == [("id type", "String", N)]
    assert sum(slept) > 0.1  # two kinds of keys, a hundred commands each, of a thousand a second


def test_a_hash_that_others_fill_up(emptied: Any, another: Any, redis_server: Any, key: str) -> None:
    """It is looked at for a moment, and what is not found there is not there."""
    repo = emptied({key: "Int64"}, {key: np.arange(N)})
    fill(another(project=repo.project), {key: "Int64"}, {key: np.arange(N)}, name="w")
    client = redis_server.client()
    (raw, *_) = [name for name in client.scan_iter("*") if name.endswith(repo.project.encode())]
    client.hset(raw, mapping={f"field {i}": "x" * 100 for i in range(5_000)})
    assert only_key(repo, "view name").evidence["held"] == N


@pytest.mark.parametrize("refused", ["scan", "hscan"])
def test_a_user_who_may_not_look_around(
    refused: str, emptied: Any, redis_server: Any, key: str, tmp_path: Path
) -> None:
    """Says less, and no error."""
    repo = emptied({key: "Int64"}, {key: np.arange(N)})
    client = redis_server.client()
    client.execute_command("ACL", "SETUSER", f"some_{key}", "on", ">secret", "~*", "+@all", f"-{refused}")
    online = {
        "type": "redis",
        "connection_string": f"{redis_server.connection_string},username=some_{key},password=secret",
    }
    try:
        assert set(how(repo.at(tmp_path / "user", online))) == {"not_materialized"}
    finally:
        client.execute_command("ACL", "DELUSER", f"some_{key}")
