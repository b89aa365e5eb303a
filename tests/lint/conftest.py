"""A server for the hazards; test files are collected by path, so what they share is found here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from kit import Kit

from feast_skew.embedded.redis_server import EmbeddedRedis


@pytest.fixture(scope="session")
def redis() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture
def kit(tmp_path: Path, redis: EmbeddedRedis) -> Kit:
    """A repository with nothing in it yet."""
    return Kit(tmp_path, redis.connection_string)


@pytest.fixture
def kit_with(tmp_path: Path, redis: EmbeddedRedis) -> Any:
    """Make a repository with other settings."""
    return lambda **settings: Kit(tmp_path, redis.connection_string, **settings)
