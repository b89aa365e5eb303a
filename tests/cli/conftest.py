"""Fixtures of the command line: a real Redis, repositories on it, and an empty place to stand in."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from feast_skew.embedded.redis_server import EmbeddedRedis

# Test files are collected by path and are no package, so what they share is found here.
sys.path.insert(0, str(Path(__file__).parent))

from rides import Outcome, Repository, Run, make_repository


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process, which has Feast loaded already."""
    from feast_skew.cli.main import main

    def run_here(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["feast-skew", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        code = ended.value.code if isinstance(ended.value.code, int) else int(bool(ended.value.code))
        print("feast-skew", *arguments, "\n" + err + f"-> {code}")
        return Outcome(code, out, err)

    return run_here


@pytest.fixture(scope="session")
def redis() -> Iterator[EmbeddedRedis]:
    """One server for the tests of a worker; every repository has a project, and so keys, of its own."""
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, redis: EmbeddedRedis) -> Repository:
    """One repository, applied and materialized once."""
    return make_repository(tmp_path_factory.mktemp("template") / "repo", redis.connection_string)


@pytest.fixture
def repo(tmp_path: Path, template: Repository) -> Repository:
    """A copy of the repository for tests that leave the online store as it is."""
    shutil.copytree(template.path, tmp_path / "repo")
    return Repository(tmp_path / "repo", template.project)


@pytest.fixture
def own_repo(tmp_path: Path, redis: EmbeddedRedis) -> Repository:
    """A repository whose online rows a test may change."""
    return make_repository(tmp_path / "repo", redis.connection_string)


@pytest.fixture(autouse=True)
def empty_cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand in an empty directory, and find it empty at the end: nothing is left where the user stands."""
    place = tmp_path / "cwd"
    place.mkdir()
    monkeypatch.chdir(place)
    yield place
    assert not list(place.iterdir())
