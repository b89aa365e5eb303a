"""Repositories that cannot be used: one line that names the thing and the next step, and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from rides import AS_OF, Repository, Run, make_repository

from feast_skew.embedded.redis_server import EmbeddedRedis


def test_missing_directory(run: Run, tmp_path: Path) -> None:
    run("validate", "--repo", tmp_path / "nowhere").refused(2, f"{tmp_path}/nowhere", "does not exist", "--repo")


def test_directory_without_repository(run: Run, tmp_path: Path) -> None:
    run("validate", "--repo", tmp_path).refused(2, "feature_store.yaml", str(tmp_path), "--repo")


def test_current_directory_is_the_default(run: Run) -> None:
    run("validate").refused(2, "feature_store.yaml", "--repo")


def test_a_file_is_no_repository(run: Run, repo: Repository) -> None:
    run("validate", "--repo", repo.yaml).refused(2, str(repo.yaml), "directory")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("project: [unclosed\n", ("line 2",)),
        ("", ("empty",)),
        ("- a\n- b\n", ("by name",)),
        ("\x00\x01", ()),
    ],
    ids=["unclosed", "empty", "list", "binary"],
)
def test_broken_yaml(run: Run, repo: Repository, text: str, parts: tuple[str, ...]) -> None:
    repo.yaml.write_text(text)
    run("validate", "--repo", repo.path).refused(2, str(repo.yaml), *parts)


def test_unreadable_yaml(run: Run, repo: Repository) -> None:
    repo.yaml.write_bytes(b"project: \xff\xfe\n")
    run("validate", "--repo", repo.path).refused(2, str(repo.yaml))


@pytest.mark.parametrize(
    ("before", "after", "parts"),
    [
        ("type: redis", "type: reddis", ("online", "reddis")),
        ("type: dask", "type: dusk", ("offline", "dusk")),
        ("  type: redis\n", "  type: redis\n  conection_string: x\n", ("conection_string", "online_store")),
        ("provider: local", "provider: lokal", ("lokal",)),
    ],
    ids=["online type", "offline type", "extra key", "provider"],
)
def test_wrong_setting(run: Run, repo: Repository, before: str, after: str, parts: tuple[str, ...]) -> None:
    repo.edit(before, after)
    line = run("validate", "--repo", repo.path).refused(2, str(repo.yaml), *parts)
    assert "pydantic" not in line
    assert "validation error" not in line


def test_missing_project(run: Run, repo: Repository) -> None:
    repo.edit(f"project: {repo.project}\n", "")
    run("validate", "--repo", repo.path).refused(2, str(repo.yaml), "project", "missing")


def test_unset_environment_variable(run: Run, repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RIDES_REDIS", raising=False)
    text = repo.yaml.read_text()
    start = text.index('"')
    repo.yaml.write_text(text[:start] + '"${RIDES_REDIS}"\n' + text[text.index("\n", start) + 1 :])
    run("validate", "--repo", repo.path).refused(2, str(repo.yaml), "RIDES_REDIS", "not set")


@pytest.mark.parametrize("address", ["localhost", "localhost:port", "localhost:6379,secret", ""])
def test_address_that_cannot_be_parsed(run: Run, repo: Repository, redis: EmbeddedRedis, address: str) -> None:
    repo.edit(redis.connection_string, address)
    line = run("validate", "--repo", repo.path).refused(2, str(repo.yaml), "connection_string")
    assert "secret" not in line


def test_no_registry_yet(run: Run, tmp_path: Path, redis: EmbeddedRedis) -> None:
    repository = make_repository(tmp_path / "new", redis.connection_string, apply=False)
    before = repository.files()
    run("validate", "--repo", repository.path).refused(2, str(repository.path), "no registry", "feast apply")
    assert repository.files() == before


def test_empty_registry(run: Run, tmp_path: Path, redis: EmbeddedRedis) -> None:
    repository = make_repository(tmp_path / "new", redis.connection_string, apply=False)
    repository.store().apply([])
    run("validate", "--repo", repository.path).refused(2, repository.project, "feast apply")


def test_zero_byte_registry(run: Run, repo: Repository) -> None:
    (repo.path / "data" / "registry.db").write_bytes(b"")
    run("validate", "--repo", repo.path).refused(2, "registry", "feast apply")


def test_damaged_registry(run: Run, repo: Repository) -> None:
    (repo.path / "data" / "registry.db").write_bytes(b"\xff\xff\xff\xffnot a registry")
    run("validate", "--repo", repo.path).refused(2, "registry", str(repo.path))


def test_registry_of_another_project(run: Run, repo: Repository) -> None:
    repo.edit(f"project: {repo.project}", "project: other")
    run("validate", "--repo", repo.path).refused(2, "other", "feast apply")


@pytest.mark.parametrize(
    ("flag", "name", "parts"),
    [
        ("--view", "driver_stat", ("feature view 'driver_stat'", "driver_stats")),
        ("--service", "drivers_model", ("feature service 'drivers_model'", "driver_model")),
        ("--feature", "driver_stats:ratee", ("'ratee'", "driver_stats", "rate")),
        ("--feature", "driver_stat:rate", ("'driver_stat'", "driver_stats")),
        ("--feature", "rate", ("--feature 'rate'", "view:feature")),
        ("--feature", ":", ("--feature ':'", "view:feature")),
        ("--feature", "driver_stats:", ("driver_stats",)),
        ("--view", "zzz", ("'zzz'", "driver_stats", "rider_stats")),
        ("--view", "", ("''", "driver_stats")),
    ],
)
def test_unknown_names(run: Run, repo: Repository, flag: str, name: str, parts: tuple[str, ...]) -> None:
    run("validate", "--repo", repo.path, flag, name).refused(2, *parts)


def test_nothing_online(run: Run, tmp_path: Path, redis: EmbeddedRedis) -> None:
    from feast import FeatureView

    repository = make_repository(tmp_path / "new", redis.connection_string, materialize=False)
    store = repository.store()
    views = [view for view in store.list_feature_views() if isinstance(view, FeatureView)]
    for view in views:
        view.online = False
    store.apply(views)
    run("validate", "--repo", repository.path).refused(2, "driver_stats: not online", "rider_stats")


def test_a_repository_is_left_as_it_was(run: Run, repo: Repository) -> None:
    before = repo.files()
    assert run("validate", "--repo", repo.path, "--as-of", AS_OF).code == 0
    assert {name for name in repo.files() - before if not name.startswith(".feast_skew/")} == set()
