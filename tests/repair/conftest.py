"""A real Redis, and on it a repository of three views whose online rows a test may spoil."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# Test files are collected by path and are no package, so what they share is found here.
sys.path.insert(0, str(Path(__file__).parent))

from shelf import Shelf, make_shelf

from feast_skew.embedded.redis_server import EmbeddedRedis
from tests.stores.conftest import Repository


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedRedis]:
    """One server for all tests of a worker; each repository has a project of its own."""
    with EmbeddedRedis() as running:
        yield running


@pytest.fixture
def make(server: EmbeddedRedis, tmp_path: Path) -> Callable[..., Shelf]:
    """Give a function that makes a repository, applied and materialized; options are settings of its online store."""

    def made(**online: Any) -> Shelf:
        settings = {"type": "redis", "connection_string": server.connection_string, **online}
        return make_shelf(Repository(tmp_path / "repo", settings))

    return made


@pytest.fixture
def shelf(make: Callable[..., Shelf]) -> Shelf:
    """A repository with rows that are all right."""
    return make()
